"""What looks like a thaw slump and is none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from rts_track.simulate.landscape.points import Points, signed_distance
from rts_track.simulate.landscape.shapes import blob, bounds_of, ring_of, roughened
from rts_track.simulate.place import GROWN
from rts_track.simulate.shape import set_down, slump_polygon

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.params import LandscapeParams
    from rts_track.simulate.landscape.terrain import Terrain
    from rts_track.simulate.landscape.water import Water
    from rts_track.simulate.region import Shore

Kind = Literal["gravel_bar", "lake_shore", "bare_soil", "drained_lake", "burn", "old_scar"]
KINDS: tuple[Kind, ...] = (
    "gravel_bar",
    "lake_shore",
    "bare_soil",
    "drained_lake",
    "burn",
    "old_scar",
)
_SHARES = {"bare_soil": 0.5, "drained_lake": 0.1, "burn": 0.08, "old_scar": 0.32}
"""Of the look-alikes that are strewn about, how many are of which kind."""
_TRIES = 40
_CLEARANCE_M = 15.0
_DEPTH_M = {"old_scar": 3.0, "drained_lake": 1.2}
_SIDE_M = 14.0
"""Their sides have slumped to slopes so wide."""
_OLDEST = 6
"""A burn is at most so many seasons old when the first season begins."""


@dataclass(frozen=True)
class Lookalike:
    """One of them: its outline in the landscape's CRS, and the season in which it came to be.

    `from_year` is None where it was there all along. `strength`: how plain it is, 0.5 to 1.
    """

    kind: Kind
    polygon: shapely.Polygon
    from_year: int | None
    strength: float

    @cached_property
    def ring(self) -> NDArray[np.float64]:
        """Its outer ring, (n, 2), closed."""
        return ring_of(self.polygon)


def strew(
    seed: int,
    params: LandscapeParams,
    terrain: Terrain,
    water: Water,
    shores: list[Shore],
    slumps: shapely.Geometry,
) -> tuple[Lookalike, ...]:
    """The look-alikes of a landscape; none on water, slumps of any season, or another."""
    rng = np.random.default_rng([seed, 3])
    found = [_always(rng, "gravel_bar", bar) for bar in water.bars]
    found += [
        _always(rng, "lake_shore", rim)
        for lake in water.lakes
        if lake.rim_m > 3.0
        and (rim := shapely.difference(shapely.buffer(lake.polygon, lake.rim_m), lake.polygon))
    ]
    n = rng.poisson(params.lookalikes_per_km2 * params.area_km2)
    kinds = rng.choice(list(_SHARES), size=n, p=list(_SHARES.values()))
    taken = [water.polygon, slumps, *(each.polygon for each in found)]
    for kind in kinds.tolist():
        placed = _placed(rng, seed, params, terrain, shores, taken, kind)
        if placed is not None:
            found.append(placed)
            taken.append(placed.polygon)
    return tuple(found)


def sunk_m(lookalikes: tuple[Lookalike, ...], points: Points) -> NDArray[np.float32]:
    """How much lower old scars and drained lakes lie than the land about them, metres, (H, W)."""
    sunk = np.zeros(points.shape, dtype=np.float32)
    for each in lookalikes:
        depth_m = _DEPTH_M.get(each.kind, 0.0) * each.strength
        part = points.near(bounds_of(each.polygon)) if depth_m > 0.0 else None
        if part is not None:
            off_m = signed_distance(points.x[part], points.y[part], each.ring, 1.0)
            at = np.clip(-off_m / _SIDE_M, 0.0, 1.0)
            sunk[part] = np.maximum(sunk[part], np.float32(depth_m) * at * at * (3.0 - 2.0 * at))
    return sunk


def _always(rng: Generator, kind: Kind, polygon: shapely.Polygon) -> Lookalike:
    return Lookalike(
        kind=kind, polygon=polygon, from_year=None, strength=float(rng.uniform(0.6, 1.0))
    )


def _placed(
    rng: Generator,
    seed: int,
    params: LandscapeParams,
    terrain: Terrain,
    shores: list[Shore],
    taken: list[shapely.Geometry],
    kind: Kind,
) -> Lookalike | None:
    """One of that kind where there is room; None where none was found."""
    low = np.array(params.south_west_m)
    for _ in range(_TRIES):
        middle = low + rng.uniform(0.03, 0.97, 2) * params.extent_m
        polygon = _SHAPES[kind](rng, terrain, shores, middle)
        if polygon is None:
            continue
        polygon = roughened(seed, polygon)
        if not shapely.dwithin(np.array(taken), polygon, _CLEARANCE_M).any():
            from_year = None
            if kind == "burn":
                from_year = params.first_year + int(rng.integers(-_OLDEST, params.n_seasons))
            return Lookalike(
                kind=kind,
                polygon=polygon,
                from_year=from_year,
                strength=float(rng.uniform(0.5, 1.0)),
            )
    return None


def _bare_soil(
    rng: Generator, terrain: Terrain, shores: list[Shore], middle: NDArray[np.float64]
) -> shapely.Polygon | None:
    """Eroding slopes and blow-outs: mostly where it is steep, stretched downslope."""
    rise = terrain.uphill(middle[None])[0]
    steepness = float(np.linalg.norm(rise))
    if rng.random() > 0.06 + 4.0 * steepness:
        return None
    radius_m = float(np.exp(rng.uniform(*np.log((13.0, 60.0)))))
    along = rise / max(steepness, 1e-9)
    return blob(rng, middle, radius_m, stretch=rng.uniform(1.0, 2.5), along=along, roughness=0.22)


def _drained_lake(
    rng: Generator, terrain: Terrain, shores: list[Shore], middle: NDArray[np.float64]
) -> shapely.Polygon | None:
    if float(np.linalg.norm(terrain.uphill(middle[None])[0])) > 0.04:
        return None
    return blob(rng, middle, float(rng.uniform(50.0, 150.0)), stretch=rng.uniform(1.0, 1.8))


def _burn(
    rng: Generator, terrain: Terrain, shores: list[Shore], middle: NDArray[np.float64]
) -> shapely.Polygon | None:
    return blob(
        rng,
        middle,
        float(rng.uniform(90.0, 260.0)),
        stretch=rng.uniform(1.0, 2.5),
        roughness=0.3,
    )


def _old_scar(
    rng: Generator, terrain: Terrain, shores: list[Shore], middle: NDArray[np.float64]
) -> shapely.Polygon | None:
    """A slump that came to rest long ago and is green again."""
    shore = shores[int(rng.integers(len(shores)))]
    spot = int(rng.integers(len(shore.xy)))
    return set_down(slump_polygon(rng, GROWN.draw(rng)), shore.xy[spot], shore.upslope[spot])


_SHAPES: dict[
    str,
    Callable[
        [Generator, Terrain, list[Shore], NDArray[np.float64]],
        shapely.Polygon | None,
    ],
] = {
    "bare_soil": _bare_soil,
    "drained_lake": _drained_lake,
    "burn": _burn,
    "old_scar": _old_scar,
}
