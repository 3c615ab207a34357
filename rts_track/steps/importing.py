"""`import`: files of polygons become footprints, with their scenes and looks, or nothing does."""

from __future__ import annotations

import datetime as dt
import errno
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa

from rts_track.errors import InputError, UsageError
from rts_track.progress import Progress, silent
from rts_track.source.fields import asked_fields
from rts_track.source.files import files_digest, find_files
from rts_track.source.footprints import FootprintReading, LookedAt
from rts_track.source.inventory import Fault, Inventory
from rts_track.source.looks import image_looks, stated_area
from rts_track.source.readers import reader_for
from rts_track.source.request import ImportRequest
from rts_track.source.rows import footprint_schema
from rts_track.source.vector import open_vector
from rts_track.steps.arts_relations import take_in_relations
from rts_track.steps.deciding import VerdictReport
from rts_track.steps.import_rows import settled_facts, source_row
from rts_track.steps.import_writing import Draft, Writing
from rts_track.steps.runs import record_run, run_id_of
from rts_track.store.base import Written

if TYPE_CHECKING:
    from rts_track.source.vector import VectorFile
    from rts_track.store.base import Store

__all__ = ["Fault", "ImportReport", "ImportRequest", "import_footprints"]

STEP = "import"
_SHOWN_FAULTS = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    Attributes:
        run_id: the run under which it is recorded.
        sources: the sources whose footprints or looks came.
        files: the files that were read.
        n_read: features in them.
        added: footprints that were new.
        updated: footprints that were there and changed otherwise than in outline, season or look.
        unchanged: footprints that were there just so.
        superseded: footprints that give way, as their features came with another outline.
        repaired: features with a fault that could be mended, and how; they are in.
        skipped: features that could not be used, and why.
        left_out: how many features are no footprints, by what their source says of them.
        scenes: scenes added and updated.
        looks: looks added and updated.
        verdicts: verdicts on links that the rows' relations made.
        unrelated: relations that could not be made verdicts of, and why.
    """

    run_id: str
    sources: tuple[str, ...]
    files: tuple[str, ...]
    n_read: int
    added: int
    updated: int
    unchanged: int
    superseded: int
    repaired: tuple[Fault, ...]
    skipped: tuple[Fault, ...]
    left_out: dict[str, int]
    scenes: Written
    looks: Written
    verdicts: int = 0
    unrelated: tuple[Fault, ...] = ()


def import_footprints(
    store: Store,
    paths: Sequence[str | Path],
    request: ImportRequest,
    *,
    progress: Progress = silent,
) -> ImportReport:
    """What came of importing the files at `paths`: all that can be used, in one transaction.

    The same import again adds nothing. Files are read in batches, so that a million footprints
    never are in memory at a time; cleaned ones wait in a temporary folder.

    Args:
        store: an initialised store.
        paths: files, or folders that stand for all files of polygons below them.
        request: how to read them.
        progress: shown the batches as they go by.

    Raises:
        UsageError: the request does not fit the files or the store; nothing was stored.
        InputError: a file cannot be read, or `is_strict` and a feature has a fault; nothing was
            stored.
        StoreError: the store cannot be written; it is as it was before.
    """
    started_at = dt.datetime.now(dt.UTC)
    request.check()
    files = _open(paths, request)
    stored = {row["source"]: row for row in store.read("source").to_pylist()}
    inventories = [
        _settled(inventory, stored.get(inventory.facts.source), request)
        for inventory in reader_for(request).inventories(files, request)
    ]
    looked_at, stated = _looked_at(request)
    inventories = [_with_image_looks(inventory, stated, request) for inventory in inventories]
    inputs_sha256 = files_digest([file.path for file in (*files, *stated)])
    with _spool_folder() as folder:
        identities: dict[bytes, str] = {}
        drafts = [
            _read(inventory, looked_at, identities, folder / f"{number}.arrow", progress)
            for number, inventory in enumerate(inventories)
        ]
        if request.is_strict:
            _refuse_faults(drafts)
        params = {**request.params, "files": [file.path.name for file in files]}
        run_id = run_id_of(STEP, params, inputs_sha256)
        with store.transaction():
            writings = [
                Writing(
                    store=store,
                    draft=draft,
                    is_known=draft.inventory.facts.source in stored,
                    run_id=run_id,
                    identities=identities,
                ).write(looked_at, progress)
                for draft in drafts
            ]
            relations = VerdictReport(added=0, unchanged=0)
            if reader_for(request).has_relations:
                sources = [draft.inventory.facts.source for draft in drafts]
                relations = take_in_relations(store, sources)
            record_run(store, STEP, params, inputs_sha256, started_at=started_at)
    report = _report(run_id, files, drafts, writings, relations)
    _log.info(
        "import %s: %d added, %d updated, %d unchanged, %d skipped",
        run_id,
        report.added,
        report.updated,
        report.unchanged,
        len(report.skipped),
    )
    return report


def _open(paths: Sequence[str | Path], request: ImportRequest) -> list[VectorFile]:
    reader = reader_for(request)
    files = [open_vector(path, request.layer) for path in find_files(paths)]
    if not files:
        raise UsageError("no file to import")
    return reader.chosen(files) if all(Path(path).is_dir() for path in paths) else files


def _settled(
    inventory: Inventory, stored: dict[str, object] | None, request: ImportRequest
) -> Inventory:
    """The inventory with all that is known of its source, refused early where it is too little."""
    settled = replace(inventory, facts=settled_facts(inventory.facts, stored, request))
    if not settled.has_gsd:
        source_row(settled.facts, None)
    return settled


def _looked_at(request: ImportRequest) -> tuple[LookedAt, list[VectorFile]]:
    """What the user says was looked at, and the file that says it, if any."""
    if request.looked_at in ("none", "hull"):
        return LookedAt(is_hull=request.looked_at == "hull"), []
    file = open_vector(Path(request.looked_at))
    if request.scene_field in file.fields:
        return LookedAt(), [file]
    area = stated_area(file, request.season_field, request.date_field)
    return LookedAt(stated=area), [file]


def _with_image_looks(
    inventory: Inventory, stated: list[VectorFile], request: ImportRequest
) -> Inventory:
    """The inventory with the looks at its images, where the user has a file of their footprints.

    A file that names the images knows what was looked at; any other merely states it.
    """
    looks = [
        look
        for file in stated
        if request.scene_field in file.fields
        for look in image_looks(file, inventory.facts.source, asked_fields(request))
    ]
    return replace(inventory, looks=(*inventory.looks, *looks)) if looks else inventory


@contextmanager
def _spool_folder() -> Iterator[Path]:
    """A temporary folder; InputError once it has no space left."""
    with TemporaryDirectory(prefix="rts-track-") as folder:
        try:
            yield Path(folder)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise InputError(
                f"no space left for temporary files in {Path(folder).parent}: free some, or"
                " let TMPDIR name a folder with more"
            ) from error


def _read(
    inventory: Inventory,
    looked_at: LookedAt,
    identities: dict[bytes, str],
    spool: Path,
    progress: Progress,
) -> Draft:
    """Read the inventory's files, its footprints into the spool."""
    reading = FootprintReading(inventory, looked_at, identities)
    stems: list[str] = []
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(spool), "wb") as sink,
        pa.ipc.new_file(sink, footprint_schema(), options=options) as writer,
    ):
        for file in inventory.files:
            label = f"reading {file.path.name}"
            for batch in progress(reading.footprints(file), label=label, total=file.n_batches):
                if batch.num_rows:
                    writer.write_batch(batch)
                    stems.append(file.stem)
    facts = inventory.facts
    _log.info("source %s: %d features read", facts.source, reading.n_read)
    return Draft(inventory=inventory, reading=reading, spool=spool, stems=tuple(stems))


