"""Outlines of pixels made smooth, as far as that changes no area by more than its sigma."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUT_PX = 0.5
"""How far from a corner it is cut: to the middle of a pixel's side."""


def smooth(
    polygons: NDArray[np.object_], tolerance_px: float, sigma_px: float
) -> NDArray[np.object_]:
    """The polygons along pixels' sides with corners cut and steps straightened.

    Corners are cut at the middles of the pixels' sides, which is where marching squares would
    draw the contour between 0 and 1 (Lorensen & Cline 1987, doi 10.1145/37402.37422): what convex
    corners lose concave ones gain, so that a ring's area changes by half a pixel in all. Then
    vertices within `tolerance_px` of a straight line are left out (Douglas & Peucker 1973,
    doi 10.3138/FM57-6770-U75U-7727), which may take from either side.

    Args:
        polygons: valid (Multi)Polygons in pixel coordinates.
        tolerance_px: how far lines may move, in pixels.
        sigma_px: how far such outlines lie off as a whole, 1 sigma, in pixels.

    Returns:
        Valid polygons. One whose area would change by more than its delineation sigma (perimeter
        times `sigma_px`), or that would fall apart, is as it was.
    """
    if len(polygons) == 0:
        return polygons
    smoothed = shapely.simplify(cut_corners(polygons), tolerance_px)
    changed_px = np.abs(shapely.area(smoothed) - shapely.area(polygons))
    is_good = shapely.is_valid(smoothed) & ~shapely.is_empty(smoothed)
    is_good &= changed_px <= shapely.length(smoothed) * sigma_px
    return np.where(is_good, smoothed, polygons)


def cut_corners(polygons: NDArray[np.object_]) -> NDArray[np.object_]:
    """The polygons along pixels' sides, each corner cut half a pixel away from it.

    They stay valid: within half a pixel of a corner there is no other line, and rings that meet
    in it are both cut.
    """
    rings, owner, is_first = _rings(polygons)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    starts = np.flatnonzero(ring[:-1] == ring[1:])
    side = xy[starts + 1] - xy[starts]
    cut = side / np.hypot(*side.T)[:, None] * CUT_PX
    points = np.stack([xy[starts] + cut, xy[starts + 1] - cut], axis=1).reshape(-1, 2)
    cut_rings = shapely.linearrings(points, indices=np.repeat(ring[starts], 2))
    part = np.cumsum(is_first) - 1
    parts = shapely.polygons(cut_rings, indices=part)
    whole = shapely.multipolygons(parts, indices=owner[is_first])
    is_single = shapely.get_num_geometries(whole) == 1
    whole[is_single] = shapely.get_geometry(whole[is_single], 0)
    return np.asarray(shapely.remove_repeated_points(whole), dtype=object)


def _rings(
    polygons: NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.bool_]]:
    """All rings, the polygon that each belongs to, and whether it is the first of its part."""
    parts, part_owner = shapely.get_parts(polygons, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    return rings, part_owner[part], np.diff(part, prepend=-1) > 0
