"""A track's whole appearances as a series that growth alone has shaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.growth.history import History

BLOCK_ROWS = 20_000
"""Tracks whose matrices are held at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Series of equally many seasons, one row per track, seasons in order along the columns."""

    track: NDArray[np.int64]
    """(m,) number of the track."""
    day: NDArray[np.float64]
    """(m, n) days since 1970-01-01, as all following."""
    day_sigma_d: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    random_sigma_m2: NDArray[np.float64]
    coherent_sigma_m2: NDArray[np.float64]
    source: NDArray[np.int64]


def series_by_length(history: History) -> Iterator[Series]:
    """The series of all tracks with two or more seasons, in blocks of equal length.

    A track that merged with another or split counts from the season in which it last did.
    """
    appearances = history.appearances
    since = history.tracks.joined_last[appearances.track]
    row = np.flatnonzero(appearances.is_whole & (appearances.season_year >= since))
    track, start, length = np.unique(appearances.track[row], return_index=True, return_counts=True)
    for n in np.unique(length[length >= 2]):
        of_length = np.flatnonzero(length == n)
        for begin in range(0, len(of_length), BLOCK_ROWS):
            block = of_length[begin : begin + BLOCK_ROWS]
            at = row[start[block][:, None] + np.arange(n)]
            yield Series(
                track=track[block],
                day=appearances.day[at],
                day_sigma_d=appearances.day_sigma_d[at],
                area_m2=appearances.area_m2[at],
                random_sigma_m2=appearances.random_sigma_m2[at],
                coherent_sigma_m2=appearances.coherent_sigma_m2[at],
                source=appearances.source[at],
            )
