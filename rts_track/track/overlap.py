"""The area that two polygons share, without the polygon they share.

The area of an intersection is the sum, over the pieces of either boundary that lie inside the
other polygon, of their half cross products: Franklin 1990, "Calculating map overlay polygons'
areas without explicitly calculating the polygons: implementation", Proc. 4th International
Symposium on Spatial Data Handling, 151-160. An edge from p along d whose share t lies inside
adds t (p x d) / 2, and t needs no sorting: it is the sum of the places at which the edge leaves
the other polygon, less those at which it enters, and 1 if it ends inside. Whether it does is
carried along the ring and toggled at each crossing.

Shared edges, vertices on edges and the like are no special cases: the second polygon is taken to
lie off by (e, e^2) with e without end small, which puts every vertex to one side of every edge
(simulation of simplicity: Edelsbrunner & Muecke 1990, doi 10.1145/77635.77639), and area is
continuous in e. That needs exact signs: an error bound decides most (Shewchuk 1997,
doi 10.1007/PL00009321, ccwerrboundA), exact products the rest. Where differences of coordinates
are themselves inexact, or a polygon proves invalid, GEOS measures the pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

from rts_track.track.rings import compiled, rings_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.track.rings import Rings

_UNIT_ROUNDOFF = 2.0**-53
_SIDE_ERROR = (3.0 + 16.0 * _UNIT_ROUNDOFF) * _UNIT_ROUNDOFF
"""A vertex is certainly on the side of an edge that is computed, if the cross product is larger
than this share of the sum of its two terms' sizes (Shewchuk's ccwerrboundA)."""
_SPLITTER = 2.0**27 + 1.0
"""Halves a double's digits, so that products of the halves are exact (Dekker 1971)."""
_NOISE = 1e-13
"""An area is taken for 0 when it is below this share of the sum of its terms' sizes."""
_UNSURE = 2
"""The side of a vertex that could not be told."""
_UNTURNED = 3
"""A ring that does not cross the other polygon."""


