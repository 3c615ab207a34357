import dataclasses

import numpy as np
import pytest
import shapely

from rts_track.raster.grid import Window
from rts_track.simulate.landscape.points import Points
from rts_track.simulate.landscape.sensors import SENSORS

SEASON = 2021


def scene(small, sensor, season_year=SEASON):
    return next(
        each for each in small.scenes if (each.sensor, each.season_year) == (sensor, season_year)
    )


def inside(small, spec, polygons, margin_m):
    """Which pixels of the scene lie well inside the polygons."""
    points = Points.of(spec.grid, spec.grid.crs)
    return shapely.contains_xy(
        shapely.buffer(shapely.union_all(polygons), -margin_m), points.x, points.y
    )


@pytest.mark.parametrize("sensor", SENSORS)
def test_a_window_of_a_scene_is_that_part_of_the_whole(small, sensor):
    spec = dataclasses.replace(scene(small, sensor), swath=(60.0, 700.0))
    whole = small.scene(spec)
    height, width = spec.grid.shape
    window = Window(height // 4, width // 3, height // 5, width // 4)
    part = small.scene(spec, window)
    for of_part, of_whole in zip(part, whole, strict=True):
        assert np.array_equal(of_part, of_whole[:, *window.slices], equal_nan=True)


def test_the_same_seed_makes_the_same_scene(small, clear_scene):
    spec = scene(small, "landsat")
    one, other = small.scene(spec), small.scene(spec)
    assert np.array_equal(one.reflectance, other.reflectance, equal_nan=True)


@pytest.mark.parametrize("sensor", SENSORS)
def test_slumps_are_bare_and_tundra_is_green(small, clear_scene, sensor):
    spec = clear_scene(sensor, SEASON)
    pixels = small.scene(spec).reflectance
    red, nir = (pixels[spec.table.bands.index(band)] for band in ("red", "nir"))
    ndvi = (nir - red) / (nir + red)
    margin_m = min(spec.grid.gsd_m, 20.0)
    active = [shown.layer.scar for shown in small.slumps.painted(SEASON) if shown.still == 0]
    things = [
        small.slumps.everywhere(),
        small.water.polygon,
        *(each.polygon for each in small.lookalikes),
    ]
    points = Points.of(spec.grid, spec.grid.crs)
    is_tundra = ~shapely.contains_xy(
        shapely.buffer(shapely.union_all(things), margin_m), points.x, points.y
    )
    assert np.median(ndvi[inside(small, spec, active, margin_m)]) < 0.35
    assert np.median(ndvi[is_tundra]) > 0.55


def test_what_lies_still_greens_from_season_to_season(small, clear_scene):
    ages = {}
    for season in small.params.season_years:
        spec = clear_scene("planetscope", season)
        pixels = small.scene(spec).reflectance
        red, nir = (pixels[spec.table.bands.index(band)] for band in ("red", "nir"))
        ndvi = (nir - red) / (nir + red)
        moving = shapely.union_all(
            [each.layer.scar for each in small.slumps.painted(season) if each.still == 0]
        )
        for shown in small.slumps.painted(season):
            is_in = inside(small, spec, [shapely.difference(shown.layer.scar, moving)], 6.0)
            ages.setdefault(shown.still, []).extend(ndvi[is_in].tolist())
    assert np.median(ages[2]) > np.median(ages[1]) + 0.05


def test_a_scene_that_lies_off_shows_everything_so_far_off(small, clear_scene):
    straight = small.scene(clear_scene("planetscope", SEASON)).reflectance[3]
    off = small.scene(clear_scene("planetscope", SEASON, shift_m=(9.0, -6.0))).reflectance[3]
    np.testing.assert_allclose(off[2:, 3:], straight[:-2, :-3], atol=0.03)
    assert np.abs(off - straight).mean() > 2.0 * np.abs(off[2:, 3:] - straight[:-2, :-3]).mean()


def test_gain_and_what_is_left_of_the_sky_are_in_the_numbers(small, clear_scene):
    plain = clear_scene("landsat", SEASON)
    hazed = dataclasses.replace(plain, gain=(1.1,) * 6, atmosphere=1.0)
    one, other = (small.scene(spec).reflectance for spec in (plain, hazed))
    added = other / 1.1 - one
    assert np.median(added[0]) == pytest.approx(0.068, abs=0.002), "blue"
    assert np.median(added[3]) == pytest.approx(0.007, abs=0.002), "near infrared"


def test_nothing_is_known_beyond_the_swath(small, clear_scene):
    spec = clear_scene("sentinel2", SEASON, swath=(400.0, 600.0))
    pixels = small.scene(spec)
    is_nothing = np.isnan(pixels.reflectance)
    assert 0.05 < is_nothing.mean() < 0.95
    assert np.array_equal(is_nothing.all(axis=0), is_nothing.any(axis=0))
    assert np.array_equal(pixels.mask[0] == 0, is_nothing[0])


def cloudy(small, clear_scene, sensor):
    spec = clear_scene(sensor, SEASON)
    sky = dataclasses.replace(spec.sky, cloud_frac=0.3, haze=0.5)
    spec = dataclasses.replace(spec, sky=sky)
    points = Points.of(spec.grid, spec.grid.crs)
    return small.scene(spec), sky.at(points.x, points.y)


def test_masks_find_nearly_all_cloud_and_leave_some_haze(small, clear_scene):
    udm2, air = cloudy(small, clear_scene, "planetscope")
    says_clear = udm2.mask[0] == 1
    assert 0.05 < (air.cloud > 0.5).mean() < 0.6
    assert says_clear[air.cloud > 0.7].mean() < 0.02
    assert says_clear[~air.hides()].mean() > 0.8
    wrong = says_clear & air.hides()
    assert 0.0 < wrong.mean() < 0.2, "no mask is perfect"
    scl, air = cloudy(small, clear_scene, "sentinel2")
    assert np.isin(scl.mask[0], (8, 9))[air.cloud > 0.7].mean() > 0.95
    qa, air = cloudy(small, clear_scene, "landsat")
    is_clear = (qa.mask[0] & (1 << 6) != 0) & (qa.mask[0] & 0b11111 == 0)
    assert is_clear[air.cloud > 0.7].mean() < 0.05


def test_clouds_are_bright_and_their_shadows_dark(small, clear_scene):
    pixels, air = cloudy(small, clear_scene, "planetscope")
    red = pixels.reflectance[2]
    plain = small.scene(clear_scene("planetscope", SEASON)).reflectance[2]
    assert np.median(red[air.cloud > 0.9]) > 0.4
    is_shaded = (air.shadow > 0.9) & (air.haze < 0.05)
    assert is_shaded.any()
    assert np.median(red[is_shaded] / plain[is_shaded]) < 0.7


def test_names_are_those_of_real_products(small):
    names = {spec.sensor: spec.scene_id for spec in small.scenes if spec.season_year == SEASON}
    assert len({spec.scene_id for spec in small.scenes}) == len(small.scenes)
    assert names["sentinel2"].startswith(f"S2{names['sentinel2'][2]}_MSIL2A_{SEASON}")
    assert names["landsat"].startswith("LC08_L2SP_")
    assert names["planetscope"].startswith(str(SEASON))
    for spec in small.scenes:
        assert spec.acquired_at.year == spec.season_year


def test_slopes_that_face_the_sun_are_brighter(small, clear_scene):
    spec = clear_scene("planetscope", SEASON)
    east, north = spec.sky.sun.towards()
    assert north < -0.5, "in the south before noon"
    height_m = small.elevation(spec.grid, SEASON)
    rise_north = -np.gradient(height_m, 3.0, axis=0)
    nir = small.scene(spec).reflectance[3]
    steep = np.abs(rise_north) > 0.15
    sunny, shady = nir[steep & (rise_north > 0)], nir[steep & (rise_north < 0)]
    assert np.median(sunny) > 1.1 * np.median(shady)
    assert abs(east) < 1.0
