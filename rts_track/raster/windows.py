"""Windows that cover a raster with overlap, and how their results are blended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rts_track.raster.grid import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plan_windows(shape: tuple[int, int], size_px: int, overlap_px: int) -> list[Window]:
    """Windows of one size that together cover a raster, row by row from the upper left.

    None reaches beyond the raster: the last of a row or column is shifted inward, and where the
    raster is smaller than a window, the window is as small as the raster. Neighbours overlap by
    `overlap_px`, the shifted ones by more.

    Args:
        shape: height and width of the raster, 1 or more.
        size_px: side of a window.
        overlap_px: 0 or more, less than `size_px`.
    """
    if min(shape) < 1 or not 0 <= overlap_px < size_px:
        raise ValueError(f"no windows of {size_px} px with {overlap_px} px overlap in {shape}")
    height, width = (min(length, size_px) for length in shape)
    rows, cols = (_starts(length, size_px, size_px - overlap_px) for length in shape)
    return [Window(row, col, height, width) for row in rows for col in cols]


def plan_even_windows(
    shape: tuple[int, int], most_px: int, overlap_px: int, step_px: int = 1
) -> list[Window]:
    """Windows of one size, as few as can be, that divide a raster evenly, row by row.

    In place of one size for all rasters, whose last windows of a row and a column mostly repeat
    what others cover, they are as large as their number asks for. Height and width may differ.
    None reaches beyond the raster.

    Args:
        shape: height and width of the raster, 1 or more.
        most_px: the longest side of a window; a multiple of `step_px`.
        overlap_px: how far neighbours overlap at least; less than `most_px`.
        step_px: sides are multiples of this, unless the raster is no longer than a window.
    """
    if min(shape) < 1 or not 0 <= overlap_px < most_px or most_px % step_px:
        raise ValueError(f"no windows of {most_px} px with {overlap_px} px overlap in {shape}")
    (height, rows), (width, cols) = (
        _even_starts(length, most_px, overlap_px, step_px) for length in shape
    )
    return [Window(row, col, height, width) for row in rows for col in cols]


def blend_ramp(size_px: int, overlap_px: int) -> NDArray[np.float32]:
    """Weights along a side of a window: they rise over the overlap, are 1, and fall.

    Everywhere positive, so that a pixel at the raster's edge counts too: (i + 0.5) / overlap in
    place of a ramp that begins at 0. Two neighbours' weights add up to 1.
    """
    along = np.arange(size_px, dtype=np.float32) + np.float32(0.5)
    from_edge = np.minimum(along, along[::-1])
    ramp: NDArray[np.float32] = from_edge / np.float32(max(overlap_px, 1))
    return ramp.clip(max=1.0)


def blend_weights(size_px: int, overlap_px: int) -> NDArray[np.float32]:
    """Weights of a square window's pixels, (size, size): the product of its two ramps."""
    ramp = blend_ramp(size_px, overlap_px)
    return np.outer(ramp, ramp)


def _starts(length: int, size_px: int, step_px: int) -> list[int]:
    last = max(length - size_px, 0)
    return [*range(0, last, step_px), last]


def _even_starts(length: int, most_px: int, overlap_px: int, step_px: int) -> tuple[int, list[int]]:
    """The windows' size along a side, and where each begins."""
    if length <= most_px:
        return length, [0]
    n = math.ceil((length - overlap_px) / (most_px - overlap_px))
    size = math.ceil((length + (n - 1) * overlap_px) / (n * step_px)) * step_px
    return size, [round(number * (length - size) / (n - 1)) for number in range(n)]
