"""What linking found, written as rows of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rts_track.contract import arrow_schema
from rts_track.domain import mint
from rts_track.steps.chains import NOBODY
from rts_track.store.base import BATCH_ROWS
from rts_track.store.statements import statement
from rts_track.track.identity import flattened

if TYPE_CHECKING:
    from rts_track.steps.chains import ChainEvents, ChainHistory, Live
    from rts_track.steps.registry import Names
    from rts_track.store.base import Store

_MEASURED_TABLES = ("growth", "trend")
_DEPENDENT_TABLES = (*_MEASURED_TABLES, "track_region")
"""Tables of other steps that point at tracks; a removed track's rows go with it."""


def write_tracks(store: Store, history: ChainHistory, names: Names, run_id: str) -> int:
    """Write the kind's tracks and aliases; how many tracks are new."""
    written = store.upsert("track", _track_batches(history, names))
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
    return written.added


def _retract(store: Store, tracks: list[str]) -> None:
    """Keep the tracks that persons rejected, so that they can be looked up; nothing else of them.

    Their states, events and outlines go as those of their seasons are written.
    """
    for table in _MEASURED_TABLES:
        store.delete(table, {"track_id": tracks})
    n = len(tracks)
    columns = {"track_id": tracks, "validity": ["retracted"] * n, "is_provisional": [False] * n}
    store.update("track", pa.table(columns))


def write_outlines(store: Store, history: ChainHistory, names: Names) -> int:
    """Write the kind's outlines of each season, and which footprints they are made of."""
    track_of_chain = np.array(names.track_of_chain, dtype=object)
    for season, found in history.seasons.items():
        tracks = track_of_chain[history.chain_of[season]]
        rows = found.rows.append_column("track_id", pa.array(tracks, pa.string()))
        schema = arrow_schema("outline")
        rows = rows.select(schema.names).cast(schema)
        store.sync("outline", rows, {"kind": history.kind, "season_year": season})
        store.update(
            "footprint",
            pa.table(
                {
                    "footprint_id": found.footprint_id,
                    "outline_id": found.outline_of_footprint,
                }
            ),
        )
    for season in history.emptied:
        nothing = arrow_schema("outline").empty_table()
        store.sync("outline", nothing, {"kind": history.kind, "season_year": season})
    return sum(len(found.outlines) for found in history.seasons.values())


def release_superseded(store: Store) -> None:
    """Take superseded and rejected footprints out of the outlines they were in."""
    left_out = store.query(statement("left_out_footprints"))
    if left_out.num_rows:
        nothing = pa.nulls(left_out.num_rows, pa.string())
        store.update("footprint", left_out.append_column("outline_id", nothing))


def write_links(store: Store, histories: list[ChainHistory], seasons: Iterable[int]) -> int:
    """Write the links into each season; one that comes out the same keeps the run it is from."""
    schema = arrow_schema("link")
    tables = [schema.empty_table()]
    for history in histories:
        tables += history.links
    found = pa.concat_tables(tables)
    for season in seasons:
        rows = found.filter(pa.compute.equal(found["to_year"], season))
        scope = {"to_year": season}
        store.sync("link", _with_former_runs(rows, store.read("link", scope=scope)), scope)
    n_links: int = found.num_rows
    return n_links


def write_states(
    store: Store, histories: list[ChainHistory], names: list[Names], seasons: Iterable[int]
) -> None:
    """Write every track's state in each season."""
    schema = arrow_schema("track_state")
    by_season: dict[int, list[pa.Table]] = {season: [schema.empty_table()] for season in seasons}
    for history, named in zip(histories, names, strict=True):
        track_of_chain = np.array(named.track_of_chain, dtype=object)
        for state in history.states:
            if len(state["chain"]) == 0:
                continue
            columns = {name: column for name, column in state.items() if name != "chain"}
            table = pa.table(
                {
                    "track_id": pa.array(track_of_chain[state["chain"]], pa.string()),
                    **{
                        name: pa.array(column, schema.field(name).type, from_pandas=True)
                        if column.dtype.kind != "U"
                        else pa.array(column.tolist(), pa.string())
                        for name, column in columns.items()
                    },
                }
            )
            season = int(state["season_year"][0])
            by_season[season].append(table.select(schema.names).cast(schema))
    for season, tables in by_season.items():
        store.sync("track_state", pa.concat_tables(tables), {"season_year": season})


