"""Footprints of several looks into outlines."""

import dataclasses

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track.polygon.consolidate import (
    NO_SCENE,
    VOTE,
    SeasonFootprints,
    consolidate,
    same_place_groups,
)


@dataclasses.dataclass
class Outline:
    members: tuple[int, ...]
    follows: int
    geometry: shapely.Geometry


def season(boxes, scenes, *, gsd_m=None, day=None, is_clipped=None):
    n = len(boxes)
    return SeasonFootprints(
        geometry=np.array([shapely.box(*box) for box in boxes], dtype=object),
        scene=np.array(scenes, dtype=np.int64),
        gsd_m=np.array(gsd_m or [3.0] * n, dtype=float),
        day=np.array(day or [0.0] * n, dtype=float),
        is_clipped=np.array(is_clipped or [False] * n, dtype=bool),
    )


def groups(polygons, part, n_at_a_time=100):
    """The groups, the later of two polygons coming so many at a time."""
    n = len(polygons)
    every = np.arange(n)
    lots = [(every, every[start : start + n_at_a_time]) for start in range(0, n, n_at_a_time)]
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    return same_place_groups(bounds, part, 0.5, polygons.__getitem__, lots)


def outlines(footprints, n_looks=None):
    looks = np.array(n_looks or [0] * len(footprints.geometry), dtype=np.int64)
    group = groups(footprints.geometry, footprints.scene)
    found = consolidate(footprints, group, looks, 0.05)
    votes = iter(found.voted)
    return [
        Outline(
            members=tuple(found.members[start : start + n].tolist()),
            follows=follows,
            geometry=next(votes) if follows == VOTE else footprints.geometry[follows],
        )
        for start, n, follows in zip(
            found.start, found.n_members, found.follows.tolist(), strict=True
        )
    ]


def test_an_outline_is_what_lies_inside_more_than_half_of_three_looks():
    (outline,) = outlines(season([(0, 0, 10, 10), (2, 0, 12, 10), (4, 0, 14, 10)], [0, 1, 2]))
    assert outline.geometry.equals(shapely.box(2, 0, 12, 10))
    assert outline.members == (0, 1, 2)


def test_of_two_looks_the_finer_is_followed_else_the_later():
    boxes = [(0, 0, 10, 10), (1, 0, 11, 10)]
    (finer,) = outlines(season(boxes, [0, 1], gsd_m=[10.0, 3.0]))
    (later,) = outlines(season(boxes, [0, 1], day=[5.0, 1.0]))
    assert (finer.follows, later.follows) == (1, 0)


def test_of_two_looks_the_one_that_saw_the_whole_slump_is_followed():
    boxes = [(0, 0, 6, 10), (0, 0, 10, 10)]
    (outline,) = outlines(season(boxes, [0, 1], gsd_m=[3.0, 10.0], is_clipped=[True, False]))
    assert outline.follows == 1


def test_where_nothing_lies_inside_half_of_the_looks_the_median_member_stays():
    boxes = [(0, 0, 10, 10), (0, 0, 10, 12), (0, 0, 10, 16)]
    (outline,) = outlines(season(boxes, [0, 1, 2]), [7, 7, 7])
    assert outline.follows == 1
    assert len(outline.members) == 3


def test_footprints_of_one_scene_are_never_joined():
    assert len(outlines(season([(0, 0, 10, 10), (1, 0, 11, 10)], [0, 0]))) == 2


def test_footprints_of_no_scene_are_outlines_already():
    assert len(outlines(season([(0, 0, 10, 10), (0, 0, 10, 10)], [NO_SCENE, 0]))) == 2


def test_neighbours_that_overlap_little_stay_apart():
    assert len(outlines(season([(0, 0, 10, 10), (8, 0, 18, 10)], [0, 1]))) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 3)),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_every_footprint_is_in_exactly_one_outline_whatever_the_order(places, random):
    boxes = [(x, y, x + 10, y + 10) for x, y, _ in places]
    scenes = [scene for *_, scene in places]
    found = outlines(season(boxes, scenes))
    members = sorted(m for outline in found for m in outline.members)
    assert members == list(range(len(boxes)))
    assert all(outline.geometry.is_valid and outline.geometry.area > 0 for outline in found)


def test_outlines_come_in_the_order_of_their_first_footprints():
    far = [(0, 0, 10, 10), (50, 0, 60, 10), (100, 0, 110, 10)]
    footprints = season([*far, *((x + 1, y, z + 1, w) for x, y, z, w in far[1:])], [0, 0, 0, 1, 1])
    assert [outline.members for outline in outlines(footprints)] == [(0,), (1, 3), (2, 4)]


def test_groups_worked_on_one_by_one_have_the_same_outlines():
    boxes = [(x + scene, 0, x + scene + 10, 10 + scene) for x in (0, 50, 100) for scene in range(3)]
    footprints = season(boxes, [0, 1, 2] * 3)
    group = groups(footprints.geometry, footprints.scene)
    whole = consolidate(footprints, group, np.zeros(9, dtype=np.int64), 0.05)
    for number, voted in enumerate(whole.voted):
        rows = np.flatnonzero(group == number)
        part = SeasonFootprints(
            **{f.name: getattr(footprints, f.name)[rows] for f in dataclasses.fields(footprints)}
        )
        alone = consolidate(part, group[rows], np.zeros(3, dtype=np.int64), 0.05)
        assert shapely.equals_identical(alone.voted[0], voted)
        assert rows[alone.members].tolist() == whole.members[3 * number :][:3].tolist()


def test_a_footprint_alone_in_its_group_needs_no_polygon():
    footprints = season([(0, 0, 10, 10), (50, 0, 60, 10), (51, 0, 61, 10)], [0, 0, 1])
    group = groups(footprints.geometry, footprints.scene)
    footprints.geometry[0] = None
    found = consolidate(footprints, group, np.zeros(3, dtype=np.int64), 0.05)
    assert found.follows.tolist() == [0, 1]


def test_a_season_without_footprints_has_no_outlines():
    assert outlines(season([], [])) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(-1, 2)),
        min_size=1,
        max_size=10,
    ),
    st.integers(1, 10),
)
def test_polygons_share_a_group_where_a_chain_of_good_overlaps_joins_them(places, n_at_a_time):
    boxes = np.array([shapely.box(x, y, x + 10, y + 10) for x, y, _ in places], dtype=object)
    part = np.array([number for *_, number in places], dtype=np.int64)
    expected = list(range(len(places)))
    for one in range(len(places)):
        for other in range(len(places)):
            is_pair = part[one] != part[other] and NO_SCENE not in (part[one], part[other])
            if is_pair and shapely.area(boxes[one] & boxes[other]) >= 50:
                low, high = sorted((expected[one], expected[other]))
                expected = [low if number == high else number for number in expected]
    found = groups(boxes, part, n_at_a_time)
    assert np.unique(found, return_inverse=True)[1].tolist() == (
        np.unique(expected, return_inverse=True)[1].tolist()
    )
