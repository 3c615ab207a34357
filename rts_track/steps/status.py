"""What a store holds, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rts_track.steps.verdicts import in_force, unresolved
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from rts_track.store.base import Reader

Row = dict[str, Any]

SHOWN_FAILURES = 5
"""Failed searches that are told one by one; `look.failure` has them all."""


def status_lines(reader: Reader) -> Iterator[str]:
    """Lines that say what the store holds, what failed, and what is still to be done."""
    yield f"store     {reader.url}"
    sources = _rows(reader, "status_sources")
    for row in sources:
        yield f"source    {_source_line(row)}"
    if not sources:
        yield "source    none yet; `rts-track import` takes in outlines, `rts-track ingest` scenes"
        return
    scenes = _rows(reader, "status_scenes")
    yield from _scenes(reader, scenes)
    for row in _rows(reader, "status_looks"):
        yield (
            f"looks     {row['n_looks']:,} {row['basis']} ({row['kind']}), "
            f"{_years(row)}{_failed(row['n_failed'])}"
        )
    for row in _rows(reader, "status_tracks"):
        yield (
            f"tracks    {row['n_tracks']:,} ({row['kind']}): {row['n_confirmed']:,} confirmed,"
            f" {row['n_tentative']:,} seen in one season; {row['n_active']:,} active,"
            f" {row['n_stable']:,} stable, {row['n_merged']:,} merged, {_years(row)}"
        )
    yield from _verdicts(reader)
    for row in _rows(reader, "status_runs"):
        ended = "" if row["is_finished"] else " (not finished)"
        yield f"last run  {row['step']:<8} {row['started_on']}{ended}"
    yield from _todo(_rows(reader, "status_todo")[0], scenes)


def _source_line(row: Row) -> str:
    name = f"{row['source']} ({row['kind']}, by {row['mapper']})"
    if row["n_footprints"]:
        return f"{name}: {row['n_footprints']:,} footprints, {_years(row)}"
    return f"{name}: no footprints"


def _scenes(reader: Reader, scenes: list[Row]) -> Iterator[str]:
    for row in scenes:
        yield (
            f"scenes    {row['source']}: {row['n_registered']:,} registered,"
            f" {row['n_searched']:,} searched{_failed(row['n_failed'])}, {_years(row)}"
        )
    if any(row["n_failed"] for row in scenes):
        failures = reader.query(statement("status_failures"), {"most": SHOWN_FAILURES})
        for row in failures.to_pylist():
            yield f"failed    {row['scene_id']}: {row['failure']}"


def _verdicts(reader: Reader) -> Iterator[str]:
    n_in_force = len(in_force(reader))
    if n_in_force:
        superseded = reader.count("verdict") - n_in_force
        yield f"verdicts  {n_in_force:,} in force, {superseded:,} superseded"
    for verdict_id in unresolved(reader):
        yield f"verdicts  {verdict_id}: an end of its link finds no outline any more"


def _years(row: Row) -> str:
    first, last = row["first_year"], row["last_year"]
    return f"{first}" if first == last else f"{first}-{last}"


def _failed(count: int) -> str:
    return f", {count:,} failed" if count else ""


def _todo(row: Row, scenes: list[Row]) -> Iterator[str]:
    n_waiting = sum(each["n_waiting"] for each in scenes)
    if n_waiting:
        yield f"to do     {n_waiting:,} scenes not searched: `rts-track detect`"
    n_failed = sum(each["n_failed"] for each in scenes)
    if n_failed:
        yield f"to do     {n_failed:,} scenes failed: `rts-track detect --retry-failed`"
    if row["n_unlinked"]:
        yield f"to do     {row['n_unlinked']:,} footprints in no outline: `rts-track link`"
    if row["n_unmeasured"]:
        yield f"to do     {row['n_unmeasured']:,} tracks without growth: `rts-track measure`"


def _rows(reader: Reader, name: str) -> list[Row]:
    rows: list[Row] = reader.query(statement(name)).to_pylist()
    return rows
