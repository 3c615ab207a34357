"""What an ensemble makes of validation scenes, kept on disk, and what is labelled in them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import shapely
from affine import Affine
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rts_track.errors import InputError
from rts_track.model.reliability import JointHistogram, joint_histogram
from rts_track.model.weighting import PixelSample, pixel_sample, weighted_mean
from rts_track.polygon.extract import mask_polygons
from rts_track.progress import Progress, silent
from rts_track.raster.labels import label_mask
from rts_track.raster.probability import NOT_LOOKED_AT
from rts_track.source.scene import SceneFault
from rts_track.source.stack import missing_layers, open_stack
from rts_track.track.score_objects import Search, match_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.model.bundle import Ensemble
    from rts_track.model.layers import Layers
    from rts_track.model.predict import Prediction
    from rts_track.source.auxiliary import Auxiliary
    from rts_track.source.scene import Scene
    from rts_track.steps.training_labels import Labels
    from rts_track.steps.tuning_request import Regions

_log = logging.getLogger(__name__)

_MEAN, _SPREAD, _MEMBERS = "probability", "spread", "members"


class Predicts(Protocol):
    """What `model.predict.Predictor` does, as far as it is needed here."""

    def predict(
        self, stack: Layers, progress: Progress = silent, *, keeps_members: bool = False
    ) -> Prediction:
        """What an ensemble makes of a scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewed:
    """A scene that an ensemble has looked at. Its rasters lie in `folder`, none is in memory.

    Attributes:
        scene: the scene.
        folder: holds the stored mean and spread, and each member's, where they are kept.
        histogram: its clear pixels by stored mean and label.
        looked: what was looked at, EPSG:6931.
        clear_m2: how much that is.
        labelled: the labelled slumps that reach into the scene, EPSG:6931.
        n_slumps: those of them that count: of which enough could be seen.
        region: the region it lies in, if any.
        sample: some of its pixels with what members make of them, where these are kept.
    """

    scene: Scene
    folder: Path
    histogram: JointHistogram
    looked: shapely.Geometry
    clear_m2: float
    labelled: NDArray[np.object_]
    n_slumps: int
    region: str | None
    sample: PixelSample | None = None

    @property
    def probability(self) -> NDArray[np.uint8]:
        """The stored mean, (H, W)."""
        return np.asarray(np.load(self.folder / f"{_MEAN}.npy"))

    @property
    def spread(self) -> NDArray[np.uint8]:
        """The stored spread, (H, W)."""
        return np.asarray(np.load(self.folder / f"{_SPREAD}.npy"))

    def search(self, drawn: NDArray[np.object_], min_area_m2: float) -> Search:
        """What was drawn in it beside what is labelled; slumps smaller than that do not count."""
        return Search(
            drawn=drawn,
            is_clipped=np.zeros(len(drawn), dtype=np.bool_),
            true=self.labelled,
            is_active=np.ones(len(self.labelled), dtype=np.bool_),
            beside=np.empty(0, dtype=object),
            lookalikes={},
            looked=self.looked,
            min_area_m2=min_area_m2,
        )

    def reweighted(self, weights: Sequence[float]) -> Viewed:
        """The scene with mean and spread made anew of its members, by these weights."""
        members = np.load(self.folder / f"{_MEMBERS}.npy", mmap_mode="r")
        probability, spread = weighted_mean(members, weights)
        np.save(self.folder / f"{_MEAN}.npy", probability)
        np.save(self.folder / f"{_SPREAD}.npy", spread)
        is_slump = _label_pixels(self.scene, self.labelled)
        return replace(self, histogram=joint_histogram(probability, is_slump))


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """How scenes are looked at, and where what is seen is kept.

    `min_area_m2` is of the smallest slump that is meant.
    """

    ensemble: Ensemble
    predictor: Predicts
    labels: Labels
    auxiliary: Auxiliary
    regions: Regions | None
    min_area_m2: float
    keeps_members: bool
    folder: Path

    def view(
        self, scenes: Sequence[Scene], progress: Progress
    ) -> tuple[list[Viewed], list[SceneFault]]:
        """What was seen of the scenes; one that cannot be used is a fault, and the rest goes on.

        InputError where none can be used, or no labelled slump lies in a clear part of them.
        """
        viewed, faults = [], []
        for number, scene in enumerate(progress(scenes, label="predicting", total=len(scenes))):
            try:
                viewed.append(self._of(scene, self.folder / str(number), progress))
            except (InputError, OSError, MemoryError, RuntimeError) as error:  # torch's, the last
                faults.append(SceneFault(scene.product, _reason(scene, error)))
                _log.info("tune: %s", faults[-1].reason)
        if not viewed:
            raise InputError(faults[0].reason if faults else "no scene to tune on")
        if not sum(each.n_slumps for each in viewed):
            raise InputError(
                f"no labelled slump of {self.min_area_m2:g} m2 or more lies in a clear part of the"
                " scenes; do their season or names fit (--season-field, --scene-field)?"
            )
        return viewed, faults

    def _of(self, scene: Scene, folder: Path, progress: Progress) -> Viewed:
        self._check(scene)
        with open_stack(scene, self.ensemble.layers, self.auxiliary) as stack:
            prediction = self._prediction(stack, progress)
        is_clear = prediction.probability != NOT_LOOKED_AT
        if not is_clear.any():
            raise InputError("nothing of it is clear")
        labelled = self.labels.of(scene)
        if len(labelled):
            labelled = labelled[shapely.intersects(labelled, scene.grid.extent())]
        is_slump = _label_pixels(scene, labelled)
        folder.mkdir()
        np.save(folder / f"{_MEAN}.npy", prediction.probability)
        np.save(folder / f"{_SPREAD}.npy", prediction.spread)
        sample = None
        if prediction.members is not None:
            np.save(folder / f"{_MEMBERS}.npy", prediction.members)
            chance = np.random.default_rng(list(scene.product.encode()))
            sample = pixel_sample(prediction.members, is_slump, chance)
        looked = mask_polygons(is_clear, scene.grid)
        viewed = Viewed(
            scene=scene,
            folder=folder,
            histogram=joint_histogram(prediction.probability, is_slump),
            looked=looked,
            clear_m2=float(looked.area),
            labelled=labelled,
            n_slumps=0,
            region=self.regions.of(looked) if self.regions and not looked.is_empty else None,
            sample=sample,
        )
        nothing = viewed.search(np.empty(0, dtype=object), self.min_area_m2)
        return replace(viewed, n_slumps=int(match_objects(nothing).counts.sum()))

    def _prediction(self, stack: Layers, progress: Progress) -> Prediction:
        if self.keeps_members:
            return self.predictor.predict(stack, progress, keeps_members=True)
        return self.predictor.predict(stack, progress)

    def _check(self, scene: Scene) -> None:
        """InputError where the scene is none of the ensemble's, or lacks a layer."""
        misfit = self.ensemble.misfit(scene.sensor, scene.grid.gsd_m)
        if misfit:
            raise InputError(misfit)
        missing = missing_layers(scene, self.ensemble.layers, self.auxiliary)
        if missing:
            raise InputError(f"no {', '.join(missing)}; give --dem or --trend, or other scenes")


