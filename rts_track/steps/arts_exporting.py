"""`export --arts`: footprints in ARTS's columns, related as links, events and verdicts say.

An outline's first footprint speaks for it in the rows of other seasons; its other footprints, of
other images, name it in `RepeatRTS`, as the pieces of one track in a season do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

import rts_track
from rts_track.progress import Progress, silent
from rts_track.release.arts import Feature, write_arts
from rts_track.source.arts import (
    CONTRIBUTED,
    MERGED,
    NEW,
    RELATED_BY,
    REPEAT,
    SPLIT,
    STABILIZED,
    UNKNOWN,
    is_arts,
    uid_of,
)
from rts_track.steps.verdicts import in_force
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.store.base import Reader

Row = dict[str, Any]
FILE_NAME = "arts.geojson"

_KEPT = ("RegionName", "CreatorLab", "BaseMapSource", "BaseMapID", "BaseMapDate", "Notes")
"""Columns of ARTS that a footprint that came from there keeps as they were, and its date."""

_SAME = ("main", "gap", "fragment")
"""Links along which a slump goes on; a fragment is a piece of it, not its offspring."""


@dataclass(slots=True)
class _Relations:
    """By UID and column the UIDs of other polygons; by UID who found them."""

    related: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    found_by: dict[str, set[str]] = field(default_factory=dict)

    def add(self, uid: str, column: str, others: set[str], found_by: str | None) -> None:
        if others - {uid}:
            self.related.setdefault((uid, column), set()).update(others - {uid})
            if found_by is not None:
                self.found_by.setdefault(uid, set()).add(found_by)


def export_arts(reader: Reader, path: Path, *, progress: Progress = silent) -> int:
    """How many footprints were written to `path`: those in an outline of a landform.

    A footprint that came from ARTS keeps its UID; any other's is its footprint_id.

    Raises:
        StoreError: the store cannot be read.
        OSError: `path` cannot be written.
    """
    members = _Members(reader.query(statement("arts_outlines")).to_pylist())
    relations = _relations(reader, members)

    def batches() -> Iterator[tuple[list[Feature], NDArray[np.object_]]]:
        for season in progress(members.seasons, label="export arts", total=len(members.seasons)):
            rows = reader.query(statement("arts_footprints"), {"season": season}).to_pylist()
            wkb = np.array([row["geometry"] for row in rows], dtype=object)
            features = [
                _feature(row, members.uid_of[row["footprint_id"]], relations) for row in rows
            ]
            yield features, shapely.from_wkb(wkb)

    return write_arts(path, batches())


class _Members:
    """Which footprints, by their UIDs, outlines and tracks are made of."""

    def __init__(self, rows: list[Row]) -> None:
        self.uid_of: dict[str, str] = {}
        self.of_outline: dict[str, list[str]] = {}
        self.outline_of: dict[str, str] = {}
        self.of_track: dict[tuple[str, int], set[str]] = {}
        self.outlines_of_track: dict[tuple[str, int], list[str]] = {}
        self.seasons = sorted({int(row["season_year"]) for row in rows})
        taken: set[str] = set()
        for row in rows:
            uid = _imported_uid(row)
            if uid is None or uid in taken:
                uid = row["footprint_id"]
            taken.add(uid)
            self.uid_of[row["footprint_id"]] = uid
            self.outline_of[row["footprint_id"]] = row["outline_id"]
            self.of_outline.setdefault(row["outline_id"], []).append(uid)
            if row["track_id"]:
                place = (row["track_id"], int(row["season_year"]))
                self.of_track.setdefault(place, set()).add(uid)
                outlines = self.outlines_of_track.setdefault(place, [])
                if row["outline_id"] not in outlines:
                    outlines.append(row["outline_id"])

    def speaker(self, outline_id: str) -> str:
        """The UID that stands for an outline."""
        return self.of_outline[outline_id][0]


def _imported_uid(row: Row) -> str | None:
    """The UID that ARTS gave the footprint; None where it is not from there."""
    if not is_arts(json.loads(row["attributes"])):
        return None
    return uid_of(row["source_feature_id"] or "")


def _relations(reader: Reader, members: _Members) -> _Relations:
    relations = _Relations()
    for uids in members.of_track.values():
        for uid in uids if len(uids) > 1 else ():
            relations.add(uid, REPEAT, uids, None)
    links = [
        row
        for row in reader.query(statement("arts_links")).to_pylist()
        if row["from_outline_id"] in members.of_outline
        and row["to_outline_id"] in members.of_outline
    ]
    verdicts = [row for row in in_force(reader) if row["target_kind"] == "link"]
    people = _people(verdicts, members)
    for row in links:
        _relate_link(relations, members, row, people)
    _relate_families(relations, members, links, people)
    _relate_scars(
        relations, members, reader.read("event", scope={"kind": "reinitiate"}).to_pylist()
    )
    _relate_by_verdict(relations, members, verdicts, links)
    return relations


def _people(verdicts: list[Row], members: _Members) -> dict[tuple[str, str], str]:
    """Who drew or confirmed the link between two outlines."""
    people = {}
    for row in verdicts:
        ends = [
            members.outline_of.get(row["value"][f"{end}_footprint_id"]) for end in ("from", "to")
        ]
        if ends[0] and ends[1] and row["verdict"] != "reject":
            people[ends[0], ends[1]] = str(row["decided_by"])
    return people


def _found_by(row: Row, people: dict[tuple[str, str], str]) -> str:
    pair = (row["from_outline_id"], row["to_outline_id"])
    if row["origin"] == "person":
        return people.get(pair, "person")
    return people.get(pair, f"rts-track {rts_track.__version__}, computed")


def _relate(
    relations: _Relations,
    members: _Members,
    outline: str,
    column: str,
    other: str,
    found_by: str,
) -> None:
    """Let every footprint of an outline name another outline's speaker."""
    for uid in members.of_outline[outline]:
        relations.add(uid, column, {members.speaker(other)}, found_by)


