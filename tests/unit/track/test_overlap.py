"""The shared area of polygons, beside GEOS's."""

import numba
import numba.core.caching
import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track import grid
from rts_track.track.overlap import measure_rings, overlap_m2
from rts_track.track.rings import compiled, rings_of

FAR = np.array([-1_500_000.25, 1_200_000.125])
"""Where slumps are in EPSG:6931: its origin is the Pole."""
STILL = np.zeros((1, 2))
FIRST = np.array([0])

seeds = st.integers(0, 2**32 - 1)
properties = settings(max_examples=60, deadline=None)


def shared(one, other, by=(0.0, 0.0)):
    before, after = np.array([one], dtype=object), np.array([other], dtype=object)
    return overlap_m2(before, after, FIRST, FIRST, np.array([by], dtype=float))[0]


def told_without_geos(one, other):
    before, after = np.array([one], dtype=object), np.array([other], dtype=object)
    area, is_sure = measure_rings(rings_of(before), rings_of(after), FIRST, FIRST, STILL)
    assert is_sure.all()
    return area[0]


def by_geos(one, other):
    return shapely.area(shapely.intersection(one, other))


def close_to(area):
    return pytest.approx(area, abs=1e-3, rel=1e-9)


def put(polygon, size_m, at=FAR):
    return shapely.transform(polygon, lambda xy: xy * size_m + at)


def star(random, n_vertices, centre):
    """A polygon about as large as the unit circle, valid but as ragged as can be."""
    angle = (np.arange(n_vertices) + random.uniform(0.1, 0.9, n_vertices)) * 2 * np.pi / n_vertices
    radius = np.exp(random.normal(0.0, 0.4, n_vertices))
    xy = centre + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return shapely.Polygon(xy)


def ragged(random):
    """A star, or several, that may have holes; a (multi)polygon."""
    parts = [
        star(random, random.integers(5, 40), random.normal(0.0, 0.8, 2))
        for _ in range(random.integers(1, 4))
    ]
    whole = shapely.union_all(parts)
    holes = [
        shapely.transform(star(random, 7, 0.0), lambda xy: 0.2 * xy + random.normal(0.0, 0.5, 2))
        for _ in range(random.integers(0, 3))
    ]
    pierced = shapely.difference(whole, shapely.union_all(holes))
    return only_polygons(whole if pierced.is_empty else pierced)


def on_lattice(random):
    """Whole unit squares: their vertices and edges meet wherever they can."""
    low, size = random.integers(0, 5, (4, 2)), random.integers(1, 4, (4, 2))
    squares = shapely.union_all(shapely.box(*low.T, *(low + size).T))
    x, y = random.integers(0, 5, 2)
    left = shapely.difference(squares, shapely.box(x, y, x + 1, y + 1))
    return only_polygons(squares if left.is_empty else left)


def slanted(random):
    """Crossed polygons on a lattice, mended: edges of many directions through common points."""
    while True:
        mended = shapely.make_valid(shapely.Polygon(random.integers(0, 6, (6, 2))))
        if shapely.area(mended) > 0:
            return only_polygons(mended)


def only_polygons(geometry):
    return grid.as_multipolygons(np.array([geometry], dtype=object))[0]


@properties
@given(seeds, st.sampled_from([0.1, 1.0, 30.0, 1_000.0, 50_000.0]))
def test_ragged_polygons_with_holes_and_parts_share_what_geos_says(seed, size_m):
    random = np.random.default_rng(seed)
    one, other = put(ragged(random), size_m), put(ragged(random), size_m)
    assert told_without_geos(one, other) == close_to(by_geos(one, other))


@properties
@given(seeds, st.sampled_from([1.0, 8.0, 512.0]))
def test_shared_edges_and_vertices_share_what_geos_says(seed, size_m):
    random = np.random.default_rng(seed)
    one, other = put(on_lattice(random), size_m), put(on_lattice(random), size_m)
    assert told_without_geos(one, other) == close_to(by_geos(one, other))


@properties
@given(seeds, st.sampled_from([1.0, 7.3, 0.001]), st.sampled_from([FAR, FAR + 0.1, np.zeros(2)]))
def test_edges_through_one_point_share_what_geos_says(seed, size_m, at):
    random = np.random.default_rng(seed)
    one, other = put(slanted(random), size_m, at), put(slanted(random), size_m, at)
    if one.is_valid and other.is_valid:  # rounding may have crossed edges
        assert shared(one, other) == close_to(by_geos(one, other))


