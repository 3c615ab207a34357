"""An import told in lines, and its faults as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import RtsTrackError, UsageError
from rts_track.writing import appearing

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
    if report.n_read and not report.added + report.updated + report.unchanged:
        yield "nothing was taken in: no feature could be used"
    if report.superseded:
        yield f"{report.superseded:,} former footprints gave way to new outlines"
    for reason, count in sorted(report.left_out.items()):
        yield f"{count:,} features are no footprints: {reason}"
    if report.verdicts:
        yield f"{report.verdicts:,} verdicts on links, from the relations that rows state"
    yield from fault_lines(report)


def fault_lines(report: ImportReport) -> Iterator[str]:
    """What was repaired or skipped, counted, with id and reason; nothing where nothing was."""
    yield from _fault_lines("repaired", report.repaired)
    yield from _fault_lines("skipped", report.skipped)
    yield from _fault_lines("relations passed over", report.unrelated)


def check_faults_file(file: Path) -> None:
    """Raises UsageError where `write_faults` could not write: to be told before the import."""
    if not file.parent.is_dir():
        raise UsageError(f"{file}: no folder {file.parent} to write the faults to")
    if file.is_dir():
        raise UsageError(f"{file}: is a folder; name a file to write the faults to")


def write_faults(report: ImportReport, file: Path) -> None:
    """Every repaired and skipped feature as CSV: what was done, id, reason.

    Raises:
        RtsTrackError: the file cannot be written.
    """
    try:
        with appearing(file) as path, path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("done", "source_feature_id", "reason"))
            for done, faults in (
                ("repaired", report.repaired),
                ("skipped", report.skipped),
                ("relation passed over", report.unrelated),
            ):
                writer.writerows((done, fault.source_feature_id, fault.reason) for fault in faults)
    except OSError as error:
        raise RtsTrackError(
            f"{file}: the faults cannot be written ({error.strerror}); the import itself is stored"
        ) from error


def _fault_lines(done: str, faults: tuple[Fault, ...]) -> Iterator[str]:
    if not faults:
        return
    yield f"{len(faults):,} {done}:"
    for fault in faults[:LISTED_FAULTS]:
        yield f"  {fault.source_feature_id}: {fault.reason}"
    if len(faults) > LISTED_FAULTS:
        yield f"  ... and {len(faults) - LISTED_FAULTS:,} more; --faults FILE lists them all"
