"""What scenes show of the living slumps: strips side by side, each a little off, none perfect."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.simulate.shape import cut, draw

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.meeting import Slump
    from rts_track.simulate.params import HistoryParams

_MIDDLE_OF_SEASON = (8, 1)
_SEASON_JITTER_D = 12
_SCENE_JITTER_D = 6
_STRIP_TILT = 0.18
"""Metres east per metre north: satellites do not fly along meridians."""
_LENGTH_FRAC = (0.85, 1.0)
"""Length of a strip beside the area's height; below 1 its ends are not looked at."""
_SIDE_JITTER_FRAC = 0.03
_EDGE_STEP_M = 500.0
_SHOWN_FRAC = 0.5
"""A slump that lies on a scene to less than this is not mapped on it."""
_FRAGMENT_GAP_M = (4.0, 10.0)
_FRAGMENT_AT_FRAC = (0.25, 0.75)
_FALSE_RADIUS_M = (12.0, 35.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One strip of a season; what is drawn on it lies off by `shift_m` (east, north)."""

    scene_id: str
    season_year: int
    observed_on: dt.date
    extent: shapely.Polygon
    shift_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One polygon mapped on a scene; `object_id` is None where it is no slump.

    `is_foremost`: the slump's largest piece on that scene.
    """

    scene: Scene
    object_id: str | None
    polygon: shapely.Polygon
    is_clipped: bool
    is_foremost: bool


def scenes_of_season(rng: Generator, params: HistoryParams, season_year: int) -> list[Scene]:
    """The strips of a season, from west to east; some may be missing, never all."""
    middle = dt.date(season_year, *_MIDDLE_OF_SEASON)
    middle += dt.timedelta(days=int(rng.integers(-_SEASON_JITTER_D, _SEASON_JITTER_D + 1)))
    n = params.scenes_per_season
    is_missing = rng.random(n) < params.scene_missing_frac
    is_missing[int(rng.integers(n))] &= not is_missing.all()
    days = rng.integers(-_SCENE_JITTER_D, _SCENE_JITTER_D + 1, n)
    shifts_m = params.shift_m * np.array([_unit(rng) for _ in range(n)])
    scenes = [
        Scene(
            scene_id=f"{middle + dt.timedelta(days=int(days[number])):%Y%m%d}-{number + 1}",
            season_year=season_year,
            observed_on=middle + dt.timedelta(days=int(days[number])),
            extent=_strip(rng, params, number),
            shift_m=shifts_m[number],
        )
        for number in range(n)
    ]
    return [scene for scene, missing in zip(scenes, is_missing, strict=True) if not missing]


def drawings_of_scene(
    rng: Generator, params: HistoryParams, scene: Scene, living: list[Slump]
) -> list[Drawing]:
    """What is mapped on the scene: most of its slumps, and some things that are none."""
    polygons = np.array([slump.polygon for slump in living], dtype=object)
    shown_m2 = shapely.area(shapely.intersection(polygons, scene.extent))
    shown = [
        living[row] for row in np.flatnonzero(shown_m2 >= _SHOWN_FRAC * shapely.area(polygons))
    ]
    is_missed = rng.random(len(shown)) < params.missed_frac
    is_fragmented = rng.random(len(shown)) < params.fragmented_frac
    drawings = list[Drawing]()
    for slump, missed, fragmented in zip(shown, is_missed, is_fragmented, strict=True):
        if not missed:
            drawings += _drawn(rng, params, scene, slump, is_fragmented=bool(fragmented))
    n_false = int(rng.poisson(params.false_positive_frac * len(shown)))
    return drawings + _false_positives(rng, params, scene, polygons, n_false)


def _strip(rng: Generator, params: HistoryParams, number: int) -> shapely.Polygon:
    """The ground that strip `number` shows, as a parallelogram."""
    width_m, height_m = params.extent_m
    n, overlap = params.scenes_per_season, params.scene_overlap_frac
    tilted_m = width_m + _STRIP_TILT * height_m
    strip_m = tilted_m / (n - (n - 1) * overlap)
    west = -tilted_m / 2.0 + number * strip_m * (1.0 - overlap)
    west += rng.normal(0.0, _SIDE_JITTER_FRAC) * strip_m
    half_m = rng.uniform(*_LENGTH_FRAC) * height_m / 2.0
    lean = _STRIP_TILT * half_m
    corners = [
        (west - lean, -half_m),
        (west + strip_m - lean, -half_m),
        (west + strip_m + lean, half_m),
        (west + lean, half_m),
    ]
    return shapely.segmentize(shapely.Polygon(corners), _EDGE_STEP_M)


def _drawn(
    rng: Generator, params: HistoryParams, scene: Scene, slump: Slump, *, is_fragmented: bool
) -> list[Drawing]:
    """The slump as mapped: one polygon, or its pieces."""
    whole = draw(rng, slump.polygon, scene.shift_m, params.boundary_noise_m)
    inside = shapely.intersection(whole, scene.extent)
    pieces = [part for part in shapely.get_parts(inside) if part.geom_type == "Polygon"]
    is_clipped = bool(shapely.area(inside) < shapely.area(whole) * (1.0 - 1e-9))
    if is_fragmented:
        pieces = [fragment for piece in pieces for fragment in _fragments(rng, piece)]
    mapped = [piece for piece in pieces if shapely.area(piece) >= params.min_area_m2]
    mapped.sort(key=lambda piece: -float(shapely.area(piece)))
    return [
        Drawing(
            scene=scene,
            object_id=slump.object_id,
            polygon=piece,
            is_clipped=is_clipped,
            is_foremost=number == 0,
        )
        for number, piece in enumerate(mapped)
    ]


def _fragments(rng: Generator, polygon: shapely.Polygon) -> list[shapely.Polygon]:
    """Two or three pieces of the polygon."""
    along = _unit(rng)
    across = np.array([along[1], -along[0]])
    reach = shapely.get_coordinates(polygon) @ across
    at_frac = rng.uniform(*_FRAGMENT_AT_FRAC, size=int(rng.integers(1, 3)))
    pieces = [polygon]
    for frac in at_frac.tolist():
        through = (reach.min() + frac * (reach.max() - reach.min())) * across
        gap_m = rng.uniform(*_FRAGMENT_GAP_M)
        pieces = [part for piece in pieces for part in cut(piece, through, along, gap_m)]
    return pieces


def _false_positives(
    rng: Generator, params: HistoryParams, scene: Scene, polygons: NDArray[np.object_], n: int
) -> list[Drawing]:
    """Blobs on the scene that touch no slump."""
    west, south, east, north = shapely.bounds(scene.extent)
    inner = shapely.buffer(scene.extent, -2.0 * _FALSE_RADIUS_M[1])
    drawings = list[Drawing]()
    while len(drawings) < n:
        middle = rng.uniform((west, south), (east, north))
        blob = _blob(rng, middle)
        if shapely.contains_xy(inner, *middle) and not shapely.intersects(polygons, blob).any():
            blob = draw(rng, blob, scene.shift_m, params.boundary_noise_m)
            drawings.append(
                Drawing(
                    scene=scene, object_id=None, polygon=blob, is_clipped=False, is_foremost=True
                )
            )
    return drawings


def _blob(rng: Generator, middle: NDArray[np.float64]) -> shapely.Polygon:
    radius_m = np.exp(rng.uniform(*np.log(_FALSE_RADIUS_M)))
    turn = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    wobble = radius_m * (1.0 + rng.uniform(0.1, 0.3) * np.sin(2.0 * turn + rng.uniform(0.0, 6.0)))
    return shapely.Polygon(middle + wobble[:, None] * np.column_stack([np.cos(turn), np.sin(turn)]))


def _unit(rng: Generator) -> NDArray[np.float64]:
    turn = rng.uniform(0.0, 2.0 * np.pi)
    return np.array([np.cos(turn), np.sin(turn)])
