"""Links between the outlines of one season and those of chains before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.domain import mint
from rts_track.growth.overlay import shifted_back
from rts_track.track.assign import GAP, MERGE, SPLIT, Links, link_seasons, pair_weight
from rts_track.track.candidates import Candidates, measure_pairs, neighbours, shifts_of_pairs
from rts_track.track.confidence import link_confidence
from rts_track.track.shift import Shift, estimate_shift, mean_advance_m, mutual_best

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.outlines import Outlines
    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams

ScenePair = tuple[str, str]
_PLANE_MARGIN = 1.3
"""Lengths in EPSG:6931 differ from the ground's by less than this factor north of 20 degrees."""
_DAYS_PER_YEAR = 365.25


def read_shifts(store: Store) -> dict[ScenePair, Shift]:
    """Every shift that was estimated before, or told by the images; they are frozen."""
    return {
        (row["scene_a"], row["scene_b"]): Shift(
            dx_m=row["dx_m"],
            dy_m=row["dy_m"],
            se_m=row["se_m"],
            n=row["n"],
            is_applied=row["is_applied"],
        )
        for row in store.read("scene_shift").to_pylist()
    }


def shift_rows(shifts: Mapping[ScenePair, Shift]) -> pa.Table:
    """The shifts as rows of the contract."""
    rows = [
        {
            "scene_a": scene_a,
            "scene_b": scene_b,
            "dx_m": shift.dx_m,
            "dy_m": shift.dy_m,
            "se_m": shift.se_m,
            "n": shift.n,
            "method": "mutual_best",
            "is_applied": shift.is_applied,
        }
        for (scene_a, scene_b), shift in sorted(shifts.items())
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("scene_shift"))


def season_pairs(
    before: Outlines, after: Outlines, shifts: Mapping[ScenePair, Shift], reach_m: float
) -> Candidates:
    """The pairs that overlap, or lie within reach of each other, after the scenes' shift."""
    within_m = (reach_m + _largest_applied_m(before, after, shifts)) * _PLANE_MARGIN
    parent, child = neighbours(before.geometry, after.geometry, within_m)
    pairs = _measured(before, after, parent, child, shifts)
    return pairs.take((pairs.overlap_m2 > 0) | (pairs.distance_m < reach_m))


def may_be_landforms(
    before: Outlines, after: Outlines, pairs: Candidates, shifts: Mapping[ScenePair, Shift]
) -> NDArray[np.bool_]:
    """Which pairs may be one landform: those that overlap, or whose scenes' shift is unknown."""
    scene_a, scene_b = before.scene_id[pairs.parent], after.scene_id[pairs.child]
    return (pairs.overlap_m2 > 0) | ~_is_known(scene_a, scene_b, shifts)


def link_drifting(
    before: Outlines,
    after: Outlines,
    drift_m: NDArray[np.float64],
    n_missed: NDArray[np.int64],
    shifts: Mapping[ScenePair, Shift],
    params: LinkParams,
) -> Links:
    """The links between active zones, which move: each pair as alike as where it was or would be.

    Args:
        before: latest outlines of chains.
        after: a season's outlines.
        drift_m: (n, 2) metres east and north that each of `before` is expected to have moved on
            the ground since; 0 where nothing is known.
        n_missed: for each of `before`, how many looked-at seasons have missed it since.
        shifts: what is known of scenes' shifts.
        params: the thresholds.
    """
    still = season_pairs(before, after, shifts, params.active_zone_search_m)
    there = replace(before, geometry=shifted_back(before.geometry, *-drift_m.T))
    moved = season_pairs(there, after, shifts, params.active_zone_search_m)
    both = _more_alike(still, moved, params)
    links = link_seasons(both, params, n_missed[both.parent])
    chosen = links.pairs
    measured = _measured(before, after, chosen.parent, chosen.child, shifts)
    return Links(pairs=measured, role=links.role, weight=links.weight, share=links.share)


def expected_drift_m(
    latest: Outlines,
    earlier: Outlines,
    has_earlier: NDArray[np.bool_],
    season_year: int,
    shifts: Mapping[ScenePair, Shift],
) -> NDArray[np.float64]:
    """How far each outline will have moved by the season if it goes on as it did; 0: unknown.

    (n, 2) metres east and north on the ground, between centroids, after the scenes' shift.
    """
    drift_m = np.zeros((len(latest), 2))
    rows = np.flatnonzero(has_earlier)
    if not len(rows):
        return drift_m
    then, now = earlier.take(rows), latest.take(rows)
    moved_m = _offsets_m(then.geometry, now.geometry)
    moved_m -= shifts_of_pairs(then.scene_id, now.scene_id, shifts)
    years = (now.observed_on - then.observed_on).astype(np.float64) / _DAYS_PER_YEAR
    ahead = season_year - now.season_year
    drift_m[rows] = moved_m * (ahead / np.maximum(years, 0.5))[:, None]
    return drift_m


