"""Slumps get bodies: each life a toe, a headwall and a way down for its debris."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.simulate.landscape.shapes import band, bounds_of, ring_of, roughened
from rts_track.simulate.landscape.slumps import LATTICE_M, Layer, Slumps, lattice
from rts_track.simulate.life import Lives, live
from rts_track.simulate.shape import largest

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.params import LandscapeParams
    from rts_track.simulate.landscape.terrain import Terrain
    from rts_track.simulate.landscape.water import Water
    from rts_track.simulate.meeting import Slump
    from rts_track.simulate.region import Shore

_FULL_HEADWALL_M2 = 9_000.0
"""A slump of this area has the headwall that it will keep; smaller ones have lower ones."""
_HEADWALL_LIMITS_M = (1.5, 22.0)
_NECK_WIDTH = (0.3, 0.9)
"""How wide a slump's outlet is, as a share of what lies above: headwalls are amphitheatres."""
_NECK_LENGTH = (0.35, 0.7)
"""How far up the neck widens, as a share of the slump's first length."""
_NECK_STEP_M = 4.0
_TOE_BAND_M = 6.0
_TONGUE_STEP_M = 8.0
_TONGUE_STEPS = 60
_TONGUE_REACH = (0.6, 2.6)
"""Length of a tongue beside the root of its slump's area."""
_TONGUE_WIDTH = 0.24
"""Its width, likewise."""
_TONGUE_WIDTH_M = (7.0, 42.0)
_TONGUE_MAX_M = 4.0
_MIN_FALL = 0.006
"""Debris comes to rest where the ground falls less."""
_MIN_AREA_M2 = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Character:
    """What does not change in a slump's life.

    Attributes:
        toe_xy: where its ground leaves it; heading: the unit vector upslope from there.
        headwall_m: how high its headwall is once it is grown.
        tongue_reach: length of its tongue beside the root of its area.
        neck_frac: width of its outlet, as a share; neck_m: how far up that widens.
        is_inside: whether it began inside another scar.
    """

    toe_xy: NDArray[np.float64]
    heading: NDArray[np.float64]
    headwall_m: float
    tongue_reach: float
    neck_frac: float
    neck_m: float
    is_inside: bool


def settle(
    seed: int, params: LandscapeParams, terrain: Terrain, water: Water, shores: list[Shore]
) -> Slumps:
    """The slumps that the seed and the parameters put on the terrain."""
    life_rng, body_rng = np.random.default_rng([seed, 4]).spawn(2)
    lives = live(life_rng, params.history(), coast=shores)
    characters = _characters(body_rng, params, lives)
    bodies = _Bodies(seed, params, terrain, water)
    layers: dict[tuple[str, int], Layer] = {}
    for season_year, living in sorted(lives.slumps.items()):
        has_merged = {
            turn.related_object_id
            for turn in lives.turns
            if turn.kind == "merge" and turn.season_year <= season_year
        }
        for object_id, slump in sorted(living.items()):
            character = characters[object_id]
            if object_id in has_merged:  # its outline is no one amphitheatre any more
                character = replace(character, neck_frac=1.0)
            layer = bodies.layer(slump, season_year, character)
            if layer is not None:
                layers[object_id, season_year] = layer
    return Slumps(lives=lives, layers=layers)


def _characters(rng: Generator, params: LandscapeParams, lives: Lives) -> dict[str, _Character]:
    """By object id; what splits off a slump is of its character."""
    first: dict[str, Slump] = {}
    for season_year in sorted(lives.slumps):
        for object_id, slump in lives.slumps[season_year].items():
            first.setdefault(object_id, slump)
    began = {turn.object_id: turn for turn in lives.turns if turn.kind in ("split", "reinitiate")}
    characters: dict[str, _Character] = {}
    for object_id in sorted(first):  # ids ascend as slumps begin: parents before children
        character = _character(rng, params, first[object_id])
        turn = began.get(object_id)
        if turn is not None and turn.kind == "reinitiate":
            character = replace(character, is_inside=True)
        if turn is not None and turn.kind == "split" and turn.related_object_id in characters:
            character = characters[turn.related_object_id]
        characters[object_id] = character
    return characters


def _character(rng: Generator, params: LandscapeParams, slump: Slump) -> _Character:
    headwall_m = params.headwall_median_m * np.exp(rng.normal(0.0, params.headwall_log_sigma))
    ring = ring_of(slump.polygon)
    along = ring @ slump.heading
    low = ring[along <= along.min() + _TOE_BAND_M]
    return _Character(
        toe_xy=low.mean(axis=0),
        heading=slump.heading,
        headwall_m=float(np.clip(headwall_m, *_HEADWALL_LIMITS_M)),
        tongue_reach=float(rng.uniform(*_TONGUE_REACH)),
        neck_frac=float(rng.uniform(*_NECK_WIDTH)),
        neck_m=float(rng.uniform(*_NECK_LENGTH) * np.ptp(along)),
        is_inside=False,
    )


