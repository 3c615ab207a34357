"""`train`: scenes and labels become windows, windows an ensemble of model bundles."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rts_track.domain import canonical_json, digest
from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import MANIFEST, write_bundle
from rts_track.model.cutting import Cut, Cutting, cut_windows
from rts_track.model.params import TrainParams
from rts_track.model.window_file import has_windows, read_windows, write_windows
from rts_track.progress import Progress, silent
from rts_track.source.auxiliary import TERRAIN, TREND, Auxiliary
from rts_track.source.bands import BAND_NAMES
from rts_track.source.files import files_digest
from rts_track.source.scene import SceneFault
from rts_track.source.scenes import open_scene
from rts_track.source.stack import NDVI, missing_layers, open_stack
from rts_track.steps.training_labels import NONE, Labels
from rts_track.writing import appearing

if TYPE_CHECKING:
    from rts_track.model.train import OnEpoch
    from rts_track.model.training_windows import TrainingWindows
    from rts_track.source.scene import Scene
    from rts_track.store.base import Store

WORK = "training"
"""Folder below the bundles' that holds windows, checkpoints and logs."""

_BEGUN = "begun.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What to train, from what.

    Attributes:
        out: folder for the bundles; windows, checkpoints and logs lie below it.
        layers: what the model is to read; empty: what the start reads, if there is one, else all
            bands that every scene has, NDVI, and the auxiliary layers at hand.
        auxiliary: where auxiliary layers come from.
        cutting: which windows are cut of scenes.
        params: how networks are trained.
        is_resumed: whether training that was broken off in `out` is gone on with.
    """

    out: Path
    layers: tuple[str, ...] = ()
    auxiliary: Auxiliary = field(default_factory=Auxiliary)
    cutting: Cutting = field(default_factory=Cutting)
    params: TrainParams = field(default_factory=TrainParams)
    is_resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What came of training.

    Attributes:
        bundles: the folders of the bundles.
        layers: what they read.
        n_windows: windows that were cut.
        n_scenes: scenes that they are of.
        unlabelled: scenes without a label: all of them counted as ground.
        faults: scenes that could not be used.
        lines_of_members: how each member did, in words.
        start: what members started from, in words; None: from weights by chance.
    """

    bundles: tuple[Path, ...]
    layers: tuple[str, ...]
    n_windows: int
    n_scenes: int
    unlabelled: tuple[str, ...]
    faults: tuple[SceneFault, ...]
    lines_of_members: tuple[str, ...]
    start: str | None = None

    def lines(self) -> Iterator[str]:
        """What came of it, in words; faults are told by `faults`."""
        yield f"{self.n_windows:,} windows of {self.n_scenes:,} scenes, of {', '.join(self.layers)}"
        if self.start:
            yield self.start
        if self.unlabelled:
            shown = ", ".join(self.unlabelled[:3]) + (" ..." if len(self.unlabelled) > 3 else "")
            yield f"no label, so all ground: {len(self.unlabelled):,} scenes ({shown})"
        yield from self.lines_of_members


