"""`measure`: how tracks and lineages grew, with sigma.

Whole lineages are measured together, some thousands of tracks at a time, so that no more of the
history is held in memory. Such a unit is measured again when anything that it reads has changed:
its tracks, outlines, links, states or events, the sources or the scenes' shifts, the parameters
or the version of the code.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from rts_track.domain import digest
from rts_track.growth.history import Members
from rts_track.growth.intervals import Intervals, find_intervals
from rts_track.growth.lineage import LineageSeasons, lineage_areas, lineage_seasons
from rts_track.growth.migration import may_have_moved, movement, own_steps
from rts_track.growth.overlay import overlap_m2, shifted_back, twice_covered_m2, union_by_group
from rts_track.growth.params import GrowthParams
from rts_track.growth.rates import Twice, interval_rates
from rts_track.growth.sums import count_of
from rts_track.growth.tables import Recorded, growth_rows, lineage_rows, trend_rows
from rts_track.growth.trend import trends
from rts_track.progress import Progress, silent
from rts_track.steps.runs import (
    forget_units,
    input_digests,
    keep_input_digest,
    record_run,
    rows_digest,
)
from rts_track.steps.units import (
    Common,
    UnitRows,
    common_inputs,
    geometries,
    read_unit,
    recorded_unit,
    tracks_by_unit,
)
from rts_track.store.base import Written
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.store.base import Store

STEP = "measure"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureReport:
    """What measuring did; `run_id` is None where nothing had changed.

    `intervals`, `trends` and `lineage_seasons` are the rows that the store now holds.
    """

    run_id: str | None = None
    units: int = 0
    units_measured: int = 0
    intervals: int = 0
    trends: int = 0
    lineage_seasons: int = 0
    written: Written = field(default_factory=Written)


def measure(
    store: Store, params: GrowthParams | None = None, *, progress: Progress = silent
) -> MeasureReport:
    """Bring growth, trends and lineages' series up to date with tracks and outlines.

    One transaction: killed at any moment, the store is as it was before. Unchanged input leaves
    everything as it is.
    """
    params, started_at = params or GrowthParams(), dt.datetime.now(dt.UTC)
    with store.transaction():
        common = common_inputs(store, params)
        units = tracks_by_unit(store)
        known = input_digests(store, STEP)
        written = _forget(store, known.keys() - units.keys())
        read: dict[str, str] = {}
        for unit in progress(sorted(units), label="measuring", total=len(units)):
            rows = read_unit(store, units[unit], is_all=len(units) == 1)
            inputs = digest(common.sha256, rows_digest(*rows.all()))
            if known.get(unit) != inputs:
                written += _measure_unit(store, rows, common, params)
                keep_input_digest(store, STEP, unit, inputs)
                read[unit] = inputs
        run_id = None
        if read or not written.is_empty:
            inputs = digest(*sorted(read.values()))
            run_id = record_run(store, STEP, params.as_dict(), inputs, started_at=started_at)
        return MeasureReport(
            run_id=run_id,
            units=len(units),
            units_measured=len(read),
            intervals=store.count("growth"),
            trends=store.count("trend"),
            lineage_seasons=store.count("lineage_state"),
            written=written,
        )


def _forget(store: Store, gone_units: Iterable[str]) -> Written:
    """Drop the series of lineages that were absorbed, and what was known of former units."""
    forget_units(store, STEP, sorted(gone_units))
    gone = store.query(statement("gone_lineages"))["lineage_id"].to_pylist()
    removed = store.delete("lineage_state", {"lineage_id": gone}) if gone else 0
    return Written(removed=removed)


def _measure_unit(store: Store, rows: UnitRows, common: Common, params: GrowthParams) -> Written:
    found = recorded_unit(store, rows, common)
    history = found.history
    intervals = find_intervals(history)
    seasons = lineage_seasons(history, found.state_track, found.state_year, found.turns)
    geometry = geometries(store, found, _to_overlay(intervals, seasons))
    twice = Twice(
        start_m2=_twice_m2(geometry, intervals.start, len(intervals)),
        end_m2=_twice_m2(geometry, intervals.end, len(intervals)),
    )
    shared_m2 = _overlap_m2(geometry, intervals)
    rates = interval_rates(history.appearances, intervals, shared_m2, twice, params)
    azimuth_deg = _azimuth_deg(store, found, intervals, params)
    twice_m2 = _twice_m2(geometry, seasons.members, len(seasons))
    areas = lineage_areas(history.appearances, seasons, twice_m2)
    of_tracks = {"track_id": rows.tracks["track_id"].to_pylist()}
    of_lineages = {"lineage_id": pc.unique(rows.tracks["lineage_id"]).to_pylist()}
    return (
        store.sync("growth", growth_rows(found, intervals, rates, azimuth_deg), of_tracks)
        + store.sync("trend", trend_rows(found, trends(history, params)), of_tracks)
        + store.sync("lineage_state", lineage_rows(found, seasons, areas), of_lineages)
    )


def _to_overlay(intervals: Intervals, seasons: LineageSeasons) -> NDArray[np.int64]:
    """The appearances whose geometry decides something; the areas of most suffice."""
    is_open = np.isnan(intervals.overlap_m2)
    needed = [
        members.appearance[is_open[members.owner] | _is_in_company(members, len(intervals))]
        for members in (intervals.start, intervals.end)
    ]
    company = _is_in_company(seasons.members, len(seasons))
    return np.unique(np.concatenate([*needed, seasons.members.appearance[company]]))


def _is_in_company(members: Members, n: int) -> NDArray[np.bool_]:
    return np.asarray(count_of(members.owner, n)[members.owner] > 1)


def _twice_m2(geometry: NDArray[np.object_], members: Members, n: int) -> NDArray[np.float64]:
    company = _is_in_company(members, n)
    return twice_covered_m2(geometry[members.appearance[company]], members.owner[company], n)


def _overlap_m2(geometry: NDArray[np.object_], intervals: Intervals) -> NDArray[np.float64]:
    """What start and end of each interval share: what links say, else by overlay."""
    shared_m2, n = intervals.overlap_m2.copy(), len(intervals)
    is_open = np.isnan(shared_m2)
    starts, ends = is_open[intervals.start.owner], is_open[intervals.end.owner]
    before = geometry[intervals.start.appearance[starts]]
    after = shifted_back(
        geometry[intervals.end.appearance[ends]],
        intervals.end_east_m[ends],
        intervals.end_north_m[ends],
    )
    start = union_by_group(before, intervals.start.owner[starts], n)
    end = union_by_group(after, intervals.end.owner[ends], n)
    shared_m2[is_open] = overlap_m2(start[is_open], end[is_open])
    return shared_m2


def _azimuth_deg(
    store: Store, found: Recorded, intervals: Intervals, params: GrowthParams
) -> NDArray[np.float64]:
    """Where the front moved in each interval that is a track's own; NaN where that is unclear."""
    appearances = found.history.appearances
    number, steps = own_steps(intervals)
    moved = np.flatnonzero(may_have_moved(appearances, found.is_zone, steps, params))
    steps = steps.take(moved)
    geometry = geometries(store, found, np.unique(np.concatenate([steps.start, steps.end])))
    azimuth_deg = np.full(len(intervals), np.nan)
    azimuth_deg[number[moved]] = movement(
        appearances, found.is_zone, steps, geometry, params
    ).azimuth_deg
    return azimuth_deg
