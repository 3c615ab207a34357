"""The files of a truth: tables in a folder, as Parquet or CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIXES = (".parquet", ".csv")
_TYPES: Mapping[str, str] = {
    "season_year": "int64",
    "shift_east_m": "float64",
    "shift_north_m": "float64",
    "is_active": "bool",
    "geometry": "binary",
}
"""Arrow types of columns that are no text."""


def truth_file(truth_dir: Path, name: str) -> Path | None:
    """The file that holds the table, if there is one."""
    paths = (truth_dir / f"{name}{suffix}" for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def read_truth_table(
    truth_dir: Path, name: str, columns: Sequence[str], optional: Sequence[str] = ()
) -> pa.Table:
    """These columns of the table: ids and kinds as text, seasons as whole numbers.

    InputError where the file or one of `columns` is missing, or a value is not what it should be.
    """
    import pyarrow as pa

    path = truth_file(truth_dir, name)
    if path is None:
        raise InputError(f"{truth_dir}: holds no {name}.parquet or {name}.csv")
    try:
        table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({_first_line(error)})") from error
    for column in columns:
        if column not in table.column_names:
            raise InputError(f"{path}: no column {column!r}; expected {', '.join(columns)}")
    wanted = [*columns, *(each for each in optional if each in table.column_names)]
    return pa.table({each: _typed(table[each], each, path) for each in wanted})


def check_filled(table: pa.Table, columns: Sequence[str], where: str) -> None:
    """InputError where a row lacks a value in one of these columns."""
    for column in columns:
        if table[column].null_count:
            raise InputError(f"{where}: {column} is missing in a row")


def check_kinds(table: pa.Table, kinds: Sequence[str], where: str) -> None:
    """InputError where a row is of another kind."""
    unknown = sorted({str(kind) for kind in table["kind"].to_pylist()} - set(kinds))
    if unknown:
        raise InputError(f"{where}: kind {unknown[0]!r}: expected {', '.join(kinds)}")


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_csv(path: Path) -> pa.Table:
    """All columns as text, so that an id such as 007 stays what it is; an empty cell is null."""
    import pyarrow as pa
    import pyarrow.csv

    with path.open(encoding="utf-8-sig", newline="") as stream:
        names = next(csv.reader(stream), [])
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    return pa.csv.read_csv(path, convert_options=options)


def _typed(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(pa.type_for_alias(_TYPES.get(name, "string")))
    except pa.ArrowException as error:
        raise InputError(f"{path}: {name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
