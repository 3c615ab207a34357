"""Contract tables into a history, and what was measured on it back into contract tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rts_track.contract import arrow_schema
from rts_track.domain import mint
from rts_track.growth.history import Appearances, Descent, History, history_of
from rts_track.growth.lineage import LineageAreas, LineageSeasons, Turns
from rts_track.growth.sigma import coherent_sigma_m2
from rts_track.growth.sums import total_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from rts_track.growth.intervals import Intervals
    from rts_track.growth.rates import Rates
    from rts_track.growth.trend import Trends

_UNMEASURED = (
    "retreat_p95_m",
    "retreat_mean_m",
    "retreat_rate_m_yr",
    "retreat_floor_m",
)
"""Columns of `growth` that another measurement fills."""

_IS_INITIAL = ("initiate", "reinitiate")
_IS_TURN = ("stabilise", "reactivate")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pieces:
    """Outlines that make up appearances: mostly one each."""

    outline_id: pa.Array
    appearance: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """A history as it is recorded: with the names behind its numbers."""

    history: History
    pieces: Pieces
    track_id: pa.Array
    is_zone: NDArray[np.bool_]
    """For each track, whether it is an active zone."""
    lineage_id: pa.Array
    state_track: NDArray[np.int64]
    """Number of the track of every state."""
    state_year: NDArray[np.int64]
    turns: Turns


def recorded(
    *,
    tracks: pa.Table,
    outlines: pa.Table,
    links: pa.Table,
    states: pa.Table,
    events: pa.Table,
    sources: pa.Table,
    scene_of: Mapping[str, str],
    shifts: Mapping[tuple[str, str], tuple[float, float]],
) -> Recorded:
    """The history that rows of the contract's tables record.

    Args:
        tracks: track_id, kind, lineage_id; rows of other tracks in the other tables are left out.
        outlines: outline_id, track_id, source, season_year, observed_on, observed_sigma_d,
            area_m2, area_sigma_m2, perimeter_m, is_clipped.
        links: from_outline_id, to_outline_id, kind, overlap_m2.
        states: track_id, season_year, state, source, area_m2, is_clipped.
        events: track_id, season_year, kind.
        sources: source, delineation_sigma_m.
        scene_of: the scene that an outline follows, by outline_id.
        shifts: metres east and north by which the second scene lies off the first.
    """
    track_id = tracks["track_id"].combine_chunks()
    outlines = outlines.filter(pc.is_in(outlines["track_id"], value_set=track_id))
    states = states.filter(pc.is_in(states["track_id"], value_set=track_id))
    events = events.filter(pc.is_in(events["track_id"], value_set=track_id))
    lineage_id = pc.unique(tracks["lineage_id"])
    own, state = _own_outlines(outlines, states, links, track_id)
    appearances, pieces = _appearances(outlines.take(own), states.take(state), sources, track_id)
    kind = events["kind"]
    initial = events.filter(pc.is_in(kind, value_set=pa.array(_IS_INITIAL)))
    is_initiated = np.zeros(len(track_id), dtype=bool)
    is_initiated[_numbers(initial["track_id"], track_id)] = True
    turn = events.filter(pc.is_in(kind, value_set=pa.array(_IS_TURN)))
    return Recorded(
        history=history_of(
            _numbers(tracks["lineage_id"], lineage_id),
            is_initiated,
            appearances,
            _descent(links, pieces, scene_of, shifts),
        ),
        pieces=pieces,
        track_id=track_id,
        is_zone=_flags(pc.equal(tracks["kind"], "active_zone")),
        lineage_id=lineage_id,
        state_track=_numbers(states["track_id"], track_id),
        state_year=_whole(states, "season_year"),
        turns=Turns(
            track=_numbers(turn["track_id"], track_id),
            season_year=_whole(turn, "season_year"),
            is_stable=_flags(pc.equal(turn["kind"], "stabilise")),
        ),
    )


def growth_rows(
    found: Recorded, intervals: Intervals, rates: Rates, azimuth_deg: NDArray[np.float64]
) -> pa.Table:
    """Rows of `growth`, without the columns of retreat; NaN in `azimuth_deg` becomes null."""
    keep = rates.is_measured[intervals.row_interval]
    interval, track = intervals.row_interval[keep], intervals.row_track[keep]
    is_group = intervals.is_group[interval]
    group_id = np.full(len(interval), None, dtype=object)
    group_id[is_group] = _group_ids(found, intervals, interval[is_group], track[is_group])
    columns = {
        "track_id": found.track_id.take(pa.array(track)),
        "basis": np.where(is_group, "group", "track").astype(object),
        "group_id": group_id,
        "from_year": intervals.from_year[interval],
        "to_year": intervals.to_year[interval],
        "from_on": rates.from_day[interval].astype("datetime64[D]"),
        "to_on": rates.to_day[interval].astype("datetime64[D]"),
        "years": rates.years[interval],
        "thaw_years": rates.thaw_years[interval],
        "area_change_m2": rates.area_change_m2[interval],
        "area_rate_m2_yr": rates.area_rate_m2_yr[interval],
        "area_rate_m2_thaw_yr": _nullable(rates.area_rate_m2_thaw_yr[interval]),
        "area_rate_sigma_m2_yr": rates.area_rate_sigma_m2_yr[interval],
        "gained_m2": rates.gained_m2[interval],
        "lost_m2": rates.lost_m2[interval],
        "migration_azimuth_deg": _nullable(azimuth_deg[interval]),
        "is_cross_source": rates.is_cross_source[interval],
        "is_significant": rates.is_significant[interval],
    }
    return _table("growth", columns, leave_out=_UNMEASURED)


def trend_rows(found: Recorded, trends: Iterable[Trends]) -> pa.Table:
    """Rows of `trend`."""
    tables = [
        _table(
            "trend",
            {
                "track_id": found.track_id.take(pa.array(of_method.track)),
                "n_seasons": of_method.n_seasons,
                "method": np.full(len(of_method.track), of_method.method, dtype=object),
                "time_basis": np.full(len(of_method.track), of_method.time_basis, dtype=object),
                "area_rate_m2_yr": of_method.area_rate_m2_yr,
                "area_rate_low_m2_yr": of_method.area_rate_low_m2_yr,
                "area_rate_high_m2_yr": of_method.area_rate_high_m2_yr,
                "growth_pct_yr": _nullable(of_method.growth_pct_yr),
            },
        )
        for of_method in trends
    ]
    return pa.concat_tables([arrow_schema("trend").empty_table(), *tables])


def lineage_rows(found: Recorded, seasons: LineageSeasons, areas: LineageAreas) -> pa.Table:
    """Rows of `lineage_state`."""
    columns = {
        "lineage_id": found.lineage_id.take(pa.array(seasons.lineage)),
        "season_year": seasons.season_year,
        "area_m2": _nullable(areas.area_m2),
        "area_sigma_m2": _nullable(areas.area_sigma_m2),
        "n_members": seasons.n_members,
        "n_measured": areas.n_measured,
        "is_complete": areas.is_complete,
    }
    return _table("lineage_state", columns)


def followed_scenes(footprints: pa.Table, outlines: pa.Table) -> dict[str, str]:
    """The scene that each outline follows: that of its footprint closest in area.

    Args:
        footprints: footprint_id, outline_id, scene_id, area_m2.
        outlines: outline_id, area_m2.
    """
    of_outline = _numbers(footprints["outline_id"], outlines["outline_id"].combine_chunks())
    inside = np.flatnonzero(of_outline >= 0)
    distance_m2 = np.abs(
        _doubles(footprints, "area_m2")[inside] - _doubles(outlines, "area_m2")[of_outline[inside]]
    )
    name = np.asarray(footprints["footprint_id"].take(inside).to_pylist(), dtype=str)
    order = np.lexsort((name, distance_m2, of_outline[inside]))
    first = np.unique(of_outline[inside][order], return_index=True)[1]
    followed = footprints.take(inside[order[first]])
    pairs = zip(followed["outline_id"].to_pylist(), followed["scene_id"].to_pylist(), strict=True)
    return {outline: scene for outline, scene in pairs if scene is not None}


def _own_outlines(
    outlines: pa.Table, states: pa.Table, links: pa.Table, track_id: pa.Array
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the outlines that are their tracks' own in a season, and of the states they have.

    Own are those of the state's source that links know, and where links know none, as of a slump
    seen once, the one with the state's area. Others ride along.
    """
    state_key = _keys(states, track_id)
    order = np.argsort(state_key)
    key = _keys(outlines, track_id)
    if len(order) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    at = order[np.minimum(np.searchsorted(state_key, key, sorter=order), len(order) - 1)]
    sources = pc.unique(outlines["source"])
    is_of_state = (state_key[at] == key) & (
        _numbers(outlines["source"], sources) == _numbers(states["source"], sources)[at]
    )
    ends = pa.chunked_array([*links["from_outline_id"].chunks, *links["to_outline_id"].chunks])
    is_linked = is_of_state & _flags(pc.is_in(outlines["outline_id"], value_set=ends))
    is_alone = is_of_state & ~np.isin(key, key[is_linked])
    is_alone &= _doubles(outlines, "area_m2") == _doubles(states, "area_m2")[at]
    alone = np.flatnonzero(is_alone)
    alone = alone[np.unique(key[alone], return_index=True)[1]]
    own = np.concatenate([np.flatnonzero(is_linked), alone])
    own = own[np.argsort(key[own], kind="stable")]
    return own, at[own]


