"""The land before slumps: heights and wetness at any point, from the coarse relief and noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from rts_track.simulate.landscape.noise import fractal
from rts_track.simulate.landscape.relief import CELL_M, Relief, erode
from rts_track.track.rings import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.params import LandscapeParams
    from rts_track.simulate.landscape.points import Points

_WARP_M = 11.0
_WARP_WAVE_M = 110.0
"""The relief is read at places so far off: valley sides get spurs that its lattice cannot hold."""
_DETAIL_M = 0.45
_DETAIL_WAVE_M = 90.0
_SLOPE_STEP_M = 30.0


class Land(NamedTuple):
    """The land at some points: height in metres, and wetness, about 0 (ridge) to 1 (stream)."""

    height_m: NDArray[np.float32]
    wetness: NDArray[np.float32]


@dataclass(frozen=True)
class Terrain:
    """The land before water and slumps were put in."""

    seed: int
    relief: Relief

    @classmethod
    def of(cls, seed: int, params: LandscapeParams) -> Terrain:
        """The terrain that the seed and the parameters make."""
        return cls(seed=seed, relief=erode(seed, params))

    def at(self, points: Points) -> Land:
        """Height and wetness at the points, each (H, W) float32."""
        x, y = points.x, points.y
        warp_x = fractal(x, y, seed=self.seed + 21, wavelength_m=_WARP_WAVE_M, n_octaves=3)
        warp_y = fractal(x, y, seed=self.seed + 31, wavelength_m=_WARP_WAVE_M, n_octaves=3)
        row, column = self._lattice(x + _WARP_M * warp_x, y + _WARP_M * warp_y)
        height_m = _spline(self._height, row, column)
        detail = fractal(
            x, y, seed=self.seed + 41, wavelength_m=_DETAIL_WAVE_M, n_octaves=5, gain=0.45
        )
        return Land(
            height_m=height_m + np.float32(_DETAIL_M) * detail,
            wetness=_spline(self._wetness, row, column),
        )

    def height_at(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height of the smooth land at points (n, 2); no warp, no detail."""
        row, column = self._lattice(xy[:, :1], xy[:, 1:])
        return _spline(self._height, row, column)[:, 0].astype(np.float64)

    def uphill(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """The smooth land's rise at points, metres a metre east and north; (n, 2)."""
        rise = np.empty_like(xy)
        for axis in (0, 1):
            step = np.zeros(2)
            step[axis] = _SLOPE_STEP_M
            rise[:, axis] = self.height_at(xy + step) - self.height_at(xy - step)
        return rise / (2.0 * _SLOPE_STEP_M)

    def _lattice(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        west, south = self.relief.origin_xy
        return (y - south) / CELL_M, (x - west) / CELL_M

    @cached_property
    def _height(self) -> NDArray[np.float64]:
        return np.asarray(ndimage.spline_filter(self.relief.height_m, order=3, mode="mirror"))

    @cached_property
    def _wetness(self) -> NDArray[np.float64]:
        wet = ndimage.gaussian_filter(self.relief.wetness, 0.6, mode="nearest")
        scaled = np.clip((wet - 3.2) / (6.0 - 3.2), 0.0, 1.0)
        return np.asarray(ndimage.spline_filter(scaled, order=3, mode="mirror"))


def _spline(
    coefficients: NDArray[np.float64], row: NDArray[np.float64], column: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The cubic spline at lattice coordinates; beyond the lattice its edge goes on."""
    out = np.empty(row.shape, dtype=np.float32)
    _spline_into(coefficients, row, column, out)
    return out


@compiled
def _spline_into(
    coefficients: NDArray[np.float64],
    row: NDArray[np.float64],
    column: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    last_row, last_column = coefficients.shape[0] - 1, coefficients.shape[1] - 1
    for line in range(row.shape[0]):
        for pixel in range(row.shape[1]):
            v = min(max(row[line, pixel], 0.0), np.float64(last_row))
            u = min(max(column[line, pixel], 0.0), np.float64(last_column))
            low, left = int(np.floor(v)), int(np.floor(u))
            total = 0.0
            for step_v in range(-1, 3):
                weight_v = _weight(v - low - step_v)
                at_row = _mirrored(low + step_v, last_row)
                part = 0.0
                for step_u in range(-1, 3):
                    at_column = _mirrored(left + step_u, last_column)
                    part += _weight(u - left - step_u) * coefficients[at_row, at_column]
                total += weight_v * part
            out[line, pixel] = total


@compiled
def _weight(off: float) -> float:
    """The cubic B-spline so far from its knot."""
    off = np.abs(off)
    if off < 1.0:
        return 2.0 / 3.0 - off * off + off * off * off / 2.0
    if off < 2.0:
        rest = 2.0 - off
        return rest * rest * rest / 6.0
    return 0.0


@compiled
def _mirrored(at: int, last: int) -> int:
    at = abs(at)
    return 2 * last - at if at > last else at
