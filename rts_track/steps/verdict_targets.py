"""What verdicts are about: ids that people give, looked up many at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rts_track.errors import UsageError

if TYPE_CHECKING:
    from rts_track.store.base import Store

Row = dict[str, Any]

_FOOTPRINT = ("footprint_id", "source", "outline_id", "season_year", "lon", "lat")
_OUTLINE = ("outline_id", "track_id")
_LINK = ("link_id", "from_outline_id", "to_outline_id", "kind")
_MAIN_KINDS = {"main": "main", "gap": "main", "split": "split", "merge": "merge"}
"""What a person who accepts a computed link accepts; a fragment's link may still be settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTarget:
    """The two footprints of a link, the earlier first, and the link they have now, if any."""

    earlier: Row
    later: Row
    link_id: str | None
    link_kind: str | None
    is_linked: bool


@dataclass(slots=True, kw_only=True)
class Targets:
    """The rows that some ids stand for; a footprint's row has its source's `kind`.

    `members` are the footprints of outlines, `of_track` the outlines of tracks, `verdicts` the
    stored verdicts on links: they remember ids of outlines and links that a redo replaced.
    """

    footprints: dict[str, Row] = field(default_factory=dict)
    outlines: dict[str, Row] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    links: dict[tuple[str, str], Row] = field(default_factory=dict)
    by_link_id: dict[str, Row] = field(default_factory=dict)
    tracks: dict[str, Row] = field(default_factory=dict)
    of_track: dict[str, list[str]] = field(default_factory=dict)
    alias: dict[str, str | None] = field(default_factory=dict)
    remembered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    relinked: set[tuple[str, str]] = field(default_factory=set)

    def of_footprint(self, given: str) -> list[Row]:
        """The footprint of that id, or those of the outline of that id; UsageError for none."""
        if given in self.footprints:
            return [self.footprints[given]]
        members = self.members.get(given) or list(self.remembered.get(given, ()))
        if not members:
            raise UsageError(f"no footprint or outline {given!r} in this store")
        return [self.footprints[one] for one in members]

    def track_id(self, given: str) -> str:
        """The track that the id stands for now; UsageError where there is none."""
        target = self.alias.get(given, given)
        if target is None:
            raise UsageError(f"track {given!r} is gone: its outlines are")
        if target not in self.tracks:
            raise UsageError(f"no track {given!r} in this store")
        return target

    def of_link(self, given: tuple[str, ...]) -> LinkTarget:
        """The link of that id, or between two outlines or footprints.

        UsageError where there is none, or it cannot be one: outlines of one season, or of two
        kinds.
        """
        ends = self._ends(given[0]) if len(given) == 1 else given
        one, other = (min(self.of_footprint(end), key=_id_of) for end in ends)
        earlier, later = sorted((one, other), key=lambda row: int(row["season_year"]))
        if earlier["season_year"] == later["season_year"]:
            raise UsageError(
                f"{ends[0]} and {ends[1]} are both of season {earlier['season_year']}: a link"
                " leads from one season to a later one"
            )
        if earlier["kind"] != later["kind"]:
            raise UsageError(
                f"{ends[0]} is of kind {one['kind']}, {ends[1]} of {other['kind']}: a track has"
                " one kind"
            )
        link = self.links.get((earlier["outline_id"], later["outline_id"]))
        pair = (earlier["footprint_id"], later["footprint_id"])
        return LinkTarget(
            earlier=earlier,
            later=later,
            link_id=link["link_id"] if link else None,
            link_kind=_MAIN_KINDS.get(link["kind"]) if link else None,
            is_linked=link is not None or pair in self.relinked,
        )

    def _ends(self, link_id: str) -> tuple[str, ...]:
        """The outlines of a link, or the footprints that a former verdict knew it by."""
        if link_id in self.by_link_id:
            link = self.by_link_id[link_id]
            return link["from_outline_id"], link["to_outline_id"]
        if link_id not in self.remembered:
            raise UsageError(f"no link {link_id!r} in this store; name its two outlines instead")
        return self.remembered[link_id]


def look_up(store: Store, ids: Iterable[str]) -> Targets:
    """The rows that these ids stand for, as far as there are any."""
    wanted = sorted(set(ids))
    targets = Targets()
    _read_remembered(store, targets)
    known = {one for ends in targets.remembered.values() for one in ends}
    alias = _rows(store, "track_alias", ("old_track_id", "track_id"), "old_track_id", wanted)
    targets.alias = {row["old_track_id"]: row["track_id"] for row in alias}
    tracks = [*wanted, *(track for track in targets.alias.values() if track)]
    columns = ("track_id", "kind", "last_year", "lon", "lat")
    targets.tracks = _by(_rows(store, "track", columns, "track_id", tracks), "track_id")
    links = _rows(store, "link", _LINK, "link_id", wanted)
    targets.by_link_id = _by(links, "link_id")
    outlines = [*wanted, *(row[end] for row in links for end in _LINK[1:3])]
    found = _rows(store, "outline", _OUTLINE, "outline_id", outlines)
    found += _rows(store, "outline", _OUTLINE, "track_id", list(targets.tracks))
    _read_footprints(store, targets, [*wanted, *known], found)
    return targets


def _read_footprints(
    store: Store, targets: Targets, wanted: list[str], outlines: list[Row]
) -> None:
    """Take in the footprints of these ids and outlines, their outlines, and links between those."""
    kind_of = {row["source"]: row["kind"] for row in store.read("source").to_pylist()}
    named = _rows(store, "footprint", _FOOTPRINT, "footprint_id", wanted)
    own = [row["outline_id"] for row in named if row["outline_id"]]
    outlines = outlines + _rows(store, "outline", _OUTLINE, "outline_id", own)
    targets.outlines = _by(outlines, "outline_id")
    for outline in targets.outlines.values():
        if outline["track_id"]:
            targets.of_track.setdefault(outline["track_id"], []).append(outline["outline_id"])
    within = _rows(store, "footprint", _FOOTPRINT, "outline_id", list(targets.outlines))
    for row in (*named, *within):
        targets.footprints[row["footprint_id"]] = {**row, "kind": kind_of[row["source"]]}
    for row in within:
        targets.members.setdefault(row["outline_id"], []).append(row["footprint_id"])
    for row in _rows(store, "link", _LINK, "to_outline_id", list(targets.outlines)):
        targets.links[row["from_outline_id"], row["to_outline_id"]] = row


def _read_remembered(store: Store, targets: Targets) -> None:
    """Take in what verdicts on links know of ids that a redo may have replaced."""
    rows = store.read("verdict", ["verdict", "value"], {"target_kind": "link"}).to_pylist()
    for row in rows:
        value = json.loads(row["value"])
        pair = (value["from_footprint_id"], value["to_footprint_id"])
        if row["verdict"] != "reject":
            targets.relinked.add(pair)
        for name, footprints in (
            ("link_id", pair),
            ("from_outline_id", pair[:1]),
            ("to_outline_id", pair[1:]),
        ):
            if value.get(name):
                targets.remembered.setdefault(value[name], footprints)


def _rows(
    store: Store, table: str, columns: tuple[str, ...], key: str, wanted: list[str]
) -> list[Row]:
    if not wanted:
        return []
    rows: list[Row] = store.read(table, columns, {key: sorted(set(wanted))}).to_pylist()
    return rows


def _by(rows: list[Row], key: str) -> dict[str, Row]:
    return {row[key]: row for row in rows}


def _id_of(row: Row) -> str:
    return str(row["footprint_id"])
