"""The shift between two scenes."""

import numpy as np
import pytest

from rts_track.track.params import LinkParams
from rts_track.track.shift import estimate_shift, mean_advance_m, mutual_best

PARAMS = LinkParams()


def slumps(seed, n, shift=(6.0, -3.0), growth=0.0, towards=(0.6, 0.8), noise=1.0):
    """Offsets of centroids, and advances: slumps that grow move `towards` by half of it."""
    random = np.random.default_rng(seed)
    advance = growth * np.exp(random.normal(0.0, 0.7, n))
    east = shift[0] + 0.5 * advance * towards[0] + random.normal(0.0, noise, n)
    north = shift[1] + 0.5 * advance * towards[1] + random.normal(0.0, noise, n)
    return east, north, advance


def test_the_shift_is_what_slumps_agree_on_whatever_one_bad_pair_says():
    east, north, advance = slumps(1, 30)
    shift = estimate_shift(np.r_[east, 45.0], np.r_[north, -20.0], np.r_[advance, 0.0], PARAMS)
    assert shift is not None
    assert (shift.dx_m, shift.dy_m) == pytest.approx((6.0, -3.0), abs=0.6)
    assert shift.n == 31
    assert shift.is_applied
    assert 0.1 < shift.se_m < 0.8


def test_growth_towards_a_common_aspect_is_no_shift():
    errors = []
    for seed in range(20):
        shift = estimate_shift(*slumps(seed, 80, growth=15.0), PARAMS)
        assert shift is not None
        errors.append((shift.dx_m - 6.0, shift.dy_m + 3.0))
    east, north, _ = slumps(0, 80, growth=15.0)
    assert np.hypot(np.median(east) - 6.0, np.median(north) + 3.0) > 6.0
    assert np.abs(np.mean(errors, axis=0)).max() < 0.3
    assert np.hypot(*np.array(errors).T).max() < 1.5


def test_growth_without_a_shift_makes_none():
    shift = estimate_shift(*slumps(3, 80, shift=(0.0, 0.0), growth=8.0), PARAMS)
    assert shift is not None
    assert np.hypot(shift.dx_m, shift.dy_m) < 1.0


def test_too_few_pairs_tell_nothing():
    assert estimate_shift(np.full(7, 5.0), np.full(7, 5.0), np.zeros(7), PARAMS) is None


def test_a_shift_within_twice_its_error_is_kept_but_not_applied():
    shift = estimate_shift(*slumps(2, 20, shift=(0.2, 0.0), noise=4.0), PARAMS)
    assert shift is not None
    assert not shift.is_applied


def test_the_standard_error_holds_what_it_says():
    z = []
    for seed in range(300):
        shift = estimate_shift(*slumps(seed, 40, growth=4.0), PARAMS)
        assert shift is not None
        z += [(shift.dx_m - 6.0) / shift.se_m, (shift.dy_m + 3.0) / shift.se_m]
    assert 0.6 < float(np.std(z)) < 1.3


def test_the_advance_is_growth_over_size():
    assert mean_advance_m(np.array([5_000.0]), np.array([5_000.0])) == pytest.approx([0.0])
    assert mean_advance_m(np.array([4_500.0]), np.array([5_500.0])) == pytest.approx([10.0])


def test_only_pairs_that_are_best_for_both_count():
    a, b = np.array([0, 0, 1]), np.array([0, 1, 1])
    assert mutual_best(a, b, np.array([0.9, 0.5, 0.4])).tolist() == [True, False, False]
    assert mutual_best(a, b, np.array([0.5, 0.3, 0.6])).tolist() == [True, False, True]
