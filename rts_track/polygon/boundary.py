"""How far the boundaries of two polygons of the same thing lie apart, in metres on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP_M = 1.0
"""Distances are taken every so many metres along a boundary."""

MAX_POINTS = 1_000
"""Of a boundary that is longer than this many steps, so many points tell."""

PERCENTILE = 95.0

_MIN_POINTS = 4.0
"""Of the smallest ring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundaryErrors:
    """How far the boundaries of pairs lie apart, in metres, (k,) each.

    From evenly spaced points of either boundary, holes included, to the nearest point of the
    other; both boundaries together, each metre of them counting alike.

    Attributes:
        mean_m: mean distance, the average symmetric surface distance (Heimann et al. 2009,
            doi 10.1109/TMI.2009.2013851).
        p95_m: their 95th percentile: a Hausdorff distance that a spike does not decide.
        offset_m: mean signed distance: positive where found lies outside true.
    """

    mean_m: NDArray[np.float64]
    p95_m: NDArray[np.float64]
    offset_m: NDArray[np.float64]


def boundary_errors(
    found: NDArray[np.object_], true: NDArray[np.object_], *, step_m: float = STEP_M
) -> BoundaryErrors:
    """How far the boundary of each found polygon lies from that of the true one beside it.

    Args:
        found: polygons in EPSG:6931, (k,), none empty.
        true: what each of them is of, (k,).
        step_m: how far apart points on a boundary are.
    """
    errors = [_errors(*_on_the_ground(*pair), step_m) for pair in zip(found, true, strict=True)]
    mean_m, p95_m, offset_m = np.array(errors, dtype=np.float64).reshape(-1, 3).T
    return BoundaryErrors(mean_m=mean_m, p95_m=p95_m, offset_m=offset_m)


def _on_the_ground(
    one: shapely.Geometry, other: shapely.Geometry
) -> tuple[shapely.Geometry, shapely.Geometry]:
    """Both in metres east and north of the middle of the second: lengths in EPSG:6931 are off."""
    middle = shapely.get_coordinates(shapely.centroid(other))

    def to_ground(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        step, at = xy - middle, np.broadcast_to(middle, xy.shape)
        return np.column_stack(grid.to_ground(step[:, 0], step[:, 1], at[:, 0], at[:, 1]))

    return shapely.transform(one, to_ground), shapely.transform(other, to_ground)


def _errors(
    found: shapely.Geometry, true: shapely.Geometry, step_m: float
) -> tuple[float, float, float]:
    """Mean, 95th percentile and signed mean distance of two polygons in metres."""
    found_xy, found_m = _points_along(found, step_m)
    true_xy, true_m = _points_along(true, step_m)
    is_out = ~_is_inside(found_xy, true)
    is_in = _is_inside(true_xy, found)
    distance_m = np.concatenate([_distances(found_xy, true), _distances(true_xy, found)])
    sign = np.where(np.concatenate([is_out, is_in]), 1.0, -1.0)
    weight = np.concatenate([found_m, true_m])
    return (
        float(np.average(distance_m, weights=weight)),
        _percentile(distance_m, weight),
        float(np.average(sign * distance_m, weights=weight)),
    )


def _points_along(
    polygon: shapely.Geometry, step_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points along all rings, (n, 2), and how many metres each stands for, (n,)."""
    rings = shapely.get_rings(shapely.get_parts(polygon))
    xy, ring_of = shapely.get_coordinates(rings, return_index=True)
    edge_m = np.hypot(*np.diff(xy, axis=0).T)
    edge_m[ring_of[1:] != ring_of[:-1]] = 0.0  # from the end of a ring to the next one's start
    along_m = np.concatenate([[0.0], np.cumsum(edge_m)])
    ring_m = np.bincount(ring_of[:-1], edge_m, len(rings))
    step = max(step_m, float(along_m[-1]) / MAX_POINTS)
    count = np.maximum(np.ceil(ring_m / step), _MIN_POINTS).astype(np.int64)
    ring = np.repeat(np.arange(len(rings)), count)
    number = np.arange(len(ring)) - np.repeat(np.cumsum(count) - count, count)
    share_m = (ring_m / count)[ring]
    at_m = np.repeat(np.cumsum(ring_m) - ring_m, count) + (number + 0.5) * share_m
    points = [np.interp(at_m, along_m, axis) for axis in xy.T]
    return np.column_stack(points), share_m


def _is_inside(xy: NDArray[np.float64], polygon: shapely.Geometry) -> NDArray[np.bool_]:
    shapely.prepare(polygon)
    return np.asarray(shapely.contains_xy(polygon, xy[:, 0], xy[:, 1]))


def _distances(xy: NDArray[np.float64], polygon: shapely.Geometry) -> NDArray[np.float64]:
    """From each point to the polygon's boundary, (n,)."""
    boundary = shapely.boundary(polygon)
    shapely.prepare(boundary)
    return np.asarray(shapely.distance(shapely.points(xy), boundary))


def _percentile(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """The value that PERCENTILE of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    at = int(np.searchsorted(below, PERCENTILE / 100.0 - 1e-9))
    return float(values[order[min(at, len(values) - 1)]])
