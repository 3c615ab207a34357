"""What an elevation model tells about the shape of the ground: relative elevation and slope.

Both know only what the model knows: a hole in it stays the hole it is, and grows by no kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rts_track.track.rings import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADIUS_M = 100.0
"""Around a slump of usual size its surroundings fill most of a disc of this radius, so that a
floor some metres below them stands out; the one that DARTS uses, too (Nitze et al. 2025,
doi 10.1038/s41597-025-05810-2)."""
LARGEST_RADIUS_PX = 500
"""So many pixels of a disc can be counted in the bits that are set aside for it."""
LOWEST_M, HIGHEST_M = -1000.0, 9000.0
"""No ground lies below or above: such values are no elevations."""

COUNT_BITS = 20
"""Elevation and count are summed as one number, the count in its lowest bits."""
_COUNTS = (1 << COUNT_BITS) - 1
STEPS_PER_M = 1024.0
"""Elevations are summed in steps of about a millimetre: whole numbers, exact in any order."""


def relative_elevation(
    elevation_m: NDArray[np.float32], gsd_m: float, radius_m: float = RADIUS_M
) -> NDArray[np.float32]:
    """How far each pixel lies above the mean of the disc around it, in metres; float32.

    The topographic position index (Weiss 2001, "Topographic position and landforms analysis",
    ESRI User Conference) over a normalised mean, as in normalised convolution (Knutsson & Westin
    1993, doi 10.1109/CVPR.1993.341081): the sum of what is known in the disc, over how many
    pixels are known. So a hole in the elevations leaves its surroundings known, and a disc that
    reaches over the raster's edge is the part of it that lies inside. Sums are exact, so tiles
    with a margin of the radius are the whole, bit for bit.

    Args:
        elevation_m: (H, W) elevations; NaN: unknown.
        gsd_m: side of a pixel.
        radius_m: a pixel is in the disc if its centre is within this of the disc's centre.

    Returns:
        (H, W); NaN where the pixel's own elevation is unknown, and nowhere else.

    Raises:
        ValueError: the disc's radius is not from 0 to LARGEST_RADIUS_PX pixels, or a value is no
            elevation.
    """
    if not 0.0 <= radius_m / gsd_m <= LARGEST_RADIUS_PX:
        raise ValueError(f"a disc of {radius_m} m is not 0 to {LARGEST_RADIUS_PX} pixels wide")
    known_m = np.ascontiguousarray(elevation_m, dtype=np.float32)
    relative = np.empty_like(known_m)
    if not _above_disc_mean(known_m, disc_half_px(radius_m / gsd_m), relative):
        raise ValueError(f"an elevation is not within {LOWEST_M:.0f} to {HIGHEST_M:.0f} m")
    return relative


def disc_margin_px(gsd_m: float, radius_m: float = RADIUS_M) -> int:
    """How many pixels beyond a raster its relative elevation depends on."""
    return int(radius_m / gsd_m + 1e-9)


def slope_deg(elevation_m: NDArray[np.float32], gsd_m: float) -> NDArray[np.float32]:
    """The steepness of the ground in degrees, 0..90; float32.

    Horn 1981 (doi 10.1109/PROC.1981.11918): each component of the gradient is the mean of the
    central differences in three rows (columns), the middle one counting twice. Unlike it, where
    the elevations have a hole or end, a row's difference is one-sided, and a row that has none
    is left out of the mean; on a plane that changes nothing.

    Args:
        elevation_m: (H, W) elevations; NaN: unknown.
        gsd_m: side of a pixel.

    Returns:
        (H, W); NaN where the pixel's own elevation is unknown, or it has no neighbour along its
        rows or along its columns to tell a difference by.
    """
    framed = np.full((elevation_m.shape[0] + 2, elevation_m.shape[1] + 2), np.nan, np.float32)
    framed[1:-1, 1:-1] = elevation_m
    steepness = np.empty(elevation_m.shape, dtype=np.float32)
    _horn(framed, gsd_m, steepness)
    return np.asarray(np.degrees(np.arctan(steepness, out=steepness), out=steepness))


def disc_half_px(radius_px: float) -> NDArray[np.int64]:
    """How far the disc reaches to either side in each of its rows, in pixels."""
    reach = disc_margin_px(1.0, radius_px)
    rows = np.arange(-reach, reach + 1)
    half_px = np.floor(np.sqrt(np.maximum(radius_px**2 - rows**2, 0.0)) + 1e-9)
    return np.asarray(half_px, dtype=np.int64)


@compiled
def _above_disc_mean(
    elevation_m: NDArray[np.float32], half_px: NDArray[np.int64], relative: NDArray[np.float32]
) -> bool:
    """Write each elevation less its disc's mean; False where a value is no elevation.

    A row of the disc is a difference of two running sums along the raster's row; such sums are
    kept of as many rows as the disc has. Elevation and count are summed as one number, the
    count in its lower bits.
    """
    height, width = elevation_m.shape
    n_rows = len(half_px)
    reach = n_rows // 2
    running = np.zeros((n_rows, width + 2 * reach + 1), dtype=np.int64)
    total = np.empty(width, dtype=np.int64)
    for row in range(height + reach):
        latest = running[row % n_rows]
        if row >= height:
            latest[:] = 0
        elif not _add_up(elevation_m[row], reach, latest):
            return False
        if row < reach:
            continue
        total[:] = 0
        for k in range(n_rows):
            _add_differences(running[(row + 1 + k) % n_rows], reach, half_px[k], total)
        centre, above = elevation_m[row - reach], relative[row - reach]
        for col in range(width):
            count = total[col] & _COUNTS
            mean_m = (total[col] >> COUNT_BITS) / (count * STEPS_PER_M) + LOWEST_M
            above[col] = centre[col] - mean_m if centre[col] == centre[col] else np.nan
    return True


@compiled
def _add_up(elevation_m: NDArray[np.float32], reach: int, running: NDArray[np.int64]) -> bool:
    """Write the running sums of a row, from `reach` pixels before it to as many after it."""
    width = len(elevation_m)
    so_far = 0
    for col in range(width):
        value = elevation_m[col]
        if value == value:
            if not LOWEST_M <= value <= HIGHEST_M:
                return False
            steps = int(np.rint((value - LOWEST_M) * STEPS_PER_M))
            so_far += (steps << COUNT_BITS) + 1
        running[reach + col + 1] = so_far
    running[reach + width + 1 :] = so_far
    return True


@compiled
def _add_differences(
    running: NDArray[np.int64], reach: int, half: int, total: NDArray[np.int64]
) -> None:
    """Add what each pixel's disc holds of a row, of which it has `half` pixels to either side."""
    width = len(total)
    right = running[reach + half + 1 : reach + half + 1 + width]
    left = running[reach - half : reach - half + width]
    for col in range(width):
        total[col] += right[col] - left[col]


