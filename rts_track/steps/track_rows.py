"""What linking found, written as rows of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rts_track.contract import arrow_schema
from rts_track.domain import mint_each
from rts_track.steps.chains import NOBODY
from rts_track.store.base import BATCH_ROWS, Written
from rts_track.store.statements import statement
from rts_track.track.identity import flattened

if TYPE_CHECKING:
    from rts_track.steps.chains import ChainEvents, ChainHistory, LastSeen
    from rts_track.steps.registry import Names
    from rts_track.steps.spool import Spool
    from rts_track.store.base import Store

_MEASURED_TABLES = ("growth", "trend")
_DEPENDENT_TABLES = (*_MEASURED_TABLES, "track_region")
"""Tables of other steps that point at tracks; a removed track's rows go with it."""
_WRITTEN_ROWS = 5 * BATCH_ROWS
"""Rows that are written at a time: a store looks up all keys for each write."""


def write_tracks(
    store: Store, history: ChainHistory, names: Names, run_id: str, spool: Spool
) -> int:
    """Write the kind's tracks and aliases; how many tracks are new."""
    added = _upsert(store, "track", _track_rows(history, names), spool).added
    if names.moved_lineage:
        moved, lineages = zip(*sorted(names.moved_lineage.items()), strict=True)
        store.update("track", pa.table({"track_id": moved, "lineage_id": lineages}))
    if names.removed:
        for table in _DEPENDENT_TABLES:
            store.delete(table, {"track_id": names.removed})
        store.delete("track", {"track_id": names.removed})
    if names.retracted:
        _retract(store, names.retracted)
    _write_aliases(store, names, run_id)
    return added


def _retract(store: Store, tracks: list[str]) -> None:
    """Keep the tracks that persons rejected, so that they can be looked up; nothing else of them.

    Their states, events and outlines go as those of their seasons are written.
    """
    for table in _MEASURED_TABLES:
        store.delete(table, {"track_id": tracks})
    n = len(tracks)
    columns = {"track_id": tracks, "validity": ["retracted"] * n, "is_provisional": [False] * n}
    store.update("track", pa.table(columns))


def write_outlines(store: Store, history: ChainHistory, names: Names, spool: Spool) -> int:
    """Write the kind's outlines of each season, and which footprints they are made of."""
    track_of_chain = np.array(names.track_of_chain, dtype=object)
    schema = arrow_schema("outline")
    for season, found in history.seasons.items():
        tracks = pa.array(track_of_chain[history.chain_of[season]], pa.string())
        rows = found.rows.append_column("track_id", tracks).select(schema.names).cast(schema)
        store.sync("outline", rows, {"kind": history.kind, "season_year": season})
        members = {
            "footprint_id": found.footprint_id,
            "outline_id": found.outline_of_footprint,
        }
        store.update("footprint", pa.table(members))
        spool.let_go()
    for season in history.emptied:
        nothing = schema.empty_table()
        store.sync("outline", nothing, {"kind": history.kind, "season_year": season})
    return sum(len(found) for found in history.seasons.values())


def release_superseded(store: Store) -> None:
    """Take superseded and rejected footprints out of the outlines they were in."""
    left_out = store.query(statement("left_out_footprints"))
    if left_out.num_rows:
        nothing = pa.nulls(left_out.num_rows, pa.string())
        store.update("footprint", left_out.append_column("outline_id", nothing))


def write_links(store: Store, histories: list[ChainHistory], seasons: Iterable[int]) -> int:
    """Write the links into each season; one that comes out the same keeps the run it is from."""
    nothing, n_links = arrow_schema("link").empty_table(), 0
    for season in seasons:
        tables = [history.links.get(season, nothing) for history in histories]
        rows = pa.concat_tables([nothing, *tables])
        scope = {"to_year": season}
        store.sync("link", _with_former_runs(rows, store.read("link", scope=scope)), scope)
        n_links += rows.num_rows
    return n_links


