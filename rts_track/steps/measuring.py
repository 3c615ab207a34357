"""`measure`: how tracks and lineages grew, with sigma.

Whole lineages are measured together, some thousands of tracks at a time, so that no more of the
history is held in memory. Such a unit is measured again when anything that it reads has changed:
its tracks, outlines, links, states or events, the sources or the scenes' shifts, the parameters
or the version of the code.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

import rts_track
from rts_track import grid
from rts_track.contract import CONTRACT
from rts_track.domain import canonical_json, digest
from rts_track.growth.history import Members
from rts_track.growth.intervals import Intervals, find_intervals
from rts_track.growth.lineage import LineageSeasons, lineage_areas, lineage_seasons
from rts_track.growth.overlay import overlap_m2, shifted_back, twice_covered_m2, union_by_group
from rts_track.growth.params import GrowthParams
from rts_track.growth.rates import Twice, interval_rates
from rts_track.growth.sums import count_of
from rts_track.growth.tables import (
    Recorded,
    followed_scenes,
    growth_rows,
    lineage_rows,
    recorded,
    trend_rows,
)
from rts_track.growth.trend import trends
from rts_track.steps.progress import Progress, silent
from rts_track.steps.runs import (
    forget_units,
    input_digests,
    keep_input_digest,
    record_run,
    rows_digest,
)
from rts_track.store.base import Written
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.store.base import Store, Where

STEP = "measure"
UNIT_TRACKS = 8_000
"""Tracks that are measured at a time, on average; bounds the memory."""

_TRACK = ("track_id", "lineage_id", "validity")
_OUTLINE = (
    "outline_id",
    "track_id",
    "source",
    "season_year",
    "observed_on",
    "observed_sigma_d",
    "area_m2",
    "area_sigma_m2",
    "perimeter_m",
    "is_clipped",
    "lon",
    "lat",
)
_LINK = ("link_id", "from_outline_id", "to_outline_id", "kind", "overlap_m2")
_STATE = ("track_id", "season_year", "state", "source", "area_m2", "is_clipped")
_EVENT = ("event_id", "track_id", "season_year", "kind")


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
        common = _common_inputs(store, params)
        units = _units(store)
        known = input_digests(store, STEP)
        written = _forget(store, known.keys() - units.keys())
        read: dict[str, str] = {}
        for unit in progress(sorted(units), label="measuring", total=len(units)):
            rows = _read_unit(store, units[unit], is_all=len(units) == 1)
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Common:
    """What every unit reads."""

    sources: pa.Table
    shifts: dict[tuple[str, str], tuple[float, float]]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _UnitRows:
    """What one unit reads."""

    tracks: pa.Table
    outlines: pa.Table
    links: pa.Table
    states: pa.Table
    events: pa.Table

    def all(self) -> tuple[pa.Table, ...]:
        return self.tracks, self.outlines, self.links, self.states, self.events


def _common_inputs(store: Store, params: GrowthParams) -> _Common:
    sources = _read(store, "source", ("source", "delineation_sigma_m"))
    columns = ("scene_a", "scene_b", "dx_m", "dy_m")
    applied = _read(store, "scene_shift", columns, {"is_applied": True})
    shifts = {
        (row["scene_a"], row["scene_b"]): (row["dx_m"], row["dy_m"]) for row in applied.to_pylist()
    }
    code = (rts_track.__version__, canonical_json(params.as_dict()))
    return _Common(
        sources=sources, shifts=shifts, sha256=digest(*code, rows_digest(sources, applied))
    )


def _units(store: Store) -> dict[str, pa.Table]:
    """The tracks of each unit; a lineage is wholly in one.

    The number of units is a power of two, so that more tracks seldom change what is in which.
    """
    tracks = _read(store, "track", _TRACK)
    if tracks.num_rows == 0:
        return {}
    n = 1
    while tracks.num_rows > n * UNIT_TRACKS:
        n *= 2
    lineages = pc.unique(tracks["lineage_id"])
    unit_of_lineage = np.array([zlib.crc32(name.encode()) % n for name in lineages.to_pylist()])
    lineage = pc.index_in(tracks["lineage_id"], value_set=lineages).to_numpy()
    unit = unit_of_lineage[lineage]
    return {f"{k} of {n}": tracks.take(np.flatnonzero(unit == k)) for k in np.unique(unit)}


def _read_unit(store: Store, tracks: pa.Table, *, is_all: bool) -> _UnitRows:
    """The unit's rows; `is_all`: there is no other unit, so that nothing need be picked."""
    of_tracks: Where | None = None if is_all else {"track_id": tracks["track_id"].to_pylist()}
    outlines = _read(store, "outline", _OUTLINE, of_tracks)
    of_outlines: Where | None = (
        None if is_all else {"from_outline_id": outlines["outline_id"].to_pylist()}
    )
    return _UnitRows(
        tracks=tracks,
        outlines=outlines,
        links=_read(store, "link", _LINK, of_outlines),
        states=_read(store, "track_state", _STATE, of_tracks),
        events=_read(store, "event", _EVENT, of_tracks),
    )


