"""The shape of a slump: how it lies on its shore, grows, comes apart, and how it is drawn.

Polygons are single, without holes, in a plane of ground metres; headings are unit vectors upslope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

VERTEX_STEP_M = 8.0
"""Edges are at most this long; about the 41 vertices a slump of the digitised inventories."""
_TRUE_TOLERANCE_M = 0.3
_DRAWN_TOLERANCE_M = 0.5
_FAR_M = 5_000.0


def slump_polygon(rng: Generator, area_m2: float) -> shapely.Polygon:
    """A slump of that area, toe on the x axis, that faces up the y axis.

    A rounded headwall over one tongue or two arms.
    """
    across = np.cos(np.linspace(np.pi, 0.0, 25))
    roundness = rng.uniform(1.9, 2.8)
    lobes = 1.0 + rng.normal(0.0, 0.06) * np.cos(rng.integers(2, 5) * np.pi * across)
    headwall = (1.0 - np.abs(across) ** roundness) ** (1.0 / roundness) * lobes
    foot = _arms(rng, across) if rng.random() < 0.4 else _tongue(rng, across)
    length = np.exp(rng.normal(0.0, 0.25))
    outline = np.r_[
        np.column_stack([across, length * headwall]), np.column_stack([across, -foot])[-2:0:-1]
    ]
    outline[:, 1] -= outline[:, 1].min()
    outline *= np.sqrt(area_m2 / shapely.area(shapely.Polygon(outline)))
    return largest(shapely.make_valid(shapely.Polygon(outline)))


def set_down(
    polygon: shapely.Polygon, toe: NDArray[np.float64], heading: NDArray[np.float64]
) -> shapely.Polygon:
    """The slump with its toe there, facing that way."""
    right = np.array([heading[1], -heading[0]])
    return shapely.transform(polygon, lambda xy: toe + xy[:, :1] * right + xy[:, 1:] * heading)


def move(polygon: shapely.Polygon, by_m: NDArray[np.float64]) -> shapely.Polygon:
    """The slump so far away, unchanged."""
    return shapely.transform(polygon, lambda xy: xy + by_m)


def grow(
    polygon: shapely.Polygon, heading: NDArray[np.float64], by_m: float, side_frac: float
) -> shapely.Polygon:
    """The slump once its headwall has retreated `by_m`, and its flanks by a share of that.

    Its toe stays where it is; what it covered it still covers.
    """
    xy, normal = vertices(shapely.segmentize(polygon, VERTEX_STEP_M))
    normal = _smoothed(normal)
    facing = normal @ heading
    ahead = (1.0 - side_frac) * np.clip(facing, 0.0, None)[:, None] * heading
    aside = side_frac * np.clip(1.0 + facing, 0.0, 1.0)[:, None] * normal
    front = shapely.polygons(xy + by_m * (ahead + aside))
    if not shapely.is_valid(front):
        front = shapely.make_valid(front, method="structure")
    return largest(shapely.simplify(shapely.union(polygon, front), _TRUE_TOLERANCE_M))


def join(polygons: list[shapely.Polygon]) -> shapely.Polygon:
    """The slumps grown into one: their union with the ground between them."""
    joined = polygons[0]
    for polygon in polygons[1:]:
        line = shapely.shortest_line(joined, polygon)
        reach_m = shapely.length(line) / 2.0 + 6.0
        both = shapely.union_all([joined, polygon, shapely.buffer(line, 6.0, quad_segs=2)])
        joined = largest(shapely.buffer(shapely.buffer(both, reach_m), -reach_m))
    return largest(shapely.simplify(joined, _TRUE_TOLERANCE_M))


def cut(
    polygon: shapely.Polygon, through: NDArray[np.float64], along: NDArray[np.float64], gap_m: float
) -> list[shapely.Polygon]:
    """The pieces, largest first, that a straight gap of that width leaves."""
    line = shapely.LineString([through - _FAR_M * along, through + _FAR_M * along])
    rest = shapely.difference(polygon, shapely.buffer(line, gap_m / 2.0, cap_style="flat"))
    pieces = [_filled(part) for part in shapely.get_parts(rest) if part.geom_type == "Polygon"]
    return sorted(pieces, key=lambda piece: -float(shapely.area(piece)))


def draw(
    rng: Generator, polygon: shapely.Polygon, shift_m: NDArray[np.float64], noise_m: float
) -> shapely.Polygon:
    """The slump as somebody draws it on a scene that lies off by `shift_m`."""
    outline = shapely.simplify(polygon, _DRAWN_TOLERANCE_M)
    xy, normal = vertices(shapely.segmentize(outline, VERTEX_STEP_M))
    white = rng.normal(0.0, noise_m, len(xy))
    noise = (white + np.concatenate([white[-1:], white[:-1]])) / np.sqrt(2.0)
    drawn = shapely.polygons(xy + noise[:, None] * normal + shift_m)
    return drawn if shapely.is_valid(drawn) else largest(shapely.make_valid(drawn))


def vertices(polygon: shapely.Polygon) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The outer ring's vertices, each once, and the outward unit normal at each; (n, 2)."""
    ring = shapely.get_exterior_ring(polygon)
    xy = shapely.get_coordinates(ring)[:-1]
    if not shapely.is_ccw(ring):
        xy = xy[::-1]
    edge = _units(np.concatenate([xy[1:], xy[:1]]) - xy)
    along = edge + np.concatenate([edge[-1:], edge[:-1]])
    return xy, _units(np.column_stack([along[:, 1], -along[:, 0]]))


def largest(geometry: shapely.Geometry) -> shapely.Polygon:
    """The largest polygon in it, without holes; empty where it holds none."""
    if shapely.get_type_id(geometry) == shapely.GeometryType.POLYGON:
        return _filled(geometry)
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    if not parts:
        return shapely.Polygon()
    return _filled(max(parts, key=lambda part: float(shapely.area(part))))


def _smoothed(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The unit vectors averaged along the ring: a headwall retreats as a front, not in fingers."""
    weights = (1.0, 2.0, 3.0, 2.0, 1.0)
    around = np.concatenate([normal[-2:], normal, normal[:2]])
    n = len(normal)
    summed = np.zeros_like(normal)
    for lag, weight in enumerate(weights):
        summed += weight * around[lag : lag + n]
    return _units(summed)


def _units(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vectors at length one; (n, 2)."""
    length = np.maximum(np.hypot(vectors[:, 0], vectors[:, 1]), 1e-9)
    return np.asarray(vectors / length[:, None])


def _filled(polygon: shapely.Polygon) -> shapely.Polygon:
    if shapely.get_num_interior_rings(polygon) == 0:
        return polygon
    return shapely.polygons(shapely.get_exterior_ring(polygon))


def _tongue(rng: Generator, across: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the foot reaches down where debris flows off in one tongue."""
    reach = rng.uniform(0.5, 1.4)
    return np.asarray(reach * (1.0 - np.abs(across) ** rng.uniform(0.7, 1.3)))


def _arms(rng: Generator, across: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the foot reaches down where two arms make a horseshoe."""
    notch = rng.uniform(0.3, 0.8)
    return np.asarray(
        rng.uniform(0.5, 0.9) * (1.0 - across**8) * (1.0 - notch * np.exp(-((across / 0.45) ** 2)))
    )
