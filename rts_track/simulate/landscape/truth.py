"""What is true of a landscape: outlines, links, events, volumes, scenes, look-alikes.

It is told of places and of what happened, not of what could be known: that depends on which
scenes are looked at, and whoever scores works it out from there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely
from shapely import affinity

from rts_track import grid as plane
from rts_track.simulate.landscape.slumps import lattice, relief_change

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.landscape import Landscape
    from rts_track.simulate.landscape.scenes import SceneSpec
    from rts_track.simulate.landscape.slumps import Layer, Shown

Row = dict[str, Any]
_SAMPLES = 24
"""Points along each side of a slump's bounds by which it is told how much of it is seen."""
_MIN_STILL_M2 = 30.0

_OUTLINE = [
    ("outline_id", pa.string()),
    ("object_id", pa.string()),
    ("season_year", pa.int32()),
    ("part", pa.string()),
    ("is_active", pa.bool_()),
    ("still_seasons", pa.int32()),
    ("regrown_frac", pa.float64()),
    ("area_m2", pa.float64()),
    ("geometry", pa.binary()),
]
SCHEMAS = {
    "truth_outline": pa.schema(_OUTLINE),
    "truth_link": pa.schema(
        [
            ("from_outline_id", pa.string()),
            ("to_outline_id", pa.string()),
            ("from_year", pa.int32()),
            ("to_year", pa.int32()),
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
            ("headwall_m", pa.float64()),
            ("is_active", pa.bool_()),
        ]
    ),
    "truth_seen": pa.schema(
        [
            ("scene_id", pa.string()),
            ("object_id", pa.string()),
            ("season_year", pa.int32()),
            ("clear_frac", pa.float64()),
        ]
    ),
    "truth_volume": pa.schema(
        [
            ("object_id", pa.string()),
            ("season_year", pa.int32()),
            ("eroded_m3", pa.float64()),
            ("deposited_m3", pa.float64()),
            ("eroded_total_m3", pa.float64()),
            ("deposited_total_m3", pa.float64()),
        ]
    ),
    "truth_scene": pa.schema(
        [
            ("scene_id", pa.string()),
            ("sensor", pa.string()),
            ("season_year", pa.int32()),
            ("acquired_at", pa.timestamp("s", tz="UTC")),
            ("gsd_m", pa.float64()),
            ("path", pa.string()),
            ("shift_east_m", pa.float64()),
            ("shift_north_m", pa.float64()),
            ("clear_frac", pa.float64()),
            ("atmosphere", pa.float64()),
        ]
    ),
    "truth_dem": pa.schema(
        [
            ("dem_id", pa.string()),
            ("season_year", pa.int32()),
            ("observed_on", pa.date32()),
            ("gsd_m", pa.float64()),
            ("path", pa.string()),
            ("offset_m", pa.float64()),
            ("shift_east_m", pa.float64()),
            ("shift_north_m", pa.float64()),
            ("noise_m", pa.float64()),
        ]
    ),
    "truth_label": pa.schema(
        [
            ("outline_id", pa.string()),
            ("scene_id", pa.string()),
            ("season_year", pa.int32()),
            ("area_m2", pa.float64()),
            ("geometry", pa.binary()),
        ]
    ),
    "truth_lookalike": pa.schema(
        [
            ("lookalike_id", pa.string()),
            ("kind", pa.string()),
            ("from_year", pa.int32()),
            ("strength", pa.float64()),
            ("area_m2", pa.float64()),
            ("geometry", pa.binary()),
        ]
    ),
}
"""The truth's tables; docs/simulated-landscape.md says what their columns mean."""
WITH_GEOMETRY = ("truth_outline", "truth_label", "truth_lookalike")


def truth_tables(landscape: Landscape, paths: dict[str, str]) -> dict[str, pa.Table]:
    """Every table of `SCHEMAS` by its name.

    `paths`: where each scene and DEM lies, by its id. Geometry is WKB of WGS 84 lon/lat.
    """
    rows: dict[str, list[Row]] = {
        "truth_outline": _outline_rows(landscape),
        "truth_link": _link_rows(landscape),
        "truth_event": _event_rows(landscape),
        "truth_state": _state_rows(landscape),
        "truth_seen": _seen_rows(landscape),
        "truth_volume": _volume_rows(landscape),
        "truth_scene": [_scene_row(landscape, spec, paths) for spec in landscape.scenes],
        "truth_dem": _dem_rows(landscape, paths),
        "truth_label": _label_rows(landscape),
        "truth_lookalike": _lookalike_rows(landscape),
    }
    return {
        name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in SCHEMAS.items()
    }


