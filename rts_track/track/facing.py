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
    ones: NDArray[np.object_], others: NDArray[np.object_], min_facing: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the pairs that face each other by that or more; an outline also faces itself."""
    one, other = neighbours(ones, others, FACING_M)
    is_side = facing_share(ones[one], others[other]) >= min_facing
    return one[is_side], other[is_side]


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
