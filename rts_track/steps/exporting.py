"""`export`: every table of the contract as GeoParquet or Parquet, whole or not at all.

And, where asked for, the trajectories of the active fronts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.contract import CONTRACT, Table
from rts_track.errors import RtsTrackError, StoreError
from rts_track.progress import Progress, silent
from rts_track.release.geoparquet import write_table
from rts_track.writing import appearing

if TYPE_CHECKING:
    import pyarrow as pa

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
    """The files of an export, one a table."""

    folder: Path
    tables: tuple[ExportedTable, ...]

    def line(self) -> str:
        """What a person wants to know."""
        n_rows = sum(table.n_rows for table in self.tables)
        size_mb = sum(table.size_bytes for table in self.tables) / 1e6
        return f"{self.folder}: {len(self.tables)} tables, {n_rows:,} rows, {size_mb:,.1f} MB"


def export(
    reader: Reader,
    folder: Path,
    *,
    trajectories: bool = False,
    arts: bool = False,
    progress: Progress = silent,
) -> ExportReport:
    """Write `<table>.parquet` for every table of the contract into `folder`, made if need be.

    With `trajectories` also `trajectory.parquet` (`rts_track.steps.moving`), which needs the
    extra of that name; a `trajectory.parquet` of an earlier export is otherwise left as it is.
    With `arts` also `arts.geojson`, the same way (`rts_track.steps.arts_exporting`).

    Works at any stage; empty tables keep their schema. Equal content gives equal files, from
    either store. The files of an earlier export are replaced together, once all are written.

    Raises:
        UsageError: movingpandas, which trajectories need, is not installed.
        StoreError: the store cannot be read, or another process changed it meanwhile.
        RtsTrackError: the folder cannot be written to, or the disk is full. An earlier export
            is as it was.
    """
    folder = Path(folder)
    if trajectories:
        from rts_track.steps.moving import check_movingpandas

        check_movingpandas()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tables = _write_all(reader, folder, trajectories, arts, progress)
    except OSError as error:
        raise RtsTrackError(f"{folder}: cannot export here ({_reason(error)})") from error
    return ExportReport(folder=folder, tables=tables)


def _write_all(
    reader: Reader, folder: Path, trajectories: bool, arts: bool, progress: Progress
) -> tuple[ExportedTable, ...]:
    tables, n_tables = [], len(CONTRACT) + trajectories
    runs = reader.read("run")
    with ExitStack() as replaced:
        contents = _contents(reader, trajectories)
        for table, batches in progress(contents, label="export", total=n_tables):
            path = folder / f"{table.name}.parquet"
            beside = replaced.enter_context(appearing(path))
            n_rows = write_table(beside, table, batches)
            size = beside.stat().st_size
            tables.append(ExportedTable(name=table.name, path=path, n_rows=n_rows, size_bytes=size))
        if arts:
            tables.append(_write_arts(reader, folder, replaced, progress))
        if not reader.read("run").equals(runs):
            raise StoreError(f"{reader.url}: changed while it was exported; export it again")
    return tuple(tables)


def _contents(
    reader: Reader, trajectories: bool
) -> Iterator[tuple[Table, Iterable[pa.RecordBatch]]]:
    """Each table to write, and its rows."""
    for name, table in CONTRACT.items():
        yield table, reader.scan(name)
    if trajectories:
        from rts_track.steps import moving

        yield moving.TRAJECTORY, moving.trajectories(reader)


def _write_arts(
    reader: Reader, folder: Path, replaced: ExitStack, progress: Progress
) -> ExportedTable:
    from rts_track.steps.arts_exporting import FILE_NAME, export_arts

    path = folder / FILE_NAME
    beside = replaced.enter_context(appearing(path))
    n_rows = export_arts(reader, beside, progress=progress)
    return ExportedTable(name="arts", path=path, n_rows=n_rows, size_bytes=beside.stat().st_size)


def _reason(error: OSError) -> str:
    """The system's own words, which pyarrow wraps into its own."""
    if error.errno is None:
        return str(error).splitlines()[0]
    return os.strerror(error.errno)
