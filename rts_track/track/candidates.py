"""Which outlines of two seasons may be the same slump, and how much they share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import shapely

from rts_track import grid
from rts_track.track.overlap import moved_geometries, overlap_m2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from rts_track.track.shift import Shift

    Part = TypeVar("Part")

_CHUNK = 20_000
"""So many outlines or pairs are held as arrays at a time by each worker: some 30 MB."""
_BOX_MARGIN = 1e-6
"""Boxes are tested with so many metres more, and this share more: the exact test comes after."""


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

    def take(self, keep: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Candidates:
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
    parents: NDArray[np.object_],
    children: NDArray[np.object_],
    within_m: float,
    *,
    workers: int = 1,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of all pairs within that distance in the plane, by parent, then child.

    Args:
        parents: EPSG:6931 polygons; one that is missing or empty has no neighbours.
        children: the same.
        within_m: the distance in the plane, 0 for what overlaps or touches.
        workers: threads to share the work; they do not change what comes back.
    """
    if len(parents) == 0 or len(children) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    tree = shapely.STRtree(parents)
    tree.query(shapely.Point(0.0, 0.0))  # builds the tree, before threads share it

    def near(rows: slice) -> NDArray[np.int64]:
        some = children[rows]
        child, parent = tree.query(_boxes_around(some, within_m))
        is_near = shapely.dwithin(parents[parent], some[child], within_m)
        return np.stack([parent[is_near], child[is_near] + rows.start])

    parent, child = np.concatenate(_by_chunks(near, len(children), workers), axis=1)
    order = np.lexsort((child, parent))
    return parent[order].astype(np.int64), child[order].astype(np.int64)


def measure_pairs(
    parents: NDArray[np.object_],
    children: NDArray[np.object_],
    parent: NDArray[np.int64],
    child: NDArray[np.int64],
    shift_m: NDArray[np.float64],
    *,
    workers: int = 1,
) -> Candidates:
    """What each pair shares once the child is moved back by its scenes' shift.

    Args:
        parents: EPSG:6931 polygons of the earlier seasons.
        children: EPSG:6931 polygons of the later season.
        parent: row number of each pair's parent.
        child: row number of each pair's child.
        shift_m: (n, 2) metres east and north by which each pair's child lies off; 0: none.
        workers: threads to share the work; they do not change what comes back.
    """

    def measured(rows: slice) -> NDArray[np.float64]:
        return _measures(parents, children, parent[rows], child[rows], shift_m[rows])

    chunks = _by_chunks(measured, len(parent), workers)
    overlap, area_before, area_after, distance_m = np.concatenate([np.empty((4, 0)), *chunks], 1)
    return Candidates(
        parent=parent,
        child=child,
        overlap_m2=overlap,
        cover_parent=overlap / area_before,
        cover_child=overlap / area_after,
        iou=overlap / (area_before + area_after - overlap),
        distance_m=distance_m,
    )


def shifts_of_pairs(
    scene_a: NDArray[np.object_],
    scene_b: NDArray[np.object_],
    shifts: Mapping[tuple[str, str], Shift],
) -> NDArray[np.float64]:
    """(n, 2) metres to correct each pair for; 0 where its scenes' shift is unknown or too small."""
    applied = {scenes: shift for scenes, shift in shifts.items() if shift.is_applied}
    if not applied:
        return np.zeros((len(scene_a), 2))
    table = np.array([(0.0, 0.0), *((shift.dx_m, shift.dy_m) for shift in applied.values())])
    row_of = {scenes: row for row, scenes in enumerate(applied, start=1)}
    scenes = zip(scene_a.tolist(), scene_b.tolist(), strict=True)
    rows = np.fromiter(map(row_of.get, scenes, repeat(0)), dtype=np.int64, count=len(scene_a))
    return np.asarray(table[rows])


def _by_chunks(task: Callable[[slice], Part], n_rows: int, workers: int) -> list[Part]:
    """What the task returns for each run of rows, in order."""
    rows = [slice(start, start + _CHUNK) for start in range(0, n_rows, _CHUNK)]
    if workers <= 1 or len(rows) <= 1:
        return [task(some) for some in rows]
    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(task, rows))


def _boxes_around(polygons: NDArray[np.object_], within_m: float) -> NDArray[np.object_]:
    """Each polygon's bounding box, larger by that on every side; none around nothing."""
    low_x, low_y, high_x, high_y = shapely.bounds(polygons).T
    margin = within_m * (1.0 + _BOX_MARGIN) + _BOX_MARGIN
    boxes = shapely.box(low_x - margin, low_y - margin, high_x + margin, high_y + margin)
    boxes[np.isnan(low_x)] = None
    return np.asarray(boxes, dtype=object)


def _measures(
    parents: NDArray[np.object_],
    children: NDArray[np.object_],
    parent: NDArray[np.int64],
    child: NDArray[np.int64],
    shift_m: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Overlap, the area of the parent, that of the child, and distance of each pair; (4, n)."""
    parent_rows, first = np.unique(parent, return_inverse=True)
    child_rows, second = np.unique(child, return_inverse=True)
    before, after = parents[parent_rows], children[child_rows]
    moved_by = _moves(after, second, -shift_m)
    area_before, area_after = shapely.area(before)[first], shapely.area(after)[second]
    overlap = overlap_m2(before, after, first, second, moved_by)
    overlap = np.minimum(overlap, np.minimum(area_before, area_after))
    distance_m = np.zeros(len(overlap))
    apart = np.flatnonzero(~(overlap > 0.0))
    there = moved_geometries(after[second[apart]], moved_by[apart])
    distance_m[apart] = _ground_distance(before[first[apart]], there)
    return np.stack([overlap, area_before, area_after, distance_m])


def _moves(
    geometries: NDArray[np.object_], row: NDArray[np.int64], by_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n, 2) EPSG:6931 displacement of `geometries[row]` by its metres east and north.

    East and north are those at the middle of its box: a slump is too small for it to matter.
    """
    moves = np.zeros(by_m.shape)
    moved = np.flatnonzero(by_m.any(axis=1))
    if len(moved):
        box = shapely.bounds(geometries)[row[moved]]
        x, y = 0.5 * (box[:, 0] + box[:, 2]), 0.5 * (box[:, 1] + box[:, 3])
        moves[moved] = np.column_stack(grid.from_ground(by_m[moved, 0], by_m[moved, 1], x, y))
    return moves


def _ground_distance(
    before: NDArray[np.object_], after: NDArray[np.object_]
) -> NDArray[np.float64]:
    """Metres on the ground between the nearest points of each pair, nearest in the plane."""
    ends = shapely.get_coordinates(shapely.shortest_line(before, after)).reshape(-1, 2, 2)
    step = ends[:, 1] - ends[:, 0]
    east, north = grid.to_ground(step[:, 0], step[:, 1], ends[:, 0, 0], ends[:, 0, 1])
    return np.asarray(np.hypot(east, north))
