"""A simulated history of thaw slumps: footprints as an inventory would hold them, and the truth.

The model is a plausible one, not a physical one: slumps cluster along shores and valley sides,
each headwall retreats upslope at a rate of its own, neighbours grow into each other, slumps come
apart, begin and stabilise; what lies still may go on, or another slump begin in it. Scenes in
strips look at part of the area in each season, each off by a shift of its own; on them slumps are
missed, drawn in pieces, and things mapped that are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from rts_track.simulate import truth
from rts_track.simulate.base import on_plane, settled
from rts_track.simulate.life import live
from rts_track.simulate.params import HistoryParams
from rts_track.simulate.region import Plane
from rts_track.simulate.scenes import Drawing, Scene, drawings_of_scene, scenes_of_season

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

__all__ = ["FOOTPRINTS", "History", "HistoryParams", "simulate_history"]

FOOTPRINTS = "footprints"
"""Stem of the file that footprints are written to, and so the first part of their source ids."""

_SCHEMAS = {
    "footprint": pa.schema(
        [
            ("source_feature_id", pa.string()),
            ("feature_id", pa.string()),
            ("season_year", pa.int32()),
            ("observed_on", pa.date32()),
            ("scene_id", pa.string()),
            ("gsd_m", pa.float64()),
            ("is_clipped", pa.bool_()),
            ("geometry", pa.binary()),
        ]
    ),
    "look": pa.schema(
        [
            ("scene_id", pa.string()),
            ("season_year", pa.int32()),
            ("observed_on", pa.date32()),
            ("gsd_m", pa.float64()),
            ("geometry", pa.binary()),
        ]
    ),
    "truth_footprint": pa.schema(
        [
            ("source_feature_id", pa.string()),
            ("object_id", pa.string()),
            ("season_year", pa.int32()),
        ]
    ),
    "truth_link": pa.schema(
        [
            ("from_source_feature_id", pa.string()),
            ("to_source_feature_id", pa.string()),
            ("kind", pa.string()),
        ]
    ),
    "truth_event": pa.schema(
        [
            ("object_id", pa.string()),
            ("related_object_id", pa.string()),
            ("season_year", pa.int32()),
            ("kind", pa.string()),
        ]
    ),
    "truth_state": pa.schema(
        [
            ("object_id", pa.string()),
            ("season_year", pa.int32()),
            ("area_m2", pa.float64()),
            ("growth_m_yr", pa.float64()),
            ("is_looked_at", pa.bool_()),
            ("n_footprints", pa.int32()),
        ]
    ),
    "truth_scene": pa.schema(
        [
            ("scene_id", pa.string()),
            ("shift_east_m", pa.float64()),
            ("shift_north_m", pa.float64()),
        ]
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A simulated history: what an inventory would hold, and what is true of it.

    Geometry is WKB of WGS 84 lon/lat MultiPolygons. An *object* is a true slump; at a merge the
    slump that was larger a season before goes on, at a split the larger piece does.
    """

    params: HistoryParams

    footprints: pa.Table
    """source_feature_id, feature_id, season_year, observed_on, scene_id, gsd_m, is_clipped,
    geometry; by season, in no order that tells anything within it. A slump that two scenes of a
    season show has a footprint, or several pieces, on each."""

    looks: pa.Table
    """scene_id, season_year, observed_on, gsd_m, geometry (what the scene shows); the season's
    other ground was not looked at."""

    truth_footprint: pa.Table
    """source_feature_id, object_id (null: no slump), season_year; one row a footprint."""

    truth_link: pa.Table
    """from_source_feature_id, to_source_feature_id, kind. Where a slump in one season leads to a
    slump in a later one (itself when it was mapped next, be it after a pause; at a merge or split
    its successor; a slump that began inside a stabilised one is no successor),
    *every* footprint of the one is linked to *every* footprint of the other, whatever scenes and
    pieces they are. `gap` if a season between looked at the place and missed it; else `fragment`
    where either is not the largest piece of its slump on its scene; else main, split or merge.
    Who scores reduces them to pairs of (object, season): no scene counts twice."""

    truth_event: pa.Table
    """object_id, related_object_id, season_year, kind; each slump that was ever mapped has one of
    initiate (season in which it began; its place was looked at the season before), split (first
    mapped as a piece of `related_object_id`), reinitiate (first mapped; it began inside
    `related_object_id`, whose end was known by then) and first_seen (any other: first mapped).
    Besides, merge (into `related_object_id`; the season in which that was first mapped with it
    inside), stabilise (first season in which it is no longer mapped, for want of activity; it had
    been mapped since it last went on, and `stabilise_seasons` seasons looked there while it lay
    still) and reactivate (first mapped again after an end that was known)."""

    truth_state: pa.Table
    """object_id, season_year, area_m2, growth_m_yr (headwall), is_looked_at, n_footprints; one row
    a living slump and season, mapped or not."""

    truth_scene: pa.Table
    """scene_id, shift_east_m, shift_north_m: how far all that is drawn on the scene lies off."""


