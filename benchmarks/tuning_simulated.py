"""Thresholds, calibration, weights and augmentation, chosen on some landscapes, judged on others.

    python benchmarks/tuning_simulated.py --models rts_track/bundles/demo-sentinel2 --out FILE

Each way is tuned on the landscapes of `TUNING_SEEDS` and judged on those of `TUNING_TEST_SEEDS`,
of which neither training nor tuning has seen any: F1 of objects and pixels at 0.5 and as tuned,
expected calibration error before and after, and what it costs. What costs more must earn it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from detection_settings import TUNING_SEEDS, TUNING_TEST_SEEDS, landscape_params

import rts_track
from rts_track.domain import digest
from rts_track.model.bundle import Calibration, Ensemble, ensemble_of, read_ensemble
from rts_track.simulate.landscape.files import LandscapeFiles, write_landscape
from rts_track.simulate.landscape.landscape import simulate_landscape
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import find_scenes
from rts_track.steps.training_labels import LabelFields, Labels, labels_in
from rts_track.steps.tuning import TuneRequest, judge, tune
from rts_track.steps.tuning_report import Judgement

PLACE = 16
"""The first place that neither training nor the test of detection uses."""
N_SEASONS = 3
CRITERION = "IoU 0.3"

WAYS: dict[str, dict[str, object]] = {
    "threshold": {"calibration": "none"},
    "and temperature": {},
    "and isotonic": {"calibration": "isotonic"},
    "temperature, area, spread": {"is_area_tuned": True, "is_spread_tuned": True},
    "temperature, weights": {"is_weighted": True},
    "temperature, flips": {"tta": "flips"},
    "temperature, d4": {"tta": "d4"},
    "isotonic, threshold for IoU 0.5": {"calibration": "isotonic", "criterion": "IoU 0.5"},
    "isotonic, threshold for pixels": {"calibration": "isotonic", "score": "pixels"},
    "isotonic, for pixels, d4": {"calibration": "isotonic", "score": "pixels", "tta": "d4"},
}
"""How each way is tuned, beside what all have in common."""
UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True)
class Region:
    """A landscape's scenes and labels."""

    seed: int
    scenes: list
    labels: Labels


@dataclass(frozen=True)
class Outcome:
    """What a way came to: on what it was tuned on, and on each landscape that it had not seen."""

    threshold: float
    ensemble: Ensemble
    judgements: list[Judgement]
    seconds: float


def main() -> None:
    options = _options()
    ensemble = read_ensemble([options.models])
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        tuning = [_region(work, options.sensor, seed, n) for n, seed in enumerate(TUNING_SEEDS)]
        unseen = [
            _region(work, options.sensor, seed, len(tuning) + n)
            for n, seed in enumerate(TUNING_TEST_SEEDS)
        ]
        auxiliary = Auxiliary(dem=work / "dem", trend=work / "trend", cache=work / "cache")
        auxiliary = auxiliary.only(ensemble.layers)
        outcomes = {"as given": _judged(ensemble, unseen, TuneRequest(auxiliary=auxiliary))}
        scenes = [scene for region in tuning for scene in region.scenes]
        for name, how in WAYS.items():
            request = TuneRequest(auxiliary=auxiliary, **{"criterion": CRITERION, **how})
            report = tune(ensemble, scenes, _together(tuning), request)
            print(name, *report.lines(), sep="\n    ", flush=True)
            outcomes[name] = _judged(ensemble_of(report.bundles), unseen, request)
        bare = ensemble_of([replace(each, calibration=Calibration()) for each in ensemble.bundles])
        outcomes[UNCALIBRATED] = _judged(bare, unseen, TuneRequest(auxiliary=auxiliary))
        for method in ("temperature", "isotonic"):
            request = TuneRequest(auxiliary=auxiliary, score="pixels", calibration=method)
            report = tune(bare, scenes, _together(tuning), request)
            print(method, *report.lines(), sep="\n    ", flush=True)
            outcomes[f"uncalibrated, then {method}, for pixels"] = _judged(
                ensemble_of(report.bundles), unseen, request
            )
    lines = list(_page(options, ensemble, tuning, outcomes))
    print(*lines, sep="\n")
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _judged(ensemble: Ensemble, unseen: Sequence[Region], request: TuneRequest) -> Outcome:
    asked = TuneRequest(auxiliary=request.auxiliary, tta=ensemble.tta)
    started = time.process_time()
    judgements = [judge(ensemble, each.scenes, each.labels, asked) for each in unseen]
    return Outcome(
        threshold=ensemble.threshold,
        ensemble=ensemble,
        judgements=judgements,
        seconds=time.process_time() - started,
    )