def train(
    scenes: Sequence[Scene],
    labels: Labels,
    request: TrainRequest,
    *,
    lookalikes: Labels = NONE,
    progress: Progress = silent,
    on_epoch: OnEpoch = lambda _name, _score: None,
) -> TrainReport:
    """What came of training an ensemble: its bundles are written to `request.out`.

    Args:
        scenes: what to learn from; every slump in their clear parts is labelled.
        labels: the slumps.
        request: what to train.
        lookalikes: what is easily taken for a slump, such as a former model's false finds: more
            windows lie there.
        progress: shown the scenes as they go by.
        on_epoch: told of each epoch.

    Raises:
        UsageError: parameters that cannot be, the start reads other layers than those asked for,
            or `out` holds other training or bundles.
        InputError: no scene has all layers, no slump is labelled in them, or regions are too few.
    """
    from rts_track.model.train import train_ensemble

    request.params.check()
    request.cutting.check()
    request = _as_started(request)
    chosen, faults = _usable(scenes, request)
    names = _layers(chosen, request)
    inputs_sha256 = _inputs_digest(chosen, labels, lookalikes, names, request)
    work = request.out / WORK
    _begin(work, inputs_sha256, request)
    cutter = _Cutter(request, names, labels, lookalikes)
    if not has_windows(work):
        write_windows(work, cutter.cuts(chosen, progress), names)
    windows = _windows(work, chosen, request, inputs_sha256)
    bundles = train_ensemble(windows, request.params, folder=work, on_epoch=on_epoch)
    written = [write_bundle(each, request.out, replace=request.is_resumed) for each in bundles]
    _log.info("train: %d bundles in %s", len(written), request.out)
    return TrainReport(
        bundles=tuple(written),
        layers=names,
        n_windows=len(windows),
        n_scenes=len(chosen),
        unlabelled=tuple(each.product for each in chosen if not len(labels.of(each))),
        faults=(*faults, *cutter.faults),
        lines_of_members=tuple(_member_line(each.name, each.training) for each in bundles),
        start=_start_line(request.params),
    )


def stored_scenes(store: Store) -> tuple[list[Scene], list[SceneFault]]:
    """The scenes of a store that can still be opened, and what is wrong with the others."""
    scenes, faults = [], []
    for row in store.read("scene", ["scene_id", "uri"]).to_pylist():
        if not row["uri"]:
            continue  # of an inventory: nobody knows where the image is
        try:
            scenes.append(open_scene(row["uri"]))
        except InputError as error:
            faults.append(SceneFault(row["scene_id"], str(error)))
    return scenes, faults


class _Cutter:
    """Cuts windows of scenes; one that cannot be read is a fault, and the rest goes on."""

    def __init__(
        self, request: TrainRequest, names: tuple[str, ...], labels: Labels, lookalikes: Labels
    ) -> None:
        self._request, self._names = request, names
        self._labels, self._lookalikes = labels, lookalikes
        self.faults: list[SceneFault] = []

    def cuts(self, scenes: Sequence[Scene], progress: Progress) -> Iterator[Cut]:
        """The windows of all scenes; InputError where none of them can be read."""
        n_read = 0
        for scene in progress(scenes, label="cutting windows", total=len(scenes)):
            try:
                yield from self._of(scene)
            except InputError as error:
                self.faults.append(SceneFault(scene.product, str(error)))
            else:
                n_read += 1
        if n_read == 0:
            raise InputError(f"no scene could be read: {self.faults[0].reason}")

    def _of(self, scene: Scene) -> list[Cut]:
        chance = np.random.default_rng([self._request.params.seed, *scene.product.encode()])
        with open_stack(scene, self._names, self._request.auxiliary) as stack:
            return list(
                cut_windows(
                    stack,
                    self._labels.of(scene),
                    self._lookalikes.of(scene),
                    self._request.cutting,
                    chance,
                )
            )


def _as_started(request: TrainRequest) -> TrainRequest:
    """The request for the layers of its start; UsageError where it asks for others."""
    if not request.params.start:
        return request
    first = request.params.start[0]
    if set(request.layers or first.layers) != set(first.layers):
        raise UsageError(
            f"start {first.name} reads {', '.join(first.layers)}, not {', '.join(request.layers)}:"
            " leave the layers to it, or train from nothing"
        )
    return replace(request, layers=first.layers)


def _usable(scenes: Sequence[Scene], request: TrainRequest) -> tuple[list[Scene], list[SceneFault]]:
    """The scenes that have all layers that were asked for, and what the others lack."""
    chosen, faults = [], []
    for scene in scenes:
        missing = missing_layers(scene, request.layers, request.auxiliary)
        if missing:
            reason = f"{scene.product}: no {', '.join(missing)}"
            faults.append(SceneFault(scene.product, reason))
        else:
            chosen.append(scene)
    if not chosen:
        raise InputError(faults[0].reason if faults else "no scene to learn from")
    return chosen, faults


