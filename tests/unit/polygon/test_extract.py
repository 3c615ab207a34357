"""Drawn rasters: # is a slump (0.8), + a faint one (0.6), . none, x was not looked at."""

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.features import geometry_mask
from scipy.ndimage import label

from rts_track.errors import InputError
from rts_track.polygon.extract import ExtractParams, extract
from rts_track.raster.grid import Grid, Window

PIXELS = {"#": 200, "+": 150, ".": 10, "x": 255}
GSD_M = 10.0
ALL = ExtractParams(threshold=0.5, min_area_m2=0.0)


def grid_of(shape, crs="EPSG:6931"):
    height, width = shape
    transform = Affine(GSD_M, 0, 500_000, 0, -GSD_M, 7_500_000)
    return Grid(height=height, width=width, transform=transform, crs=crs)


def drawn(text):
    return np.array([[PIXELS[pixel] for pixel in line] for line in text.split()], dtype=np.uint8)


def found(text, params=ALL, spread=None):
    probability = drawn(text)
    return extract(probability, spread, grid_of(probability.shape), params)


def n_px(extracted):
    return np.round(extracted.area_m2 / GSD_M**2, 6).tolist()


def test_pixels_that_meet_in_a_corner_are_one_footprint():
    one = found("""
        .....
        .#...
        ..#..
        ...#.
        .....""")
    assert n_px(one) == [3]
    assert one.geometry[0].geom_type == "MultiPolygon"
    assert one.geometry[0].is_valid


def test_no_footprint_comes_twice_with_the_statistics_of_the_whole():
    """4-connected polygons of 8-connected labels would be three rows of three pixels each."""
    two = found("""
        #..++
        .#...
        ..#..
        .....
        ...##""")
    assert n_px(two) == [3, 2, 2]
    assert two.prob_mean.tolist() == pytest.approx([0.8, 0.6, 0.8])


def test_a_hole_is_kept():
    (ring,) = found("""
        .....
        .###.
        .#.#.
        .###.
        .....""").geometry
    assert len(ring.interiors) == 1
    assert ring.area == 8 * GSD_M**2


def test_a_hole_that_opens_at_a_corner_is_a_hole():
    (ring,) = found("""
        .....
        .##..
        .#.#.
        .###.
        .....""").geometry
    assert ring.is_valid
    assert ring.area == 7 * GSD_M**2


def test_an_island_in_a_hole_is_a_footprint_of_its_own():
    assert n_px(
        found("""
        #####
        #...#
        #.#.#
        #...#
        #####""")
    ) == [16, 1]


def test_what_touches_an_edge_is_kept_and_flagged():
    clipped = found("""
        #....
        ..#..
        ....#""")
    assert clipped.is_clipped.tolist() == [True, False, True]
    assert n_px(clipped) == [1, 1, 1]


@pytest.mark.parametrize("where", range(9))
def test_what_touches_a_pixel_that_was_not_looked_at_is_flagged_if_only_by_a_corner(where):
    probability = np.full((7, 7), PIXELS["."], dtype=np.uint8)
    probability[3, 3] = PIXELS["#"]
    beside, apart = probability.copy(), probability.copy()
    row, col = divmod(where, 3)
    if where != 4:
        beside[2 + row, 2 + col] = 255
        apart[1 + 2 * row, 1 + 2 * col] = 255
        assert extract(beside, None, grid_of((7, 7)), ALL).is_clipped.tolist() == [True]
    assert extract(apart, None, grid_of((7, 7)), ALL).is_clipped.tolist() == [False]


def test_pixels_that_were_not_looked_at_are_no_slump():
    assert len(found("xxx xxx")) == 0
    assert n_px(
        found("""
        .....
        .#x#.
        .....""")
    ) == [1, 1]


def test_an_empty_raster_has_no_footprints_but_all_columns():
    none = found("... ...")
    assert len(none) == len(none.area_m2) == len(none.prob_max) == len(none.is_clipped) == 0


def test_statistics_are_those_of_the_objects_own_pixels():
    spread = np.full((3, 5), 25, dtype=np.uint8)
    spread[1, 1] = 75
    one = found(
        """
        .....
        .#++.
        .....""",
        spread=spread,
    )
    assert one.prob_mean[0] == pytest.approx((0.8 + 0.6 + 0.6) / 3)
    assert one.prob_max[0] == pytest.approx(0.8)
    assert one.spread_mean[0] == pytest.approx((0.3 + 0.1 + 0.1) / 3)


def test_without_a_spread_there_is_none():
    assert np.isnan(found(". # .").spread_mean).all()


def test_the_threshold_itself_counts():
    probability = np.array([[10, 149, 10, 150, 10]], dtype=np.uint8)
    params = ExtractParams(threshold=0.6, min_area_m2=0.0)
    assert n_px(extract(probability, None, grid_of((1, 5)), params)) == [1]


def test_the_minimum_is_an_area_and_not_a_number_of_pixels():
    text = """
        .......
        .##....
        .##.##.
        ......."""
    least = ExtractParams(threshold=0.5, min_area_m2=250.0)
    assert n_px(found(text, least)) == [4]
    coarse = Grid(height=4, width=7, transform=Affine(30, 0, 0, 0, -30, 0), crs="EPSG:6931")
    assert len(extract(drawn(text), None, coarse, least)) == 2
    exact = ExtractParams(threshold=0.5, min_area_m2=200.0)
    assert n_px(found(text, exact)) == [4, 2]


