"""Clouds with their shadows, and haze: where they are, and what masks make of them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rts_track.simulate.landscape.noise import fractal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.light import Sun

    Values = NDArray[np.float32]

_CLOUD_WAVE_M = 1_500.0
_HAZE_WAVE_M = 4_000.0
_EDGE = 0.45
"""How soft a cloud's edge is, in standard deviations of its noise."""
_CLEAR_FRAC = 0.002
"""A sky with less cloud has none."""
_FLAG_WAVE_M = 180.0
_FLAG_SIGMA = 0.13
_SHADOW_SLIP_M = 40.0
HIDDEN = 0.12
"""Cloud, shadow or haze of this strength hides the ground, in truth."""
_HAZE_HIDES = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """What is in the air over a landscape when a scene is acquired.

    Attributes:
        seed: of its noise.
        cloud_frac: share under cloud.
        haze: how strong the haze is where it is strongest, 0 to 1.
        height_m: how high the clouds are.
        sun: where the sun stands.
    """

    seed: int
    cloud_frac: float
    haze: float
    height_m: float
    sun: Sun

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Air:
        """The air over points, (H, W)."""
        cloud = self._cloud(x, y)
        return Air(
            cloud=cloud, shadow=self._shadow(x, y, 0.0) * (1.0 - cloud), haze=self._haze(x, y)
        )

    def flags(self, x: NDArray[np.float64], y: NDArray[np.float64], air: Air) -> Air:
        """The air as a mask's makers see it: strengths that are off, shadows that slipped."""
        off = np.float32(_FLAG_SIGMA) * fractal(
            x, y, seed=self.seed + 3, wavelength_m=_FLAG_WAVE_M, n_octaves=3
        )
        return Air(
            cloud=np.where(air.cloud > 0.0, air.cloud + off, 0.0),
            shadow=self._shadow(x, y, _SHADOW_SLIP_M) * (1.0 - air.cloud),
            haze=air.haze + 1.3 * off * (air.haze > 0.0),
        )

    def _cloud(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Values:
        if self.cloud_frac < _CLEAR_FRAC:
            return np.zeros(x.shape, dtype=np.float32)
        billow = fractal(x, y, seed=self.seed, wavelength_m=_CLOUD_WAVE_M, n_octaves=6, gain=0.55)
        begins = NormalDist().inv_cdf(1.0 - self.cloud_frac)
        rising = np.clip((billow - np.float32(begins)) / np.float32(_EDGE), 0.0, 1.0)
        return np.asarray(rising * rising * (3.0 - 2.0 * rising), dtype=np.float32)

    def _shadow(self, x: NDArray[np.float64], y: NDArray[np.float64], slip_m: float) -> Values:
        """The shadow of the cloud that stands towards the sun."""
        if self.cloud_frac < _CLEAR_FRAC:
            return np.zeros(x.shape, dtype=np.float32)
        away_m = self.height_m / np.tan(np.radians(self.sun.elevation_deg)) + slip_m
        east, north = self.sun.towards()
        return self._cloud(x + away_m * east, y + away_m * north)

    def _haze(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Values:
        if self.haze <= 0.0:
            return np.zeros(x.shape, dtype=np.float32)
        veil = fractal(x, y, seed=self.seed + 17, wavelength_m=_HAZE_WAVE_M, n_octaves=4)
        rising = np.clip((veil - np.float32(0.2)) / np.float32(2.3), 0.0, 1.0)
        return np.asarray(np.float32(self.haze) * rising, dtype=np.float32)


class Air(NamedTuple):
    """Cloud, shadow and haze over points, each 0 to 1."""

    cloud: Values
    shadow: Values
    haze: Values

    def hides(self) -> NDArray[np.bool_]:
        """Where the ground cannot be made out."""
        return np.asarray(
            (self.cloud > HIDDEN) | (self.shadow > 2.0 * HIDDEN) | (self.haze > _HAZE_HIDES)
        )
