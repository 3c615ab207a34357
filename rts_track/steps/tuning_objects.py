"""Footprints at each threshold that is tried, matched with labels once and counted many times.

Whatever least area and largest spread are asked for, footprints and what they overlap are the
same: only which of them are kept differs. Footprints are drawn as `detect` draws them, and scored
by the rules of `track.score_objects`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.errors import InputError
from rts_track.polygon.extract import ExtractParams, extract
from rts_track.polygon.match import Overlaps, one_to_one
from rts_track.progress import Progress, silent
from rts_track.raster.probability import STEPS
from rts_track.track.score_objects import CRITERIA, OVERLAP, match_objects
from rts_track.track.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.tuning_scenes import Viewed


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is found in a scene at a threshold, beside what is labelled; no polygon is kept.

    Attributes:
        area_m2: of each footprint, (n,).
        spread: mean spread of each, (n,); 0 of one member alone.
        is_idle: whether each is no fault where it matches nothing, (n,).
        pairs: footprints and counted labels that share area.
        n_true: labels that count.
    """

    area_m2: NDArray[np.float64]
    spread: NDArray[np.float64]
    is_idle: NDArray[np.bool_]
    pairs: Overlaps
    n_true: int

    def tally(self, criterion: str, min_area_m2: float, max_spread: float | None) -> Tally:
        """How many are right of the footprints that are so large, and so little disputed."""
        is_kept = self.area_m2 >= min_area_m2
        if max_spread is not None:
            is_kept &= self.spread <= max_spread
        pairs = self.pairs.take(is_kept[self.pairs.first])
        likeness = pairs.of_smaller if criterion == OVERLAP else pairs.iou
        matched = one_to_one(pairs, likeness, CRITERIA[criterion])
        is_found = ~self.is_idle & is_kept
        is_found[pairs.first[matched]] = True
        return Tally(
            n_true=self.n_true, n_found=int(np.count_nonzero(is_found)), n_right=len(matched)
        )


class Finding:
    """What is found in scenes at thresholds, each worked out when it is first asked for.

    A threshold is told as a cut: the least byte of the uncalibrated mean that is a slump's. The
    curve is monotone, so each threshold of the calibrated mean is one of these.
    """

    def __init__(self, viewed: Sequence[Viewed], min_area_m2: float) -> None:
        """Of these scenes; slumps smaller than that do not count, and are not drawn."""
        self._viewed, self._min_area_m2 = viewed, min_area_m2
        self._found: dict[tuple[int, int], Found | None] = {}
        self._bytes = [np.flatnonzero(each.histogram.counts.any(axis=1)) for each in viewed]

    def prepare(self, cuts: Iterable[int], progress: Progress = silent) -> None:
        """Work out what is found at these cuts, a scene after the other."""
        wanted = list(cuts)
        shown = progress(self._viewed, label="drawing footprints", total=len(self._viewed))
        for scene, viewed in enumerate(shown):
            same = {self._same(scene, cut) for cut in wanted}
            missing = [cut for cut in sorted(same) if (scene, cut) not in self._found]
            if not missing:
                continue
            probability, spread = viewed.probability, viewed.spread
            for cut in missing:
                self._found[scene, cut] = self._work_out(viewed, cut, probability, spread)

    def is_possible(self, cut: int) -> bool:
        """Whether outlines can be drawn at this cut, in every scene: not of noise, nor of all."""
        return cut > 0 and all(
            self._at(scene, cut) is not None for scene in range(len(self._viewed))
        )

    def at(self, scene: int, cut: int) -> Found:
        """What is found in the scene of that number at this cut; ValueError where all is noise."""
        found = self._at(scene, cut)
        if found is None:
            raise ValueError(f"at a cut of {cut} all is noise")
        return found

    def _at(self, scene: int, cut: int) -> Found | None:
        key = scene, self._same(scene, cut)
        if key not in self._found:
            self.prepare([cut])
        return self._found[key]

    def _same(self, scene: int, cut: int) -> int:
        """The highest cut that parts the scene's pixels as this one does."""
        above = np.searchsorted(self._bytes[scene], cut)
        is_any = above < len(self._bytes[scene])
        return int(self._bytes[scene][above]) if is_any else STEPS

    def _work_out(
        self, viewed: Viewed, cut: int, probability: NDArray[np.uint8], spread: NDArray[np.uint8]
    ) -> Found | None:
        """What is found; None where the outlines would be those of noise."""
        params = ExtractParams(threshold=cut / STEPS, min_area_m2=self._min_area_m2)
        try:
            drawn = extract(probability, spread, viewed.scene.grid, params)
        except InputError:
            return None
        matches = match_objects(viewed.search(drawn.geometry, self._min_area_m2), {})
        return Found(
            area_m2=drawn.area_m2,
            spread=drawn.spread_mean,
            is_idle=matches.is_idle,
            pairs=matches.pairs,
            n_true=int(matches.counts.sum()),
        )
