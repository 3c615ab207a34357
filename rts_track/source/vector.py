"""Files of polygons, opened and read in batches: whatever GDAL opens, and GeoParquet."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rts_track.errors import InputError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
"""What a file says of one feature beside its geometry, by field."""

READ_ROWS = 5_000
"""Features that are in memory at a time."""

_PARQUET = (".parquet", ".geoparquet")
_POLYGONAL = ("Polygon", "Surface", "Unknown", "Collection")
_FAULT_SUFFIX = "not a file of polygons that can be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureBatch:
    """Some features of a file: `first_row` counts from 1, `wkb` holds their geometries."""

    first_row: int
    wkb: list[bytes | None]
    rows: list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorFile:
    """One layer of polygons: where it lies, its CRS (anything that PROJ reads) and its fields."""

    path: Path
    layer: str | None
    crs: str
    fields: tuple[str, ...]
    n_features: int | None
    encoding: str | None = None
    geometry_field: str | None = None

    @property
    def stem(self) -> str:
        """The file's name without its suffix: the first part of its features' ids."""
        return self.path.stem

    @property
    def n_batches(self) -> int | None:
        """How many batches it makes; None where the file does not say."""
        return None if self.n_features is None else -(-self.n_features // READ_ROWS)

    def batches(self) -> Iterator[FeatureBatch]:
        """All features in the file's order; InputError where the file breaks off."""
        is_parquet = self.path.suffix.lower() in _PARQUET
        first_row = 1
        with _one_line(self.path):
            for batch in _parquet_batches(self) if is_parquet else _gdal_batches(self):
                yield _feature_batch(batch, self.geometry_field or "", first_row)
                first_row += batch.num_rows

    def require(self, *fields: str | None, option: str = "") -> None:
        """UsageError for a field that the file does not have."""
        for field in fields:
            if field is not None and field not in self.fields:
                raise UsageError(
                    f"{self.path}: no field {field!r}{option}; its fields are {self.field_list}"
                )

    @property
    def field_list(self) -> str:
        """The fields, for a message."""
        return ", ".join(self.fields) or "none"


