"""Links between the outlines of one season and those still open before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.domain import mint
from rts_track.track.assign import Links, link_seasons
from rts_track.track.candidates import (
    Candidates,
    measure_pairs,
    near_enough,
    neighbours,
    shifts_of_pairs,
)
from rts_track.track.shift import Shift, estimate_shift, mutual_best

if TYPE_CHECKING:
    from rts_track.steps.outlines import Outlines
    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams

ScenePair = tuple[str, str]
_PLANE_MARGIN = 1.3
"""Lengths in EPSG:6931 differ from the ground's by less than this factor north of 20 degrees."""


def read_shifts(store: Store) -> dict[ScenePair, Shift]:
    """Every shift that was estimated before; they are frozen."""
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


def shift_rows(shifts: dict[ScenePair, Shift]) -> pa.Table:
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


def link_to_season(
    before: Outlines,
    after: Outlines,
    shifts: dict[ScenePair, Shift],
    params: LinkParams,
) -> tuple[Links, dict[ScenePair, Shift]]:
    """The links between them, and the shifts that were estimated for it."""
    pairs = _pairs(before, after, params.search_m, {})
    fresh = _estimate(before, after, pairs, shifts, params)
    known = {**shifts, **fresh}
    reach_m = _largest_applied_m(before, after, known)
    if reach_m > 0:
        pairs = _pairs(before, after, params.search_m + reach_m, known)
    return link_seasons(near_enough(pairs, params), params), fresh


def link_rows(before: Outlines, after: Outlines, links: Links, run_id: str) -> pa.Table:
    """The links as rows of the contract, not provisional."""
    start, end = before.outline_id[links.pairs.parent], after.outline_id[links.pairs.child]
    n = len(start)
    return pa.table(
        {
            "link_id": [mint("link", a, b) for a, b in zip(start, end, strict=True)],
            "from_outline_id": start,
            "to_outline_id": end,
            "from_year": before.season_year[links.pairs.parent],
            "to_year": after.season_year[links.pairs.child],
            "kind": links.kind.astype(object),
            "origin": ["computed"] * n,
            "overlap_m2": links.pairs.overlap_m2,
            "iou": links.pairs.iou,
            "cover_from": links.pairs.cover_parent,
            "cover_to": links.pairs.cover_child,
            "distance_m": links.pairs.distance_m,
            "confidence": links.confidence,
            "is_ambiguous": links.is_ambiguous,
            "is_provisional": np.zeros(n, dtype=bool),
            "run_id": [run_id] * n,
        },
        schema=arrow_schema("link"),
    )


def _pairs(
    before: Outlines,
    after: Outlines,
    within_m: float,
    shifts: dict[ScenePair, Shift],
) -> Candidates:
    parent, child = neighbours(before.geometry, after.geometry, within_m * _PLANE_MARGIN)
    shift_m = shifts_of_pairs(before.scene_id[parent], after.scene_id[child], shifts)
    return measure_pairs(before.geometry, after.geometry, parent, child, shift_m)


def _estimate(
    before: Outlines,
    after: Outlines,
    pairs: Candidates,
    shifts: dict[ScenePair, Shift],
    params: LinkParams,
) -> dict[ScenePair, Shift]:
    """The shift of every scene pair that has enough trusted pairs and no frozen shift."""
    scene_a, scene_b = before.scene_id[pairs.parent], after.scene_id[pairs.child]
    ratio = shapely.area(after.geometry)[pairs.child] / shapely.area(before.geometry)[pairs.parent]
    low, high = params.shift_area_ratio
    is_trusted = (pairs.iou > params.shift_min_iou) & (ratio > low) & (ratio < high)
    is_trusted &= (scene_a != "") & (scene_b != "")
    is_trusted &= mutual_best(pairs.parent, pairs.child, pairs.iou)
    rows_of: dict[ScenePair, list[int]] = {}
    for row in np.flatnonzero(is_trusted).tolist():
        rows_of.setdefault((scene_a[row], scene_b[row]), []).append(row)
    fresh: dict[ScenePair, Shift] = {}
    for scenes, rows in sorted(rows_of.items()):
        if scenes in shifts:
            continue
        a = shapely.get_coordinates(shapely.centroid(before.geometry[pairs.parent[rows]]))
        b = shapely.get_coordinates(shapely.centroid(after.geometry[pairs.child[rows]]))
        east, north = grid.to_ground(*(b - a).T, *a.T)
        shift = estimate_shift(east, north, params)
        if shift is not None:
            fresh[scenes] = shift
    return fresh


def _largest_applied_m(before: Outlines, after: Outlines, shifts: dict[ScenePair, Shift]) -> float:
    a, b = set(before.scene_id), set(after.scene_id)
    return max(
        (
            float(np.hypot(shift.dx_m, shift.dy_m))
            for (scene_a, scene_b), shift in shifts.items()
            if shift.is_applied and scene_a in a and scene_b in b
        ),
        default=0.0,
    )
