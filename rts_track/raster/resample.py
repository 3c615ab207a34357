"""Rasters carried from one grid to another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds

from rts_track import grid as plane
from rts_track.raster.grid import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid

Bounds = tuple[float, float, float, float]
"""Least x and y, greatest x and y."""

_EDGE_POINTS = 21
_KERNEL_PX = 3
"""Cubic convolution reaches two pixels far, of the coarser grid, and rounding one more."""

_PLACE_PX = 0.002
"""Places may be this wrong, in pixels of the first grid; GDAL's usual 0.125 would show in a
comparison of two scenes, and at the seams of parts."""


def on_grid(values: NDArray[np.float32], has: Grid, wanted: Grid) -> NDArray[np.float32]:
    """The values on another grid, by cubic convolution; of shape (n, height, width).

    Keys 1981 (doi 10.1109/TASSP.1981.1163711, a = -1/2). Onto coarser pixels the kernel is as
    much wider, so that nothing finer than they are is left in them. Nothing but known values
    enters: a hole stays the hole it is.

    Args:
        values: (n, height, width) on the grid `has`; NaN: unknown.
        has: the grid they are on, in any CRS.
        wanted: the grid to carry them to.

    Returns:
        NaN where a pixel's centre lies in nothing known.
    """
    carried = np.full((len(values), *wanted.shape), np.nan, dtype=np.float32)
    dst_per_src = min(1.0, 1.0 / pixels_per_pixel(has, wanted))
    reproject(
        values,
        carried,
        src_transform=has.transform,
        src_crs=has.crs,
        src_nodata=np.nan,
        dst_transform=wanted.transform,
        dst_crs=wanted.crs,
        dst_nodata=np.nan,
        resampling=Resampling.cubic,
        tolerance=_PLACE_PX,
        XSCALE=dst_per_src,  # GDAL would tell it from the part at hand, otherwise for every part
        YSCALE=dst_per_src,
    )
    return carried


def windows_needed(has: Grid, wanted: Grid) -> list[Window]:
    """The parts of the one grid that the other is carried from: none, one, or two at 180 degrees.

    They are clipped to the grid, and hold all that cubic convolution reaches.
    """
    found = []
    for bounds in bounds_in(wanted, has.crs):
        margin = _KERNEL_PX * max(pixel(has.bounds, has), pixel(bounds, wanted))
        window = _window(has, bounds, margin)
        if window.height and window.width:
            found.append(window)
    return found


def bounds_in(grid: Grid, crs: str) -> list[Bounds]:
    """The grid's bounds in another CRS; two of them where it lies across 180 degrees."""
    left, bottom, right, top = transform_bounds(
        grid.crs, crs, *grid.bounds, densify_pts=_EDGE_POINTS
    )
    if left <= right:
        return [(left, bottom, right, top)]
    return [(left, bottom, 180.0, top), (-180.0, bottom, right, top)]


def pixel(bounds: Bounds, grid: Grid) -> float:
    """About the side of the pixels of a grid with these bounds, in the bounds' units."""
    return max((bounds[2] - bounds[0]) / grid.width, (bounds[3] - bounds[1]) / grid.height)


def _window(grid: Grid, bounds: Bounds, margin: float) -> Window:
    """The grid's window of the bounds and a margin around, of whole pixels, clipped to it."""
    left, bottom, right, top = bounds
    corners = [
        ~grid.transform @ (x, y)
        for x in (left - margin, right + margin)
        for y in (bottom - margin, top + margin)
    ]
    cols, rows = zip(*corners, strict=True)
    row, col = math.floor(min(rows)), math.floor(min(cols))
    size = math.ceil(max(rows)) - row, math.ceil(max(cols)) - col
    return grid.clipped(Window(row, col, *size))


def pixels_per_pixel(has: Grid, wanted: Grid) -> float:
    """About how many pixels of the one grid are a pixel of the other, along a side.

    As told at two places, since one of them may lie at 180 degrees, where longitudes jump.
    """
    by = plane.transformer(wanted.crs, has.crs)

    def place(col: float, row: float) -> NDArray[np.float64]:
        return np.array(~has.transform @ by.transform(*(wanted.transform @ (col, row))))

    areas = []
    for share in (0.25, 0.5):
        col, row = share * wanted.width, share * wanted.height
        origin = place(col, row)
        (a, b), (c, d) = place(col + 1, row) - origin, place(col, row + 1) - origin
        areas.append(abs(a * d - b * c))
    return float(np.sqrt(min(areas)))
