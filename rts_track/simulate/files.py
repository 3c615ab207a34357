"""A simulated history as files: an inventory that `rts-track import` takes, and its truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyogrio.raw

from rts_track.errors import InputError
from rts_track.grid import LONLAT_CRS
from rts_track.simulate.history import FOOTPRINTS

if TYPE_CHECKING:
    from rts_track.simulate.history import History

TRUTH_TABLES = ("truth_footprint", "truth_link", "truth_event", "truth_state", "truth_scene")
_DATE_OPTION = "OGR_CURRENT_DATE"
_FILE_DATE = "2000-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFiles:
    """Where a history was written, and which fields of its files say what.

    `footprints` and `looks` are GeoPackages; `truth` is the folder that `rts-track score` reads.
    """

    footprints: Path
    looks: Path
    truth: Path
    season_field: str = "season_year"
    date_field: str = "observed_on"
    scene_field: str = "scene_id"
    id_field: str = "feature_id"
    gsd_field: str = "gsd_m"


def write_history(history: History, folder: Path) -> HistoryFiles:
    """Write the history into the folder, which is made if need be; files there are replaced.

    Each file is written beside and then renamed. InputError where the folder cannot be written.
    """
    files = HistoryFiles(
        footprints=folder / f"{FOOTPRINTS}.gpkg",
        looks=folder / "looks.gpkg",
        truth=folder / "truth",
    )
    try:
        files.truth.mkdir(parents=True, exist_ok=True)
        _write_polygons(history.footprints.drop_columns(["source_feature_id"]), files.footprints)
        _write_polygons(history.looks, files.looks)
        for name in TRUTH_TABLES:
            _write_table(getattr(history, name), files.truth / f"{name}.parquet")
    except OSError as error:
        raise InputError(f"{folder}: cannot write the history there ({error})") from error
    return files


def _write_polygons(table: pa.Table, path: Path) -> None:
    """The table as a GeoPackage of one layer, named like the file."""
    names = [name for name in table.column_names if name != "geometry"]
    beside = path.with_name(f".{path.stem}.part.gpkg")
    beside.unlink(missing_ok=True)
    with _dated(_FILE_DATE):
        pyogrio.raw.write(
            beside,
            geometry=table["geometry"].to_numpy(),
            field_data=[_field(table[name]) for name in names],
            fields=names,
            layer=path.stem,
            driver="GPKG",
            geometry_type="MultiPolygon",
            crs=LONLAT_CRS,
        )
    beside.replace(path)


@contextmanager
def _dated(date: str) -> Iterator[None]:
    """GDAL writes this date of change into what it writes, so equal histories give equal files."""
    before = pyogrio.get_gdal_config_option(_DATE_OPTION)
    pyogrio.set_gdal_config_options({_DATE_OPTION: date})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({_DATE_OPTION: before})


def _field(column: pa.ChunkedArray) -> object:
    if pa.types.is_date(column.type):
        return column.to_numpy().astype("datetime64[D]")
    return column.to_numpy()


def _write_table(table: pa.Table, path: Path) -> None:
    beside = path.with_name(f".{path.name}.part")
    pq.write_table(table, beside, compression="zstd")
    beside.replace(path)
