"""What ARTS's rows say of one another becomes verdicts on links, as by those who drew them.

`RepeatRTS` is the same slump: a main link between its successive seasons. `MergedRTS` names what
merged into a row's polygon, `SplitRTS` what it split from. `StabilizedRTS` is the scar that a new
slump began on, `NewRTS` the same said in the scar's row: not the same slump, so that the link is
rejected. Which polygon is the earlier one, the seasons say.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.source.arts import (
    CONTRIBUTED,
    MERGED,
    NEW,
    REPEAT,
    SPLIT,
    STABILIZED,
    decider,
    related_uids,
    uid_of,
)
from rts_track.source.dates import period_of
from rts_track.source.inventory import Fault
from rts_track.source.verdicts import Decision
from rts_track.steps.deciding import VerdictReport, take_in

if TYPE_CHECKING:
    from rts_track.store.base import Store

_COLUMNS = ("footprint_id", "source_feature_id", "season_year", "observed_to", "attributes")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Polygon:
    """A current footprint of ARTS, and what its row says of others."""

    uid: str
    footprint_id: str
    season_year: int
    observed_to: dt.date
    decided_by: str
    contributed_on: dt.date | None
    related: tuple[tuple[str, str], ...]


Pair = tuple[str, str]
"""UIDs of an earlier and a later polygon."""


@dataclass(slots=True)
class _Relations:
    """Pairs by what is said of them; each with the UID of the row that says so."""

    repeat: dict[Pair, str] = field(default_factory=dict)
    merged: dict[Pair, str] = field(default_factory=dict)
    split: dict[Pair, str] = field(default_factory=dict)
    rejected: dict[Pair, tuple[str, str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def take_in_relations(store: Store, sources: Sequence[str]) -> VerdictReport:
    """What came of the relations in the rows of these sources, all of which are in the store.

    Relations to a UID that is not there are among the faults. The same again adds nothing.
    """
    polygons = {
        one.uid: one for source in sources for one in sorted(_polygons(store, source), key=_id_of)
    }
    relations = _stated(polygons)
    decisions = [
        (polygons[row].uid, _decision(polygons, pair, row, relation, link_kind))
        for pair, row, relation, link_kind in _wanted(store, polygons, relations)
    ]
    if not decisions:
        return VerdictReport(added=0, unchanged=0, faults=tuple(relations.faults))
    return take_in(store, decisions, {"source": list(sources)}, faults=relations.faults)


def _polygons(store: Store, source: str) -> Iterable[_Polygon]:
    superseded = set(store.read("superseded_footprint", ["footprint_id"])[0].to_pylist())
    for batch in store.scan("footprint", _COLUMNS, {"source": source}):
        for row in batch.to_pylist():
            uid = uid_of(row["source_feature_id"] or "")
            if uid is None or row["footprint_id"] in superseded:
                continue
            attributes = json.loads(row["attributes"])
            yield _Polygon(
                uid=uid,
                footprint_id=row["footprint_id"],
                season_year=row["season_year"],
                observed_to=row["observed_to"],
                decided_by=decider(attributes),
                contributed_on=_day(attributes.get(CONTRIBUTED)),
                related=tuple(related_uids(attributes)),
            )


def _stated(polygons: dict[str, _Polygon]) -> _Relations:
    """Who is related to whom, the earlier first; polygons of one season are never linked."""
    relations = _Relations()
    for uid, polygon in sorted(polygons.items()):
        for column, other in polygon.related:
            if other not in polygons:
                relations.faults.append(Fault(uid, f"{column} names {other}, which is not here"))
                continue
            pair = sorted((uid, other), key=lambda one: polygons[one].season_year)
            if polygons[uid].season_year == polygons[other].season_year and column != REPEAT:
                relations.faults.append(Fault(uid, f"{column} names {other} of its own season"))
                continue
            _note(relations, column, (pair[0], pair[1]), uid)
    return relations


def _note(relations: _Relations, column: str, pair: Pair, row: str) -> None:
    stated = {REPEAT: relations.repeat, MERGED: relations.merged, SPLIT: relations.split}
    if column in (NEW, STABILIZED):
        relations.rejected.setdefault(pair, (row, column))
    else:
        stated[column].setdefault(pair, row)


def _wanted(
    store: Store, polygons: dict[str, _Polygon], relations: _Relations
) -> list[tuple[Pair, str, str, str | None]]:
    """The verdicts to give: pair, row that says so, column, and kind of link (None: reject)."""
    main = {pair: (row, REPEAT) for pair, row in _successive(polygons, relations.repeat).items()}
    has_future, has_past = {pair[0] for pair in main}, {pair[1] for pair in main}
    wanted: dict[Pair, tuple[str, str, str | None]] = {}
    for pairs, column, kind, shared_end in (
        (relations.merged, MERGED, "merge", 1),
        (relations.split, SPLIT, "split", 0),
    ):
        for group in _by_end(pairs, shared_end):
            free = [pair for pair in group if pair[0] not in has_future and pair[1] not in has_past]
            if len(group) > 1 and len(free) == len(group):
                best = _most_shared(store, polygons, free)
                main[best] = (pairs[best], column)
                has_future.add(best[0])
                has_past.add(best[1])
        wanted |= {pair: (pairs[pair], column, kind) for pair in pairs}
    wanted |= {pair: (row, column, "main") for pair, (row, column) in main.items()}
    wanted |= {pair: (row, column, None) for pair, (row, column) in relations.rejected.items()}
    return [(pair, *wanted[pair]) for pair in sorted(wanted)]


def _by_end(pairs: Iterable[Pair], end: int) -> list[list[Pair]]:
    """The pairs that share their earlier (0) or later (1) polygon."""
    groups: dict[str, list[Pair]] = {}
    for pair in sorted(pairs):
        groups.setdefault(pair[end], []).append(pair)
    return list(groups.values())


def _successive(polygons: dict[str, _Polygon], repeat: dict[Pair, str]) -> dict[Pair, str]:
    """One pair for each two successive seasons of a slump; the row that states it, if any does."""
    successive: dict[Pair, str] = {}
    for group in _groups(repeat):
        by_season: dict[int, list[str]] = {}
        for uid in sorted(group):
            by_season.setdefault(polygons[uid].season_year, []).append(uid)
        seasons = sorted(by_season)
        for before, after in pairwise(seasons):
            pairs = [(one, other) for one in by_season[before] for other in by_season[after]]
            pair = next((pair for pair in pairs if pair in repeat), pairs[0])
            successive[pair] = repeat.get(pair, pair[1])
    return successive


def _groups(pairs: Iterable[Pair]) -> list[set[str]]:
    """The UIDs that pairs connect, directly or not."""
    group_of: dict[str, set[str]] = {}
    for one, other in pairs:
        a, b = group_of.setdefault(one, {one}), group_of.setdefault(other, {other})
        if a is not b:
            a |= b
            group_of.update(dict.fromkeys(b, a))
    return list({id(group): group for group in group_of.values()}.values())


def _most_shared(store: Store, polygons: dict[str, _Polygon], pairs: list[Pair]) -> Pair:
    """The pair that shares most area: it goes on with the track's id; of equals, the first."""
    ids = {polygons[uid].footprint_id for pair in pairs for uid in pair}
    rows = store.read("footprint", ["footprint_id", "geometry"], {"footprint_id": sorted(ids)})
    wkb = np.array(rows["geometry"].to_pylist(), dtype=object)
    shapes = grid.to_metric(shapely.from_wkb(wkb))
    shape_of = dict(zip(rows["footprint_id"].to_pylist(), shapes, strict=True))

    def shared(pair: Pair) -> float:
        one, other = (shape_of[polygons[uid].footprint_id] for uid in pair)
        return float(shapely.area(shapely.intersection(one, other)))

    return max(pairs, key=shared)


def _decision(
    polygons: dict[str, _Polygon], pair: Pair, row: str, relation: str, link_kind: str | None
) -> Decision:
    """The verdict that a relation is.

    Without a date of contribution it is dated to the later image: nobody could know before.
    """
    earlier, later = (polygons[uid] for uid in pair)
    on = polygons[row].contributed_on or later.observed_to
    return Decision(
        verdict="relink" if link_kind else "reject",
        target_kind="link",
        target=(earlier.footprint_id, later.footprint_id),
        decided_by=polygons[row].decided_by,
        decided_at=dt.datetime(on.year, on.month, on.day, tzinfo=dt.UTC),
        reason=f"{relation} of {row}",
        link_kind=link_kind,
        relation=relation,
    )


def _day(value: object) -> dt.date | None:
    try:
        period = period_of(value)
    except ValueError:
        return None
    return period.to_on if period else None


def _id_of(polygon: _Polygon) -> str:
    return polygon.footprint_id
