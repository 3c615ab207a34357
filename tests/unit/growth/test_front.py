"""Which way a drawn front moved, and how far."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity

from rts_track import grid
from rts_track.growth.front import (
    azimuth_deg,
    landform_movement,
    least_claimed_sigma,
    zone_movement,
)

PLACES = {
    "Banks Island": (-122.0, 72.0),
    "Yamal": (69.0, 70.5),
    "Chukotka, across 180": (180.0, 68.5),
    "far north": (100.0, 81.0),
}
BANKS = PLACES["Banks Island"]
SQUARE = shapely.box(-60, -60, 60, 60)
ROUND = shapely.Point(0, 0).buffer(60)
LONG = shapely.box(-100, -30, 100, 30)
HORSESHOE = shapely.Polygon(
    np.array(
        [
            *[(-60, -80), (-60, 0), (-40, 45), (0, 60), (40, 45), (60, 0), (60, -80)],
            *[(20, -80), (15, -30), (-15, -30), (-20, -80)],
        ]
    )
)

bearings = st.floats(0, 359.9)


def ground(shape, place=BANKS):
    """The shape, in metres east and north of the place, in EPSG:6931."""
    x, y = grid.transformer("EPSG:4326", "EPSG:6931").transform(*place)

    def moved(xy):
        here = np.full(len(xy), x), np.full(len(xy), y)
        return np.column_stack(here) + np.column_stack(grid.from_ground(*xy.T, *here))

    return np.array([shapely.transform(shape, moved)], dtype=object)


def swept(shape, bearing, by_m):
    """All that the shape covers on its way."""
    east, north = np.sin(np.radians(bearing)) * by_m, np.cos(np.radians(bearing)) * by_m
    places = np.linspace(0, 1, max(int(abs(by_m)) * 2, 2))
    return shapely.union_all([affinity.translate(shape, east * t, north * t) for t in places])


def moved(before, after, place=BANKS, *, placement_m=1.0, random_m2=20.0):
    found = landform_movement(
        ground(before, place),
        ground(after, place),
        np.array([random_m2]),
        np.array([placement_m]),
        1.96,
    )
    return float(found.azimuth_deg[0]), float(np.hypot(found.east_m, found.north_m)[0])


def off_deg(one, other):
    return abs((one - other + 180.0) % 360.0 - 180.0)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("shape", [SQUARE, ROUND, HORSESHOE], ids=["square", "round", "horseshoe"])
def test_a_slump_that_retreats_to_the_northeast_by_ten_metres_is_seen_to(shape, place):
    azimuth, distance = moved(shape, swept(shape, 45.0, 10.0), place)
    assert off_deg(azimuth, 45.0) < 3.0
    assert distance == pytest.approx(10.0, abs=0.5)


def test_a_straight_headwall_moves_across_itself():
    azimuth, distance = moved(LONG, shapely.union(LONG, shapely.box(-100, 0, 100, 42)))
    assert off_deg(azimuth, 0.0) < 0.5
    assert distance == pytest.approx(12.0, rel=0.02)


def test_a_long_slump_swept_across_its_corner_is_not_taken_to_move_across_its_side():
    azimuth, distance = moved(LONG, swept(LONG, 45.0, 10.0))
    assert off_deg(azimuth, 45.0) < 5.0, "its mean direction of advance would be 17"
    assert distance == pytest.approx(10.0, abs=0.6)


def test_a_front_at_one_end_moves_there_and_not_towards_the_middle_of_what_it_gained():
    azimuth, _ = moved(LONG, shapely.union(LONG, shapely.box(60, 0, 100, 45)), placement_m=0.5)
    assert off_deg(azimuth, 0.0) < 5.0


def test_ground_lost_elsewhere_turns_nothing():
    before = shapely.union(SQUARE, shapely.box(-80, -30, -60, 30))
    azimuth, distance = moved(before, shapely.union(SQUARE, shapely.box(-60, 60, 60, 70)))
    assert off_deg(azimuth, 0.0) < 1.0
    assert distance == pytest.approx(10.0, rel=0.03)


def test_an_outline_drawn_wider_all_round_has_no_direction():
    assert np.isnan(moved(ROUND, ROUND.buffer(8.0))).all()
    assert np.isnan(moved(SQUARE, SQUARE.buffer(8.0, join_style="mitre"))).all()


def test_identical_outlines_have_not_moved():
    assert np.isnan(moved(HORSESHOE, HORSESHOE, placement_m=0.0, random_m2=0.0)).all()


def test_what_misplaced_scenes_can_make_is_not_claimed():
    off = affinity.translate(ROUND, 3.0, 0.0)
    assert np.isnan(moved(ROUND, off, placement_m=2.2)).all()
    assert off_deg(moved(ROUND, off, placement_m=0.5)[0], 90.0) < 2.0


def test_misplacing_a_circle_makes_an_advance_of_a_quarter_of_its_perimeter():
    """The error by which significance is judged, at its very limit."""
    limit_m = 3.0 / least_claimed_sigma(1.96)
    off = affinity.translate(ROUND, 3.0, 0.0)
    assert np.isnan(moved(ROUND, off, placement_m=limit_m * 1.05, random_m2=0.0)).all()
    assert np.isfinite(moved(ROUND, off, placement_m=limit_m * 0.95, random_m2=0.0)).all()


def test_a_vector_must_be_longer_than_a_number_to_be_no_error():
    lengths = np.hypot(*np.random.default_rng(1).normal(size=(2, 200_000)))
    assert (lengths > least_claimed_sigma(1.96)).mean() == pytest.approx(0.05, abs=0.003)


@settings(max_examples=25, deadline=None)
@given(bearings, bearings)
def test_turning_the_scene_turns_the_azimuth(bearing, turn):
    before, after = HORSESHOE, swept(HORSESHOE, bearing, 12.0)
    azimuth, distance = moved(before, after)
    turned = [affinity.rotate(shape, -turn, origin=(0, 0)) for shape in (before, after)]
    turned_azimuth, turned_distance = moved(*turned)
    assert off_deg(turned_azimuth, azimuth + turn) < 0.2
    assert turned_distance == pytest.approx(distance, rel=3e-3)  # its pieces begin elsewhere


@settings(max_examples=25, deadline=None)
@given(bearings, st.floats(-500, 500), st.floats(-500, 500))
def test_moving_the_scene_changes_nothing(bearing, east, north):
    before, after = HORSESHOE, swept(HORSESHOE, bearing, 12.0)
    azimuth, distance = moved(before, after)
    elsewhere = [affinity.translate(shape, east, north) for shape in (before, after)]
    there, there_distance = moved(*elsewhere)
    assert off_deg(there, azimuth) < 0.1
    assert there_distance == pytest.approx(distance, rel=2e-3)


def test_many_outlines_at_once_give_what_each_gives_alone():
    shapes = [SQUARE, ROUND, HORSESHOE]
    before = np.concatenate([ground(shape) for shape in shapes])
    after = np.concatenate([ground(swept(shape, 70.0, 9.0)) for shape in shapes])
    error = np.full(3, 20.0), np.ones(3)
    together = landform_movement(before, after, *error, 1.96)
    for row in range(3):
        alone = landform_movement(
            before[row : row + 1], after[row : row + 1], *(e[:1] for e in error), 1.96
        )
        assert alone.east_m[0] == together.east_m[row]
        assert alone.from_x[0] == together.from_x[row]
    assert len(landform_movement(before[:0], after[:0], *(e[:0] for e in error), 1.96).east_m) == 0


def test_the_front_starts_in_the_middle_of_the_side_that_moves():
    found = landform_movement(
        ground(ROUND), ground(swept(ROUND, 45.0, 10.0)), np.zeros(1), np.ones(1), 1.96
    )
    centre = shapely.get_coordinates(shapely.centroid(ground(ROUND)))[0]
    offset = np.array([found.from_x[0], found.from_y[0]]) - centre
    east, north = grid.to_ground(offset[:1], offset[1:], centre[:1], centre[1:])
    assert off_deg(azimuth_deg(east, north)[0], 45.0) < 2.0
    assert 40.0 < np.hypot(east, north)[0] < 60.0, "the middle of an arc lies inside it"


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_an_active_zone_moves_with_its_centroid(place):
    sigma = np.array([[200.0, 200.0]])
    after = affinity.translate(ROUND, 30.0, 30.0)
    found = zone_movement(ground(ROUND, place), ground(after, place), sigma, np.ones(1), 1.96)
    assert off_deg(found.azimuth_deg[0], 45.0) < 0.2
    assert np.hypot(found.east_m, found.north_m)[0] == pytest.approx(30.0 * 2**0.5, rel=2e-3)
    little = affinity.translate(ROUND, 1.0, 1.0)
    still = zone_movement(ground(ROUND, place), ground(little, place), sigma, np.ones(1), 1.96)
    assert not still.is_claimed.any()


def test_azimuths_run_clockwise_from_north_below_360():
    east, north = np.array([0.0, 1.0, 0.0, -1.0, -1e-20]), np.array([1.0, 0.0, -1.0, 0.0, 1.0])
    assert azimuth_deg(east, north).tolist() == [0.0, 90.0, 180.0, 270.0, 0.0]
