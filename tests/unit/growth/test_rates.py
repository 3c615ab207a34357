"""The change over an interval, and how sure it is."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rts_track.errors import UsageError
from rts_track.growth.intervals import find_intervals
from rts_track.growth.params import GrowthParams
from rts_track.growth.rates import Twice, interval_rates

areas = st.floats(100, 1e6)
sigmas = st.floats(0, 1e4)


def rates_of(history, params=None, overlap_m2=None):
    intervals = find_intervals(history)
    nothing = np.zeros(len(intervals))
    twice = Twice(start_m2=nothing, end_m2=nothing)
    shared = nothing if overlap_m2 is None else np.full(len(intervals), overlap_m2)
    return interval_rates(history.appearances, intervals, shared, twice, params or GrowthParams())


def pair(history, one, other, **columns):
    """A track seen twice."""
    return history([(0, 2018, one), (0, 2019, other)], [(0, 1, 0.0, "main")], **columns)


@given(areas, sigmas, sigmas)
def test_identical_outlines_do_not_grow(history, area, random, coherent):
    rates = rates_of(
        pair(history, area, area, random_sigma_m2=[random] * 2, coherent_sigma_m2=[coherent] * 2)
    )
    assert rates.area_rate_m2_yr[0] == 0.0
    assert not rates.is_significant[0]


def test_sigma_follows_the_formula(history):
    rates = rates_of(
        pair(
            history,
            10_000.0,
            11_000.0,
            random_sigma_m2=[30.0, 40.0],
            coherent_sigma_m2=[200.0, 220.0],
            day_sigma_d=[3.0, 4.0],
        )
    )
    years = 365 / 365.25
    change = 30.0**2 + 40.0**2 + 200.0**2 + 220.0**2 - 2 * 0.5 * 200.0 * 220.0
    dates = (1_000.0 / years * 5.0 / 365.25) ** 2
    assert rates.years[0] == pytest.approx(years)
    assert rates.area_rate_m2_yr[0] == pytest.approx(1_000.0 / years)
    assert rates.area_rate_sigma_m2_yr[0] == pytest.approx((change + dates) ** 0.5 / years)
    assert rates.is_significant[0]


def test_an_uncertain_date_makes_the_rate_uncertain_but_not_the_change(history):
    rates = rates_of(pair(history, 10_000.0, 11_000.0, day_sigma_d=[300.0, 300.0]))
    assert abs(rates.area_rate_m2_yr[0]) < 1.96 * rates.area_rate_sigma_m2_yr[0]
    assert rates.is_significant[0]


@given(areas, areas, sigmas, st.tuples(sigmas, sigmas))
def test_what_two_sources_drew_is_less_sure_than_what_one_drew(
    history, one, other, random, coherent
):
    columns = {"random_sigma_m2": [random] * 2, "coherent_sigma_m2": list(coherent)}
    same = rates_of(pair(history, one, other, **columns))
    mixed = rates_of(pair(history, one, other, source=[0, 1], **columns))
    assert not same.is_cross_source[0]
    assert mixed.is_cross_source[0]
    assert mixed.area_rate_sigma_m2_yr[0] > same.area_rate_sigma_m2_yr[0]


def test_between_sources_each_ones_idea_of_a_slump_counts(history):
    rates = rates_of(
        pair(
            history,
            10_000.0,
            20_000.0,
            source=[0, 1],
            random_sigma_m2=[0.0, 0.0],
            coherent_sigma_m2=[0.0, 0.0],
        ),
        GrowthParams(source_sigma_frac=0.1),
    )
    years = 365 / 365.25
    assert rates.area_rate_sigma_m2_yr[0] * years == pytest.approx(np.hypot(1_000.0, 2_000.0))


@given(areas, areas, sigmas)
def test_a_source_that_repeats_itself_exactly_leaves_only_pixels(history, one, other, coherent):
    assume(coherent > 1.0)
    rates = rates_of(
        pair(history, one, other, random_sigma_m2=[3.0, 4.0], coherent_sigma_m2=[coherent] * 2),
        GrowthParams(epoch_correlation=1.0),
    )
    assert rates.area_rate_sigma_m2_yr[0] * rates.years[0] == pytest.approx(5.0, rel=1e-3)


@given(areas, areas, st.floats(0, 1))
def test_what_is_gained_less_what_is_lost_is_the_change(history, one, other, share):
    rates = rates_of(pair(history, one, other), overlap_m2=share * min(one, other))
    assert rates.gained_m2[0] - rates.lost_m2[0] == pytest.approx(rates.area_change_m2[0])
    assert rates.gained_m2[0] >= 0
    assert rates.lost_m2[0] >= 0


@given(areas, areas)
def test_a_slump_that_merely_merges_has_no_growth(history, one, other):
    rates = rates_of(
        history(
            [(0, 2018, one), (0, 2019, one + other), (1, 2018, other)],
            [(0, 1, one, "main"), (2, 1, other, "merge")],
        )
    )
    assert rates.area_change_m2[0] == pytest.approx(0.0, abs=1e-6 * (one + other))
    assert not rates.is_significant[0]


def test_members_that_one_source_drew_err_together(history):
    group = history(
        [(0, 2018, 5e3), (0, 2019, 1e4), (1, 2018, 5e3)],
        [(0, 1, 5e3, "main"), (2, 1, 5e3, "merge")],
        random_sigma_m2=[0.0, 0.0, 0.0],
        coherent_sigma_m2=[100.0, 180.0, 100.0],
    )
    rates = rates_of(group, GrowthParams(epoch_correlation=0.0))
    assert rates.area_rate_sigma_m2_yr[0] * rates.years[0] == pytest.approx(np.hypot(200, 180))


def test_dates_less_than_a_day_apart_have_no_rate(history):
    days = [17_896.0, 17_896.4]
    assert not rates_of(pair(history, 1e4, 2e4, day=days)).is_measured[0]


def test_a_thaw_rate_needs_thaw(history):
    october, may = 17_805.0, 18_017.0  # 1 October 2018, 1 May 2019
    rates = rates_of(pair(history, 1e4, 2e4, day=[october, may]))
    assert rates.thaw_years[0] == 0.0
    assert np.isnan(rates.area_rate_m2_thaw_yr[0])
    assert np.isfinite(rates.area_rate_m2_yr[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch_correlation": 1.2},
        {"source_sigma_frac": -0.1},
        {"significant_sigma": 0.0},
        {"robust_min_seasons": 3},
    ],
)
def test_parameters_that_mean_nothing_are_refused_by_name(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        GrowthParams(**wrong)
