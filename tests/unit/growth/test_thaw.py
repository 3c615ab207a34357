"""The calendar, and the clock that runs while the ground thaws."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rts_track.domain import THAW_SEASON, ThawSeason
from rts_track.growth.thaw import calendar_a, thaw_a, thaw_sigma_a


def days(*dates):
    return np.array([np.datetime64(date, "D").astype(int) for date in dates], dtype=np.float64)


def thaw_between(start, end, season=THAW_SEASON):
    clock = thaw_a(days(start, end), season)
    return clock[1] - clock[0]


@pytest.mark.parametrize(
    ("start", "end", "thaw_years"),
    [
        ("2019-01-01", "2020-01-01", 1.0),
        ("2019-08-01", "2020-08-01", 1.0),
        ("2019-10-01", "2020-05-31", 0.0),
        ("2019-06-15", "2019-09-15", 1.0),
        ("2019-06-15", "2019-07-31", 0.5),
        ("2019-07-31", "2020-07-31", 1.0),
        ("2019-07-31", "2020-06-15", 0.5),
        ("1969-12-31", "1970-12-31", 1.0),
    ],
)
def test_thaw_years_count_thaw_seasons_and_parts_of_them(start, end, thaw_years):
    assert thaw_between(start, end) == pytest.approx(thaw_years)


def test_two_dates_in_one_summer_are_more_of_a_thaw_season_than_of_a_year():
    start, end = days("2019-07-01", "2019-07-24")
    calendar = calendar_a(np.array([start, end]))
    assert calendar[1] - calendar[0] == pytest.approx(23 / 365.25)
    assert thaw_between("2019-07-01", "2019-07-24") == pytest.approx(23 / 92)


@given(st.dates(dt.date(1980, 1, 1), dt.date(2090, 1, 1)))
def test_a_whole_year_is_one_thaw_season_wherever_it_begins(start):
    end = start + dt.timedelta(days=366 if _has_leap_day(start) else 365)
    assert thaw_between(start, end) == pytest.approx(1.0, abs=1 / 92)


def _has_leap_day(start):
    return any(
        start <= dt.date(year, 2, 29) < start + dt.timedelta(days=366)
        for year in (start.year, start.year + 1)
        if year % 4 == 0
    )


@given(st.lists(st.dates(dt.date(1950, 1, 1), dt.date(2090, 1, 1)), min_size=3, max_size=3))
def test_time_is_never_lost_between_two_intervals(dates):
    first, second, third = sorted(dates)
    parts = thaw_between(first, second) + thaw_between(second, third)
    assert parts == pytest.approx(thaw_between(first, third), abs=1e-9)


def test_the_season_is_a_parameter():
    july = ThawSeason(begins=(7, 1), ends=(8, 1))
    assert thaw_between("2019-06-15", "2019-06-30", july) == 0.0


def test_a_date_known_only_to_the_thaw_season_is_uncertain_by_a_part_of_it():
    (middle,) = thaw_sigma_a(days("2019-07-31"), np.array([92 / 12**0.5]), THAW_SEASON)
    (winter,) = thaw_sigma_a(days("2019-01-31"), np.array([10.0]), THAW_SEASON)
    assert middle == pytest.approx(12**-0.5)
    assert winter == 0.0
