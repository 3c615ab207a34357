"""What outlines share: an interval's start with its end, and members of one season among them.

Geometries are EPSG:6931 polygons, areas exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.grid import from_ground
from rts_track.growth.sums import count_of, total_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOISE_FRAC = 1e-6
"""An overlap below this share of the areas is rounding of the outlines' common borders."""


def union_by_group(
    geometries: NDArray[np.object_], group: NDArray[np.int64], n: int
) -> NDArray[np.object_]:
    """The union of the geometries of each of `n` groups; an empty polygon where it has none."""
    unions = np.full(n, shapely.Polygon(), dtype=object)
    order = np.argsort(group, kind="stable")
    numbers, starts = np.unique(group[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    for number, start, end in zip(numbers, starts, ends[: len(numbers)], strict=True):
        rows = order[start:end]
        one = len(rows) == 1
        unions[number] = geometries[rows[0]] if one else shapely.union_all(geometries[rows])
    return unions


def twice_covered_m2(
    geometries: NDArray[np.object_], group: NDArray[np.int64], n: int
) -> NDArray[np.float64]:
    """Area that more than one geometry of a group covers, for each of `n` groups."""
    sum_m2 = total_of(group, shapely.area(geometries), n)
    shared = np.zeros(n)
    several = count_of(group, n) > 1
    if several.any():
        rows = np.flatnonzero(several[group])
        union_m2 = shapely.area(union_by_group(geometries[rows], group[rows], n))
        shared[several] = (sum_m2 - union_m2)[several]
    return np.where(shared > _NOISE_FRAC * sum_m2, shared, 0.0)


def overlap_m2(earlier: NDArray[np.object_], later: NDArray[np.object_]) -> NDArray[np.float64]:
    """Area that each earlier geometry shares with the later one."""
    return np.asarray(shapely.area(shapely.intersection(earlier, later)))


def shifted_back(
    geometries: NDArray[np.object_], east_m: NDArray[np.float64], north_m: NDArray[np.float64]
) -> NDArray[np.object_]:
    """The geometries moved against so many metres east and north on the ground."""
    if not (east_m.any() or north_m.any()):
        return geometries
    xy, owner = shapely.get_coordinates(geometries, return_index=True)
    dx, dy = from_ground(east_m[owner], north_m[owner], xy[:, 0], xy[:, 1])
    moved = shapely.set_coordinates(geometries.copy(), xy - np.column_stack([dx, dy]))
    return np.asarray(moved)
