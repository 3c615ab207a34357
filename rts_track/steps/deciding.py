"""`verdict` and `import --verdicts`: a person's decisions are taken in, and none is ever deleted.

A verdict keeps where its target lies (footprints, season, a point on the surface), so that it is
found again when a season is redone. A later one on the same target supersedes it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from rts_track.contract import arrow_schema
from rts_track.domain import canonical_json, digest, mint
from rts_track.errors import InputError, UsageError
from rts_track.source.inventory import Fault
from rts_track.source.verdicts import Decision, read_verdicts
from rts_track.steps.runs import record_run
from rts_track.steps.verdict_targets import LinkTarget, Targets, look_up

if TYPE_CHECKING:
    from rts_track.store.base import Store

STEP = "verdict"
Row = dict[str, Any]
_SHOWN_FAULTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictReport:
    """What came of verdicts: rows of `verdict` that were new, decisions already there, faults."""

    added: int
    unchanged: int
    faults: tuple[Fault, ...] = ()

    def line(self) -> str:
        """What a person wants to know."""
        noun = "verdict" if self.added == 1 else "verdicts"
        told = f"{self.added:,} {noun} added, {self.unchanged:,} already there"
        return f"{told}; `rts-track link` works in what is new" if self.added else told

    def lines(self) -> Iterator[str]:
        """What a person wants to know of a file, faults with their row and reason."""
        yield self.line()
        yield from self.fault_lines()

    def fault_lines(self) -> Iterator[str]:
        """The rows that could not be used; nothing where all could."""
        if self.faults:
            yield f"{len(self.faults):,} skipped:"
        yield from (f"  {name}: {reason}" for name, reason in self.faults)


def decide(store: Store, decision: Decision, *, now: dt.datetime | None = None) -> VerdictReport:
    """What came of one verdict.

    Raises:
        UsageError: it cannot be meant, or the store holds no such target; nothing was stored.
    """
    report = take_in(store, [("", decision)], {"target": list(decision.target)}, now=now)
    if report.faults:
        raise UsageError(report.faults[0].reason)
    return report


def import_verdicts(
    store: Store,
    path: Path,
    *,
    layer: str | None = None,
    is_strict: bool = False,
    now: dt.datetime | None = None,
) -> VerdictReport:
    """What came of the verdicts in a file; the same file again adds nothing.

    Raises:
        UsageError: the file lacks a column.
        InputError: it cannot be read, or `is_strict` and a row is at fault; nothing was stored.
    """
    read = read_verdicts(path, layer)
    named = [(f"row {number}", decision) for number, decision in read.decisions]
    params = {"file": path.name}
    return take_in(store, named, params, faults=read.faults, is_strict=is_strict, now=now)


def take_in(
    store: Store,
    decisions: Sequence[tuple[str, Decision]],
    params: Mapping[str, object],
    *,
    faults: Sequence[Fault] = (),
    is_strict: bool = False,
    now: dt.datetime | None = None,
) -> VerdictReport:
    """What came of named decisions, in one transaction; a faulty one is told, the rest goes in.

    `faults` were found before. InputError where `is_strict` and there is any: nothing is stored.
    """
    now = now or dt.datetime.now(dt.UTC)
    with store.transaction():
        targets = look_up(store, [one for _, decision in decisions for one in decision.target])
        former = {row["verdict_id"]: row for row in store.read("verdict").to_pylist()}
        book = _Book(former, targets)
        told = list(faults)
        for name, decision in decisions:
            try:
                decision.check(now)
                book.enter(decision)
            except UsageError as error:
                told.append(Fault(name, str(error)))
        if is_strict and told:
            raise InputError(_refusal(told))
        changed = book.changed()
        if changed:
            store.upsert("verdict", pa.Table.from_pylist(changed, schema=arrow_schema("verdict")))
            inputs = digest(*sorted(row["verdict_id"] for row in changed))
            record_run(store, STEP, params, inputs, started_at=now)
    return VerdictReport(added=book.n_added, unchanged=book.n_unchanged, faults=tuple(told))


def _refusal(faults: Sequence[Fault]) -> str:
    shown = "; ".join(f"{fault[0]}: {fault[1]}" for fault in faults[:_SHOWN_FAULTS])
    more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
    return f"{len(faults)} verdicts at fault, nothing stored: {shown}{more}"


class _Book:
    """The verdicts of a store, with those being entered: each target's latest supersedes others."""

    def __init__(self, former: dict[str, Row], targets: Targets) -> None:
        self._targets = targets
        self._rows = dict(former)
        self._touched: set[str] = set()
        self._heads: dict[tuple[str, ...], str] = {}
        self.n_added = self.n_unchanged = 0
        superseded = {row["supersedes"] for row in former.values()}
        heads = [row for row in former.values() if row["verdict_id"] not in superseded]
        for row in sorted(heads, key=lambda row: (row["decided_at"], row["verdict_id"])):
            for key in self._keys(row):
                self._heads[key] = row["verdict_id"]

    def changed(self) -> list[Row]:
        """The rows that are new or now supersede another one."""
        return [self._rows[one] for one in sorted(self._touched)]

    def enter(self, decision: Decision) -> None:
        """Add the verdict's rows, if they are not there; UsageError where it has no target."""
        if decision.target_kind == "link":
            self._enter_all([_link_row(decision, self._targets.of_link(decision.target))])
        elif decision.target_kind == "track":
            self._enter_all(self._track_rows(decision))
        else:
            found = self._targets.of_footprint(decision.target[0])
            self._enter_all([self._footprint_row(decision, one, {}) for one in found])

    def _enter_all(self, rows: list[Row]) -> None:
        """Add rows of one decision; where the first is known, all are."""
        if rows[0]["verdict_id"] in self._rows:
            self.n_unchanged += 1
            return
        for row in rows:
            if row["verdict_id"] not in self._rows:
                self._add(row)

    def _add(self, row: Row) -> None:
        """Put the row in its target's chain, by when it was decided."""
        keys = self._keys(row)
        above, below = None, next((self._heads[key] for key in keys if key in self._heads), None)
        while below is not None and self._rows[below]["decided_at"] > row["decided_at"]:
            above, below = below, self._rows[below]["supersedes"]
        self._rows[row["verdict_id"]] = {**row, "supersedes": below}
        self._touched.add(row["verdict_id"])
        self.n_added += 1
        if above is None:
            self._heads.update(dict.fromkeys(keys, str(row["verdict_id"])))
        else:
            self._rows[above] = {**self._rows[above], "supersedes": row["verdict_id"]}
            self._touched.add(above)

    def _keys(self, row: Row) -> list[tuple[str, ...]]:
        """What tells the row's target: its id; for a link its outlines now, too."""
        keys: list[tuple[str, ...]] = [(row["target_kind"], row["target_id"])]
        if row["target_kind"] == "link":
            value = json.loads(row["value"])
            ends = [value["from_footprint_id"], value["to_footprint_id"]]
            known = [self._targets.footprints.get(end) for end in ends]
            outlines = [row["outline_id"] for row in known if row and row["outline_id"]]
            if len(outlines) == 2:
                keys.append(("outlines", *outlines))
        return keys

    def _track_rows(self, decision: Decision) -> list[Row]:
        """A verdict on the track, and one on each of its footprints."""
        targets = self._targets
        track_id = targets.track_id(decision.target[0])
        outlines = targets.of_track.get(track_id, [])
        members = sorted(one for outline in outlines for one in targets.members[outline])
        footprints = [targets.footprints[one] for one in members]
        track = targets.tracks[track_id]
        rejected = {} if members else self._rejected_from(track_id)
        value = {
            "kind": track["kind"],
            "season_year": track["last_year"],
            "lon": track["lon"],
            "lat": track["lat"],
            "footprint_ids": members or sorted(rejected),
        }
        row = _row(decision, track_id, value)
        because = {"track_id": track_id, "track_verdict_id": row["verdict_id"]}
        return [
            row,
            *(self._footprint_row(decision, one, because) for one in footprints),
            *(_again(decision, rejected[one], because) for one in sorted(rejected)),
        ]

    def _rejected_from(self, track_id: str) -> dict[str, Row]:
        """A verdict on each of the footprints that were in the track when they were rejected."""
        return {
            row["target_id"]: row
            for row in self._rows.values()
            if row["target_kind"] == "footprint"
            and json.loads(row["value"]).get("track_id") == track_id
        }

    def _footprint_row(self, decision: Decision, footprint: Row, because: Row) -> Row:
        outline = self._targets.outlines.get(footprint["outline_id"])
        value = {
            "kind": footprint["kind"],
            "season_year": footprint["season_year"],
            "lon": footprint["lon"],
            "lat": footprint["lat"],
            "track_id": outline["track_id"] if outline else None,
            **because,
        }
        return _row(decision, footprint["footprint_id"], value, kind="footprint")


