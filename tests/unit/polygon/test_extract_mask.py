import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rts_track.polygon import extract as extracting
from rts_track.polygon.extract import mask_polygons
from rts_track.raster.grid import Grid, Window


def grid_of(shape, gsd_m=10.0, crs="EPSG:6931"):
    transform = Affine(gsd_m, 0, 500_000, 0, -gsd_m, 7_500_000)
    return Grid(height=shape[0], width=shape[1], transform=transform, crs=crs)


def blobs(shape, seed=0, share=0.6):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return noise < np.quantile(noise, share)


@pytest.mark.parametrize("crs", ["EPSG:32608", "EPSG:6931"])
@pytest.mark.parametrize("shape", [(100, 70), (1, 1), (31, 200)])
def test_a_mask_that_is_clear_all_over_is_the_extent(shape, crs):
    grid = grid_of(shape, crs=crs)
    area = mask_polygons(np.ones(shape, dtype=bool), grid)
    assert shapely.symmetric_difference(area, grid.extent()).area < 1e-6 * area.area
    assert area.is_valid


def test_a_mask_that_is_clear_nowhere_is_an_empty_area():
    area = mask_polygons(np.zeros((50, 50), dtype=bool), grid_of((50, 50)))
    assert area.is_empty
    assert area.geom_type == "MultiPolygon"


def test_nothing_is_claimed_but_specks_that_the_mask_does_not_say():
    mask = blobs((300, 300))
    grid = grid_of((300, 300))
    area = mask_polygons(mask, grid)
    said = mask_polygons(mask, grid, simplify_m=10.0)
    unsaid_m2 = shapely.difference(area, said).area
    assert unsaid_m2 < 0.01 * area.area
    assert area.area > 0.85 * mask.sum() * 100.0


def test_a_cell_with_a_cloud_in_it_is_left_out_and_one_with_a_speck_is_not():
    mask = np.ones((90, 90), dtype=bool)
    mask[0, 0] = False
    mask[30, 30:32] = False
    area = mask_polygons(mask, grid_of((90, 90)))
    assert area.area == pytest.approx((90 * 90 - 9) * 100.0)


def test_islands_of_less_than_a_hectare_are_left_out_unless_there_is_nothing_larger():
    mask = np.zeros((90, 90), dtype=bool)
    mask[:30, :30] = True
    mask[60:66, 60:66] = True
    assert mask_polygons(mask, grid_of((90, 90))).area == pytest.approx(90_000.0)
    mask[:30, :30] = False
    assert mask_polygons(mask, grid_of((90, 90))).area == pytest.approx(3_600.0)


def test_pixels_larger_than_a_cell_are_drawn_as_they_are():
    mask = blobs((60, 60), seed=1)
    grid = grid_of((60, 60), gsd_m=100.0)
    assert mask_polygons(mask, grid).area == pytest.approx(mask.sum() * 10_000.0)


def test_a_ragged_mask_gets_larger_cells_and_no_more_corners_than_it_may(monkeypatch):
    monkeypatch.setattr(extracting, "MAX_CORNERS", 200)
    mask = np.random.default_rng(3).random((400, 400)) < 0.95
    mask &= blobs((400, 400), seed=2)
    grid = grid_of((400, 400))
    area = mask_polygons(mask, grid)
    assert area.is_valid
    assert 0 < shapely.get_num_coordinates(area) < 1_000
    assert area.area <= mask.sum() * 100.0 * 9 / 8


@given(
    arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    st.sampled_from([1.0, 10.0, 20.0, 30.0]),
)
@settings(max_examples=100, deadline=None)
def test_clear_areas_are_valid_within_the_scene_and_never_much_more_than_is_clear(mask, cell_m):
    grid = grid_of(mask.shape)
    area = mask_polygons(mask, grid, simplify_m=cell_m)
    assert area.is_valid
    assert area.area <= mask.sum() * 100.0 * 9 / 8 + 1e-6
    assert shapely.difference(area, grid.extent()).area < 1e-6
    if cell_m <= 10.0 and mask.sum() * 100.0 < extracting.CLEAR_SPECK_M2:
        largest = max((part.area for part in area.geoms), default=0.0)
        assert area.area % 100.0 == pytest.approx(0.0, abs=1e-6)
        assert largest <= area.area


@given(arrays(np.bool_, (12, 12)), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_pixel_by_pixel_the_clear_area_does_not_depend_on_where_the_raster_begins(mask, row, col):
    grid = grid_of(mask.shape)
    wide = np.pad(mask, ((row, 0), (col, 0)))
    there = grid.part(Window(-row, -col, *wide.shape))
    one, other = (
        mask_polygons(mask, grid, simplify_m=10.0),
        mask_polygons(wide, there, simplify_m=10.0),
    )
    assert shapely.symmetric_difference(one, other).area < 1e-6
