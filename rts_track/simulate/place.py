"""Where slumps begin: in clusters along shores, none on another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.errors import UsageError
from rts_track.simulate.region import SHORE_STEP_M
from rts_track.simulate.shape import set_down, slump_polygon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.params import HistoryParams
    from rts_track.simulate.region import Shore

_TRIES_IN_VAIN = 200
_MEAN_CLUSTER = 4.0
_MEAN_GAP_M = 8.0
_TURN_SIGMA = 0.15
_NEAR_AZIMUTH = 0.25
_INSIDE_TRIES = 20
_INSIDE_FRAC = 0.9
"""A slump that begins in a scar lies in it to at least this share."""
_INSIDE_CLEARANCE_M = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Areas of slumps: lognormal, held between limits; and how far they keep from each other."""

    median_m2: float
    log_sigma: float
    limits_m2: tuple[float, float]
    clearance_m: float

    def draw(self, rng: Generator) -> float:
        """One area, in m2."""
        return float(
            np.clip(self.median_m2 * np.exp(rng.normal(0.0, self.log_sigma)), *self.limits_m2)
        )


GROWN = Sizes(median_m2=9_000.0, log_sigma=0.6, limits_m2=(3_000.0, 30_000.0), clearance_m=3.0)
"""Slumps that have been there for years."""
FRESH = Sizes(median_m2=900.0, log_sigma=0.3, limits_m2=(500.0, 1_500.0), clearance_m=25.0)
"""Slumps in their first season."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A slump's first outline and its unit vector upslope."""

    polygon: shapely.Polygon
    heading: NDArray[np.float64]


def place(
    rng: Generator,
    params: HistoryParams,
    shores: list[Shore],
    taken: list[shapely.Polygon],
    n: int,
    sizes: Sizes,
) -> list[Placed]:
    """`n` slumps that keep their distance from the taken ground and from each other.

    UsageError where the area is too small for them.
    """
    ground = _Ground(taken)
    placed: list[Placed] = []
    n_in_vain = 0
    while len(placed) < n and n_in_vain < _TRIES_IN_VAIN:
        n_in_vain += 1
        for slump in _cluster(rng, params, shores, sizes):
            if len(placed) < n and ground.takes(slump.polygon, sizes.clearance_m):
                placed.append(slump)
                n_in_vain = 0
    if len(placed) < n:
        raise UsageError(
            f"n_slumps = {params.n_slumps}: extent_m = {params.extent_m} is too small for them"
        )
    return placed


def place_inside(
    rng: Generator,
    scar: shapely.Polygon,
    heading: NDArray[np.float64],
    taken: list[shapely.Polygon],
) -> Placed | None:
    """A fresh slump in the scar that faces about its way; None where no room was found."""
    ground = _Ground(taken)
    low, high = np.array(shapely.bounds(scar)).reshape(2, 2)
    for _ in range(_INSIDE_TRIES):
        facing = _turned(heading, rng.normal(0.0, _TURN_SIGMA))
        fresh = slump_polygon(rng, FRESH.draw(rng))
        polygon = set_down(fresh, rng.uniform(low, high), facing)
        inside_m2 = float(shapely.area(shapely.intersection(polygon, scar)))
        is_inside = inside_m2 >= _INSIDE_FRAC * float(shapely.area(polygon))
        if is_inside and ground.takes(polygon, _INSIDE_CLEARANCE_M):
            return Placed(polygon=polygon, heading=facing)
    return None


def _cluster(
    rng: Generator, params: HistoryParams, shores: list[Shore], sizes: Sizes
) -> Iterator[Placed]:
    """Slumps side by side along a shore, from a place that faces about the preferred way."""
    lengths = np.array([len(shore.xy) for shore in shores], dtype=np.float64)
    shore = shores[int(rng.choice(len(shores), p=lengths / lengths.sum()))]
    azimuth = rng.vonmises(np.radians(params.preferred_azimuth_deg), params.azimuth_kappa)
    off = np.abs(np.angle(np.exp(1j * (shore.azimuth - azimuth))))
    starts = np.flatnonzero(off < _NEAR_AZIMUTH)
    n = int(rng.geometric(1.0 / _MEAN_CLUSTER))
    if len(starts) == 0:
        return
    at = float(starts[int(rng.integers(len(starts)))])
    for _ in range(n):
        polygon = slump_polygon(rng, sizes.draw(rng))
        left_m, _, right_m, _ = shapely.bounds(polygon)
        at -= left_m / SHORE_STEP_M
        spot = int(at) % len(shore.xy)
        heading = _turned(shore.upslope[spot], rng.normal(0.0, _TURN_SIGMA))
        yield Placed(polygon=set_down(polygon, shore.xy[spot], heading), heading=heading)
        at += (right_m + rng.exponential(_MEAN_GAP_M)) / SHORE_STEP_M


class _Ground:
    """The ground that slumps already take."""

    def __init__(self, taken: list[shapely.Polygon]) -> None:
        self._taken = list(taken)
        self._bounds = [shapely.bounds(polygon) for polygon in taken]

    def takes(self, polygon: shapely.Polygon, clearance_m: float) -> bool:
        """Whether there is room for the slump; if so, it is taken from now on."""
        bounds = shapely.bounds(polygon)
        if any(
            shapely.dwithin(self._taken[row], polygon, clearance_m)
            for row in self._near(bounds, clearance_m)
        ):
            return False
        self._taken.append(polygon)
        self._bounds.append(bounds)
        return True

    def _near(self, bounds: NDArray[np.float64], within_m: float) -> list[int]:
        taken = np.array(self._bounds).reshape(-1, 4)
        is_near = (taken[:, :2] <= bounds[2:] + within_m) & (taken[:, 2:] >= bounds[:2] - within_m)
        near: list[int] = np.flatnonzero(is_near.all(axis=1)).tolist()
        return near


def _turned(vector: NDArray[np.float64], by_rad: float) -> NDArray[np.float64]:
    cos, sin = np.cos(by_rad), np.sin(by_rad)
    return np.array([vector[0] * cos - vector[1] * sin, vector[0] * sin + vector[1] * cos])
