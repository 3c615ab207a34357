"""Pieces of one slump, told by how they face each other."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track.track.candidates import neighbours
from rts_track.track.facing import FACING_M, facing_pairs, facing_share, pieces_apart
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
    slump = boxes((0, 0, 60, 60), (60.5, 0, 140, 60))
    assert facing_share(slump[:1], slump[1:]) <= 1.0
    assert len(facing_pairs(slump, slump, MIN_FACING)[0]) == 0


def test_a_pair_is_found_once_in_whatever_order_the_two_come():
    slump = boxes((0, 0, 30, 90), (34, 0, 100, 90))
    assert [rows.tolist() for rows in facing_pairs(slump, slump, MIN_FACING)] == [[0], [1]]
    one, other = facing_pairs(slump[1:], slump, MIN_FACING, np.array([1]), np.arange(2))
    assert len(one) == len(other) == 0
    one, other = facing_pairs(slump[:1], slump[1:], MIN_FACING, np.array([0]), np.array([1]))
    assert (one.tolist(), other.tolist()) == ([0], [0])


def wavy(x, y, radius_m, form):
    angle = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    around = radius_m * (1.0 + 0.3 * np.sin(form + 3.0 * angle))
    ring = np.column_stack([x + around * np.cos(angle), y + 1.7 * around * np.sin(angle)])
    return shapely.MultiPolygon([shapely.Polygon(ring)])


slumps = st.lists(
    st.one_of(
        st.builds(
            wavy, st.integers(0, 90), st.integers(0, 90), st.integers(4, 30), st.floats(0, 6)
        ),
        st.builds(
            lambda x, y, w, h: shapely.box(x, y, x + w, y + h),
            *(st.integers(0, 90), st.integers(0, 90), st.integers(1, 60), st.integers(1, 60)),
        ),
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(slumps, st.sampled_from([0.4, 0.9, 1.0, 1.25]))
def test_no_pair_that_faces_is_ruled_out_by_what_is_quick_to_tell(polygons, min_facing):
    slump = np.array(polygons, dtype=object)
    one, other = neighbours(slump, slump, FACING_M)
    is_side = (facing_share(slump[one], slump[other]) >= min_facing) & (one != other)
    expected = {tuple(sorted(pair)) for pair in zip(one[is_side], other[is_side], strict=True)}
    found = zip(*facing_pairs(slump, slump, min_facing), strict=True)
    assert {tuple(sorted(pair)) for pair in found} == expected