@properties
@given(seeds, st.sampled_from([on_lattice, slanted, ragged]))
def test_a_polygon_shares_all_of_itself_however_its_rings_run(seed, drawn):
    one = put(drawn(np.random.default_rng(seed)), 16.0)
    for same in (one, shapely.reverse(one), shapely.normalize(one)):
        assert told_without_geos(one, same) == pytest.approx(one.area, rel=1e-12)


@properties
@given(seeds, st.sampled_from([1.0, 30.0, 1_000.0]))
def test_edges_that_lie_along_each_other_but_for_rounding_share_what_geos_says(seed, size_m):
    one = put(ragged(np.random.default_rng(seed)), size_m)
    divided = shapely.segmentize(one, 0.07 * size_m)
    assert told_without_geos(one, divided) == close_to(one.area)
    turned = shapely.transform(one, lambda xy: FAR + (xy - FAR) @ [[1.0, 1e-13], [-1e-13, 1.0]])
    assert told_without_geos(one, turned) == close_to(one.area)


@properties
@given(seeds)
def test_repeated_vertices_change_nothing(seed):
    random = np.random.default_rng(seed)
    one, other = put(on_lattice(random), 8.0), put(on_lattice(random), 8.0)
    twice = shapely.MultiPolygon(
        [
            shapely.Polygon(
                np.repeat(shapely.get_coordinates(part.exterior), 2, axis=0),
                [np.repeat(shapely.get_coordinates(hole), 2, axis=0) for hole in part.interiors],
            )
            for part in shapely.get_parts(other)
        ]
    )
    assert told_without_geos(one, twice) == told_without_geos(one, other)


@properties
@given(seeds)
def test_a_polygon_is_its_part_inside_another_and_its_part_outside(seed):
    random = np.random.default_rng(seed)
    one, other = put(ragged(random), 40.0), put(ragged(random), 40.0)
    outside = only_polygons(shapely.difference(one, other))
    assert shared(one, other) + shared(one, outside) == close_to(one.area)
    assert shared(outside, other) == close_to(0.0)


@properties
@given(seeds, st.sampled_from([on_lattice, slanted, ragged]))
def test_it_does_not_matter_which_polygon_comes_first(seed, drawn):
    random = np.random.default_rng(seed)
    one, other = put(drawn(random), 20.0), put(drawn(random), 20.0)
    assert shared(one, other) == pytest.approx(shared(other, one), abs=1e-7)


@properties
@given(
    seeds,
    st.sampled_from([on_lattice, slanted, ragged]),
    st.integers(-2_000_000, 2_000_000),
    st.integers(-2_000_000, 2_000_000),
)
def test_it_does_not_matter_where_the_polygons_are(seed, drawn, east, north):
    random = np.random.default_rng(seed)
    one, other = put(drawn(random), 16.0), put(drawn(random), 16.0)
    there = [put(each, 1.0, (east, north)) for each in (one, other)]
    if there[0].is_valid and there[1].is_valid:
        assert shared(*there) == close_to(shared(one, other))


@properties
@given(seeds, st.floats(-60, 60), st.floats(-60, 60))
def test_the_second_polygon_is_moved_first(seed, dx, dy):
    random = np.random.default_rng(seed)
    one, other = put(ragged(random), 40.0), put(ragged(random), 40.0)
    moved = put(other, 1.0, (dx, dy))
    assert shared(one, other, by=(dx, dy)) == close_to(by_geos(one, moved))


def test_touching_at_an_edge_or_a_corner_is_no_overlap():
    one = put(shapely.box(0, 0, 10, 10), 1.0)
    for low in ((10, 0), (10, 10), (10, 5), (-10, -10), (0, -10)):
        assert shared(one, put(shapely.box(*low, low[0] + 10, low[1] + 10), 1.0)) == 0.0


def test_polygons_far_apart_share_nothing():
    assert shared(put(shapely.box(0, 0, 9, 9), 1.0), put(shapely.box(0, 0, 9, 9), 1.0, -FAR)) == 0.0


def test_a_polygon_in_the_hole_of_another_shares_nothing():
    ring = shapely.box(0, 0, 30, 30).difference(shapely.box(10, 10, 20, 20))
    for inner in (shapely.box(12, 12, 18, 18), shapely.box(10, 10, 20, 20)):
        assert shared(put(ring, 1.0), put(inner, 1.0)) == 0.0


def test_a_polygon_inside_another_shares_all_of_itself():
    island = shapely.MultiPolygon([shapely.box(2, 2, 4, 4), shapely.box(6, 6, 7, 7)])
    assert shared(put(shapely.box(0, 0, 9, 9), 1.0), put(island, 1.0)) == 5.0
    assert shared(put(island, 1.0), put(shapely.box(0, 0, 9, 9), 1.0)) == 5.0


