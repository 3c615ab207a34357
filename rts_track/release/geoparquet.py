"""GeoParquet 1.1 and Parquet files with exactly the contract's schemas, whole or not at all.

Rows of a table with geometry lie along a Hilbert curve over the world's longitudes and latitudes,
so that a reader who asks for a box skips most row groups by the `bbox` column's statistics.
Specification: https://geoparquet.org/releases/v1.1.0/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from rts_track.contract import Table, to_arrow_schema
from rts_track.release.ordering import Spool, hilbert_distance
from rts_track.writing import appearing

if TYPE_CHECKING:
    from numpy.typing import NDArray

GEOPARQUET_VERSION = "1.1.0"
ROW_GROUP_ROWS = 25_000
_BBOX = "bbox"
_BBOX_TYPE = pa.struct(
    [pa.field(side, pa.float64(), nullable=False) for side in ("xmin", "ymin", "xmax", "ymax")]
)


def write_table(path: Path, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
    """How many rows of the contract table were written to `path`, atomically.

    With a geometry: GeoParquet in Hilbert order, ties in the order given. Without: Parquet in
    the order given. At most HELD_ROWS rows, or one row group, are in memory at a time; beyond
    that they wait uncompressed in a file beside `path`.

    Raises:
        OSError: where `path` cannot be written, or the disk is full.
    """
    schema = to_arrow_schema(table)
    geometry_columns = [column.name for column in table.columns if column.type == "geometry"]
    if table.geometry_column is None:
        return _write(path, schema, batches, {})
    return _write_geo(path, schema, batches, table.geometry_column, geometry_columns)


def write_geoparquet(path: Path, table: pa.Table, geometry_column: str = "geometry") -> int:
    """How many rows of `table` were written to `path` as GeoParquet, atomically.

    Its geometry is WKB of WGS 84 lon/lat; field metadata and nullability are kept; rows are put
    in Hilbert order, ties in the order given.

    Raises:
        OSError: where `path` cannot be written, or the disk is full.
    """
    batches = table.to_batches(ROW_GROUP_ROWS)
    return _write_geo(path, table.schema, batches, geometry_column, [geometry_column])


def _write_geo(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    primary: str,
    geometry_columns: list[str],
) -> int:
    contents = _Contents(primary, geometry_columns)
    full = schema.append(pa.field(_BBOX, _BBOX_TYPE, nullable=schema.field(primary).nullable))
    distances = [np.empty(0, dtype=np.uint64)]
    with Spool(path.with_name(f".{path.name}.rows")) as spool:
        for batch in batches:
            bounds = contents.note(batch)
            spool.add(_with_bbox(batch, full, bounds))
            distances.append(hilbert_distance(*_middle(bounds)))
        order = np.argsort(np.concatenate(distances), kind="stable")
        ordered = spool.in_order(order, ROW_GROUP_ROWS)
        return _write(path, full, ordered, contents.metadata())


def _write(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], metadata: dict[str, str]
) -> int:
    """Write the batches in their order, in row groups of ROW_GROUP_ROWS."""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    schema = schema.with_metadata({**(schema.metadata or {}), **metadata})
    written = 0
    with (
        appearing(path) as beside,
        pq.ParquetWriter(beside, schema, compression="zstd", use_dictionary=texts) as writer,
    ):
        for group in _regroup(batches, schema):
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            written += len(group)
    return written


def _regroup(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The same rows, ROW_GROUP_ROWS at a time."""
    waiting = pa.Table.from_batches([], schema)
    for batch in batches:
        more = pa.Table.from_batches([batch]).cast(schema)
        waiting = pa.concat_tables([waiting, more])
        while len(waiting) >= ROW_GROUP_ROWS:
            yield waiting.slice(0, ROW_GROUP_ROWS).combine_chunks()
            waiting = waiting.slice(ROW_GROUP_ROWS)
    if len(waiting):
        yield waiting.combine_chunks()


class _Contents:
    """What the rows hold, for the file's `geo` metadata: types of geometry and bounds."""

    def __init__(self, primary: str, geometry_columns: list[str]) -> None:
        self._primary = primary
        self._types: dict[str, set[str]] = {name: set() for name in geometry_columns}
        self._bounds = {name: np.full((1, 4), np.nan) for name in geometry_columns}

    def note(self, batch: pa.RecordBatch) -> NDArray[np.float64]:
        """Take the batch into account; the bounds (n, 4) of its primary geometry."""
        bounds = {name: self._note(name, batch[name]) for name in self._types}
        return bounds[self._primary]

    def _note(self, name: str, wkb: pa.Array) -> NDArray[np.float64]:
        geometries = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
        kinds = np.unique(shapely.get_type_id(geometries)).tolist()
        self._types[name] |= {_TYPE_NAMES[kind] for kind in kinds if kind in _TYPE_NAMES}
        bounds = np.asarray(shapely.bounds(geometries)).reshape(-1, 4)
        both = np.concatenate([self._bounds[name], bounds])
        low = np.fmin.reduce(both[:, :2])
        high = np.fmax.reduce(both[:, 2:])
        self._bounds[name] = np.concatenate([low, high])[None, :]
        return bounds

    def metadata(self) -> dict[str, str]:
        """The `geo` metadata; columns without any geometry have no bbox."""
        columns = {name: self._column(name) for name in self._types}
        columns[self._primary]["covering"] = {
            _BBOX: {side.name: [_BBOX, side.name] for side in _BBOX_TYPE}
        }
        geo = {
            "version": GEOPARQUET_VERSION,
            "primary_column": self._primary,
            "columns": columns,
        }
        return {"geo": json.dumps(geo)}

    def _column(self, name: str) -> dict[str, object]:
        bounds = self._bounds[name][0]
        column: dict[str, object] = {
            "encoding": "WKB",
            "geometry_types": sorted(self._types[name]),
            "crs": _crs84(),
        }
        return column | ({"bbox": bounds.tolist()} if np.isfinite(bounds).all() else {})


_TYPE_NAMES = {
    int(kind): name
    for kind, name in (
        (shapely.GeometryType.POINT, "Point"),
        (shapely.GeometryType.LINESTRING, "LineString"),
        (shapely.GeometryType.POLYGON, "Polygon"),
        (shapely.GeometryType.MULTIPOINT, "MultiPoint"),
        (shapely.GeometryType.MULTILINESTRING, "MultiLineString"),
        (shapely.GeometryType.MULTIPOLYGON, "MultiPolygon"),
        (shapely.GeometryType.GEOMETRYCOLLECTION, "GeometryCollection"),
    )
}


@cache
def _crs84() -> dict[str, object]:
    """PROJJSON of lon/lat on WGS 84 in this order: the default, stated for readers that ask."""
    return dict(pyproj.CRS("OGC:CRS84").to_json_dict())


def _with_bbox(
    batch: pa.RecordBatch, full: pa.Schema, bounds: NDArray[np.float64]
) -> pa.RecordBatch:
    """The batch with the bounds of its primary geometry as one more column."""
    sides = [pa.array(side) for side in bounds.T]
    is_missing = pa.array(np.isnan(bounds[:, 0]))
    box = pa.StructArray.from_arrays(sides, fields=list(_BBOX_TYPE), mask=is_missing)
    arrays = [batch[field.name].cast(field.type) for field in full if field.name != _BBOX]
    return pa.RecordBatch.from_arrays([*arrays, box], schema=full)


def _middle(bounds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of the boxes' middles; (0, 0) where there is no geometry."""
    bounds = np.nan_to_num(bounds)
    return (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2
