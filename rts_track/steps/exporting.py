"""`export`: every table of the contract as GeoParquet or Parquet, whole or not at all."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.contract import CONTRACT
from rts_track.errors import RtsTrackError, StoreError
from rts_track.release.geoparquet import write_table
from rts_track.steps.progress import Progress, silent
from rts_track.writing import appearing

if TYPE_CHECKING:
    from rts_track.store.base import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedTable:
    """One file of an export."""

    name: str
    path: Path
    n_rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """The files of an export, one a table of the contract."""

    folder: Path
    tables: tuple[ExportedTable, ...]

    def line(self) -> str:
        """What a person wants to know."""
        n_rows = sum(table.n_rows for table in self.tables)
        size_mb = sum(table.size_bytes for table in self.tables) / 1e6
        return f"{self.folder}: {len(self.tables)} tables, {n_rows:,} rows, {size_mb:,.1f} MB"


def export(reader: Reader, folder: Path, *, progress: Progress = silent) -> ExportReport:
    """Write `<table>.parquet` for every table of the contract into `folder`, made if need be.

    Works at any stage; empty tables keep their schema. Equal content gives equal files, from
    either store. The files of an earlier export are replaced together, once all are written.

    Raises:
        StoreError: the store cannot be read, or another process changed it meanwhile.
        RtsTrackError: the folder cannot be written to, or the disk is full. An earlier export
            is as it was.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tables = _write_all(reader, folder, progress)
    except OSError as error:
        raise RtsTrackError(f"{folder}: cannot export here ({_reason(error)})") from error
    return ExportReport(folder=folder, tables=tables)


def _write_all(reader: Reader, folder: Path, progress: Progress) -> tuple[ExportedTable, ...]:
    tables = []
    runs = reader.read("run")
    with ExitStack() as replaced:
        for name, table in progress(CONTRACT.items(), label="export", total=len(CONTRACT)):
            path = folder / f"{name}.parquet"
            beside = replaced.enter_context(appearing(path))
            n_rows = write_table(beside, table, reader.scan(name))
            size_bytes = beside.stat().st_size
            tables.append(ExportedTable(name=name, path=path, n_rows=n_rows, size_bytes=size_bytes))
        if not reader.read("run").equals(runs):
            raise StoreError(f"{reader.url}: changed while it was exported; export it again")
    return tuple(tables)


def _reason(error: OSError) -> str:
    """The system's own words, which pyarrow wraps into its own."""
    if error.errno is None:
        return str(error).splitlines()[0]
    return os.strerror(error.errno)
