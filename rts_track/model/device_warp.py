"""Rasters carried from one grid to another where the networks are: as `raster.resample` does it.

Where pixels lie is computed exactly at the nodes of a coarse lattice and interpolated between
them; the values by the same kernel, with the same care for what is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import torch
from torch.nn import functional

from rts_track import grid as plane
from rts_track.raster.grid import Window
from rts_track.raster.resample import pixels_per_pixel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid

LATTICE_PX = 32
"""Pixels from node to node, at most."""
MOST_OFF_PX = 0.01
"""In the middle between nodes, places may be so far off, in pixels of the raster that is carried.
From UTM to polar stereographic they are 0.0002 px off, over 32 pixels of 10 m onto 2 m."""

_WIDENED_BELOW = 0.95
"""Onto pixels that are hardly coarser the kernel is not widened: GDAL's bound."""
_KERNEL_REACH = 2
_NOISE_PX = 1e-7
"""What floating-point numbers may take from a place that lies on a pixel's centre."""
_LEAST_WEIGHT = 1e-6
_BLOCK_VALUES = 1 << 24
"""So many values at a time are gathered for a block of rows: about 300 MB."""
_TURN_DEG = 360.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Where the pixels of one grid lie on another, at every so many of them.

    Attributes:
        step_px: pixels from node to node.
        places: columns and rows on the other grid, (2, rows, columns) in float64: (0.5, 0.5) is the
            centre of its first pixel. NaN: no place there.
    """

    step_px: int
    places: NDArray[np.float64]

    def window(self, of: Grid, shape: tuple[int, int]) -> Window:
        """The part of the grid `of` around all nodes' cells that touch a raster of that shape."""
        with np.errstate(invalid="ignore"):
            low = np.fmin.reduce([*self._corners()])
            high = np.fmax.reduce([*self._corners()])
            is_near = (high[0] > 0) & (high[1] > 0) & (low[0] < shape[1]) & (low[1] < shape[0])
        rows, cols = np.nonzero(is_near)
        if not len(rows):
            return Window(0, 0, 0, 0)
        first = rows.min() * self.step_px, cols.min() * self.step_px
        end = (rows.max() + 1) * self.step_px + 1, (cols.max() + 1) * self.step_px + 1
        size = (int(b - a) for a, b in zip(first, end, strict=True))
        return of.clipped(Window(int(first[0]), int(first[1]), *size))

    def _corners(self) -> list[NDArray[np.float64]]:
        """Of each cell its four corners."""
        at = self.places
        return [at[:, :-1, :-1], at[:, :-1, 1:], at[:, 1:, :-1], at[:, 1:, 1:]]


def lattice(wanted: Grid, has: Grid, step_px: int = LATTICE_PX) -> Lattice:
    """Where the pixels of `wanted` lie on `has`, to MOST_OFF_PX between the nodes.

    Where places bend more than that the nodes are set closer.
    """
    while True:
        rows, cols = (_nodes_px(size, step_px) for size in wanted.shape)
        made = Lattice(step_px=step_px, places=_places(wanted, has, rows, cols))
        if step_px == 1 or _is_close(made, wanted, has, rows, cols):
            return made
        step_px //= 2


