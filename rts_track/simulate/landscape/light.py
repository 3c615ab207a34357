"""Light on the ground: where the sun stands, and how slopes that face it are brighter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.simulate.landscape.materials import WAVELENGTH_NM

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KNOTS_NM = (443.0, 665.0, 865.0, 2190.0)
_DIRECT_FRAC = (0.45, 0.70, 0.80, 0.90)
"""Share of the light that comes from the sun itself, by wavelength: the sky lights the rest."""
_LEAST = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Sun:
    """Where the sun stands: degrees clockwise from grid north, and above the horizon."""

    azimuth_deg: float
    elevation_deg: float

    def towards(self) -> tuple[float, float]:
        """The unit vector towards it in plan, east and north."""
        azimuth = np.radians(self.azimuth_deg)
        return float(np.sin(azimuth)), float(np.cos(azimuth))


def light(
    height_m: NDArray[np.float32], gsd_m: float, sun: Sun, bands: tuple[str, ...]
) -> NDArray[np.float32]:
    """How bright the ground is beside level ground, (bands, H - 2, W - 2).

    `height_m` is (H, W), the first row northernmost: one pixel more on each side than is lit.
    """
    rise_east = (height_m[1:-1, 2:] - height_m[1:-1, :-2]) / np.float32(2.0 * gsd_m)
    rise_north = (height_m[:-2, 1:-1] - height_m[2:, 1:-1]) / np.float32(2.0 * gsd_m)
    east, north = sun.towards()
    facing = 1.0 - (rise_east * east + rise_north * north) / np.tan(np.radians(sun.elevation_deg))
    facing /= np.sqrt(1.0 + rise_east**2 + rise_north**2)
    lit = np.maximum(facing, _LEAST).astype(np.float32)
    direct = np.interp([WAVELENGTH_NM[band] for band in bands], _KNOTS_NM, _DIRECT_FRAC)
    return np.asarray(1.0 + direct.astype(np.float32)[:, None, None] * (lit - 1.0))