def test_footprints_on_which_members_disagree_too_much_in_the_mean_are_left_out():
    text = """
        .......
        .##....
        .##.##.
        ......."""
    spread = np.zeros((4, 7), dtype=np.uint8)
    spread[1:3, 1:3] = [[0, 50], [50, 100]]
    spread[2, 4:6] = 100
    kept = {
        most: n_px(found(text, ExtractParams(threshold=0.5, min_area_m2=0.0, max_spread=most), of))
        for most, of in ((None, spread), (0.4, spread), (0.3, spread), (0.2, spread), (0.1, spread))
    }
    assert kept == {None: [4, 2], 0.4: [4, 2], 0.3: [4], 0.2: [4], 0.1: []}
    strict = ExtractParams(threshold=0.5, min_area_m2=0.0, max_spread=0.0)
    assert n_px(found(text, strict)) == [4, 2], "without a spread nothing is known of it"
    assert n_px(found(text, strict, np.zeros((4, 7), dtype=np.uint8))) == [4, 2]


def test_footprints_come_in_the_order_of_their_first_pixels():
    drawing = """
        ..+....
        .....#.
        ##.....
        ....+..
        +......"""
    assert found(drawing).prob_max.tolist() == pytest.approx([0.6, 0.8, 0.8, 0.6, 0.6])


@pytest.mark.parametrize("crs", ["EPSG:32608", "EPSG:3413", "EPSG:32601"])
def test_areas_are_those_of_the_equal_area_plane_whatever_the_rasters_crs(crs):
    origin = {"EPSG:3413": (-2_500_000, 500_000)}.get(crs, (500_000, 7_500_000))
    transform = Affine(GSD_M, 0, origin[0], 0, -GSD_M, origin[1])
    grid = Grid(height=40, width=40, transform=transform, crs=crs)
    probability = np.full((40, 40), 10, dtype=np.uint8)
    probability[5:25, 5:25] = 200
    one = extract(probability, None, grid, ALL)
    whole = grid.part(Window(5, 5, 20, 20)).extent()
    assert one.area_m2[0] == pytest.approx(whole.area, rel=1e-9)
    assert one.geometry[0].is_valid
    assert shapely.symmetric_difference(one.geometry[0], whole).area < 1e-3


def test_thresholds_and_areas_out_of_range_are_refused():
    for bad in (
        *({"threshold": 0.0}, {"threshold": 1.1}, {"min_area_m2": -1.0}, {"smooth_m": -1.0}),
        *({"max_spread": -0.1}, {"max_spread": 1.1}),
    ):
        with pytest.raises(ValueError, match=r"threshold|negative|max_spread"):
            ExtractParams(**{"threshold": 0.5, "min_area_m2": 0.0, **bad})


def test_noise_is_refused_before_hours_are_spent_on_it(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 250, (60, 60)).astype(np.uint8)
    assert len(extract(noise, None, grid_of((60, 60)), ALL)) > 0
    monkeypatch.setattr("rts_track.polygon.extract.MOST_SIDES", 1_000)
    with pytest.raises(InputError, match="is the model trained"):
        extract(noise, None, grid_of((60, 60)), ALL)


def test_an_object_of_many_corners_is_valid_in_pieces_and_drawn_at_once():
    """GEOS would take minutes to mend a polygon of so many corners."""
    noise = np.random.default_rng(1).integers(0, 250, (200, 200)).astype(np.uint8)
    extracted = extract(noise, None, grid_of((200, 200)), ALL)
    assert shapely.is_valid(extracted.geometry).all()
    assert extracted.area_m2.sum() == pytest.approx((noise >= 125).sum() * GSD_M**2)


rasters = arrays(
    np.uint8,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([10, 10, 150, 200, 255]),
)


@given(rasters)
@settings(max_examples=150, deadline=None)
def test_each_footprint_is_exactly_the_pixels_of_one_object(probability):
    grid = grid_of(probability.shape)
    extracted = extract(probability, None, grid, ALL)
    labels, count = label((probability >= 125) & (probability != 255), np.ones((3, 3)))
    assert len(extracted) == count
    assert shapely.is_valid(extracted.geometry).all()
    for number, polygon in enumerate(extracted.geometry, start=1):
        inside = geometry_mask([polygon], probability.shape, grid.transform, invert=True)
        assert (inside == (labels == number)).all()
        assert polygon.area == pytest.approx((labels == number).sum() * GSD_M**2)


@given(rasters, st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_where_the_window_begins_changes_no_polygon(probability, rows, cols):
    grid = grid_of(probability.shape)
    wide = np.pad(probability, ((rows, 1), (cols, 2)), constant_values=10)
    there = grid.part(Window(-rows, -cols, *wide.shape))
    one, other = extract(probability, None, grid, ALL), extract(wide, None, there, ALL)
    assert len(one) == len(other)
    assert shapely.equals(one.geometry, other.geometry).all()
    assert (one.prob_mean == other.prob_mean).all()


@given(rasters)
@settings(max_examples=50, deadline=None)
def test_a_mirrored_raster_has_the_same_footprints_mirrored(probability):
    grid = grid_of(probability.shape)
    one = extract(probability, None, grid, ALL)
    for mirrored in (probability[::-1], probability[:, ::-1], probability[::-1, ::-1]):
        other = extract(np.ascontiguousarray(mirrored), None, grid, ALL)
        for name in ("area_m2", "prob_mean", "prob_max", "is_clipped"):
            assert sorted(getattr(one, name)) == pytest.approx(sorted(getattr(other, name)))


@given(rasters, st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_statistics_are_the_same_however_few_rows_are_counted_at_a_time(probability, strip_px):
    spread = (probability // 3).astype(np.uint8)
    grid = grid_of(probability.shape)
    whole = extract(probability, spread, grid, ALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rts_track.polygon.extract._STRIP_PX", strip_px)
        stripped = extract(probability, spread, grid, ALL)
    for name in ("prob_mean", "prob_max", "spread_mean", "is_clipped"):
        assert getattr(whole, name) == pytest.approx(getattr(stripped, name))
