"""Outlines that may be pieces of one slump: they face each other along a whole side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rts_track.track.candidates import neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

FACING_M = 12.0
"""Pieces of one slump lie nearer than this."""

TOUCHING_M = 1.0
"""Outlines nearer than this touch: less than anybody draws exactly."""
TOUCHING_SHARE = 1.0
"""Below what pieces reach (`LinkParams.fragment_facing`), so that such outlines are none."""

_BOX_MARGIN = 1.0 + 1e-6
"""By what an upper bound is widened, so that rounding never rules a pair out."""


def facing_share(one: NDArray[np.object_], other: NDArray[np.object_]) -> NDArray[np.float64]:
    """How much of the smaller outline's boundary faces the other closely, beside its size.

    The length within `FACING_M` of the other, over the square root of the smaller one's area:
    pieces of one slump face each other along a whole side, neighbours at a corner. Outlines that
    touch were drawn as two on purpose: theirs counts no more than `TOUCHING_SHARE`.
    """
    is_smaller = shapely.area(one) <= shapely.area(other)
    small, large = np.where(is_smaller, one, other), np.where(is_smaller, other, one)
    near = shapely.intersection(shapely.boundary(small), shapely.buffer(large, FACING_M))
    share = shapely.length(near) / np.sqrt(shapely.area(small))
    touches = shapely.dwithin(small, large, TOUCHING_M)
    return np.asarray(np.where(touches, np.minimum(share, TOUCHING_SHARE), share))


def facing_pairs(
    ones: NDArray[np.object_],
    others: NDArray[np.object_],
    min_facing: float,
    number: NDArray[np.int64] | None = None,
    other_number: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the pairs that face each other by that or more.

    A pair comes once, the lower number first; of two equal in area perhaps the other way, too.

    Args:
        ones: EPSG:6931 polygons.
        others: the same; some may be among `ones`.
        min_facing: what `facing_share` must reach.
        number: tells which outline each of `ones` is; None: they are numbered as they come.
        other_number: the same for `others`.
    """
    number = np.arange(len(ones)) if number is None else number
    other_number = np.arange(len(others)) if other_number is None else other_number
    one, other = neighbours(ones, others, FACING_M)
    # Nobody faces himself, and a pair is one pair; of equals in size, either may face the other.
    is_pair = number[one] < other_number[other]
    is_pair |= (number[one] > other_number[other]) & _are_alike(ones[one], others[other])
    one, other = one[is_pair], other[is_pair]
    may_face = _may_face(ones[one], others[other], min_facing)
    one, other = one[may_face], other[may_face]
    is_side = facing_share(ones[one], others[other]) >= min_facing
    return one[is_side], other[is_side]


def _are_alike(one: NDArray[np.object_], other: NDArray[np.object_]) -> NDArray[np.bool_]:
    return np.asarray(shapely.area(one) == shapely.area(other))


def _may_face(
    one: NDArray[np.object_], other: NDArray[np.object_], min_facing: float
) -> NDArray[np.bool_]:
    """Which pairs may have that share: what rules the others out is quick to tell.

    No more of the smaller outline's boundary lies near the larger one than in its bounding box,
    widened by `FACING_M`; and outlines that touch have no more than `TOUCHING_SHARE`.
    """
    is_smaller = shapely.area(one) <= shapely.area(other)
    small, large = np.where(is_smaller, one, other), np.where(is_smaller, other, one)
    longest = _length_in_boxes(small, shapely.bounds(large), FACING_M * _BOX_MARGIN)
    may_face = longest * _BOX_MARGIN >= min_facing * np.sqrt(shapely.area(small))
    if min_facing > TOUCHING_SHARE:
        doubtful = np.flatnonzero(may_face)
        touches = shapely.dwithin(small[doubtful], large[doubtful], TOUCHING_M)
        may_face[doubtful[touches]] = False
    return np.asarray(may_face, dtype=bool)


def _length_in_boxes(
    polygons: NDArray[np.object_], bounds: NDArray[np.float64], margin_m: float
) -> NDArray[np.float64]:
    """How much of each polygon's boundary lies within its box of the (n, 4), widened by so much.

    Liang and Barsky's clipping of a segment by a box (1984, doi:10.1145/357332.357333): the part
    of it, from 0 to 1, that lies between the lines through the box's sides.
    """
    rings, polygon = shapely.get_parts(shapely.boundary(polygons), return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    start = np.flatnonzero(ring[1:] == ring[:-1])
    of = polygon[ring[start]]
    step = xy[start + 1] - xy[start]
    low, high = bounds[of, :2] - margin_m, bounds[of, 2:] + margin_m
    with np.errstate(divide="ignore", invalid="ignore"):
        to_low, to_high = (low - xy[start]) / step, (high - xy[start]) / step
    # Along an axis on which a segment does not advance, it is wholly between the lines, or not.
    stays = step == 0.0
    is_between = (xy[start] >= low) & (xy[start] <= high)
    enters = np.where(stays, np.where(is_between, 0.0, 1.0), np.minimum(to_low, to_high))
    leaves = np.where(stays, np.where(is_between, 1.0, 0.0), np.maximum(to_low, to_high))
    inside = np.minimum(leaves.min(axis=1), 1.0) - np.maximum(enters.max(axis=1), 0.0)
    length_m = np.hypot(*step.T) * np.maximum(inside, 0.0)
    return np.bincount(of, weights=length_m, minlength=len(polygons)).astype(np.float64)


def pieces_apart(
    one: NDArray[np.int64], other: NDArray[np.int64], area_m2: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of outlines that may be pieces of a slump, and of the largest outline of each slump.

    Args:
        one: rows of outlines that face...
        other: ... these; those that face each other are taken together, in chains.
        area_m2: the outlines' areas; of equals, the first is the largest.
    """
    n = len(area_m2)
    edges = coo_array((np.ones(len(one)), (one, other)), shape=(n, n))
    group = connected_components(edges, directed=False)[1]
    order = np.lexsort((np.arange(n), -area_m2, group))
    largest = order[np.unique(group[order], return_index=True)[1]]
    rest = largest[group]
    piece = np.flatnonzero(rest != np.arange(n))
    return piece, rest[piece]
