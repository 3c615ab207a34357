"""Trends by number of seasons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import theilslopes

from rts_track.growth.intervals import find_intervals
from rts_track.growth.params import GrowthParams
from rts_track.growth.rates import Twice, interval_rates
from rts_track.growth.trend import least_squares, theil_sen, trends

TRUTH = 800.0
Z = 1.96


def simulated(n_seasons, *, n_series=2_000, seed=5, sigma=250.0, outlier=False):
    """Series over uneven years; an outlier puts 1.5 times the area into one season of half."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.permuted(np.tile(np.arange(12.0), (n_series, 1)), axis=1)[:, :n_seasons])
    truth = 1e4 + TRUTH * time
    value = truth + rng.normal(0, sigma, truth.shape)
    if outlier:
        season = rng.integers(0, n_seasons, n_series)
        has = rng.random(n_series) < 0.5
        value[has, season[has]] *= 1.5
    return time, value, np.broadcast_to(np.eye(n_seasons) * sigma**2, (n_series, *[n_seasons] * 2))


def by_least_squares(time, value, covariance):
    return least_squares(time, value, covariance, np.zeros_like(time), Z)


def by_theil_sen(time, value):
    return theil_sen(time, value, np.zeros(time.shape, dtype=np.int64), Z)


def coverage(slopes):
    return ((slopes.low <= TRUTH) & (slopes.high >= TRUTH)).mean()


@pytest.mark.parametrize(("n_seasons", "published"), [(3, 0.971), (5, 0.969), (8, 0.955)])
def test_the_least_squares_interval_holds_the_truth_as_often_as_published(n_seasons, published):
    assert coverage(by_least_squares(*simulated(n_seasons))) == pytest.approx(published, abs=0.015)


@pytest.mark.parametrize(("n_seasons", "published"), [(5, 0.983), (8, 0.959)])
def test_sens_interval_holds_the_truth_as_often_as_published(n_seasons, published):
    time, value, _ = simulated(n_seasons)
    assert coverage(by_theil_sen(time, value)) == pytest.approx(published, abs=0.015)


def test_three_seasons_are_too_few_for_sens_interval():
    time, value, _ = simulated(3, n_series=200)
    fits = [theilslopes(y, x, 0.95) for x, y in zip(time, value, strict=True)]
    held = np.mean([fit.low_slope <= TRUTH <= fit.high_slope for fit in fits])
    assert held == pytest.approx(0.68, abs=0.1)
    assert np.isnan(by_theil_sen(time, value).slope).all()


def test_one_badly_mapped_season_moves_theil_sen_less():
    time, value, covariance = simulated(8, outlier=True)
    robust = by_theil_sen(time, value).slope - TRUTH
    plain = by_least_squares(time, value, covariance).slope - TRUTH
    assert robust.std() < 0.7 * plain.std()


def test_scatter_beyond_the_errors_widens_the_interval_and_agreement_never_narrows_it():
    time = np.array([[0.0, 1.0, 2.0, 3.0]])
    covariance = np.eye(4)[None] * 100.0**2
    agreeing = by_least_squares(time, 1e4 + TRUTH * time, covariance)
    scattered = by_least_squares(
        time, 1e4 + TRUTH * time + [[500.0, -500.0, -500.0, 500.0]], covariance
    )
    sigma = 100.0 / np.sqrt(((time - time.mean()) ** 2).sum())
    assert agreeing.high[0] - agreeing.low[0] == pytest.approx(2 * Z * sigma)
    assert scattered.high[0] - scattered.low[0] > 4 * (agreeing.high[0] - agreeing.low[0])


def test_without_correlation_the_slope_is_the_textbooks_weighted_one():
    rng = np.random.default_rng(8)
    time, value, sigma = rng.uniform(0, 9, 6), rng.normal(0, 100, 6), rng.uniform(50, 150, 6)
    fit = by_least_squares(time[None], value[None], np.diag(sigma**2)[None])
    slope, covariance = np.polyfit(time, value, 1, w=1 / sigma, cov="unscaled")
    chi2 = ((value - np.polyval(np.polyfit(time, value, 1, w=1 / sigma), time)) / sigma) ** 2
    inflated = np.sqrt(covariance[0, 0] * max(1.0, chi2.sum() / 4))
    assert fit.slope[0] == pytest.approx(slope[0])
    assert fit.high[0] - fit.slope[0] == pytest.approx(Z * inflated)


def assert_as_scipy(time, value):
    ours, theirs = by_theil_sen(time[None], value[None]), theilslopes(value, time, 0.95)
    assert ours.slope[0] == pytest.approx(theirs.slope)
    assert (ours.low[0], ours.high[0]) == pytest.approx((theirs.low_slope, theirs.high_slope))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=5, max_size=11), st.integers(0, 99))
def test_for_one_source_theil_sen_is_scipys_with_equal_areas_too(values, seed):
    time = np.sort(np.random.default_rng(seed).choice(30, len(values), replace=False))
    assert_as_scipy(time.astype(float), np.array(values, dtype=float))


