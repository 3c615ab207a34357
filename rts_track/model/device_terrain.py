"""Relative elevation and slope where the networks are: as `raster.terrain` has them."""

from __future__ import annotations

import torch
from torch.nn import functional

from rts_track.raster.terrain import (
    COUNT_BITS,
    LOWEST_M,
    RADIUS_M,
    STEPS_PER_M,
    disc_half_px,
)

_COUNTS = (1 << COUNT_BITS) - 1
_STRIP_PX = 1024
"""Rows at a time: sums are whole numbers of eight bytes, slopes are computed in such floats."""


def relative_elevation(
    elevation_m: torch.Tensor, gsd_m: float, radius_m: float = RADIUS_M
) -> torch.Tensor:
    """How far each pixel lies above the mean of the disc around it, in metres.

    As `raster.terrain.relative_elevation`, and to the bit: sums are of whole numbers. Each row of
    the disc is a difference of two running sums along the raster's row, so a pixel costs as many
    of them as the disc has rows.

    Args:
        elevation_m: (H, W) elevations within what that function takes, float32; NaN: unknown.
        gsd_m: side of a pixel.
        radius_m: a pixel is in the disc if its centre is within this of the disc's centre.

    Returns:
        (H, W), float32; NaN where the pixel's own elevation is unknown, and nowhere else.
    """
    half_px = disc_half_px(radius_m / gsd_m).tolist()
    reach = len(half_px) // 2
    height = len(elevation_m)
    relative = torch.empty_like(elevation_m)
    for row in range(0, height, _STRIP_PX):
        end = min(row + _STRIP_PX, height)
        first, last = max(row - reach, 0), min(end + reach, height)
        sums = _disc_sums(elevation_m[first:last], half_px, (row - first, end - first))
        n_known = (sums & _COUNTS).double()
        mean_m = (sums >> COUNT_BITS).double() / (n_known * STEPS_PER_M) + LOWEST_M
        relative[row:end] = elevation_m[row:end] - mean_m
    return relative


def slope_deg(elevation_m: torch.Tensor, gsd_m: float) -> torch.Tensor:
    """The steepness of the ground in degrees, 0..90, as `raster.terrain.slope_deg`.

    Args:
        elevation_m: (H, W) elevations, float32; NaN: unknown.
        gsd_m: side of a pixel.

    Returns:
        (H, W), float32; NaN where the pixel's own elevation is unknown, or it has no neighbour
        along its rows or along its columns to tell a difference by.
    """
    framed_m = functional.pad(elevation_m[None], (1, 1, 1, 1), value=torch.nan)[0]
    slope = torch.empty_like(elevation_m)
    for row in range(0, len(elevation_m), _STRIP_PX):
        steepness = _steepness(framed_m[row : row + _STRIP_PX + 2].double(), gsd_m)
        slope[row : row + _STRIP_PX] = torch.rad2deg(torch.atan(steepness.float()))
    return slope


def _disc_sums(
    elevation_m: torch.Tensor, half_px: list[int], rows: tuple[int, int]
) -> torch.Tensor:
    """What the discs around the pixels of some rows hold, as one number of steps and count."""
    height, width = elevation_m.shape
    reach = len(half_px) // 2
    running = _running_sums(elevation_m, reach)
    total = torch.zeros((rows[1] - rows[0], width), dtype=torch.int64, device=running.device)
    for offset, half in zip(range(-reach, reach + 1), half_px, strict=True):
        first, last = max(rows[0] + offset, 0), min(rows[1] + offset, height)
        if first >= last:
            continue
        of_rows = running[first:last]
        right, left = reach + half + 1, reach - half
        into = total[first - offset - rows[0] : last - offset - rows[0]]
        into += of_rows[:, right : right + width]
        into -= of_rows[:, left : left + width]
    return total


def _running_sums(elevation_m: torch.Tensor, reach: int) -> torch.Tensor:
    """Along each row the sums of what comes before, from `reach` pixels before it to as many after.

    Elevation and count are one number, (h, width + 2 reach + 1).
    """
    height, width = elevation_m.shape
    is_known = ~torch.isnan(elevation_m)
    steps = ((elevation_m.double() - LOWEST_M) * STEPS_PER_M).round()
    packed = (torch.nan_to_num(steps).long() << COUNT_BITS) + 1
    running = packed.new_zeros((height, width + 2 * reach + 1))
    inner = running[:, reach + 1 : reach + 1 + width]
    torch.cumsum(torch.where(is_known, packed, 0), dim=1, out=inner)
    running[:, reach + 1 + width :] = inner[:, -1:]
    return running


def _steepness(framed_m: torch.Tensor, gsd_m: float) -> torch.Tensor:
    """The length of the gradient (Horn 1981) at each pixel inside the frame; NaN: unknown."""
    rows = [framed_m[at : len(framed_m) - 2 + at] for at in range(3)]
    width = framed_m.shape[1] - 2
    (a, b, c), (d, e, f), (g, h, i) = ([row[:, at : at + width] for at in range(3)] for row in rows)
    east = 0.125 * ((c - a) + 2.0 * (f - d) + (i - g))
    south = 0.125 * ((g - a) + 2.0 * (h - b) + (i - c))
    is_partial = torch.isnan(east) | torch.isnan(south)
    east = torch.where(is_partial, _mean_step((a, b, c), (d, e, f), (g, h, i)), east)
    south = torch.where(is_partial, _mean_step((a, d, g), (b, e, h), (c, f, i)), south)
    steepness = torch.sqrt(east * east + south * south) / gsd_m
    return torch.where(torch.isnan(e), torch.nan, steepness)


_Row = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _mean_step(above: _Row, own: _Row, below: _Row) -> torch.Tensor:
    """The mean difference from one column to the next of three rows; NaN: none is known.

    One-sided where a row has a hole, the middle row counting twice.
    """
    total, weight = torch.zeros_like(own[1]), torch.zeros_like(own[1])
    for (left, middle, right), share in ((above, 1.0), (own, 2.0), (below, 1.0)):
        step = 0.5 * (right - left)
        for other in (right - middle, middle - left):
            step = torch.where(torch.isnan(step), other, step)
        is_known = ~torch.isnan(step)
        total += share * torch.nan_to_num(step)
        weight += share * is_known
    return torch.where(weight > 0.0, total / weight, torch.nan)