def overlap_m2(
    before: NDArray[np.object_],
    after: NDArray[np.object_],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    moved_by: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The area that polygons `before[first]` and `after[second]` share, in their plane's units.

    It agrees with GEOS within 1e-3 m² or 1e-9 of the smaller polygon, whichever is more; where
    polygons only touch it is 0. Each pair's area depends on nothing but the pair.

    Args:
        before: polygons and multipolygons with any holes, valid.
        after: the same.
        first: row number in `before` of each pair, (n,).
        second: row number in `after` of each pair, (n,).
        moved_by: (n, 2), by how much each pair's second polygon is moved first.

    Raises:
        ValueError: a geometry is missing, or no polygon.
    """
    area, is_sure = measure_rings(rings_of(before), rings_of(after), first, second, moved_by)
    unsure = np.flatnonzero(~is_sure)
    if len(unsure):
        moved = moved_geometries(after[second[unsure]], moved_by[unsure])
        area[unsure] = shapely.area(shapely.intersection(before[first[unsure]], moved))
    return area


def moved_geometries(
    geometries: NDArray[np.object_], by: NDArray[np.float64]
) -> NDArray[np.object_]:
    """Each geometry moved rigidly in its plane; `by` is (n, 2)."""
    if not by.any():
        return geometries
    xy, owner = shapely.get_coordinates(geometries, return_index=True)
    return np.asarray(shapely.set_coordinates(geometries.copy(), xy + by[owner]), dtype=object)


class _Place(NamedTuple):
    """Which polygon of some rings, and that it is moved by (dx, dy); `is_off`: by (e, e^2) more."""

    polygon: int
    dx: float
    dy: float
    is_off: bool


@compiled
def measure_rings(
    before: Rings,
    after: Rings,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    moved_by: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The area that each pair of polygons shares, and whether it could be told."""
    area = np.empty(len(first))
    is_sure = np.empty(len(first), dtype=np.bool_)
    turns_a = np.zeros(len(before.x), dtype=np.int32)
    turns_b = np.zeros(len(after.x), dtype=np.int32)
    sums = np.empty(2)
    for pair in range(len(first)):
        p = _Place(first[pair], 0.0, 0.0, False)
        q = _Place(second[pair], moved_by[pair, 0], moved_by[pair, 1], True)
        area[pair], is_sure[pair] = _shared_area(before, p, after, q, turns_a, turns_b, sums)
    return area, is_sure


@compiled
def _shared_area(
    a: Rings,
    p: _Place,
    b: Rings,
    q: _Place,
    turns_a: NDArray[np.int32],
    turns_b: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> tuple[float, bool]:
    """The area that polygon p of a and polygon q of b share, and whether it could be told.

    `turns` count how often each edge enters the other polygon, less how often it leaves it; they
    are 0 before and after. `sums` is room for the sum of the terms and of their sizes.
    """
    low_x, high_x = a.box[p.polygon, 0], a.box[p.polygon, 2]
    low_y, high_y = a.box[p.polygon, 1], a.box[p.polygon, 3]
    low_x, high_x = max(low_x, b.box[q.polygon, 0] + q.dx), min(high_x, b.box[q.polygon, 2] + q.dx)
    low_y, high_y = max(low_y, b.box[q.polygon, 1] + q.dy), min(high_y, b.box[q.polygon, 3] + q.dy)
    if not (low_x < high_x and low_y < high_y):
        return 0.0, True
    # Cross products are taken about a point near by: about the plane's, their digits would go.
    x0, y0 = 0.5 * (low_x + high_x), 0.5 * (low_y + high_y)
    sums[0], sums[1] = 0.0, 0.0
    is_sure = _cross(a, p, b, q, x0, y0, turns_a, turns_b, sums)
    is_sure &= _follow(a, p, b, q, x0, y0, turns_a, sums)
    is_sure &= _follow(b, q, a, p, x0, y0, turns_b, sums)
    if abs(sums[0]) <= _NOISE * sums[1]:
        return 0.0, is_sure
    return 0.5 * sums[0], is_sure and sums[0] > 0.0


@compiled
def _cross(
    a: Rings,
    p: _Place,
    b: Rings,
    q: _Place,
    x0: float,
    y0: float,
    turns_a: NDArray[np.int32],
    turns_b: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> bool:
    """Add to the sums where edges enter or leave the other polygon; False where that is unsure."""
    is_sure = True
    for j in range(b.polygon_block[q.polygon], b.polygon_block[q.polygon + 1]):
        left, low = b.block_box[j, 0] + q.dx, b.block_box[j, 1] + q.dy
        right, high = b.block_box[j, 2] + q.dx, b.block_box[j, 3] + q.dy
        for i in range(a.polygon_block[p.polygon], a.polygon_block[p.polygon + 1]):
            x, y, x2, y2 = (
                a.block_box[i, 0],
                a.block_box[i, 1],
                a.block_box[i, 2],
                a.block_box[i, 3],
            )
            if _boxes_meet(x, y, x2, y2, left, low, right, high):
                is_sure &= _cross_blocks(a, i, b, j, q, x0, y0, turns_a, turns_b, sums)
    return is_sure


@compiled
def _cross_blocks(
    a: Rings,
    i: int,
    b: Rings,
    j: int,
    q: _Place,
    x0: float,
    y0: float,
    turns_a: NDArray[np.int32],
    turns_b: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> bool:
    """As `_cross`, for the edges of block i of a and those of block j of b."""
    is_sure = True
    left, low = b.block_box[j, 0] + q.dx, b.block_box[j, 1] + q.dy
    right, high = b.block_box[j, 2] + q.dx, b.block_box[j, 3] + q.dy
    for e in range(a.block_edge[i, 0], a.block_edge[i, 1]):
        ax, ay, ax2, ay2 = a.x[e], a.y[e], a.x[e + 1], a.y[e + 1]
        if not _boxes_meet(ax, ay, ax2, ay2, left, low, right, high):
            continue
        for f in range(b.block_edge[j, 0], b.block_edge[j, 1]):
            bx, by, bx2, by2 = b.x[f] + q.dx, b.y[f] + q.dy, b.x[f + 1] + q.dx, b.y[f + 1] + q.dy
            side = _side_crossed_to(ax, ay, ax2, ay2, bx, by, bx2, by2)
            if side == _UNSURE:
                is_sure = False
            elif side != 0:
                t, u = _places(ax, ay, ax2, ay2, bx, by, bx2, by2)
                # Inside is on the left: what crosses to the left enters.
                _add(sums, -side * t, ax - x0, ay - y0, ax2 - ax, ay2 - ay)
                _add(sums, side * u, bx - x0, by - y0, bx2 - bx, by2 - by)
                turns_a[e] += side
                turns_b[f] -= side
    return is_sure


@compiled
def _boxes_meet(
    x1: float, y1: float, x2: float, y2: float, x3: float, y3: float, x4: float, y4: float
) -> bool:
    """Whether the boxes have a point in common; each is given by two opposite corners."""
    if max(x1, x2) < min(x3, x4) or min(x1, x2) > max(x3, x4):
        return False
    return not (max(y1, y2) < min(y3, y4) or min(y1, y2) > max(y3, y4))


@compiled
def _side_crossed_to(
    ax: float, ay: float, ax2: float, ay2: float, bx: float, by: float, bx2: float, by2: float
) -> int:
    """The side of edge b on which edge a ends if it crosses it, 0 if it does not, or unsure.

    Edge b lies off by (e, e^2).
    """
    if not _boxes_meet(ax, ay, ax2, ay2, bx, by, bx2, by2):
        return 0
    start = _side(ax, ay, ax2, ay2, bx, by, False)
    end = _side(ax, ay, ax2, ay2, bx2, by2, False)
    if start == end and start != _UNSURE:
        return 0
    from_side = _side(bx, by, bx2, by2, ax, ay, True)
    to_side = _side(bx, by, bx2, by2, ax2, ay2, True)
    if max(max(start, end), max(from_side, to_side)) == _UNSURE:
        return _UNSURE
    return 0 if from_side == to_side else to_side


@compiled
def _follow(
    a: Rings,
    p: _Place,
    b: Rings,
    q: _Place,
    x0: float,
    y0: float,
    turns: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> bool:
    """Add to the sums those edges of p that end inside q; False where that is unsure.

    Clears the turns.
    """
    is_sure = True
    for ring in range(a.polygon_ring[p.polygon], a.polygon_ring[p.polygon + 1]):
        first, end = a.ring_start[ring], a.ring_start[ring + 1] - 1
        inside = _inside_at_start(turns, first, end)
        if inside == _UNTURNED:
            inside = _winding(b, q, a.x[first] + p.dx, a.y[first] + p.dy)
        is_sure &= inside == 0 or inside == 1
        for edge in range(first, end):
            inside += turns[edge]
            turns[edge] = 0
            if inside:
                x, y = a.x[edge] + p.dx, a.y[edge] + p.dy
                x2, y2 = a.x[edge + 1] + p.dx, a.y[edge + 1] + p.dy
                _add(sums, 1.0, x - x0, y - y0, x2 - x, y2 - y)
    return is_sure


@compiled
def _inside_at_start(turns: NDArray[np.int32], first: int, end: int) -> int:
    """1 where the ring of edges `first` to before `end` starts inside, 0 outside; or unsure.

    `_UNTURNED` where no edge turns: all of the ring is inside, or all outside.
    """
    inside, least, most = 0, 0, 0
    for edge in range(first, end):
        inside += turns[edge]
        least, most = min(least, inside), max(most, inside)
    if inside != 0 or most - least > 1:
        return _UNSURE
    return -least if most > least else _UNTURNED


@compiled
def _add(
    sums: NDArray[np.float64], share: float, x: float, y: float, along_x: float, along_y: float
) -> None:
    """Add an edge's share to the sum, and its size to the sum of sizes."""
    forward, backward = x * along_y, y * along_x
    sums[0] += share * (forward - backward)
    sums[1] += abs(share) * (abs(forward) + abs(backward))


@compiled
def _winding(rings: Rings, place: _Place, x: float, y: float) -> int:
    """How often the polygon winds around a vertex of the other: 1 inside, 0 outside; or unsure."""
    dx, dy = place.dx, place.dy
    winding = 0
    for block in range(rings.polygon_block[place.polygon], rings.polygon_block[place.polygon + 1]):
        low, right, high = (
            rings.block_box[block, 1],
            rings.block_box[block, 2],
            rings.block_box[block, 3],
        )
        if right + dx < x or low + dy > y or high + dy < y:
            continue
        for edge in range(rings.block_edge[block, 0], rings.block_edge[block, 1]):
            y1, y2 = rings.y[edge] + dy, rings.y[edge + 1] + dy
            starts_above = y1 > y or (place.is_off and y1 == y)
            ends_above = y2 > y or (place.is_off and y2 == y)
            if starts_above == ends_above:
                continue
            x1, x2 = rings.x[edge] + dx, rings.x[edge + 1] + dx
            side = _side(x1, y1, x2, y2, x, y, place.is_off)
            if side == _UNSURE:
                return _UNSURE
            if ends_above and side > 0:
                winding += 1
            elif starts_above and side < 0:
                winding -= 1
    return winding


@compiled
def _side(x1: float, y1: float, x2: float, y2: float, x: float, y: float, edge_is_off: bool) -> int:
    """1 where the point is to the left of the edge, -1 to the right, or unsure; never on it.

    `edge_is_off`: it is the edge, not the point, that lies off by (e, e^2).
    """
    forward, backward = (x1 - x) * (y2 - y), (y1 - y) * (x2 - x)
    cross = forward - backward
    error = _SIDE_ERROR * (abs(forward) + abs(backward))
    if cross > error:
        return 1
    if cross < -error:
        return -1
    side = _exact_side(x1, y1, x2, y2, x, y)
    if side != 0:
        return side
    # On the edge's line: what the point's being off by (e, e^2) adds, e (-along_y) + e^2 along_x.
    side = -_sign(y2 - y1) if y1 != y2 else _sign(x2 - x1)
    return -side if edge_is_off else side


@compiled
def _exact_side(x1: float, y1: float, x2: float, y2: float, x: float, y: float) -> int:
    """The exact sign of (x1 - x) (y2 - y) - (y1 - y) (x2 - x); unsure if a difference rounds."""
    for one, other in ((x1, x), (y2, y), (y1, y), (x2, x)):
        if _difference_tail(one, other) != 0.0:
            return _UNSURE
    forward, backward = (x1 - x) * (y2 - y), (y1 - y) * (x2 - x)
    if forward != backward:
        return _sign(forward - backward)
    tail = _product_tail(x1 - x, y2 - y, forward)
    return _sign(tail - _product_tail(y1 - y, x2 - x, backward))


@compiled
def _sign(value: float) -> int:
    return 1 if value > 0.0 else (-1 if value < 0.0 else 0)


@compiled
def _difference_tail(a: float, b: float) -> float:
    """What a - b loses in rounding, exactly (Knuth's two-sum)."""
    difference = a - b
    b_part = a - difference
    a_part = difference + b_part
    return (a - a_part) + (b_part - b)


@compiled
def _product_tail(a: float, b: float, product: float) -> float:
    """What the product of a and b lost in rounding, exactly (Dekker 1971)."""
    spread = _SPLITTER * a
    a_high = spread - (spread - a)
    spread = _SPLITTER * b
    b_high = spread - (spread - b)
    a_low, b_low = a - a_high, b - b_high
    rest = product - a_high * b_high - a_low * b_high - a_high * b_low
    return a_low * b_low - rest


@compiled
def _places(
    ax: float, ay: float, ax2: float, ay2: float, bx: float, by: float, bx2: float, by2: float
) -> tuple[float, float]:
    """Where two edges cross: as shares of the first and of the second, both in [0, 1].

    Edges that lie almost along each other cross somewhere where both are: what matters is that
    both places are the same point.
    """
    ux, uy, vx, vy = ax2 - ax, ay2 - ay, bx2 - bx, by2 - by
    from_side = vx * (ay - by) - vy * (ax - bx)
    to_side = vx * (ay2 - by) - vy * (ax2 - bx)
    t = from_side / (from_side - to_side) if from_side != to_side else 0.5
    length2 = ux * ux + uy * uy
    start = ((bx - ax) * ux + (by - ay) * uy) / length2
    end = ((bx2 - ax) * ux + (by2 - ay) * uy) / length2
    t = min(max(t, max(0.0, min(start, end))), min(1.0, max(start, end)))
    u = ((ax + t * ux - bx) * vx + (ay + t * uy - by) * vy) / (vx * vx + vy * vy)
    return t, min(max(u, 0.0), 1.0)