def _refuse_faults(drafts: list[Draft]) -> None:
    """InputError for the first faults, if there is any."""
    faults = [
        fault for draft in drafts for fault in (*draft.reading.skipped, *draft.reading.repaired)
    ]
    if faults:
        shown = "; ".join(f"{fault[0]}: {fault[1]}" for fault in faults[:_SHOWN_FAULTS])
        more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise InputError(f"{len(faults)} features with faults, nothing stored: {shown}{more}")


def _report(
    run_id: str,
    files: list[VectorFile],
    drafts: list[Draft],
    writings: list[Writing],
    relations: VerdictReport,
) -> ImportReport:
    footprints, scenes, looks = Written(), Written(), Written()
    left_out: Counter[str] = Counter()
    for draft, writing in zip(drafts, writings, strict=True):
        footprints += writing.footprints
        scenes += writing.scenes
        looks += writing.looks
        left_out += draft.reading.left_out
    n_footprints = sum(writing.n_footprints for writing in writings)
    return ImportReport(
        run_id=run_id,
        sources=tuple(draft.inventory.facts.source for draft in drafts),
        files=tuple(str(file.path) for file in files),
        n_read=sum(draft.reading.n_read for draft in drafts),
        added=footprints.added,
        updated=footprints.updated,
        unchanged=n_footprints - footprints.added - footprints.updated,
        superseded=sum(writing.n_superseded for writing in writings),
        repaired=tuple(fault for draft in drafts for fault in draft.reading.repaired),
        skipped=tuple(fault for draft in drafts for fault in draft.reading.skipped),
        left_out=dict(left_out),
        scenes=scenes,
        looks=looks,
        verdicts=relations.added,
        unrelated=relations.faults,
    )
