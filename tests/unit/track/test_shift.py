"""The shift between two scenes."""

import numpy as np
import pytest

from rts_track.track.params import LinkParams
from rts_track.track.shift import estimate_shift, mutual_best

PARAMS = LinkParams()


def test_the_shift_is_the_median_offset_whatever_one_bad_pair_says():
    random = np.random.default_rng(1)
    east = np.r_[random.normal(6.0, 1.0, 30), 45.0]
    north = np.r_[random.normal(-3.0, 1.0, 30), -20.0]
    shift = estimate_shift(east, north, PARAMS)
    assert shift is not None
    assert (shift.dx_m, shift.dy_m) == pytest.approx((6.0, -3.0), abs=0.6)
    assert 27 <= shift.n <= 30
    assert shift.is_applied
    assert 0.1 < shift.se_m < 0.5


def test_too_few_pairs_tell_nothing():
    assert estimate_shift(np.full(7, 5.0), np.full(7, 5.0), PARAMS) is None


def test_a_shift_within_twice_its_error_is_kept_but_not_applied():
    random = np.random.default_rng(2)
    shift = estimate_shift(random.normal(0.2, 4.0, 20), random.normal(0.0, 4.0, 20), PARAMS)
    assert shift is not None
    assert not shift.is_applied


def test_the_standard_error_holds_what_it_says():
    random = np.random.default_rng(3)
    z = []
    for _ in range(400):
        shift = estimate_shift(random.normal(5, 2, 25), random.normal(0, 2, 25), PARAMS)
        assert shift is not None
        z.append((shift.dx_m - 5.0) / shift.se_m)
    assert 0.7 < float(np.std(z)) < 1.15


def test_only_pairs_that_are_best_for_both_count():
    a, b = np.array([0, 0, 1]), np.array([0, 1, 1])
    assert mutual_best(a, b, np.array([0.9, 0.5, 0.4])).tolist() == [True, False, False]
    assert mutual_best(a, b, np.array([0.5, 0.3, 0.6])).tolist() == [True, False, True]