def write_states(
    store: Store, histories: list[ChainHistory], names: list[Names], seasons: Iterable[int]
) -> None:
    """Write every track's state in each season."""
    by_season: dict[int, list[pa.Table]] = {season: [] for season in seasons}
    tracks = [np.array(named.track_of_chain, dtype=object) for named in names]
    for season in by_season:
        tables = [
            states.rows(track_of_chain)
            for history, track_of_chain in zip(histories, tracks, strict=True)
            for states in history.states
            if states.season_year == season
        ]
        rows = pa.concat_tables([arrow_schema("track_state").empty_table(), *tables])
        store.sync("track_state", rows, {"season_year": season})


def write_events(
    store: Store,
    histories: list[ChainHistory],
    names: list[Names],
    first_season: int,
    spool: Spool,
) -> int:
    """Write the events that were decided from `first_season` on; drop those that no longer are."""
    rows = spool.keep_parts(_event_rows(histories, names))
    former = store.query(statement("events_since"), {"season": first_season})["event_id"]
    if len(former):
        is_stale = pc.invert(pc.is_in(former, value_set=rows["event_id"]))
        stale = former.filter(is_stale).to_pylist()
        if stale:
            store.delete("event", {"event_id": stale})
    _upsert_kept(store, "event", rows, spool)
    n_events: int = rows.num_rows
    return n_events


def _upsert(store: Store, table: str, parts: Iterator[pa.Table], spool: Spool) -> Written:
    """Write rows that come in parts: they wait in the spool, for few large writes are quick."""
    return _upsert_kept(store, table, spool.keep_parts(parts), spool)


def _upsert_kept(store: Store, table: str, rows: pa.Table, spool: Spool) -> Written:
    written = Written()
    for start in range(0, rows.num_rows, _WRITTEN_ROWS):
        written += store.upsert(table, rows.slice(start, _WRITTEN_ROWS))
        spool.let_go()
    return written


def _track_rows(history: ChainHistory, names: Names) -> Iterator[pa.Table]:
    """The kind's tracks as rows of the contract, some thousands at a time."""
    yield arrow_schema("track").empty_table()
    for last in _latest_of_each(history.last, len(history.prior)):
        for start in range(0, len(last), BATCH_ROWS):
            yield _tracks(last, slice(start, min(start + BATCH_ROWS, len(last))), history, names)


def _latest_of_each(parts: list[LastSeen], n_chains: int) -> list[LastSeen]:
    """Every chain once, as it was last.

    A piece of a slump that merged away, and proved a fragment of one that went on, is that chain.
    """
    is_later, latest = np.zeros(n_chains, dtype=bool), []
    for part in reversed(parts):
        latest.append(part.take(~is_later[part.chain]))
        is_later[part.chain] = True
    return latest[::-1]


def _tracks(last: LastSeen, rows: slice, history: ChainHistory, names: Names) -> pa.Table:
    chains, n_seen = last.chain[rows].tolist(), last.n_seen[rows]
    tracks = [names.track_of_chain[chain] for chain in chains]
    confirmed = history.rulings.confirmed_tracks
    is_tentative = (n_seen == 1) & [track not in confirmed for track in tracks]
    activity, activity_year = zip(
        *(_activity(last, history, row) for row in range(rows.start, rows.stop)), strict=True
    )
    return pa.table(
        {
            "track_id": tracks,
            "kind": [history.kind] * len(chains),
            "lineage_id": [names.lineage_of_chain[chain] for chain in chains],
            "activity": activity,
            "activity_year": activity_year,
            "validity": np.where(is_tentative, "tentative", "confirmed").astype(object),
            "first_year": last.first_year[rows],
            "last_year": last.season_year[rows],
            "n_seasons_observed": n_seen,
            "area_m2": last.area_m2[rows],
            "lon": last.lon[rows],
            "lat": last.lat[rows],
            "is_provisional": [chain in history.unsettled for chain in chains],
            "geometry": last.stored.wkb(rows),
        },
        schema=arrow_schema("track"),
    )


