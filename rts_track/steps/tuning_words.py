"""What came of tuning in words, as JSON, and as what a picture of it shows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import rts_track
from rts_track.model.reliability import N_BINS, equal_width
from rts_track.report.tuning import Marks, TuningPicture

if TYPE_CHECKING:
    from rts_track.model.pr_curve import PrCurve
    from rts_track.model.reliability import JointHistogram
    from rts_track.steps.tuning_fits import Calibrated, Weighted
    from rts_track.steps.tuning_report import GroupChoice, Scored, TuneReport
    from rts_track.steps.tuning_request import TuneRequest
    from rts_track.track.tally import Tally

SHOWN_DIGITS = 4
"""Shares are told to that many digits."""

_AREA_OFF = 0.05
"""Areas that are further off than this are worth a line: growth is told of areas."""

_ERROR_DIGITS = 6
"""Calibration errors are small: nearly all pixels are surely ground."""


def report_lines(report: TuneReport) -> Iterator[str]:
    """What came of it, in words; faults are told by `faults`."""
    domain = report.domain
    yield (
        f"{_counted(domain.n_scenes, 'scene')} of {_counted(domain.n_places, 'place')},"
        f" {domain.clear_km2:,.1f} km2 clear, {_counted(domain.n_slumps, 'labelled slump')}"
    )
    yield from _calibration_lines(report)
    yield from _weight_lines(report)
    yield from _choice_lines(report)
    yield from _group_lines(report)
    yield from _score_lines(report)


def report_json(report: TuneReport, tuned_on: dt.date | None) -> dict[str, Any]:
    """All of it as plain values; `tuned_on` is the day, if it is to be told."""
    return {
        "rts_track": rts_track.__version__,
        "tuned_on": tuned_on.isoformat() if tuned_on else None,
        "bundles": {bundle.name: bundle.sha256 for bundle in report.bundles},
        "domain": report.domain.json(),
        "score": report.score_name,
        "choice": {
            "threshold": report.choice.threshold,
            "min_area_m2": report.choice.min_area_m2,
            "max_spread": report.choice.max_spread,
        },
        "groups": [_group_json(group) for group in report.groups],
        "scores": {
            "at_half": report.at_half and report.at_half.json(),
            "given": report.given and report.given.json(),
            "chosen": report.chosen.json(),
            "left_out": report.left_out and tally_json(report.left_out),
        },
        "calibration": _calibration_json(report.calibrated),
        "weights": report.weighted and _weights_json(report, report.weighted),
        "curves": {"pixels": _curve_json(report.pixels), "objects": _curve_json(report.objects)},
        "faults": [fault.reason for fault in report.faults],
    }


def report_picture(report: TuneReport) -> TuningPicture:
    """What a picture of it shows."""
    made, criterion = report.calibrated, report.request.criterion
    is_pixels = report.request.score == "pixels"
    name = report.bundles[0].name
    more = f" and {len(report.bundles) - 1} more" if len(report.bundles) > 1 else ""
    return TuningPicture(
        title=f"{name}{more}: {report.domain.n_slumps:,} labelled slumps in"
        f" {report.domain.n_scenes:,} scenes of {_counted(report.domain.n_places, 'place')}",
        criterion=criterion,
        objects=report.objects,
        pixels=report.pixels,
        object_marks=Marks(
            half=report.at_half.objects[criterion] if report.at_half else None,
            chosen=report.chosen.objects[criterion],
            left_out=None if is_pixels else report.left_out,
        ),
        pixel_marks=Marks(
            half=report.at_half.pixels if report.at_half else None,
            chosen=report.chosen.pixels,
            left_out=report.left_out if is_pixels else None,
        ),
        threshold=report.choice.threshold,
        before=made.before,
        after=made.after if made.is_kept else None,
        doubtful_error=(made.errors_before["doubtful"], made.errors_after["doubtful"]),
        is_out_of_sample=made.n_folds > 1,
    )


def _calibration_lines(report: TuneReport) -> Iterator[str]:
    made = report.calibrated
    if made.method == "none":
        yield f"not calibrated: calibration error {made.errors_before['width']:.4f}"
        return
    if not made.is_kept:
        yield f"{made.method}: not kept, the log loss did not fall"
        return
    before, after = made.errors_before, made.errors_after
    which = "scenes" if report.are_scenes_places else "places"
    how = f"on {which} left out" if made.n_folds > 1 else "on what it was fitted on"
    yield (
        f"{made.method}: calibration error {before['width']:.4f} before,"
        f" {after['width']:.4f} after, {how}; where the mean was 0.02 or more"
        f" {_shown(told_error(before['doubtful']))} and {_shown(told_error(after['doubtful']))}"
    )


def _weight_lines(report: TuneReport) -> Iterator[str]:
    made = report.weighted
    if made is None:
        return
    losses = f"log loss {made.loss_equal:.5f} alike, {made.loss_weighted:.5f} weighted"
    if not made.is_kept:
        yield f"members count alike: weights do not earn their place ({losses})"
        return
    shown = ", ".join(f"{bundle.name} {bundle.weight:.2f}" for bundle in report.bundles)
    n_dropped = sum(weight == 0.0 for weight in made.weights)
    dropped = f"; {n_dropped} left out" if n_dropped else ""
    yield f"weights {shown}{dropped} ({losses})"


def _choice_lines(report: TuneReport) -> Iterator[str]:
    spread = report.choice.max_spread
    yield (
        f"threshold {report.choice.threshold:g}, least area {report.choice.min_area_m2:g} m2,"
        f" largest spread {'any' if spread is None else f'{spread:g}'}, by {report.score_name}"
    )


def _group_lines(report: TuneReport) -> Iterator[str]:
    if report.request.per and not report.groups:
        yield f"no scene lies in a {report.request.per}: one threshold for all"
    for group in report.groups:
        if group.threshold is None:
            yield (
                f"{group.name}: {group.n_slumps:,} labelled slumps, fewer than"
                f" {report.request.min_slumps}: the threshold of all"
            )
        else:
            yield (
                f"{group.name}: threshold {group.threshold:g}, F1 {_shown(group.f1)}; with the"
                f" threshold of all {_shown(group.f1_default)}"
            )


def _area_lines(ways: Mapping[str, Scored | None]) -> Iterator[str]:
    """How much is found beside what is labelled: a threshold that parts neighbours shrinks all."""
    ratios = {
        name: ratio
        for name, scored in ways.items()
        if scored is not None and (ratio := scored.area_ratio) is not None
    }
    yield f"area found beside labelled: {', '.join(f'{n} {r:.2f}' for n, r in ratios.items())}"
    chosen = ratios.get("chosen")
    if chosen is not None and abs(chosen - 1.0) > _AREA_OFF:
        yield (
            f"areas would come out {abs(chosen - 1.0):.0%} too {'small' if chosen < 1 else 'large'}"
            " with the choice, and growth with them: --score pixels keeps them"
        )


def _score_lines(report: TuneReport) -> Iterator[str]:
    ways = {
        "at 0.5 uncalibrated": report.at_half,
        "as given": report.given,
        "chosen": report.chosen,
    }
    told = [
        f"{name} {_shown(tally_of(report.request, scored).f1)}"
        for name, scored in ways.items()
        if scored is not None
    ]
    yield f"F1 of {report.score_name}: {', '.join(told)}"
    yield from _area_lines(ways)
    if report.left_out is None:
        yield "slumps are in one place alone: nothing is known of F1 elsewhere"
    else:
        which = "scene" if report.are_scenes_places else "place"
        yield (
            f"chosen without each {which}, and judged on it: F1 {_shown(report.left_out.f1)}"
            " (the honest figure)"
        )
        yield from _unjudged_lines(report)
        half = report.at_half and tally_of(report.request, report.at_half).f1
        if (half or 0.0) > (report.left_out.f1 or 0.0):
            yield (
                "0.5 uncalibrated did no worse than that: more labelled scenes are needed to"
                " choose well, or fewer choices"
            )
        if report.are_scenes_places:
            yield "all scenes are of one place: even that says little of others"


def _unjudged_lines(report: TuneReport) -> Iterator[str]:
    """What the F1 of what is left out does not judge, for it was not chosen anew."""
    if report.weighted is not None and report.weighted.is_kept:
        yield "that figure is with weights that were fitted on all places, and so a little too good"
    has_own = any(group.region and group.threshold is not None for group in report.groups)
    if has_own and not report.are_scenes_places:
        yield (
            "that figure is with the threshold of all: a region's own cannot be chosen without it,"
            " and its F1 is on what it was chosen on"
        )


def _weights_json(report: TuneReport, made: Weighted) -> dict[str, Any]:
    return {
        "weights": {bundle.name: bundle.weight for bundle in report.bundles},
        "is_kept": made.is_kept,
        "log_loss_equal": made.loss_equal,
        "log_loss_weighted_left_out": made.loss_weighted,
    }


def score_name(request: TuneRequest) -> str:
    """What is made best, in words."""
    return "pixels" if request.score == "pixels" else f"objects, {request.criterion}"


def tally_of(request: TuneRequest, scored: Scored) -> Tally:
    """The tally of what is made best."""
    return scored.pixels if request.score == "pixels" else scored.objects[request.criterion]


def tally_json(tally: Tally) -> dict[str, Any]:
    """Counts, precision, recall and F1."""
    return {
        "n_true": tally.n_true,
        "n_found": tally.n_found,
        "n_right": tally.n_right,
        "precision": rounded(tally.precision),
        "recall": rounded(tally.recall),
        "f1": rounded(tally.f1),
    }


def told_error(error: float) -> float | None:
    """A calibration error as it is told; None where there was no pixel to tell it of."""
    return None if math.isnan(error) else round(error, _ERROR_DIGITS)


def rounded(value: float | None) -> float | None:
    """The value as it is told."""
    return None if value is None else round(value, SHOWN_DIGITS)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _group_json(group: GroupChoice) -> dict[str, Any]:
    return {
        "sensor": group.sensor,
        "region": group.region,
        "n_slumps": group.n_slumps,
        "threshold": group.threshold,
        "f1": rounded(group.f1),
        "f1_default": rounded(group.f1_default),
    }


def _calibration_json(made: Calibrated) -> dict[str, Any]:
    def told(histogram: JointHistogram, errors: Mapping[str, float]) -> dict[str, Any]:
        diagram = equal_width(histogram)
        return {
            "ece": {name: told_error(error) for name, error in errors.items()},
            "log_loss": histogram.log_loss(),
            "n": diagram.n.tolist(),
            "said": diagram.said.tolist(),
            "observed": diagram.observed.tolist(),
        }

    return {
        "method": made.method,
        "is_kept": made.is_kept,
        "is_out_of_sample": made.n_folds > 1,
        "curve": [list(knot) for knot in made.curve],
        "n_bins": N_BINS,
        "before": told(made.before, made.errors_before),
        "after": told(made.after, made.errors_after),
    }


def _curve_json(curve: PrCurve) -> dict[str, Any]:
    return {
        "threshold": curve.threshold.tolist(),
        "n_true": curve.n_true.tolist(),
        "n_found": curve.n_found.tolist(),
        "n_right": curve.n_right.tolist(),
    }
