"""Families told in words, counted by hand; and what holds of any division into lineages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track.track.score_lineages import Membership, score_lineages


def members(*lines):
    """`slump track true found`, one an appearance; `-` is none."""
    return [
        Membership(
            object_id=None if slump == "-" else slump,
            track=None if track == "-" else track,
            true=None if true == "-" else true,
            found=found,
        )
        for slump, track, true, found in (line.split() for line in lines)
    ]


def counts(tally):
    return tally.n_true, tally.n_found, tally.n_right


MERGED = ["a 1 T L", "b 2 T L", "a 1 T L"]
ALONE = ["c 3 U M", "c 3 U M"]


def test_lineages_found_as_they_are_score_one():
    score = score_lineages(members(*MERGED, *ALONE))
    assert score.lineages.f1 == score.families.f1 == 1.0
    assert (score.lineages.n_true, score.families.n_true) == (5, 3)
    assert counts(score.whole_lineages) == (2, 2, 2)
    assert counts(score.whole_families) == (1, 1, 1)
    assert counts(score.whole_tracks) == (3, 3, 3)


def test_a_merge_not_found_costs_recall():
    score = score_lineages(members("a 1 T L", "b 2 T K", "a 1 T L", *ALONE))
    assert score.lineages.precision == 1.0
    assert score.lineages.recall == pytest.approx((2 / 3 + 1 / 3 + 2 / 3 + 1 + 1) / 5)
    assert score.families.recall == pytest.approx((2 / 3 + 1 / 3 + 2 / 3) / 3)
    assert score.families.precision is score.families.f1 is None
    assert counts(score.whole_lineages) == (2, 3, 1)
    assert counts(score.whole_families) == (1, 0, 0)


def test_a_merge_that_was_none_costs_precision():
    score = score_lineages(members("a 1 T L", "a 1 T L", "a 1 T L", "b 2 U L"))
    assert score.lineages.recall == 1.0
    assert score.lineages.precision == pytest.approx((3 * 3 / 4 + 1 / 4) / 4)
    assert score.families.recall is None
    assert counts(score.whole_lineages) == (2, 1, 0)
    assert counts(score.whole_tracks) == (2, 2, 2)


def test_what_is_no_slump_dilutes_the_lineage_that_it_was_taken_into():
    score = score_lineages(members("a 1 T L", "a 1 T L", "- 1 - L", "- 9 - N"))
    assert score.lineages.precision == pytest.approx(2 / 3)
    assert score.lineages.recall == 1.0
    assert score.lineages.n_found == 2
    assert counts(score.whole_lineages) == counts(score.whole_tracks) == (1, 1, 0)


def test_a_track_that_changes_slumps_is_none_of_them():
    score = score_lineages(members("a 1 T L", "a 1 T L", "b 1 U L", "b 2 U K"))
    assert counts(score.whole_tracks) == (2, 2, 0)


def test_a_large_family_weighs_as_many_appearances_as_it_has_and_not_their_square():
    large = [f"{n} {n} T L{n % 2}" for n in range(10)]
    small = [f"s{n} s{n} S{n} K{n}" for n in range(10)]
    score = score_lineages(members(*large, *small))
    assert score.lineages.recall == pytest.approx((0.5 + 1.0) / 2)


def test_without_appearances_nothing_can_be_told():
    score = score_lineages([])
    assert score.lineages.precision is score.lineages.recall is score.lineages.f1 is None
    assert counts(score.whole_lineages) == (0, 0, 0)


lineage_names = st.sampled_from(["1", "2", "3"])
divisions = st.lists(st.tuples(lineage_names, lineage_names), min_size=1, max_size=12)


def of(division, *, swapped=False):
    return score_lineages(
        [
            Membership(
                object_id=f"o{n}", track=f"t{n}", true=pair[swapped], found=pair[not swapped]
            )
            for n, pair in enumerate(division)
        ]
    )


@settings(deadline=None)
@given(divisions)
def test_truth_and_found_swapped_swap_precision_and_recall(division):
    one, other = of(division), of(division, swapped=True)
    for there, back in ((one.lineages, other.lineages), (one.families, other.families)):
        assert there.precision == pytest.approx(back.recall)
        assert there.recall == pytest.approx(back.precision)
    assert one.whole_lineages.n_right == other.whole_lineages.n_right


@settings(deadline=None)
@given(divisions)
def test_all_in_one_lineage_has_all_recall_and_each_on_its_own_all_precision(division):
    assert of([(true, "1") for true, _ in division]).lineages.recall == 1.0
    alone = of([(true, str(n)) for n, (true, _) in enumerate(division)])
    assert alone.lineages.precision == 1.0


@settings(deadline=None)
@given(divisions, st.randoms())
def test_names_and_order_mean_nothing(division, random):
    shuffled = [(f"t{true}", f"f{found}") for true, found in division]
    random.shuffle(shuffled)
    one, other = of(division), of(shuffled)
    assert one.lineages.precision == pytest.approx(other.lineages.precision)
    assert one.lineages.recall == pytest.approx(other.lineages.recall)
    assert one.whole_families == other.whole_families