def _read(
    store: Store, table: str, columns: tuple[str, ...], scope: Where | None = None
) -> pa.Table:
    """The rows in an order that is the same in every engine, whatever its collation.

    Sums depend on the order of their terms in the last digit.
    """
    key = [(name, "ascending") for name in CONTRACT[table].key]
    return store.read(table, columns, scope).sort_by(key)


def _forget(store: Store, gone_units: Iterable[str]) -> Written:
    """Drop the series of lineages that were absorbed, and what was known of former units."""
    forget_units(store, STEP, sorted(gone_units))
    gone = store.query(statement("gone_lineages"))["lineage_id"].to_pylist()
    removed = store.delete("lineage_state", {"lineage_id": gone}) if gone else 0
    return Written(removed=removed)


def _measure_unit(store: Store, rows: _UnitRows, common: _Common, params: GrowthParams) -> Written:
    found = _recorded(store, rows, common)
    history = found.history
    intervals = find_intervals(history)
    seasons = lineage_seasons(history, found.state_track, found.state_year, found.turns)
    geometry = _geometries(store, found, _to_overlay(intervals, seasons))
    twice = Twice(
        start_m2=_twice_m2(geometry, intervals.start, len(intervals)),
        end_m2=_twice_m2(geometry, intervals.end, len(intervals)),
    )
    shared_m2 = _overlap_m2(geometry, intervals)
    rates = interval_rates(history.appearances, intervals, shared_m2, twice, params)
    twice_m2 = _twice_m2(geometry, seasons.members, len(seasons))
    areas = lineage_areas(history.appearances, seasons, twice_m2)
    of_tracks = {"track_id": rows.tracks["track_id"].to_pylist()}
    of_lineages = {"lineage_id": pc.unique(rows.tracks["lineage_id"]).to_pylist()}
    return (
        store.sync("growth", growth_rows(found, intervals, rates), of_tracks)
        + store.sync("trend", trend_rows(found, trends(history, params)), of_tracks)
        + store.sync("lineage_state", lineage_rows(found, seasons, areas), of_lineages)
    )


def _recorded(store: Store, rows: _UnitRows, common: _Common) -> Recorded:
    """The unit's history; a retracted track has none."""
    is_kept = pc.not_equal(rows.tracks["validity"], "retracted")
    scene_of: dict[str, str] = {}
    if common.shifts:
        columns = ["footprint_id", "outline_id", "scene_id", "area_m2"]
        of_outlines = {"outline_id": rows.outlines["outline_id"].to_pylist()}
        scene_of = followed_scenes(store.read("footprint", columns, of_outlines), rows.outlines)
    return recorded(
        tracks=rows.tracks.filter(is_kept),
        outlines=rows.outlines,
        links=rows.links,
        states=rows.states,
        events=rows.events,
        sources=common.sources,
        scene_of=scene_of,
        shifts=common.shifts,
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


def _geometries(
    store: Store, found: Recorded, appearance: NDArray[np.int64]
) -> NDArray[np.object_]:
    """The EPSG:6931 geometry of each of those appearances; None for the others."""
    geometry = np.full(len(found.history.appearances), None, dtype=object)
    if len(appearance) == 0:
        return geometry
    is_wanted = np.isin(found.pieces.appearance, appearance)
    outline_id = found.pieces.outline_id.filter(pa.array(is_wanted))
    scope = {"outline_id": outline_id.to_pylist()}
    rows = store.read("outline", ["outline_id", "geometry"], scope)
    outlines = grid.to_metric(shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False)))
    is_bad = ~shapely.is_valid(outlines)
    outlines[is_bad] = shapely.make_valid(outlines[is_bad], method="structure")
    at = pc.index_in(outline_id, value_set=rows["outline_id"].combine_chunks()).to_numpy()
    of_piece = found.pieces.appearance[is_wanted]
    geometry[appearance] = union_by_group(outlines[at], of_piece, len(geometry))[appearance]
    return geometry


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
