"""Points at which a landscape is evaluated: pixel centres, and which of them lie near a thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rts_track import grid as plane
from rts_track.track.rings import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid

_BLOCK_PX = 64
_KNOT_M = 128.0
"""Between points so far apart, another CRS is interpolated: off by less than a millimetre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Pixel centres in the landscape's CRS.

    Attributes:
        x: eastings, (H, W).
        y: northings, (H, W).
        gsd_m: how far apart they lie.
        boxes: (rows, columns, 4) bounds of the points of each block.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    gsd_m: float
    boxes: NDArray[np.float64]

    @classmethod
    def at(cls, x: NDArray[np.float64], y: NDArray[np.float64], gsd_m: float) -> Points:
        """Those points."""
        return cls(x=x, y=y, gsd_m=gsd_m, boxes=_boxes(x, y))

    @classmethod
    def of(cls, grid: Grid, crs: str, shift_m: tuple[float, float] = (0.0, 0.0)) -> Points:
        """What lies at the pixel centres of a north-up grid.

        `shift_m`: so far east and north of its place is everything drawn; the points lie the
        other way. In a window of a grid they are exactly those of the grid.
        """
        step_x, step_y = grid.transform.a, grid.transform.e
        x = np.asarray(grid.transform.c + step_x * (np.arange(grid.width) + 0.5), dtype=float)
        y = np.asarray(grid.transform.f + step_y * (np.arange(grid.height) + 0.5), dtype=float)
        if grid.crs == crs:
            across, along = np.meshgrid(x - shift_m[0], y - shift_m[1])
            return cls.at(across, along, grid.gsd_m)
        across, along = _carried(x, y, grid.crs, crs)
        return cls.at(across - shift_m[0], along - shift_m[1], grid.gsd_m)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.x.shape
        return height, width

    def near(self, bounds: tuple[float, float, float, float]) -> tuple[slice, slice] | None:
        """Rows and columns that hold every point within the bounds; None if there is none."""
        west, south, east, north = bounds
        is_near = (
            (self.boxes[..., 0] <= east)
            & (self.boxes[..., 1] <= north)
            & (self.boxes[..., 2] >= west)
            & (self.boxes[..., 3] >= south)
        )
        rows, columns = np.flatnonzero(is_near.any(axis=1)), np.flatnonzero(is_near.any(axis=0))
        if len(rows) == 0:
            return None
        return (
            slice(int(rows[0]) * _BLOCK_PX, (int(rows[-1]) + 1) * _BLOCK_PX),
            slice(int(columns[0]) * _BLOCK_PX, (int(columns[-1]) + 1) * _BLOCK_PX),
        )


def signed_distance(
    x: NDArray[np.float64], y: NDArray[np.float64], ring: NDArray[np.float64], reach_m: float
) -> NDArray[np.float32]:
    """Metres from each point to a closed ring (n, 2), first vertex last; negative inside.

    Outside, distances beyond `reach_m` are `reach_m`. Shape as x and y.
    """
    out = np.empty(x.shape, dtype=np.float32)
    _signed_distance(x, y, ring, reach_m, out)
    return out


class OnLine(NamedTuple):
    """Where points lie beside a band about a line, both (H, W).

    `distance_m` to the band's edge, negative inside; `value` at the nearest place of the line.
    """

    distance_m: NDArray[np.float32]
    value: NDArray[np.float32]


def beside_line(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    line: NDArray[np.float64],
    width_m: NDArray[np.float64],
    value: NDArray[np.float64],
    reach_m: float,
) -> OnLine:
    """Where points lie beside a band that is `width_m` wide at the vertices (n, 2) of its line.

    Distances beyond `reach_m` are `reach_m`; the value there is that of the first vertex.
    """
    distance_m = np.full(x.shape, reach_m, dtype=np.float32)
    found = np.full(x.shape, value[0], dtype=np.float32)
    _beside_line(x, y, line, width_m / 2.0, value, distance_m, found)
    return OnLine(distance_m, found)


