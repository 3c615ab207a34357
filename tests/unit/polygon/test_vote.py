"""What annotators agree on, drawn as boxes of metres."""

import numpy as np
import pytest
import shapely

from rts_track.polygon.vote import ballot


def boxes(*bounds):
    return np.array([shapely.box(*each) for each in bounds], dtype=object)


def agreed(*drawn, **options):
    return ballot(drawn).consensus(**{"min_part_m2": 0.0, **options})


def same(polygons, *bounds):
    """Whether the polygons cover just these boxes, to a millimetre."""
    expected = shapely.union_all(boxes(*bounds))
    difference = shapely.symmetric_difference(shapely.union_all(polygons), expected)
    return shapely.area(difference) < 0.1


def test_two_of_three_are_more_than_half():
    parts = agreed(boxes((0, 0, 30, 30)), boxes((0, 0, 20, 30)), boxes((10, 0, 40, 30)))
    assert len(parts) == 1
    assert same(parts, (0, 0, 30, 30))


def test_half_of_the_annotators_are_not_enough():
    parts = agreed(boxes((0, 0, 30, 30)), boxes((10, 0, 40, 30)))
    assert same(parts, (10, 0, 30, 30))
    assert len(agreed(boxes((0, 0, 30, 30)), boxes((50, 0, 80, 30)))) == 0


def test_who_draws_twice_has_one_vote():
    twice = boxes((0, 0, 30, 30), (0, 0, 30, 30))
    assert len(agreed(twice, boxes((100, 0, 130, 30)), boxes((200, 0, 230, 30)))) == 0


def test_neighbours_that_touch_along_an_edge_become_one_and_in_a_point_stay_two():
    drawn = boxes((0, 0, 30, 30), (30, 0, 60, 30))
    assert len(agreed(drawn, drawn, drawn)) == 1
    drawn = boxes((0, 0, 30, 30), (30, 30, 60, 60))
    assert len(agreed(drawn, drawn, drawn)) == 2


def test_slivers_below_the_minimum_are_dropped_and_others_kept():
    one = boxes((0, 0, 100, 100), (100, 0, 200, 100))
    other = boxes((0, 0, 101, 100))
    third = boxes((100, 0, 101, 100), (300, 0, 400, 100))
    assert same(agreed(one, other, third, min_part_m2=0.0), (0, 0, 101, 100))
    sliver = boxes((500, 0, 501, 99))
    kept = agreed(sliver, sliver, sliver, min_part_m2=99.1)
    assert len(kept) == 0
    assert len(agreed(sliver, sliver, sliver, min_part_m2=98.9)) == 1


def test_voters_are_those_who_are_asked():
    votes = ballot([boxes((0, 0, 30, 30)), boxes((0, 0, 20, 30)), boxes((50, 0, 80, 30))])
    assert same(votes.consensus([0, 1], min_part_m2=0.0), (0, 0, 20, 30))
    assert same(votes.consensus([2], min_part_m2=0.0), (50, 0, 80, 30))


def test_a_hole_that_most_drew_stays_a_hole():
    ring = shapely.difference(shapely.box(0, 0, 90, 90), shapely.box(30, 30, 60, 60))
    drawn = np.array([ring], dtype=object)
    (part,) = agreed(drawn, drawn, boxes((0, 0, 90, 90)))
    assert shapely.area(part) == pytest.approx(90 * 90 - 30 * 30, abs=0.1)


def test_the_order_of_annotators_and_of_polygons_changes_nothing():
    random = np.random.default_rng(3)
    corner = random.uniform(0, 200, (4, 6, 2))
    drawn = [boxes(*np.hstack([each, each + 60]).tolist()) for each in corner]
    first = shapely.union_all(agreed(*drawn))
    again = shapely.union_all(agreed(*(each[::-1] for each in drawn[::-1])))
    assert shapely.area(first) > 1000
    assert shapely.area(shapely.symmetric_difference(first, again)) < 0.5


def test_nobody_drew_anything():
    nothing = np.empty(0, dtype=object)
    assert len(agreed(nothing, nothing, nothing)) == 0
    assert len(agreed(nothing, boxes((0, 0, 30, 30)), boxes((0, 0, 30, 30)))) == 1
