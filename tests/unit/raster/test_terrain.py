import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from rts_track.raster.terrain import disc_margin_px, relative_elevation, slope_deg

SEED = 11


def hills(height, width, *, seed=SEED):
    """Rolling ground of some tens of metres."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    return (300.0 + 400.0 * ndimage.gaussian_filter(noise, 6.0)).astype(np.float32)


def plane(height, width, *, east_m, south_m):
    row, col = np.mgrid[:height, :width]
    return (100.0 + east_m * col + south_m * row).astype(np.float32)


def by_definition(elevation_m, gsd_m, radius_m):
    """Each pixel less the mean of the known ones whose centres are within the radius."""
    relative = np.full(elevation_m.shape, np.nan)
    rows, cols = np.mgrid[: elevation_m.shape[0], : elevation_m.shape[1]]
    for row, col in zip(*np.nonzero(~np.isnan(elevation_m)), strict=True):
        is_near = np.hypot(rows - row, cols - col) * gsd_m <= radius_m + 1e-6
        relative[row, col] = elevation_m[row, col] - np.nanmean(elevation_m[is_near])
    return relative


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    radius_m=st.sampled_from([0.0, 2.9, 3.0, 10.0, 21.0, 90.0]),
    hole_frac=st.sampled_from([0.0, 0.3, 0.9]),
    seed=st.integers(0, 1000),
)
def test_relative_elevation_is_what_its_definition_says(height, width, radius_m, hole_frac, seed):
    elevation_m = hills(height, width, seed=seed)
    elevation_m[np.random.default_rng(seed).random((height, width)) < hole_frac] = np.nan
    np.testing.assert_allclose(
        relative_elevation(elevation_m, 3.0, radius_m),
        by_definition(elevation_m.astype(np.float64), 3.0, radius_m),
        atol=2e-3,
    )


def test_a_hole_in_the_elevations_does_not_grow_by_the_radius_of_the_disc():
    elevation_m = hills(90, 90)
    elevation_m[40:44, 40:44] = np.nan
    relative = relative_elevation(elevation_m, 3.0, 100.0)
    np.testing.assert_array_equal(np.isnan(relative), np.isnan(elevation_m))


def test_beside_a_hole_relative_elevation_is_no_cliff():
    elevation_m = np.full((60, 60), 250.0, dtype=np.float32)
    elevation_m[20:40, 20:40] = np.nan
    assert relative_elevation(elevation_m, 3.0, 60.0)[19, 30] == pytest.approx(0.0, abs=1e-3)


def test_the_radius_is_in_metres_whatever_the_pixels():
    assert [disc_margin_px(gsd_m, 100.0) for gsd_m in (2.0, 3.0, 10.0, 30.0)] == [50, 33, 10, 3]
    # A step of 8 m that lies 60 m away is seen from both grids; one 140 m away from neither.
    for gsd_m in (2.0, 10.0):
        for distance_m, is_seen in ((60.0, True), (140.0, False)):
            n = int(320.0 / gsd_m)
            elevation_m = np.full((n, n), 50.0, dtype=np.float32)
            elevation_m[:, int((160.0 + distance_m) / gsd_m) :] += 8.0
            relative = relative_elevation(elevation_m, gsd_m, 100.0)
            assert (relative[n // 2, n // 2] < -0.1) == is_seen


def test_thirty_metres_below_its_surroundings_is_a_value_and_not_nodata():
    elevation_m = np.full((81, 81), 120.0, dtype=np.float32)
    disc = np.hypot(*(np.mgrid[:81, :81] - 40)) * 3.0 <= 100.0
    n = int(disc.sum())
    elevation_m[40, 40] = 120.0 - 30.0 * n / (n - 1)
    assert relative_elevation(elevation_m, 3.0, 100.0)[40, 40] == pytest.approx(-30.0, abs=2e-3)


def test_tiles_with_a_margin_are_the_whole_bit_for_bit():
    elevation_m = hills(150, 170)
    elevation_m[60:90, 100:103] = np.nan
    elevation_m[elevation_m > 350.0] = np.nan
    margin = disc_margin_px(3.0, 60.0)
    whole = relative_elevation(elevation_m, 3.0, 60.0)
    for row in range(0, 150, 50):
        for col in range(0, 170, 60):
            top, left = max(row - margin, 0), max(col - margin, 0)
            tile = elevation_m[top : row + 50 + margin, left : col + 60 + margin]
            own = relative_elevation(tile, 3.0, 60.0)[row - top :, col - left :][:50, :60]
            np.testing.assert_array_equal(own, whole[row : row + 50, col : col + 60])


def test_the_highest_ground_is_summed_without_overflow():
    elevation_m = np.full((1001, 1), 9000.0, dtype=np.float32)
    elevation_m[500] = 8990.0
    assert relative_elevation(elevation_m, 1.0, 500.0)[500, 0] == pytest.approx(-9.99, abs=2e-3)


@pytest.mark.parametrize("value", [-9999.0, 1e20, -np.inf])
def test_a_nodata_value_that_was_left_in_is_refused_and_not_averaged(value):
    elevation_m = np.full((5, 5), 100.0, dtype=np.float32)
    elevation_m[2, 2] = value
    with pytest.raises(ValueError, match="elevation is not within"):
        relative_elevation(elevation_m, 3.0, 10.0)


def test_a_disc_that_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="pixels wide"):
        relative_elevation(hills(3, 3), 0.1, 100.0)


@pytest.mark.parametrize(("east_m", "south_m"), [(0.0, 0.0), (3.0, 0.0), (0.0, -2.0), (1.5, 4.0)])
def test_a_plane_has_its_slope_at_edges_and_holes_too(east_m, south_m):
    elevation_m = plane(12, 9, east_m=east_m, south_m=south_m)
    elevation_m[4:7, 3:5] = np.nan
    slope = slope_deg(elevation_m, 3.0)
    assert slope.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(slope), np.isnan(elevation_m))
    expected = np.degrees(np.arctan(np.hypot(east_m, south_m) / 3.0))
    np.testing.assert_allclose(slope[~np.isnan(slope)], expected, atol=2e-3)


def test_slope_is_horns_weighted_difference():
    elevation_m = np.array([[1, 2, 4], [3, 5, 8], [6, 7, 9]], dtype=np.float32)
    east = ((4 + 2 * 8 + 9) - (1 + 2 * 3 + 6)) / (8 * 10.0)
    south = ((6 + 2 * 7 + 9) - (1 + 2 * 2 + 4)) / (8 * 10.0)
    expected = np.degrees(np.arctan(np.hypot(east, south)))
    assert slope_deg(elevation_m, 10.0)[1, 1] == pytest.approx(expected, rel=1e-5)


def test_a_lone_pixel_has_an_elevation_but_no_slope():
    elevation_m = np.full((5, 5), np.nan, dtype=np.float32)
    elevation_m[2, 2] = 80.0
    assert np.isnan(slope_deg(elevation_m, 2.0)).all()
    assert relative_elevation(elevation_m, 2.0, 6.0)[2, 2] == pytest.approx(0.0, abs=1e-3)
