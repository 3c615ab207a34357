"""The ground on which simulated slumps lie: a plane in metres, and shores for them to begin at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.params import HistoryParams

SHORE_STEP_M = 10.0
_LAKE_RADIUS_M = (150.0, 900.0)
_KM2_PER_LAKE = 9.0
_VALLEY_AMPLITUDE_M = 400.0
_VALLEY_WAVELENGTH_M = 3_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Metres east and north of a centre; areas are those of EPSG:6931 exactly.

    The plane is EPSG:6931 seen through one linear map, the one that makes lengths at the centre
    true on the ground. Over 20 km lengths are off by less than 1e-3.
    """

    centre_xy: NDArray[np.float64]
    to_plane: NDArray[np.float64]
    """(2, 2) EPSG:6931 displacement of one metre east (first column) and north (second)."""

    @classmethod
    def at(cls, lon: float, lat: float) -> Plane:
        """The plane whose origin lies at that longitude and latitude."""
        x, y = grid.transformer(grid.LONLAT_CRS, grid.METRIC_CRS).transform([lon], [lat])
        x, y = np.asarray(x), np.asarray(y)
        east = grid.from_ground(1.0, 0.0, x, y)
        north = grid.from_ground(0.0, 1.0, x, y)
        return cls(
            centre_xy=np.array([x[0], y[0]]),
            to_plane=np.array([[east[0][0], north[0][0]], [east[1][0], north[1][0]]]),
        )

    def from_lonlat(self, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        """WGS 84 geometries in the plane; halves split at the antimeridian are one again."""
        to_ground = np.linalg.inv(self.to_plane)
        metric = grid.to_metric(geometries)
        moved = shapely.transform(metric, lambda xy: (xy - self.centre_xy) @ to_ground.T)
        return np.asarray(moved)

    def to_lonlat(self, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        """The plane's polygons as WGS 84 MultiPolygons, split at the antimeridian."""
        metric = shapely.transform(geometries, lambda xy: xy @ self.to_plane.T + self.centre_xy)
        return grid.to_lonlat(metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shore:
    """Places SHORE_STEP_M apart where slumps begin, and the unit vector upslope at each; (n, 2).

    Who faces upslope has the next place to the right.
    """

    xy: NDArray[np.float64]
    upslope: NDArray[np.float64]

    @property
    def azimuth(self) -> NDArray[np.float64]:
        """Direction upslope, radians clockwise from north."""
        return np.asarray(np.arctan2(self.upslope[:, 0], self.upslope[:, 1]))


def shores(rng: Generator, params: HistoryParams) -> list[Shore]:
    """Lake shores and both sides of a few valleys, inside the area."""
    width_m, height_m = params.extent_m
    n_lakes = max(3, round(width_m * height_m / 1e6 / _KM2_PER_LAKE))
    n_valleys = max(1, round(width_m / 8_000.0))
    lakes = [_lake_shore(rng, params) for _ in range(n_lakes)]
    valleys = [side for _ in range(n_valleys) for side in _valley_sides(rng, params)]
    return lakes + valleys


def _lake_shore(rng: Generator, params: HistoryParams) -> Shore:
    """A closed wobbly shore; upslope is away from the water."""
    radius_m = np.exp(rng.uniform(*np.log(_LAKE_RADIUS_M)))
    centre = rng.uniform(-0.5, 0.5, 2) * (np.asarray(params.extent_m) - 2.0 * radius_m)
    turn = np.linspace(0.0, 2.0 * np.pi, max(12, int(2.0 * np.pi * radius_m / SHORE_STEP_M)))[:-1]
    waves = [
        rng.normal(0.0, 0.12 / wave) * np.sin(wave * turn + rng.uniform(0.0, 2.0 * np.pi))
        for wave in (2, 3, 5)
    ]
    wobble = 1.0 + np.sum(waves, axis=0)
    stretch = rng.uniform(0.6, 1.0)
    ring = radius_m * wobble[:, None] * np.column_stack([np.cos(turn), stretch * np.sin(turn)])
    return _shore(centre + ring[::-1])


def _valley_sides(rng: Generator, params: HistoryParams) -> tuple[Shore, Shore]:
    """The two sides of a winding valley; upslope is away from its floor."""
    width_m, height_m = params.extent_m
    along_m = np.arange(-0.45 * height_m, 0.45 * height_m, SHORE_STEP_M)
    phase = rng.uniform(0.0, 2.0 * np.pi)
    wave = np.sin(along_m / _VALLEY_WAVELENGTH_M * 2.0 * np.pi + phase)
    middle = rng.uniform(-0.4, 0.4) * width_m + rng.uniform(-0.3, 0.3) * along_m
    floor = np.column_stack([middle + _VALLEY_AMPLITUDE_M * wave, along_m])
    half_m = rng.uniform(20.0, 80.0)
    aside = half_m * _left_of(np.gradient(floor, axis=0))
    return _shore(floor + aside), _shore((floor - aside)[::-1])


def _shore(line: NDArray[np.float64]) -> Shore:
    """The shore along that line, with upslope to its left."""
    steps_m = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along_m = np.r_[0.0, np.cumsum(steps_m)]
    at_m = np.arange(0.0, along_m[-1], SHORE_STEP_M)
    xy = np.column_stack([np.interp(at_m, along_m, line[:, axis]) for axis in (0, 1)])
    return Shore(xy=xy, upslope=_left_of(np.gradient(xy, axis=0)))


def _left_of(along: NDArray[np.float64]) -> NDArray[np.float64]:
    """The unit vectors a quarter turn anticlockwise from these."""
    left = np.column_stack([-along[:, 1], along[:, 0]])
    return np.asarray(left / np.linalg.norm(left, axis=1, keepdims=True))
