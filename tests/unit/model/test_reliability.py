import numpy as np
import pytest

from rts_track.model.curve import curve_bytes
from rts_track.model.reliability import (
    HALF_STEP,
    JointHistogram,
    calibration_errors,
    equal_mass,
    equal_width,
    joint_histogram,
)


def histogram(**cells):
    """Pixels by byte: b25=(ground, slump) ..."""
    counts = np.zeros((251, 2), dtype=np.int64)
    for name, pair in cells.items():
        counts[int(name[1:])] = pair
    return JointHistogram(counts=counts)


def test_clear_pixels_are_counted_by_probability_and_label():
    chance = np.random.default_rng(0)
    probability = chance.integers(0, 252, (40, 50)).astype(np.uint8)
    probability[probability == 251] = 255
    is_slump = chance.random((40, 50)) < 0.3
    made = joint_histogram(probability, is_slump)
    for byte in (0, 17, 250):
        for label in (False, True):
            wanted = np.count_nonzero((probability == byte) & (is_slump == label))
            assert made.counts[byte, int(label)] == wanted
    assert made.n_pixels == np.count_nonzero(probability != 255)
    assert made.n_slump == np.count_nonzero(is_slump & (probability != 255))


def test_precision_and_recall_of_pixels_are_exact_at_every_threshold():
    chance = np.random.default_rng(1)
    is_slump = chance.random((60, 60)) < 0.2
    probability = np.clip(chance.normal(80 + 70 * is_slump, 40), 0, 250).astype(np.uint8)
    curve = joint_histogram(probability, is_slump).pr_curve()
    assert len(curve) == 250
    for byte in (1, 60, 125, 199, 250):
        is_found = probability >= byte
        at = curve.at(byte / 250)
        assert curve.threshold[at] == byte / 250
        hit, found = np.count_nonzero(is_found & is_slump), np.count_nonzero(is_found)
        assert (curve.n_right[at], curve.n_found[at]) == (hit, found)
        if found:
            assert curve.precision[at] == pytest.approx(hit / found)
        assert curve.recall[at] == pytest.approx(hit / is_slump.sum())
        assert curve.f1[at] == pytest.approx(2 * hit / (found + is_slump.sum()))


def test_the_calibration_error_is_that_of_a_table_made_by_hand():
    # bin      n   said  observed  n * |observed - said|
    # 0.1     100   0.1    0.10      0
    # 0.5      10   0.5    0.20      3
    # 0.9      20   0.9    0.95      1
    table = histogram(b25=(90, 10), b125=(8, 2), b225=(1, 19))
    assert equal_width(table).ece == pytest.approx(4 / 130)
    assert equal_width(table).n.tolist() == [100, 10, 20]
    np.testing.assert_allclose(equal_width(table).observed, [0.1, 0.2, 0.95])


def test_within_a_bin_errors_of_both_signs_cancel_and_between_bins_they_do_not():
    table = histogram(b2=(1, 1), b14=(2, 0))  # both below 1/15
    said, observed = (2 * 2 + 2 * 14) / 250 / 4, 1 / 4
    assert equal_width(table).ece == pytest.approx(abs(observed - said))
    assert equal_width(table, n_bins=250).ece == pytest.approx(
        (2 * abs(0.5 - 2 / 250) + 2 * 14 / 250) / 4
    )


def test_what_is_certain_falls_into_the_last_bin():
    table = histogram(b240=(0, 5), b250=(5, 0))
    assert equal_width(table).n.tolist() == [10]


def test_bins_of_equal_mass_hold_about_as_many_pixels():
    even = JointHistogram(counts=np.tile([3, 1], (251, 1)))
    n = equal_mass(even).n
    assert len(n) == 15
    assert n.max() - n.min() <= 2 * 4
    heavy = histogram(b0=(900, 0), b100=(40, 10), b200=(10, 40))
    assert equal_mass(heavy).n.tolist() == [900, 50, 50]


def test_without_pixels_there_is_no_error_to_tell():
    nothing = JointHistogram()
    assert np.isnan(equal_width(nothing).ece)
    assert np.isnan(equal_mass(nothing).ece)
    assert np.isnan(nothing.log_loss())


def test_pixels_that_are_surely_ground_hide_the_error_of_the_others():
    table = histogram(b0=(9900, 0), b100=(100, 0))
    errors = calibration_errors(table, table.doubtful())
    assert errors["width"] == pytest.approx(0.004)
    assert errors["doubtful"] == pytest.approx(0.4)


def test_the_log_loss_takes_certainty_at_half_a_step():
    table = histogram(b0=(3, 1), b125=(2, 2))
    wanted = -(3 * np.log(1 - HALF_STEP) + np.log(HALF_STEP) + 4 * np.log(0.5)) / 8
    assert table.log_loss() == pytest.approx(wanted)


def test_a_histogram_goes_through_a_curve_as_its_pixels_do():
    chance = np.random.default_rng(2)
    probability = chance.integers(0, 251, (30, 30)).astype(np.uint8)
    is_slump = chance.random((30, 30)) < 0.4
    table = curve_bytes(((0.1, 0.0), (0.6, 0.2), (1.0, 0.9)))
    once = joint_histogram(probability, is_slump).through(table)
    np.testing.assert_array_equal(once.counts, joint_histogram(table[probability], is_slump).counts)
