"""Which threshold, least area and largest spread: what is tried, what is best, and how honestly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from rts_track.errors import InputError
from rts_track.model.pr_curve import EQUAL, PrCurve, f1_of, longest_best
from rts_track.raster.probability import STEPS, threshold_byte
from rts_track.track.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.model.reliability import JointHistogram
    from rts_track.steps.tuning_objects import Finding

COARSE = range(5, 246, 5)
"""Thresholds that are tried first, in steps of the stored probability: 0.02, 0.04 ... 0.98."""

FINE = 5
"""Around the best of them every step is tried, so far to both sides: 0.004 apart."""

AREA_FACTORS = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
"""Least areas that are tried, times that of the smallest slump that is meant. None is smaller:
labels below it do not count, so nobody could say what footprints below it are worth."""

_PIXELS_OF_A_SLUMP = 10
"""The fewest pixels that make a slump, where nothing is said of the smallest."""

SPREADS = (None, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05)
"""Largest mean spreads that are tried. Probabilities between 0 and 1 spread by 0.5 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A threshold of the calibrated mean, a least area and a largest spread (None: any)."""

    threshold: float
    min_area_m2: float
    max_spread: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """Where thresholds of the calibrated mean cut the uncalibrated one."""

    table: NDArray[np.uint8]

    def of(self, step: int) -> int | None:
        """The least uncalibrated byte that the curve lifts to `step` or above.

        None where it lifts none so high; 0 where all pixels are so high.
        """
        reached = np.flatnonzero(self.table[: STEPS + 1] >= step)
        return int(reached[0]) if len(reached) else None

    def of_threshold(self, threshold: float) -> int | None:
        """The cut of a threshold of the calibrated mean."""
        return self.of(threshold_byte(threshold))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What was tried on each scene, and how it did.

    Attributes:
        steps: thresholds of the calibrated mean, in steps of 1/250, rising, (T,).
        areas_m2: least areas, rising, (A,).
        spreads: largest spreads, from none to the least, (S,).
        counts: how many were true, found and right: (scenes, T, A, S, 3).
    """

    steps: NDArray[np.int64]
    areas_m2: tuple[float, ...]
    spreads: tuple[float | None, ...]
    counts: NDArray[np.int64]

    def best(self, scenes: NDArray[np.bool_] | None = None) -> tuple[int, int, int]:
        """The trial with the best F1 over the scenes (None: all), as (t, a, s).

        Of several, the one in the middle of the longest run of thresholds that do equally well; of
        runs of one length, that with the least area and the largest spread.
        """
        f1 = np.nan_to_num(self._f1(scenes), nan=-1.0)
        runs = []
        for a, s in product(range(len(self.areas_m2)), range(len(self.spreads))):
            if f1[:, a, s].max() >= f1.max() - EQUAL:
                middle, length = longest_best(f1[:, a, s])
                runs.append((-length, s, a, middle))
        _, s, a, t = min(runs)
        return t, a, s

    def best_threshold(self, a: int, s: int, scenes: NDArray[np.bool_]) -> int:
        """The best threshold over the scenes, with area and spread given; its number."""
        return longest_best(self._f1(scenes)[:, a, s])[0]

    def choice(self, trial: tuple[int, int, int]) -> Choice:
        """What was tried."""
        t, a, s = trial
        return Choice(
            threshold=float(self.steps[t]) / STEPS,
            min_area_m2=self.areas_m2[a],
            max_spread=self.spreads[s],
        )

    def curve(self, a: int, s: int) -> PrCurve:
        """Precision and recall along the threshold, over all scenes."""
        n_true, n_found, n_right = self.counts[:, :, a, s].sum(axis=0).T
        return PrCurve(
            threshold=self.steps / STEPS, n_true=n_true, n_found=n_found, n_right=n_right
        )

    def tally(self, scene: int, trial: tuple[int, int, int]) -> Tally:
        """How a trial did on a scene."""
        n_true, n_found, n_right = self.counts[(scene, *trial)].tolist()
        return Tally(n_true=n_true, n_found=n_found, n_right=n_right)

    def _f1(self, scenes: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        counted = self.counts if scenes is None else self.counts[scenes]
        n_true, n_found, n_right = np.moveaxis(counted.sum(axis=0), -1, 0)
        return f1_of(n_true, n_found, n_right)


def object_trials(
    finding: Finding,
    cuts: Cuts,
    n_scenes: int,
    criterion: str,
    areas_m2: tuple[float, ...],
    spreads: tuple[float | None, ...],
    steps: Iterable[int],
) -> Trials:
    """Footprints at these steps of the calibrated mean, with each least area and largest spread.

    Steps that the curve does not reach, or nowhere falls short of, are left out, and those at
    which all is noise; InputError where none remains.
    """
    reached = [(step, cut) for step in steps if (cut := cuts.of(step))]
    finding.prepare({cut for _, cut in reached})
    tried = [(step, cut) for step, cut in reached if finding.is_possible(cut)]
    if not tried:
        raise InputError(
            "no threshold makes footprints of these probabilities: they are nothing, or noise; is"
            " the model trained, and for such scenes?"
        )
    counts = np.zeros((n_scenes, len(tried), len(areas_m2), len(spreads), 3), dtype=np.int64)
    for scene in range(n_scenes):
        done: dict[int, NDArray[np.int64]] = {}
        for t, (_, cut) in enumerate(tried):
            if cut not in done:
                done[cut] = _counts(finding, scene, cut, criterion, areas_m2, spreads)
            counts[scene, t] = done[cut]
    return Trials(
        steps=np.array([step for step, _ in tried]),
        areas_m2=areas_m2,
        spreads=spreads,
        counts=counts,
    )


def pixel_trials(histograms: Sequence[JointHistogram], min_area_m2: float) -> Trials:
    """Pixels at all 250 thresholds; the scenes' histograms are of the calibrated mean."""
    curves = [histogram.pr_curve() for histogram in histograms]
    counts = [np.stack([c.n_true, c.n_found, c.n_right], axis=-1) for c in curves]
    return Trials(
        steps=np.arange(1, STEPS + 1),
        areas_m2=(min_area_m2,),
        spreads=(None,),
        counts=np.array(counts, dtype=np.int64)[:, :, None, None],
    )


def least_areas_m2(smallest_m2: float, gsd_m: float) -> tuple[float, ...]:
    """The least areas that are tried, rising, for that smallest slump and the coarsest pixel.

    Of slumps as small as one likes, none, and those of slumps of ten pixels.
    """
    if smallest_m2 > 0.0:
        return tuple(smallest_m2 * factor for factor in AREA_FACTORS)
    least_m2 = _PIXELS_OF_A_SLUMP * gsd_m**2
    return 0.0, *(round(least_m2 * factor, 1) for factor in AREA_FACTORS)


def fine_steps(step: int) -> range:
    """Every step about this one."""
    return range(max(step - FINE + 1, 1), min(step + FINE, STEPS + 1))


def _counts(
    finding: Finding,
    scene: int,
    cut: int,
    criterion: str,
    areas_m2: tuple[float, ...],
    spreads: tuple[float | None, ...],
) -> NDArray[np.int64]:
    found = finding.at(scene, cut)
    tallies = [[found.tally(criterion, area, spread) for spread in spreads] for area in areas_m2]
    return np.array([[(t.n_true, t.n_found, t.n_right) for t in row] for row in tallies])


def left_out(
    trials: Trials,
    place: NDArray[np.intp],
    group: NDArray[np.str_],
    n_slumps: NDArray[np.int64],
    min_slumps: int,
) -> Tally | None:
    """The tally of what is chosen without each place, on that place; all places together.

    So no scene is judged by a choice that it had a part in. None where slumps are in one place
    alone.

    Args:
        trials: what was tried on the scenes.
        place: number of each scene's place.
        group: sensor or region that has a threshold of its own; empty of scenes of none.
        n_slumps: labelled slumps of each scene.
        min_slumps: fewest of a group, without the place, for a threshold of its own.
    """
    if len(np.unique(place[n_slumps > 0])) < 2:
        return None
    total = Tally()
    for number in np.unique(place):
        others = place != number
        t, a, s = trials.best(others)
        for scene in np.flatnonzero(~others).tolist():
            of_group = others & (group == group[scene]) & (group != "")
            is_own = n_slumps[of_group].sum() >= min_slumps
            own = trials.best_threshold(a, s, of_group) if is_own else t
            total += trials.tally(scene, (own, a, s))
    return total