def _appearances(
    outlines: pa.Table, states: pa.Table, sources: pa.Table, track_id: pa.Array
) -> tuple[Appearances, Pieces]:
    """The appearances that outlines, ordered by track and season, make up with their states."""
    key = _keys(outlines, track_id)
    keys, first, appearance = np.unique(key, return_index=True, return_inverse=True)
    source_name = sources["source"].combine_chunks()
    source = _numbers(outlines["source"], source_name)
    area_m2, sigma_m2 = _doubles(outlines, "area_m2"), _doubles(outlines, "area_sigma_m2")
    delineation_m = _doubles(sources, "delineation_sigma_m")[source]
    coherent_m2 = coherent_sigma_m2(_doubles(outlines, "perimeter_m"), delineation_m)
    coherent_m2 = np.minimum(coherent_m2, sigma_m2)
    is_cut = _flags(outlines["is_clipped"]) | _flags(states["is_clipped"])
    is_cut |= ~_flags(pc.equal(states["state"], "observed"))

    def total(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return total_of(appearance, value, len(keys))

    sum_m2 = total(area_m2)
    appearances = Appearances(
        track=keys // 10_000,
        season_year=keys % 10_000,
        area_m2=sum_m2,
        random_sigma_m2=np.sqrt(total(sigma_m2**2 - coherent_m2**2)),
        coherent_sigma_m2=total(coherent_m2),
        source=source[first],
        day=total(area_m2 * _days(outlines, "observed_on")) / sum_m2,
        day_sigma_d=total(area_m2 * _doubles(outlines, "observed_sigma_d")) / sum_m2,
        is_whole=total_of(appearance, is_cut, len(keys)) == 0,
    )
    outline_id = outlines["outline_id"].combine_chunks()
    return appearances, Pieces(outline_id=outline_id, appearance=appearance.astype(np.int64))


def _descent(
    links: pa.Table,
    pieces: Pieces,
    scene_of: Mapping[str, str],
    shifts: Mapping[tuple[str, str], tuple[float, float]],
) -> Descent:
    """The links between appearances; those that touch other outlines are left out."""
    earlier = _numbers(links["from_outline_id"], pieces.outline_id)
    later = _numbers(links["to_outline_id"], pieces.outline_id)
    known = np.flatnonzero((earlier >= 0) & (later >= 0))
    links = links.take(known)
    shift_m = np.zeros((len(known), 2))
    if shifts and scene_of:
        ends = zip(
            links["from_outline_id"].to_pylist(), links["to_outline_id"].to_pylist(), strict=True
        )
        for row, (one, other) in enumerate(ends):
            scenes = scene_of.get(one, ""), scene_of.get(other, "")
            shift_m[row] = shifts.get(scenes, (0.0, 0.0))
    return Descent(
        earlier=pieces.appearance[earlier[known]],
        later=pieces.appearance[later[known]],
        overlap_m2=_doubles(links, "overlap_m2"),
        is_merge=_flags(pc.equal(links["kind"], "merge")),
        east_m=shift_m[:, 0],
        north_m=shift_m[:, 1],
    )


def _group_ids(
    found: Recorded,
    intervals: Intervals,
    interval: NDArray[np.int64],
    track: NDArray[np.int64],
) -> list[str]:
    """The id of each row's group: derived from the interval's seasons and the group's tracks."""
    members: dict[int, list[str]] = {}
    names = found.track_id.take(pa.array(track)).to_pylist()
    for number, name in zip(interval.tolist(), names, strict=True):
        members.setdefault(number, []).append(name)
    minted = {
        number: mint(
            "group", intervals.from_year[number], intervals.to_year[number], *sorted(tracks)
        )
        for number, tracks in members.items()
    }
    return [minted[number] for number in interval.tolist()]


def _table(name: str, columns: Mapping[str, object], leave_out: Iterable[str] = ()) -> pa.Table:
    """The columns as rows of the contract's table."""
    schema = pa.schema([field for field in arrow_schema(name) if field.name not in leave_out])
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field, column in ((field, columns[field.name]) for field in schema)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _nullable(values: NDArray[np.float64]) -> pa.Array:
    """The values, NaN as null."""
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def _keys(rows: pa.Table, track_id: pa.Array) -> NDArray[np.int64]:
    """One number for each row's track and season, in their order."""
    return _numbers(rows["track_id"], track_id) * 10_000 + _whole(rows, "season_year")


def _numbers(values: pa.ChunkedArray, known: pa.Array) -> NDArray[np.int64]:
    """Where each value stands among the known ones; -1 for others and for null."""
    at = pc.index_in(values, value_set=known, skip_nulls=True)
    return np.asarray(at.fill_null(-1).to_numpy(), dtype=np.int64)


def _whole(rows: pa.Table, name: str) -> NDArray[np.int64]:
    return np.asarray(rows[name].to_numpy(), dtype=np.int64)


def _doubles(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """The column, null as NaN."""
    return np.asarray(rows[name].to_numpy(), dtype=np.float64)


def _days(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """The dates as days since 1970-01-01."""
    return np.asarray(rows[name].to_numpy(), dtype="datetime64[D]").astype(np.float64)


def _flags(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    """The booleans, null as false."""
    return np.asarray(values.fill_null(False).to_numpy(), dtype=np.bool_)
