"""Windows cut from a scene to learn from: around slumps, around look-alikes, and by chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from rts_track.errors import UsageError
from rts_track.model.training_windows import GROUND, IGNORED, SLUMP, TrainingWindows
from rts_track.raster.grid import Window
from rts_track.raster.labels import label_mask

if TYPE_CHECKING:
    from rts_track.model.layers import Layers
    from rts_track.raster.grid import Grid

_TRIES = 30
"""Points that are thrown to hit a polygon before one is taken that surely lies in it."""

_JITTER_FRAC = 1 / 3
"""How far from a window's middle, beside its side, the point lies that it is drawn around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """Which windows are cut.

    Attributes:
        window_px: side of a window.
        windows_per_slump: windows around each slump; large slumps get one for every quarter of a
            window that they fill, if those are more.
        ground_per_slump: windows by chance for each around a slump.
        least_ground: windows by chance of each scene, however few slumps it has.
        windows_per_lookalike: windows around each look-alike.
        min_clear_frac: windows of which less is clear are left out.
        block_m: side of the squares of EPSG:6931 that are held out whole.
    """

    window_px: int = 256
    windows_per_slump: int = 1
    ground_per_slump: float = 1.0
    least_ground: int = 8
    windows_per_lookalike: int = 1
    min_clear_frac: float = 0.2
    block_m: float = 5_000.0

    def check(self) -> None:
        """UsageError for what cannot be."""
        if self.window_px < 1 or self.window_px % 32:
            raise UsageError(f"windows of {self.window_px} px: take a multiple of 32")
        if not self.block_m > 0 or self.windows_per_slump < 1:
            raise UsageError("blocks are larger than 0 m, windows of a slump 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One window: layers (layers, size, size), labels (size, size), where it lies."""

    layers: NDArray[np.float32]
    labels: NDArray[np.uint8]
    region: str
    extent: shapely.Polygon


def cut_windows(
    stack: Layers,
    slumps: NDArray[np.object_],
    lookalikes: NDArray[np.object_],
    cutting: Cutting,
    chance: np.random.Generator,
) -> Iterator[Cut]:
    """The scene's windows to learn from.

    All of the scene counts as known: what is no slump is ground.

    Args:
        stack: the scene's layers.
        slumps: EPSG:6931 polygons; those beyond the scene do no harm.
        lookalikes: likewise, of what is easily taken for a slump.
        cutting: which windows.
        chance: where they lie.
    """
    grid = stack.grid
    drawn = _in_pixels(slumps, grid)
    tree = shapely.STRtree(drawn)
    for window in _places(grid, drawn, _in_pixels(lookalikes, grid), cutting, chance):
        layers, is_clear = stack.read(window)
        if is_clear.mean() < cutting.min_clear_frac:
            continue
        frame = shapely.box(
            window.col, window.row, window.col + window.width, window.row + window.height
        )
        inside = drawn[tree.query(frame, predicate="intersects")]
        part = Affine.translation(window.col, window.row)
        labels = np.where(label_mask(list(inside), window[2:], part), SLUMP, GROUND)
        labels[~is_clear | np.isnan(layers).all(axis=0)] = IGNORED
        extent = grid.part(window).extent()
        yield Cut(
            layers=layers,
            labels=labels.astype(np.uint8),
            region=_block(extent, cutting.block_m),
            extent=extent,
        )


def gather(
    cuts: Sequence[Cut],
    names: tuple[str, ...],
    *,
    sensors: Sequence[str],
    gsd_m: Sequence[float],
    inputs_sha256: str,
) -> TrainingWindows:
    """The cuts together, in memory; there must be one at least."""
    return TrainingWindows(
        names=names,
        layers=np.stack([cut.layers for cut in cuts]),
        labels=np.stack([cut.labels for cut in cuts]),
        regions=np.array([cut.region for cut in cuts]),
        extents=np.array([cut.extent for cut in cuts], dtype=object),
        sensors=tuple(sorted(set(sensors))),
        gsd_range_m=(min(gsd_m), max(gsd_m)),
        inputs_sha256=inputs_sha256,
    )


def _in_pixels(polygons: NDArray[np.object_], grid: Grid) -> NDArray[np.object_]:
    """Those of the EPSG:6931 polygons that reach into the grid, in its pixels' coordinates."""
    near = polygons[shapely.intersects(polygons, grid.extent())] if len(polygons) else polygons
    return grid.to_pixels(near)


def _places(
    grid: Grid,
    slumps: NDArray[np.object_],
    lookalikes: NDArray[np.object_],
    cutting: Cutting,
    chance: np.random.Generator,
) -> Iterator[Window]:
    side = cutting.window_px
    n_around = 0
    for slump in slumps:
        n = max(cutting.windows_per_slump, round(slump.area / (side**2 / 4)))
        n_around += n
        for _ in range(n):
            yield _around(_point_in(slump, chance), grid, side, chance)
    for lookalike in lookalikes:
        for _ in range(cutting.windows_per_lookalike):
            yield _around(_point_in(lookalike, chance), grid, side, chance)
    for _ in range(max(round(cutting.ground_per_slump * n_around), cutting.least_ground)):
        point = chance.uniform(0, grid.width), chance.uniform(0, grid.height)
        yield _around(point, grid, side, chance)


def _point_in(polygon: shapely.Geometry, chance: np.random.Generator) -> tuple[float, float]:
    """Column and row of a point in the polygon."""
    left, top, right, bottom = polygon.bounds
    for _ in range(_TRIES):
        x, y = chance.uniform(left, right), chance.uniform(top, bottom)
        if shapely.intersects_xy(polygon, x, y):
            return x, y
    point = polygon.representative_point()
    return point.x, point.y


def _around(
    point: tuple[float, float], grid: Grid, side_px: int, chance: np.random.Generator
) -> Window:
    """A window with the point in it, inside the scene as far as that is large enough."""
    jitter = chance.uniform(-_JITTER_FRAC, _JITTER_FRAC, 2) * side_px
    col, row = (round(at + off - side_px / 2) for at, off in zip(point, jitter, strict=True))
    return Window(
        _moved_in(row, grid.height, side_px), _moved_in(col, grid.width, side_px), side_px, side_px
    )


def _moved_in(start: int, length: int, side_px: int) -> int:
    if length < side_px:
        return (length - side_px) // 2
    return min(max(start, 0), length - side_px)


def _block(extent: shapely.Polygon, block_m: float) -> str:
    """The square of EPSG:6931 in which the extent's middle lies."""
    middle = extent.centroid
    return f"{int(middle.x // block_m)} {int(middle.y // block_m)}"
