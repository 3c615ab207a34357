"""Verdicts on footprints go on to the footprints that replace them: a person's word survives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.domain import canonical_json, mint
from rts_track.steps.verdicts import in_force

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.store.base import Store

Row = dict[str, Any]

SAME_PLACE_IOU = 0.5
"""A footprint of a rerun from this intersection over union stands for the one a verdict names."""

_COLUMNS = ("footprint_id", "source", "source_feature_id", "look_id", "season_year", "lon", "lat")


def carry_over(store: Store) -> int:
    """How many verdicts were carried over to footprints that stand for those they name.

    What a verdict was about comes again as a feature that its source has drawn anew, or as a
    polygon of a rerun that overlaps the former one: the verdict goes on, the same word by the same
    person at the same time. A footprint that has a verdict of its own is left alone.
    """
    verdicts = {
        row["target_id"]: row for row in in_force(store) if row["target_kind"] == "footprint"
    }
    if not verdicts:
        return 0
    scope = {"target_kind": "footprint"}
    judged = set(store.read("verdict", ["target_id"], scope)["target_id"].to_pylist())
    rows = {
        heir["footprint_id"]: _carried(verdicts[former], heir)
        for former, heir in (*_redrawn(store, verdicts), *_found_again(store, verdicts))
        if heir["footprint_id"] not in judged
    }
    ordered = [rows[one] for one in sorted(rows)]
    if ordered:
        store.upsert("verdict", pa.Table.from_pylist(ordered, schema=arrow_schema("verdict")))
    return len(ordered)


def _redrawn(store: Store, verdicts: dict[str, Row]) -> Iterator[tuple[str, Row]]:
    """Former footprints, with those of the same feature and season that took their place."""
    formers = _read(store, {"footprint_id": sorted(_superseded(store, list(verdicts)))})
    by_source: dict[str, list[Row]] = {}
    for row in formers:
        by_source.setdefault(row["source"], []).append(row)
    for source, gone in by_source.items():
        features = sorted({row["source_feature_id"] for row in gone})
        found = _read(store, {"source": source, "source_feature_id": features})
        superseded = _superseded(store, [row["footprint_id"] for row in found])
        heirs = {
            (row["source_feature_id"], row["season_year"]): row
            for row in found
            if row["footprint_id"] not in superseded
        }
        for row in gone:
            heir = heirs.get((row["source_feature_id"], row["season_year"]))
            if heir is not None:
                yield row["footprint_id"], heir


def _found_again(store: Store, verdicts: dict[str, Row]) -> Iterator[tuple[str, Row]]:
    """Footprints of looks that a rerun superseded, with those of the rerun in their place."""
    formers = _read(store, {"footprint_id": sorted(verdicts)})
    looks = sorted({row["look_id"] for row in formers if row["look_id"]})
    old = _superseded_looks(store, looks)
    by_season: dict[tuple[str, int], list[Row]] = {}
    for row in formers:
        if row["look_id"] in old:
            by_season.setdefault((row["source"], row["season_year"]), []).append(row)
    for (source, season), gone in by_season.items():
        found = _read(store, {"source": source, "season_year": season})
        looks = sorted({row["look_id"] for row in found if row["look_id"]})
        stale = _superseded_looks(store, looks)
        yield from _overlapping(store, gone, [row for row in found if row["look_id"] not in stale])


def _overlapping(store: Store, gone: list[Row], present: list[Row]) -> Iterator[tuple[str, Row]]:
    """Pairs of a former footprint and a present one in its place."""
    former, now = _polygons(store, gone), _polygons(store, present)
    then, there = shapely.STRtree(now).query(former, predicate="intersects")
    shared = shapely.area(shapely.intersection(former[then], now[there]))
    union = shapely.area(former)[then] + shapely.area(now)[there] - shared
    for one, other in zip(
        then[shared >= SAME_PLACE_IOU * union],
        there[shared >= SAME_PLACE_IOU * union],
        strict=True,
    ):
        yield gone[one]["footprint_id"], present[other]


def _carried(row: Row, heir: Row) -> Row:
    value = {
        **row["value"],
        "season_year": heir["season_year"],
        "lon": heir["lon"],
        "lat": heir["lat"],
        "carried_from": row["verdict_id"],
    }
    return {
        "verdict_id": mint("verdict", "footprint", heir["footprint_id"], row["verdict_id"]),
        "target_kind": "footprint",
        "target_id": heir["footprint_id"],
        "verdict": row["verdict"],
        "value": canonical_json(value),
        "decided_by": row["decided_by"],
        "decided_at": row["decided_at"],
        "reason": row["reason"],
        "supersedes": None,
    }


def _read(store: Store, scope: dict[str, Any]) -> list[Row]:
    if any(isinstance(wanted, list) and not wanted for wanted in scope.values()):
        return []
    rows: list[Row] = store.read("footprint", _COLUMNS, scope).to_pylist()
    return rows


def _superseded(store: Store, ids: list[str]) -> set[str]:
    """Those of the footprints whose features came again with another outline."""
    rows = store.read("superseded_footprint", ["footprint_id"], {"footprint_id": ids})
    return set(rows["footprint_id"].to_pylist())


def _superseded_looks(store: Store, ids: list[str]) -> set[str]:
    rows = store.read("look", ["look_id"], {"look_id": ids, "is_current": False})
    return set(rows["look_id"].to_pylist())


def _polygons(store: Store, rows: list[Row]) -> NDArray[np.object_]:
    """The footprints' polygons in EPSG:6931, in the order of the rows."""
    ids = [row["footprint_id"] for row in rows]
    found = store.read("footprint", ["footprint_id", "geometry"], {"footprint_id": ids}).to_pylist()
    wkb = {row["footprint_id"]: row["geometry"] for row in found}
    return grid.to_metric(shapely.from_wkb(np.array([wkb[one] for one in ids], dtype=object)))
