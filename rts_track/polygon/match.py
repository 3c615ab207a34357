"""Which polygons of two sets are of the same thing, by where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """The pairs of two sets' polygons that share area, by the first's row, then the second's.

    Attributes:
        first: row number in the first set, (n,).
        second: row number in the second set, (n,).
        shared_m2: the area that both share, (n,), more than 0.
        first_m2: area of the pair's first polygon, (n,).
        second_m2: area of its second, (n,).
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shared_m2: NDArray[np.float64]
    first_m2: NDArray[np.float64]
    second_m2: NDArray[np.float64]

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.first)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Shared area over that of the union."""
        return np.asarray(self.shared_m2 / (self.first_m2 + self.second_m2 - self.shared_m2))

    @property
    def of_smaller(self) -> NDArray[np.float64]:
        """Shared area over that of the smaller polygon."""
        return np.asarray(self.shared_m2 / np.minimum(self.first_m2, self.second_m2))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Overlaps:
        """These pairs alone."""
        return Overlaps(
            first=self.first[rows],
            second=self.second[rows],
            shared_m2=self.shared_m2[rows],
            first_m2=self.first_m2[rows],
            second_m2=self.second_m2[rows],
        )


def overlaps(first: NDArray[np.object_], second: NDArray[np.object_]) -> Overlaps:
    """The pairs that share area; valid polygons of one plane. Those that only touch are none."""
    if len(first) == 0 or len(second) == 0:
        rows, none = np.empty(0, dtype=np.int64), np.empty(0)
        return Overlaps(first=rows, second=rows, shared_m2=none, first_m2=none, second_m2=none)
    pairs = shapely.STRtree(second).query(first, predicate="intersects")
    one, other = pairs[:, np.lexsort(pairs[::-1])]
    shared_m2 = shapely.area(shapely.intersection(first[one], second[other]))
    return Overlaps(
        first=one.astype(np.int64),
        second=other.astype(np.int64),
        shared_m2=shared_m2,
        first_m2=shapely.area(first[one]),
        second_m2=shapely.area(second[other]),
    ).take(shared_m2 > 0.0)


def one_to_one(
    pairs: Overlaps, likeness: NDArray[np.float64], at_least: float
) -> NDArray[np.int64]:
    """The rows of `pairs` that match each polygon with one other at most, ascending.

    Of all ways to do so, the one with most pairs, and of these the one whose likenesses sum to
    most, so the order of polygons decides nothing but ties. Pairs less alike than `at_least` do
    not match.

    Args:
        pairs: what may match.
        likeness: of each pair, 0 to 1.
        at_least: the least likeness that is a match; more than 0.
    """
    able = np.flatnonzero(likeness >= at_least)
    _, one = np.unique(pairs.first[able], return_inverse=True)
    _, other = np.unique(pairs.second[able], return_inverse=True)
    group = _groups(one, other)
    kept = [able[rows[_best(one[rows], other[rows], likeness[able[rows]])]] for rows in group]
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, dtype=np.int64)


def most_alike(
    first: NDArray[np.object_], second: NDArray[np.object_], at_least: float
) -> NDArray[np.int64]:
    """The row of the second set's polygon that each of the first is of, (n,); -1: of none.

    Of those with which it shares `at_least` this part of the smaller one, the one with the
    highest IoU; of equals, the first. Several may be of one.
    """
    pairs = overlaps(first, second)
    pairs = pairs.take(pairs.of_smaller >= at_least)
    best_last = np.lexsort((-pairs.second, pairs.iou))
    of = np.full(len(first), -1, dtype=np.int64)
    of[pairs.first[best_last]] = pairs.second[best_last]
    return of


def _groups(one: NDArray[np.int64], other: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The pairs' row numbers, divided into sets that have no polygon in common."""
    if len(one) == 0:
        return []
    n = int(one.max()) + 1 + int(other.max()) + 1
    ends = (one, other + int(one.max()) + 1)
    table = coo_array((np.ones(len(one)), ends), shape=(n, n))
    number = connected_components(table, directed=False)[1][one]
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)


def _best(
    one: NDArray[np.int64], other: NDArray[np.int64], likeness: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The row numbers of the pairs to keep of one group."""
    if len(one) == 1:
        return np.zeros(1, dtype=np.int64)
    ones, row = np.unique(one, return_inverse=True)
    others, column = np.unique(other, return_inverse=True)
    worth = np.zeros((len(ones), len(others)))
    # A pair more is worth more than any sum of likenesses that it could displace.
    worth[row, column] = likeness + float(min(worth.shape))
    number = np.full(worth.shape, -1, dtype=np.int64)
    number[row, column] = np.arange(len(one))
    chosen = number[linear_sum_assignment(worth, maximize=True)]
    return np.asarray(chosen[chosen >= 0])
