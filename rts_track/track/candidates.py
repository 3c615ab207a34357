"""Which outlines of two seasons may be the same slump, and how much they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rts_track.track.params import LinkParams
    from rts_track.track.shift import Shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Pairs of an earlier outline (`parent`) and a later one (`child`), as row numbers.

    Ordered by parent, then child. Overlap is after the scenes' shift; distance is on the ground,
    0 where they overlap.
    """

    parent: NDArray[np.int64]
    child: NDArray[np.int64]
    overlap_m2: NDArray[np.float64]
    cover_parent: NDArray[np.float64]
    cover_child: NDArray[np.float64]
    iou: NDArray[np.float64]
    distance_m: NDArray[np.float64]

    @property
    def iomin(self) -> NDArray[np.float64]:
        """Intersection over the smaller outline."""
        return np.maximum(self.cover_parent, self.cover_child)

    def take(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Candidates:
        """Some of the pairs."""
        return Candidates(
            parent=self.parent[keep],
            child=self.child[keep],
            overlap_m2=self.overlap_m2[keep],
            cover_parent=self.cover_parent[keep],
            cover_child=self.cover_child[keep],
            iou=self.iou[keep],
            distance_m=self.distance_m[keep],
        )


def neighbours(
    parents: NDArray[np.object_], children: NDArray[np.object_], within_m: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of all pairs within that distance in the plane, by parent, then child."""
    if len(parents) == 0 or len(children) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    child, parent = shapely.STRtree(parents).query(children, predicate="dwithin", distance=within_m)
    order = np.lexsort((child, parent))
    return parent[order].astype(np.int64), child[order].astype(np.int64)


def measure_pairs(
    parents: NDArray[np.object_],
    children: NDArray[np.object_],
    parent: NDArray[np.int64],
    child: NDArray[np.int64],
    shift_m: NDArray[np.float64],
) -> Candidates:
    """What each pair shares once the child is moved back by its scenes' shift.

    Args:
        parents: EPSG:6931 polygons of the earlier seasons.
        children: EPSG:6931 polygons of the later season.
        parent: row number of each pair's parent.
        child: row number of each pair's child.
        shift_m: (n, 2) metres east and north by which each pair's child lies off; 0: none.
    """
    before, after = parents[parent], children[child]
    is_shifted = shift_m.any(axis=1)
    if is_shifted.any():
        after = after.copy()
        after[is_shifted] = _moved(after[is_shifted], -shift_m[is_shifted])
    overlap = shapely.area(shapely.intersection(before, after))
    area_before, area_after = shapely.area(before), shapely.area(after)
    return Candidates(
        parent=parent,
        child=child,
        overlap_m2=overlap,
        cover_parent=np.minimum(overlap / area_before, 1.0),
        cover_child=np.minimum(overlap / area_after, 1.0),
        iou=overlap / (area_before + area_after - overlap),
        distance_m=_ground_distance(before, after, overlap > 0),
    )


def shifts_of_pairs(
    scene_a: NDArray[np.object_],
    scene_b: NDArray[np.object_],
    shifts: Mapping[tuple[str, str], Shift],
) -> NDArray[np.float64]:
    """(n, 2) metres to correct each pair for; 0 where its scenes' shift is unknown or too small."""
    shift_m = np.zeros((len(scene_a), 2))
    for row, scenes in enumerate(zip(scene_a, scene_b, strict=True)):
        shift = shifts.get(scenes)
        if shift is not None and shift.is_applied:
            shift_m[row] = shift.dx_m, shift.dy_m
    return shift_m


def near_enough(candidates: Candidates, params: LinkParams) -> Candidates:
    """The pairs that overlap, or lie within the search distance."""
    return candidates.take(candidates.distance_m <= params.search_m)


def _moved(geometries: NDArray[np.object_], by_m: NDArray[np.float64]) -> NDArray[np.object_]:
    """Each EPSG:6931 geometry moved rigidly by its metres east and north."""
    centre = shapely.get_coordinates(shapely.centroid(geometries))
    dx, dy = grid.from_ground(by_m[:, 0], by_m[:, 1], centre[:, 0], centre[:, 1])
    xy, owner = shapely.get_coordinates(geometries, return_index=True)
    xy += np.column_stack([dx, dy])[owner]
    return np.asarray(shapely.set_coordinates(geometries.copy(), xy), dtype=object)


def _ground_distance(
    before: NDArray[np.object_], after: NDArray[np.object_], overlaps: NDArray[np.bool_]
) -> NDArray[np.float64]:
    distance = np.zeros(len(before))
    apart = np.flatnonzero(~overlaps)
    if len(apart):
        lines = shapely.shortest_line(before[apart], after[apart])
        ends = shapely.get_coordinates(lines).reshape(-1, 2, 2)
        step = ends[:, 1] - ends[:, 0]
        east, north = grid.to_ground(step[:, 0], step[:, 1], ends[:, 0, 0], ends[:, 0, 1])
        distance[apart] = np.hypot(east, north)
    return distance
