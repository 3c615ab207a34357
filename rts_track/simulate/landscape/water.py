"""Lakes on the plateau, and the river in the trunk valley with its gravel bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely
from scipy import ndimage

from rts_track.simulate.landscape.points import beside_line, signed_distance
from rts_track.simulate.landscape.relief import CELL_M, MARGIN_M
from rts_track.simulate.landscape.shapes import band, blob, bounds_of, ring_of, roughened

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.params import LandscapeParams
    from rts_track.simulate.landscape.points import Points
    from rts_track.simulate.landscape.relief import Relief
    from rts_track.simulate.landscape.terrain import Terrain

RIVER_KM2 = 100.0
"""What drains so much is a river: only the trunk does, which drains land far away."""
SHORE_BLEND_M = 70.0
"""So far from a lake the ground begins to fall to its level."""
BANK_BLEND_M = 28.0
"""The same for the river."""
_RIVER_DEPTH_M = 0.5
_BENDS_M = ((520.0, 26.0), (240.0, 11.0))
"""Wavelength and swing of the river's bends."""
_LAKE_RADIUS_M = (45.0, 230.0)
_LAKE_MAX_RISE = 0.055
_LAKE_CLEARANCE_M = 160.0
_LAKE_MAX_KM2 = 0.4
"""No lake lies where more than this drains through: a stream would."""
_LAKE_TRIES = 60
_REACH = 12
_RIVER_WIDTH_M = (24.0, 38.0)
_BAR_STEP_M = 260.0
_BAR_LENGTH_M = (70.0, 240.0)
_BAR_WIDTH_M = (12.0, 42.0)


@dataclass(frozen=True)
class Lake:
    """A lake: its outline, its level, and the width of the bare rim about it."""

    polygon: shapely.Polygon
    level_m: float
    rim_m: float

    @cached_property
    def ring(self) -> NDArray[np.float64]:
        """Its shore, (n, 2), closed."""
        return ring_of(self.polygon)

    def reach(self) -> tuple[float, float, float, float]:
        """Bounds of the ground that it shapes."""
        return bounds_of(self.polygon, SHORE_BLEND_M)


class Reach(NamedTuple):
    """A piece of the river: its middle line (n, 2), and its width and level at the vertices."""

    line: NDArray[np.float64]
    width_m: NDArray[np.float64]
    level_m: NDArray[np.float64]

    def bounds(self, within_m: float) -> tuple[float, float, float, float]:
        """Bounds of what lies so near its banks."""
        reach_m = float(self.width_m.max()) / 2.0 + within_m
        (west, south), (east, north) = self.line.min(axis=0), self.line.max(axis=0)
        return west - reach_m, south - reach_m, east + reach_m, north + reach_m


@dataclass(frozen=True)
class Water:
    """All water: lakes; the river's middle line, width and level at its vertices; gravel bars."""

    lakes: tuple[Lake, ...]
    river: NDArray[np.float64]
    river_width_m: NDArray[np.float64]
    river_level_m: NDArray[np.float64]
    bars: tuple[shapely.Polygon, ...]

    @cached_property
    def river_polygon(self) -> shapely.Polygon:
        """The river as a polygon."""
        return band(self.river, self.river_width_m)

    @cached_property
    def reaches(self) -> list[Reach]:
        """The river in short pieces, each beginning where one ended."""
        return [
            Reach(self.river[part], self.river_width_m[part], self.river_level_m[part])
            for start in range(0, len(self.river) - 1, _REACH)
            for part in (slice(start, start + _REACH + 1),)
        ]

    @property
    def polygons(self) -> list[shapely.Polygon]:
        """The river and all lakes."""
        return [self.river_polygon, *(lake.polygon for lake in self.lakes)]

    @cached_property
    def polygon(self) -> shapely.Geometry:
        """All water as one geometry."""
        return shapely.union_all(self.polygons)