def places(viewed: Sequence[Viewed]) -> NDArray[np.intp]:
    """Which scenes are of one place, as numbers from 0, (n,).

    Scenes are of one place where they lie in one region, or what was looked at overlaps: neither
    says anything new of a threshold that was chosen on the other. Where all are of one place,
    each scene counts as one of its own.
    """
    number = _joined(viewed)
    return np.arange(len(viewed)) if number.max() == 0 else number


def n_places(viewed: Sequence[Viewed]) -> int:
    """How many places the scenes are of."""
    return int(_joined(viewed).max()) + 1


def _joined(viewed: Sequence[Viewed]) -> NDArray[np.intp]:
    looked = np.array([each.looked for each in viewed], dtype=object)
    one, other = shapely.STRtree(looked).query(looked, predicate="intersects")
    regions = np.array([each.region or "" for each in viewed])
    same = (regions[:, None] == regions) & (regions != "")
    rows, columns = np.nonzero(same)
    ends = (np.concatenate([one, rows]), np.concatenate([other, columns]))
    table = coo_array((np.ones(len(ends[0])), ends), shape=(len(viewed), len(viewed)))
    return np.asarray(connected_components(table, directed=False)[1], dtype=np.intp)


def _label_pixels(scene: Scene, labelled: NDArray[np.object_]) -> NDArray[np.bool_]:
    drawn = list(scene.grid.to_pixels(labelled))
    return label_mask(drawn, scene.grid.shape, Affine.identity())


def _reason(scene: Scene, error: BaseException) -> str:
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        said = "memory does not suffice"
    return said if scene.product in said else f"{scene.product}: {said}"
