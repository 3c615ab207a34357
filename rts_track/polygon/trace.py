"""Outlines of pixels: from labelled rasters to polygons along the pixels' sides.

Polygons are valid by the way they are made, and not mended: GEOS takes minutes to mend one polygon
of a hundred thousand corners. Pixels that share sides have one connected interior; a ring round
them that meets itself in a corner is taken apart there, so that every ring is simple and rings
meet in corners only; parts that meet in corners are parts of one MultiPolygon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely
from affine import Affine

from rts_track import grid as plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid, Window

    Vertex = tuple[float, float]

STRAIGHT_PX = 64
"""Edges are divided to so many pixels before they change CRS: straight lines bend."""


def pixel_polygons(
    labels: NDArray[np.int32], window: Window
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Each label's pixels as a valid (Multi)Polygon in pixel coordinates (column, row).

    Args:
        labels: (H, W) the labels of the whole raster, 0 for no object.
        window: the part of the raster that holds them.

    Returns:
        The labels that occur, in ascending order, and a polygon for each. Whatever a label
        encloses is a hole; pixels of it that meet in corners only are parts of a MultiPolygon.
    """
    from rasterio.features import shapes

    inside = np.ascontiguousarray(labels[window.slices])
    if not inside.any():
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=object)
    placed = Affine.translation(window.col, window.row)
    values, rings = [], []
    for shape, value in shapes(inside, inside != 0, 4, placed):
        values.append(int(value))
        rings.append(shape["coordinates"])
    parts = _parts(rings)
    order = np.argsort(values, kind="stable")
    found, owner = np.unique(np.array(values)[order], return_inverse=True)
    whole = shapely.multipolygons(parts[order], indices=owner)
    is_single = shapely.get_num_geometries(whole) == 1
    whole[is_single] = shapely.get_geometry(whole[is_single], 0)
    return found.astype(np.int64), np.asarray(whole, dtype=object)


def metric_polygons(polygons: NDArray[np.object_], grid: Grid) -> NDArray[np.object_]:
    """Valid polygons in pixel coordinates as EPSG:6931 ones, which are valid, too."""
    return grid.to_metric(np.asarray(shapely.segmentize(polygons, STRAIGHT_PX)))


def metric_multipolygon(polygons: NDArray[np.object_], grid: Grid) -> shapely.MultiPolygon:
    """Polygons in pixel coordinates, disjoint but for corners, as one valid EPSG:6931 one."""
    parts = shapely.get_parts(metric_polygons(polygons, grid))
    whole = np.array([shapely.MultiPolygon(list(parts))], dtype=object)
    return plane.as_multipolygons(whole)[0]


def n_corners(is_inside: NDArray[np.bool_]) -> int:
    """How many corners the outline of the (H, W) pixels has, but for those on the far edges.

    Of the four pixels about a corner of it an odd number is inside, or two across, which makes
    two corners.
    """
    padded = np.pad(is_inside, ((1, 0), (1, 0)))
    upper = padded[:-1, :-1] ^ padded[:-1, 1:]
    lower = padded[1:, :-1] ^ padded[1:, 1:]
    is_across = upper & lower & (padded[:-1, :-1] ^ padded[1:, :-1])
    return int(np.count_nonzero(upper ^ lower)) + 2 * int(np.count_nonzero(is_across))


def _parts(rings: Sequence[Sequence[Sequence[Vertex]]]) -> NDArray[np.object_]:
    """A valid polygon for each group of rings round pixels that share sides."""
    of_part = np.repeat(np.arange(len(rings)), [len(own) for own in rings])
    flat = [ring[:-1] for own in rings for ring in own]
    is_knotted = _knotted(flat)
    loops = [ring for ring, knotted in zip(flat, is_knotted, strict=True) if not knotted]
    owner = of_part[~is_knotted].tolist()
    for at in np.flatnonzero(is_knotted).tolist():
        apart = _taken_apart(flat[at])
        loops += apart
        owner += [of_part[at]] * len(apart)
    simple = _linear_rings(loops)
    # The shell of a part holds all its other rings: it is the largest of them.
    order = np.lexsort((-shapely.area(shapely.polygons(simple)), owner))
    return np.asarray(shapely.polygons(simple[order], indices=np.array(owner)[order]), dtype=object)


def _knotted(rings: Sequence[Sequence[Vertex]]) -> NDArray[np.bool_]:
    """Which rings, given without their last vertex, meet themselves in a corner."""
    xy, ring = _flat(rings)
    x, y = (xy - xy.min(axis=0)).astype(np.int64).T
    place = (ring * (x.max() + 1) + x) * (y.max() + 1) + y
    _, first = np.unique(place, return_index=True)
    is_knotted = np.zeros(len(rings), dtype=bool)
    is_again = np.ones(len(place), dtype=bool)
    is_again[first] = False
    is_knotted[ring[is_again]] = True
    return is_knotted


def _taken_apart(ring: Sequence[Vertex]) -> list[Sequence[Vertex]]:
    """The simple rings of one that meets itself: each loop from a corner back to it is one."""
    loops: list[Sequence[Vertex]] = []
    path: list[Vertex] = []
    place: dict[Vertex, int] = {}
    for vertex in ring:
        if vertex in place:
            start = place[vertex]
            loops.append(path[start:])
            for passed in path[start:]:
                del place[passed]
            del path[start:]
        place[vertex] = len(path)
        path.append(vertex)
    return [*loops, path]


def _linear_rings(rings: Sequence[Sequence[Vertex]]) -> NDArray[np.object_]:
    xy, ring = _flat(rings)
    return np.asarray(shapely.linearrings(xy, indices=ring), dtype=object)


def _flat(rings: Sequence[Sequence[Vertex]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """All vertices, and the ring that each is of."""
    ring = np.repeat(np.arange(len(rings)), [len(each) for each in rings])
    return np.array([vertex for each in rings for vertex in each]), ring
