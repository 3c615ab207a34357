"""`history`: one slump's story, gathered from the contract's tables. Its words: `story_lines`."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rts_track.contract import CONTRACT
from rts_track.errors import InputError, StoreError, UsageError
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from rts_track.store.base import Reader, Scalar, Where

Row = dict[str, Any]

MIN_PREFIX = 6
"""Characters of an id that are asked for at least: fewer stand for too many."""
TREND_METHODS = ("theil_sen", "wls", "interval")
"""Whose rate is told, the first that there is: the most robust one that its seasons allow."""

_CANDIDATES_TOLD = 5
_TRACK_COLUMNS = tuple(name for name in CONTRACT["track"].column_names if name != "geometry")
_OUTLINE_COLUMNS = ("outline_id", "track_id", "season_year", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """What is known of a slump in one season."""

    season_year: int
    state: Row | None
    """Its row of `track_state`; None where only an event speaks of the season."""
    growth: Row | None
    """Its row of `growth` from the last whole look to this season; None where none is measured."""
    links: tuple[Row, ...]
    """Links into its outlines; `from_track_id` is the slump at their earlier end."""
    events: tuple[Row, ...]
    """Events of it and of those related to it; evidence as a dict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What is known of one slump; rows are of the contract's tables, without geometry."""

    asked: str
    """The id, or its beginning, that was asked for."""
    alias: Row | None
    """The row of `track_alias` by which the id that was asked for led here."""
    track: Row | None
    """None: the id was retracted, and nothing else is left of it."""
    former: tuple[Row, ...] = ()
    """Rows of `track_alias`: other ids that it had."""
    lineage: tuple[str, ...] = ()
    """Track ids of its family, its own among them."""
    trend: Row | None = None
    seasons: tuple[Season, ...] = ()
    verdicts: tuple[Row, ...] = ()
    """Rows of `verdict` on it, its footprints and links, with `is_in_force` and value opened."""

    @property
    def relatives(self) -> list[Row]:
        """The slumps that splits, merges and scars tie to it: track_id, event, whose, season_year.

        `whose` is `own` where the event befell this slump, else `other`.
        """
        if self.track is None:
            return []
        own = self.track["track_id"]
        return [
            {
                "track_id": event["related_track_id"] if is_own else event["track_id"],
                "event": event["kind"],
                "whose": "own" if is_own else "other",
                "season_year": event["season_year"],
            }
            for season in self.seasons
            for event in season.events
            if event["related_track_id"] is not None
            for is_own in [event["track_id"] == own]
        ]


def tell(reader: Reader, asked: str) -> Story:
    """The story of the slump with that id, former id, or beginning of an id.

    Raises:
        UsageError: too few characters, or the beginning of several ids.
        InputError: no slump has or had such an id.
        StoreError: nothing is linked yet, or the store cannot be read.
    """
    track_id, alias = _resolved(reader, _whole_id(reader, asked.strip()))
    tracks = _rows(reader, "track", _TRACK_COLUMNS, {"track_id": track_id})
    if not tracks:
        return Story(asked=asked, alias=alias, track=None)
    track = tracks[0]
    former = _former_ids(reader, track_id)
    outlines = _rows(reader, "outline", _OUTLINE_COLUMNS, {"track_id": track_id})
    links = _links_into(reader, outlines)
    return Story(
        asked=asked,
        alias=alias,
        track=track,
        former=tuple(row for row in former if row != alias),
        lineage=_lineage(reader, track),
        trend=_trend(reader, track_id),
        seasons=_seasons(reader, track_id, links),
        verdicts=_verdicts(reader, {track_id, *_ids(former, "old_track_id")}, outlines, links),
    )


def story_record(story: Story) -> Row:
    """The story as JSON has it: dates as text, what is not known as null."""
    return {
        "asked": story.asked,
        "track_id": story.track["track_id"] if story.track else None,
        "alias": _plain(story.alias),
        "track": _plain(story.track),
        "former": [_plain(row) for row in story.former],
        "lineage": list(story.lineage),
        "trend": _plain(story.trend),
        "seasons": [
            {
                "season_year": season.season_year,
                "state": _plain(season.state),
                "growth": _plain(season.growth),
                "links": [_plain(row) for row in season.links],
                "events": [_plain(row) for row in season.events],
            }
            for season in story.seasons
        ],
        "relatives": story.relatives,
        "verdicts": [_plain(row) for row in story.verdicts],
    }


def _whole_id(reader: Reader, given: str) -> str:
    """The one id that is the given text or begins with it."""
    if any(
        _rows(reader, table, (key,), {key: given})
        for table, key in (("track", "track_id"), ("track_alias", "old_track_id"))
    ):
        return given
    if len(given) < MIN_PREFIX:
        raise UsageError(f"{given!r}: give at least {MIN_PREFIX} characters of the slump's id")
    params: dict[str, Scalar] = {"prefix": given, "at_most": _CANDIDATES_TOLD + 1}
    ids = [row["id"] for row in reader.query(statement("ids_that_begin"), params).to_pylist()]
    if not ids:
        if reader.count("track") == 0:
            raise StoreError(f"{reader.url}: holds no slumps; run `rts-track link` first")
        raise InputError(
            f"{given}: no slump of {reader.url} has or had this id; `rts-track query tracks`"
            " lists them"
        )
    if len(ids) > 1:
        more = " and more" if len(ids) > _CANDIDATES_TOLD else ""
        told = ", ".join(ids[:_CANDIDATES_TOLD])
        raise UsageError(f"{given}: begins the ids {told}{more}; give more of the one you mean")
    return str(ids[0])


