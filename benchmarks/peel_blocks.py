"""The Peel site cut into blocks, and an ensemble fine-tuned with one of them held out at a time.

The blocks, the windows and the training were written down beforehand. The scene is cut along
column 87 and row 98: no outline of any of the twelve experts crosses these lines, and each of the
four blocks has two slumps or more. For a held-out block the ensemble learns from the experts'
consensus on the three others; no window touches the held-out block or the 100 m around it. Each
of the three members holds out one of the three blocks for itself: it tells the best epoch, or that
the start was better than any, and with the two others' the calibration and a threshold. What the
ensemble then says of the held-out block, and of nothing else, is kept.

A first run was otherwise, and its scores were seen: windows reached over the borders of blocks,
so that to hold one out lost up to four fifths of the others' windows, and the start did not
compete (F1 of objects 0.41, of areas 0.56). Both were changed once; nothing else, nothing since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.domain import digest
from rts_track.model.bundle import ensemble_of
from rts_track.model.cutting import Cutting, cut_windows, gather
from rts_track.model.params import TrainParams
from rts_track.model.predict import Predictor
from rts_track.model.train import train_ensemble
from rts_track.raster.probability import NOT_LOOKED_AT
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.stack import open_stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.model.bundle import Bundle, Ensemble
    from rts_track.model.training_windows import TrainingWindows
    from rts_track.raster.grid import Grid
    from rts_track.source.scene import Scene

COLUMN, ROW = 87, 98
NAMES = ("north-west", "north-east", "south-west", "south-east")
MARGIN_PX = 10
CUTTING = Cutting(window_px=64, windows_per_slump=24, ground_per_slump=0.5)
"""Windows of 640 m; about each slump many, which differ by where they lie and how they are turned:
there are few slumps."""

_TOLERANCE_M = 0.1
"""The same corner of a pixel differs by less, drawn as a window's and as a block's."""

SEED = 0
FINE_TUNING = TrainParams(
    name="peel", members=3, n_folds=3, batch=8, max_epochs=15, patience=15, seed=SEED, device="cpu"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What fine-tuned ensembles made of a scene, each of the block that it had not seen.

    Attributes:
        probability: (H, W) bytes.
        thresholds: that of each block's ensemble, chosen on the three other blocks.
        best_epochs: of all members that were trained; -1: the start was better than any.
    """

    probability: NDArray[np.uint8]
    thresholds: dict[str, float]
    best_epochs: tuple[int, ...]


def blocks(grid: Grid) -> dict[str, tuple[slice, slice]]:
    """Rows and columns of each block, by its name."""
    rows = slice(0, ROW), slice(ROW, grid.height)
    cols = slice(0, COLUMN), slice(COLUMN, grid.width)
    return dict(zip(NAMES, [(row, col) for row in rows for col in cols], strict=True))


def block_extent(grid: Grid, block: tuple[slice, slice], margin_px: float = 0.0) -> shapely.Polygon:
    """EPSG:6931 extent of a block, widened by a margin."""
    rows, cols = block
    box = shapely.box(cols.start, rows.start, cols.stop, rows.stop).buffer(
        margin_px, join_style="mitre"
    )
    return grid.to_metric(np.array([box], dtype=object))[0]


def predict(scene: Scene, ensemble: Ensemble) -> NDArray[np.uint8]:
    """Mean probability of the ensemble's members on the whole scene, as bytes."""
    with open_stack(scene, ensemble.layers, Auxiliary()) as stack:
        return Predictor(ensemble, device="cpu").predict(stack).probability


def leave_one_out(scene: Scene, start: Ensemble, consensus: NDArray[np.object_]) -> Predicted:
    """What ensembles, each fine-tuned without the block, make of all blocks together."""
    windows = _windows(scene, start, consensus)
    probability = np.full((scene.grid.height, scene.grid.width), NOT_LOOKED_AT, dtype=np.uint8)
    thresholds, best_epochs = {}, []
    for name, block in blocks(scene.grid).items():
        tuned = ensemble_of(fine_tuned(_without(windows, scene.grid, name), start))
        best_epochs += [int(each.training["best_epoch"]) for each in tuned.bundles]
        probability[block] = predict(scene, tuned)[block]
        thresholds[name] = tuned.threshold
    return Predicted(probability=probability, thresholds=thresholds, best_epochs=tuple(best_epochs))


def fine_tuned(windows: TrainingWindows, start: Ensemble) -> list[Bundle]:
    """The members, each started from one of the ensemble's."""
    bundles = tuple(sorted(start.bundles, key=lambda bundle: bundle.name))
    made = train_ensemble(
        windows,
        replace(FINE_TUNING, start=bundles),
        on_epoch=lambda name, score: print(
            f"{name}, epoch {score.epoch + 1}: loss {score.train_loss:.3f}, held out"
            f" {score.val_loss:.3f}, IoU {score.val_iou:.3f}",
            flush=True,
        ),
    )
    for bundle in made:
        print(bundle.name, bundle.threshold, dict(bundle.training), flush=True)
    return made


def _windows(scene: Scene, start: Ensemble, consensus: NDArray[np.object_]) -> TrainingWindows:
    """Windows of the whole scene that lie in one block each: that is their region."""
    chance = np.random.default_rng(SEED)
    with open_stack(scene, start.layers, Auxiliary()) as stack:
        cuts = list(cut_windows(stack, consensus, np.empty(0, dtype=object), CUTTING, chance))
    extents = {name: block_extent(scene.grid, block) for name, block in blocks(scene.grid).items()}
    named = [
        replace(cut, region=name)
        for cut in cuts
        for name, extent in extents.items()
        if extent.buffer(_TOLERANCE_M).covers(cut.extent)
    ]
    return gather(
        named,
        start.layers,
        sensors=[scene.sensor],
        gsd_m=[scene.grid.gsd_m],
        inputs_sha256=digest(*(shapely.to_wkb(each).hex() for each in consensus)),
    )


def _without(windows: TrainingWindows, grid: Grid, name: str) -> TrainingWindows:
    """The windows that touch neither the block nor the margin around it."""
    kept_out = block_extent(grid, blocks(grid)[name], MARGIN_PX)
    is_kept = ~shapely.intersects(windows.extents, kept_out)
    print(f"{name} held out: {is_kept.sum()} of {len(windows)} windows", flush=True)
    return replace(
        windows,
        layers=windows.layers[is_kept],
        labels=windows.labels[is_kept],
        regions=windows.regions[is_kept],
        extents=windows.extents[is_kept],
    )
