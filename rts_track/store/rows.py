"""Rows on their way into a store: the same rules, told in the same words, whichever engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rts_track.contract import Column, Table, to_arrow_schema
from rts_track.errors import StoreError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def batches(rows: pa.Table | Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows as one table, or as one table a batch."""
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        yield rows
    else:
        for batch in rows:
            yield pa.Table.from_batches([batch])


def picked_schema(table: Table, columns: Sequence[str] | None) -> pa.Schema:
    """The Arrow schema of some of the table's columns, or of all."""
    import pyarrow as pa

    schema = to_arrow_schema(table)
    return pa.schema([schema.field(name) for name in columns or table.column_names])


def to_declared(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with the declared types, without metadata.

    Raises:
        StoreError: a key is missing, a column is not of the table, or holds what its type cannot.
    """
    import pyarrow as pa

    schema = to_arrow_schema(table)
    if lost := [name for name in table.key if name not in rows.schema.names]:
        raise StoreError(f"{table.name}: rows come without their key {lost[0]}")
    columns = {}
    for name in rows.schema.names:
        if name not in schema.names:
            raise StoreError(f"{table.name} has no column {name}")
        try:
            columns[name] = rows[name].cast(schema.field(name).type)
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise StoreError(f"{table.name}.{name}: {reason}") from error
    return pa.table(columns)


def check_rows(table: Table, rows: pa.Table) -> None:
    """StoreError for the first row with a null, a choice, an area or a geometry not allowed."""
    for name in rows.schema.names:
        column, values = table[name], rows[name]
        for refused, reason in _faults(column, values):
            if refused.any():
                first = int(refused.argmax())
                key = ", ".join(str(rows[part][first]) for part in table.key)
                told = reason.format(value=values[first])
                raise StoreError(f"{table.name} {key}: {name} {told}")


def is_area(column: Column) -> bool:
    """Whether the column holds an area, which is never negative."""
    return column.unit == "m2" and "area" in column.name and "change" not in column.name


def _faults(
    column: Column, values: pa.ChunkedArray
) -> Iterator[tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], str]]:
    """Which values break a rule, and the rule's words."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not column.is_nullable:
        yield _flags(pc.is_null(values)), "is null"
    if column.choices:
        is_known = pc.is_in(values, pa.array([*column.choices, None], pa.string()))
        yield _flags(pc.invert(is_known)), f"is '{{value}}', not {' or '.join(column.choices)}"
    if is_area(column):
        yield _flags(pc.fill_null(pc.less(values, 0), False)), "is {value}, less than nothing"
    if column.type == "geometry":
        yield from _geometry_faults(values)


def _geometry_faults(
    values: pa.ChunkedArray,
) -> Iterator[tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], str]]:
    import pyarrow.compute as pc
    import shapely

    encoded = values.to_numpy(zero_copy_only=False)
    geometries = shapely.from_wkb(encoded, on_invalid="ignore")
    is_missing = shapely.is_missing(geometries)
    yield is_missing & _flags(pc.is_valid(values)), "is no WKB"
    kinds = shapely.get_type_id(geometries)
    is_flat = (kinds == shapely.GeometryType.MULTIPOLYGON) & ~shapely.has_z(geometries)
    yield ~is_missing & ~is_flat, "is not a MultiPolygon of two dimensions"
    refused = ~is_missing & (shapely.is_empty(geometries) | ~shapely.is_valid(geometries))
    reason = shapely.is_valid_reason(geometries[refused.argmax()]) if refused.any() else ""
    yield refused, f"is empty or not valid ({reason})"


def _flags(values: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    import numpy as np

    return np.asarray(values.to_numpy(), dtype=bool)
