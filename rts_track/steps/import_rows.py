"""Rows that an import writes beside its footprints: source, scenes, looks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.errors import UsageError
from rts_track.source.looks import areas_lonlat, checked_area, median_gsd_m

if TYPE_CHECKING:
    from rts_track.source.inventory import LookArea, SourceFacts
    from rts_track.source.looks import Group, Groups
    from rts_track.source.request import ImportRequest
    from rts_track.store.base import Store

KEPT_EXTENT_M = 1.0
"""A scene's extent stays as it is while new footprints lie outside by no more than this."""

_SOURCE_FACTS = ("mapper", "sensor", "gsd_m", "delineation_sigma_m", "citation", "licence")
_SCENE_COLUMNS = (
    "scene_id",
    "source",
    "season_year",
    "observed_from",
    "observed_to",
    "gsd_m",
    "geometry",
)


def settled_facts(
    facts: SourceFacts, stored: Mapping[str, Any] | None, request: ImportRequest
) -> SourceFacts:
    """What the user says of the source, else what is stored, else the reader's word.

    UsageError where the user gives it another kind than it has: its outlines would no longer
    mean one thing.
    """
    if stored is None:
        return facts
    if request.kind not in (None, stored["kind"]):
        raise UsageError(
            f"source {facts.source!r} is {stored['kind']} in this store, not {request.kind}:"
            " leave --kind out, or name another --source"
        )
    known = {
        name: stored[name]
        for name in ("kind", *_SOURCE_FACTS)
        if stored[name] is not None and getattr(request, name) is None
    }
    return replace(facts, **known)


def source_row(facts: SourceFacts, median_m: float | None) -> pa.Table:
    """The source as one row; what it does not say follows from the footprints' pixel sizes.

    `median_m` is the median of those. UsageError where nothing tells how fine its images are.
    """
    gsd_m = facts.gsd_m or median_m
    sigma_m = facts.delineation_sigma_m or (gsd_m / 2 if gsd_m else None)
    if sigma_m is None:
        raise UsageError(
            f"source {facts.source!r}: how fine are its images? Give --gsd METRES or --gsd-field"
            " FIELD (half a pixel is taken for how well outlines are drawn), or"
            " --delineation-sigma METRES"
        )
    row = asdict(replace(facts, gsd_m=gsd_m, delineation_sigma_m=sigma_m))
    return _table("source", [row], row)


def scene_rows(
    store: Store, source: str, groups: Groups[str], looks: Sequence[LookArea]
) -> pa.Table:
    """The scenes: with the extents that are known of some, else the hulls of their footprints.

    A hull grows by what is stored of the scene already. UsageError where footprints of several
    seasons name one scene.
    """
    imaged = {look.scene_id: look for look in looks if look.scene_id is not None}
    rows: list[dict[str, object]] = [
        {
            "scene_id": scene_id,
            "source": source,
            "season_year": look.season_year,
            "observed_from": look.from_on,
            "observed_to": look.to_on,
            "gsd_m": look.gsd_m,
            "geometry": look.geometry,
        }
        for scene_id, look in imaged.items()
    ]
    drawn = {scene_id: group for scene_id, group in groups if scene_id not in imaged}
    stored = {
        row["scene_id"]: row
        for row in store.read("scene", _SCENE_COLUMNS, {"scene_id": list(drawn)}).to_pylist()
    }
    rows += [
        _drawn_scene(scene_id, source, group, stored.get(scene_id))
        for scene_id, group in drawn.items()
    ]
    return _table("scene", _with_wkb(rows), _SCENE_COLUMNS)


def look_rows(looks: Sequence[LookArea], run_id: str) -> pa.Table:
    """The looks as rows: finished, and current."""
    rows: list[dict[str, object]] = [
        {
            "look_id": look.look_id,
            "source": look.source,
            "scene_id": look.scene_id,
            "run_id": run_id,
            "season_year": look.season_year,
            "from_on": look.from_on,
            "to_on": look.to_on,
            "basis": look.basis,
            "status": "done",
            "is_current": True,
            "looked_area_m2": float(shapely.area(look.geometry)),
            "geometry": look.geometry,
        }
        for look in looks
    ]
    return _table("look", _with_wkb(rows), arrow_schema("look").names)


def drop_unchanged(store: Store, name: str, rows: pa.Table, run_id: str) -> pa.Table:
    """The rows less those that an earlier run wrote just so: `run_id` alone is no change."""
    key = rows.schema.names[0]
    runs = store.read(name, [key, "run_id"], {key: rows[key].to_pylist()})
    earlier = [row[key] for row in runs.to_pylist() if row["run_id"] != run_id]
    if not earlier:
        return rows
    columns = [column for column in rows.schema.names if column != "run_id"]
    stored = {row[key]: row for row in store.read(name, columns, {key: earlier}).to_pylist()}
    is_news = [
        row[key] not in stored or not _is_same(row, stored[row[key]])
        for row in rows.select(columns).to_pylist()
    ]
    return rows.filter(pa.array(is_news, pa.bool_()))


def _drawn_scene(
    scene_id: str, source: str, group: Group, stored: Mapping[str, Any] | None
) -> dict[str, object]:
    """A scene of which only footprints are known."""
    seasons = group.seasons | ({stored["season_year"]} if stored else set())
    if len(seasons) > 1:
        raise UsageError(
            f"scene {scene_id!r} has footprints of seasons {min(seasons)} and {max(seasons)}:"
            " one scene is of one season; is it the right --scene-field?"
        )
    hull = checked_area(group.hull, f"scene {scene_id!r}", "is it the right --scene-field?")
    return {
        "scene_id": scene_id,
        "source": source,
        "season_year": seasons.pop(),
        "observed_from": group.from_on,
        "observed_to": group.to_on,
        "gsd_m": median_gsd_m(group.gsd_m) or (stored["gsd_m"] if stored else None),
        "geometry": _grown_extent(hull, stored["geometry"] if stored else None),
    }


def _grown_extent(hull: shapely.Geometry, stored_wkb: bytes | None) -> shapely.Geometry | bytes:
    """The hull and what is stored as one hull; what is stored, untouched, where that is enough."""
    if stored_wkb is None:
        return hull
    stored = grid.to_metric(np.array([shapely.from_wkb(stored_wkb)], dtype=object))[0]
    if shapely.covers(shapely.buffer(stored, KEPT_EXTENT_M), hull):
        return stored_wkb
    return shapely.convex_hull(shapely.GeometryCollection([hull, stored]))


def _is_same(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(
        other[name] == value
        or (name == "attributes" and json.loads(other[name]) == json.loads(value))
        for name, value in row.items()
    )


def _with_wkb(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rows with EPSG:6931 areas turned into WKB of lon/lat; bytes stay as they are."""
    areas = [row["geometry"] for row in rows if not isinstance(row["geometry"], bytes)]
    wkb = iter(shapely.to_wkb(areas_lonlat(areas), byte_order=1))
    return [
        row if isinstance(row["geometry"], bytes) else {**row, "geometry": next(wkb)}
        for row in rows
    ]


def _table(
    name: str, rows: list[dict[str, object]], columns: Sequence[str] | Mapping[str, object]
) -> pa.Table:
    schema = arrow_schema(name)
    return pa.Table.from_pylist(rows, schema=pa.schema([schema.field(one) for one in columns]))
