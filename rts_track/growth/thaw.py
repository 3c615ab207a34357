"""Two clocks: the calendar, and one that runs only while the ground thaws.

Headwalls retreat from June to September. Two dates in one summer are no 1/365 of a year's growth
each day, and a winter between two dates adds none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.domain import ThawSeason

DAYS_PER_YEAR = 365.25


def calendar_a(day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Calendar years since 1970-01-01 of each day (days since then, parts of a day counted)."""
    return np.asarray(day / DAYS_PER_YEAR)


def thaw_a(day: NDArray[np.float64], season: ThawSeason) -> NDArray[np.float64]:
    """Thaw seasons since 1970-01-01 of each day (days since then, parts of a day counted).

    Differences count: 1 from a winter to the next, half of it from the first to the middle day
    of a thaw season, 0 between two dates of one winter.
    """
    year = np.floor(day).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
    years, index = np.unique(year, return_inverse=True)
    spans = [season.of(int(number) + 1970) for number in years]
    begins = np.array([np.datetime64(first, "D") for first, _ in spans], dtype="datetime64[D]")
    ends = np.array([np.datetime64(last, "D") for _, last in spans], dtype="datetime64[D]")
    begin_d, end_d = begins.astype(np.float64), ends.astype(np.float64)
    elapsed = np.clip(day, begin_d[index], end_d[index]) - begin_d[index]
    return np.asarray(year + elapsed / (end_d - begin_d)[index])


def thaw_sigma_a(
    day: NDArray[np.float64], day_sigma_d: NDArray[np.float64], season: ThawSeason
) -> NDArray[np.float64]:
    """1 sigma of `thaw_a` for days known to `day_sigma_d`: half its step from -1 to +1 sigma."""
    late, early = thaw_a(day + day_sigma_d, season), thaw_a(day - day_sigma_d, season)
    return np.asarray((late - early) / 2.0)
