"""What linking found, written as rows of the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rts_track.contract import CONTRACT, arrow_schema
from rts_track.domain import canonical_json, mint
from rts_track.store.statements import statement
from rts_track.track.assign import SPLIT
from rts_track.track.identity import flattened

if TYPE_CHECKING:
    from rts_track.steps.chains import ChainEvent, ChainHistory, Live
    from rts_track.steps.registry import Names
    from rts_track.store.base import Store

_DEPENDENT_TABLES = ("growth", "trend", "track_region")
"""Tables of other steps that point at tracks; a removed track's rows go with it."""


def write_tracks(
    store: Store, history: ChainHistory, names: Names, newest: int, run_id: str
) -> int:
    """Write the kind's tracks and aliases; how many tracks are new."""
    rows = store.read("track", ["track_id"], {"kind": history.kind, "is_provisional": True})
    unsettled = set(rows["track_id"].to_pylist())
    of_split = {event.chain for event in history.events if event.kind == SPLIT}
    of_split |= {chain for chain, track in enumerate(history.prior) if track in unsettled}
    tracks = [
        row for live in history.last for row in _track_rows(live, history, names, newest, of_split)
    ]
    written = store.upsert("track", pa.Table.from_pylist(tracks, schema=arrow_schema("track")))
    if names.moved_lineage:
        moved, lineages = zip(*sorted(names.moved_lineage.items()), strict=True)
        store.update("track", pa.table({"track_id": moved, "lineage_id": lineages}))
    if names.removed:
        for table in _DEPENDENT_TABLES:
            store.delete(table, {"track_id": names.removed})
        store.delete("track", {"track_id": names.removed})
    _write_aliases(store, names, run_id)
    return written.added


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
                    "footprint_id": pa.array(found.footprint_id, pa.string()),
                    "outline_id": pa.array(found.outline_of_footprint, pa.string()),
                }
            ),
        )
    for season in history.emptied:
        nothing = arrow_schema("outline").empty_table()
        store.sync("outline", nothing, {"kind": history.kind, "season_year": season})
    return sum(len(found.outlines) for found in history.seasons.values())


def release_superseded(store: Store) -> None:
    """Take superseded footprints out of the outlines they were in."""
    superseded = store.read("superseded_footprint", ["footprint_id"])
    if superseded.num_rows:
        nothing = pa.nulls(superseded.num_rows, pa.string())
        store.update("footprint", superseded.append_column("outline_id", nothing))


def write_links(
    store: Store, histories: list[ChainHistory], newest: dict[str, int], seasons: Iterable[int]
) -> int:
    """Write the links into each season; one that comes out the same keeps the run it is from."""
    schema = arrow_schema("link")
    tables = [schema.empty_table()]
    for history in histories:
        for links in history.links:
            kind = links["kind"].to_numpy(zero_copy_only=False)
            is_newest = links["to_year"].to_numpy() == newest[history.kind]
            provisional = pa.array((kind == SPLIT) & is_newest, pa.bool_())
            column = links.schema.get_field_index("is_provisional")
            tables.append(links.set_column(column, schema.field("is_provisional"), provisional))
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
    newest: dict[str, int],
    first_season: int,
) -> int:
    """Write the events that were decided from `first_season` on; drop those that no longer are."""
    rows = [
        _event_row(event, named, newest[history.kind])
        for history, named in zip(histories, names, strict=True)
        for event in history.events
    ]
    current = {str(row["event_id"]) for row in rows}
    former = store.read("event", ["event_id", "evidence"]).to_pylist()
    stale = [
        row["event_id"]
        for row in former
        if json.loads(row["evidence"])["decided_in"] >= first_season
        and row["event_id"] not in current
    ]
    if stale:
        store.delete("event", {"event_id": stale})
    store.upsert("event", pa.Table.from_pylist(rows, schema=arrow_schema("event")))
    return len(rows)


def settle(store: Store, newest: dict[str, int]) -> None:
    """Make final what was provisional in a season that is no longer the newest of its kind."""
    settled: dict[str, list[str]] = {}
    for row in store.query(statement("provisional_rows")).to_pylist():
        if row["season_year"] < newest.get(row["kind"], 0):
            settled.setdefault(row["table_name"], []).append(row["row_id"])
    for table, ids in settled.items():
        (key,) = CONTRACT[table].key
        store.update(table, pa.table({key: ids, "is_provisional": [False] * len(ids)}))


def _track_rows(
    live: Live, history: ChainHistory, names: Names, newest: int, of_split: set[int]
) -> Iterable[dict[str, object]]:
    outlines = live.outlines
    for row, chain in enumerate(live.chain.tolist()):
        track = names.track_of_chain[chain]
        activity, activity_year = _activity(live, history, row)
        n_seen = int(live.n_seen[row])
        first_year = int(live.first_year[row])
        yield {
            "track_id": track,
            "kind": history.kind,
            "lineage_id": names.lineage_of[track],
            "activity": activity,
            "activity_year": activity_year,
            "validity": "tentative" if n_seen == 1 else "confirmed",
            "first_year": first_year,
            "last_year": int(outlines.season_year[row]),
            "n_seasons_observed": n_seen,
            "area_m2": float(outlines.area_m2[row]),
            "lon": float(outlines.lon[row]),
            "lat": float(outlines.lat[row]),
            "is_provisional": chain in of_split and first_year == newest,
            "geometry": outlines.wkb[row],
        }


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


def _event_row(event: ChainEvent, names: Names, newest: int) -> dict[str, object]:
    track = names.track_of_chain[event.chain]
    related = None if event.related is None else names.track_of_chain[event.related]
    return {
        "event_id": mint("event", track, event.season_year, event.kind, related),
        "track_id": track,
        "related_track_id": related,
        "season_year": event.season_year,
        "kind": event.kind,
        "after_on": event.after_on,
        "before_on": event.before_on,
        "confidence": event.confidence,
        "is_provisional": event.kind == SPLIT and event.season_year == newest,
        "evidence": canonical_json(event.evidence),
    }


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
        return "lineage absorbed by a split or merge"
    if names.alias[old] is None:
        return "its outlines are gone"
    return "found to be the same slump"


def _with_former_runs(rows: pa.Table, former: pa.Table) -> pa.Table:
    """The rows, with the former run of those that did not change."""
    if former.num_rows == 0 or rows.num_rows == 0:
        return rows
    known = {row["link_id"]: row for row in former.to_pylist()}
    run_ids = []
    for row in rows.to_pylist():
        same = known.get(row["link_id"])
        is_same = same is not None and all(
            same[name] == value for name, value in row.items() if name != "run_id"
        )
        run_ids.append(same["run_id"] if is_same and same else row["run_id"])
    column = rows.schema.get_field_index("run_id")
    return rows.set_column(column, rows.schema.field("run_id"), pa.array(run_ids, pa.string()))
