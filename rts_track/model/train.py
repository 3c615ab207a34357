"""An ensemble trained from windows: bundles come out, with what is known of their making."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from scipy import special

import rts_track
from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import ensemble_of, read_bundle, write_bundle
from rts_track.model.calibrate import Judged, best_threshold, fit_calibration, object_recall
from rts_track.model.epochs import validation_loader
from rts_track.model.learner import EpochScore, Learned, Learner, learn
from rts_track.model.manifest import Bundle, Calibration, Input
from rts_track.model.network import Member, build_network, torch_device, weights_bytes
from rts_track.model.params import TrainParams
from rts_track.model.ranges import inputs_of
from rts_track.model.training_windows import Split, TrainingWindows, folds, split

OnEpoch = Callable[[str, EpochScore], None]
"""Told of each epoch, by the name of the member that learns."""

_PIXELS_OF_A_SLUMP = 10
"""The fewest pixels that make a slump, unless the smallest area is told."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One member's training: which windows it learns from, how scaled, and where it writes."""

    name: str
    seed: int
    start: Bundle | None
    inputs: tuple[Input, ...]
    fill: float
    fold: int
    parts: Split
    folder: Path | None


def train_ensemble(
    windows: TrainingWindows,
    params: TrainParams,
    *,
    folder: Path | None = None,
    on_epoch: OnEpoch = lambda _name, _score: None,
) -> list[Bundle]:
    """The members of an ensemble, trained one after the other; bundles that go together.

    Each learns from all regions but those of its fold, on which it is then calibrated; threshold
    and recall are common, and of all members' held-out windows. A start that no epoch bettered on
    them remains as it was; of members that would be one network, the first is left.

    Args:
        windows: what to learn from.
        params: how.
        folder: for checkpoints, logs and finished members; training that lies there, of the same
            windows and parameters, is gone on with. None: nothing is written.
        on_epoch: told of each epoch.

    Raises:
        UsageError: parameters that cannot be, or a start that reads other layers.
        InputError: too few regions with slumps to hold one out, or a network that cannot be.
    """
    params.check()
    drafts: list[Bundle] = []
    judged: list[Judged] = []
    for training in _trainings(windows, params, folder):
        draft = _draft(windows, params, training, on_epoch)
        if any(each.weights_sha256 == draft.weights_sha256 for each in drafts):
            _log.info("%s: left out, its start is a member already", draft.name)
            continue
        made, seen = _calibrated(draft, windows, training.parts.validation, params)
        drafts.append(made)
        judged.append(seen)
    threshold = best_threshold(judged)
    recall = object_recall(judged, threshold)
    bundles = [replace(each, threshold=threshold, recall=recall) for each in drafts]
    ensemble_of(bundles)
    return bundles


def _trainings(
    windows: TrainingWindows, params: TrainParams, folder: Path | None
) -> list[Training]:
    chance = np.random.default_rng([params.seed])
    fold_of = folds(windows, params.n_folds, chance)
    full = sorted(set(fold_of.values()))
    by_chance = () if params.start else inputs_of(windows.names, windows.layers)
    trainings = []
    for member in range(params.members):
        fold = full[member % len(full)]
        held_out = {region for region, its in fold_of.items() if its == fold}
        parts = split(windows, held_out)
        name = params.member_name(member)
        if not len(parts.training):
            raise InputError(
                f"{name}: every window overlaps a held-out one; take smaller windows, larger"
                " blocks, or more scenes"
            )
        start = params.start_of(member)
        trainings.append(
            Training(
                name=name,
                seed=params.seed + member,
                start=start,
                inputs=_inputs_of_start(start, windows) if start else by_chance,
                fill=start.fill if start else params.fill,
                fold=fold,
                parts=parts,
                folder=folder / name if folder else None,
            )
        )
    return trainings


def _inputs_of_start(start: Bundle, windows: TrainingWindows) -> tuple[Input, ...]:
    """The inputs of a start; UsageError where the windows hold other layers."""
    if start.layers != windows.names:
        raise UsageError(
            f"start {start.name} reads {', '.join(start.layers)}; the windows hold"
            f" {', '.join(windows.names)}"
        )
    return start.inputs


