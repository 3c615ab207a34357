import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rts_track.polygon.extract import ExtractParams, extract
from rts_track.polygon.smooth import cut_corners, smooth
from rts_track.raster.grid import Grid

GSD_M = 3.0


def grid_of(shape):
    transform = Affine(GSD_M, 0, 500_000, 0, -GSD_M, 7_500_000)
    return Grid(height=shape[0], width=shape[1], transform=transform, crs="EPSG:6931")


def pair(probability, smooth_m, sigma_m=None):
    plain = ExtractParams(threshold=0.5, min_area_m2=0.0)
    smoothed = ExtractParams(
        threshold=0.5, min_area_m2=0.0, smooth_m=smooth_m, delineation_sigma_m=sigma_m
    )
    grid = grid_of(probability.shape)
    return extract(probability, None, grid, plain), extract(probability, None, grid, smoothed)


rasters = arrays(
    np.uint8,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([10, 200, 200]),
)


@given(rasters, st.floats(0.1, 9.0), st.floats(0.01, 5.0))
@settings(max_examples=150, deadline=None)
def test_smoothing_keeps_every_area_within_its_sigma_and_every_polygon_valid(
    probability, smooth_m, sigma_m
):
    plain, smoothed = pair(probability, smooth_m, sigma_m)
    assert len(plain) == len(smoothed)
    assert shapely.is_valid(smoothed.geometry).all()
    sigma_m2 = shapely.length(smoothed.geometry) * sigma_m
    assert (np.abs(plain.area_m2 - smoothed.area_m2) <= sigma_m2 + 1e-6).all()
    assert plain.prob_mean == pytest.approx(smoothed.prob_mean)


def test_a_staircase_becomes_a_slope():
    probability = np.where(np.tri(30, 30, dtype=bool), 200, 10).astype(np.uint8)
    plain, smoothed = pair(probability, 3.0)
    assert shapely.get_num_coordinates(plain.geometry)[0] > 60
    assert shapely.get_num_coordinates(smoothed.geometry)[0] < 12
    assert shapely.length(smoothed.geometry)[0] < 0.9 * shapely.length(plain.geometry)[0]


def test_a_disc_keeps_its_area_and_loses_the_length_of_its_steps():
    rows, cols = np.mgrid[-25:26, -25:26]
    probability = np.where(np.hypot(rows, cols) < 20.3, 200, 10).astype(np.uint8)
    plain, smoothed = pair(probability, 1.5)
    assert smoothed.area_m2[0] == pytest.approx(plain.area_m2[0], rel=0.01)
    circle_m = 2 * np.pi * 20.3 * GSD_M
    assert shapely.length(plain.geometry)[0] > 1.2 * circle_m
    assert shapely.length(smoothed.geometry)[0] == pytest.approx(circle_m, rel=0.05)


def test_what_smoothing_would_change_too_much_is_left_along_its_pixels():
    one_pixel = np.full((3, 3), 10, dtype=np.uint8)
    one_pixel[1, 1] = 200
    plain, smoothed = pair(one_pixel, 3.0, sigma_m=0.1)
    assert smoothed.geometry[0].equals(plain.geometry[0])


def test_cutting_a_rings_corners_costs_half_a_pixel():
    boxes = shapely.box(np.zeros(3), np.zeros(3), np.array([1, 4, 9]), np.array([1, 3, 1]))
    assert shapely.area(boxes) - shapely.area(cut_corners(boxes)) == pytest.approx([0.5] * 3)


def test_no_polygons_stay_none():
    assert len(smooth(np.empty(0, dtype=object), 1.0, 0.5)) == 0
