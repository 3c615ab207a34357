"""Tuned bundles: what is put into them, and where they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

import rts_track
from rts_track import grid
from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import MANIFEST, ensemble_of, read_bundle, write_bundle
from rts_track.steps.tuning_report import Domain
from rts_track.steps.tuning_scenes import n_places
from rts_track.steps.tuning_words import rounded, tally_of, told_error
from rts_track.track.score_objects import OVERLAP

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.model.manifest import Bundle
    from rts_track.steps.tuning_report import TuneReport
    from rts_track.steps.tuning_request import TuneRequest
    from rts_track.steps.tuning_scenes import Viewed

_WEIGHT_DIGITS = 4
_HALF_TURN_DEG, _TURN_DEG = 180.0, 360.0


def domain_of(viewed: Sequence[Viewed]) -> Domain:
    """What the scenes are."""
    scenes = [each.scene for each in viewed]
    gsd_m = [round(scene.grid.gsd_m, 3) for scene in scenes]
    return Domain(
        sensors=tuple(sorted({scene.sensor for scene in scenes})),
        gsd_m=(min(gsd_m), max(gsd_m)),
        bounds=lonlat_bounds([scene.grid.extent() for scene in scenes]),
        regions=tuple(sorted({each.region for each in viewed if each.region})),
        seasons=tuple(sorted({scene.observed_from.year for scene in scenes})),
        observed=(
            min(scene.observed_from for scene in scenes),
            max(scene.observed_to for scene in scenes),
        ),
        n_scenes=len(scenes),
        n_places=n_places(viewed),
        clear_km2=sum(each.clear_m2 for each in viewed) / 1e6,
        n_slumps=sum(each.n_slumps for each in viewed),
    )


def lonlat_bounds(extents: Sequence[shapely.Geometry]) -> tuple[float, float, float, float]:
    """West, south, east and north of EPSG:6931 areas; west exceeds east about the antimeridian."""
    lonlat = grid.to_lonlat(np.array(extents, dtype=object))
    west, south, east, north = shapely.bounds(shapely.get_parts(lonlat)).T
    if east.max() - west.min() > _HALF_TURN_DEG:
        turned_west = np.where(west < 0.0, west + _TURN_DEG, west)
        turned_east = np.where(west < 0.0, east + _TURN_DEG, east)
        if turned_east.max() - turned_west.min() < east.max() - west.min():
            west, east = turned_west, turned_east
    ends = [float(west.min()), float(east.max())]
    first, last = (end - _TURN_DEG if end > _HALF_TURN_DEG else end for end in ends)
    return first, float(south.min()), last, float(north.max())


def tuned_bundles(ensemble: Ensemble, report: TuneReport) -> tuple[Bundle, ...]:
    """The ensemble's bundles with what was chosen, by name; those of weight 0 are left out.

    `ensemble` is the one that was tuned: its test-time augmentation is theirs.
    """
    weighted = report.weighted
    weights = weighted.weights if weighted and weighted.is_kept else None
    given = weights or [bundle.weight for bundle in ensemble.bundles]
    kept = [
        (bundle, float(weight))
        for bundle, weight in zip(ensemble.bundles, given, strict=True)
        if weight > 0.0
    ]
    kept.sort(key=lambda each: each[0].name)
    names = _names([bundle.name for bundle, _ in kept], report.request.name)
    bundles = tuple(
        replace(
            bundle,
            name=name,
            threshold=report.choice.threshold,
            min_area_m2=report.choice.min_area_m2,
            max_spread=report.choice.max_spread,
            recall=report.chosen.objects[OVERLAP].recall,
            weight=round(weight, _WEIGHT_DIGITS) if weights else weight,
            curve=report.calibrated.curve,
            thresholds=report.thresholds,
            validation=_validation(ensemble, report),
        )
        for name, (bundle, weight) in zip(names, kept, strict=True)
    )
    ensemble_of(bundles)
    return bundles


def check_place(ensemble: Ensemble, request: TuneRequest) -> None:
    """UsageError where tuned bundles would take the place of those they are made of, or mix."""
    if request.out is None:
        return
    before = sorted(bundle.name for bundle in ensemble.bundles)
    names = set(_names(before, request.name))
    for bundle in ensemble.bundles:
        folder = bundle.weights.parent if isinstance(bundle.weights, Path) else None
        if folder and any((request.out / name).resolve() == folder.resolve() for name in names):
            raise UsageError(
                f"{folder}: is one of the bundles to tune; choose another --out, or a --name"
            )
    others = {manifest.parent.name for manifest in request.out.glob(f"*/{MANIFEST}")} - names
    if others:
        raise UsageError(
            f"{request.out}: holds other bundles, such as {min(others)}; name another folder"
        )


def write_bundles(bundles: Sequence[Bundle], out: Path | None) -> tuple[Path, ...]:
    """The folders that they were written to, or lay in already, the same; empty without `out`.

    InputError where other bundles are there; then none is written.
    """
    if out is None:
        return ()
    names = {bundle.name: bundle.sha256 for bundle in bundles}
    for manifest in sorted(out.glob(f"*/{MANIFEST}")):
        folder = manifest.parent
        if not folder.name.startswith(".") and names.get(folder.name) != read_bundle(folder).sha256:
            raise InputError(
                f"{folder}: another bundle is there; choose another --out, or a --name"
            )
    return tuple(write_bundle(bundle, out) for bundle in bundles)


def _names(names: Sequence[str], name: str | None) -> list[str]:
    if name is None:
        return list(names)
    return [name] if len(names) == 1 else [f"{name}-{at + 1}" for at in range(len(names))]


def _validation(ensemble: Ensemble, report: TuneReport) -> dict[str, Any]:
    request, made = report.request, report.calibrated
    objects = report.chosen.objects[request.criterion]
    before, after = made.errors_before, made.errors_after
    return {
        **report.domain.json(),
        "score": report.score_name,
        "f1": rounded(tally_of(request, report.chosen).f1),
        "f1_left_out": rounded(report.left_out.f1) if report.left_out else None,
        "f1_at_half": rounded(tally_of(request, report.at_half).f1) if report.at_half else None,
        "object_criterion": request.criterion,
        "object_precision": rounded(objects.precision),
        "object_recall": rounded(objects.recall),
        "pixel_f1": rounded(report.chosen.pixels.f1),
        "calibration": made.method if made.is_kept else "none",
        "ece": told_error(before["width"]),
        "ece_calibrated": told_error(after["width"]),
        "ece_doubtful": told_error(before["doubtful"]),
        "ece_doubtful_calibrated": told_error(after["doubtful"]),
        "is_ece_out_of_sample": made.n_folds > 1,
        "smallest_slump_m2": smallest_m2(ensemble, request),
        "tta": ensemble.tta,
        "rts_track": rts_track.__version__,
    }


def smallest_m2(ensemble: Ensemble, request: TuneRequest) -> float:
    """Area of the smallest slump that is meant."""
    return ensemble.min_area_m2 if request.min_area_m2 is None else request.min_area_m2
