import numpy as np
import pytest
import shapely

from rts_track import grid
from rts_track.errors import UsageError
from rts_track.simulate.base import on_plane, settled
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.simulate.life import live
from rts_track.simulate.region import Plane

QUIET = HistoryParams(
    n_seasons=2,
    growth_median_m_yr=6.0,
    stabilised_frac=0.0,
    initiated_frac=0.0,
    split_frac=0.0,
    merge_frac=0.0,
    scene_missing_frac=0.0,
    scene_overlap_frac=0.0,
    false_positive_frac=0.0,
    missed_frac=0.0,
)
THERE = Plane.at(104.0, 71.0)


def lonlat(*boxes):
    """Rectangles (west, south, east, north) in metres about a place, as lon/lat outlines."""
    return THERE.to_lonlat(np.array([shapely.box(*each) for each in boxes], dtype=object))


APART = lonlat((0, 0, 120, 90), (600, 40, 690, 200), (-900, 2_000, -800, 2_100))


def test_the_area_is_that_of_the_outlines():
    params = settled(QUIET, APART)
    assert params.n_slumps == 3
    middle = THERE.from_lonlat(np.array([shapely.Point(params.centre_lonlat)], dtype=object))
    assert shapely.get_coordinates(middle)[0] == pytest.approx((-105.0, 1_050.0), abs=2.0)
    assert params.extent_m == pytest.approx((1_590.0 + 600.0, 2_100.0 + 600.0), rel=0.01)


def test_outlines_keep_their_areas_and_places():
    params = settled(QUIET, APART)
    there = Plane.at(*params.centre_lonlat).to_lonlat(
        np.array(on_plane(params, APART), dtype=object)
    )
    shared_m2 = shapely.area(shapely.intersection(grid.to_metric(there), grid.to_metric(APART)))
    np.testing.assert_allclose(shared_m2, shapely.area(grid.to_metric(APART)), rtol=1e-4)


def test_slumps_of_the_first_season_are_the_outlines_and_grow_each_in_its_own_direction():
    params = settled(QUIET, APART)
    outlines = on_plane(params, APART)
    lives = live(np.random.default_rng(2), params, outlines)
    first, second = (lives.slumps[season] for season in params.season_years)
    assert len(first) == len(second) == 3
    for number, object_id in enumerate(sorted(first)):
        assert shapely.equals(first[object_id].polygon, outlines[number])
        grown, before = second[object_id].polygon, first[object_id].polygon
        assert shapely.area(grown) > shapely.area(before)
        assert shapely.area(shapely.intersection(grown, before)) > 0.99 * shapely.area(before)
    headings = {tuple(np.round(slump.heading, 6)) for slump in first.values()}
    assert len(headings) == 3


def test_where_two_outlines_overlap_the_ground_is_the_larger_ones():
    base = lonlat((0, 0, 200, 200), (180, 0, 280, 100), (50, 50, 90, 90))
    params = settled(QUIET, base)
    first = live(np.random.default_rng(2), params, on_plane(params, base)).slumps[2018]
    areas_m2 = sorted(float(shapely.area(slump.polygon)) for slump in first.values())
    assert areas_m2 == pytest.approx([8_000.0, 40_000.0], rel=1e-3), "one lies wholly inside"


def test_a_ring_that_crosses_itself_becomes_its_largest_polygon():
    west, south, east, north = shapely.bounds(lonlat((0, 0, 100, 100)))[0]
    bow_tie = shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])
    base = np.array([bow_tie], dtype=object)
    assert not shapely.is_valid(bow_tie)
    (outline,) = on_plane(settled(QUIET, base), base)
    assert shapely.is_valid(outline)
    assert shapely.area(outline) == pytest.approx(2_500.0, rel=0.05)


def test_outlines_too_small_to_be_mapped_are_left_out():
    base = lonlat((0, 0, 100, 100), (200, 200, 205, 205))
    assert len(on_plane(settled(QUIET, base), base)) == 1


def test_a_history_of_real_outlines_lies_where_they_lie():
    history = simulate_history(np.random.default_rng(1), QUIET, APART)
    mapped = shapely.union_all(grid.to_metric(shapely.from_wkb(history.footprints["geometry"])))
    assert shapely.distance(grid.to_metric(APART), mapped).max() == 0.0
    assert history.params == settled(QUIET, APART)
    again = simulate_history(np.random.default_rng(1), QUIET, APART)
    assert history.footprints.equals(again.footprints)


@pytest.mark.parametrize(
    ("base", "told"),
    [
        (np.empty(0, dtype=object), "holds no outline"),
        (lonlat((0, 0, 100, 100), (90_000, 0, 90_100, 100)), "each site by itself"),
    ],
)
def test_outlines_that_make_no_area_are_refused(base, told):
    with pytest.raises(UsageError, match=told):
        settled(QUIET, base)
