"""Between which seasons a change is measured, and on which outlines.

Every track is measured between successive *whole* appearances, and from its first one to each
later. An appearance that is partial, or a season without one, is passed over: the interval then
runs between the nearest whole ones.

Nobody grows by swallowing a neighbour: what links tie to the track's outlines within the interval
is measured together, as a group, and its tracks get no change of their own. A group is measured
only where all its areas are known at both ends: each member that lives then appears whole, and
each that was founded in between either came from a member or was initiated where a look had found
nothing. One missing member, and the interval has no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rts_track.growth.history import Members
from rts_track.growth.sums import count_of, total_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.growth.history import History


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intervals:
    """Intervals by their number, what lies at their ends, and the tracks that they speak of."""

    from_year: NDArray[np.int64]
    to_year: NDArray[np.int64]
    is_group: NDArray[np.bool_]
    overlap_m2: NDArray[np.float64]
    """Area that start and end share, summed over links; NaN where no link spans the interval
    alone and the outlines must be overlaid."""
    start: Members
    end: Members
    end_east_m: NDArray[np.float64]
    """For each member at an end how far east its scene lies of its forebear's at the start."""
    end_north_m: NDArray[np.float64]
    """How far north, likewise."""
    row_interval: NDArray[np.int64]
    row_track: NDArray[np.int64]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.from_year)


