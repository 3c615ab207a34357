"""Elevation models of a landscape: dated strips, each off in its way, and an undated mosaic."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import shapely
from affine import Affine

from rts_track.grid import transformer
from rts_track.raster.grid import Grid, Window
from rts_track.simulate.landscape.noise import fractal, white
from rts_track.simulate.landscape.points import Points
from rts_track.simulate.landscape.shapes import bounds_of, ring_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.landscape import Landscape
    from rts_track.simulate.landscape.params import LandscapeParams

POLAR_CRS = "EPSG:3413"
NODATA_M = -9999.0
_BORDER_M = 200.0
"""DEMs reach so far beyond the landscape: relative elevation at its edge is known."""
_NOISE_WAVE_M = 350.0
_NOISE_OCTAVES = 5
_PIXEL_NOISE_M = 0.06
_HOLE_WAVE_M = 160.0
_WATER_NOISE_M = 1.2
_STEP_M = 1.0 / 128.0
"""Heights are whole multiples of it, as in ArcticDEM's strips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemSpec:
    """All that is particular to one DEM.

    Attributes:
        dem_id: name of the file without its end.
        season_year: the season whose ground it shows; observed_on: None for a mosaic.
        grid: its grid, in EPSG:3413.
        offset_m: so much too high is all of it.
        shift_m: so far east and north, in the landscape's CRS, of its place.
        noise_m: standard deviation of its correlated noise.
        hole_frac: share without heights.
        seed: of its noise.
    """

    dem_id: str
    season_year: int
    observed_on: dt.date | None
    grid: Grid
    offset_m: float
    shift_m: tuple[float, float]
    noise_m: float
    hole_frac: float
    seed: int

    @property
    def is_mosaic(self) -> bool:
        """Whether it is a mosaic: no one day's ground."""
        return self.observed_on is None


def plan_dems(seed: int, params: LandscapeParams) -> tuple[DemSpec, ...]:
    """A mosaic and, for each of the years asked for, a strip."""
    mosaic = DemSpec(
        dem_id=f"26_15_{params.mosaic_gsd_m:.0f}m_v4.1_dem",
        season_year=params.first_year,
        observed_on=None,
        grid=polar_grid(params, params.mosaic_gsd_m),
        offset_m=0.0,
        shift_m=(0.0, 0.0),
        noise_m=params.dem_noise_m / 3.0,
        hole_frac=0.0,
        seed=seed + 7_001,
    )
    return (mosaic, *(_strip(seed, params, year) for year in params.dem_years))


def polar_grid(params: LandscapeParams, gsd_m: float) -> Grid:
    """A grid in EPSG:3413 that holds the landscape and a border about it."""
    west, south = params.south_west_m
    width_m, height_m = params.extent_m
    box = shapely.box(
        west - _BORDER_M,
        south - _BORDER_M,
        west + width_m + _BORDER_M,
        south + height_m + _BORDER_M,
    )
    edge = ring_of(shapely.segmentize(box, 200.0))
    x, y = transformer(params.crs, POLAR_CRS).transform(edge[:, 0], edge[:, 1])
    left, low = np.floor(np.min(x) / gsd_m) * gsd_m, np.floor(np.min(y) / gsd_m) * gsd_m
    right, high = np.ceil(np.max(x) / gsd_m) * gsd_m, np.ceil(np.max(y) / gsd_m) * gsd_m
    return Grid(
        height=round((high - low) / gsd_m),
        width=round((right - left) / gsd_m),
        transform=Affine(gsd_m, 0.0, float(left), 0.0, -gsd_m, float(high)),
        crs=POLAR_CRS,
    )


