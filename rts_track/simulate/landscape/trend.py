"""A Landsat trend of the landscape: how brightness, greenness and wetness changed over decades.

Like TCVIS (Nitze et al. 2018, doi 10.1038/s41467-018-07663-3): slopes of tasselled cap components
through the years, as bytes, about 127.5 where nothing changed. The slope of a step that happened
at a share f of the period is 6 f (1 - f) times the step, by least squares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from rts_track.raster.grid import Grid
from rts_track.simulate.landscape.noise import fractal, white
from rts_track.simulate.landscape.points import Points, signed_distance
from rts_track.simulate.landscape.scenes import grid_of
from rts_track.simulate.landscape.shapes import bounds_of
from rts_track.simulate.landscape.surface import Canvas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Window
    from rts_track.simulate.landscape.landscape import Landscape

GSD_M = 30.0
BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
COMPONENTS = ("brightness", "greenness", "wetness")
_TASSELLED_CAP = np.array(
    [
        [0.2043, 0.4158, 0.5524, 0.5741, 0.3124, 0.2303],
        [-0.1603, -0.2819, -0.4934, 0.7940, -0.0002, -0.1446],
        [0.0315, 0.2021, 0.3102, 0.1594, -0.6806, -0.6109],
    ],
    dtype=np.float32,
)
"""For reflectance: Crist (1985, doi 10.1016/0034-4257(85)90102-6)."""
_FULL_PER_DECADE = 0.12
"""The slope that a byte of 255 stands for, reflectance in ten years."""
_FINE = 3
_GREENING = np.array([0.004, 0.012, 0.004], dtype=np.float32)[:, None, None]
"""What tundra does everywhere, per decade."""
_NOISE = np.array([0.004, 0.004, 0.004], dtype=np.float32)[:, None, None]
_TONGUE_AGE_YR = 6.0


def trend_grid(landscape: Landscape) -> Grid:
    """The grid of the whole trend."""
    return grid_of(landscape.params, GSD_M)


def trend_pixels(landscape: Landscape, window: Window | None = None) -> NDArray[np.uint8]:
    """The trend in a window of its grid, (3, h, w): brightness, greenness, wetness."""
    grid = trend_grid(landscape)
    part = grid.part(grid.whole if window is None else window)
    fine = Grid(
        height=part.height * _FINE,
        width=part.width * _FINE,
        transform=part.transform @ Affine.scale(1.0 / _FINE),
        crs=part.crs,
    )
    points = Points.of(fine, landscape.params.crs)
    slope = _change(landscape, points) + _GREENING
    slope = slope.reshape(3, part.height, _FINE, part.width, _FINE).mean(axis=(2, 4))
    slope += _noise(landscape, Points.of(part, landscape.params.crs))
    stored = 127.5 + 127.5 * slope / _FULL_PER_DECADE
    return np.asarray(np.clip(np.rint(stored), 0, 255), dtype=np.uint8)


def _change(landscape: Landscape, points: Points) -> NDArray[np.float32]:
    """Slopes per decade of what slumps and burns did, (3, H, W)."""
    params = landscape.params
    land = landscape.terrain.at(points)
    after = Canvas(landscape.ground, points, land, BANDS).paint(params.first_year)
    before = Canvas(landscape.ground.undisturbed(), points, land, BANDS).paint(params.first_year)
    step = np.tensordot(_TASSELLED_CAP, after - before, axes=1)
    years = float(params.first_year - params.trend_from_year)
    since = np.clip(_age_yr(landscape, points) / years, 0.0, 1.0)
    return np.asarray(step * (60.0 / years) * since * (1.0 - since), dtype=np.float32)


def _age_yr(landscape: Landscape, points: Points) -> NDArray[np.float32]:
    """Years since slumps or burns took each point, (H, W); 0 where none did."""
    season = landscape.params.first_year
    age_yr = np.zeros(points.shape, dtype=np.float32)
    for shown in landscape.slumps.painted(season):
        layer = shown.layer
        for ring, polygon, base_yr in (
            (layer.tongue_ring, layer.tongue, _TONGUE_AGE_YR),
            (layer.ring, layer.scar, 0.5),
        ):
            part = points.near(bounds_of(polygon)) if not polygon.is_empty else None
            if part is None:
                continue
            inside_m = -signed_distance(points.x[part], points.y[part], ring, 1.0)
            taken_yr = base_yr + np.maximum(inside_m, 0.0) / max(layer.growth_m_yr, 1.0)
            age_yr[part] = np.where(inside_m > -1.0, taken_yr, age_yr[part])
    for burn in landscape.lookalikes:
        part = points.near(bounds_of(burn.polygon))
        if burn.kind == "burn" and burn.from_year is not None and part is not None:
            inside_m = -signed_distance(points.x[part], points.y[part], burn.ring, 1.0)
            since_yr = max(season - burn.from_year + 0.5, 0.0)
            age_yr[part] = np.where(inside_m > 0.0, since_yr, age_yr[part])
    return age_yr


def _noise(landscape: Landscape, points: Points) -> NDArray[np.float32]:
    x, y = points.x, points.y
    layers = [
        0.6 * fractal(x, y, seed=landscape.seed + 8_000 + number, wavelength_m=900.0, n_octaves=4)
        + 0.6 * white(x, y, seed=landscape.seed + 8_100 + number, step_m=GSD_M)
        for number in range(3)
    ]
    return np.asarray(_NOISE * np.stack(layers), dtype=np.float32)