def simulate_history(
    rng: Generator,
    params: HistoryParams | None = None,
    base: NDArray[np.object_] | None = None,
) -> History:
    """The history that the generator's state and the parameters make, always the same.

    Args:
        rng: where all chance comes from.
        params: what shapes the history.
        base: WGS 84 lon/lat outlines of one site that are the slumps of the first season instead
            of simulated ones; each grows in a direction of its own. Rings are made valid, of
            several polygons the largest counts, and where two overlap the ground is the larger
            one's. Centre, extent and number of slumps are then theirs (`History.params`).

    Raises:
        UsageError: the area is too small for the slumps; `base` is empty or no single site.
    """
    params = params or HistoryParams()
    if base is not None:
        params = settled(params, base)
    life_rng, scene_rng, drawing_rng, order_rng = rng.spawn(4)
    lives = live(life_rng, params, None if base is None else on_plane(params, base))
    scenes = [
        scene
        for season_year in params.season_years
        for scene in scenes_of_season(scene_rng, params, season_year)
    ]
    drawings = [
        drawing
        for season_year in params.season_years
        for drawing in _shuffled(
            order_rng,
            [
                drawing
                for scene in scenes
                if scene.season_year == season_year
                for drawing in drawings_of_scene(
                    drawing_rng, params, scene, list(lives.slumps[season_year].values())
                )
            ],
        )
    ]
    footprints = [(_source_feature_id(row), drawing) for row, drawing in enumerate(drawings)]
    evidence = truth.gather(params, lives, scenes, footprints)
    plane = Plane.at(*params.centre_lonlat)
    return History(
        params=params,
        footprints=_footprints(plane, params, footprints),
        looks=_looks(plane, params, scenes),
        truth_footprint=_table("truth_footprint", truth.footprint_rows(footprints)),
        truth_link=_table("truth_link", truth.link_rows(evidence)),
        truth_event=_table("truth_event", truth.event_rows(evidence)),
        truth_state=_table("truth_state", truth.state_rows(evidence)),
        truth_scene=_table("truth_scene", [_scene_row(scene) for scene in scenes]),
    )


def _shuffled(rng: Generator, drawings: list[Drawing]) -> list[Drawing]:
    return [drawings[row] for row in rng.permutation(len(drawings))]


def _feature_id(row: int) -> str:
    return f"{row + 1:06d}"


def _source_feature_id(row: int) -> str:
    return f"{FOOTPRINTS}:{_feature_id(row)}"


def _footprints(
    plane: Plane, params: HistoryParams, footprints: list[tuple[str, Drawing]]
) -> pa.Table:
    wkb = _wkb(plane, [drawing.polygon for _, drawing in footprints])
    rows = [
        {
            "source_feature_id": source_feature_id,
            "feature_id": _feature_id(row),
            "season_year": drawing.scene.season_year,
            "observed_on": drawing.scene.observed_on,
            "scene_id": drawing.scene.scene_id,
            "gsd_m": params.gsd_m,
            "is_clipped": drawing.is_clipped,
            "geometry": wkb[row],
        }
        for row, (source_feature_id, drawing) in enumerate(footprints)
    ]
    return _table("footprint", rows)


def _looks(plane: Plane, params: HistoryParams, scenes: list[Scene]) -> pa.Table:
    wkb = _wkb(plane, [scene.extent for scene in scenes])
    rows = [
        {
            "scene_id": scene.scene_id,
            "season_year": scene.season_year,
            "observed_on": scene.observed_on,
            "gsd_m": params.gsd_m,
            "geometry": wkb[row],
        }
        for row, scene in enumerate(scenes)
    ]
    return _table("look", rows)


def _scene_row(scene: Scene) -> dict[str, Any]:
    east_m, north_m = scene.shift_m.tolist()
    return {"scene_id": scene.scene_id, "shift_east_m": east_m, "shift_north_m": north_m}


def _wkb(plane: Plane, polygons: list[shapely.Polygon]) -> list[bytes]:
    lonlat = plane.to_lonlat(np.array(polygons, dtype=object))
    return [bytes(each) for each in shapely.to_wkb(lonlat)]


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=_SCHEMAS[name])
