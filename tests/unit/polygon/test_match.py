"""Polygons of two sets that lie at the same place, drawn as boxes of metres."""

import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track.polygon.match import most_alike, one_to_one, overlaps


def boxes(*bounds):
    return np.array([shapely.box(*each) for each in bounds], dtype=object)


def test_a_pair_shares_area_and_knows_its_likeness():
    pairs = overlaps(boxes((0, 0, 10, 10)), boxes((5, 0, 25, 10)))
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([0], [0])
    assert pairs.shared_m2.tolist() == [50.0]
    assert pairs.iou.tolist() == pytest.approx([50 / 250])
    assert pairs.of_smaller.tolist() == pytest.approx([0.5])


def test_polygons_that_only_touch_share_nothing():
    assert len(overlaps(boxes((0, 0, 10, 10)), boxes((10, 0, 20, 10), (10, 10, 20, 20)))) == 0


def test_without_polygons_there_are_no_pairs():
    none = np.empty(0, dtype=object)
    assert len(overlaps(none, boxes((0, 0, 1, 1)))) == 0
    assert len(overlaps(boxes((0, 0, 1, 1)), none)) == 0
    pairs = overlaps(none, none)
    assert one_to_one(pairs, pairs.iou, 0.3).tolist() == []


def test_one_polygon_over_two_matches_the_one_that_it_is_more_like():
    pairs = overlaps(boxes((0, 0, 30, 10)), boxes((0, 0, 10, 10), (10, 0, 30, 10)))
    assert pairs.second[one_to_one(pairs, pairs.iou, 0.3)].tolist() == [1]


def test_two_matches_are_better_than_one_that_is_more_alike():
    first = boxes((0, 0, 10, 10), (7, 0, 27, 10))
    second = boxes((3, 0, 13, 10), (-6, 0, 4, 10))
    pairs = overlaps(first, second)
    alike = dict(zip(zip(pairs.first, pairs.second, strict=True), pairs.iou, strict=True))
    assert alike[0, 0] > alike[0, 1] + alike[1, 0]
    kept = one_to_one(pairs, pairs.iou, 0.2)
    assert sorted(zip(pairs.first[kept], pairs.second[kept], strict=True)) == [(0, 1), (1, 0)]


def test_a_pair_that_is_not_alike_enough_is_no_match():
    pairs = overlaps(boxes((0, 0, 10, 10)), boxes((5, 0, 15, 10)))
    assert one_to_one(pairs, pairs.iou, 0.3).tolist() == [0]
    assert one_to_one(pairs, pairs.iou, 0.34).tolist() == []


def test_a_polygon_is_of_the_one_that_it_is_most_like():
    scar, new_slump_in_it = (0, 0, 100, 100), (10, 10, 30, 30)
    second = boxes(scar, new_slump_in_it)
    first = boxes((12, 10, 32, 30), (5, 0, 100, 95), (300, 0, 310, 10))
    assert most_alike(first, second, 0.5).tolist() == [1, 0, -1]


def test_several_polygons_may_be_of_one_and_a_mere_edge_is_of_none():
    pieces = boxes((0, 0, 4, 10), (6, 0, 10, 10), (9, 0, 19, 10))
    assert most_alike(pieces, boxes((0, 0, 10, 10)), 0.5).tolist() == [0, 0, -1]


def test_of_equals_the_first_is_chosen():
    assert most_alike(boxes((5, 0, 15, 10)), boxes((0, 0, 10, 10), (10, 0, 20, 10)), 0.5) == [0]


def best_by_trying(pairs, likeness, at_least):
    """The best matching, found by trying every set of pairs."""
    able = [row for row in range(len(pairs)) if likeness[row] >= at_least]
    best, best_worth = (), (0, 0.0)
    for size in range(len(able) + 1):
        for rows in itertools.combinations(able, size):
            firsts, seconds = {*pairs.first[list(rows)]}, {*pairs.second[list(rows)]}
            worth = (size, float(likeness[list(rows)].sum()))
            if len(firsts) == len(seconds) == size and worth > best_worth:
                best, best_worth = rows, worth
    return best


BOX = st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(2, 12), st.integers(1, 4)).map(
    lambda at: (at[0], at[1], at[0] + at[2], at[1] + at[3])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(BOX, max_size=4), st.lists(BOX, max_size=3))
def test_the_matching_is_the_best_there_is(first, second):
    pairs = overlaps(boxes(*first), boxes(*second))
    kept = one_to_one(pairs, pairs.iou, 0.2)
    assert len({*pairs.first[kept]}) == len({*pairs.second[kept]}) == len(kept)
    best = best_by_trying(pairs, pairs.iou, 0.2)
    assert len(kept) == len(best)
    assert pairs.iou[kept].sum() == pytest.approx(pairs.iou[list(best)].sum())


def test_a_matching_does_not_depend_on_the_order_of_polygons():
    rng = np.random.default_rng(5)
    corner = rng.uniform(0, 100, (40, 2))
    first = boxes(*np.hstack([corner, corner + rng.uniform(5, 20, (40, 2))]))
    moved = shapely.transform(first, lambda xy: xy + 3.0)
    order = rng.permutation(40)
    pairs, shuffled = overlaps(first, moved), overlaps(first, moved[order])
    kept = one_to_one(pairs, pairs.iou, 0.2)
    again = one_to_one(shuffled, shuffled.iou, 0.2)
    matched = set(zip(pairs.first[kept].tolist(), pairs.second[kept].tolist(), strict=True))
    assert matched == {
        (one, int(order[other]))
        for one, other in zip(shuffled.first[again].tolist(), shuffled.second[again], strict=True)
    }
