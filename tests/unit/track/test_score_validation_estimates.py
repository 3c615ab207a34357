"""Scores and intervals: by hand where they are small, by what must hold where they are not."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from sklearn.metrics import cohen_kappa_score, f1_score, jaccard_score, matthews_corrcoef

from rts_track.track.score_validation import (
    CONSENSUS,
    FOUND,
    OTHERS,
    Region,
    Sample,
    ValidationParams,
    compare,
)
from rts_track.track.score_validation_estimates import (
    AREAS,
    BOUNDARY,
    _weighted_medians,
    score_annotators,
    score_compared,
)


def boxes(bounds):
    return np.array([shapely.box(*each) for each in bounds], dtype=object)


LOOKED = shapely.box(0, 0, 1e5, 1e5)


def sample(found, *truths, looked=LOOKED):
    drawn = {f"person {number}": boxes(each) for number, each in enumerate(truths)}
    return Sample(found=boxes(found), truths=drawn, looked=looked)


def row_of(count, *, every_m=1_000, size=40):
    """Boxes in a row, so far apart."""
    return [(every_m * n, 0, every_m * n + size, size) for n in range(count)]


def scored(*samples, regions=(), **options):
    params = ValidationParams(**{"n_replicates": 200, "block_m": 1_000.0, **options})
    return score_compared(compare(samples, params, regions), params, regions)


def test_areas_score_as_their_pixels_do():
    """Pixels of a metre, scored by scikit-learn."""
    is_true, is_found = np.zeros((2, 50, 40), dtype=bool)
    is_true[5:25, 5:30] = is_found[15:45, 10:20] = True
    found, true = [(10, 15, 20, 45)], [(5, 5, 30, 25)]
    (score,) = scored(sample(found, true, looked=shapely.box(0, 0, 40, 50)))
    told = {name: each.value for (topic, name), each in score.measures.items() if topic == AREAS}
    pixels = is_true.ravel(), is_found.ravel()
    assert told["F1"] == pytest.approx(f1_score(*pixels))
    assert told["IoU"] == pytest.approx(jaccard_score(*pixels))
    assert told["kappa"] == pytest.approx(cohen_kappa_score(*pixels))
    assert told["MCC"] == pytest.approx(matthews_corrcoef(*pixels))
    assert told["specificity"] == pytest.approx(1 - (is_found & ~is_true).sum() / (~is_true).sum())
    assert told["precision"] == pytest.approx((is_found & is_true).sum() / is_found.sum())
    assert told["recall"] == pytest.approx((is_found & is_true).sum() / is_true.sum())


def test_without_known_ground_nothing_is_said_of_what_was_rightly_left_out():
    (score,) = scored(sample(row_of(6), row_of(5), looked=None))
    assert (AREAS, "F1") in score.measures
    assert not {(AREAS, "kappa"), (AREAS, "MCC"), (AREAS, "specificity")} & set(score.measures)
    assert score.looked_m2 is None


def test_objects_are_tallied_and_their_scores_are_the_tallies():
    (score,) = scored(sample(row_of(8)[2:], row_of(6)))
    tally = score.tallies["overlap"]
    assert (tally.n_true, tally.n_found, tally.n_right) == (6, 6, 4)
    for name in ("precision", "recall"):
        assert score.measures["overlap", name].value == getattr(tally, name)
    assert score.measures["overlap", "F1"].value == tally.f1
    assert score.measures["overlap", "F1"].n == 12


def test_the_interval_of_a_share_is_that_of_binomial_draws():
    """Of 60 alike objects, each in its block, 40 were found: a share of binomial spread."""
    (score,) = scored(sample(row_of(40), row_of(60)), n_replicates=4_000)
    recall = score.measures["overlap", "recall"]
    sigma = np.sqrt((2 / 3) * (1 / 3) / 60)
    assert (score.resampled, score.n_blocks, score.n_places) == ("blocks", 60, 60)
    assert recall.value == pytest.approx(2 / 3)
    assert recall.low == pytest.approx(2 / 3 - 1.96 * sigma, abs=0.012)
    assert recall.high == pytest.approx(2 / 3 + 1.96 * sigma, abs=0.012)


LATTICE_M, SQUARE_M = 250, 2_500


def square_world(seed):
    """Squares on a lattice of a search, most of them found, and that aside: by their corner."""
    random = np.random.default_rng(seed)
    true, found = {}, {}
    for at in random.choice(80 * 40, 120, replace=False):
        corner = west, south = at % 80 * LATTICE_M + 60, at // 80 * LATTICE_M + 60
        side, aside = random.integers(30, 100), random.integers(0, 40)
        if random.random() < 0.8:
            true[corner] = (west, south, west + side, south + side)
        if random.random() < 0.7:
            found[corner] = (west + aside, south, west + aside + side, south + side)
    return true, found


def table_by_block(worlds):
    """True, found and right squares, and true, found and shared m2, of every block: (n, 6)."""
    rows = {}
    for true, found in worlds:
        for corner in true.keys() | found.keys():
            row = rows.setdefault((corner[0] // SQUARE_M, corner[1] // SQUARE_M), np.zeros(6))
            one, other = true.get(corner), found.get(corner)
            one_m2 = (one[2] - one[0]) ** 2 if one else 0.0
            other_m2 = (other[2] - other[0]) ** 2 if other else 0.0
            shared_m2 = max(one[2] - other[0], 0) * (one[3] - one[1]) if one and other else 0.0
            is_right = shared_m2 >= 0.5 * (one_m2 + other_m2 - shared_m2)
            row += (bool(one), bool(other), is_right, one_m2, other_m2, shared_m2)
    return np.array(list(rows.values()))


def by_hand(table, looked_m2):
    true, found, right, true_m2, found_m2, hit = table.sum(axis=0)
    false, missed = found_m2 - hit, true_m2 - hit
    rest = looked_m2 - hit - false - missed
    agreed = (hit + rest) / looked_m2
    chance = (true_m2 * found_m2 + (looked_m2 - true_m2) * (rest + missed)) / (looked_m2**2)
    odds = np.sqrt(true_m2 * found_m2 * (rest + false) * (rest + missed))
    return {
        ("IoU 0.5", "precision"): right / found,
        ("IoU 0.5", "recall"): right / true,
        ("IoU 0.5", "F1"): 2 * right / (true + found),
        (AREAS, "IoU"): hit / (hit + false + missed),
        (AREAS, "specificity"): rest / (rest + false),
        (AREAS, "kappa"): (agreed - chance) / (1 - chance),
        (AREAS, "MCC"): (hit * rest - false * missed) / odds,
    }


def test_scores_and_intervals_are_those_of_blocks_drawn_by_hand():
    """Two searches of the same ground, made anew without polygons: blocks drawn one by one."""
    worlds = [square_world(1), square_world(2)]
    looked = shapely.box(0, 0, 160 * LATTICE_M, 40 * LATTICE_M)  # nothing in its eastern half
    samples = [sample(found.values(), true.values(), looked=looked) for true, found in worlds]
    (score,) = scored(*samples, n_replicates=2_000, block_m=SQUARE_M)
    table = table_by_block(worlds)
    random = np.random.default_rng(5)
    draws = (table[random.integers(0, len(table), len(table))] for _ in range(2_000))
    replicates = [by_hand(drawn, 2 * looked.area) for drawn in draws]
    assert score.n_blocks == len(table)
    for of, value in by_hand(table, 2 * looked.area).items():
        told = score.measures[of]
        assert told.value == pytest.approx(value, abs=1e-9)
        low, high = np.percentile([each[of] for each in replicates], (2.5, 97.5))
        assert (told.low, told.high) == pytest.approx((low, high), abs=(high - low) / 10)


def test_neighbours_in_a_block_are_drawn_together_and_widen_the_interval():
    found, true = row_of(30, every_m=100), row_of(60, every_m=100)
    (apart,) = scored(sample(found, true), block_m=100.0)
    (together,) = scored(sample(found, true), block_m=1_000.0)
    width = [
        each.measures["overlap", "recall"].high - each.measures["overlap", "recall"].low
        for each in (apart, together)
    ]
    assert together.n_blocks == 6
    assert width[1] > 2 * width[0]


def world_of(random, n_blocks):
    """Blocks of about five objects; a block's recall is 0.7 with a sigma of 0.2."""
    count = np.maximum(random.poisson(5, n_blocks), 1)
    recall = np.repeat(random.beta(2.8, 1.2, n_blocks), count)
    is_found = (random.random(len(recall)) < recall).astype(float)
    compared = compare([sample([], [])], ValidationParams())
    (comparison,) = compared.comparisons.values()
    columns = {name: np.zeros(len(recall)) for name in comparison.columns}
    columns |= {"n_true": np.ones(len(recall)), "n_right, overlap": is_found}
    block = np.repeat(np.arange(n_blocks), count)
    return replace(
        compared,
        block=np.column_stack([block, block]),
        ground=np.full(len(block), shapely.Point(0, 0)),
        region=np.full(len(block), -1),
        comparisons={(FOUND, "person 0"): replace(comparison, columns=columns)},
    )


