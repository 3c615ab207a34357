"""What a user asks of a detection: which scenes to search, and how."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import UsageError
from rts_track.model.manifest import TTA
from rts_track.polygon.extract import ExtractParams
from rts_track.source.auxiliary import Auxiliary

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.model.manifest import Tta


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectRequest:
    """Which scenes to search, and how.

    Attributes:
        season_year: only scenes of that season; None: of all.
        scene_ids: only these scenes; none: all.
        source: only scenes of that source; None: of all whose scenes the model is for.
        is_retrying: whether scenes whose search failed are searched again.
        is_redo: whether scenes that were searched just so are searched again.
        auxiliary: where elevations and trends come from.
        out: folder for rasters of probability and spread; None keeps none.
        threshold: least probability of a slump's pixels; None: the bundles', which may be another
            for each sensor and region.
        min_area_m2: smallest footprint; None: the bundles'.
        max_spread: footprints whose mean spread is larger are left out; None: as the bundles say;
            1 leaves none out.
        smooth_m: how far outlines may move to be smooth; 0 leaves them along the pixels' sides.
        tta: test-time augmentation: none, flips or d4; None: the bundles'.
        devices: what the networks run on, side by side; none: every CUDA device, else the
            processor. What is found does not depend on it.
    """

    season_year: int | None = None
    scene_ids: tuple[str, ...] = ()
    source: str | None = None
    is_retrying: bool = False
    is_redo: bool = False
    auxiliary: Auxiliary = field(default_factory=Auxiliary)
    out: Path | None = None
    threshold: float | None = None
    min_area_m2: float | None = None
    max_spread: float | None = None
    smooth_m: float = 0.0
    tta: Tta | None = None
    devices: tuple[str, ...] = ()

    def check(self, ensemble: Ensemble) -> None:
        """UsageError for values out of range, or a device that is named twice."""
        self.extract_params(ensemble)
        if self.tta is not None and self.tta not in TTA:
            raise UsageError(f"tta {self.tta!r}: there are {', '.join(TTA)}")
        named = ["cuda:0" if each == "cuda" else each for each in self.devices]
        twice = sorted({each for each in named if named.count(each) > 1})
        if twice:
            raise UsageError(f"device {twice[0]} is named twice: name each once")

    def extract_params(
        self, ensemble: Ensemble, sensor: str = "", regions: Collection[str] = ()
    ) -> ExtractParams:
        """How footprints are made in scenes of that sensor that lie in these regions.

        Regions are written `<region_set>/<region_code>`. UsageError for values out of range.
        """
        if self.threshold is None:
            threshold = ensemble.threshold_for(sensor, regions)
        else:
            threshold = self.threshold
        try:
            return ExtractParams(
                threshold=threshold,
                min_area_m2=ensemble.min_area_m2 if self.min_area_m2 is None else self.min_area_m2,
                smooth_m=self.smooth_m,
                delineation_sigma_m=ensemble.delineation_sigma_m,
                max_spread=self._max_spread(ensemble),
            )
        except ValueError as error:
            raise UsageError(str(error)) from error

    def other_tta(self, ensemble: Ensemble) -> Tta | None:
        """The test-time augmentation, if it is another than the ensemble's own."""
        return None if self.tta == ensemble.tta else self.tta

    def is_as_meant(self, ensemble: Ensemble) -> bool:
        """Whether all that decides what is found is as the bundles say: their recall holds then."""
        own = DetectRequest(smooth_m=self.smooth_m).extract_params(ensemble)
        has_one_threshold = self.threshold is None or not ensemble.thresholds
        is_own = self.extract_params(ensemble) == own and has_one_threshold
        return is_own and self.other_tta(ensemble) is None

    def _max_spread(self, ensemble: Ensemble) -> float | None:
        asked = ensemble.max_spread if self.max_spread is None else self.max_spread
        return None if asked == 1.0 else asked  # no spread is larger
