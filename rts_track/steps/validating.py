"""`validate`: how good what was found is, beside what people drew."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from rts_track.errors import InputError, UsageError
from rts_track.steps.recall import SEARCHES, STEP, current_searches
from rts_track.steps.runs import record_run
from rts_track.steps.validating_report import ValidationReport
from rts_track.steps.validating_samples import (
    Samples,
    ValidateRequest,
    read_regions,
    read_samples,
)
from rts_track.track.score_objects import OVERLAP
from rts_track.track.score_validation import Region, Sample, ValidationParams, compare
from rts_track.track.score_validation_estimates import score_annotators, score_compared

if TYPE_CHECKING:
    from rts_track.store.base import Reader, Store

__all__ = ["Samples", "ValidateRequest", "validate", "validate_stored", "write_recall"]

LEAST_BLOCK_M = 100.0
"""Smaller blocks would cut through single slumps."""

MOST_REPLICATES = 100_000
"""More would make no interval better."""

LEAST_TRUE = 20
"""With fewer true objects a recall is too uncertain to be kept: 1 sigma of it reaches 0.11."""


def validate(
    samples: Iterable[Sample],
    params: ValidationParams | None = None,
    regions: Sequence[Region] = (),
    *,
    name: str = "found",
) -> ValidationReport:
    """How good what searches found is, beside what annotators drew; no store is needed.

    Args:
        samples: the searches, each with what every annotator drew there.
        params: criteria, blocks, how often ground is resampled and with which seed.
        regions: for scores by region; of those that overlap the first has the ground.
        name: what was found is called so.

    Raises:
        ValueError: there is no sample, or samples name different annotators.
    """
    params = params or ValidationParams()
    compared = compare(samples, params, regions)
    return ValidationReport(
        name=name,
        scores=tuple(score_compared(compared, params, regions)),
        annotators=score_annotators(compared, params),
        compared=compared,
        params=params,
    )


def validate_stored(
    store: Reader | None, request: ValidateRequest, params: ValidationParams | None = None
) -> ValidationReport:
    """How good what a source of the store, or a file, holds is; see `read_samples` for both.

    Raises:
        InputError: a file or the store does not hold what it should, or nothing is left.
        UsageError: a source, field or set does not exist, or what is asked contradicts itself.
    """
    _check(params or ValidationParams(), request)
    read = read_samples(store, request)
    regions = []
    if request.region_set is not None:
        if store is None:
            raise UsageError("regions lie in a store; give --store")
        regions = read_regions(store, request.region_set)
    report = validate(read.samples, params, regions, name=read.name)
    return replace(
        report,
        n_left_out=read.n_left_out,
        is_truth_everywhere=_is_everywhere(request) and report.compared.n_samples > 1,
        n_skipped=read.n_skipped,
        inputs_sha256=read.inputs_sha256,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallWritten:
    """The recall of a source, before and after; None: it was not known."""

    source: str
    before: float | None
    after: float
    n_true: int

    def line(self) -> str:
        """What a person wants to know."""
        of = f"{self.n_true:,} true objects"
        if self.before == self.after:
            return f"recall of {self.source}: {self.after:.3f} of {of}, as before"
        before = "unknown" if self.before is None else f"{self.before:.3f}"
        return (
            f"recall of {self.source}: {self.after:.3f} of {of}, was {before}; run `rts-track link`"
            " so that states and events take it in"
        )


def write_recall(store: Store, report: ValidationReport, request: ValidateRequest) -> RecallWritten:
    """Make the report's recall of objects by overlap that of the source; what it was before.

    In one transaction, with a run of the step `validate`; the same recall again writes nothing. It
    stays the source's while the same ensemble searches on in the same way.

    Raises:
        UsageError: the report is of a file, not of a source.
        InputError: it rests on fewer than LEAST_TRUE true objects.
    """
    import pyarrow as pa

    if request.found is not None:
        raise UsageError("--write-recall is for a source of the store, not for a file (--from)")
    tally = report.main.tallies[OVERLAP]
    recall = tally.recall
    if recall is None or tally.n_true < LEAST_TRUE:
        raise InputError(
            f"{report.name}: recall not written: {tally.n_true:,} true objects are too few,"
            f" {LEAST_TRUE} are needed"
        )
    started_at = dt.datetime.now(dt.UTC)
    with store.transaction():
        (row,) = store.read("source", ["recall"], {"source": report.name}).to_pylist()
        written = RecallWritten(
            source=report.name, before=row["recall"], after=recall, n_true=tally.n_true
        )
        if row["recall"] != recall:
            store.update("source", pa.table({"source": [report.name], "recall": [recall]}))
            searches = current_searches(store, report.name)
            params = _run_params(report, request) | {SEARCHES: list(searches.how)}
            record_run(
                store,
                STEP,
                params,
                report.inputs_sha256,
                started_at=started_at,
                bundle_sha256=searches.ensemble_sha256,
            )
    return written


def _run_params(report: ValidationReport, request: ValidateRequest) -> dict[str, object]:
    """What the recall came from, without the paths of anybody's disk."""
    tally = report.main.tallies[OVERLAP]
    return {
        "source": report.name,
        "truths": list(report.compared.annotators),
        "season_year": request.season_year,
        "scene_ids": sorted(request.scene_ids),
        "area": request.area.name if request.area else None,
        "min_area_m2": request.min_area_m2,
        "fields": asdict(request.fields),
        "params": asdict(report.params),
        "n_true": tally.n_true,
        "recall": tally.recall,
    }


def _is_everywhere(request: ValidateRequest) -> bool:
    """Whether truth of files says to no scene and season that it belongs."""
    fields = request.fields
    return bool(request.truths) and not (fields.scene or fields.season or fields.date)


def _check(params: ValidationParams, request: ValidateRequest) -> None:
    """UsageError where a number makes no sense."""
    for iou in params.ious:
        if not 0.0 < iou <= 1.0:
            raise UsageError(f"--iou {iou:g}: an IoU lies above 0 and is 1 at most")
    if not params.ious or len(set(params.criteria)) <= len(set(params.ious)):
        raise UsageError("--iou: give at least one, such as 0.3,0.5")
    if not LEAST_BLOCK_M <= params.block_m < math.inf:
        raise UsageError(f"--block-m {params.block_m:g}: {LEAST_BLOCK_M:g} metres or more")
    if not 0 <= params.n_replicates <= MOST_REPLICATES:
        raise UsageError(
            f"--bootstrap {params.n_replicates}: 0 (no intervals) to {MOST_REPLICATES:,}"
        )
    if params.seed < 0:
        raise UsageError(f"--seed {params.seed}: 0 or more")
    if not params.min_part_m2 >= 0.0:
        raise UsageError(f"--min-part {params.min_part_m2:g}: 0 m2 or more")
    if request.min_area_m2 is not None and not request.min_area_m2 >= 0.0:
        raise UsageError(f"--min-area {request.min_area_m2:g}: 0 m2 or more")