def test_intervals_hold_what_is_true_nearly_as_often_as_they_say():
    """In docs/validation.md: 92 % of cases with 20 blocks, 83 % with 5."""
    random = np.random.default_rng(0)
    params = ValidationParams(n_replicates=200)
    held = []
    for _ in range(300):
        (score,) = score_compared(world_of(random, 20), params)
        recall = score.measures["overlap", "recall"]
        held.append(recall.low <= 0.7 <= recall.high)
    assert 0.88 <= np.mean(held) <= 0.97


def test_the_same_search_twice_makes_nothing_surer():
    once = sample(row_of(6, every_m=100), row_of(8, every_m=100))
    (score,) = scored(once, block_m=5_000.0)
    (twice,) = scored(once, once, block_m=5_000.0)
    assert twice.tallies["overlap"] == score.tallies["overlap"] + score.tallies["overlap"]
    assert (score.resampled, twice.n_places) == ("places", score.n_places)
    assert twice.measures["overlap", "recall"].low == score.measures["overlap", "recall"].low


def test_few_blocks_draw_places_and_few_places_draw_nothing():
    (score,) = scored(sample(row_of(6, every_m=100), row_of(8, every_m=100)), block_m=5_000.0)
    assert (score.resampled, score.n_blocks, score.n_places) == ("places", 1, 8)
    assert score.measures["overlap", "recall"].low < 0.75 < score.measures["overlap", "recall"].high
    (score,) = scored(sample(row_of(3), row_of(4)))
    assert score.resampled == "nothing"
    assert all(each.low is each.high is None for each in score.measures.values())
    (score,) = scored(sample(row_of(30), row_of(40)), n_replicates=0)
    assert score.measures["overlap", "recall"].value == 0.75
    assert all(each.low is each.high is None for each in score.measures.values())