def find_intervals(history: History) -> Intervals:
    """All intervals of the tracks, each once; a group's interval has a row for every member."""
    first, last = _wanted(history)
    season = history.appearances.season_year
    window = season[first] * 10_000 + season[last]
    years = np.unique(window)
    found = [
        _find_in_window(history, first[window == year], int(year) // 10_000, int(year) % 10_000)
        for year in years
    ]
    return _joined([intervals for intervals in found if len(intervals)])


def _wanted(history: History) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Appearances at the start and end of every interval that some track asks for."""
    whole = np.flatnonzero(history.appearances.is_whole)
    track = history.appearances.track[whole]
    _, first_of_track, position = np.unique(track, return_index=True, return_inverse=True)
    rank = np.arange(len(whole)) - first_of_track[position]
    follows, later = np.flatnonzero(rank >= 1), np.flatnonzero(rank >= 2)
    start = np.concatenate([follows - 1, first_of_track[position][later]])
    return whole[start], whole[np.concatenate([follows, later])]


def _find_in_window(
    history: History, starts: NDArray[np.int64], from_year: int, to_year: int
) -> Intervals:
    """The intervals from one season to another that begin with the given appearances."""
    family = _families(history, from_year, to_year)
    wanted = np.zeros(family.n, dtype=bool)
    wanted[family.of_appearance[starts]] = True
    kept = np.flatnonzero(wanted & family.is_known)
    number = np.full(family.n + 1, -1)  # the last stands for "of no family"
    number[kept] = np.arange(len(kept))
    season = history.appearances.season_year
    interval = number[family.of_appearance]
    start = np.flatnonzero((season == from_year) & (interval >= 0))
    end = np.flatnonzero((season == to_year) & (interval >= 0))
    east_m, north_m = _shift_since(history, from_year, to_year)
    track, touched = history.appearances.track, np.concatenate([start, end])
    rows = np.unique(np.column_stack([interval[touched], track[touched]]), axis=0)
    return Intervals(
        from_year=np.full(len(kept), from_year),
        to_year=np.full(len(kept), to_year),
        is_group=family.n_tracks[kept] > 1,
        overlap_m2=family.overlap_m2[kept],
        start=Members(owner=interval[start], appearance=start),
        end=Members(owner=interval[end], appearance=end),
        end_east_m=east_m[end],
        end_north_m=north_m[end],
        row_interval=rows[:, 0],
        row_track=rows[:, 1],
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Families:
    """What links connect within a window of seasons."""

    n: int
    of_appearance: NDArray[np.int64]
    """Family of each appearance; n outside the window."""
    n_tracks: NDArray[np.int64]
    is_known: NDArray[np.bool_]
    """Every member's area is known at both ends."""
    overlap_m2: NDArray[np.float64]


def _families(history: History, from_year: int, to_year: int) -> _Families:
    appearances, descent = history.appearances, history.descent
    season, track = appearances.season_year, appearances.track
    inside = (season >= from_year) & (season <= to_year)
    is_link_inside = inside[descent.earlier] & inside[descent.later]
    same = np.flatnonzero(inside[:-1] & inside[1:] & (np.diff(track) == 0))
    earlier = np.concatenate([descent.earlier[is_link_inside], same])
    later = np.concatenate([descent.later[is_link_inside], same + 1])
    of_appearance, n = _connected(earlier, later, inside)
    member = np.unique(np.column_stack([of_appearance[inside], track[inside]]), axis=0)
    is_lost = ~_is_known(history, is_link_inside, from_year, to_year)[member[:, 1]]
    came_from_outside = (
        (season[descent.earlier] < from_year)
        & inside[descent.later]
        & (season[descent.later] > from_year)
        & (track[descent.earlier] != track[descent.later])
    )
    lost = np.concatenate([member[is_lost, 0], of_appearance[descent.later[came_from_outside]]])
    between = of_appearance[(season > from_year) & (season < to_year)]
    return _Families(
        n=n,
        of_appearance=of_appearance,
        n_tracks=count_of(member[:, 0], n),
        is_known=count_of(lost, n) == 0,
        overlap_m2=_linked_overlap(history, is_link_inside, same, between, of_appearance, n),
    )


def _connected(
    one: NDArray[np.int64], other: NDArray[np.int64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], int]:
    """The component of each appearance inside, and how many there are; that many outside."""
    size = len(inside)
    edges = coo_array((np.ones(len(one)), (one, other)), shape=(size, size))
    label = connected_components(edges, directed=False)[1]
    labels, compact = np.unique(label[inside], return_inverse=True)
    component = np.full(size, len(labels), dtype=np.int64)
    component[inside] = compact
    return component, len(labels)


def _linked_overlap(
    history: History,
    is_link_inside: NDArray[np.bool_],
    same: NDArray[np.int64],
    between: NDArray[np.int64],
    of_appearance: NDArray[np.int64],
    n: int,
) -> NDArray[np.float64]:
    """Area that links say each family's start and end share; NaN where they do not say.

    They do not where a season lies between, nor where a track goes on without a link.
    """
    descent, size = history.descent, len(of_appearance)
    earlier, later = descent.earlier[is_link_inside], descent.later[is_link_inside]
    overlap_m2 = total_of(of_appearance[earlier], descent.overlap_m2[is_link_inside], n)
    unlinked = same[~np.isin(same * size + same + 1, earlier * size + later)]
    overlap_m2[between] = np.nan
    overlap_m2[of_appearance[unlinked]] = np.nan
    return overlap_m2


def _is_known(
    history: History, is_link_inside: NDArray[np.bool_], from_year: int, to_year: int
) -> NDArray[np.bool_]:
    """Whether the area of each track that appears inside the window is known at both its ends."""
    appearances, tracks = history.appearances, history.tracks
    season, n = appearances.season_year, len(tracks)

    def any_of_track(appearance: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return count_of(appearances.track[appearance], n) > 0

    has_start = any_of_track(appearances.is_whole & (season == from_year))
    has_end = any_of_track(appearances.is_whole & (season == to_year))
    has_parent = np.zeros(len(appearances), dtype=bool)
    has_parent[history.descent.later[is_link_inside]] = True
    came_from_member = any_of_track(has_parent & (season == tracks.founded[appearances.track]))
    had_no_area = came_from_member | tracks.is_initiated
    knows_start = np.where(tracks.founded <= from_year, has_start, had_no_area)
    return np.asarray(knows_start & (has_end | (tracks.merged_away <= to_year)))


def _shift_since(
    history: History, from_year: int, to_year: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Metres east and north of each appearance's scene against its forebear's in `from_year`.

    Summed along the links of most overlap; 0 for what has no forebear in the window.
    """
    descent, season = history.descent, history.appearances.season_year
    shift = np.zeros((2, len(season)))
    step = np.vstack([descent.east_m, descent.north_m])
    inside = (season[descent.earlier] >= from_year) & (season[descent.later] <= to_year)
    if not step[:, inside].any():
        return shift[0], shift[1]
    link = np.flatnonzero(inside)
    link = link[np.lexsort((-descent.overlap_m2[link], descent.later[link]))]
    best = link[np.unique(descent.later[link], return_index=True)[1]]
    for year in np.unique(season[descent.later[best]]):
        now = best[season[descent.later[best]] == year]
        shift[:, descent.later[now]] = shift[:, descent.earlier[now]] + step[:, now]
    return shift[0], shift[1]


def _joined(parts: list[Intervals]) -> Intervals:
    """The windows' intervals, numbered through."""
    if not parts:
        return _NONE
    base = np.cumsum([0, *(len(part) for part in parts)])

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    def members(name: str) -> Members:
        ends: list[Members] = [getattr(part, name) for part in parts]
        return Members(
            owner=np.concatenate([end.owner + base[k] for k, end in enumerate(ends)]),
            appearance=np.concatenate([end.appearance for end in ends]),
        )

    return Intervals(
        from_year=column("from_year"),
        to_year=column("to_year"),
        is_group=column("is_group"),
        overlap_m2=column("overlap_m2"),
        start=members("start"),
        end=members("end"),
        end_east_m=column("end_east_m"),
        end_north_m=column("end_north_m"),
        row_interval=np.concatenate([part.row_interval + base[k] for k, part in enumerate(parts)]),
        row_track=column("row_track"),
    )


def _no_intervals() -> Intervals:
    number, measure = np.zeros(0, dtype=np.int64), np.zeros(0)
    nobody = Members(owner=number, appearance=number)
    return Intervals(
        from_year=number,
        to_year=number,
        is_group=np.zeros(0, dtype=np.bool_),
        overlap_m2=measure,
        start=nobody,
        end=nobody,
        end_east_m=measure,
        end_north_m=measure,
        row_interval=number,
        row_track=number,
    )


_NONE = _no_intervals()
