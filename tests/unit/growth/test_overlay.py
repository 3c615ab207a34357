"""What outlines share."""

import numpy as np
import pytest
import shapely

from rts_track import grid
from rts_track.growth.overlay import overlap_m2, shifted_back, twice_covered_m2, union_by_group

ORIGIN = np.array([-1_500_000.0, 1_200_000.0])


def boxes(*corners):
    return np.array([shapely.box(*corner) for corner in corners], dtype=object)


def test_ground_under_two_members_is_found_once_a_group():
    geometry = boxes((0, 0, 10, 10), (5, 0, 15, 10), (100, 0, 110, 10), (0, 0, 10, 10))
    shared = twice_covered_m2(geometry, np.array([0, 0, 0, 2]), 3)
    assert shared == pytest.approx([50.0, 0.0, 0.0])


def test_members_that_touch_share_nothing():
    assert twice_covered_m2(boxes((0, 0, 10, 10), (10, 0, 20, 10)), np.zeros(2, int), 1) == [0.0]


def test_a_group_without_members_is_empty():
    unions = union_by_group(boxes((0, 0, 1, 1)), np.array([1]), 2)
    assert shapely.area(unions) == pytest.approx([0.0, 1.0])
    assert len(union_by_group(boxes(), np.zeros(0, int), 0)) == 0


def test_shifting_a_scene_changes_no_area_and_shifting_back_restores_the_overlap():
    here = shapely.transform(boxes((0, 0, 80, 50)), lambda xy: xy + ORIGIN)
    east, north = np.array([12.0]), np.array([-7.0])
    there = shifted_back(here, -east, -north)
    assert shapely.area(there) == pytest.approx(shapely.area(here), rel=1e-4)
    assert overlap_m2(here, there)[0] < 3_200
    assert overlap_m2(here, shifted_back(there, east, north)) == pytest.approx(4_000, rel=1e-4)
    moved = shapely.get_coordinates(there)[0] - shapely.get_coordinates(here)[0]
    ground = grid.to_ground(*moved[:, None], *shapely.get_coordinates(here)[0][:, None])
    assert np.ravel(ground) == pytest.approx([12.0, -7.0], abs=1e-6)
