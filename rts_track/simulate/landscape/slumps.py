"""Slumps on the terrain: their scars season by season, their debris tongues, what they move.

Their lives are those of a simulated history (`simulate.life`); here each scar gets a headwall,
takes ground away behind it, and lays part of that down on a tongue below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

from rts_track.simulate.landscape.points import Points, signed_distance
from rts_track.simulate.landscape.shapes import bounds_of, ring_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rts_track.simulate.life import Lives

_TOE_FRAC = 0.12
"""How deep a scar is at its toe, as a share of its headwall."""
_RISE_FRAC = 0.5
"""How much of the ground's rise above the toe a scar takes away, up to the headwall's height."""
_STEEPNESS = 1.1
"""Rise over run of a headwall's face; some 48 degrees."""
_TONGUE_EDGE_M = 6.0
LATTICE_M = 2.0
"""Volumes are summed over points so far apart."""


@dataclass(frozen=True)
class Layer:
    """A slump as it was in a season in which it was active.

    Attributes:
        object_id: whose it is; season_year: and when.
        scar: where ground has gone, in the landscape's CRS.
        tongue: where debris lies; empty where there is none; it does not overlap the scar.
        headwall_m: how high the headwall is where it is highest.
        toe_m: how high the ground was at the toe.
        generation: 1 where it began inside another scar, else 0.
        tongue_m: how thick the tongue is on average.
        growth_m_yr: how fast its headwall retreats.
        heading: the unit vector upslope.
    """

    object_id: str
    season_year: int
    scar: shapely.Polygon
    tongue: shapely.Polygon
    headwall_m: float
    toe_m: float
    generation: int
    tongue_m: float
    growth_m_yr: float
    heading: NDArray[np.float64]

    @cached_property
    def ring(self) -> NDArray[np.float64]:
        """The scar's outline, (n, 2), closed."""
        return ring_of(self.scar)

    @cached_property
    def tongue_ring(self) -> NDArray[np.float64]:
        """The tongue's outline, (n, 2), closed."""
        return ring_of(self.tongue)

    @property
    def face_m(self) -> float:
        """How far the headwall's face reaches into the scar."""
        return max(2.5, self.headwall_m / _STEEPNESS)

    def depth_m(
        self, points: Points, part: tuple[slice, slice], land_m: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """How much ground has gone at that part of the points, `land_m` high before; (h, w)."""
        distance_m = signed_distance(points.x[part], points.y[part], self.ring, 1.0)
        rise_m = np.maximum(land_m[part] - self.toe_m, 0.0)
        floor_m = np.minimum(_TOE_FRAC * self.headwall_m + _RISE_FRAC * rise_m, self.headwall_m)
        return np.asarray(floor_m * _eased(-distance_m / self.face_m), dtype=np.float32)

    def debris_m(self, points: Points, part: tuple[slice, slice]) -> NDArray[np.float32]:
        """How thick debris lies at that part of the points, (h, w)."""
        distance_m = signed_distance(points.x[part], points.y[part], self.tongue_ring, 1.0)
        return np.asarray(self.tongue_m * _eased(-distance_m / _TONGUE_EDGE_M), dtype=np.float32)


class Shown(NamedTuple):
    """A layer that the ground shows, for how many seasons it has lain still, and whose it is now.

    `still` 0 is active. `heir` is the slump that it has grown into, mostly itself.
    """

    layer: Layer
    still: int
    heir: str


@dataclass(frozen=True)
class Slumps:
    """All slumps of a landscape: their lives, and their layers by object id and season."""

    lives: Lives
    layers: dict[tuple[str, int], Layer]

    def painted(self, season_year: int) -> list[Shown]:
        """The layers that the ground shows in a season, oldest first.

        What came apart or stopped stays under what is active now.
        """
        return [
            Shown(self.layers[key], still, heir)
            for key, still, heir in self._shown.get(season_year, [])
            if key in self.layers
        ]

    def everywhere(self) -> shapely.Geometry:
        """All ground that is scar or tongue in any season."""
        layers = self.layers.values()
        return shapely.union_all([part for each in layers for part in (each.scar, each.tongue)])

    @cached_property
    def _shown(self) -> dict[int, list[tuple[tuple[str, int], int, str]]]:
        return {season: list(self._shown_in(season)) for season in self.lives.slumps}

    def _shown_in(self, season_year: int) -> Iterator[tuple[tuple[str, int], int, str]]:
        turns = [turn for turn in self.lives.turns if turn.season_year <= season_year]
        divided = {
            (str(turn.related_object_id), turn.season_year - 1)
            for turn in turns
            if turn.kind == "split"
        }
        into = {
            turn.object_id: str(turn.related_object_id) for turn in turns if turn.kind == "merge"
        }
        last: dict[str, int] = {}
        for season in sorted(self.lives.slumps):
            if season <= season_year:
                last |= dict.fromkeys(self.lives.slumps[season], season)
        keys = {*last.items(), *divided}
        for object_id, season in sorted(keys, key=lambda key: (key[1], key[0])):
            heir = object_id
            while heir in into:
                heir = into[heir]
            is_gone = (object_id, season) in divided
            still = season_year - (season if is_gone else last[heir])
            yield (object_id, season), still, heir


def lattice(bounds: tuple[float, float, float, float]) -> Points:
    """Points two metres apart over the bounds, at the same places whatever the bounds are."""
    west, south, east, north = (np.floor(side / LATTICE_M) for side in bounds)
    x, y = np.meshgrid(
        LATTICE_M * (np.arange(west, east + 1) + 0.5),
        LATTICE_M * (np.arange(north, south - 1, -1) + 0.5),
    )
    return Points.at(x, y, LATTICE_M)


def relief_change(
    slumps: Slumps, points: Points, land_m: NDArray[np.float32], season_year: int
) -> NDArray[np.float32]:
    """How much higher the ground is than before all slumps, in metres; negative where it went.

    Where scars of one generation overlap the deeper counts; what began inside a scar goes deeper.
    """
    gone_m = np.zeros((2, *points.shape), dtype=np.float32)
    laid_m = np.zeros(points.shape, dtype=np.float32)
    for shown in slumps.painted(season_year):
        layer = shown.layer
        part = points.near(bounds_of(layer.scar))
        if part is not None:
            depth_m = layer.depth_m(points, part, land_m)
            generation = gone_m[layer.generation]
            generation[part] = np.maximum(generation[part], depth_m)
        if not layer.tongue.is_empty and (part := points.near(bounds_of(layer.tongue))):
            laid_m[part] = np.maximum(laid_m[part], layer.debris_m(points, part))
    gone_m[0] += 0.6 * gone_m[1]
    return np.where(gone_m[0] > 0.0, -gone_m[0], laid_m)


def _eased(at: NDArray[np.float32]) -> NDArray[np.float32]:
    """From 0 below 0 to 1 above 1, smoothly."""
    held = np.clip(at, 0.0, 1.0)
    return np.asarray(held * held * (3.0 - 2.0 * held))
