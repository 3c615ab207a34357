"""Which tracks migrated from one of their appearances to another: each alone, never a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.growth.front import Movement, joined, landform_movement, zone_movement
from rts_track.growth.history import Members
from rts_track.growth.intervals import Intervals
from rts_track.growth.overlay import shifted_back
from rts_track.growth.rates import Twice, interval_rates
from rts_track.growth.sums import count_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.growth.history import Appearances
    from rts_track.growth.params import GrowthParams


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """From one appearance of a track to a later one; columns of equal length."""

    start: NDArray[np.int64]
    """Row of the earlier appearance."""
    end: NDArray[np.int64]
    """Row of the later appearance."""
    east_m: NDArray[np.float64]
    """How far east the later scene lies of the earlier, where corrected for; else 0."""
    north_m: NDArray[np.float64]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.start)

    def take(self, rows: NDArray[np.int64]) -> Steps:
        """Those in these rows."""
        return Steps(
            start=self.start[rows],
            end=self.end[rows],
            east_m=self.east_m[rows],
            north_m=self.north_m[rows],
        )


def own_steps(intervals: Intervals) -> tuple[NDArray[np.int64], Steps]:
    """The intervals that are one track's own, by their number, and their steps."""
    n, start, end = len(intervals), intervals.start, intervals.end
    is_own = ~intervals.is_group
    is_own &= (count_of(start.owner, n) == 1) & (count_of(end.owner, n) == 1)
    starts, ends = is_own[start.owner], is_own[end.owner]
    first, last = np.argsort(start.owner[starts]), np.argsort(end.owner[ends])
    return np.flatnonzero(is_own), Steps(
        start=start.appearance[starts][first],
        end=end.appearance[ends][last],
        east_m=intervals.end_east_m[ends][last],
        north_m=intervals.end_north_m[ends][last],
    )


def may_have_moved(
    appearances: Appearances, is_zone: NDArray[np.bool_], steps: Steps, params: GrowthParams
) -> NDArray[np.bool_]:
    """Whether each step is worth looking at: an active zone, or a landform that grew.

    A landform whose area did not grow significantly has no front of which anything is claimed: a
    rigid shift alone makes no area. Less than a day is no step.

    Args:
        appearances: what the steps lead between.
        is_zone: for each track, whether it is an active zone.
        steps: the steps.
        params: assumptions.
    """
    rates = interval_rates(appearances, _as_intervals(appearances, steps), *_nothing(steps), params)
    is_grown = rates.is_significant & (rates.area_change_m2 > 0.0)
    return rates.is_measured & (is_grown | is_zone[appearances.track[steps.start]])


def movement(
    appearances: Appearances,
    is_zone: NDArray[np.bool_],
    steps: Steps,
    geometry: NDArray[np.object_],
    params: GrowthParams,
) -> Movement:
    """How the active front moved over each step; NaN where nothing can be claimed.

    Args:
        appearances: what the steps lead between.
        is_zone: for each track, whether it is an active zone.
        steps: the steps.
        geometry: EPSG:6931 polygon of each appearance; not asked of those that no step which
            `may_have_moved` touches.
        params: assumptions.
    """
    moving = may_have_moved(appearances, is_zone, steps, params)
    zone = is_zone[appearances.track[steps.start]]
    landforms, zones = np.flatnonzero(moving & ~zone), np.flatnonzero(moving & zone)
    found = joined(
        [
            _of_landforms(appearances, steps.take(landforms), geometry, params),
            _of_zones(appearances, steps.take(zones), geometry, params),
        ]
    )
    at = np.concatenate([landforms, zones])

    def column(values: NDArray[np.float64]) -> NDArray[np.float64]:
        filled = np.full(len(steps), np.nan)
        filled[at] = values
        return filled

    return Movement(
        east_m=column(found.east_m),
        north_m=column(found.north_m),
        from_x=column(found.from_x),
        from_y=column(found.from_y),
    )


def _of_landforms(
    appearances: Appearances, steps: Steps, geometry: NDArray[np.object_], params: GrowthParams
) -> Movement:
    random_m2 = appearances.random_sigma_m2
    return landform_movement(
        geometry[steps.start],
        shifted_back(geometry[steps.end], steps.east_m, steps.north_m),
        np.hypot(random_m2[steps.start], random_m2[steps.end]),
        _placement_sigma_m(steps, params),
        params.significant_sigma,
    )


def _of_zones(
    appearances: Appearances, steps: Steps, geometry: NDArray[np.object_], params: GrowthParams
) -> Movement:
    sigma_m2 = np.hypot(appearances.random_sigma_m2, appearances.coherent_sigma_m2)
    return zone_movement(
        geometry[steps.start],
        shifted_back(geometry[steps.end], steps.east_m, steps.north_m),
        np.column_stack([sigma_m2[steps.start], sigma_m2[steps.end]]),
        _placement_sigma_m(steps, params),
        params.significant_sigma,
    )


def _placement_sigma_m(steps: Steps, params: GrowthParams) -> NDArray[np.float64]:
    is_corrected = (steps.east_m != 0.0) | (steps.north_m != 0.0)
    return np.where(is_corrected, params.shift_sigma_m, params.placement_sigma_m)


def _as_intervals(appearances: Appearances, steps: Steps) -> Intervals:
    """The steps as intervals of single tracks."""
    number, track = np.arange(len(steps)), appearances.track[steps.start]
    return Intervals(
        from_year=appearances.season_year[steps.start],
        to_year=appearances.season_year[steps.end],
        is_group=np.zeros(len(steps), dtype=bool),
        overlap_m2=np.zeros(len(steps)),
        start=Members(owner=number, appearance=steps.start),
        end=Members(owner=number, appearance=steps.end),
        end_east_m=steps.east_m,
        end_north_m=steps.north_m,
        row_interval=number,
        row_track=track,
    )


def _nothing(steps: Steps) -> tuple[NDArray[np.float64], Twice]:
    """No overlap, which only the ground gained and lost would ask for, and nothing shared."""
    none_m2 = np.zeros(len(steps))
    return none_m2, Twice(start_m2=none_m2, end_m2=none_m2)