def test_a_score_to_which_few_places_contribute_has_no_interval():
    (score,) = scored(sample(row_of(4), row_of(20)))
    assert score.measures["overlap", "recall"].low is not None
    assert score.measures["overlap", "precision"].low is None


def test_what_is_always_right_is_not_certain():
    (score,) = scored(sample(row_of(10), row_of(10)))
    recall = score.measures["overlap", "recall"]
    assert (recall.value, recall.low, recall.high) == (1.0, None, None)


def test_what_cannot_be_told_is_none():
    (score,) = scored(sample([], row_of(6)))
    assert score.measures["overlap", "precision"].value is None
    assert score.measures["overlap", "recall"].value == 0.0
    assert score.measures[BOUNDARY, "mean_m"].value is None
    (score,) = scored(sample([], []))
    assert score.measures["overlap", "F1"].value is None
    assert score.measures[AREAS, "kappa"].value is None
    assert score.measures[AREAS, "specificity"].value == 1.0


def test_the_seed_decides_and_nothing_else():
    random = np.random.default_rng(1)
    found = [box for box in row_of(40) if random.random() < 0.7]
    first, again, other = (
        scored(sample(found, row_of(40)), seed=seed)[0].measures for seed in (4, 4, 5)
    )
    assert first == again
    assert first != other
    (turned,) = scored(sample(found[::-1], row_of(40)[::-1]), seed=4)
    assert turned.measures == first


def test_size_is_told_by_class_and_in_all():
    true = [(1_000 * n, 0, 1_000 * n + 30, 30) for n in range(6)]
    true += [(1_000 * n, 500, 1_000 * n + 100, 600) for n in range(6)]
    found = [(west, south, east, north + 3) for west, south, east, north in true[:6]]
    found += [(west, south, east, north - 20) for west, south, east, north in true[6:]]
    (score,) = scored(sample(found, true))
    assert score.measures["< 2,000 m2", "ratio_median"].value == pytest.approx(1.1)
    assert score.measures["10,000 to 50,000 m2", "ratio_total"].value == pytest.approx(0.8)
    assert score.measures["all sizes", "ratio_median"].value == pytest.approx((1.1 + 0.8) / 2)
    total = (6 * 30 * 33 + 6 * 100 * 80) / (6 * 30 * 30 + 6 * 100 * 100)
    assert score.measures["all sizes", "ratio_total"].value == pytest.approx(total)
    assert score.measures["all sizes", "ratio_median"].n == 12
    assert score.measures["2,000 to 10,000 m2", "ratio_total"].value is None


def test_weighted_medians_are_medians_of_what_was_drawn_so_often():
    random = np.random.default_rng(2)
    values, weight = random.random(9), random.integers(0, 4, (50, 9))
    expected = [np.median(np.repeat(values, each)) for each in weight]
    assert _weighted_medians(values, weight.astype(float)) == pytest.approx(np.array(expected))
    assert np.isnan(_weighted_medians(values, np.zeros((1, 9)))).all()


