"""`tune`: threshold, calibration and more of an ensemble, chosen on labelled scenes."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import UsageError
from rts_track.model.bundle import ensemble_of
from rts_track.model.curve import curve_bytes
from rts_track.model.reliability import JointHistogram, calibration_errors
from rts_track.progress import Progress, silent
from rts_track.steps.tuning_bundles import check_place, domain_of, smallest_m2, write_bundles
from rts_track.steps.tuning_choosing import HALF, Tuning, as_given
from rts_track.steps.tuning_objects import Finding
from rts_track.steps.tuning_report import Judgement, TuneReport
from rts_track.steps.tuning_request import TuneRequest
from rts_track.steps.tuning_scenes import Viewing
from rts_track.steps.tuning_scores import scored

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.source.scene import Scene
    from rts_track.steps.training_labels import Labels
    from rts_track.steps.tuning_scenes import Predicts

__all__ = ["TuneReport", "TuneRequest", "judge", "tune"]

_log = logging.getLogger(__name__)


def tune(
    ensemble: Ensemble,
    scenes: Sequence[Scene],
    labels: Labels,
    request: TuneRequest,
    progress: Progress = silent,
    *,
    predictor: Predicts | None = None,
) -> TuneReport:
    """What came of tuning the ensemble; new bundles are written to `request.out`, if there is one.

    The mean is predicted once a scene and waits on disk. A scene that cannot be used is told in
    the report, and the rest goes on.

    Args:
        ensemble: the bundles; they stay as they are.
        scenes: validation scenes; every slump in their clear parts is labelled.
        labels: the slumps.
        request: what to tune.
        progress: shown the scenes as they go by.
        predictor: the networks of `tunable(ensemble, request)`, where they are loaded already.

    Raises:
        UsageError: a request that cannot be, or bundles would be overwritten.
        InputError: no scene can be used, no slump is labelled in them, or other bundles are in the
            tuned ones' place.
    """
    request.check()
    working = tunable(ensemble, request)
    check_place(working, request)
    with tempfile.TemporaryDirectory(prefix="rts-track-") as folder:
        viewing = Viewing(
            ensemble=working,
            predictor=predictor or _predictor(working, request),
            labels=labels,
            auxiliary=request.auxiliary,
            regions=request.regions,
            min_area_m2=smallest_m2(ensemble, request),
            keeps_members=request.is_weighted,
            folder=Path(folder),
        )
        viewed, faults = viewing.view(scenes, progress)
        report = Tuning(ensemble, working, request, viewed, progress).report()
    folders = write_bundles(report.bundles, request.out)
    _log.info("tune: threshold %g by %s", report.choice.threshold, report.score_name)
    return replace(report, folders=folders, faults=tuple(faults))


def judge(
    ensemble: Ensemble,
    scenes: Sequence[Scene],
    labels: Labels,
    request: TuneRequest,
    progress: Progress = silent,
    *,
    predictor: Predicts | None = None,
) -> Judgement:
    """How the ensemble does on labelled scenes, as its bundles say, and at 0.5 without a curve.

    Of the request only auxiliary layers, regions, test-time augmentation, device and the smallest
    slump that is meant count. Raises as `tune` does.
    """
    request = replace(request, is_weighted=False)
    request.check()
    working = tunable(ensemble, request)
    smallest = smallest_m2(ensemble, request)
    with tempfile.TemporaryDirectory(prefix="rts-track-") as folder:
        viewing = Viewing(
            ensemble=working,
            predictor=predictor or _predictor(working, request),
            labels=labels,
            auxiliary=request.auxiliary,
            regions=request.regions,
            min_area_m2=smallest,
            keeps_members=False,
            folder=Path(folder),
        )
        viewed, faults = viewing.view(scenes, progress)
        finding = Finding(viewed, smallest)
        at_half = scored(viewed, finding, lambda _: HALF, smallest, None)
        chosen = as_given(ensemble, viewed, finding, smallest)
    table = curve_bytes(ensemble.curve)
    before = reduce(add, (each.histogram for each in viewed), JointHistogram())
    after, doubtful = before.through(table), before.doubtful()
    return Judgement(
        domain=domain_of(viewed),
        at_half=at_half,
        chosen=chosen,
        before=before,
        after=after,
        errors_before=calibration_errors(before, doubtful),
        errors_after=calibration_errors(after, doubtful.through(table)),
        faults=tuple(faults),
    )


def tunable(ensemble: Ensemble, request: TuneRequest) -> Ensemble:
    """The ensemble as it is predicted for tuning: its mean without a curve.

    With the test-time augmentation that is asked for, and equal weights where they are to be
    fitted. UsageError where one model alone is to be weighted or to disagree.
    """
    if len(ensemble.bundles) == 1 and (request.is_weighted or request.is_spread_tuned):
        raise UsageError("one model alone has no weight and no spread: give more, or tune neither")
    return ensemble_of(
        [
            replace(
                bundle,
                curve=(),
                tta=request.tta or ensemble.tta,
                weight=1.0 if request.is_weighted else bundle.weight,
            )
            for bundle in ensemble.bundles
        ]
    )


def _predictor(ensemble: Ensemble, request: TuneRequest) -> Predicts:
    from rts_track.model.predict import Predictor

    return Predictor(ensemble, device=request.device)
