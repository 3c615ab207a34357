"""Hand-drawn graphs: who leads to whom, and what the measures make of it.

`a18` is object a in season 2018; `x` is no slump.
"""

import pytest

from rts_track.track.score_graph import Ways, linking_measure, score_splits, score_stretches


def node(word):
    name = word[0]
    return (None, word) if name == "x" else (name, 2000 + int(word[1:]))


def edges(text):
    """`a18-a19 a18-b19` as edges."""
    pairs = [word.split("-") for word in text.split()]
    return {(node(earlier), node(later)) for earlier, later in pairs}


def counts(tally):
    return tally.n_true, tally.n_found, tally.n_right


def splits(found, true, tolerance_yr=1):
    return counts(score_splits(Ways.of(edges(found)), Ways.of(edges(true)), tolerance_yr))


def merges(found, true, tolerance_yr=1):
    found, true = Ways.of(edges(found)), Ways.of(edges(true))
    return counts(score_splits(found.in_reverse, true.in_reverse, tolerance_yr))


SPLIT_OF_18 = "a17-a18 a18-a19 a18-b19 a19-a20 b19-b20"
SPLIT_OF_19 = "a17-a18 a18-a19 a19-a20 a19-b20"
MERGE_OF_19 = "a17-a18 b17-b18 a18-a19 b18-a19 a19-a20"
MERGE_OF_20 = "a17-a18 b17-b18 a18-a19 b18-b19 a19-a20 b19-a20"


def test_a_split_into_the_same_successors_is_right():
    assert splits(SPLIT_OF_18, SPLIT_OF_18) == (1, 1, 1)
    assert splits("a17-a18 a18-a19 a19-a20 b19-b20", SPLIT_OF_18) == (1, 0, 0)


def test_a_split_into_other_successors_is_wrong():
    assert splits("a18-a19 a18-c19", SPLIT_OF_18) == (1, 1, 0)
    assert splits("a18-a19 a18-b19 a18-x1", SPLIT_OF_18) == (1, 1, 0)


@pytest.mark.parametrize(
    ("found", "true"), [(SPLIT_OF_19, SPLIT_OF_18), (SPLIT_OF_18, SPLIT_OF_19)]
)
def test_a_split_may_be_a_season_off_if_the_same_parts_into_the_same(found, true):
    assert splits(found, true) == (1, 1, 1)
    assert splits(found, true, tolerance_yr=0) == (1, 1, 0)


def test_a_split_a_season_off_into_others_is_wrong():
    assert splits("a17-a18 a18-a19 a19-a20 a19-c20", SPLIT_OF_18) == (1, 1, 0)
    assert splits("c17-c18 c18-a19 a19-a20 a19-b20", SPLIT_OF_18) == (1, 1, 0)


def test_a_split_two_seasons_off_is_wrong_unless_that_is_tolerated():
    late = "a17-a18 a18-a19 a19-a20 a20-a21 a20-b21"
    true = SPLIT_OF_18 + " a20-a21 b20-b21"
    assert splits(late, true) == (1, 1, 0)
    assert splits(late, true, tolerance_yr=2) == (1, 1, 1)


@pytest.mark.parametrize(
    ("found", "true", "tolerance_yr", "n_right"),
    [
        (MERGE_OF_19, MERGE_OF_19, 0, 1),
        (MERGE_OF_19, MERGE_OF_20, 1, 1),
        (MERGE_OF_20, MERGE_OF_19, 1, 1),
        (MERGE_OF_20, MERGE_OF_19, 0, 0),
        ("a17-a18 c17-c18 a18-a19 c18-a19", MERGE_OF_19, 1, 0),
    ],
)
def test_a_merge_is_a_split_with_time_reversed(found, true, tolerance_yr, n_right):
    assert merges(found, true, tolerance_yr) == (1, 1, n_right)


def test_two_late_splits_are_not_both_the_same_early_one():
    true = "a17-a18 a18-a19 a18-b19 a19-a20 b19-b20"
    found = "a17-a18 a18-a19 b18-b19 a19-a20 a19-b20 b19-c20 b19-d20"
    assert splits(found, true) == (1, 2, 1)


def lnk(found, true):
    return linking_measure(edges(found), edges(true))


def test_lnk_is_one_where_nothing_is_to_mend_and_none_where_nothing_is_true():
    assert lnk("a18-a19 a19-a20", "a18-a19 a19-a20") == 1.0
    assert lnk("", "a18-a19") == 0.0
    assert lnk("a18-a19", "") is None


def test_a_missed_link_costs_more_than_a_wrong_one():
    true = "a18-a19 a19-a20 b18-b19 b19-b20"
    assert lnk("a18-a19 a19-a20 b18-b19", true) == pytest.approx(1 - 1.5 / 6)
    # one wrong link, which makes two right ones part of a split and of a merge
    assert lnk("a18-a19 a19-a20 b18-b19 a19-b20 b19-b20", true) == pytest.approx(1 - 3 / 6)
    assert lnk("a18-a19 a19-a20 b18-b19 c19-b20 b19-b20", true) == pytest.approx(1 - 2 / 6)


def test_lnk_leaves_links_to_what_is_no_slump_to_their_node():
    assert lnk("a18-a19 x1-x2 x1-b20", "a18-a19") == 1.0
    # but they make a split of what is none
    assert lnk("a18-a19 a18-x1", "a18-a19") == pytest.approx(1 - 1 / 1.5)


def test_lnk_never_falls_below_zero():
    assert lnk("a18-b19 b18-c19 c18-a19 d18-e19", "a18-a19") == 0.0


def stretches(found, true):
    agreement = score_stretches(edges(found), edges(true))
    return agreement.recall, agreement.precision


def test_a_stretch_broken_in_two_counts_with_its_longer_part():
    whole = "a16-a17 a17-a18 a18-a19 a19-a20"
    broken = "a16-a17 a17-a18 a19-a20"
    assert stretches(broken, whole) == (pytest.approx(2 / 4), pytest.approx(1.0))
    assert stretches(whole, broken) == (pytest.approx(1.0), pytest.approx(2 / 4))


def test_a_stretch_of_two_slumps_is_half_pure():
    true = "a16-a17 a17-a18 b18-b19 b19-b20"
    mixed = "a16-a17 a17-a18 a18-b19 b19-b20"
    assert stretches(mixed, true) == (pytest.approx(3 / 4), pytest.approx(2 / 4))


def test_stretches_end_at_splits_and_merges():
    split_and_merged = "a16-a17 a17-a18 a17-b18 a18-a19 b18-a19 a19-a20"
    assert stretches(split_and_merged, split_and_merged) == (1.0, 1.0)
    through = "a16-a17 a17-a18 a18-a19 a19-a20"
    # four stretches of 1, 2, 2 and 1 edges; of the one found, 2 lie in the fullest
    assert stretches(through, split_and_merged) == (pytest.approx(4 / 6), pytest.approx(2 / 4))


def test_an_edge_from_a_split_into_a_merge_is_a_stretch_of_its_own():
    crossing = "a18-a19 a18-b19 b18-b19"
    assert stretches(crossing, crossing) == (1.0, 1.0)
    assert stretches("a18-b19", crossing) == (pytest.approx(1 / 3), 1.0)


def test_without_links_there_are_no_stretches():
    assert stretches("", "a18-a19") == (0.0, None)
    assert stretches("a18-a19", "") == (None, 0.0)