def estimate_shifts(
    before: Outlines,
    after: Outlines,
    shifts: Mapping[ScenePair, Shift],
    params: LinkParams,
) -> dict[ScenePair, Shift]:
    """The shift of every scene pair that has enough trusted pairs and no frozen shift."""
    before = before.take(np.flatnonzero(before.scene_id != ""))
    after = after.take(_sampled(after, params.shift_max_outlines))
    parent, child = neighbours(before.geometry, after.geometry, 0.0)
    is_fresh = ~_is_known(before.scene_id[parent], after.scene_id[child], shifts)
    parent, child = parent[is_fresh], child[is_fresh]
    pairs = _measured(before, after, parent, child, {})
    ratio = after.area_m2[child] / before.area_m2[parent]
    low, high = params.shift_area_ratio
    is_trusted = (pairs.iou > params.shift_min_iou) & (ratio > low) & (ratio < high)
    is_trusted &= mutual_best(parent, child, pairs.iou)
    parent, child = parent[is_trusted], child[is_trusted]
    offset_m = _offsets_m(before.geometry[parent], after.geometry[child])
    advance_m = mean_advance_m(before.area_m2[parent], after.area_m2[child])
    scenes = np.array([before.scene_id[parent], after.scene_id[child]]).T.reshape(-1, 2)
    rows_of: dict[ScenePair, list[int]] = {}
    for row, (scene_a, scene_b) in enumerate(scenes.tolist()):
        rows_of.setdefault((scene_a, scene_b), []).append(row)
    fresh: dict[ScenePair, Shift] = {}
    for pair, rows in sorted(rows_of.items()):
        shift = estimate_shift(*offset_m[rows].T, advance_m[rows], params)
        if shift is not None:
            fresh[pair] = shift
    return fresh


def link_rows(
    before: Outlines,
    after: Outlines,
    links: Links,
    is_gap: NDArray[np.bool_],
    run_id: str,
    params: LinkParams,
) -> pa.Table:
    """The links as rows of the contract, not provisional.

    A link is ambiguous where another was nearly as good, or little of its piece is covered.
    """
    pairs = links.pairs
    start, end = before.outline_id[pairs.parent], after.outline_id[pairs.child]
    n = len(start)
    cover = np.where(links.role == SPLIT, pairs.cover_child, pairs.cover_parent)
    clarity = np.where(np.isin(links.role, (SPLIT, MERGE)), cover, links.share)
    features = {"share": links.share, "iomin": pairs.iomin, "is_gap": is_gap}
    return pa.table(
        {
            "link_id": [mint("link", a, b) for a, b in zip(start, end, strict=True)],
            "from_outline_id": start,
            "to_outline_id": end,
            "from_year": before.season_year[pairs.parent],
            "to_year": after.season_year[pairs.child],
            "kind": np.where(is_gap, GAP, links.role).astype(object),
            "origin": ["computed"] * n,
            "overlap_m2": pairs.overlap_m2,
            "iou": pairs.iou,
            "cover_from": pairs.cover_parent,
            "cover_to": pairs.cover_child,
            "distance_m": pairs.distance_m,
            "confidence": link_confidence(features),
            "is_ambiguous": clarity < params.ambiguous_below,
            "is_provisional": np.zeros(n, dtype=bool),
            "run_id": [run_id] * n,
        },
        schema=arrow_schema("link"),
    )


def _measured(
    before: Outlines,
    after: Outlines,
    parent: NDArray[np.int64],
    child: NDArray[np.int64],
    shifts: Mapping[ScenePair, Shift],
) -> Candidates:
    shift_m = shifts_of_pairs(before.scene_id[parent], after.scene_id[child], shifts)
    return measure_pairs(before.geometry, after.geometry, parent, child, shift_m)


def _more_alike(one: Candidates, other: Candidates, params: LinkParams) -> Candidates:
    """Every pair of either once, measured where it is more alike."""
    columns = [field.name for field in fields(Candidates)]
    both = Candidates(
        **{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in columns}
    )
    weight = pair_weight(both, params)
    order = np.lexsort((-weight, both.child, both.parent))
    parent, child = both.parent[order], both.child[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(parent) != 0) | (np.diff(child) != 0)
    return both.take(order[is_first])


def _sampled(after: Outlines, n: int) -> NDArray[np.int64]:
    """Rows of the first `n` outlines of each scene, by their ids."""
    rows = np.flatnonzero(after.scene_id != "")
    order = rows[np.lexsort((after.outline_id[rows].astype(str), after.scene_id[rows].astype(str)))]
    _, start, count = np.unique(
        after.scene_id[order].astype(str), return_index=True, return_counts=True
    )
    rank = np.arange(len(order)) - np.repeat(start, count)
    return np.sort(order[rank < n])


def _is_known(
    scene_a: NDArray[np.object_], scene_b: NDArray[np.object_], shifts: Mapping[ScenePair, Shift]
) -> NDArray[np.bool_]:
    pairs = zip(scene_a.tolist(), scene_b.tolist(), strict=True)
    return np.fromiter((pair in shifts for pair in pairs), dtype=bool, count=len(scene_a))


def _offsets_m(before: NDArray[np.object_], after: NDArray[np.object_]) -> NDArray[np.float64]:
    """(n, 2) metres east and north on the ground from each earlier centroid to the later."""
    a = shapely.get_coordinates(shapely.centroid(before))
    b = shapely.get_coordinates(shapely.centroid(after))
    return np.column_stack(grid.to_ground(*(b - a).T, *a.T))


def _largest_applied_m(
    before: Outlines, after: Outlines, shifts: Mapping[ScenePair, Shift]
) -> float:
    if not shifts:
        return 0.0
    a, b = set(before.scene_id.tolist()), set(after.scene_id.tolist())
    return max(
        (
            float(np.hypot(shift.dx_m, shift.dy_m))
            for (scene_a, scene_b), shift in shifts.items()
            if shift.is_applied and scene_a in a and scene_b in b
        ),
        default=0.0,
    )
