"""The grid of a raster: its shape, where its pixels lie, and its CRS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely
from affine import Affine

from rts_track import grid as plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGE_STEP_PX = 64
"""Edges of an extent are divided to so many pixels before they change CRS."""


class Window(NamedTuple):
    """Part of a raster: its first row and column, and how many of each."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array of the whole raster with."""
        return (
            slice(self.row, self.row + self.height),
            slice(self.col, self.col + self.width),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Shape (height, width) in pixels, north-up transform and CRS of a raster.

    `transform` carries (column, row) of pixel corners to x and y in `crs`, which is projected and
    in metres: `crs` is `EPSG:code`, or WKT where there is no code.
    """

    height: int
    width: int
    transform: Affine
    crs: str

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    @property
    def gsd_m(self) -> float:
        """Side of a pixel: the root of its area, in the metres of the CRS."""
        return float(np.sqrt(abs(self.transform.determinant)))

    @property
    def whole(self) -> Window:
        """The window that is the whole raster."""
        return Window(0, 0, self.height, self.width)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Least x and y, greatest x and y, in `crs`."""
        xs, ys = zip(*(self.transform @ corner for corner in self._corners()), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def part(self, window: Window) -> Grid:
        """The grid of a window, which may reach beyond this one."""
        return Grid(
            height=window.height,
            width=window.width,
            transform=self.transform @ Affine.translation(window.col, window.row),
            crs=self.crs,
        )

    def grown(self, margin_px: int) -> Grid:
        """This grid with so many pixels more on each side."""
        size = (self.height + 2 * margin_px, self.width + 2 * margin_px)
        return self.part(Window(-margin_px, -margin_px, *size))

    def clipped(self, window: Window) -> Window:
        """What of the window lies inside; of no height or width where nothing does."""
        first_row, first_col = max(window.row, 0), max(window.col, 0)
        end_row = min(window.row + window.height, self.height)
        end_col = min(window.col + window.width, self.width)
        return Window(
            first_row, first_col, max(end_row - first_row, 0), max(end_col - first_col, 0)
        )

    def extent(self) -> shapely.Polygon:
        """The raster's outer edge as an EPSG:6931 polygon."""
        ring = shapely.segmentize(shapely.Polygon(self._corners()), EDGE_STEP_PX)
        return self.to_metric(np.array([ring], dtype=object))[0]

    def to_metric(self, polygons: NDArray[np.object_]) -> NDArray[np.object_]:
        """Polygons in pixel coordinates (column, row) as EPSG:6931 ones."""
        if len(polygons) == 0:
            return np.empty(0, dtype=object)
        xy = shapely.get_coordinates(polygons)
        x, y = self.transform @ (xy[:, 0], xy[:, 1])
        placed = shapely.set_coordinates(polygons.copy(), np.column_stack([x, y]))
        return plane.to_metric(np.asarray(placed), self.crs)

    def to_pixels(self, polygons: NDArray[np.object_]) -> NDArray[np.object_]:
        """EPSG:6931 polygons in pixel coordinates (column, row)."""
        if len(polygons) == 0:
            return np.empty(0, dtype=object)
        by = plane.transformer(plane.METRIC_CRS, self.crs)
        xy = shapely.get_coordinates(polygons)
        col, row = ~self.transform @ by.transform(xy[:, 0], xy[:, 1])
        return np.asarray(shapely.set_coordinates(polygons.copy(), np.column_stack([col, row])))

    def _corners(self) -> list[tuple[float, float]]:
        return [(0.0, 0.0), (self.width, 0.0), (self.width, self.height), (0.0, self.height)]
