"""Lineages through the seasons: the area of all their living members, each outline once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.growth.history import Members
from rts_track.growth.sums import count_of, total_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.growth.history import Appearances, History


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineageSeasons:
    """Every season in which something is known of a lineage, and who lived then."""

    lineage: NDArray[np.int64]
    season_year: NDArray[np.int64]
    n_members: NDArray[np.int64]
    members: Members
    """The whole appearances of living members."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.lineage)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineageAreas:
    """Area of each lineage in each season; columns named as in `lineage_state`, NaN for null."""

    area_m2: NDArray[np.float64]
    area_sigma_m2: NDArray[np.float64]
    n_measured: NDArray[np.int64]
    is_complete: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turns:
    """Seasons in which tracks stabilised (or, where not `is_stable`, became active again)."""

    track: NDArray[np.int64]
    season_year: NDArray[np.int64]
    is_stable: NDArray[np.bool_]


def lineage_seasons(
    history: History,
    state_track: NDArray[np.int64],
    state_year: NDArray[np.int64],
    turns: Turns,
) -> LineageSeasons:
    """The seasons of every lineage with a living member, from the seasons that have states.

    A track lives from the season it was founded in until it merged away or stabilised, and again
    once it was active anew; whoever has an outline lives. An absent one lives: a detector misses
    slumps.
    """
    lineage, appearances = history.tracks.lineage, history.appearances
    seasons = np.unique(np.column_stack([lineage[state_track], state_year]), axis=0)
    row, track = _pairs(seasons[:, 0], lineage)
    year = seasons[row, 1]
    lives = (history.tracks.founded[track] <= year) & (year < history.tracks.merged_away[track])
    at = _row_of(track, year, appearances)
    lives &= ~_is_stable(track, year, turns) | (at >= 0)
    n_members = count_of(row[lives], len(seasons))
    number = np.cumsum(n_members > 0) - 1
    is_measured = lives & (at >= 0)
    is_measured[is_measured] = appearances.is_whole[at[is_measured]]
    kept = n_members > 0
    return LineageSeasons(
        lineage=seasons[kept, 0],
        season_year=seasons[kept, 1],
        n_members=n_members[kept],
        members=Members(owner=number[row[is_measured]], appearance=at[is_measured]),
    )


def lineage_areas(
    appearances: Appearances, seasons: LineageSeasons, twice_m2: NDArray[np.float64]
) -> LineageAreas:
    """The area of each lineage's season, with sigma.

    Pixels' errors of members are independent; what a source repeats adds up over its outlines of
    the season. `twice_m2`: area of each season that more than one member covers, counted once.
    """
    n, row, season = len(seasons), seasons.members.appearance, seasons.members.owner
    n_measured = count_of(season, n)
    is_measured = n_measured > 0
    n_sources = int(appearances.source.max(initial=0)) + 1
    drawn, drawer = np.unique(season * n_sources + appearances.source[row], return_inverse=True)
    coherent = total_of(drawer, appearances.coherent_sigma_m2[row], len(drawn))
    variance = total_of(season, appearances.random_sigma_m2[row] ** 2, n)
    variance += total_of(drawn // n_sources, coherent**2, n)
    area_m2 = total_of(season, appearances.area_m2[row], n) - twice_m2
    return LineageAreas(
        area_m2=np.where(is_measured, area_m2, np.nan),
        area_sigma_m2=np.where(is_measured, np.sqrt(variance), np.nan),
        n_measured=n_measured,
        is_complete=n_measured == seasons.n_members,
    )


def _pairs(
    season_lineage: NDArray[np.int64], track_lineage: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every season of a lineage (its row) with every track of that lineage."""
    track = np.argsort(track_lineage, kind="stable")
    begin = np.searchsorted(track_lineage[track], season_lineage, side="left")
    end = np.searchsorted(track_lineage[track], season_lineage, side="right")
    row = np.repeat(np.arange(len(season_lineage)), end - begin)
    within = np.arange(len(row)) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
    return row, track[begin[row] + within]


def _row_of(
    track: NDArray[np.int64], year: NDArray[np.int64], appearances: Appearances
) -> NDArray[np.int64]:
    """Row of the appearance of that track in that year; -1 where there is none."""
    if len(appearances) == 0:
        return np.full(len(track), -1)
    key = appearances.track * 10_000 + appearances.season_year
    wanted = track * 10_000 + year
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where(key[at] == wanted, at, -1)


def _is_stable(
    track: NDArray[np.int64], year: NDArray[np.int64], turns: Turns
) -> NDArray[np.bool_]:
    """Whether the last turn of the track until that year was to be stable."""
    if len(turns.track) == 0:
        return np.zeros(len(track), dtype=bool)
    key = turns.track * 10_000 + turns.season_year
    order = np.lexsort((~turns.is_stable, key))
    at = np.searchsorted(key[order], track * 10_000 + year, side="right") - 1
    last = order[np.maximum(at, 0)]
    return np.asarray((at >= 0) & (turns.track[last] == track) & turns.is_stable[last])
