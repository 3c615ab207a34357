"""Growth rates beside true ones."""

import numpy as np
import pytest

from rts_track.track.score_rates import score_rates


def rates(*rows):
    return score_rates(*np.array(rows, dtype=np.float64).reshape(-1, 3).T)


def test_rates_that_are_true_have_no_bias():
    score = rates((100, 10, 100), (300, 10, 300))
    assert (score.n, score.difference_median_m2_yr) == (2, 0.0)
    assert score.ratio_median == score.ratio_total == score.within_frac == 1.0


def test_a_bias_shows_in_difference_and_ratio():
    score = rates((120, 10, 100), (360, 20, 300), (1200, 90, 1000))
    assert score.difference_median_m2_yr == pytest.approx(60)
    assert score.ratio_median == pytest.approx(1.2)
    assert score.ratio_total == pytest.approx(1.2)


def test_sigma_that_is_too_small_shows_in_the_share_within_it():
    assert rates((120, 10, 100), (119, 10, 100)).within_frac == 0.5


def test_slumps_that_did_not_grow_have_no_ratio_of_their_own():
    score = rates((50, 10, 0), (-20, 10, -10), (110, 10, 100))
    assert score.ratio_median == pytest.approx(1.1)
    assert score.ratio_total == pytest.approx(140 / 90)
    still = rates((50, 10, 0))
    assert still.ratio_median is None
    assert still.ratio_total is None
    assert still.difference_median_m2_yr == 50.0


def test_without_intervals_nothing_can_be_told():
    score = rates()
    assert score.n == 0
    assert score.within_frac is None
    assert score.difference_median_m2_yr is None