class _Bodies:
    """Makes layers of slumps."""

    def __init__(self, seed: int, params: LandscapeParams, terrain: Terrain, water: Water) -> None:
        """What the slumps lie in."""
        self._seed = seed
        self._params = params
        self._terrain = terrain
        self._water = water.polygon
        self._paths: dict[str, NDArray[np.float64]] = {}
        shapely.prepare(self._water)

    def layer(self, slump: Slump, season_year: int, character: _Character) -> Layer | None:
        """The slump as it is in the season; None where water leaves nothing of it."""
        scar = roughened(self._seed, _necked(slump.polygon, character))
        if shapely.intersects(self._water, scar):
            scar = largest(shapely.difference(scar, self._water))
        if scar.is_empty or scar.area < _MIN_AREA_M2:
            return None
        size = min(1.0, (scar.area / _FULL_HEADWALL_M2) ** 0.35)
        bare = Layer(
            object_id=slump.object_id,
            season_year=season_year,
            scar=scar,
            tongue=shapely.Polygon(),
            headwall_m=character.headwall_m * size,
            toe_m=float(self._terrain.height_at(ring_of(scar)).min()),
            generation=int(character.is_inside),
            tongue_m=0.0,
            growth_m_yr=slump.growth_m_yr,
            heading=slump.heading,
        )
        if slump.object_id not in self._paths:
            start = character.toe_xy + 0.5 * _TONGUE_STEP_M * character.heading
            self._paths[slump.object_id] = self._path(start, -character.heading)
        return self._loaded(bare, self._tongue(bare, character))

    def _path(self, start: NDArray[np.float64], way: NDArray[np.float64]) -> NDArray[np.float64]:
        """The way that debris takes from there: downslope until water or flat ground, (n, 2)."""
        path = [start]
        for _ in range(_TONGUE_STEPS):
            fall = -self._terrain.uphill(path[-1][None])[0]
            steepness = float(np.linalg.norm(fall))
            if steepness < _MIN_FALL and len(path) > 2:
                break
            way = 0.55 * way + 0.45 * fall / max(steepness, 1e-9)
            way = way / max(float(np.linalg.norm(way)), 1e-9)
            path.append(path[-1] + _TONGUE_STEP_M * way)
            if shapely.contains_xy(self._water, *path[-1]):
                break
        return np.array(path)

    def _tongue(self, layer: Layer, character: _Character) -> shapely.Polygon:
        """Where debris lies below the scar; empty where it does not get away from it."""
        path = self._paths[layer.object_id]
        root_m = float(np.sqrt(layer.scar.area))
        n = min(len(path), int(character.tongue_reach * root_m / _TONGUE_STEP_M) + 1)
        if n < 3:
            return shapely.Polygon()
        width_m = float(np.clip(_TONGUE_WIDTH * root_m, *_TONGUE_WIDTH_M))
        at = np.linspace(0.0, 1.0, n)
        shape = 1.0 - 0.35 * np.sin(np.pi * np.minimum(at / 0.8, 1.0)) + 0.2 * (at > 0.75)
        body = roughened(self._seed, band(path[:n], width_m * shape))
        return largest(shapely.difference(body, shapely.union_all([layer.scar, self._water])))

    def _loaded(self, bare: Layer, tongue: shapely.Polygon) -> Layer:
        """The layer with its tongue, as thick as what the scar lost makes it."""
        area_m2 = float(tongue.area)
        if area_m2 < _MIN_AREA_M2:
            return bare
        share = (1.0 - self._params.excess_ice_frac) * self._params.retained_frac
        points = lattice(bounds_of(bare.scar))
        everywhere = (slice(None), slice(None))
        depth_m = bare.depth_m(points, everywhere, self._terrain.at(points).height_m)
        eroded_m3 = float(depth_m.sum(dtype=np.float64)) * LATTICE_M**2
        return replace(
            bare, tongue=tongue, tongue_m=min(share * eroded_m3 / area_m2, _TONGUE_MAX_M)
        )


def _necked(polygon: shapely.Polygon, character: _Character) -> shapely.Polygon:
    """The polygon drawn in towards its toe; what lies in another one does so afterwards."""
    if character.neck_frac >= 1.0:
        return polygon
    heading = character.heading
    right = np.array([heading[1], -heading[0]])

    def drawn_in(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        along, across = (xy - character.toe_xy) @ heading, (xy - character.toe_xy) @ right
        up = np.clip(along / character.neck_m, 0.0, 1.0)
        narrow = character.neck_frac + (1.0 - character.neck_frac) * up * up * (3.0 - 2.0 * up)
        return np.asarray(xy + ((narrow - 1.0) * across)[:, None] * right)

    return largest(
        shapely.make_valid(shapely.transform(shapely.segmentize(polygon, 4.0), drawn_in))
    )