def _resolved(reader: Reader, given: str) -> tuple[str, Row | None]:
    """The id that stands for the given one now, and the alias that says so.

    The former id of a lineage may be the id of a track that is still in use: it stays that track.
    """
    in_use = _rows(reader, "track", ("track_id", "validity"), {"track_id": given})
    if in_use and in_use[0]["validity"] != "retracted":
        return given, None
    aliases = _rows(reader, "track_alias", None, {"old_track_id": given})
    if not aliases:
        return given, None
    return aliases[0]["track_id"] or given, aliases[0]


def _former_ids(reader: Reader, track_id: str) -> list[Row]:
    """Aliases that lead to the track, but for those of lineages, whose ids are still in use."""
    rows = _rows(reader, "track_alias", None, {"track_id": track_id})
    old = [row["old_track_id"] for row in rows]
    in_use = {
        row["track_id"]
        for row in _rows(reader, "track", ("track_id", "validity"), {"track_id": old})
        if row["validity"] != "retracted"
    }
    return [row for row in rows if row["old_track_id"] not in in_use]


def _lineage(reader: Reader, track: Row) -> tuple[str, ...]:
    scope: Where = {"lineage_id": track["lineage_id"], "validity": ["tentative", "confirmed"]}
    return tuple(row["track_id"] for row in _rows(reader, "track", ("track_id",), scope))


def _trend(reader: Reader, track_id: str) -> Row | None:
    rows = _rows(reader, "trend", None, {"track_id": track_id, "time_basis": "calendar"})
    return min(rows, key=lambda row: TREND_METHODS.index(row["method"]), default=None)


def _links_into(reader: Reader, outlines: Sequence[Row]) -> list[Row]:
    """Links into the outlines, each with the slump at its earlier end."""
    links = _rows(reader, "link", None, {"to_outline_id": _ids(outlines, "outline_id")})
    scope = {"outline_id": _ids(links, "from_outline_id")}
    earlier = _rows(reader, "outline", ("outline_id", "track_id"), scope)
    track_of = {row["outline_id"]: row["track_id"] for row in earlier}
    return [{**link, "from_track_id": track_of.get(link["from_outline_id"])} for link in links]


def _seasons(reader: Reader, track_id: str, links: Iterable[Row]) -> tuple[Season, ...]:
    scope = {"track_id": track_id}
    states = {row["season_year"]: row for row in _rows(reader, "track_state", None, scope)}
    events = _events(reader, track_id)
    growth: dict[int, Row] = {}
    for row in _rows(reader, "growth", None, scope):
        known = growth.get(row["to_year"])
        if known is None or row["from_year"] > known["from_year"]:
            growth[row["to_year"]] = row
    return tuple(
        Season(
            season_year=year,
            state=states.get(year),
            growth=growth.get(year),
            links=tuple(sorted((r for r in links if r["to_year"] == year), key=_link_order)),
            events=tuple(row for row in events if row["season_year"] == year),
        )
        for year in sorted({*states, *(row["season_year"] for row in events)})
    )


def _link_order(link: Row) -> tuple[bool, int, str, str]:
    """The main link first, then by what they are."""
    return (link["kind"] != "main", link["from_year"], link["kind"], link["link_id"])


def _events(reader: Reader, track_id: str) -> list[Row]:
    """What happened to the track, and to others on its account; each once, in order."""
    found = {
        row["event_id"]: row
        for end in ("track_id", "related_track_id")
        for row in _rows(reader, "event", None, {end: track_id})
    }
    events = [{**row, "evidence": json.loads(row["evidence"])} for row in found.values()]
    return sorted(events, key=lambda row: (row["season_year"], row["before_on"], row["event_id"]))


def _verdicts(
    reader: Reader, track_ids: Iterable[str], outlines: Sequence[Row], links: Sequence[Row]
) -> tuple[Row, ...]:
    """What people decided on the track, its outlines and footprints, and the links into them.

    Each with its value opened, and `is_in_force`: whether no later one supersedes it.
    """
    footprints = _rows(
        reader, "footprint", ("footprint_id",), {"outline_id": _ids(outlines, "outline_id")}
    )
    concerned = {
        *track_ids,
        *_ids(outlines, "outline_id"),
        *_ids(links, "link_id"),
        *_ids(footprints, "footprint_id"),
    }
    known = [
        {**row, "value": json.loads(row["value"] or "null")} for row in _rows(reader, "verdict")
    ]
    superseded = {row["supersedes"] for row in known}
    told = [
        {**row, "is_in_force": row["verdict_id"] not in superseded}
        for row in known
        if not concerned.isdisjoint(_named(row))
    ]
    return tuple(sorted(told, key=lambda row: (row["decided_at"], row["verdict_id"])))


def _named(verdict: Row) -> set[str]:
    """The ids that a verdict names: its target, and what its value says of the ends of a link."""
    return {verdict["target_id"], *_texts(verdict["value"])}


def _texts(value: object) -> Iterable[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _rows(
    reader: Reader,
    table: str,
    columns: Sequence[str] | None = None,
    scope: Where | None = None,
) -> list[Row]:
    """The matching rows; none, without asking, where a column is to be among no values."""
    if any(isinstance(wanted, list) and not wanted for wanted in (scope or {}).values()):
        return []
    rows: list[Row] = reader.read(table, columns, scope).to_pylist()
    return rows


def _ids(rows: Iterable[Row], column: str) -> list[str]:
    return [row[column] for row in rows]


def _plain(row: Row | None) -> Row | None:
    """The row with dates and instants as text."""
    if row is None:
        return None
    return {
        name: value.isoformat() if isinstance(value, dt.date) else value
        for name, value in row.items()
    }
