"""Candidate pairs into links."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from rts_track.track.assign import Settled, best_one_to_one, link_seasons, renewals
from rts_track.track.candidates import measure_pairs, neighbours
from rts_track.track.params import LinkParams

PARAMS = LinkParams()
FAR = np.array([-1_500_000.0, 1_200_000.0])


def polygons(*boxes):
    return np.array(
        [shapely.transform(shapely.box(*box), lambda xy: xy + FAR) for box in boxes], dtype=object
    )


def candidates(parents, children, within_m):
    parent, child = neighbours(parents, children, 1.3 * within_m)
    pairs = measure_pairs(parents, children, parent, child, np.zeros((len(parent), 2)))
    return pairs.take((pairs.overlap_m2 > 0) | (pairs.distance_m < within_m))


def rows(found):
    pairs = found.pairs.parent.tolist(), found.pairs.child.tolist()
    return sorted(zip(*pairs, found.role.tolist(), strict=True))


def links(parents, children, kind="landform", missed=()):
    pairs = candidates(parents, children, PARAMS.reach_m(kind))
    n_missed = np.isin(pairs.parent, missed).astype(np.int64)
    return rows(link_seasons(pairs, PARAMS, n_missed))


def settled(n_parents, *, ended=(), begun=(), told=(), barred=()):
    return Settled(
        family=np.arange(n_parents),
        ended=np.array(ended, dtype=np.int64),
        begun=np.array(begun, dtype=np.int64),
        told=np.array(told, dtype=np.int64).reshape(-1, 2),
        barred=np.array(barred, dtype=np.int64).reshape(-1, 2),
    )


def links_beside(parents, children, said):
    return rows(link_seasons(candidates(parents, children, PARAMS.search_m), PARAMS, None, said))


def test_a_slump_that_grew_is_linked_to_itself():
    assert links(polygons((0, 0, 50, 50)), polygons((0, 0, 60, 55))) == [(0, 0, "main")]


def test_a_neighbour_swallowed_whole_is_a_merge():
    before = polygons((0, 0, 100, 60), (105, 0, 150, 60))
    assert links(before, polygons((0, 0, 152, 60))) == [(0, 0, "main"), (1, 0, "merge")]


def test_a_neighbour_merely_touched_is_no_relative():
    before = polygons((0, 0, 60, 60), (60, 0, 120, 60))
    after = polygons((0, 0, 64, 60), (64, 0, 120, 60))
    assert links(before, after) == [(0, 0, "main"), (1, 1, "main")]


def test_a_small_slump_wholly_inside_does_not_take_the_identity_of_a_larger_parent():
    before = polygons((0, 0, 200, 60), (0, 62, 30, 92))
    after = polygons((100, 0, 320, 60), (0, 500, 10, 510))
    assert (0, 0, "main") in links(before, after)


def test_slumps_that_do_not_overlap_but_lie_near_are_linked_with_little_weight():
    before, near = polygons((0, 0, 50, 50)), polygons((55, 0, 100, 50))
    assert links(before, near) == [(0, 0, "main")]
    assert links(before, polygons((65, 0, 100, 50))) == []
    assert links(before, polygons((65, 0, 100, 50)), "active_zone") == [(0, 0, "main")]
    assert links(before, polygons((95, 0, 140, 50)), "active_zone") == []


def test_landforms_that_share_a_sliver_are_neighbours_in_contact():
    before, after = polygons((0, 0, 60, 60)), polygons((56, 0, 120, 60))
    assert links(before, after) == []


def test_who_was_missed_gives_way_to_who_was_seen():
    before = polygons((0, 0, 60, 60), (2, 0, 62, 60))
    after = polygons((1, 0, 61, 60))
    assert links(before, after)[0][2] == "main"
    assert (1, 0, "main") in links(before, after, missed=[0])
    assert (0, 0, "main") in links(before, after, missed=[1])


def test_a_neighbour_that_was_missed_keeps_its_own_successor():
    # the neighbour that was seen is missed now, and merely touches the other's successor
    before = polygons((0, 0, 60, 60), (58, 0, 120, 60))
    after = polygons((0, 0, 64, 60))
    assert links(before, after, missed=[0]) == [(0, 0, "main")]


def test_what_covers_a_slump_long_missed_is_that_slump_again():
    before = polygons((0, 0, 100, 60))
    for is_stable in (False, True):
        pairs = candidates(before, polygons((0, 0, 104, 62)), 0.0)
        found = renewals(pairs, np.array([is_stable]), PARAMS)
        assert rows(found) == [(0, 0, "reactivate")]


def test_what_begins_inside_a_scar_is_a_new_slump_if_the_scar_was_stable():
    before, new = polygons((0, 0, 100, 60)), polygons((80, 20, 110, 40))
    pairs = candidates(before, new, 0.0)
    assert rows(renewals(pairs, np.array([True]), PARAMS)) == [(0, 0, "reinitiate")]
    assert rows(renewals(pairs, np.array([False]), PARAMS)) == []


def test_a_slump_is_active_again_in_one_outline_only():
    before = polygons((0, 0, 100, 60))
    after = polygons((0, 0, 52, 60), (52, 0, 104, 60))
    found = rows(renewals(candidates(before, after, 0.0), np.array([True, True]), PARAMS))
    assert [role for *_, role in found] == ["reactivate"]


def test_the_assignment_is_the_best_there_is():
    random = np.random.default_rng(4)
    table = np.where(random.random((7, 9)) < 0.4, random.random((7, 9)), 0.0)
    parent, child = np.nonzero(table)
    chosen = best_one_to_one(parent, child, table[parent, child])
    rows, columns = linear_sum_assignment(table, maximize=True)
    assert np.isclose(table[parent[chosen], child[chosen]].sum(), table[rows, columns].sum())
    assert len(set(parent[chosen])) == len(set(child[chosen])) == chosen.sum()


boxes = st.lists(
    st.tuples(
        st.integers(0, 300), st.integers(0, 300), st.integers(10, 90), st.integers(10, 90)
    ).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])),
    min_size=1,
    max_size=8,
    unique=True,
)


@settings(max_examples=80, deadline=None)
@given(boxes, boxes)
def test_no_outline_has_two_main_links_and_splits_and_merges_hang_on_one(before, after):
    found = links(polygons(*before), polygons(*after))
    for end in (0, 1):
        mains = [link[end] for link in found if link[2] == "main"]
        assert len(mains) == len(set(mains))
    pairs = [link[:2] for link in found]
    assert len(pairs) == len(set(pairs))


@settings(max_examples=60, deadline=None)
@given(boxes)
def test_seasons_that_are_the_same_link_each_slump_to_itself(before):
    same = polygons(*before)
    found = links(same, same)
    mains = [(a, b) for a, b, kind in found if kind == "main"]
    assert mains == [(row, row) for row in range(len(before))]


@settings(max_examples=60, deadline=None)
@given(boxes, boxes, st.tuples(st.integers(-5000, 5000), st.integers(-5000, 5000)))
def test_moving_everything_changes_no_link(before, after, by):
    def moved(shapes):
        return [(w + by[0], s + by[1], e + by[0], n + by[1]) for w, s, e, n in shapes]

    here = links(polygons(*before), polygons(*after))
    assert links(polygons(*moved(before)), polygons(*moved(after))) == here


def test_nothing_settled_is_as_if_nobody_had_said_anything():
    before = polygons((0, 0, 100, 60), (105, 0, 150, 60), (300, 0, 360, 50))
    after = polygons((0, 0, 152, 60), (300, 0, 330, 50), (332, 0, 360, 50))
    assert links_beside(before, after, settled(3)) == links(before, after)


def test_a_barred_pair_is_no_link_and_no_rival():
    before = polygons((0, 0, 100, 60), (105, 0, 150, 60))
    after = polygons((0, 0, 152, 60))
    said = settled(2, barred=[(0, 0)])
    found = link_seasons(candidates(before, after, PARAMS.search_m), PARAMS, None, said)
    assert rows(found) == [(1, 0, "main")]
    assert found.share.tolist() == [1.0]


def test_where_a_person_has_a_slump_go_on_elsewhere_an_outline_on_it_can_only_split_off():
    before, after = polygons((0, 0, 60, 50)), polygons((0, 0, 60, 50), (400, 0, 460, 50))
    assert links_beside(before, after, settled(1, ended=[0], begun=[1], told=[(0, 1)])) == [
        (0, 0, "split")
    ]


def test_where_a_person_has_an_outline_be_another_slumps_one_under_it_can_only_merge():
    before, after = polygons((0, 0, 60, 50), (400, 0, 460, 50)), polygons((0, 0, 60, 50))
    assert links_beside(before, after, settled(2, ended=[1], begun=[0], told=[(1, 0)])) == [
        (0, 0, "merge")
    ]


def test_of_a_pair_that_a_person_told_nothing_else_is_made():
    before, after = polygons((0, 0, 60, 50)), polygons((0, 0, 60, 50))
    for ends in ({"ended": [0], "begun": [0]}, {"begun": [0]}, {"ended": [0]}):
        assert links_beside(before, after, settled(1, told=[(0, 0)], **ends)) == []


def test_outlines_of_one_slump_end_together():
    before = polygons((0, 0, 60, 50), (70, 0, 130, 50))
    after = polygons((0, 0, 60, 50), (70, 0, 130, 50))
    pieces = Settled(
        family=np.zeros(2, dtype=np.int64),
        ended=np.array([0]),
        begun=np.empty(0, dtype=np.int64),
        told=np.empty((0, 2), dtype=np.int64),
        barred=np.empty((0, 2), dtype=np.int64),
    )
    assert links_beside(before, after, pieces) == [(0, 0, "split"), (1, 1, "split")]