def open_vector(path: Path, layer: str | None = None) -> VectorFile:
    """The polygons of one file, its head read and found good.

    UsageError where it holds several layers and none is named; InputError where it cannot be
    read, has no polygons, no features or no CRS.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    with _one_line(path):
        is_parquet = path.suffix.lower() in _PARQUET
        file = _open_parquet(path) if is_parquet else _open_gdal(path, layer)
    if file.n_features == 0:
        raise InputError(f"{path}: holds no features")
    return file


def _open_gdal(path: Path, layer: str | None) -> VectorFile:
    import pyogrio

    with _no_warnings():
        name = _layer(path, layer, [tuple(row) for row in pyogrio.list_layers(path)])
        info = pyogrio.read_info(path, layer=name, force_total_bounds=True)
    n_features = int(info["features"])
    if info["crs"] is None and n_features != 0:
        raise InputError(f"{path}: {_no_crs(info['total_bounds'])}")
    encoding = info["encoding"]
    return VectorFile(
        path=path,
        layer=name,
        crs=_checked_crs(path, info["crs"] or "EPSG:4326"),
        fields=tuple(str(field) for field in info["fields"]),
        n_features=n_features if n_features >= 0 else None,
        encoding=None if encoding in (None, "UTF-8") else encoding,
        geometry_field=info["geometry_name"] or "wkb_geometry",
    )


def _layer(path: Path, wanted: str | None, layers: list[tuple[str, str | None]]) -> str:
    """The name of the layer to read."""
    names = [name for name, _ in layers]
    if wanted is not None:
        if wanted not in names:
            raise UsageError(f"{path}: no layer {wanted!r}; its layers are {', '.join(names)}")
        return wanted
    spatial = [(name, kind) for name, kind in layers if kind is not None]
    if not spatial:
        raise InputError(f"{path}: holds no layer with geometry")
    polygonal = [name for name, kind in spatial if any(word in kind for word in _POLYGONAL)]
    if not polygonal:
        kinds = ", ".join(f"{name}: {kind}" for name, kind in spatial)
        raise InputError(f"{path}: holds no polygons ({kinds})")
    if len(polygonal) > 1:
        raise UsageError(
            f"{path}: holds several layers; say which with --layer: {', '.join(polygonal)}"
        )
    return polygonal[0]


def _open_parquet(path: Path) -> VectorFile:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        metadata = file.schema_arrow.metadata or {}
        names = file.schema_arrow.names
        n_features = file.metadata.num_rows
    if b"geo" not in metadata:
        raise InputError(f"{path}: Parquet without 'geo' metadata, so no GeoParquet")
    geo = json.loads(metadata[b"geo"])
    primary = geo["primary_column"]
    column = geo["columns"][primary]
    if column.get("encoding", "WKB").upper() != "WKB":
        raise InputError(
            f"{path}: its geometry is encoded as {column['encoding']}; write it as WKB"
        )
    if "crs" in column and column["crs"] is None:
        raise InputError(f"{path}: {_no_crs(column.get('bbox'))}")
    crs = column.get("crs", "OGC:CRS84")  # what GeoParquet says of a missing key
    apart = {*geo["columns"], *_bbox_columns(column)}
    return VectorFile(
        path=path,
        layer=None,
        crs=_checked_crs(path, json.dumps(crs) if isinstance(crs, dict) else crs),
        fields=tuple(name for name in names if name not in apart),
        n_features=n_features,
        geometry_field=primary,
    )


def _bbox_columns(column: dict[str, Any]) -> list[str]:
    """The columns of a GeoParquet 1.1 bbox covering: an index, nothing that the source said."""
    return [path[0] for path in column.get("covering", {}).get("bbox", {}).values()]


def _checked_crs(path: Path, crs: str) -> str:
    """The CRS, once it is known that coordinates can be carried out of it."""
    import pyproj
    from pyproj.exceptions import ProjError

    from rts_track import grid

    try:
        parsed = pyproj.CRS.from_user_input(crs)
        grid.transformer(crs, grid.METRIC_CRS)
    except ProjError as error:
        raise InputError(f"{path}: its CRS is unknown to PROJ ({_first_line(error)})") from error
    if not (parsed.is_geographic or parsed.is_projected or parsed.is_compound):
        raise InputError(f"{path}: no CRS on the Earth, but {parsed.name!r}; set the right one")
    authority = parsed.to_authority()
    return ":".join(authority) if authority else crs


def _no_crs(bounds: Sequence[float] | None) -> str:
    if bounds is not None and max(map(abs, bounds)) <= 360.0:
        return (
            "no CRS; its coordinates look like degrees: if they are, set EPSG:4326"
            " (ogr2ogr -a_srs EPSG:4326, or for a shapefile its .prj)"
        )
    return "no CRS; set it (for a shapefile, put its .prj beside it)"


def _gdal_batches(file: VectorFile) -> Iterator[pa.RecordBatch]:
    import pyogrio

    with _no_warnings():
        opened = pyogrio.open_arrow(
            file.path,
            layer=file.layer,
            encoding=file.encoding,
            batch_size=READ_ROWS,
            use_pyarrow=True,
        )
        _, stream = opened.__enter__()
    try:
        while True:
            with _no_warnings():
                batch = next(stream, None)
            if batch is None:
                break
            yield from (batch.slice(at, READ_ROWS) for at in range(0, batch.num_rows, READ_ROWS))
    finally:
        opened.__exit__(None, None, None)


def _parquet_batches(file: VectorFile) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.path, pre_buffer=False) as parquet:  # it keeps all it has read
        columns = [*file.fields, file.geometry_field]
        yield from parquet.iter_batches(batch_size=READ_ROWS, columns=columns)


def _feature_batch(batch: pa.RecordBatch, geometry_field: str, first_row: int) -> FeatureBatch:
    names = batch.schema.names
    at = names.index(geometry_field)
    others = {
        name: _finite(batch.column(number)).to_pylist()
        for number, name in enumerate(names)
        if number != at
    }
    wkb = batch.column(at).to_pylist()
    rows: list[Row] = [{} for _ in wkb]
    for name, values in others.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return FeatureBatch(first_row=first_row, wkb=wkb, rows=rows)


def _finite(column: pa.Array) -> pa.Array:
    """The column with NaN and infinities as null: JSON has no word for them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


@contextmanager
def _no_warnings() -> Iterator[None]:
    """GDAL's remarks, as on rings it closed, are no news: what matters is checked here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """What GDAL and Arrow say of a broken file as one line."""
    import pyarrow as pa
    from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError

    try:
        yield
    except (DataSourceError, DataLayerError, FieldError, GeometryError) as error:
        raise InputError(f"{path}: {_FAULT_SUFFIX} ({_reason(path, error)})") from error
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: {_FAULT_SUFFIX} ({_reason(path, error)})") from error


def _reason(path: Path, error: Exception) -> str:
    text = _first_line(error).removeprefix(f"'{path}' ").removeprefix(f"{path}: ")
    return text.split("; It might help")[0].rstrip(".;")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