def outline_id(object_id: str, season_year: int) -> str:
    """The id of a slump's scar in a season, which links and footprints of the truth speak of."""
    return f"{object_id}@{season_year}"


def _event_rows(landscape: Landscape) -> list[Row]:
    """What happened to slumps, as `simulate.life.Turn` means it."""
    known = {object_id for object_id, _ in landscape.slumps.layers}
    return [
        {
            "object_id": turn.object_id,
            "related_object_id": turn.related_object_id,
            "season_year": turn.season_year,
            "kind": turn.kind,
        }
        for turn in landscape.slumps.lives.turns
        if turn.object_id in known and turn.related_object_id in {None, *known}
    ]


def _link_rows(landscape: Landscape) -> list[Row]:
    """From each active slump to itself when it was active next, and across merges and splits."""
    layers = landscape.slumps.layers
    seasons: dict[str, list[int]] = {}
    for object_id, season_year in sorted(layers):
        seasons.setdefault(object_id, []).append(season_year)
    rows = [
        _link("main", (object_id, earlier), (object_id, later))
        for object_id, active in seasons.items()
        for earlier, later in pairwise(active)
    ]
    for turn in landscape.slumps.lives.turns:
        before, after = turn.object_id, str(turn.related_object_id)
        if turn.kind == "split":
            before, after = after, before
        ends = (before, turn.season_year - 1), (after, turn.season_year)
        if turn.kind in ("merge", "split") and ends[0] in layers and ends[1] in layers:
            rows.append(_link(turn.kind, *ends))
    return rows


def _link(kind: str, earlier: tuple[str, int], later: tuple[str, int]) -> Row:
    return {
        "from_outline_id": outline_id(*earlier),
        "to_outline_id": outline_id(*later),
        "from_year": earlier[1],
        "to_year": later[1],
        "kind": kind,
    }


def _seen_rows(landscape: Landscape) -> list[Row]:
    """How much of each active slump each scene of its season shows."""
    rows = list[Row]()
    for (object_id, season_year), layer in sorted(landscape.slumps.layers.items()):
        x, y = _samples(layer.scar)
        rows += [
            {
                "scene_id": spec.scene_id,
                "object_id": object_id,
                "season_year": season_year,
                "clear_frac": float(spec.is_clear(x, y).mean()),
            }
            for spec in landscape.scenes
            if spec.season_year == season_year
        ]
    return rows


