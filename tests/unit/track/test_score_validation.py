"""What was found beside what annotators drew, as boxes of metres, place by place."""

import numpy as np
import pytest
import shapely

from rts_track.track.score_objects import Search, score_objects
from rts_track.track.score_validation import (
    CONSENSUS,
    FOUND,
    OTHERS,
    Region,
    Sample,
    ValidationParams,
    compare,
)

PARAMS = ValidationParams(block_m=1_000.0, min_part_m2=0.0)
LOOKED = shapely.box(0, 0, 5_000, 2_000)


def boxes(*bounds):
    return np.array([shapely.box(*each) for each in bounds], dtype=object)


def sample(found, *truths, looked=LOOKED, clipped=(), min_area_m2=0.0):
    return Sample(
        found=boxes(*found),
        truths={f"person {number}": boxes(*drawn) for number, drawn in enumerate(truths)},
        looked=looked,
        is_clipped=np.isin(np.arange(len(found)), clipped),
        min_area_m2=min_area_m2,
    )


def sums(compared, subject=FOUND, reference="person 0"):
    columns = compared.comparisons[subject, reference].columns
    return {name: float(values.sum()) for name, values in columns.items()}


def counts(compared, criterion, **of):
    told = sums(compared, **of)
    return tuple(
        int(told[name]) for name in ("n_true", f"n_found, {criterion}", f"n_right, {criterion}")
    )


def test_sums_over_places_are_what_all_objects_score_at_once():
    random = np.random.default_rng(7)
    corner = random.uniform(0, 1_900, (60, 2))
    true = np.hstack([corner, corner + random.uniform(10, 80, (60, 2))])
    found = true[:45] + random.normal(0, 12, (45, 4))
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 5)
    clipped = random.random(45) < 0.2
    looked = shapely.box(100, 100, 1_800, 1_900).difference(shapely.box(400, 400, 700, 900))
    given = sample(found, true, looked=looked, clipped=np.flatnonzero(clipped), min_area_m2=200.0)
    compared = compare([given], ValidationParams(block_m=300.0))
    is_inside = shapely.covers(looked, given.found)
    seen_found = shapely.intersection(given.found, looked)
    mostly_out = shapely.area(seen_found) < 0.5 * shapely.area(given.found)
    assert not mostly_out[is_inside].any()
    keep = ~mostly_out
    expected = score_objects(
        Search(
            drawn=seen_found[keep],
            is_clipped=clipped[keep],
            true=given.truths["person 0"],
            is_active=np.ones(60, dtype=bool),
            beside=np.empty(0, dtype=object),
            lookalikes={},
            looked=looked,
            min_area_m2=200.0,
        )
    )
    for name, tally in expected.tallies.items():
        assert counts(compared, name) == (tally.n_true, tally.n_found, tally.n_right)
        assert tally.n_right > 10
    matches = compared.comparisons[FOUND, "person 0"].matches
    told = np.sort(matches.drawn_m2 / matches.true_m2)
    assert told == pytest.approx(np.sort(expected.areas_m2[:, 0] / expected.areas_m2[:, 1]))


def test_areas_are_exact_and_what_was_drawn_twice_counts_once():
    found = [(0, 0, 60, 100), (40, 0, 100, 100)]
    compared = compare([sample(found, [(50, 0, 150, 100), (50, 0, 150, 50)])], PARAMS)
    told = sums(compared)
    assert told["found_m2"] == pytest.approx(10_000)
    assert told["true_m2"] == pytest.approx(10_000)
    assert told["shared_m2"] == pytest.approx(5_000)


def test_what_touches_is_one_place_and_the_rest_are_others():
    found = [(0, 0, 10, 10), (100, 0, 110, 10), (3_000, 0, 3_010, 10)]
    compared = compare([sample(found, [(8, 0, 20, 10), (102, 0, 112, 10)])], PARAMS)
    assert len(compared.region) == 3
    assert sorted(compared.block.tolist()) == [[0, 0], [0, 0], [3, 0]]


def test_objects_outside_the_area_do_not_count_and_areas_are_cut():
    looked = shapely.box(0, 0, 100, 100)
    found = [(90, 0, 120, 10), (80, 50, 110, 60), (500, 0, 510, 10)]
    true = [(85, 80, 105, 90), (95, 20, 120, 30), (600, 0, 700, 100)]
    compared = compare([sample(found, true, looked=looked)], PARAMS)
    assert counts(compared, "overlap") == (1, 1, 0)
    told = sums(compared)
    assert told["found_m2"] == pytest.approx(100 + 200)
    assert told["true_m2"] == pytest.approx(150 + 50)


def test_what_lies_mostly_outside_may_still_be_right():
    looked = shapely.box(0, 0, 100, 100)
    compared = compare([sample([(88, 0, 120, 10)], [(88, 0, 112, 10)], looked=looked)], PARAMS)
    assert counts(compared, "IoU 0.5") == (1, 1, 1)
    assert len(compared.comparisons[FOUND, "person 0"].matches.place) == 0


def test_small_objects_count_neither_as_true_nor_as_found():
    given = sample(
        [(0, 0, 10, 10), (50, 0, 52, 2)], [(0, 0, 10, 10), (80, 0, 82, 2)], min_area_m2=50.0
    )
    assert counts(compare([given], PARAMS), "overlap") == (1, 1, 1)


def test_ious_are_those_that_are_asked_for():
    given = sample([(0, 0, 8, 10)], [(0, 0, 10, 10)])
    compared = compare([given], ValidationParams(ious=(0.75, 0.85)))
    assert counts(compared, "IoU 0.75") == (1, 1, 1)
    assert counts(compared, "IoU 0.85") == (1, 1, 0)