def _draft(
    windows: TrainingWindows,
    params: TrainParams,
    training: Training,
    on_epoch: OnEpoch,
) -> Bundle:
    """The member trained, not yet calibrated; if that was done before, as it came out then."""
    done = training.folder / "trained" if training.folder else None
    if done is not None and (done / training.name).exists():
        return read_bundle(done / training.name)
    learner = Learner(
        windows, training.parts, training.inputs, params, training.seed, training.start
    )
    learned = learn(
        learner,
        params,
        folder=training.folder,
        on_epoch=lambda score: on_epoch(training.name, score),
    )
    bundle = _bundle(windows, params, training, learned)
    _log.info("%s: trained, best epoch %d", training.name, learned.best.epoch)
    if done is not None:
        write_bundle(bundle, done)
    return bundle


def _bundle(
    windows: TrainingWindows,
    params: TrainParams,
    training: Training,
    learned: Learned,
) -> Bundle:
    content, sha256 = _weights(training.name, learned)
    coarsest_m = windows.gsd_range_m[1]
    return Bundle(
        name=training.name,
        architecture=params.network,
        inputs=training.inputs,
        fill=training.fill,
        sensors=windows.sensors,
        gsd_range_m=windows.gsd_range_m,
        threshold=0.5,
        min_area_m2=_or(params.min_area_m2, _PIXELS_OF_A_SLUMP * coarsest_m**2),
        calibration=Calibration(),
        delineation_sigma_m=_or(params.delineation_sigma_m, coarsest_m / 2),
        recall=None,
        kind=params.kind,
        licence=params.licence,
        citation=params.citation,
        training=_summary(windows, params, training, learned),
        weights_sha256=sha256,
        weights=content,
    )


def _weights(name: str, learned: Learned) -> tuple[bytes, str]:
    """The weights in half precision, or in full where one is too large for it."""
    for dtype in (torch.float16, torch.float32):
        try:
            return weights_bytes(learned.state, dtype=dtype)
        except OverflowError:
            _log.info("%s: weights are no finite numbers in %s", name, dtype)
    raise InputError(f"{name}: its weights grew beyond all bounds; take a smaller learning rate")


def _summary(
    windows: TrainingWindows, params: TrainParams, training: Training, learned: Learned
) -> dict[str, Any]:
    slump_px = windows.slump_px()[training.parts.training]
    size_px = windows.labels[0].size
    best = learned.best
    return {
        "n_windows": len(training.parts.training),
        "n_validation_windows": len(training.parts.validation),
        "n_windows_between": training.parts.n_left_out,
        "window_px": int(windows.labels.shape[1]),
        "slump_px_frac": round(float(slump_px.sum()) / (len(slump_px) * size_px), 5),
        "n_epochs": learned.n_epochs,
        "best_epoch": best.epoch,
        "train_loss": None if math.isnan(best.train_loss) else round(best.train_loss, 5),
        "val_loss": round(best.val_loss, 5),
        "val_iou": round(best.val_iou, 4),
        "val_f1": round(best.val_f1, 4),
        "loss": params.loss,
        "seed": training.seed,
        "fold": training.fold,
        "inputs_sha256": windows.inputs_sha256,
        **_summary_of_start(training.start, params),
        "rts_track": rts_track.__version__,
        "torch": str(torch.__version__),
        "segmentation_models_pytorch": str(smp.__version__),
    }


def _summary_of_start(start: Bundle | None, params: TrainParams) -> dict[str, Any]:
    """What a bundle says of the one whose weights it started from; nothing where there is none."""
    if start is None:
        return {}
    return {
        "start": start.name,
        "start_sha256": start.sha256,
        "statistics": params.statistics,
        "learning_rate": params.largest_rate,
    }


def _calibrated(
    draft: Bundle, windows: TrainingWindows, numbers: NDArray[np.intp], params: TrainParams
) -> tuple[Bundle, Judged]:
    """The bundle calibrated on its held-out windows, and what it then makes of them."""
    member = Member(draft, build_network(draft), draft.layers)
    logits = _logits(member, windows, numbers, params)
    labels = np.asarray(windows.labels[numbers])
    calibration = fit_calibration(logits, labels)
    scaled = (logits / calibration.temperature + calibration.bias).astype(np.float32)
    judged = Judged(probability=special.expit(scaled), labels=labels)
    return replace(draft, calibration=calibration), judged


def _logits(
    member: Member, windows: TrainingWindows, numbers: NDArray[np.intp], params: TrainParams
) -> NDArray[np.float32]:
    """Logits (n, height, width) of the windows, by the very way that predictions go."""
    device = torch_device(params.device)
    member = member.to(device).eval()
    with torch.inference_mode():
        found = [
            member.logits(layers.to(device)).cpu().numpy()
            for layers, _ in validation_loader(windows, numbers, batch=params.batch)
        ]
    return np.concatenate(found)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