def _activity(last: LastSeen, history: ChainHistory, row: int) -> tuple[str, int]:
    """The last known state of a chain, and its season."""
    chain = int(last.chain[row])
    if chain in history.merged_in:
        return "merged", history.merged_in[chain]
    if last.stable_year[row] > 0:
        return "stable", int(last.stable_year[row])
    if last.missed_year[row] > last.season_year[row]:
        return "unknown", int(last.missed_year[row])
    return "active", int(last.season_year[row])


def _event_rows(histories: list[ChainHistory], names: list[Names]) -> Iterator[pa.Table]:
    """The events as rows of the contract, some thousands at a time."""
    yield arrow_schema("event").empty_table()
    for history, named in zip(histories, names, strict=True):
        for events in history.events:
            for start in range(0, len(events), BATCH_ROWS):
                yield _rows_of_events(events.part(slice(start, start + BATCH_ROWS)), named)


def _rows_of_events(events: ChainEvents, names: Names) -> pa.Table:
    tracks = [names.track_of_chain[chain] for chain in events.chain.tolist()]
    related = [
        None if chain == NOBODY else names.track_of_chain[chain]
        for chain in events.related.tolist()
    ]
    n, season_year, kind = len(events), events.season_year, events.kind
    unsettled = events.is_provisional
    named = (
        f"{track}|{season_year}|{kind}|{other or ''}"
        for track, other in zip(tracks, related, strict=True)
    )
    return pa.table(
        {
            "event_id": mint_each(named, "event"),
            "track_id": tracks,
            "related_track_id": pa.array(related, pa.string()),
            "season_year": np.full(n, season_year),
            "kind": [kind] * n,
            "after_on": pa.array(events.after_on, pa.date32(), from_pandas=True),
            "before_on": pa.array(events.before_on, pa.date32(), from_pandas=True),
            "confidence": events.confidence,
            "is_provisional": np.zeros(n, bool) if unsettled is None else unsettled,
            "evidence": list(events.evidence()),
        }
    ).cast(arrow_schema("event"))


def _write_aliases(store: Store, names: Names, run_id: str) -> None:
    """Add what moved, and let older aliases point where it moved to."""
    if not names.alias:
        return
    former = {row["old_track_id"]: row for row in store.read("track_alias").to_pylist()}
    targets = {old: row["track_id"] for old, row in former.items()}
    flat = flattened({**targets, **names.alias})
    rows = []
    for old, target in sorted(flat.items()):
        kept = former.get(old)
        if kept is not None and kept["track_id"] == target:
            continue
        reason = kept["reason"] if kept else _reason(old, names)
        rows.append(
            {
                "old_track_id": old,
                "track_id": target,
                "run_id": run_id,
                "version": None,
                "reason": reason,
            }
        )
    store.upsert("track_alias", pa.Table.from_pylist(rows, schema=arrow_schema("track_alias")))


def _reason(old: str, names: Names) -> str:
    if old not in names.removed:
        is_lost = names.alias.get(old) is None
        return "its tracks are gone" if is_lost else "lineage absorbed by a split or merge"
    if names.alias[old] is None:
        return "its outlines are gone"
    return "found to be the same slump"


def _with_former_runs(rows: pa.Table, former: pa.Table) -> pa.Table:
    """The rows, with the former run of those that did not change."""
    if former.num_rows == 0 or rows.num_rows == 0:
        return rows
    at = pc.index_in(rows["link_id"], former["link_id"].combine_chunks()).combine_chunks()
    same = former.take(at)
    is_same = pc.is_valid(at)
    for name in rows.schema.names:
        if name != "run_id":
            equal = pc.fill_null(pc.equal(rows[name], same[name]), False)
            both_null = pc.and_(pc.is_null(rows[name]), pc.is_null(same[name]))
            is_same = pc.and_(is_same, pc.or_(equal, both_null))
    run_id = pc.if_else(is_same, same["run_id"], rows["run_id"])
    column = rows.schema.get_field_index("run_id")
    return rows.set_column(column, rows.schema.field("run_id"), run_id)
