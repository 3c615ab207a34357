"""An import told in lines, and its faults as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rts_track.source.inventory import Fault
    from rts_track.steps.importing import ImportReport

LISTED_FAULTS = 40
"""Faults of a sort that are told one by one; the rest are counted."""


def import_lines(report: ImportReport) -> Iterator[str]:
    """What came of an import, faults with id and reason."""
    yield (
        f"{', '.join(report.sources)}: {report.n_read:,} features read; {report.added:,} footprints"
        f" added, {report.updated:,} updated, {report.unchanged:,} already there;"
        f" {report.scenes.added:,} scenes and {report.looks.added:,} looks added"
    )
    if report.superseded:
        yield f"{report.superseded:,} former footprints gave way to new outlines"
    for reason, count in sorted(report.left_out.items()):
        yield f"{count:,} features are no footprints: {reason}"
    yield from _fault_lines("repaired", report.repaired)
    yield from _fault_lines("skipped", report.skipped)


def write_faults(report: ImportReport, file: Path) -> None:
    """Every repaired and skipped feature as CSV: what was done, id, reason."""
    beside = file.with_name(f".{file.name}.part")
    with beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("done", "source_feature_id", "reason"))
        for done, faults in (("repaired", report.repaired), ("skipped", report.skipped)):
            writer.writerows((done, fault.source_feature_id, fault.reason) for fault in faults)
    beside.replace(file)


def _fault_lines(done: str, faults: tuple[Fault, ...]) -> Iterator[str]:
    if not faults:
        return
    yield f"{len(faults):,} {done}:"
    for fault in faults[:LISTED_FAULTS]:
        yield f"  {fault.source_feature_id}: {fault.reason}"
    if len(faults) > LISTED_FAULTS:
        yield f"  ... and {len(faults) - LISTED_FAULTS:,} more; --faults FILE lists them all"