def on_grid(values: torch.Tensor, has: Grid, wanted: Grid) -> torch.Tensor:
    """The values on another grid, by cubic convolution, as `raster.resample.on_grid`.

    Args:
        values: (n, h, w) on the grid `has`, float32; NaN: unknown.
        has: the grid they are on, in any CRS.
        wanted: the grid to carry them to.

    Returns:
        (n, H, W), float32; NaN where a pixel's centre lies in nothing known.
    """
    carried = values.new_full((len(values), *wanted.shape), torch.nan)
    scale = min(1.0, 1.0 / pixels_per_pixel(has, wanted))
    kernel = _Kernel(values, scale)
    nodes = lattice(wanted, has)
    part = nodes.window(wanted, has.shape)
    if not part.height or not part.width:
        return carried
    between = _Between(nodes, part, values.device)
    n_rows = max(1, _BLOCK_VALUES // (part.width * len(values) * kernel.n_taps))
    for first in range(0, part.height, n_rows):
        count = min(n_rows, part.height - first)
        rows = slice(part.row + first, part.row + first + count)
        block = kernel.at(*(place.flatten() for place in between.rows(first, count)))
        carried[:, rows, part.slices[1]] = block.view(len(values), count, part.width)
    return carried


def first_known(
    pieces: Sequence[tuple[torch.Tensor, Grid]], n_bands: int, wanted: Grid, device: torch.device
) -> torch.Tensor:
    """The pieces' values on a grid, (n_bands, H, W); NaN where none is known.

    Where several know a value the first one counts, as of a `Mosaic`.
    """
    values = torch.full((n_bands, *wanted.shape), torch.nan, device=device)
    for piece, has in pieces:
        is_open = torch.isnan(values)
        if not is_open.any():
            break
        values = torch.where(is_open, on_grid(piece, has, wanted), values)
    return values


class _Kernel:
    """Cubic convolution over values on a grid (Keys 1981, doi 10.1109/TASSP.1981.1163711).

    With `scale` destination pixels per pixel it is 1 / scale as wide where those are coarser, and
    what is known is weighted to 1. Otherwise, where any of its 4 x 4 values is unknown, bilinear
    interpolation of what is known takes its place. Both as GDAL has it.
    """

    def __init__(self, values: torch.Tensor, scale: float) -> None:
        """The values (n, h, w), NaN: unknown."""
        self._is_wide = scale < _WIDENED_BELOW
        self._scale = scale if self._is_wide else 1.0
        self._reach = math.ceil(_KERNEL_REACH / self._scale)
        self._height, self._width = values.shape[1:]
        edge = (self._reach,) * 4
        self._row_px = self._width + 2 * self._reach
        self._flat = functional.pad(values, edge, value=torch.nan).flatten(1)
        self._taps = range(1 - self._reach, self._reach + 1)
        self._offsets = torch.arange(self._taps.start, self._taps.stop, device=values.device)

    @property
    def n_taps(self) -> int:
        """Values in a row of the kernel."""
        return len(self._taps)

    def at(self, col: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        """The values (n, N) at places (N,), in float64, of which some may lie outside."""
        is_inside = (col >= 0) & (col < self._width) & (row >= 0) & (row < self._height)
        col, row = (torch.where(is_inside, place, 0.5) for place in (col, row))
        centre = self._flat[:, self._index(col.floor().long(), row.floor().long())]
        is_told = is_inside & ~torch.isnan(centre)
        left, top = (torch.floor(place - 0.5 + _NOISE_PX) for place in (col, row))
        across, down = ((place - 0.5 - low).float() for place, low in ((col, left), (row, top)))
        first = self._index(left.long(), top.long())
        about = torch.nan_to_num(centre)  # sums of differences lose no digits to the level
        summed = self._widened if self._is_wide else self._of_four
        return torch.where(is_told, about + summed(first, across, down, about), torch.nan)

    def _widened(
        self, first: torch.Tensor, across: torch.Tensor, down: torch.Tensor, about: torch.Tensor
    ) -> torch.Tensor:
        """The mean of the differences to `about`, weighted by the kernel over what is known."""
        along = self._cubic(across)
        total, weight = torch.zeros_like(about), torch.zeros_like(about)
        for offset in self._taps:
            share = _cubic((offset - down) * self._scale)
            differences, is_known = self._row(first, offset, about)
            total += share * (differences * along).sum(dim=2)
            weight += share * (is_known * along).sum(dim=2)
        return torch.where(weight >= _LEAST_WEIGHT, total / weight, torch.nan)

    def _of_four(
        self, first: torch.Tensor, across: torch.Tensor, down: torch.Tensor, about: torch.Tensor
    ) -> torch.Tensor:
        """The difference to `about` by 4 x 4 values, or 2 x 2 where some of them are unknown."""
        along = self._cubic(across)
        near = torch.stack([1.0 - across, across], dim=1)
        cubic, linear, weight = (torch.zeros_like(about) for _ in range(3))
        n_known = torch.zeros_like(about, dtype=torch.int32)
        for offset in self._taps:
            differences, is_known = self._row(first, offset, about)
            cubic += _cubic(offset - down) * (differences * along).sum(dim=2)
            n_known += is_known.sum(dim=2, dtype=torch.int32)
            if offset in (0, 1):
                share = 1.0 - down if offset == 0 else down
                linear += share * (differences[:, :, 1:3] * near).sum(dim=2)
                weight += share * (is_known[:, :, 1:3] * near).sum(dim=2)
        linear = torch.where(weight >= _LEAST_WEIGHT, linear / weight, torch.nan)
        return torch.where(n_known == self.n_taps**2, cubic, linear)

    def _row(
        self, first: torch.Tensor, offset: int, about: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A row of the kernel at each place, (n, N, taps): differences, 0 of what is unknown."""
        index = (first + offset * self._row_px)[:, None] + self._offsets
        differences = self._flat[:, index] - about[..., None]
        is_known = ~torch.isnan(differences)
        return torch.where(is_known, differences, 0.0), is_known

    def _cubic(self, across: torch.Tensor) -> torch.Tensor:
        """Weights (N, taps) along a row."""
        return _cubic((self._offsets - across[:, None]) * self._scale)

    def _index(self, col: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        return (row + self._reach) * self._row_px + col + self._reach


class _Between:
    """Places of a window's pixels, interpolated between a lattice's nodes on a device."""

    def __init__(self, nodes: Lattice, window: Window, device: torch.device) -> None:
        self._step_px, self._window = nodes.step_px, window
        self._device = device
        places = torch.from_numpy(nodes.places).to(device)
        left, share = self._shares(window.col, window.width, places.shape[2])
        self._places = torch.lerp(places[:, :, left], places[:, :, left + 1], share)

    def rows(self, first: int, count: int) -> torch.Tensor:
        """Columns and rows, (2, count, width), of the window's rows from `first`."""
        above, share = self._shares(self._window.row + first, count, self._places.shape[1])
        return torch.lerp(self._places[:, above], self._places[:, above + 1], share[:, None])

    def _shares(self, first: int, count: int, n_nodes: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each pixel the node before it, and which share of the step it lies beyond that."""
        at = torch.arange(first, first + count, device=self._device)
        before = (at // self._step_px).clamp(max=n_nodes - 2)
        return before, (at - before * self._step_px).double() / self._step_px


def _cubic(distance: torch.Tensor) -> torch.Tensor:
    """Keys' kernel with a = -1/2."""
    far = distance.abs()
    inner = (1.5 * far - 2.5) * far * far + 1.0
    outer = ((-0.5 * far + 2.5) * far - 4.0) * far + 2.0
    return torch.where(far <= 1.0, inner, torch.where(far < _KERNEL_REACH, outer, 0.0))


def _nodes_px(size_px: int, step_px: int) -> NDArray[np.float64]:
    """Pixels that are nodes along a side, the last one its last pixel or beyond; two at least."""
    n_steps = max(1, -(-(size_px - 1) // step_px))
    return np.arange(n_steps + 1, dtype=np.float64) * step_px


def _is_close(
    made: Lattice, wanted: Grid, has: Grid, rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> bool:
    """Whether in the middle of cells and of their upper edges places are near enough."""
    half = made.step_px / 2
    at = made.places
    over = 0.5 * (at[:, :, :-1] + at[:, :, 1:])
    exact_edge = _places(wanted, has, rows, cols[:-1] + half)
    exact_middle = _places(wanted, has, rows[:-1] + half, cols[:-1] + half)
    off = [over - exact_edge, 0.5 * (over[:, :-1] + over[:, 1:]) - exact_middle]
    with np.errstate(invalid="ignore"):
        return not any((np.abs(each) > MOST_OFF_PX).any() for each in off)


def _places(
    wanted: Grid, has: Grid, rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where on `has` the centres of the pixels of `wanted` lie, (2, rows, columns): column, row.

    NaN: no place there. Longitudes are those within half a turn of the middle of `has`.
    """
    centres: Any = tuple(np.meshgrid(cols + 0.5, rows + 0.5))  # affine takes arrays, untold
    by = plane.transformer(wanted.crs, has.crs)
    x, y = np.array(by.transform(*(wanted.transform @ centres)))
    is_place = np.isfinite(x) & np.isfinite(y)
    if pyproj.CRS.from_user_input(has.crs).is_geographic:
        middle = (has.bounds[0] + has.bounds[2]) / 2
        with np.errstate(invalid="ignore"):
            x = middle + np.remainder(x - middle + _TURN_DEG / 2, _TURN_DEG) - _TURN_DEG / 2
    with np.errstate(invalid="ignore"):
        return np.where(is_place, np.stack(~has.transform @ (x, y)), np.nan)