def write_events(
    store: Store,
    histories: list[ChainHistory],
    names: list[Names],
    first_season: int,
) -> int:
    """Write the events that were decided from `first_season` on; drop those that no longer are."""
    rows = pa.concat_tables(
        [
            arrow_schema("event").empty_table(),
            *(
                _event_rows(events, named)
                for history, named in zip(histories, names, strict=True)
                for events in history.events
            ),
        ]
    )
    former = store.query(statement("events_since"), {"season": first_season})["event_id"]
    is_stale = pa.compute.invert(pa.compute.is_in(former, value_set=rows["event_id"]))
    stale = former.filter(is_stale).to_pylist()
    if stale:
        store.delete("event", {"event_id": stale})
    store.upsert("event", rows)
    n_events: int = rows.num_rows
    return n_events


def _track_batches(history: ChainHistory, names: Names) -> Iterator[pa.RecordBatch]:
    """The kind's tracks as rows of the contract, some thousands at a time."""
    for live in history.last:
        for start in range(0, len(live.chain), BATCH_ROWS):
            rows = slice(start, min(start + BATCH_ROWS, len(live.chain)))
            yield _track_batch(live, rows, history, names)


def _track_batch(live: Live, rows: slice, history: ChainHistory, names: Names) -> pa.RecordBatch:
    outlines, chains = live.outlines, live.chain[rows].tolist()
    n_seen = live.n_seen[rows]
    tracks = [names.track_of_chain[chain] for chain in chains]
    confirmed = history.rulings.confirmed_tracks
    is_tentative = (n_seen == 1) & [track not in confirmed for track in tracks]
    activity, activity_year = zip(
        *(_activity(live, history, row) for row in range(rows.start, rows.stop)), strict=True
    )
    return pa.record_batch(
        {
            "track_id": tracks,
            "kind": [history.kind] * len(chains),
            "lineage_id": [names.lineage_of_chain[chain] for chain in chains],
            "activity": activity,
            "activity_year": activity_year,
            "validity": np.where(is_tentative, "tentative", "confirmed").astype(object),
            "first_year": live.first_year[rows],
            "last_year": outlines.season_year[rows],
            "n_seasons_observed": n_seen,
            "area_m2": outlines.area_m2[rows],
            "lon": outlines.lon[rows],
            "lat": outlines.lat[rows],
            "is_provisional": [chain in history.unsettled for chain in chains],
            "geometry": outlines.stored.wkb(rows),
        },
        schema=arrow_schema("track"),
    )


def _activity(live: Live, history: ChainHistory, row: int) -> tuple[str, int]:
    """The last known state of a chain, and its season."""
    chain = int(live.chain[row])
    if chain in history.merged_in:
        return "merged", history.merged_in[chain]
    if live.stable_year[row] > 0:
        return "stable", int(live.stable_year[row])
    if live.missed_year[row] > live.outlines.season_year[row]:
        return "unknown", int(live.missed_year[row])
    return "active", int(live.outlines.season_year[row])


def _event_rows(events: ChainEvents, names: Names) -> pa.Table:
    tracks = [names.track_of_chain[chain] for chain in events.chain.tolist()]
    related = [
        None if chain == NOBODY else names.track_of_chain[chain]
        for chain in events.related.tolist()
    ]
    n, season_year, kind = len(events), events.season_year, events.kind
    unsettled = events.is_provisional
    return pa.table(
        {
            "event_id": [
                mint("event", track, season_year, kind, other)
                for track, other in zip(tracks, related, strict=True)
            ],
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
