"""A landscape as files: scenes, DEMs and trend in the form of real products, and its truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import shapely.geometry

from rts_track import grid as plane
from rts_track.errors import InputError
from rts_track.progress import Progress, silent
from rts_track.release.geoparquet import write_geoparquet
from rts_track.release.geotiff import opened_geotiff, write_geotiff
from rts_track.simulate.landscape import masks
from rts_track.simulate.landscape.dem import NODATA_M, dem_windows
from rts_track.simulate.landscape.trend import COMPONENTS, trend_grid
from rts_track.simulate.landscape.truth import WITH_GEOMETRY, truth_tables
from rts_track.writing import appearing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rts_track.simulate.landscape.dem import DemSpec
    from rts_track.simulate.landscape.landscape import Landscape
    from rts_track.simulate.landscape.scenes import Pixels, SceneSpec

_WINDOW_PX = 1024
_LEAST_DN = 1
"""0 means nothing was seen."""


class Storage(NamedTuple):
    """How a product stores reflectance: `number * scale + offset`."""

    scale: float
    offset: float


TEN_THOUSANDTHS = Storage(scale=1e-4, offset=0.0)
"""PlanetScope's, and Sentinel-2's before processing baseline 04.00."""
LANDSAT = Storage(scale=2.75e-5, offset=-0.2)
"""Collection 2's level 2: USGS LSDS-1619, table 6-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandscapeFiles:
    """Where a landscape was written.

    `scenes` are what `rts-track ingest` takes, by season and then as planned: PlanetScope's and
    Landsat's folders, Sentinel-2's GeoTIFFs. `dem` is a folder with the mosaic, `strips` one with
    the dated strips, `trend` the trend's file, `truth` the folder of tables.
    """

    folder: Path
    scenes: tuple[Path, ...]
    dem: Path
    strips: Path
    trend: Path
    truth: Path


def write_landscape(
    landscape: Landscape, folder: Path, progress: Progress = silent
) -> LandscapeFiles:
    """Write the landscape into the folder, which is made if need be; files there are replaced.

    Each file is written beside and then renamed; the truth comes last, `landscape.json` at the
    very end. Memory is bounded by windows of pixels.

    Raises:
        InputError: a file cannot be written.
    """
    files = LandscapeFiles(
        folder=folder,
        scenes=tuple(_scene_path(folder, spec) for spec in landscape.scenes),
        dem=folder / "dem" / "mosaic",
        strips=folder / "dem" / "strips",
        trend=folder / "trend" / _trend_name(landscape),
        truth=folder / "truth",
    )
    paths: dict[str, str] = {}
    for spec in progress(landscape.scenes, label="scenes", total=len(landscape.scenes)):
        path = _write_scene(landscape, spec, folder)
        paths[spec.scene_id] = path.relative_to(folder).as_posix()
    for dem in progress(landscape.dems, label="elevation", total=len(landscape.dems)):
        path = (files.dem if dem.is_mosaic else files.strips) / f"{dem.dem_id}.tif"
        _write_dem(landscape, dem, path)
        paths[dem.dem_id] = path.relative_to(folder).as_posix()
    _write_trend(landscape, files.trend)
    _write_truth(landscape, files.truth, paths)
    _write_json(
        folder / "landscape.json", {"seed": landscape.seed, "params": landscape.params.as_dict()}
    )
    return files


def _scene_path(folder: Path, spec: SceneSpec) -> Path:
    """What `ingest` is given for the scene."""
    base = folder / "scenes" / spec.sensor
    return base / f"{spec.scene_id}.tif" if spec.sensor == "sentinel2" else base / spec.scene_id


