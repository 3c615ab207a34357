"""How fast areas changed between two seasons, with sigma, on both clocks.

sigma_r^2 = sigma_change^2 / dt^2 + (r sigma_dt / dt)^2, where sigma_change^2 is the sum of the
pixels' random parts of both ends, which never cancel, and for each source that drew outlines

    c1^2 + c2^2 - 2 rho c1 c2,

c1 and c2 its coherent part at either end, rho the correlation between its seasons. Between
different sources nothing cancels, and each source's own idea of what belongs to a slump is added:
f^2 (A2 - A1)^2 with f the share of the area and A1, A2 what that source drew at either end (for
two sources f^2 (A1^2 + A2^2)). Within a season a source's coherent parts add up over a group's
members, for they share hand and image.

A rigid shift of a scene changes no area, so its error enters no term here. It matters for the
area gained and lost, which are taken after the scenes' shift.

Significance asks whether there was a change, so it takes the sigma of the change: an uncertain
date makes a rate uncertain, but not the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.growth.sums import count_of, total_of
from rts_track.growth.thaw import DAYS_PER_YEAR, thaw_a

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.growth.history import Appearances, Members
    from rts_track.growth.intervals import Intervals
    from rts_track.growth.params import GrowthParams


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rates:
    """The change over each interval, in the intervals' order; columns named as in `growth`.

    Days are whole days since 1970-01-01. NaN in `area_rate_m2_thaw_yr`: no thaw in between. An
    interval whose ends are not a day apart or more has no rate: `is_measured` is false and its
    other columns mean nothing.
    """

    is_measured: NDArray[np.bool_]
    from_day: NDArray[np.float64]
    to_day: NDArray[np.float64]
    years: NDArray[np.float64]
    thaw_years: NDArray[np.float64]
    area_change_m2: NDArray[np.float64]
    area_rate_m2_yr: NDArray[np.float64]
    area_rate_m2_thaw_yr: NDArray[np.float64]
    area_rate_sigma_m2_yr: NDArray[np.float64]
    gained_m2: NDArray[np.float64]
    lost_m2: NDArray[np.float64]
    is_cross_source: NDArray[np.bool_]
    is_significant: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Twice:
    """Area of each interval's start and end that more than one member covers, in m2.

    Members of one season may overlap where sources differ; such ground counts once.
    """

    start_m2: NDArray[np.float64]
    end_m2: NDArray[np.float64]


def interval_rates(
    appearances: Appearances,
    intervals: Intervals,
    overlap_m2: NDArray[np.float64],
    twice: Twice,
    params: GrowthParams,
) -> Rates:
    """The change over every interval.

    Args:
        appearances: what the intervals' members are.
        intervals: what to measure.
        overlap_m2: area that start and end of each interval share.
        twice: area that members share among themselves.
        params: assumptions.
    """
    start = _end(appearances, intervals.start, twice.start_m2)
    end = _end(appearances, intervals.end, twice.end_m2)
    days = end.day - start.day
    is_measured = days >= 1.0
    years = np.where(is_measured, days, 1.0) / DAYS_PER_YEAR
    season = params.thaw_season
    thaw_years = thaw_a(end.day, season) - thaw_a(start.day, season)
    change_m2 = end.area_m2 - start.area_m2
    change_var, is_cross_source = _change_variance(appearances, intervals, params)
    rate = change_m2 / years
    sigma_a = np.hypot(start.day_sigma_d, end.day_sigma_d) / DAYS_PER_YEAR
    has_thaw = is_measured & (thaw_years > 0.0)
    shared_m2 = np.clip(overlap_m2, 0.0, np.minimum(start.area_m2, end.area_m2))
    return Rates(
        is_measured=is_measured,
        from_day=start.day,
        to_day=end.day,
        years=years,
        thaw_years=thaw_years,
        area_change_m2=change_m2,
        area_rate_m2_yr=rate,
        area_rate_m2_thaw_yr=np.where(
            has_thaw, change_m2 / np.where(has_thaw, thaw_years, 1.0), np.nan
        ),
        area_rate_sigma_m2_yr=np.sqrt(change_var + (rate * sigma_a) ** 2) / years,
        gained_m2=end.area_m2 - shared_m2,
        lost_m2=start.area_m2 - shared_m2,
        is_cross_source=is_cross_source,
        is_significant=np.abs(change_m2) > params.significant_sigma * np.sqrt(change_var),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _End:
    """One end of each interval: its area, and when it was seen."""

    area_m2: NDArray[np.float64]
    day: NDArray[np.float64]
    day_sigma_d: NDArray[np.float64]


def _end(appearances: Appearances, members: Members, twice_m2: NDArray[np.float64]) -> _End:
    """The members' area together; their day and its sigma weighted by area."""
    n, row = len(twice_m2), members.appearance
    area_m2 = appearances.area_m2[row]

    def total(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return total_of(members.owner, value, n)

    sum_m2 = total(area_m2)
    return _End(
        area_m2=sum_m2 - twice_m2,
        day=np.round(total(area_m2 * appearances.day[row]) / sum_m2),
        day_sigma_d=total(area_m2 * appearances.day_sigma_d[row]) / sum_m2,
    )


def _change_variance(
    appearances: Appearances, intervals: Intervals, params: GrowthParams
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Variance of each interval's change in m4, and whether its sources differ."""
    n, n_start = len(intervals), len(intervals.start.owner)
    row = np.concatenate([intervals.start.appearance, intervals.end.appearance])
    interval = np.concatenate([intervals.start.owner, intervals.end.owner])
    n_sources = int(appearances.source.max(initial=0)) + 1
    key = interval * n_sources + appearances.source[row]
    drawn, drawer = np.unique(key, return_inverse=True)  # one source's outlines in an interval
    is_end = np.arange(len(row)) >= n_start

    def by_source(value: NDArray[np.float64], at_end: bool) -> NDArray[np.float64]:
        side = is_end == at_end
        return total_of(drawer[side], value[row][side], len(drawn))

    coherent1 = by_source(appearances.coherent_sigma_m2, at_end=False)
    coherent2 = by_source(appearances.coherent_sigma_m2, at_end=True)
    drawn_change_m2 = by_source(appearances.area_m2, at_end=True) - by_source(
        appearances.area_m2, at_end=False
    )
    of_interval = drawn // n_sources
    is_cross_source = count_of(of_interval, n) > 1
    variance = coherent1**2 + coherent2**2 - 2.0 * params.epoch_correlation * coherent1 * coherent2
    variance += np.where(
        is_cross_source[of_interval], (params.source_sigma_frac * drawn_change_m2) ** 2, 0.0
    )
    random = total_of(interval, appearances.random_sigma_m2[row] ** 2, n)
    coherent = total_of(of_interval, np.maximum(variance, 0.0), n)
    return random + coherent, is_cross_source
