import numpy as np
import pytest

from rts_track.model.curve import curve_bytes
from rts_track.model.reliability import JointHistogram
from rts_track.steps.tuning_choice import (
    Cuts,
    Trials,
    fine_steps,
    least_areas_m2,
    left_out,
    pixel_trials,
)


def trials_of(right, found, true=10, steps=None, areas=(1.0,), spreads=(None,)):
    """Trials of arrays (scenes, T, A, S) or (scenes, T)."""
    right, found = np.asarray(right), np.asarray(found)
    if right.ndim == 2:
        right, found = right[:, :, None, None], found[:, :, None, None]
    n_true = np.broadcast_to(np.reshape(true, (-1, 1, 1, 1)), right.shape)
    counts = np.stack([n_true, found, right], axis=-1)
    steps = np.arange(1, right.shape[1] + 1) * 25 if steps is None else steps
    return Trials(steps=steps, areas_m2=areas, spreads=spreads, counts=counts)


def test_the_best_f1_over_all_scenes_is_chosen():
    trials = trials_of([[5, 6, 1], [2, 6, 3]], [[9, 8, 1], [9, 8, 3]])
    t, a, s = trials.best()
    assert (t, a, s) == (1, 0, 0)
    assert trials.choice((t, a, s)).threshold == pytest.approx(0.2)
    assert trials.curve(0, 0).n_right.tolist() == [7, 12, 4]


def test_of_equal_choices_the_one_that_leaves_out_least_and_in_the_middle_of_most_is_taken():
    shape = (1, 5, 2, 2)
    right, found = np.full(shape, 5), np.full(shape, 9)
    found[0, :, 0, 0] = 8  # a run of five, with the least area and any spread
    found[0, 1:3, 1, 1] = 8
    trials = trials_of(right, found, areas=(1.0, 2.0), spreads=(None, 0.1))
    assert trials.best() == (2, 0, 0)
    found[0, 0, 0, 0] = 9  # runs of four beside one of five
    found[0, :, 1, 0] = 8
    assert trials_of(right, found, areas=(1.0, 2.0), spreads=(None, 0.1)).best() == (2, 1, 0)


def test_a_place_is_judged_by_what_is_chosen_without_it():
    # Place 0 would have the second threshold, places 1 and 2 the first.
    right = [[2, 10], [9, 2], [9, 2]]
    found = [[10, 10], [10, 10], [10, 10]]
    place = np.array([0, 1, 2])
    n_slumps = np.array([10, 10, 10])
    group = np.array(["", "", ""])
    tally = left_out(trials_of(right, found), place, group, n_slumps, 20)
    # Without 0: first. Without 1: 11 of the first, 12 of the second.
    assert tally.n_right == 2 + 2 + 2
    assert tally.n_true == 30
    together = trials_of(right, found).best()
    assert trials_of(right, found).curve(0, 0).n_right[together[0]] == 20


def test_a_group_is_judged_by_its_own_other_places_where_they_have_slumps_enough():
    right = [[9, 2], [9, 2], [2, 9], [2, 9], [2, 9]]
    found = [[10, 10]] * 5
    place = np.arange(5)
    group = np.array(["north", "north", "south", "south", "south"])
    n_slumps = np.full(5, 10)
    trials = trials_of(right, found)
    assert left_out(trials, place, group, n_slumps, 10).n_right == 45
    assert left_out(trials, place, group, n_slumps, 15).n_right == 2 + 2 + 27


def test_slumps_in_one_place_alone_say_nothing_of_others():
    trials = trials_of([[5, 6], [0, 0]], [[9, 8], [1, 0]], true=[10, 0])
    place, group = np.array([0, 1]), np.array(["", ""])
    assert left_out(trials, place, group, np.array([10, 0]), 20) is None
    assert left_out(trials, np.array([0, 0]), group, np.array([10, 5]), 20) is None


def test_a_threshold_of_the_calibrated_mean_cuts_where_the_curve_reaches_it():
    table = curve_bytes(((0.2, 0.0), (0.6, 0.4), (0.8, 0.8)))
    cuts = Cuts(table=table)
    for threshold in (0.1, 0.2, 0.4, 0.504, 0.8):
        cut = cuts.of_threshold(threshold)
        assert table[cut] >= round(threshold * 250) > table[cut - 1]
    assert cuts.of_threshold(0.9) is None
    plain = Cuts(table=curve_bytes(()))
    assert [plain.of(step) for step in (1, 125, 250)] == [1, 125, 250]


def test_pixels_are_tried_at_every_threshold():
    counts = np.zeros((251, 2), dtype=np.int64)
    counts[10], counts[100] = (50, 0), (0, 20)
    trials = pixel_trials([JointHistogram(counts=counts)], 1.0)
    assert len(trials.steps) == 250
    t, a, s = trials.best()
    assert (trials.steps[t], a, s) == (56, 0, 0)  # in the middle of 11 to 100
    assert trials.tally(0, (t, a, s)).f1 == 1.0


def test_least_areas_begin_with_the_smallest_slump():
    assert least_areas_m2(1_000.0, 10.0)[:3] == (1_000.0, 1_500.0, 2_000.0)
    assert least_areas_m2(0.0, 3.0)[:3] == (0.0, 90.0, 135.0)
    for smallest_m2 in (0.0, 500.0):
        assert sorted(set(least_areas_m2(smallest_m2, 3.0))) == [*least_areas_m2(smallest_m2, 3.0)]


def test_fine_steps_stay_within_bounds():
    assert list(fine_steps(125)) == list(range(121, 130))
    assert list(fine_steps(5)) == list(range(1, 10))
    assert list(fine_steps(245)) == list(range(241, 250))
    assert max(fine_steps(250)) == 250