def test_true_objects_are_told_by_size():
    true = [(0, 0, 40, 40), (100, 0, 150, 50), (300, 0, 400, 200), (1_000, 0, 1_300, 300)]
    compared = compare([sample(true[1:], true)], PARAMS)
    told = sums(compared)
    classes = ("< 2,000 m2", "2,000 to 10,000 m2", "10,000 to 50,000 m2", ">= 50,000 m2")
    assert [told[f"n_true, {name}"] for name in classes] == [1, 1, 1, 1]
    assert [told[f"n_right, {name}"] for name in classes] == [0, 1, 1, 1]


def test_a_true_object_is_of_its_whole_size_even_where_half_of_it_was_looked_at():
    looked = shapely.box(0, 0, 100, 100)
    compared = compare([sample([], [(60, 0, 130, 40)], looked=looked)], PARAMS)
    assert sums(compared)["n_true, 2,000 to 10,000 m2"] == 1


def test_a_find_that_goes_on_outside_tells_nothing_of_size_though_its_object_was_seen_whole():
    looked = shapely.box(0, 0, 100, 100)
    given = sample([(80, 0, 130, 20)], [(80, 0, 100, 20)], looked=looked)
    compared = compare([given], PARAMS)
    assert counts(compared, "overlap") == (1, 1, 1)
    assert len(compared.comparisons[FOUND, "person 0"].matches.true_m2) == 0


def test_clipped_and_cut_matches_tell_nothing_of_size():
    looked = shapely.box(0, 0, 100, 100)
    true = [(0, 0, 20, 20), (40, 0, 60, 20), (85, 50, 105, 70)]
    compared = compare([sample(true, true, looked=looked, clipped=[1])], PARAMS)
    matches = compared.comparisons[FOUND, "person 0"].matches
    assert counts(compared, "overlap") == (3, 3, 3)
    assert matches.true_m2 == pytest.approx([400])
    assert matches.mean_m == pytest.approx([0], abs=1e-6)


def test_annotators_make_a_consensus_and_are_compared_with_the_others():
    together, apart = (0, 0, 100, 100), (500, 0, 600, 100)
    given = sample([together], [together], [together], [together, apart])
    compared = compare([given], PARAMS)
    assert compared.reference == CONSENSUS
    assert counts(compared, "overlap", reference=CONSENSUS) == (1, 1, 1)
    assert counts(compared, "overlap", reference="person 2") == (2, 1, 1)
    last = {"subject": "person 2", "reference": OTHERS}
    assert counts(compared, "overlap", **last) == (1, 2, 1)
    assert [(each.subject, each.reference) for each in compared.pairs] == [
        ("person 0", "person 1"),
        ("person 0", "person 2"),
        ("person 1", "person 2"),
    ]


def test_an_annotator_is_no_voter_on_itself():
    alone = (0, 0, 100, 100)
    given = sample([alone], [alone], [alone], [(500, 0, 600, 100)])
    compared = compare([given], PARAMS)
    assert counts(compared, "overlap", reference=CONSENSUS) == (1, 1, 1)
    first = {"subject": "person 0", "reference": OTHERS}
    assert counts(compared, "overlap", **first) == (0, 1, 0)


def test_ground_is_cut_by_region_and_block_to_the_last_square_metre():
    regions = [
        Region(name="west", polygon=shapely.box(-100, -100, 2_500, 3_000)),
        Region(name="overlapping", polygon=shapely.box(2_000, -100, 3_000, 3_000)),
    ]
    given = sample([(10, 10, 20, 20), (2_600, 0, 2_610, 10), (4_000, 0, 4_010, 10)], [])
    compared = compare([given], PARAMS, regions)
    cells = compared.cells
    expected = {-1: 2_000 * 2_000, 0: 2_500 * 2_000, 1: 500 * 2_000}
    assert cells.whole_m2 == pytest.approx(expected)
    told = zip(cells.block.tolist(), cells.region.tolist(), cells.area_m2.tolist(), strict=True)
    cut = {(tuple(block), region): area_m2 for block, region, area_m2 in told if area_m2 > 0.0}
    assert cut == pytest.approx(
        {
            ((0, 0), 0): 1_000 * 1_000,
            ((2, 0), 0): 500 * 1_000,
            ((2, 0), 1): 500 * 1_000,
            ((4, 0), -1): 1_000 * 1_000,
        }
    )
    assert sorted(compared.region.tolist()) == [-1, 0, 1]


def test_unknown_ground_has_no_cells():
    compared = compare([sample([(0, 0, 10, 10)], [(0, 0, 10, 10)], looked=None)], PARAMS)
    assert compared.cells is None
    assert counts(compared, "overlap") == (1, 1, 1)


def test_ground_that_several_searches_saw_is_the_same():
    here, there = (0, 0, 10, 10), (900, 0, 910, 10)
    samples = [sample([here, there], [here]), sample([], [(5, 5, 15, 15)])]
    compared = compare(samples, PARAMS)
    assert compared.n_samples == 2
    ground = compared.same_ground()
    assert len(ground) == 3
    assert len(set(ground.tolist())) == 2
    assert counts(compared, "overlap") == (2, 2, 1)


def test_nothing_found_and_nothing_true_is_still_a_search():
    compared = compare([sample([], [])], PARAMS)
    assert counts(compared, "overlap") == (0, 0, 0)
    assert compared.cells.whole_m2 == pytest.approx({-1: 5_000 * 2_000})


def test_samples_of_other_annotators_are_refused():
    with pytest.raises(ValueError, match="annotators"):
        compare([sample([], []), sample([], [], [])], PARAMS)
    with pytest.raises(ValueError, match="no sample"):
        compare([], PARAMS)