def _layers(scenes: Sequence[Scene], request: TrainRequest) -> tuple[str, ...]:
    """What was asked for; else all that every scene has."""
    if request.layers:
        return request.layers
    common = set.intersection(*(set(scene.band_names) for scene in scenes))
    if not common:
        raise InputError("the scenes have no band in common; train on one sensor's at a time")
    bands = tuple(name for name in BAND_NAMES if name in common)
    others = (NDVI, *TERRAIN, *TREND)
    return bands + tuple(
        name for name in others if not missing_layers(scenes[0], [name], request.auxiliary)
    )


def _inputs_digest(
    scenes: Sequence[Scene],
    labels: Labels,
    lookalikes: Labels,
    names: tuple[str, ...],
    request: TrainRequest,
) -> str:
    """Digest of all that windows are cut from, and how."""
    of_scenes = sorted(f"{scene.product} {files_digest(scene.files)}" for scene in scenes)
    auxiliary = request.auxiliary.only(names)
    beside = [files_digest(_files(path)) for path in (auxiliary.dem, auxiliary.trend) if path]
    how = (names, canonical_json(asdict(request.cutting)), request.params.seed)
    return digest(*of_scenes, labels.inputs_sha256, lookalikes.inputs_sha256, *beside, *how)


def _files(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _begin(work: Path, inputs_sha256: str, request: TrainRequest) -> None:
    """Claim the folder for this training; UsageError where it holds another."""
    begun = work / _BEGUN
    asked = {
        "inputs_sha256": inputs_sha256,
        "params": request.params.to_json(),
    }
    if begun.is_file():
        if not request.is_resumed:
            raise UsageError(
                f"{request.out}: holds training; go on with it (--resume), or name another folder"
            )
        if json.loads(begun.read_text(encoding="utf-8")) != asked:
            raise UsageError(
                f"{request.out}: holds training from other scenes, labels or parameters; repeat"
                " those, or name another folder"
            )
        return
    if any(request.out.glob(f"*/{MANIFEST}")):
        raise UsageError(f"{request.out}: holds model bundles; name another folder")
    work.mkdir(parents=True, exist_ok=True)
    with appearing(begun) as beside:
        beside.write_text(json.dumps(asked, indent=2), encoding="utf-8")


def _windows(
    work: Path, scenes: Sequence[Scene], request: TrainRequest, inputs_sha256: str
) -> TrainingWindows:
    gsd_m = [round(scene.grid.gsd_m, 3) for scene in scenes]
    windows = read_windows(
        work,
        window_px=request.cutting.window_px,
        sensors=tuple(sorted({scene.sensor for scene in scenes})),
        gsd_range_m=(min(gsd_m), max(gsd_m)),
        inputs_sha256=inputs_sha256,
    )
    if not windows.slump_px().any():
        raise InputError(
            "no labelled slump lies in a clear part of the scenes; do their season or names fit"
            " (--season-field, --scene-field)?"
        )
    return windows


def _start_line(params: TrainParams) -> str | None:
    if not params.start:
        return None
    used = [start.name for start in params.start[: params.members]]
    statistics = "follow the new windows" if params.statistics == "learned" else "kept as they were"
    return (
        f"started from {', '.join(used)}; learning rate up to {params.largest_rate:g},"
        f" statistics of batch normalisation {statistics}"
    )


def _member_line(name: str, training: object) -> str:
    facts = dict(training) if isinstance(training, dict) else {}
    epochs = f"{facts['n_epochs']} epochs"
    best = f"best of {epochs}" if facts["best_epoch"] >= 0 else f"its start, no better in {epochs}"
    return (
        f"{name}: pixel IoU {facts['val_iou']:.3f}, F1 {facts['val_f1']:.3f} on"
        f" {facts['n_validation_windows']:,} held-out windows, {best}"
    )