def _samples(place: shapely.Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points inside a place, each (1, n); its middle where it is too thin for others."""
    west, south, east, north = shapely.bounds(place).tolist()
    x, y = np.meshgrid(np.linspace(west, east, _SAMPLES), np.linspace(south, north, _SAMPLES))
    is_in = shapely.contains_xy(place, x, y)
    if not is_in.any():
        middle = shapely.point_on_surface(place)
        return np.array([[middle.x]]), np.array([[middle.y]])
    return x[is_in][None], y[is_in][None]


def _outline_rows(landscape: Landscape) -> list[Row]:
    rows = list[Row]()
    polygons = list[shapely.Geometry]()
    for season_year in landscape.params.season_years:
        for row, polygon in _outlines(landscape, season_year):
            rows.append(row)
            polygons.append(polygon)
    return _with_geometry(landscape, rows, polygons)


def _outlines(landscape: Landscape, season_year: int) -> list[tuple[Row, shapely.Geometry]]:
    """A row and a polygon for each scar and tongue of a season."""
    painted = landscape.slumps.painted(season_year)
    active = [
        shown for shown in painted if shown.still == 0 and shown.heir == shown.layer.object_id
    ]
    moving = shapely.union_all([shown.layer.scar for shown in active])
    scars = shapely.union_all([shown.layer.scar for shown in painted])
    newest = {shown.layer.object_id: shown.layer.season_year for shown in painted}
    found = list[tuple[Row, shapely.Geometry]]()
    for shown in active:
        found.append((_outline(landscape, shown, season_year, "scar"), shown.layer.scar))
    for number, shown in enumerate(painted):
        if shown.still > 0 and shown.heir == shown.layer.object_id:
            rest = shapely.difference(shown.layer.scar, moving)
            if rest.area > _MIN_STILL_M2:
                is_whole = (shown.heir, season_year) not in landscape.slumps.layers
                is_newest = newest[shown.layer.object_id] == shown.layer.season_year
                row = _outline(
                    landscape,
                    shown,
                    season_year,
                    "scar" if is_whole else "still",
                    "" if is_whole and is_newest else f"-still{number}",
                )
                found.append((row, rest))
        tongue = shapely.difference(shown.layer.tongue, scars)
        if tongue.area > _MIN_STILL_M2:
            row = _outline(landscape, shown, season_year, "tongue", f"-tongue{number}")
            found.append((row, tongue))
    return found


def _outline(
    landscape: Landscape, shown: Shown, season_year: int, part: str, ending: str = ""
) -> Row:
    regrown = 1.0 - (1.0 - landscape.params.revegetated_frac_yr) ** shown.still
    return {
        "outline_id": outline_id(shown.heir, season_year) + ending,
        "object_id": shown.heir,
        "season_year": season_year,
        "part": part,
        "is_active": shown.still == 0,
        "still_seasons": shown.still,
        "regrown_frac": regrown,
    }


def _with_geometry(
    landscape: Landscape, rows: list[Row], polygons: list[shapely.Geometry]
) -> list[Row]:
    """The rows with their polygons as lon/lat, and their areas in EPSG:6931."""
    metric = plane.to_metric(np.array(polygons, dtype=object), landscape.params.crs)
    areas_m2 = shapely.area(metric).tolist()
    wkb = shapely.to_wkb(plane.to_lonlat(metric))
    return [
        {**row, "area_m2": area_m2, "geometry": bytes(each)}
        for row, area_m2, each in zip(rows, areas_m2, wkb, strict=True)
    ]


def _state_rows(landscape: Landscape) -> list[Row]:
    """Every slump in every season since it began, but those that grew into another."""
    shown = {
        (each.heir, season_year): each.layer
        for season_year in landscape.params.season_years
        for each in landscape.slumps.painted(season_year)
        if each.heir == each.layer.object_id
    }
    layers = sorted(shown.items(), key=lambda item: item[0])
    metric = plane.to_metric(
        np.array([layer.scar for _, layer in layers], dtype=object), landscape.params.crs
    )
    areas_m2 = shapely.area(metric).tolist()
    return [
        _state_row(object_id, season_year, layer, area_m2)
        for ((object_id, season_year), layer), area_m2 in zip(layers, areas_m2, strict=True)
    ]


def _state_row(object_id: str, season_year: int, layer: Layer, area_m2: float) -> Row:
    return {
        "object_id": object_id,
        "season_year": season_year,
        "area_m2": area_m2,
        "growth_m_yr": layer.growth_m_yr,
        "headwall_m": layer.headwall_m,
        "is_active": layer.season_year == season_year,
    }


def _volume_rows(landscape: Landscape) -> list[Row]:
    """What each slump took away and laid down, by season; those that lie still move nothing."""
    return [
        _volume_row(landscape, object_id, season_year, scar, tongue)
        for season_year in landscape.params.season_years
        for object_id, (scar, tongue) in sorted(_grounds(landscape, season_year).items())
    ]


def _grounds(
    landscape: Landscape, season_year: int
) -> dict[str, tuple[shapely.Geometry, shapely.Geometry]]:
    """The ground that each slump has taken, and the ground that it has laid debris on.

    No ground is two slumps': the newer has it, and debris that a scar took is nobody's.
    """
    grounds: dict[str, tuple[shapely.Geometry, shapely.Geometry]] = {}
    painted = landscape.slumps.painted(season_year)
    nothing: shapely.Geometry = shapely.Polygon()
    taken, covered = nothing, nothing
    for shown in reversed(painted):
        scar, tongue = grounds.get(shown.heir, (nothing, nothing))
        more = shapely.difference(shown.layer.scar, taken)
        debris = shapely.difference(shown.layer.tongue, covered)
        grounds[shown.heir] = shapely.union(scar, more), shapely.union(tongue, debris)
        taken = shapely.union(taken, shown.layer.scar)
        covered = shapely.union(covered, shown.layer.tongue)
    return {
        object_id: (scar, shapely.difference(tongue, taken))
        for object_id, (scar, tongue) in grounds.items()
    }


def _volume_row(
    landscape: Landscape,
    object_id: str,
    season_year: int,
    scar: shapely.Geometry,
    tongue: shapely.Geometry,
) -> Row:
    row: Row = {"object_id": object_id, "season_year": season_year}
    is_first = season_year == landscape.params.first_year
    for name, ground, sign in (("eroded", scar, -1.0), ("deposited", tongue, 1.0)):
        row[f"{name}_total_m3"] = sign * _moved_m3(landscape, ground, None, season_year)
        if not is_first:
            moved_m3 = _moved_m3(landscape, ground, season_year - 1, season_year)
            row[f"{name}_m3"] = sign * moved_m3
    return row


def _moved_m3(
    landscape: Landscape, ground: shapely.Geometry, from_year: int | None, to_year: int
) -> float:
    """How much more lies on the ground than did; None: than before all slumps."""
    if ground.is_empty:
        return 0.0
    west, south, east, north = shapely.bounds(ground).tolist()
    points = lattice((west, south, east, north))
    is_in = shapely.contains_xy(ground, points.x, points.y)
    land_m = landscape.terrain.at(points).height_m
    raised_m = relief_change(landscape.slumps, points, land_m, to_year)[is_in]
    if from_year is not None:
        raised_m = raised_m - relief_change(landscape.slumps, points, land_m, from_year)[is_in]
    return float(raised_m.sum(dtype=np.float64)) * points.gsd_m**2


def _scene_row(landscape: Landscape, spec: SceneSpec, paths: dict[str, str]) -> Row:
    west, south, east, north = spec.grid.bounds
    x, y = np.meshgrid(np.linspace(west, east, 90), np.linspace(south, north, 90))
    return {
        "scene_id": spec.scene_id,
        "sensor": spec.sensor,
        "season_year": spec.season_year,
        "acquired_at": spec.acquired_at,
        "gsd_m": spec.grid.gsd_m,
        "path": paths.get(spec.scene_id),
        "shift_east_m": spec.shift_m[0],
        "shift_north_m": spec.shift_m[1],
        "clear_frac": float(spec.is_clear(x, y).mean()),
        "atmosphere": spec.atmosphere,
    }


def _dem_rows(landscape: Landscape, paths: dict[str, str]) -> list[Row]:
    return [
        {
            "dem_id": spec.dem_id,
            "season_year": spec.season_year,
            "observed_on": spec.observed_on,
            "gsd_m": spec.grid.gsd_m,
            "path": paths.get(spec.dem_id),
            "offset_m": spec.offset_m,
            "shift_east_m": spec.shift_m[0],
            "shift_north_m": spec.shift_m[1],
            "noise_m": spec.noise_m,
        }
        for spec in landscape.dems
    ]


def _label_rows(landscape: Landscape) -> list[Row]:
    """The active scars of each scene's season, where the scene shows them."""
    rows: list[Row] = []
    scars: list[shapely.Geometry] = []
    for spec in landscape.scenes:
        for row, polygon in _outlines(landscape, spec.season_year):
            if row["part"] == "scar" and row["is_active"]:
                of = {"outline_id": row["outline_id"], "season_year": spec.season_year}
                rows.append({"scene_id": spec.scene_id, **of})
                scars.append(affinity.translate(polygon, *spec.shift_m))
    return _with_geometry(landscape, rows, scars)


def _lookalike_rows(landscape: Landscape) -> list[Row]:
    rows = [
        {
            "lookalike_id": f"{each.kind}-{number:04d}",
            "kind": each.kind,
            "from_year": each.from_year,
            "strength": each.strength,
        }
        for number, each in enumerate(landscape.lookalikes, start=1)
    ]
    return _with_geometry(landscape, rows, [each.polygon for each in landscape.lookalikes])
