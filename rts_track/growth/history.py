"""What is known of some tracks, as columns: their appearances, and the links between these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER = 10_000
"""A season later than any: that in which a track that did not merge away merged away."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Appearances:
    """Tracks in the seasons in which they have an outline, ordered by track and season.

    One row per track and season, all columns of equal length. A track in several pieces, as a
    fragmented outline leaves it, has their summed area. Outlines of another source that ride
    along are none of it.
    """

    track: NDArray[np.int64]
    """Number of the track."""
    season_year: NDArray[np.int64]
    area_m2: NDArray[np.float64]
    random_sigma_m2: NDArray[np.float64]
    """Part of the area's sigma that is new in every season: pixels."""
    coherent_sigma_m2: NDArray[np.float64]
    """Part of the area's sigma that its source tends to repeat."""
    source: NDArray[np.int64]
    """Number of the source."""
    day: NDArray[np.float64]
    """Days since 1970-01-01."""
    day_sigma_d: NDArray[np.float64]
    is_whole: NDArray[np.bool_]
    """Observed and not clipped: a lower bound makes no rate."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.track)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Members:
    """Appearances of one season each that are measured together; columns of equal length."""

    owner: NDArray[np.int64]
    """Number of what they make up: an interval, or a lineage's season."""
    appearance: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Descent:
    """Links between appearances, of any kind; columns of equal length."""

    earlier: NDArray[np.int64]
    """Row of the earlier appearance."""
    later: NDArray[np.int64]
    """Row of the later appearance."""
    overlap_m2: NDArray[np.float64]
    """Shared area after the scenes' shift."""
    is_merge: NDArray[np.bool_]
    """The earlier appearance's track ends in the later one's."""
    east_m: NDArray[np.float64]
    """How far east the later outline's scene lies of the earlier's, where corrected for; else 0."""
    north_m: NDArray[np.float64]
    """How far north, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracks:
    """Tracks by their number; columns of equal length."""

    lineage: NDArray[np.int64]
    """Number of the lineage."""
    founded: NDArray[np.int64]
    """Season of the first appearance; NEVER where there is none."""
    is_initiated: NDArray[np.bool_]
    """Founded where the season before had looked and found nothing: it had no area before."""
    merged_away: NDArray[np.int64]
    """Season in which it had become part of another; NEVER where it has not."""
    joined_last: NDArray[np.int64]
    """Season in which it last merged with another or split, and was still seen; else 0.

    A parent that split, a child that split off and a track that swallowed another have changed
    in that season otherwise than by growth; a track that ended in another has not.
    """

    def __len__(self) -> int:
        """How many there are."""
        return len(self.lineage)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Whole families of tracks: what splits and merges connect is never torn apart."""

    tracks: Tracks
    appearances: Appearances
    descent: Descent


def history_of(
    lineage: NDArray[np.int64],
    is_initiated: NDArray[np.bool_],
    appearances: Appearances,
    descent: Descent,
) -> History:
    """The history of tracks of these lineages, with the turns of their lives read off it."""
    n, season, track = len(lineage), appearances.season_year, appearances.track
    founded = np.full(n, NEVER, dtype=np.int64)
    np.minimum.at(founded, track, season)
    parent, child = track[descent.earlier], track[descent.later]
    when = season[descent.later]
    merged_away = np.full(n, NEVER, dtype=np.int64)
    np.minimum.at(merged_away, parent[descent.is_merge], when[descent.is_merge])
    last = np.zeros(n, dtype=np.int64)
    np.maximum.at(last, track, season)
    joined_last = np.zeros(n, dtype=np.int64)
    for end in (parent, child):
        counts = (parent != child) & (when <= last[end])
        np.maximum.at(joined_last, end[counts], when[counts])
    tracks = Tracks(
        lineage=lineage,
        founded=founded,
        is_initiated=is_initiated,
        merged_away=merged_away,
        joined_last=joined_last,
    )
    return History(tracks=tracks, appearances=appearances, descent=descent)