def _region(work: Path, sensor: str, seed: int, number: int) -> Region:
    folder = work / "landscapes" / f"{sensor}-{seed}"
    if not (folder / "landscape.json").is_file():
        params = landscape_params(PLACE + number, (sensor,), N_SEASONS)
        files: LandscapeFiles = write_landscape(simulate_landscape(seed, params), folder)
        for kind, paths in (("dem", files.dem.iterdir()), ("trend", [files.trend])):
            for path in paths:
                gathered = work / kind / f"{seed}-{path.name}"
                gathered.parent.mkdir(exist_ok=True)
                shutil.copy2(path, gathered)
    scenes, faults = find_scenes([folder / "scenes"])
    if faults:
        raise SystemExit(faults[0].reason)
    labels = labels_in(folder / "truth" / "truth_label.parquet", LabelFields(scene="scene_id"))
    return Region(seed=seed, scenes=scenes, labels=labels)


def _together(regions: Sequence[Region]) -> Labels:
    labels = [region.labels for region in regions]
    return Labels(
        polygons=np.concatenate([each.polygons for each in labels]),
        scenes=np.concatenate([each.scenes for each in labels]),
        seasons=np.concatenate([each.seasons for each in labels]),
        n_skipped=0,
        inputs_sha256=digest(*(each.inputs_sha256 for each in labels)),
    )


def _page(
    options: argparse.Namespace,
    ensemble: Ensemble,
    tuning: Sequence[Region],
    outcomes: dict[str, Outcome],
) -> Iterator[str]:
    given = outcomes["as given"]
    yield f"# Tuning on simulated landscapes: {options.sensor}"
    yield ""
    yield (
        f"`python benchmarks/tuning_simulated.py --sensor {options.sensor} --models"
        f" {options.models.name}`, {dt.date.today()}, rts-track {rts_track.__version__}, torch"  # noqa: DTZ011
        f" {torch.__version__}, {platform.machine()}, {torch.get_num_threads()} threads."
        f" {len(ensemble.bundles)} members. Tuned on {sum(len(r.scenes) for r in tuning)} scenes of"
        f" {len(tuning)} landscapes for F1 of objects at {CRITERION}; judged on"
        f" {sum(each.domain.n_scenes for each in given.judgements)} scenes of"
        f" {len(given.judgements)} other landscapes ({_sum(given, 'n_slumps'):,.0f} labelled"
        f" slumps, {_sum(given, 'clear_km2'):.0f} km2 clear); mean ± standard deviation over them."
    )
    yield ""
    yield (
        "| | threshold | F1, IoU 0.3 | F1, IoU 0.5 | F1, overlap | F1 of pixels | area found |"
        " calibration error | where >= 0.02 | s CPU |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    half = [each.at_half for each in given.judgements]
    yield _row("at 0.5, no curve", "0.5", half, given, is_before=True)
    for name, outcome in outcomes.items():
        chosen = [each.chosen for each in outcome.judgements]
        yield _row(name, f"{outcome.threshold:.3g}", chosen, outcome)
    yield ""
    yield (
        "A row's calibration error (15 bins of one width) is that of its probabilities over all"
        " clear pixels, and over those whose mean was 0.02 or more before the curve. Area found is"
        " beside what is labelled. Seconds are of the processor, for judging. *Uncalibrated*: the"
        " members without the calibration that training gave them."
    )
    weights = outcomes["temperature, weights"].ensemble.weights
    yield ""
    yield f"Weights: {', '.join(f'{each:.2f}' for each in weights)}."


def _row(
    name: str, threshold: str, scored: Sequence, outcome: Outcome, *, is_before: bool = False
) -> str:
    errors = [each.errors_before if is_before else each.errors_after for each in outcome.judgements]
    cells = [
        *(
            _mean([each.objects[criterion].f1 for each in scored])
            for criterion in ("IoU 0.3", "IoU 0.5", "overlap")
        ),
        _mean([each.pixels.f1 for each in scored]),
        _mean([each.area_ratio for each in scored]),
        _mean([each["width"] for each in errors], 4),
        _mean([each["doubtful"] for each in errors]),
    ]
    return f"| {name} | {threshold} | {' | '.join(cells)} | {outcome.seconds:.0f} |"


def _sum(outcome: Outcome, what: str) -> float:
    return sum(getattr(each.domain, what) for each in outcome.judgements)


def _mean(values: Sequence[float | None], digits: int = 3) -> str:
    known = np.array([value for value in values if value is not None], dtype=float)
    return f"{known.mean():.{digits}f} ± {known.std():.{digits}f}" if len(known) else "–"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--sensor", choices=["sentinel2", "planetscope"], default="sentinel2")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