def test_regions_add_up_to_the_whole():
    regions = [
        Region(name="a", polygon=shapely.box(-500, -500, 6_500, 1e5)),
        Region(name="b", polygon=shapely.box(6_500, -500, 2e5, 1e5)),
        Region(name="empty", polygon=shapely.box(-9e5, -9e5, -8e5, -8e5)),
    ]
    whole, first, second = scored(sample(row_of(12)[3:], row_of(10)), regions=regions)
    assert [each.region for each in (whole, first, second)] == [None, "a", "b"]
    assert first.tallies["overlap"] + second.tallies["overlap"] == whole.tallies["overlap"]
    assert first.looked_m2 + second.looked_m2 == pytest.approx(whole.looked_m2)
    assert whole.looked_m2 == pytest.approx(1e10)
    assert first.measures["overlap", "recall"].value == pytest.approx(4 / 7)
    assert second.measures["overlap", "recall"].value == 1.0


def test_annotators_agreement_is_the_mean_over_pairs_with_their_range():
    ten, more, shifted = (
        row_of(10),
        row_of(12),
        [(w + 20, s, e + 20, n) for w, s, e, n in row_of(10)],
    )
    params = ValidationParams(n_replicates=300, block_m=1_000.0)
    compared = compare([sample(ten, ten, more, shifted)], params)
    told = score_annotators(compared, params)
    pairs = told.pairs["IoU 0.5", "F1"]
    assert pairs.each == pytest.approx((20 / 22, 0.0, 0.0))
    assert pairs.mean.value == pytest.approx(np.mean(pairs.each))
    assert pairs.span == pytest.approx((0.0, 20 / 22))
    assert told.pairs[AREAS, "IoU"].each[1] == pytest.approx(1 / 3)
    assert told.found["IoU 0.5", "F1"].each == pytest.approx((1.0, 20 / 22, 0.0))
    difference = told.found_less_pairs["IoU 0.5", "F1"]
    assert difference.value == pytest.approx((42 / 22 - 20 / 22) / 3)
    of = {(each.subject, each.reference): each for each in score_compared(compared, params)}
    assert (
        told.others["overlap", "F1"].each[1]
        == of["person 1", OTHERS].measures["overlap", "F1"].value
    )
    assert of[FOUND, CONSENSUS].tallies["IoU 0.5"].n_right == 10
    assert not {("person 0", "person 1"), ("person 1", "person 2")} & set(of)


def test_who_is_an_annotator_agrees_as_annotators_do():
    """What was found is one of them: the difference is of its own pairs with itself."""
    random = np.random.default_rng(5)
    people = [[box for box in row_of(40) if random.random() < 0.8] for _ in range(5)]
    params = ValidationParams(n_replicates=300, block_m=1_000.0)
    newcomer = [box for box in row_of(40) if random.random() < 0.8]
    told = score_annotators(compare([sample(newcomer, *people)], params), params)
    less = told.found_less_pairs["overlap", "F1"]
    assert less.low < 0.0 < less.high
    stranger = [box for box in row_of(40) if random.random() < 0.3]
    told = score_annotators(compare([sample(stranger, *people)], params), params)
    assert told.found_less_pairs["overlap", "F1"].high < 0.0


def test_means_are_compared_on_the_same_draws():
    """Of x, what both annotators share, what is found has (1 + x) / 2: the difference follows x."""
    one = row_of(20)
    other = row_of(12) + [
        (west + 400, south, east + 400, north) for west, south, east, north in one[12:]
    ]
    params = ValidationParams(n_replicates=400, block_m=1_000.0)
    agreed = score_annotators(compare([sample(one, one, other)], params), params)
    pairs = agreed.pairs["overlap", "F1"].mean
    less = agreed.found_less_pairs["overlap", "F1"]
    assert pairs.value == pytest.approx(0.6)
    assert less.value == pytest.approx((1 - pairs.value) / 2)
    assert (less.low, less.high) == pytest.approx(((1 - pairs.high) / 2, (1 - pairs.low) / 2))


def test_a_mean_has_no_interval_where_two_annotators_share_few_places():
    few, many = row_of(4), row_of(9)[1:]
    params = ValidationParams(n_replicates=200, block_m=1_000.0)
    agreed = score_annotators(compare([sample(many, few, few[1:], many)], params), params)
    mean = agreed.pairs["overlap", "F1"].mean
    assert (mean.n, mean.low, mean.high) == (3, None, None)
    assert agreed.found["overlap", "F1"].mean.low is not None


def test_one_annotator_agrees_with_nobody():
    params = ValidationParams()
    assert score_annotators(compare([sample(row_of(3), row_of(3))], params), params) is None