def fill(seed: int, params: LandscapeParams, terrain: Terrain) -> Water:
    """The water that the seed and the parameters put on the terrain."""
    rng = np.random.default_rng([seed, 2])
    river, width_m = _river(rng, terrain.relief)
    level_m = np.minimum.accumulate(terrain.height_at(river)) - _RIVER_DEPTH_M
    return Water(
        lakes=_lakes(rng, seed, params, terrain, band(river, width_m)),
        river=river,
        river_width_m=width_m,
        river_level_m=level_m,
        bars=_bars(rng, seed, river, width_m),
    )


def downstream(relief: Relief, start: int, stop: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Flat indices of lattice points from one down to where it meets one of `stop`, or the end."""
    path = [start]
    while True:
        there = int(relief.receiver[path[-1]])
        if there == path[-1]:
            break
        path.append(there)
        if stop[there]:
            break
    return np.array(path, dtype=np.int64)


def smoothed(line: NDArray[np.float64], step_m: float, sigma_m: float) -> NDArray[np.float64]:
    """The line (n, 2) without its corners, with vertices `step_m` apart."""
    lengths_m = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    at_m = np.arange(0.0, lengths_m[-1] + step_m / 2.0, step_m)
    even = np.column_stack([np.interp(at_m, lengths_m, line[:, axis]) for axis in (0, 1)])
    return np.asarray(ndimage.gaussian_filter1d(even, sigma_m / step_m, axis=0, mode="nearest"))


def height_on(water: Water, points: Points, land_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """The land's height, (H, W), once water lies in it: level there, and falling to it about."""
    height_m = land_m.copy()
    for reach in water.reaches:
        part = points.near(reach.bounds(BANK_BLEND_M))
        if part is not None:
            beside = beside_line(
                points.x[part], points.y[part], *reach[:2], reach.level_m, BANK_BLEND_M
            )
            height_m[part] = _lowered(height_m[part], beside.value, beside.distance_m, BANK_BLEND_M)
    for lake in water.lakes:
        part = points.near(lake.reach())
        if part is not None:
            off_m = signed_distance(points.x[part], points.y[part], lake.ring, SHORE_BLEND_M)
            height_m[part] = _lowered(height_m[part], lake.level_m, off_m, SHORE_BLEND_M)
    return height_m


def _lowered(
    height_m: NDArray[np.float32],
    level_m: NDArray[np.float32] | float,
    off_m: NDArray[np.float32],
    blend_m: float,
) -> NDArray[np.float32]:
    """Ground that falls to water at that level, so far off; it is never below its water."""
    away = np.clip(off_m / blend_m, 0.0, 1.0)
    above_m = np.maximum(height_m - level_m, 0.4 * away)
    return np.where(away < 1.0, level_m + above_m * np.sqrt(away), height_m).astype(np.float32)


def _river(rng: Generator, relief: Relief) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    drained_m2 = relief.drained_m2
    columns = drained_m2.shape[1]
    start = int(np.argmax(drained_m2[-1])) + (drained_m2.shape[0] - 1) * columns
    path = downstream(relief, start, np.zeros(drained_m2.size, dtype=bool))
    line = _meandering(rng, smoothed(relief.xy_of(path), 12.0, 60.0))
    wobble = ndimage.gaussian_filter1d(rng.normal(0.0, 1.0, len(line)), 8.0, mode="nearest")
    width_m = np.mean(_RIVER_WIDTH_M) * (1.0 + 1.2 * wobble)
    return line, np.clip(width_m, _RIVER_WIDTH_M[0] * 0.7, _RIVER_WIDTH_M[1] * 1.3)


def _meandering(rng: Generator, line: NDArray[np.float64]) -> NDArray[np.float64]:
    """The line with bends to its left and right, some metres in the valley floor."""
    along_m = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    bend_m = np.zeros(len(line))
    for wave_m, swing_m in _BENDS_M:
        phase = np.cumsum(ndimage.gaussian_filter1d(rng.normal(0.0, 0.5, len(line)), 12.0))
        bend_m += swing_m * np.sin(2.0 * np.pi * along_m / wave_m + phase + rng.uniform(0.0, 6.3))
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    aside = np.column_stack([-along[:, 1], along[:, 0]])
    return smoothed(line + bend_m[:, None] * aside, 12.0, 12.0)


def _bars(
    rng: Generator, seed: int, river: NDArray[np.float64], width_m: NDArray[np.float64]
) -> tuple[shapely.Polygon, ...]:
    """Gravel bars: lenses along the banks, now on one side and now on the other."""
    step_m = float(np.linalg.norm(river[1] - river[0]))
    bars = list[shapely.Polygon]()
    at_m = rng.exponential(_BAR_STEP_M)
    while at_m < (len(river) - 2) * step_m - _BAR_LENGTH_M[1]:
        length_m = rng.uniform(*_BAR_LENGTH_M)
        part = slice(int(at_m / step_m), int((at_m + length_m) / step_m) + 2)
        bars.append(roughened(seed, _lens(rng, river[part], width_m[part])))
        at_m += length_m + rng.exponential(_BAR_STEP_M)
    return tuple(bar for bar in bars if bar.area > 100.0)


def _lens(
    rng: Generator, line: NDArray[np.float64], width_m: NDArray[np.float64]
) -> shapely.Polygon:
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside = np.column_stack([-along[:, 1], along[:, 0]]) * (1.0 if rng.random() < 0.5 else -1.0)
    swell = np.sin(np.linspace(0.0, np.pi, len(line))) * rng.uniform(*_BAR_WIDTH_M)
    inner = line + aside * (width_m / 2.0 - 2.0)[:, None]
    outer = line + aside * (width_m / 2.0 - 2.0 + swell)[:, None]
    return shapely.buffer(shapely.Polygon(np.r_[inner, outer[::-1]]), 0.0)


def _lakes(
    rng: Generator,
    seed: int,
    params: LandscapeParams,
    terrain: Terrain,
    river: shapely.Polygon,
) -> tuple[Lake, ...]:
    """Lakes where the plateau is flat and nothing much drains through."""
    n = rng.poisson(params.lakes_per_km2 * params.area_km2)
    low = np.array(params.south_west_m) - MARGIN_M / 2.0
    high = low + np.array(params.extent_m) + MARGIN_M
    lakes = list[Lake]()
    for _ in range(n * _LAKE_TRIES):
        if len(lakes) >= n:
            break
        radius_m = float(np.exp(rng.uniform(*np.log(_LAKE_RADIUS_M))))
        turn = rng.uniform(0.0, np.pi)
        polygon = roughened(
            seed,
            blob(
                rng,
                rng.uniform(low, high),
                radius_m,
                stretch=rng.uniform(1.0, 2.2),
                along=np.array([np.cos(turn), np.sin(turn)]),
            ),
        )
        if _takes_lake(terrain, polygon, [*(lake.polygon for lake in lakes), river]):
            level_m = float(np.quantile(terrain.height_at(ring_of(polygon)), 0.1)) - 0.6
            rim_m = float(rng.uniform(6.0, 22.0)) if rng.random() < 0.4 else 2.0
            lakes.append(Lake(polygon=polygon, level_m=level_m, rim_m=rim_m))
    return tuple(lakes)


def _takes_lake(terrain: Terrain, polygon: shapely.Polygon, taken: list[shapely.Polygon]) -> bool:
    if shapely.dwithin(np.array(taken), polygon, _LAKE_CLEARANCE_M).any():
        return False
    shore = ring_of(polygon)
    rise = np.linalg.norm(terrain.uphill(shore), axis=1)
    return bool(np.quantile(rise, 0.8) < _LAKE_MAX_RISE) and _drained_km2(terrain, polygon) < (
        _LAKE_MAX_KM2
    )


def _drained_km2(terrain: Terrain, polygon: shapely.Polygon) -> float:
    relief = terrain.relief
    west, south = relief.origin_xy
    xy = np.r_[ring_of(polygon), [[polygon.centroid.x, polygon.centroid.y]]]
    column, row = np.rint((xy - [west, south]) / CELL_M).astype(int).T
    rows, columns = relief.drained_m2.shape
    return float(
        relief.drained_m2[np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)].max() / 1e6
    )