def _link_row(decision: Decision, link: LinkTarget) -> Row:
    if decision.verdict == "accept" and not link.is_linked:
        raise UsageError(
            f"nothing links {' and '.join(decision.target)}, so there is nothing to accept: draw"
            " the link with relink"
        )
    earlier, later = link.earlier, link.later
    kinds = {"relink": decision.link_kind or "main", "accept": link.link_kind, "reject": None}
    value = {
        "kind": later["kind"],
        "season_year": later["season_year"],
        "from_season_year": earlier["season_year"],
        "from_footprint_id": earlier["footprint_id"],
        "from_outline_id": earlier["outline_id"],
        "from_lon": earlier["lon"],
        "from_lat": earlier["lat"],
        "to_footprint_id": later["footprint_id"],
        "to_outline_id": later["outline_id"],
        "to_lon": later["lon"],
        "to_lat": later["lat"],
        "link_id": link.link_id,
        "link_kind": kinds[decision.verdict],
        "relation": decision.relation,
    }
    target_id = mint("link", earlier["footprint_id"], later["footprint_id"])
    return _row(decision, target_id, value)


def _row(decision: Decision, target_id: str, value: Row, *, kind: str | None = None) -> Row:
    """A row of `verdict`; its id follows from what was decided of what, by whom and when."""
    kind = kind or decision.target_kind
    decided_at = decision.decided_at.astimezone(dt.UTC)
    return {
        "verdict_id": mint(
            "verdict",
            kind,
            target_id,
            decision.verdict,
            decision.link_kind or ("main" if decision.verdict == "relink" else None),
            decision.decided_by,
            decided_at.isoformat(),
        ),
        "target_kind": kind,
        "target_id": target_id,
        "verdict": decision.verdict,
        "value": canonical_json({name: one for name, one in value.items() if one is not None}),
        "decided_by": decision.decided_by,
        "decided_at": decided_at,
        "reason": decision.reason,
        "supersedes": None,
    }


def _again(decision: Decision, former: Row, because: Row) -> Row:
    """A verdict on the footprint of a former one, as part of one on its track."""
    value = {**json.loads(former["value"]), **because}
    return _row(decision, former["target_id"], value, kind="footprint")