def _carried(
    x: NDArray[np.float64], y: NDArray[np.float64], from_crs: str, to_crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lattice of x and y in another CRS, between knots at whole multiples of `_KNOT_M`."""
    column, across = _knots(x)
    row, along = _knots(y)
    knots = np.meshgrid(
        _KNOT_M * np.arange(column.min(), column.max() + 2),
        _KNOT_M * np.arange(row.min(), row.max() + 2),
    )
    carried = plane.transformer(from_crs, to_crs).transform(*knots)
    column, row = column - column.min(), row - row.min()
    return _between(carried[0], column, across, row, along), _between(
        carried[1], column, across, row, along
    )


def _knots(at: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The knot below each coordinate, and how far beyond it that lies, in parts of a step."""
    below = np.floor(at / _KNOT_M)
    return below.astype(np.int64), at / _KNOT_M - below


@compiled
def _between(
    knots: NDArray[np.float64],
    column: NDArray[np.int64],
    across: NDArray[np.float64],
    row: NDArray[np.int64],
    along: NDArray[np.float64],
) -> NDArray[np.float64]:
    out = np.empty((row.size, column.size))
    for line in range(row.size):
        for pixel in range(column.size):
            left, low = column[pixel], row[line]
            south = knots[low, left] + across[pixel] * (knots[low, left + 1] - knots[low, left])
            north = knots[low + 1, left] + across[pixel] * (
                knots[low + 1, left + 1] - knots[low + 1, left]
            )
            out[line, pixel] = south + along[line] * (north - south)
    return out


def _boxes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bounds of the points of each block."""
    starts = [np.arange(0, size, _BLOCK_PX) for size in x.shape]
    return np.stack(
        [
            reduce.reduceat(reduce.reduceat(each, starts[0], axis=0), starts[1], axis=1)
            for each, reduce in ((x, np.minimum), (y, np.minimum), (x, np.maximum), (y, np.maximum))
        ],
        axis=-1,
    )


@compiled
def _signed_distance(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    ring: NDArray[np.float64],
    reach_m: float,
    out: NDArray[np.float32],
) -> None:
    west, east = ring[:, 0].min(), ring[:, 0].max()
    south, north = ring[:, 1].min(), ring[:, 1].max()
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            here_x, here_y = x[row, column], y[row, column]
            off_x = max(max(west - here_x, here_x - east), 0.0)
            off_y = max(max(south - here_y, here_y - north), 0.0)
            if off_x * off_x + off_y * off_y >= reach_m * reach_m:
                out[row, column] = reach_m
                continue
            nearest = 1e18
            is_inside = False
            for edge in range(len(ring) - 1):
                x0, y0, x1, y1 = ring[edge, 0], ring[edge, 1], ring[edge + 1, 0], ring[edge + 1, 1]
                dx, dy = x1 - x0, y1 - y0
                along = (here_x - x0) * dx + (here_y - y0) * dy
                length = dx * dx + dy * dy
                part = min(max(along / length, 0.0), 1.0) if length > 0.0 else 0.0
                gap_x, gap_y = here_x - x0 - part * dx, here_y - y0 - part * dy
                nearest = min(nearest, gap_x * gap_x + gap_y * gap_y)
                if (y0 > here_y) != (y1 > here_y) and here_x < x0 + (here_y - y0) * dx / dy:
                    is_inside = not is_inside
            distance = np.sqrt(nearest)
            out[row, column] = -distance if is_inside else min(distance, reach_m)


@compiled
def _beside_line(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    line: NDArray[np.float64],
    half_m: NDArray[np.float64],
    value: NDArray[np.float64],
    distance_m: NDArray[np.float32],
    found: NDArray[np.float32],
) -> None:
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            here_x, here_y = x[row, column], y[row, column]
            for edge in range(len(line) - 1):
                x0, y0 = line[edge, 0], line[edge, 1]
                dx, dy = line[edge + 1, 0] - x0, line[edge + 1, 1] - y0
                least = distance_m[row, column]
                limit = least + max(half_m[edge], half_m[edge + 1]) + np.abs(dx) + np.abs(dy)
                if np.abs(here_x - x0) > limit or np.abs(here_y - y0) > limit:
                    continue
                along = (here_x - x0) * dx + (here_y - y0) * dy
                length = dx * dx + dy * dy
                part = min(max(along / length, 0.0), 1.0) if length > 0.0 else 0.0
                gap_x, gap_y = here_x - x0 - part * dx, here_y - y0 - part * dy
                half = half_m[edge] + part * (half_m[edge + 1] - half_m[edge])
                off = np.sqrt(gap_x * gap_x + gap_y * gap_y) - half
                if off < least:
                    distance_m[row, column] = off
                    found[row, column] = value[edge] + part * (value[edge + 1] - value[edge])
