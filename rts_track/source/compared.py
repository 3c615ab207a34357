"""Two scenes of a place read window by window on one grid, to be laid over each other."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from rts_track import grid as plane
from rts_track.errors import InputError
from rts_track.raster.resample import on_grid, windows_needed
from rts_track.source.closing import Closing
from rts_track.source.pixels import ScenePixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid, Window
    from rts_track.source.scene import Scene

COMPARED_BANDS = ("nir", "nir2", "red", "swir1", "green", "rededge3", "blue")
"""The first of these that both scenes have is compared: where tundra, water and bare ground differ
most, and haze shows least, comes first."""


class ComparedScenes(Closing):
    """An earlier and a later scene, opened; a context manager, to be used by one thread at a time.

    Attributes:
        band: the band that is compared.
        frame: the coarser scene's grid, on which both are read.
    """

    def __init__(self, before: Scene, after: Scene) -> None:
        """Files are opened as they are needed; InputError where the scenes have no common band."""
        self.band = _common_band(before, after)
        self._is_after_moved = after.grid.gsd_m <= before.grid.gsd_m
        framed, moved = (before, after) if self._is_after_moved else (after, before)
        self.frame = framed.grid
        self._open = ExitStack()
        self._framed = self._open.enter_context(ScenePixels(framed))
        self._moved = self._open.enter_context(ScenePixels(moved))

    def close(self) -> None:
        """Close all files."""
        self._open.close()

    def meets(self, window: Window) -> bool:
        """Whether the scene with the finer grid may show anything of the frame's window."""
        return bool(windows_needed(self._moved.scene.grid, self.frame.part(window)))

    def read(
        self, window: Window, moved_m: tuple[float, float] = (0.0, 0.0)
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The band of the earlier and of the later scene in the frame's window, (h, w) each.

        Args:
            window: part of the frame.
            moved_m: so far along x and y of the frame's CRS the later scene is thought to lie
                off; the scene with the finer grid is read so much elsewhere.

        Returns:
            Reflectance; NaN where a scene is not clear, or ends.
        """
        framed = self._framed.read([self.band], window)[0]
        framed[~self._framed.clear(window)] = np.nan
        sign = 1.0 if self._is_after_moved else -1.0
        moved = self._moved_to(_displaced(self.frame.part(window), sign, moved_m))
        return (framed, moved) if self._is_after_moved else (moved, framed)

    def to_ground(self, window: Window, offset_m: tuple[float, float]) -> tuple[float, float]:
        """Metres east and north on the ground of an offset in x and y of the frame, in a window."""
        centre = (window.col + window.width / 2, window.row + window.height / 2)
        x, y = self.frame.transform @ centre
        by = plane.transformer(self.frame.crs, plane.METRIC_CRS)
        here = np.array(by.transform(x, y))
        there = np.array(by.transform(x + offset_m[0], y + offset_m[1]))
        east, north = plane.to_ground(*(there - here), *here)
        return float(east), float(north)

    def _moved_to(self, grid: Grid) -> NDArray[np.float32]:
        """The finer scene on the grid; NaN where it is not clear."""
        scene_grid = self._moved.scene.grid
        carried = np.full(grid.shape, np.nan, dtype=np.float32)
        for part in windows_needed(scene_grid, grid):
            values = self._moved.read([self.band], part)
            values[0, ~self._moved.clear(part)] = np.nan
            if np.isfinite(values).any():
                carried = on_grid(values, scene_grid.part(part), grid)[0]
        return carried


def _common_band(before: Scene, after: Scene) -> str:
    for band in COMPARED_BANDS:
        if band in before.band_names and band in after.band_names:
            return band
    raise InputError(f"{before.product} and {after.product} have no band in common to be compared")


def _displaced(grid: Grid, sign: float, moved_m: tuple[float, float]) -> Grid:
    by = Affine.translation(sign * moved_m[0], sign * moved_m[1])
    return replace(grid, transform=by @ grid.transform)