def dem_pixels(
    landscape: Landscape, spec: DemSpec, window: Window | None = None
) -> NDArray[np.float32]:
    """Heights in a window of the DEM's grid, metres, (h, w); -9999 where there are none."""
    grid = spec.grid.part(spec.grid.whole if window is None else window)
    points = Points.of(grid, landscape.params.crs, spec.shift_m)
    height_m = np.full(points.shape, NODATA_M, dtype=np.float32)
    part = points.near(_reach(landscape.params))
    if part is None:
        return height_m
    x, y = points.x[part], points.y[part]
    within = Points.at(x, y, points.gsd_m)
    seen_m = landscape.height_at(within, spec.season_year) + _error(landscape, spec, within)
    seen_m = np.rint((seen_m + np.float32(spec.offset_m)) / _STEP_M) * _STEP_M
    west, south, east, north = _reach(landscape.params)
    is_seen = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    is_seen &= ~_is_hole(spec, x, y)
    height_m[part] = np.where(is_seen, seen_m, NODATA_M)
    return height_m


def _strip(seed: int, params: LandscapeParams, year: int) -> DemSpec:
    rng = np.random.default_rng([seed, 6, year])
    day = dt.date(year, 1, 1) + dt.timedelta(days=int(rng.integers(185, 255)))
    images = "_".join(f"10200100{int(rng.integers(1 << 32)):08X}" for _ in range(2))
    shift_m = rng.normal(0.0, params.dem_shift_sigma_m, 2).tolist()
    return DemSpec(
        dem_id=f"SETSM_s2s041_WV01_{day:%Y%m%d}_{images}_{params.dem_gsd_m:.0f}m_lsf_seg1_dem",
        season_year=year,
        observed_on=day,
        grid=polar_grid(params, params.dem_gsd_m),
        offset_m=float(rng.normal(0.0, params.dem_offset_sigma_m)),
        shift_m=(shift_m[0], shift_m[1]),
        noise_m=params.dem_noise_m,
        hole_frac=params.dem_hole_frac,
        seed=int(rng.integers(1 << 40)),
    )


def _reach(params: LandscapeParams) -> tuple[float, float, float, float]:
    west, south = params.south_west_m
    width_m, height_m = params.extent_m
    return (
        west - _BORDER_M,
        south - _BORDER_M,
        west + width_m + _BORDER_M,
        (south + height_m + _BORDER_M),
    )


def _error(landscape: Landscape, spec: DemSpec, points: Points) -> NDArray[np.float32]:
    """Noise that is alike over hundreds of metres, rougher on water, and a little of its own."""
    x, y = points.x, points.y
    smooth = fractal(
        x, y, seed=spec.seed, wavelength_m=_NOISE_WAVE_M, n_octaves=_NOISE_OCTAVES, gain=0.6
    )
    error_m = np.float32(spec.noise_m) * smooth
    if spec.is_mosaic:
        return error_m
    error_m += np.float32(_PIXEL_NOISE_M) * white(x, y, seed=spec.seed + 9, step_m=points.gsd_m)
    for water in landscape.water.polygons:
        part = points.near(bounds_of(water))
        if part is not None:
            rough = fractal(x[part], y[part], seed=spec.seed + 10, wavelength_m=14.0, n_octaves=3)
            is_wet = shapely.contains_xy(water, x[part], y[part])
            error_m[part] += np.float32(_WATER_NOISE_M) * rough * is_wet
    return error_m


def _is_hole(spec: DemSpec, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    if spec.hole_frac <= 0.0:
        return np.zeros(x.shape, dtype=np.bool_)
    gaps = fractal(x, y, seed=spec.seed + 11, wavelength_m=_HOLE_WAVE_M, n_octaves=3)
    return np.asarray(gaps > NormalDist().inv_cdf(1.0 - spec.hole_frac))


def dem_windows(grid: Grid, size_px: int) -> Iterator[Window]:
    """The grid in squares of at most that size, row by row."""
    for row in range(0, grid.height, size_px):
        for col in range(0, grid.width, size_px):
            yield Window(row, col, min(size_px, grid.height - row), min(size_px, grid.width - col))