def test_a_sliver_between_neighbours_is_measured():
    sliver_m = 2.0**-10
    one, other = shapely.box(0, 0, 512, 100), shapely.box(512 - sliver_m, 0, 900, 100)
    assert shared(put(one, 1.0), put(other, 1.0)) == pytest.approx(100 * sliver_m, rel=1e-9)


def test_what_rounds_too_coarsely_to_tell_a_side_is_measured_by_geos():
    # The first's left edge comes from beyond 2^10, where differences from 0.1 round.
    one = shapely.Polygon([(0.1, 0.1), (1_025.3, 1_025.3), (1_025.3, 0.1)])
    other = shapely.Polygon([(0.1, 0.1), (513.7, 513.7), (0.1, 900.0)])
    for by in ((0.0, 0.0), (2_000.0, 3_000.0)):
        there = put(other, 1.0, np.negative(by))
        arrays = [np.array([each], dtype=object) for each in (one, there)]
        is_sure = measure_rings(*map(rings_of, arrays), FIRST, FIRST, np.array([by]))[1]
        assert not is_sure.any()
        assert shared(one, there, by) == close_to(by_geos(one, other))


def test_an_empty_polygon_shares_nothing():
    square = put(shapely.box(0, 0, 9, 9), 1.0)
    assert shared(shapely.Polygon(), square) == 0.0
    assert shared(square, shapely.MultiPolygon()) == 0.0
    among = np.array([shapely.MultiPolygon(), square, shapely.Polygon(), square], dtype=object)
    rows = np.arange(4)
    areas = overlap_m2(among, among[[1, 1, 1, 1]], rows, rows, np.zeros((4, 2)))
    assert areas.tolist() == [0.0, 81.0, 0.0, 81.0]


def test_no_pairs_have_no_areas():
    nothing, no_rows = np.empty(0, dtype=object), np.empty(0, dtype=np.int64)
    assert overlap_m2(nothing, nothing, no_rows, no_rows, np.empty((0, 2))).shape == (0,)


def test_lines_have_no_area_in_common():
    with pytest.raises(ValueError, match="not a linestring"):
        shared(shapely.LineString([(0, 0), (1, 1)]), shapely.box(0, 0, 1, 1))


def test_a_pair_shares_the_same_to_the_last_digit_whatever_comes_before_it():
    random = np.random.default_rng(3)
    polygons = np.array([put(ragged(random), 50.0) for _ in range(40)], dtype=object)
    first, second = (rows.ravel() for rows in np.meshgrid(np.arange(40), np.arange(40)))
    moved_by = random.normal(0.0, 5.0, (1600, 2))
    together = overlap_m2(polygons, polygons, first, second, moved_by)
    order = random.permutation(1600)
    shuffled = overlap_m2(polygons, polygons, first[order], second[order], moved_by[order])
    assert np.array_equal(together[order], shuffled)
    alone = [
        shared(polygons[first[pair]], polygons[second[pair]], moved_by[pair]) for pair in order[:50]
    ]
    assert np.array_equal(together[order[:50]], alone)


def test_without_a_folder_for_its_machine_code_it_is_compiled_all_the_same(monkeypatch):
    def twice(x):
        return 2.0 * x

    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(twice)
    assert compiled(twice)(21.0) == 42.0


@pytest.mark.real_data
@pytest.mark.parametrize("site", ["BL", "ET", "NK", "SK", "WT"])
def test_outlines_of_consecutive_years_share_what_geos_says(real_data, site):
    meta, _, wkb, (year,) = pyogrio.raw.read(
        real_data / "barth2023" / site / f"{site}_RTS.shp", columns=["year"]
    )
    outlines = grid.to_metric(shapely.from_wkb(wkb), meta["crs"])
    outlines = shapely.make_valid(outlines, method="structure")
    year = year.astype(int)
    later = dict(zip(np.unique(year)[:-1], np.unique(year)[1:], strict=True))
    following = np.array([later.get(each, 0) for each in year])
    one, other = shapely.STRtree(outlines).query(outlines)
    is_next = following[one] == year[other]
    one, other = one[is_next], other[is_next]
    assert len(one) >= 5
    area = overlap_m2(outlines, outlines, one, other, np.zeros((len(one), 2)))
    expected = by_geos(outlines[one], outlines[other])
    assert (expected > 0).sum() >= 5
    np.testing.assert_allclose(area, expected, atol=1e-3, rtol=1e-9)
