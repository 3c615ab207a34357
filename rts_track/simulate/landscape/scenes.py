"""Scenes of a landscape: when each was acquired, how it is off, and its pixels."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from affine import Affine
from scipy import ndimage

from rts_track.raster.grid import Grid, Window
from rts_track.simulate.landscape import masks
from rts_track.simulate.landscape.clouds import Sky
from rts_track.simulate.landscape.light import Sun, light
from rts_track.simulate.landscape.materials import spectrum
from rts_track.simulate.landscape.noise import white
from rts_track.simulate.landscape.points import Points
from rts_track.simulate.landscape.sensors import SENSORS, Sensor
from rts_track.simulate.landscape.surface import Canvas

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.clouds import Air
    from rts_track.simulate.landscape.landscape import Landscape
    from rts_track.simulate.landscape.params import LandscapeParams

_MIDDLE_DAY = 213
"""Day of the year about which scenes are acquired: the first of August."""
_DAY_SIGMA = 12.0
_LATITUDE_DEG = 68.0
_UTC_OFFSET_H = 9.0
_PSF_REACH = 3.0
_SHADOW_DEPTH = 0.62
_WATER_NDVI = 0.0
_COARSE_SHIFT = 1.0 / 6.0
_SHIFT_UP_TO_M = 10.0
_PARTIAL_FRAC = (0.35, 0.85)


@dataclass(frozen=True)
class SceneSpec:
    """All that is particular to one scene.

    Attributes:
        scene_id: the product's name.
        sensor: name of the sensor; season_year and acquired_at: when.
        grid: the scene's grid.
        shift_m: so far east and north of its place is all that the scene shows.
        sky: clouds, haze and sun.
        gain: by band; reflectance is multiplied by it.
        atmosphere: share of a clear sky's path radiance that was left in.
        swath: its middle line's offset from the landscape's middle and its half width, metres.
        seed: of its noise.
    """

    scene_id: str
    sensor: str
    season_year: int
    acquired_at: dt.datetime
    grid: Grid
    shift_m: tuple[float, float]
    sky: Sky
    gain: tuple[float, ...]
    atmosphere: float
    swath: tuple[float, float]
    seed: int

    @property
    def table(self) -> Sensor:
        """The sensor's row."""
        return SENSORS[self.sensor]

    @cached_property
    def middle_xy(self) -> tuple[float, float]:
        """The middle of its grid."""
        west, south, east, north = self.grid.bounds
        return (west + east) / 2.0, (south + north) / 2.0

    def is_inside(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points, where the scene shows them, lie in its swath."""
        tilt = np.radians(self.table.tilt_deg)
        across_m = (x - self.middle_xy[0]) * np.cos(tilt) - (y - self.middle_xy[1]) * np.sin(tilt)
        offset_m, half_m = self.swath
        return np.asarray(np.abs(across_m - offset_m) <= half_m)

    def is_clear(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points, where they are in truth, can be made out on the scene; no mask asked."""
        shown = self.is_inside(x + self.shift_m[0], y + self.shift_m[1])
        return np.asarray(shown & ~self.sky.at(x, y).hides())


class Pixels(NamedTuple):
    """A scene's pixels in a window.

    `reflectance` (bands, h, w) float32 by the sensor's bands, NaN outside of the swath; `mask` as
    the product has it: UDM2 (8, h, w), SCL or QA_PIXEL (1, h, w).
    """

    reflectance: NDArray[np.float32]
    mask: NDArray[np.integer]


def plan_scenes(seed: int, params: LandscapeParams) -> tuple[SceneSpec, ...]:
    """The scenes of all seasons and sensors, by season."""
    return tuple(
        _planned(np.random.default_rng([seed, 5, season, number, turn]), params, season, name, turn)
        for season in params.season_years
        for number, name in enumerate(params.sensors)
        for turn in range(params.scenes_per_season)
    )


def grid_of(params: LandscapeParams, gsd_m: float) -> Grid:
    """The grid of the whole landscape at a resolution that divides it."""
    west, south = params.south_west_m
    width_m, height_m = params.extent_m
    return Grid(
        height=round(height_m / gsd_m),
        width=round(width_m / gsd_m),
        transform=Affine(gsd_m, 0.0, west, 0.0, -gsd_m, south + height_m),
        crs=params.crs,
    )


def render(landscape: Landscape, spec: SceneSpec, window: Window | None = None) -> Pixels:
    """The scene's pixels in a window of its grid; the same whatever the window is."""
    sensor = spec.table
    window = spec.grid.whole if window is None else window
    surface, is_water = _seen(landscape, spec, window)
    at = Points.of(spec.grid.part(window), spec.grid.crs)
    x, y = at.x - spec.shift_m[0], at.y - spec.shift_m[1]
    air = spec.sky.at(x, y)
    is_inside = spec.is_inside(at.x, at.y)
    reflectance = _through(surface, sensor, spec, air)
    for number in range(len(sensor.bands)):
        reflectance[number] *= np.float32(spec.gain[number])
        reflectance[number] += np.float32(sensor.noise) * white(
            at.x, at.y, seed=spec.seed + number, step_m=sensor.gsd_m
        )
    mask = _mask(spec, x, y, air, is_inside, reflectance, is_water)
    reflectance[:, ~is_inside] = np.nan
    return Pixels(reflectance, mask)


def _seen(
    landscape: Landscape, spec: SceneSpec, window: Window
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The lit ground as the optics show it, (bands, h, w), and where there is water."""
    sensor = spec.table
    fine = _fine(spec.grid, window, sensor.fine)
    reach_px = int(np.ceil(_PSF_REACH * 2.0 * sensor.psf_sigma_m / fine.gsd_m))
    margin_px = -(-(reach_px + 1) // sensor.fine) * sensor.fine
    points = Points.of(fine.grown(margin_px), spec.grid.crs, spec.shift_m)
    land = landscape.terrain.at(points)
    canvas = Canvas(landscape.ground, points, land, sensor.bands)
    reflectance = canvas.paint(spec.season_year)
    height_m = landscape.height_on(points, land.height_m, spec.season_year)
    bright = light(height_m, fine.gsd_m, spec.sky.sun, sensor.bands)
    wet = canvas.is_water()[1:-1, 1:-1]
    lit = reflectance[:, 1:-1, 1:-1]
    lit *= bright + wet * (1.0 - bright)
    cut = margin_px - 1
    out = np.empty((len(sensor.bands), window.height, window.width), dtype=np.float32)
    for number, band in enumerate(sensor.bands):
        sigma_m = sensor.psf_sigma_m * (2.0 if band in sensor.coarse else 1.0)
        blurred = ndimage.gaussian_filter(
            lit[number], sigma_m / fine.gsd_m, truncate=_PSF_REACH, mode="nearest"
        )
        out[number] = _binned(blurred[cut:-cut, cut:-cut], sensor.fine)
    is_water = _binned(canvas.is_water()[margin_px:-margin_px, margin_px:-margin_px], sensor.fine)
    return out, np.asarray(is_water > 0.5)


def _fine(grid: Grid, window: Window, fine: int) -> Grid:
    """The window's grid with pixels so many times finer."""
    part = grid.part(window)
    return Grid(
        height=part.height * fine,
        width=part.width * fine,
        transform=part.transform @ Affine.scale(1.0 / fine),
        crs=part.crs,
    )


def _binned(values: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Means of squares of pixels."""
    if by == 1:
        return values
    height, width = values.shape
    squares = values.reshape(height // by, by, width // by, by)
    return np.asarray(squares.mean(axis=(1, 3)), dtype=np.float32)


def _through(
    surface: NDArray[np.float32], sensor: Sensor, spec: SceneSpec, air: Air
) -> NDArray[np.float32]:
    """The ground through the air: shadow, haze, cloud, and what correction left in."""
    cloud, shadow, haze = air
    seen = surface * (1.0 - np.float32(_SHADOW_DEPTH) * shadow)
    seen += haze * (spectrum("haze", sensor.bands) - 0.45 * seen)
    seen += cloud * (spectrum("cloud", sensor.bands) - seen)
    seen += np.float32(spec.atmosphere) * spectrum("sky", sensor.bands)
    return np.asarray(seen, dtype=np.float32)


def _mask(
    spec: SceneSpec,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    air: Air,
    is_inside: NDArray[np.bool_],
    reflectance: NDArray[np.float32],
    is_water: NDArray[np.bool_],
) -> NDArray[np.integer]:
    flags = spec.sky.flags(x, y, air)
    if spec.sensor == "planetscope":
        return masks.udm2(flags, is_inside)
    if spec.sensor == "landsat":
        return masks.qa_pixel(flags, is_inside, is_water)
    red, nir = (reflectance[spec.table.bands.index(band)] for band in ("red", "nir"))
    ndvi = (nir - red) / np.maximum(nir + red, np.float32(1e-4))
    return masks.scl(flags, is_inside, ndvi, is_water)


def _planned(
    rng: Generator, params: LandscapeParams, season: int, name: str, turn: int
) -> SceneSpec:
    sensor = SENSORS[name]
    day = dt.date(season, 1, 1) + dt.timedelta(
        days=_MIDDLE_DAY - 1 + round(float(np.clip(rng.normal(0.0, _DAY_SIGMA), -30, 30)))
    )
    hour = sensor.local_hour + _UTC_OFFSET_H + rng.normal(0.0, 0.15)
    acquired_at = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC) + dt.timedelta(
        seconds=round(hour * 3600.0)
    )
    sun = _sun(day, sensor.local_hour)
    sigma_m = params.shift_sigma_m
    if sensor.gsd_m > _SHIFT_UP_TO_M:
        sigma_m = min(sigma_m * 3.0, _COARSE_SHIFT * sensor.gsd_m)
    shift_m = rng.normal(0.0, sigma_m, 2) if sigma_m > 0.0 else np.zeros(2)
    common = rng.normal(0.0, params.gain_sigma)
    gain = 1.0 + common + rng.normal(0.0, params.gain_sigma / 4.0, len(sensor.bands))
    cloud_frac = float(np.clip(params.cloud_frac * rng.uniform(0.0, 1.0) ** 2 * 3.0, 0.0, 0.95))
    return SceneSpec(
        scene_id=_name(params, sensor, acquired_at, turn, rng),
        sensor=name,
        season_year=season,
        acquired_at=acquired_at,
        grid=grid_of(params, sensor.gsd_m),
        shift_m=(float(shift_m[0]), float(shift_m[1])),
        sky=Sky(
            seed=int(rng.integers(1 << 40)),
            cloud_frac=cloud_frac,
            haze=float(params.haze * rng.uniform(0.0, 1.0) ** 2),
            height_m=float(rng.uniform(600.0, 1_500.0)),
            sun=sun,
        ),
        gain=tuple(gain.tolist()),
        atmosphere=float(params.atmosphere * rng.uniform(0.0, 1.0) ** 2),
        swath=_swath(rng, params, sensor),
        seed=int(rng.integers(1 << 40)),
    )


def _swath(rng: Generator, params: LandscapeParams, sensor: Sensor) -> tuple[float, float]:
    """The swath's middle beside the landscape's, and half its width."""
    tilt = np.radians(sensor.tilt_deg)
    width_m, height_m = params.extent_m
    half_m = (width_m * np.cos(tilt) + height_m * np.sin(tilt)) / 2.0
    if rng.random() >= params.partial_frac:
        return 0.0, half_m + 10.0 * sensor.gsd_m
    shown = rng.uniform(*_PARTIAL_FRAC)
    side = 1.0 if rng.random() < 0.5 else -1.0
    return float(side * 2.0 * half_m * (1.0 - shown)), float(half_m)


def _sun(day: dt.date, hour: float) -> Sun:
    """The sun over the place, by solar time: Cooper (1969, doi 10.1016/0038-092X(69)90047-4)."""
    number = day.timetuple().tm_yday
    declination = np.radians(23.45 * np.sin(2.0 * np.pi * (284 + number) / 365.0))
    turn, latitude = np.radians(15.0 * (hour - 12.0)), np.radians(_LATITUDE_DEG)
    up = np.sin(latitude) * np.sin(declination)
    up += np.cos(latitude) * np.cos(declination) * np.cos(turn)
    east = -np.cos(declination) * np.sin(turn)
    north = np.cos(latitude) * np.sin(declination)
    north -= np.sin(latitude) * np.cos(declination) * np.cos(turn)
    return Sun(
        azimuth_deg=float(np.degrees(np.arctan2(east, north)) % 360.0),
        elevation_deg=float(np.degrees(np.arcsin(up))),
    )


def _name(
    params: LandscapeParams, sensor: Sensor, at: dt.datetime, turn: int, rng: Generator
) -> str:
    """The product's name, as its makers would have it."""
    if sensor.name == "planetscope":
        hundredths, satellite = int(rng.integers(10, 99)), int(rng.integers(0x2200, 0x24FF))
        return f"{at:%Y%m%d_%H%M%S}_{hundredths}_{satellite:04x}"
    if sensor.name == "sentinel2":
        unit = "AB"[(at.timetuple().tm_yday + turn) % 2]
        orbit = int(rng.integers(1, 144))
        return (
            f"S2{unit}_MSIL2A_{at:%Y%m%dT%H%M%S}_N0300_R{orbit:03d}_{params.tile}"
            f"_{at + dt.timedelta(hours=4):%Y%m%dT%H%M%S}"
        )
    path, row = int(rng.integers(58, 66)), int(rng.integers(11, 14))
    made = at + dt.timedelta(days=11)
    return f"LC08_L2SP_{path:03d}{row:03d}_{at:%Y%m%d}_{made:%Y%m%d}_02_T1"