def _relate_link(
    relations: _Relations, members: _Members, row: Row, people: dict[tuple[str, str], str]
) -> None:
    """A link that goes on is the same slump; a doubtful one is not known to be anything."""
    start, end, by = row["from_outline_id"], row["to_outline_id"], _found_by(row, people)
    if row["is_ambiguous"] or row["kind"] in _SAME:
        column = UNKNOWN if row["is_ambiguous"] else REPEAT
        _relate(relations, members, start, column, end, by)
        _relate(relations, members, end, column, start, by)


def _relate_families(
    relations: _Relations,
    members: _Members,
    links: list[Row],
    people: dict[tuple[str, str], str],
) -> None:
    """What merged names all it merged from, and each part what it split from.

    The parent, or part, that keeps the track's id is one of them, also where it is doubtful
    which of them that is.
    """
    sure = [row for row in links if not row["is_ambiguous"]]
    merged_into = {row["to_outline_id"] for row in sure if row["kind"] == "merge"}
    split_from = {(r["from_outline_id"], r["to_year"]) for r in sure if r["kind"] == "split"}
    for row in links:
        start, end, by = row["from_outline_id"], row["to_outline_id"], _found_by(row, people)
        is_main = row["kind"] in ("main", "gap")
        is_sure = not row["is_ambiguous"]
        if (is_sure and row["kind"] == "merge") or (is_main and end in merged_into):
            _relate(relations, members, end, MERGED, start, by)
        if (is_sure and row["kind"] == "split") or (
            is_main and (start, row["to_year"]) in split_from
        ):
            _relate(relations, members, end, SPLIT, start, by)


def _relate_scars(relations: _Relations, members: _Members, events: list[Row]) -> None:
    """A slump that began on a stabilised scar names it, and the scar names the slump."""
    computed = f"rts-track {rts_track.__version__}, computed"
    for event in events:
        scar, season = event["related_track_id"], int(event["season_year"])
        before = [year for year in members.seasons if year < season]
        known = [year for year in before if (scar, year) in members.outlines_of_track]
        fresh = members.outlines_of_track.get((event["track_id"], season), [])
        if not known or not fresh:
            continue
        (old, *_), (new, *_) = members.outlines_of_track[scar, max(known)], fresh
        _relate(relations, members, new, STABILIZED, old, computed)
        _relate(relations, members, old, NEW, new, computed)


def _relate_by_verdict(
    relations: _Relations, members: _Members, verdicts: list[Row], links: list[Row]
) -> None:
    """What people said that no link shows: scars, and links that could not be drawn."""
    linked = {(row["from_outline_id"], row["to_outline_id"]) for row in links}
    for row in verdicts:
        value, by = row["value"], str(row["decided_by"])
        start = members.outline_of.get(value["from_footprint_id"])
        end = members.outline_of.get(value["to_footprint_id"])
        if start is None or end is None:
            continue
        if value.get("relation") in (NEW, STABILIZED) and row["verdict"] == "reject":
            _relate(relations, members, end, STABILIZED, start, by)
            _relate(relations, members, start, NEW, end, by)
        elif row["verdict"] != "reject" and (start, end) not in linked:
            column = {"merge": MERGED, "split": SPLIT}.get(value.get("link_kind") or "", REPEAT)
            _relate(relations, members, end, column, start, by)


def _feature(row: Row, uid: str, relations: _Relations) -> Feature:
    """A footprint in ARTS's columns."""
    attributes = json.loads(row["attributes"])
    kept = attributes if is_arts(attributes) else {}
    dates = [str(row["observed_from"]), str(row["observed_to"])]
    found_by = sorted(relations.found_by.get(uid, ()))
    return {
        "CentroidLat": row["lat"],
        "CentroidLon": row["lon"],
        "CreatorLab": row["source"],
        "BaseMapDate": ",".join(dict.fromkeys(dates)),
        "BaseMapSource": row["sensor"] or row["source"],
        "BaseMapID": row["scene_id"],
        **{name: kept[name] for name in (*_KEPT, CONTRIBUTED) if name in kept},
        "BaseMapResolution": row["gsd_m"],
        "TrainClass": "Positive",
        "LabelType": "Polygon",
        "UID": uid,
        "Area": row["area_m2"],
        RELATED_BY: "; ".join(found_by) or None,
        **{
            column: ",".join(sorted(others))
            for column in (REPEAT, MERGED, SPLIT, NEW, STABILIZED, UNKNOWN)
            if (others := relations.related.get((uid, column)))
        },
    }
