"""When a footprint was seen, out of what files say: years, days, ranges, names of images."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from rts_track.domain import SEASON_YEARS, THAW_SEASON

_DAY = re.compile(r"(\d{4})([-/.]?)(\d{1,2})\2(\d{1,2})(?:[T ].*)?")
_COMPACT_DAY = re.compile(r"\d{8}")
_MONTH = re.compile(r"(\d{4})[-/.](\d{1,2})")
_RANGE = re.compile(r"\s*(?:,|\.\.|/(?=\d{4}-)| - | to )\s*")
_DASHED_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{2})-(\d{2})-(\d{2})(?!\d)")
_COMPACT_IN_NAME = re.compile(r"(?:^|_)((?:19|20)\d{2})(\d{2})(\d{2})(?:\d{4,}|(?!\d))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """First and last day on which something may have been seen; equal when known to the day."""

    from_on: dt.date
    to_on: dt.date

    def __str__(self) -> str:
        """The day, or both days."""
        return f"{self.from_on}" if self.from_on == self.to_on else f"{self.from_on}..{self.to_on}"

    def __contains__(self, other: object) -> bool:
        """Whether another period lies within this one."""
        return isinstance(other, Period) and self.from_on <= other.from_on <= other.to_on <= (
            self.to_on
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The season of a footprint and its dates; the basis says how well they are known."""

    season_year: int
    from_on: dt.date
    to_on: dt.date
    basis: str


def seen(season_year: int | None, period: Period | None) -> Seen:
    """Season and dates from whichever is known: a season alone stands for its thaw season.

    ValueError where neither is known or they contradict one another.
    """
    if season_year is None:
        if period is None:
            raise ValueError("neither season nor date")
        if period.from_on.year != period.to_on.year:
            raise ValueError(f"dates {period} lie in several seasons and none is named")
        season_year = period.from_on.year
    if season_year not in SEASON_YEARS:
        raise ValueError(
            f"season {season_year} outside {SEASON_YEARS.start}-{SEASON_YEARS.stop - 1}"
        )
    if period is None:
        begins_on, ends_on = THAW_SEASON.of(season_year)
        return Seen(season_year=season_year, from_on=begins_on, to_on=ends_on, basis="season")
    if not period.from_on.year <= season_year <= period.to_on.year:
        raise ValueError(f"date {period} contradicts season {season_year}")
    basis = "exact" if period.from_on == period.to_on else "range"
    return Seen(season_year=season_year, from_on=period.from_on, to_on=period.to_on, basis=basis)


def season_of(value: object) -> int | None:
    """The year that a field holds, as number, text or date; None where it holds nothing.

    ValueError where it holds something else.
    """
    text = _text(value)
    if text is None:
        return None
    if isinstance(value, dt.date):  # a datetime is one, too
        return value.year
    try:
        year = float(text)
    except ValueError:
        raise ValueError(f"season {value!r} is no year") from None
    if not year.is_integer():
        raise ValueError(f"season {value!r} is no year")
    return int(year)


def period_of(value: object) -> Period | None:
    """The day or range of days that a field holds; None where it holds nothing.

    Days are dates, instants (of UTC where they say so) or texts such as 2020-07-22, 2020-7-22 and
    20200722; 2020-07 is a month; two of them with a comma, `..`, `/` or `to` between are a range.
    ValueError where it holds something else, or a range that runs backwards.
    """
    text = _text(value)
    if text is None:
        return None
    if isinstance(value, dt.datetime):
        on = value.astimezone(dt.UTC).date() if value.tzinfo else value.date()
        return Period(from_on=on, to_on=on)
    if isinstance(value, dt.date):
        return Period(from_on=value, to_on=value)
    ends = [_days(end, text) for end in _RANGE.split(text) if end]
    if not 1 <= len(ends) <= 2:
        raise ValueError(f"{text!r} is no date")
    period = Period(from_on=ends[0].from_on, to_on=ends[-1].to_on)
    if period.from_on > period.to_on:
        raise ValueError(f"{text!r} runs backwards")
    return period


def day_in_name(name: object) -> dt.date | None:
    """The day that the name of an image holds, as in 20200722_081437_1032; None without one."""
    text = str(name).strip()
    for pattern in (_DASHED_IN_NAME, _COMPACT_IN_NAME):
        for year, month, day in pattern.findall(text):
            try:
                return dt.date(int(year), int(month), int(day))
            except ValueError:
                continue
    return None


def period_of_images(names: object) -> Period | None:
    """First and last day among images in a list with commas; those cut off tell nothing."""
    days = [day for name in str(names or "").split(",") if (day := day_in_name(name))]
    return Period(from_on=min(days), to_on=max(days)) if days else None


def _text(value: object) -> str | None:
    """The value as text; None where there is nothing in it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return (str(value).strip() or None) if value is not None else None


def _days(text: str, whole: str) -> Period:
    match = _DAY.fullmatch(text)
    try:
        if match and (match[2] or _COMPACT_DAY.match(text)):
            on = dt.date(int(match[1]), int(match[3]), int(match[4]))
            return Period(from_on=on, to_on=on)
        if match := _MONTH.fullmatch(text):
            year, month = int(match[1]), int(match[2])
            last = calendar.monthrange(year, month)[1]
            return Period(from_on=dt.date(year, month, 1), to_on=dt.date(year, month, last))
    except ValueError:
        pass
    raise ValueError(f"{whole!r} is no date")