@compiled
def _horn(framed_m: NDArray[np.float32], gsd_m: float, steepness: NDArray[np.float32]) -> None:
    """Write the length of the gradient at each pixel inside the frame."""
    height, width = steepness.shape
    for row in range(height):
        above, own, below = framed_m[row], framed_m[row + 1], framed_m[row + 2]
        for col in range(width):
            a, b, c = above[col], above[col + 1], above[col + 2]
            d, e, f = own[col], own[col + 1], own[col + 2]
            g, h, i = below[col], below[col + 1], below[col + 2]
            east = 0.125 * ((c - a) + 2.0 * (f - d) + (i - g))
            south = 0.125 * ((g - a) + 2.0 * (h - b) + (i - c))
            if east != east or south != south:
                east = _mean_step(a, b, c, d, e, f, g, h, i)
                south = _mean_step(a, d, g, b, e, h, c, f, i)
            steepness[row, col] = np.sqrt(east * east + south * south) / gsd_m
            if e != e:
                steepness[row, col] = np.nan


@compiled
def _mean_step(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float
) -> float:
    """The mean difference from one column to the next of rows abc, def, ghi; NaN: none known."""
    total, weight = 0.0, 0.0
    for left, middle, right, own in ((a, b, c, 1.0), (d, e, f, 2.0), (g, h, i, 1.0)):
        step = 0.5 * (right - left)
        if step != step:
            step = right - middle
        if step != step:
            step = middle - left
        if step == step:
            total += own * step
            weight += own
    return total / weight if weight > 0.0 else np.nan
