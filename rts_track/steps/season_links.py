"""Links between the outlines of one season and those of chains before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.domain import mint_each
from rts_track.growth.thaw import DAYS_PER_YEAR
from rts_track.steps.tiles import Tile, Workers, measured_tile, runs, tile_rows
from rts_track.track.assign import GAP, MERGE, SPLIT, Links, Settled, link_seasons, pair_weight
from rts_track.track.candidates import Candidates, measure_pairs, shifts_of_pairs
from rts_track.track.confidence import link_confidence
from rts_track.track.shift import Shift, estimate_shift, mean_advance_m, mutual_best

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.outlines import Outlines
    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams

ScenePair = tuple[str, str]
PLANE_MARGIN = 1.3
"""Lengths in EPSG:6931 differ from the ground's by less than this factor north of 20 degrees."""
_LEAST_YEARS = 0.5
"""Nearer in time, two looks tell no drift a year: errors would count many times."""


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
    before: Outlines,
    after: Outlines,
    shifts: Mapping[ScenePair, Shift],
    reach_m: float,
    workers: Workers,
    drift_m: NDArray[np.float64] | None = None,
) -> Candidates:
    """The pairs that overlap, or lie within reach of each other, after the scenes' shift.

    `drift_m`: (n, 2) metres east and north on the ground that each of `before` is thought to have
    moved since; None: not at all.
    """
    applied = _applied(before, after, shifts)
    furthest_m = max((np.hypot(each.dx_m, each.dy_m) for each in applied.values()), default=0.0)
    within_m = (reach_m + furthest_m) * PLANE_MARGIN
    drifted_m = 0.0 if drift_m is None else float(np.hypot(*drift_m.T).max(initial=0.0))
    apart_m = within_m + drifted_m * PLANE_MARGIN
    rows = list(tile_rows(before.shapes.bounds, after.shapes.bounds, apart_m))

    def tiles() -> Iterator[Tile]:
        for parents, children in rows:
            yield Tile(
                parents=before.shapes.metric.take(parents).wkb(slice(None)),
                children=after.shapes.metric.take(children).wkb(slice(None)),
                parent_scene=before.scene_id[parents],
                child_scene=after.scene_id[children],
                drift_m=None if drift_m is None else drift_m[parents],
                shifts=applied,
                within_m=within_m,
            )

    found = [_NO_PAIRS]
    for (parents, children), of_tile in zip(rows, workers.map(measured_tile, tiles()), strict=True):
        pairs = of_tile.take((of_tile.overlap_m2 > 0) | (of_tile.distance_m < reach_m))
        found.append(replace(pairs, parent=parents[pairs.parent], child=children[pairs.child]))
    pairs = _together(found)
    return pairs.take(np.lexsort((pairs.child, pairs.parent)))


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
    workers: Workers,
    settled: Settled | None = None,
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
        workers: who measures the pairs.
        settled: what a person said of them.
    """
    reach_m = params.active_zone_search_m
    still = season_pairs(before, after, shifts, reach_m, workers)
    moved = season_pairs(before, after, shifts, reach_m, workers, drift_m)
    both = _more_alike(still, moved, params)
    links = link_seasons(both, params, n_missed[both.parent], settled)
    chosen = links.pairs
    measured = measured_pairs(before, after, chosen.parent, chosen.child, shifts)
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
    moved_m = _offsets_m(then, now)
    moved_m -= shifts_of_pairs(then.scene_id, now.scene_id, shifts)
    years = (now.observed_on - then.observed_on).astype(np.float64) / DAYS_PER_YEAR
    ahead = season_year - now.season_year
    drift_m[rows] = moved_m * (ahead / np.maximum(years, _LEAST_YEARS))[:, None]
    return drift_m


def estimate_shifts(
    before: Outlines,
    after: Outlines,
    shifts: Mapping[ScenePair, Shift],
    params: LinkParams,
    workers: Workers,
) -> dict[ScenePair, Shift]:
    """The shift of every scene pair that has enough trusted pairs and no frozen shift."""
    before = before.take(np.flatnonzero(before.scene_id != ""))
    after = after.take(_sampled(after, params.shift_max_outlines))
    pairs = season_pairs(before, after, {}, 0.0, workers)
    pairs = pairs.take(
        ~_is_known(before.scene_id[pairs.parent], after.scene_id[pairs.child], shifts)
    )
    ratio = after.area_m2[pairs.child] / before.area_m2[pairs.parent]
    low, high = params.shift_area_ratio
    is_trusted = (pairs.iou > params.shift_min_iou) & (ratio > low) & (ratio < high)
    is_trusted &= mutual_best(pairs.parent, pairs.child, pairs.iou)
    a, b = before.take(pairs.parent[is_trusted]), after.take(pairs.child[is_trusted])
    offset_m, advance_m = _offsets_m(a, b), mean_advance_m(a.area_m2, b.area_m2)
    rows_of: dict[ScenePair, list[int]] = {}
    for row, scenes in enumerate(zip(a.scene_id.tolist(), b.scene_id.tolist(), strict=True)):
        rows_of.setdefault(scenes, []).append(row)
    fresh: dict[ScenePair, Shift] = {}
    for pair, rows in sorted(rows_of.items()):
        east_m, north_m = offset_m[rows].T
        shift = estimate_shift(east_m, north_m, advance_m[rows], params)
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
) -> Iterator[pa.Table]:
    """The links as rows of the contract, not provisional, some thousands at a time.

    A link is ambiguous where another was nearly as good, or little of its piece is covered.
    """
    pairs = links.pairs
    cover = np.where(links.role == SPLIT, pairs.cover_child, pairs.cover_parent)
    clarity = np.where(np.isin(links.role, (SPLIT, MERGE)), cover, links.share)
    is_ambiguous = clarity < params.ambiguous_below
    confidence = link_confidence({"share": links.share, "iomin": pairs.iomin, "is_gap": is_gap})
    kind = np.where(is_gap, GAP, links.role).astype(object)
    for some in runs(len(kind)):
        own = pairs.take(some)
        start, end = before.outline_id[own.parent], after.outline_id[own.child]
        n = len(start)
        ends = (f"{a}|{b}" for a, b in zip(start.tolist(), end.tolist(), strict=True))
        yield pa.table(
            {
                "link_id": mint_each(ends, "link"),
                "from_outline_id": start,
                "to_outline_id": end,
                "from_year": before.season_year[own.parent],
                "to_year": after.season_year[own.child],
                "kind": kind[some],
                "origin": ["computed"] * n,
                "overlap_m2": own.overlap_m2,
                "iou": own.iou,
                "cover_from": own.cover_parent,
                "cover_to": own.cover_child,
                "distance_m": own.distance_m,
                "confidence": confidence[some],
                "is_ambiguous": is_ambiguous[some],
                "is_provisional": np.zeros(n, dtype=bool),
                "run_id": [run_id] * n,
            },
            schema=arrow_schema("link"),
        )


def measured_pairs(
    before: Outlines,
    after: Outlines,
    parent: NDArray[np.int64],
    child: NDArray[np.int64],
    shifts: Mapping[ScenePair, Shift],
) -> Candidates:
    """What given pairs share, some thousands of them at a time."""
    found = [_NO_PAIRS]
    for some in runs(len(parent)):
        own, of_parent = np.unique(parent[some], return_inverse=True)
        others, of_child = np.unique(child[some], return_inverse=True)
        shift_m = shifts_of_pairs(
            before.scene_id[parent[some]], after.scene_id[child[some]], shifts
        )
        pairs = measure_pairs(
            before.polygons(own), after.polygons(others), of_parent, of_child, shift_m
        )
        found.append(replace(pairs, parent=parent[some], child=child[some]))
    return _together(found)


def _more_alike(one: Candidates, other: Candidates, params: LinkParams) -> Candidates:
    """Every pair of either once, measured where it is more alike."""
    both = _together([one, other])
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


def _offsets_m(before: Outlines, after: Outlines) -> NDArray[np.float64]:
    """(n, 2) metres east and north on the ground from each earlier centroid to the later."""
    offset_m = np.empty((len(before), 2))
    for run in runs(len(before)):
        some = np.arange(run.start, run.stop)
        a = shapely.get_coordinates(shapely.centroid(before.polygons(some)))
        b = shapely.get_coordinates(shapely.centroid(after.polygons(some)))
        offset_m[some] = np.column_stack(grid.to_ground(*(b - a).T, *a.T))
    return offset_m


def _together(parts: Sequence[Candidates]) -> Candidates:
    """All pairs of the parts."""
    return Candidates(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Candidates)
        }
    )


def _applied(
    before: Outlines, after: Outlines, shifts: Mapping[ScenePair, Shift]
) -> dict[ScenePair, Shift]:
    """The shifts that are corrected for between their scenes."""
    if not shifts:
        return {}
    a, b = set(before.scene_id.tolist()), set(after.scene_id.tolist())
    return {
        (scene_a, scene_b): shift
        for (scene_a, scene_b), shift in shifts.items()
        if shift.is_applied and scene_a in a and scene_b in b
    }


_NO_PAIRS = Candidates(
    parent=np.empty(0, dtype=np.int64),
    child=np.empty(0, dtype=np.int64),
    overlap_m2=np.empty(0),
    cover_parent=np.empty(0),
    cover_child=np.empty(0),
    iou=np.empty(0),
    distance_m=np.empty(0),
)
