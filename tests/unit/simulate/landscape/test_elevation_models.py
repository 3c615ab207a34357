import dataclasses

import numpy as np
import pytest
import shapely

from rts_track.raster.grid import Window
from rts_track.simulate.landscape.dem import NODATA_M
from rts_track.simulate.landscape.points import Points
from rts_track.simulate.landscape.trend import COMPONENTS, trend_grid


@pytest.fixture(scope="module")
def strip(small):
    spec = next(each for each in small.dems if not each.is_mosaic)
    return dataclasses.replace(
        spec, grid=spec.grid.part(Window(300, 260, 260, 300)), hole_frac=0.06
    )


def test_a_strip_is_the_ground_with_an_offset_noise_and_holes(small, strip):
    found_m = small.dem(strip)
    true_m = small.height_at(
        Points.of(strip.grid, small.params.crs, strip.shift_m), strip.season_year
    )
    is_known = found_m != NODATA_M
    assert 0.0 < (~is_known).mean() < 0.3
    off_m = (found_m - true_m)[is_known]
    assert np.median(off_m) == pytest.approx(strip.offset_m, abs=0.3)
    assert 0.1 < off_m.std() < 1.0
    assert np.all(found_m[is_known] * 128.0 == np.rint(found_m[is_known] * 128.0))


def test_noise_of_a_strip_is_alike_over_tens_of_metres(small, strip):
    spec = dataclasses.replace(strip, hole_frac=0.0)
    true_m = small.height_at(Points.of(spec.grid, small.params.crs, spec.shift_m), spec.season_year)
    noise_m = small.dem(spec) - true_m
    noise_m -= noise_m.mean()
    near = np.corrcoef(noise_m[:, 10:].ravel(), noise_m[:, :-10].ravel())[0, 1]
    assert near > 0.6


def test_a_window_of_a_strip_is_that_part_of_the_whole(small, strip):
    window = Window(31, 70, 90, 80)
    assert np.array_equal(small.dem(strip, window), small.dem(strip)[window.slices])


def test_the_difference_of_two_strips_shows_what_slumps_took(small, strip):
    later = dataclasses.replace(
        strip, season_year=small.params.season_years[-1], hole_frac=0.0, noise_m=0.0
    )
    earlier = dataclasses.replace(later, season_year=small.params.season_years[0])
    change_m = small.dem(later) - small.dem(earlier)
    assert np.median(change_m) == pytest.approx(0.0, abs=0.01)
    assert change_m.min() < -1.5


def test_strips_have_dates_and_the_mosaic_has_none(small):
    mosaic, *strips = small.dems
    assert mosaic.observed_on is None
    assert [spec.season_year for spec in strips] == [2019, 2022]
    for spec in strips:
        assert f"_{spec.observed_on:%Y%m%d}_" in spec.dem_id
        assert spec.observed_on.year == spec.season_year


def test_the_trend_tells_disturbed_ground_by_less_green(small):
    trend = small.trend().astype(np.float64)
    points = Points.of(trend_grid(small), small.params.crs)
    first = small.params.season_years[0]
    scars = [shown.layer.scar for shown in small.slumps.painted(first)]
    is_scar = shapely.contains_xy(
        shapely.buffer(shapely.union_all(scars), -15.0), points.x, points.y
    )
    is_far = ~shapely.contains_xy(small.slumps.everywhere(), points.x, points.y)
    greenness = trend[COMPONENTS.index("greenness")]
    assert is_scar.sum() > 5
    assert np.median(greenness[is_scar]) < np.median(greenness[is_far]) - 10.0
    assert np.median(greenness[is_far]) == pytest.approx(140.0, abs=8.0)
    part = small.trend(Window(5, 6, 20, 30))
    assert np.array_equal(part, small.trend()[:, 5:25, 6:36])
