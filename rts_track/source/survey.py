"""What a whole scene shows: how much is valid, clear and cloudy, and where it is clear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from rts_track.errors import InputError
from rts_track.polygon.extract import mask_polygons
from rts_track.raster.grid import Grid, Window
from rts_track.raster.masks import tells_cloud
from rts_track.source.pixels import ScenePixels

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from rts_track.source.scene import Scene

STRIP_PX = 4_000_000
"""Pixels that are read at a time."""
BLOCK_ROWS = 512
"""Strips are whole numbers of these rows: the blocks of most tiled files."""
CACHE_MB = 256
"""Blocks that GDAL may keep; left alone it takes a share of the machine's memory."""
REFLECTANCE_RANGE = (-0.02, 1.5)
"""A scene whose median lies beyond is none of reflectance: snow reaches 1.2, and what is left of
a dark scene's blue after correction for the air may be a little below 0."""

SAMPLED_EVERY = 8
"""One pixel of so many tells whether a scene is one of reflectance."""

_STEPS = np.linspace(-1.0, 4.0, 1001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a scene shows.

    Attributes:
        n_valid: pixels that show something; n_clear: those of them that show the ground.
        cloud_frac: cloudy share of the valid pixels as the masks say, else as the product says;
            None where neither does.
        clear: the clear area, an EPSG:6931 MultiPolygon; empty where nothing is clear.
    """

    n_valid: int
    n_clear: int
    cloud_frac: float | None
    clear: shapely.MultiPolygon


def survey(scene: Scene) -> Survey:
    """What the scene shows, read in strips.

    Raises:
        InputError: a file cannot be read, nothing in it is valid, or what it holds is not
            reflectance.
    """
    is_clear = np.zeros(scene.grid.shape, dtype=np.bool_)
    counts = np.zeros(len(_STEPS) + 1, dtype=np.int64)
    n_valid = n_cloud = n_told = 0
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB), ScenePixels(scene) as pixels:
        band = pixels.native_bands()[0]
        first, of_zero = band.name, np.float32(band.offset)
        for strip in strips(scene.grid):
            (values,) = pixels.read([first], strip)
            is_valid = pixels.valid(strip)
            is_clear[strip.slices] = pixels.clear(strip)
            n_valid += int(is_valid.sum())
            n_told += int(np.count_nonzero(values[is_valid] != of_zero))
            n_cloud += int((pixels.cloud(strip) & is_valid).sum())
            counts += _histogram(values[is_valid][::SAMPLED_EVERY])
    if n_valid == 0:
        raise InputError(f"{scene.files[0]}: no valid pixel: all are nodata; fetch it again")
    if n_told == 0:
        raise InputError(f"{scene.files[0]}: its band {first} is 0 everywhere; fetch it again")
    _check_reflectance(scene, first, counts)
    is_told = any(tells_cloud(mask.codes) for mask in scene.masks)
    return Survey(
        n_valid=n_valid,
        n_clear=int(is_clear.sum()),
        cloud_frac=n_cloud / n_valid if is_told else scene.cloud_frac,
        clear=mask_polygons(is_clear, scene.grid),
    )


def strips(grid: Grid) -> Iterator[Window]:
    """Windows of the grid's whole width that cover it from north to south."""
    n_blocks = max(STRIP_PX // (BLOCK_ROWS * grid.width), 1)
    n_rows = n_blocks * BLOCK_ROWS
    for row in range(0, grid.height, n_rows):
        yield Window(row, 0, min(n_rows, grid.height - row), grid.width)


def _histogram(values: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(_STEPS, values), minlength=len(_STEPS) + 1)


def _check_reflectance(scene: Scene, band: str, counts: NDArray[np.int64]) -> None:
    """InputError where the band's median is no reflectance."""
    at = int(np.searchsorted(counts.cumsum(), counts.sum() / 2))
    median = _STEPS[min(at, len(_STEPS) - 1)]
    low, high = REFLECTANCE_RANGE
    if not low <= median <= high:
        raise InputError(
            f"{scene.files[0]}: half of its band {band} is {'above' if median > high else 'below'}"
            f" a reflectance of {median:.2f}: are --scale and --offset right?"
        )
