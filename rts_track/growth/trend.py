"""Growth over all seasons of a track, by how many there are.

Two seasons make an interval's rate; from three on there is the least-squares slope with the known
errors; from five on there is also the Theil-Sen slope, which is the one to quote: one badly
mapped season moves the least-squares slope, and with fewer than five Sen's interval is too narrow
(68 % instead of 95 % at three; both shown by simulation). The slope between the first and
the last season is never used: it is 1.3 to 3 times noisier.

Least squares. Errors of seasons are correlated: within a source by `epoch_correlation` in their
coherent part, and by the source's own idea of a slump where several sources drew. The slope is
therefore the generalised one, (X' V^-1 X)^-1 X' V^-1 y, which is the weighted one where nothing
is correlated and the interval's rate where there are two seasons. Dates' errors enter as
effective variance, slope^2 sigma_t^2 (Orear 1982, doi 10.1119/1.12972). Where the seasons scatter
more than their errors allow, the slope's variance is inflated by chi^2 / (n - 2) (Birge 1932,
doi 10.1103/PhysRev.40.207); unlike Birge's ratio it is never deflated.

Theil-Sen. The median slope over pairs of seasons of one source, so that no step from one source
to another counts as growth, as Hirsch, Slack and Smith 1982 (doi 10.1029/WR018i001p00107) keep
seasons apart; with one source it is Sen's estimator (Sen 1968, doi 10.2307/2285891), and so is
its interval: the slopes of rank (N - C) / 2 and (N + C) / 2 + 1 of N, C = z sqrt(var S), S being
Kendall's statistic summed over sources. `scipy.stats.theilslopes` gives the same for one source,
one series at a time. Unlike it, a series too short for its interval has none, instead of the
range of its slopes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.growth.series import Series, series_by_length
from rts_track.growth.thaw import DAYS_PER_YEAR, calendar_a, thaw_a, thaw_sigma_a

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rts_track.growth.history import History
    from rts_track.growth.params import GrowthParams

INTERVAL, WLS, THEIL_SEN = "interval", "wls", "theil_sen"
CALENDAR, THAW = "calendar", "thaw"

_FLOOR_SIGMA_M2 = 1e-3
"""Areas given without error weigh alike instead of infinitely."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trends:
    """Trends of one method and clock, columns named as in `trend`; `track` is its number."""

    method: str
    time_basis: str
    track: NDArray[np.int64]
    n_seasons: NDArray[np.int64]
    area_rate_m2_yr: NDArray[np.float64]
    area_rate_low_m2_yr: NDArray[np.float64]
    area_rate_high_m2_yr: NDArray[np.float64]
    growth_pct_yr: NDArray[np.float64]

    def take(self, rows: NDArray[np.bool_]) -> Trends:
        """Some of them."""
        return Trends(
            method=self.method,
            time_basis=self.time_basis,
            track=self.track[rows],
            n_seasons=self.n_seasons[rows],
            area_rate_m2_yr=self.area_rate_m2_yr[rows],
            area_rate_low_m2_yr=self.area_rate_low_m2_yr[rows],
            area_rate_high_m2_yr=self.area_rate_high_m2_yr[rows],
            growth_pct_yr=self.growth_pct_yr[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slopes:
    """A slope per series, and the ends of its 95 % interval; NaN where there is none."""

    slope: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def trends(history: History, params: GrowthParams) -> Iterator[Trends]:
    """The trends of every track with two or more seasons since it last merged or split.

    On the thaw clock a track needs thaw between its seasons. `growth_pct_yr` is the slope of the
    logarithm of the area by the same method, in percent.
    """
    for series in series_by_length(history):
        for basis in (CALENDAR, THAW):
            time, sigma = clock(series, basis, params)
            yield least_squares_trends(series, time, sigma, basis, params)
            if time.shape[1] >= params.robust_min_seasons:
                yield theil_sen_trends(series, time, basis, params)


def clock(
    series: Series, basis: str, params: GrowthParams
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Years of each season on that clock, and their sigma."""
    if basis == CALENDAR:
        return calendar_a(series.day), series.day_sigma_d / DAYS_PER_YEAR
    shape, season = series.day.shape, params.thaw_season
    day, sigma_d = series.day.ravel(), series.day_sigma_d.ravel()
    time = thaw_a(day, season).reshape(shape)
    return time, thaw_sigma_a(day, sigma_d, season).reshape(shape)


def least_squares_trends(
    series: Series,
    time_a: NDArray[np.float64],
    time_sigma_a: NDArray[np.float64],
    basis: str,
    params: GrowthParams,
) -> Trends:
    """The least-squares trend of each series whose seasons differ in time."""
    area, covariance = series.area_m2, area_covariance(series, params)
    z = params.significant_sigma
    of_area = least_squares(time_a, area, covariance, time_sigma_a, z)
    relative = covariance / (area[:, :, None] * area[:, None, :])
    of_log = least_squares(time_a, np.log(area), relative, time_sigma_a, z)
    n = time_a.shape[1]
    return Trends(
        method=INTERVAL if n == 2 else WLS,
        time_basis=basis,
        track=series.track,
        n_seasons=np.full(len(series.track), n),
        area_rate_m2_yr=of_area.slope,
        area_rate_low_m2_yr=of_area.low,
        area_rate_high_m2_yr=of_area.high,
        growth_pct_yr=100.0 * of_log.slope,
    ).take(np.isfinite(of_area.slope))


def theil_sen_trends(
    series: Series, time_a: NDArray[np.float64], basis: str, params: GrowthParams
) -> Trends:
    """The Theil-Sen trend of each series that has enough seasons for its interval."""
    z = params.significant_sigma
    of_area = theil_sen(time_a, series.area_m2, series.source, z)
    of_log = theil_sen(time_a, np.log(series.area_m2), series.source, z)
    same = series.source[:, :, None] == series.source[:, None, :]
    n_seasons = (same.sum(axis=2) > 1).sum(axis=1)
    is_enough = np.isfinite(of_area.slope) & (n_seasons >= params.robust_min_seasons)
    return Trends(
        method=THEIL_SEN,
        time_basis=basis,
        track=series.track,
        n_seasons=n_seasons,
        area_rate_m2_yr=of_area.slope,
        area_rate_low_m2_yr=of_area.low,
        area_rate_high_m2_yr=of_area.high,
        growth_pct_yr=100.0 * of_log.slope,
    ).take(is_enough)


def area_covariance(series: Series, params: GrowthParams) -> NDArray[np.float64]:
    """V: (m, n, n) covariance of the seasons' areas, in m4, without the dates' part.

    A source's own idea of a slump enters only where several sources drew the series: an offset
    common to all seasons changes no slope. It is taken of the root mean square area: a share of
    each season's own would draw the fit towards the smaller ones (Peelle's puzzle).
    """
    same = series.source[:, :, None] == series.source[:, None, :]
    coherent = series.coherent_sigma_m2
    covariance = np.where(
        same, params.epoch_correlation * coherent[:, :, None] * coherent[:, None, :], 0.0
    )
    idea = params.source_sigma_frac**2 * (series.area_m2**2).mean(axis=1)
    several = ~same.all(axis=(1, 2))
    covariance += np.where(same & several[:, None, None], idea[:, None, None], 0.0)
    season = np.arange(coherent.shape[1])
    own = (1.0 - params.epoch_correlation) * coherent**2 + series.random_sigma_m2**2
    covariance[:, season, season] += np.maximum(own, _FLOOR_SIGMA_M2**2)
    return covariance


def least_squares(
    time_a: NDArray[np.float64],
    value: NDArray[np.float64],
    covariance: NDArray[np.float64],
    time_sigma_a: NDArray[np.float64],
    z: float,
) -> Slopes:
    """The generalised least-squares slope of each row, with its interval of +-z sigma.

    Args:
        time_a: (m, n) times.
        value: (m, n) values; n >= 2.
        covariance: (m, n, n) covariance of the values, positive definite.
        time_sigma_a: (m, n) 1 sigma of the times.
        z: half-width of the interval in sigma.
    """
    rough, _, _ = _solve(time_a, value, covariance)
    season = np.arange(value.shape[1])
    covariance = covariance.copy()
    covariance[:, season, season] += (np.nan_to_num(rough)[:, None] * time_sigma_a) ** 2
    slope, variance, chi2 = _solve(time_a, value, covariance)
    if value.shape[1] > 2:
        variance = variance * np.maximum(1.0, chi2 / (value.shape[1] - 2))
    half = z * np.sqrt(variance)
    return Slopes(slope=slope, low=slope - half, high=slope + half)


def _solve(
    time: NDArray[np.float64], value: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Slope, its variance and chi^2 of each row; NaN where the times do not differ."""
    time = time - time.mean(axis=1, keepdims=True)
    level = value.mean(axis=1, keepdims=True)
    columns = np.stack([np.ones_like(time), time, value - level], axis=2)
    normal = columns.swapaxes(1, 2) @ np.linalg.solve(covariance, columns)
    ones, cross, square = normal[:, 0, 0], normal[:, 0, 1], normal[:, 1, 1]
    determinant = ones * square - cross**2
    is_flat = time.max(axis=1) - time.min(axis=1) <= 0.0
    determinant = np.where(is_flat, np.nan, determinant)
    slope = (ones * normal[:, 1, 2] - cross * normal[:, 0, 2]) / determinant
    intercept = (normal[:, 0, 2] - slope * cross) / ones
    chi2 = normal[:, 2, 2] - intercept * normal[:, 0, 2] - slope * normal[:, 1, 2]
    return slope, ones / determinant, np.maximum(chi2, 0.0)


def theil_sen(
    time_a: NDArray[np.float64],
    value: NDArray[np.float64],
    source: NDArray[np.int64],
    z: float,
) -> Slopes:
    """The median slope over each row's pairs of one source, with Sen's interval of +-z sigma.

    All (m, n), n >= 2. Pairs of equal time are left out; NaN for rows whose pairs are too few for
    the interval.
    """
    first, second = np.triu_indices(value.shape[1], k=1)
    step = time_a[:, second] - time_a[:, first]
    counts = (step > 0.0) & (source[:, first] == source[:, second])
    slope = (value[:, second] - value[:, first]) / np.where(counts, step, 1.0)
    slope = np.sort(np.where(counts, slope, np.nan), axis=1)  # NaN last
    n = counts.sum(axis=1)
    reach = z * np.sqrt(_kendall_variance(time_a, value, source))
    low = np.round((n - reach) / 2.0).astype(np.int64) - 1
    high = np.round((n + reach) / 2.0).astype(np.int64)
    is_given = (n > 0) & (low >= 0) & (high < n)

    def ranked(rank: NDArray[np.int64]) -> NDArray[np.float64]:
        at = np.where(is_given, rank, 0)[:, None]
        return np.where(is_given, np.take_along_axis(slope, at, axis=1)[:, 0], np.nan)

    median = (ranked((n - 1) // 2) + ranked(n // 2)) / 2.0
    return Slopes(slope=median, low=ranked(low), high=ranked(high))


def _kendall_variance(
    time: NDArray[np.float64], value: NDArray[np.float64], source: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Variance of Kendall's S of each row, summed over sources, corrected for ties (Sen 1968).

    sum k (k - 1) (2 k + 5) over groups of k equals the sum of (k - 1) (2 k + 5) over members.
    """
    same = source[:, :, None] == source[:, None, :]

    def spread(other: NDArray[np.float64] | None) -> NDArray[np.float64]:
        alike = same if other is None else same & (other[:, :, None] == other[:, None, :])
        k = alike.sum(axis=2)
        return np.asarray(((k - 1) * (2 * k + 5)).sum(axis=1))

    return np.asarray(np.maximum(spread(None) - spread(time) - spread(value), 0) / 18.0)
