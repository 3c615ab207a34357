"""Coverage: shares, counts, cells and regions of what was looked at."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track.grid import LONLAT_CRS, METRIC_CRS, to_metric, transformer
from rts_track.polygon.coverage import (
    CELL_DEG,
    Touching,
    count_looks,
    covered_frac,
    look_at_cells,
    looked_area_m2,
)

ORIGIN_M = (1_470_000.0, -2_330_000.0)  # so that looks lie across the edges of tiles


def square(x_km, y_km, side_km=10.0):
    """A square with its lower left corner so many km from the origin of the tests."""
    x, y = ORIGIN_M[0] + 1000 * x_km, ORIGIN_M[1] + 1000 * y_km
    return shapely.box(x, y, x + 1000 * side_km, y + 1000 * side_km)


def polygons(*geometries):
    return np.array(geometries, dtype=object)


def lonlat_box(west, south, east, north):
    """A box of lon/lat with its parallels as fine chords, in EPSG:6931."""
    lonlat = shapely.segmentize(shapely.box(west, south, east, north), 0.01)
    return to_metric(polygons(lonlat))[0]


def counted(rows):
    return {(row.basis, row.n_looks): row.area_m2 / 1e6 for row in rows}


def test_the_covered_share_is_nan_without_a_look_and_one_inside_it():
    slumps = polygons(square(1, 1, 1), square(50, 50, 1), square(9.75, 5, 1))
    frac = covered_frac(slumps, polygons(square(0, 0)))
    assert frac[0] == 1.0
    assert np.isnan(frac[1])
    assert frac[2] == pytest.approx(0.25)


def test_two_looks_that_share_a_slump_cover_it_once():
    slump = polygons(square(9, 0, 4))
    half, overlapping_half = square(0, 0, 11), square(10, 0, 11)
    frac = covered_frac(slump, polygons(half, overlapping_half, square(0, 0, 10.5)))
    assert frac == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("look", "n_covering", "is_touched"),
    [
        (square(-1, -1, 12), 1, True),
        (square(0, 0, 9.8), 1, True),
        (square(0, 0, 5), 0, True),
        (square(10, 0), 0, True),
        (square(50, 0), 0, False),
    ],
)
def test_a_look_counts_only_where_it_covers(look, n_covering, is_touched):
    touching = Touching.of(polygons(square(0, 0)), polygons(look))
    assert touching.n_covering(0.9).tolist() == [n_covering]
    assert touching.is_touched().tolist() == [is_touched]


def test_a_slump_in_the_notch_of_a_look_is_not_covered():
    notched = shapely.difference(square(0, 0), square(4, 4, 6))
    touching = Touching.of(polygons(square(5, 5, 1), square(1, 1, 1)), polygons(notched))
    assert touching.is_touched().tolist() == [False, True]
    assert touching.covered_frac().tolist()[1] == 1.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8),
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(2, 15)),
        min_size=1,
        max_size=5,
    ),
)
def test_shares_and_counts_are_those_of_overlays_of_every_pair(slumps, looks):
    slumps = polygons(*(square(x, y, 3).buffer(10.0) for x, y in slumps))
    looks = polygons(*(square(x, y, side) for x, y, side in looks))
    touching = Touching.of(slumps, looks)
    area_m2 = shapely.area(slumps)
    share = shapely.area(shapely.intersection(slumps[:, None], looks[None])) / area_m2[:, None]
    is_touched = shapely.intersects(slumps[:, None], looks[None]).any(axis=1)
    union = shapely.area(shapely.intersection(slumps, shapely.union_all(looks))) / area_m2
    assert touching.n_covering(0.5).tolist() == (share >= 0.5).sum(axis=1).tolist()
    assert touching.covered_frac() == pytest.approx(
        np.where(is_touched, union, np.nan), nan_ok=True
    )


def test_no_look_and_no_slump_give_an_answer_too():
    nothing = polygons()
    assert np.isnan(covered_frac(polygons(square(0, 0)), nothing)).all()
    assert len(covered_frac(nothing, polygons(square(0, 0)))) == 0
    assert count_looks(nothing, np.zeros(0, dtype=bool)) == []
    assert len(look_at_cells(nothing).cell_lon) == 0
    assert looked_area_m2(polygons(square(0, 0)), nothing) == pytest.approx([0.0])


def test_where_two_measured_looks_overlap_two_are_counted_and_one_elsewhere():
    looks = polygons(square(0, 0), square(5, 0))
    rows = count_looks(looks, np.array([True, True]))
    assert counted(rows) == pytest.approx({("measured", 1): 100.0, ("measured", 2): 50.0})


def test_an_assumed_look_counts_only_where_no_measured_one_lies():
    looks = polygons(square(0, 0), square(5, 0), square(5, 0))
    rows = count_looks(looks, np.array([True, False, False]))
    assert counted(rows) == pytest.approx({("measured", 1): 100.0, ("assumed", 2): 50.0})


def test_a_look_with_a_hole_does_not_count_in_it():
    ring = square(0, 0).difference(square(4, 4, 2))
    rows = count_looks(polygons(ring, square(4, 4, 2)), np.array([True, False]))
    assert counted(rows) == pytest.approx({("measured", 1): 96.0, ("assumed", 1): 4.0})


def test_looks_far_larger_than_a_tile_are_whole_again():
    looks = polygons(square(-170, -230, 500), square(-20, -80, 500))
    rows = count_looks(looks, np.array([True, True]))
    assert counted(rows) == pytest.approx({("measured", 1): 255_000.0, ("measured", 2): 122_500.0})
    assert [shapely.get_num_geometries(row.geometry) for row in rows] == [2, 1]
    assert all(shapely.is_valid(row.geometry) for row in rows)


def test_a_look_smaller_than_the_noding_grid_counts_for_nothing():
    assert count_looks(polygons(square(0, 0, 1e-7)), np.array([True])) == []


@st.composite
def some_looks(draw):
    number = draw(st.integers(1, 12))
    place = st.floats(0.0, 60.0)
    angle = st.floats(0.0, 90.0)
    looks = [
        shapely.affinity.rotate(
            square(draw(place), draw(place), draw(st.floats(5.0, 40.0))), draw(angle)
        )
        for _ in range(number)
    ]
    is_measured = draw(st.lists(st.booleans(), min_size=number, max_size=number))
    return shapely.segmentize(polygons(*looks), 1000.0), np.array(is_measured)


@settings(max_examples=25, deadline=None)
@given(some_looks())
def test_counted_areas_are_disjoint_and_together_the_union_of_the_looks(given_looks):
    looks, is_measured = given_looks
    rows = count_looks(looks, is_measured)
    areas = polygons(*(row.geometry for row in rows))
    union_m2 = shapely.area(shapely.union_all(looks))
    assert sum(row.area_m2 for row in rows) == pytest.approx(union_m2, rel=1e-6)
    assert shapely.area(shapely.union_all(areas)) == pytest.approx(union_m2, rel=1e-6)
    measured_m2 = sum(row.n_looks * row.area_m2 for row in rows if row.basis == "measured")
    assert measured_m2 == pytest.approx(shapely.area(looks[is_measured]).sum(), rel=1e-6)
    assert shapely.is_valid(areas).all()


@settings(max_examples=15, deadline=None)
@given(some_looks(), st.randoms(use_true_random=False))
def test_the_order_of_the_looks_changes_no_area(given_looks, random):
    looks, is_measured = given_looks
    order = list(range(len(looks)))
    random.shuffle(order)
    before = counted(count_looks(looks, is_measured))
    after = counted(count_looks(looks[order], is_measured[order]))
    kept = {key for key, area_km2 in {**before, **after}.items() if area_km2 > 1e-6}
    for key in kept:
        assert after.get(key, 0.0) == pytest.approx(before.get(key, 0.0), rel=1e-6, abs=1e-5)


@settings(max_examples=15, deadline=None)
@given(some_looks())
def test_the_cells_hold_all_that_was_looked_at(given_looks):
    looks, is_measured = given_looks
    rows = count_looks(looks, is_measured)
    cells = look_at_cells(polygons(*(row.geometry for row in rows)))
    assert cells.looked_area_m2.sum() == pytest.approx(sum(row.area_m2 for row in rows), rel=1e-6)
    assert (cells.looked_area_m2 <= cells.cell_area_m2).all()


def test_a_cell_has_the_area_of_the_ellipsoid():
    cells = look_at_cells(polygons(lonlat_box(-135.9, 67.1, -135.6, 67.4)))
    assert (cells.cell_lon.tolist(), cells.cell_lat.tolist()) == ([-136.0], [67.0])
    x, y = transformer(LONLAT_CRS, METRIC_CRS).transform([0.0, 0.0], [67.0, 67.5])
    rho = np.hypot(x, y)
    sector_m2 = np.radians(CELL_DEG) * (rho[0] ** 2 - rho[1] ** 2) / 2
    assert cells.cell_area_m2 == pytest.approx([sector_m2], rel=1e-6)


def test_cells_west_of_greenwich_and_south_of_the_equator_are_named_by_their_south_west_corner():
    cells = look_at_cells(polygons(lonlat_box(-0.2, -0.3, 0.1, 0.2)))
    assert sorted(zip(cells.cell_lon.tolist(), cells.cell_lat.tolist(), strict=True)) == [
        (-0.5, -0.5),
        (-0.5, 0.0),
        (0.0, -0.5),
        (0.0, 0.0),
    ]


def test_a_look_across_the_date_line_reaches_the_cells_on_both_sides():
    look = lonlat_box(179.8, 68.1, 180.3, 68.2)
    cells = look_at_cells(polygons(look))
    assert cells.cell_lon.tolist() == [-180.0, 179.5]
    assert cells.looked_area_m2.sum() == pytest.approx(shapely.area(look), rel=1e-6)


def test_a_look_around_the_pole_reaches_every_cell_there():
    cap = shapely.Point(0.0, 0.0).buffer(100_000.0, quad_segs=256)
    cells = look_at_cells(polygons(cap))
    assert set(cells.cell_lon.tolist()) == set(np.arange(-180.0, 180.0, 0.5).tolist())
    assert cells.cell_lat.max() == 89.5
    assert cells.looked_area_m2.sum() == pytest.approx(shapely.area(cap), rel=1e-6)


def test_a_look_along_a_cells_edge_reaches_no_cell_beyond_it():
    cells = look_at_cells(polygons(lonlat_box(100.0, 70.0, 100.5, 70.5)))
    assert (cells.cell_lon.tolist(), cells.cell_lat.tolist()) == ([100.0], [70.0])
    assert cells.looked_area_m2 == pytest.approx(cells.cell_area_m2, rel=1e-5)


def test_a_region_counts_what_lies_in_it_of_all_looked_at_areas():
    regions = polygons(square(0, 0, 20), square(100, 0), square(21, 1, 2))
    looked = polygons(square(5, 5, 5), square(15, 0, 10), square(20, 10, 3))
    assert looked_area_m2(regions, looked) / 1e6 == pytest.approx([25.0 + 50.0, 0.0, 4.0])