def test_for_one_source_theil_sen_is_scipys_with_equal_times_too():
    """Equal times: two dates of one winter on the thaw clock."""
    value = np.array([3.0, 5.0, 4.0, 9.0, 7.0, 12.0, 10.0, 14.0])
    assert_as_scipy(np.array([0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0, 5.0]), value)


def test_a_step_between_sources_is_no_growth():
    time = np.arange(10.0)[None]
    source = np.array([[0] * 5 + [1] * 5])
    value = np.where(source == 0, 1e4, 2e4) + 10.0 * time
    assert theil_sen(time, value, source, Z).slope[0] == pytest.approx(10.0)
    assert by_theil_sen(time, value).slope[0] > 1_000.0


def growing(history, n, *, source=None, rate=TRUTH):
    rows = [(0, 2010 + k, 1e4 + rate * k) for k in range(n)]
    links = [(k, k + 1, 5e3, "main") for k in range(n - 1)]
    return history(rows, links, **({} if source is None else {"source": source}))


@pytest.mark.parametrize(
    ("n_seasons", "methods"),
    [
        (1, set()),
        (2, {"interval"}),
        (3, {"wls"}),
        (4, {"wls"}),
        (5, {"wls", "theil_sen"}),
        (9, {"wls", "theil_sen"}),
    ],
)
def test_the_number_of_seasons_decides_the_methods(history, n_seasons, methods):
    found = [t for t in trends(growing(history, n_seasons), GrowthParams()) if len(t.track)]
    assert {(t.method, t.time_basis) for t in found} == {
        (method, basis) for method in methods for basis in ("calendar", "thaw")
    }
    for trend in found:
        assert trend.area_rate_m2_yr[0] == pytest.approx(TRUTH, rel=4e-3)


@pytest.mark.parametrize("source", [[0, 0], [0, 1]])
@given(st.floats(1e3, 1e5), st.floats(1e3, 1e5), st.floats(0, 1e3), st.floats(0, 40))
def test_with_two_seasons_the_trend_is_the_intervals_rate(
    history, source, one, other, coherent, sigma_d
):
    found = history(
        [(0, 2018, one), (0, 2019, other)],
        [(0, 1, 0.0, "main")],
        source=source,
        coherent_sigma_m2=[coherent, 1.5 * coherent],
        day_sigma_d=[sigma_d, sigma_d],
    )
    intervals, zero = find_intervals(found), np.zeros(1)
    rates = interval_rates(
        found.appearances, intervals, zero, Twice(start_m2=zero, end_m2=zero), GrowthParams()
    )
    trend = next(t for t in trends(found, GrowthParams()) if t.time_basis == "calendar")
    half = Z * rates.area_rate_sigma_m2_yr[0]
    assert trend.area_rate_m2_yr[0] == pytest.approx(rates.area_rate_m2_yr[0], abs=1e-6)
    assert trend.area_rate_high_m2_yr[0] - trend.area_rate_m2_yr[0] == pytest.approx(half)


def test_several_sources_make_a_trend_less_sure(history):
    def width(source):
        found = trends(growing(history, 4, source=source), GrowthParams())
        trend = next(t for t in found if t.time_basis == "calendar")
        return trend.area_rate_high_m2_yr[0] - trend.area_rate_low_m2_yr[0]

    assert width([0, 0, 1, 1]) > width([0, 0, 0, 0])


def test_a_series_of_sources_too_short_for_sen_has_least_squares_only(history):
    found = trends(growing(history, 5, source=[0, 1, 0, 1, 0]), GrowthParams())
    assert {t.method for t in found if len(t.track)} == {"wls"}


def test_growth_in_percent_is_that_of_the_logarithm(history):
    rows = [(0, 2010 + k, 1e4 * 1.1**k) for k in range(6)]
    found = history(rows, [(k, k + 1, 0.0, "main") for k in range(5)])
    for trend in trends(found, GrowthParams()):
        assert trend.growth_pct_yr[0] == pytest.approx(100 * np.log(1.1), rel=4e-3)


def test_a_trend_counts_from_the_last_merge(history):
    rows = [*((0, 2010 + k, 1e4) for k in range(3)), *((0, 2013 + k, 5e4) for k in range(3))]
    rows += [(1, 2012, 4e4)]
    links = [(k, k + 1, 1e4, "main") for k in range(5)] + [(6, 3, 4e4, "merge")]
    (calendar, _) = [t for t in trends(history(rows, links), GrowthParams()) if len(t.track)]
    assert calendar.track.tolist() == [0]
    assert calendar.n_seasons[0] == 3
    assert calendar.area_rate_m2_yr[0] == pytest.approx(0.0, abs=1e-6)


def test_areas_given_without_error_weigh_alike(history):
    found = history(
        [(0, 2010 + k, 1e4 + 100 * k) for k in range(4)],
        [(k, k + 1, 0.0, "main") for k in range(3)],
        random_sigma_m2=[0.0] * 4,
        coherent_sigma_m2=[0.0] * 4,
    )
    trend = next(trends(found, GrowthParams()))
    assert trend.area_rate_m2_yr[0] == pytest.approx(100, rel=4e-3)