def _write_scene(landscape: Landscape, spec: SceneSpec, folder: Path) -> Path:
    """Write the scene's files, window by window; where its first band lies."""
    product = _PRODUCTS[spec.sensor](spec, _scene_path(folder, spec))
    counts = Counter[str]()
    with ExitStack() as stack:
        writes = [
            stack.enter_context(
                opened_geotiff(
                    file.path,
                    spec.grid,
                    dtype=file.dtype,
                    n_bands=len(file.names),
                    nodata=file.nodata,
                    descriptions=file.names,
                )
            )
            for file in product.files
        ]
        for window in dem_windows(spec.grid, _WINDOW_PX):
            pixels = landscape.scene(spec, window)
            counts.update(_counted(spec, pixels))
            for file, write in zip(product.files, writes, strict=True):
                write(window, file.pixels(pixels))
        if product.metadata is not None:
            _write_json(product.metadata, _METADATA[spec.sensor](spec, counts))
    return product.files[-1].path


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A raster file of a product: its bands, and what of a scene's pixels it holds."""

    path: Path
    dtype: str
    names: tuple[str, ...]
    nodata: float | None
    pixels: Callable[[Pixels], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """A product's raster files, that of its bands, or first band, last; and its metadata file."""

    files: tuple[_File, ...]
    metadata: Path | None = None


def _planetscope(spec: SceneSpec, path: Path) -> _Product:
    name = spec.scene_id
    mask = _mask_file(path / f"{name}_3B_udm2.tif", "uint8", masks.UDM2_BANDS, None)
    image = _image_file(spec, path / f"{name}_3B_AnalyticMS_SR.tif")
    return _Product(files=(mask, image), metadata=path / f"{name}_metadata.json")


def _sentinel2(spec: SceneSpec, path: Path) -> _Product:
    mask = _mask_file(path.with_name(f"{path.stem}_SCL.tif"), "uint8", ("SCL",), 0)
    return _Product(files=(mask, _image_file(spec, path)))


def _landsat(spec: SceneSpec, path: Path) -> _Product:
    bands = [
        _File(
            path=path / f"{spec.scene_id}_SR_{band}.TIF",
            dtype="uint16",
            names=(band,),
            nodata=0,
            pixels=partial(_numbers, LANDSAT, slice(number, number + 1)),
        )
        for number, band in enumerate(spec.table.their_bands)
    ]
    mask = _mask_file(path / f"{spec.scene_id}_QA_PIXEL.TIF", "uint16", ("QA_PIXEL",), 1)
    return _Product(files=(mask, *bands[::-1]), metadata=path / f"{spec.scene_id}_MTL.json")


_PRODUCTS: dict[str, Callable[[SceneSpec, Path], _Product]] = {
    "planetscope": _planetscope,
    "sentinel2": _sentinel2,
    "landsat": _landsat,
}


def _mask_file(path: Path, dtype: str, names: tuple[str, ...], nodata: float | None) -> _File:
    return _File(
        path=path, dtype=dtype, names=names, nodata=nodata, pixels=lambda pixels: pixels.mask
    )


def _image_file(spec: SceneSpec, path: Path) -> _File:
    return _File(
        path=path,
        dtype="uint16",
        names=spec.table.their_bands,
        nodata=0,
        pixels=partial(_numbers, TEN_THOUSANDTHS, slice(None)),
    )


def _numbers(storage: Storage, bands: slice, pixels: Pixels) -> NDArray[np.uint16]:
    """Digital numbers of the bands; 0 where nothing was seen."""
    reflectance = pixels.reflectance[bands]
    stored = np.rint((np.nan_to_num(reflectance, nan=0.0) - storage.offset) / storage.scale)
    stored = np.clip(stored, _LEAST_DN, np.iinfo(np.uint16).max)
    return np.where(np.isnan(reflectance), 0, stored).astype(np.uint16)


def _counted(spec: SceneSpec, pixels: Pixels) -> dict[str, int]:
    """How many pixels were seen, and how many of these the mask calls what."""
    is_seen = np.isfinite(pixels.reflectance[0])
    counts = {"seen": int(is_seen.sum())}
    if spec.sensor == "planetscope":
        for name in ("clear", "shadow", "cloud"):
            counts[name] = int(pixels.mask[masks.UDM2_BANDS.index(name)].sum())
    if spec.sensor == "landsat":
        counts["cloud"] = int((is_seen & (pixels.mask[0] & masks.QA_CLOUD_BIT != 0)).sum())
    return counts


def _planet_metadata(spec: SceneSpec, counts: Mapping[str, int]) -> dict[str, Any]:
    seen = max(counts["seen"], 1)
    extent = plane.to_lonlat(np.array([spec.grid.extent()], dtype=object))[0]
    return {
        "type": "Feature",
        "id": spec.scene_id,
        "geometry": shapely.geometry.mapping(extent),
        "properties": {
            "acquired": f"{spec.acquired_at:%Y-%m-%dT%H:%M:%S}Z",
            "clear_percent": round(100.0 * counts["clear"] / seen),
            "cloud_cover": round(counts["cloud"] / seen, 2),
            "cloud_percent": round(100.0 * counts["cloud"] / seen),
            "gsd": spec.grid.gsd_m,
            "instrument": "simulated",
            "item_type": "PSScene",
            "pixel_resolution": spec.grid.gsd_m,
            "shadow_percent": round(100.0 * counts["shadow"] / seen),
            "sun_azimuth": round(spec.sky.sun.azimuth_deg, 1),
            "sun_elevation": round(spec.sky.sun.elevation_deg, 1),
        },
    }


def _landsat_metadata(spec: SceneSpec, counts: Mapping[str, int]) -> dict[str, Any]:
    numbers = [band.removeprefix("B") for band in spec.table.their_bands]
    scales = {f"REFLECTANCE_MULT_BAND_{number}": f"{LANDSAT.scale}" for number in numbers}
    offsets = {f"REFLECTANCE_ADD_BAND_{number}": f"{LANDSAT.offset}" for number in numbers}
    return {
        "LANDSAT_METADATA_FILE": {
            "IMAGE_ATTRIBUTES": {
                "SPACECRAFT_ID": "LANDSAT_8",
                "DATE_ACQUIRED": f"{spec.acquired_at:%Y-%m-%d}",
                "SCENE_CENTER_TIME": f"{spec.acquired_at:%H:%M:%S}.0000000Z",
                "CLOUD_COVER": f"{100.0 * counts['cloud'] / max(counts['seen'], 1):.2f}",
                "SUN_AZIMUTH": f"{spec.sky.sun.azimuth_deg:.2f}",
                "SUN_ELEVATION": f"{spec.sky.sun.elevation_deg:.2f}",
            },
            "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {**scales, **offsets},
        }
    }


_METADATA: dict[str, Callable[[SceneSpec, Mapping[str, int]], dict[str, Any]]] = {
    "planetscope": _planet_metadata,
    "landsat": _landsat_metadata,
}


def _write_dem(landscape: Landscape, spec: DemSpec, path: Path) -> None:
    write_geotiff(
        path,
        spec.grid,
        (
            (window, landscape.dem(spec, window)[None])
            for window in dem_windows(spec.grid, _WINDOW_PX)
        ),
        dtype="float32",
        n_bands=1,
        nodata=NODATA_M,
    )


def _trend_name(landscape: Landscape) -> str:
    params = landscape.params
    return f"TCTrend_SR_{params.trend_from_year}-{params.first_year}_TCVIS.tif"


def _write_trend(landscape: Landscape, path: Path) -> None:
    grid = trend_grid(landscape)
    write_geotiff(
        path,
        grid,
        ((window, landscape.trend(window)) for window in dem_windows(grid, _WINDOW_PX)),
        dtype="uint8",
        n_bands=len(COMPONENTS),
        descriptions=COMPONENTS,
    )


def _write_truth(landscape: Landscape, folder: Path, paths: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in truth_tables(landscape, paths).items():
            path = folder / f"{name}.parquet"
            if name in WITH_GEOMETRY:
                write_geoparquet(path, table)
            else:
                _write_table(table, path)
    except OSError as error:
        raise InputError(f"{folder}: cannot write the truth there ({error})") from error


def _write_table(table: pa.Table, path: Path) -> None:
    with appearing(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing(path) as beside:
            beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error})") from error
