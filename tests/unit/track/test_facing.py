"""Pieces of one slump, told by how they face each other."""

import numpy as np
import pytest
import shapely

from rts_track.track.facing import facing_pairs, facing_share, pieces_apart
from rts_track.track.params import LinkParams

MIN_FACING = LinkParams().fragment_facing


def boxes(*each):
    return np.array([shapely.box(*box) for box in each], dtype=object)


def test_halves_of_a_slump_face_each_other_along_a_side():
    (share,) = facing_share(boxes((0, 0, 60, 60)), boxes((65, 0, 140, 60)))
    assert share == pytest.approx((60 + 2 * 7) / 60)
    assert share > 1.2


def test_neighbours_that_touch_at_a_corner_do_not():
    (share,) = facing_share(boxes((0, 0, 60, 60)), boxes((62, 55, 140, 140)))
    assert 0 < share < 0.5


def test_who_stands_apart_faces_nobody():
    assert facing_share(boxes((0, 0, 60, 60)), boxes((80, 0, 140, 60))).tolist() == [0.0]


def test_the_smaller_one_counts_whichever_comes_first():
    one, other = boxes((0, 0, 60, 60)), boxes((65, 0, 200, 90))
    assert facing_share(one, other) == pytest.approx(facing_share(other, one))


def test_pieces_belong_to_the_largest_of_those_they_face():
    slump = boxes((0, 0, 30, 90), (34, 0, 100, 90), (104, 0, 130, 90), (300, 0, 380, 90))
    piece, rest = pieces_apart(*facing_pairs(slump, slump, MIN_FACING), shapely.area(slump))
    assert piece.tolist() == [0, 2]
    assert rest.tolist() == [1, 1]


def test_nothing_faces_nothing():
    piece, rest = pieces_apart(*facing_pairs(boxes(), boxes(), MIN_FACING), np.empty(0))
    assert len(piece) == len(rest) == 0


def test_outlines_that_touch_were_drawn_as_two_on_purpose():
    one, other = boxes((0, 0, 60, 60)), boxes((60.5, 0, 140, 60))
    assert facing_share(one, other) <= 1.0
    piece, _ = pieces_apart(*facing_pairs(one, other, MIN_FACING), np.array([3600.0]))
    assert len(piece) == 0
