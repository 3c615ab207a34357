"""Choices made for an ensemble on scenes that it has looked at, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rts_track.errors import InputError
from rts_track.model.curve import curve_bytes
from rts_track.raster.probability import STEPS
from rts_track.steps.tuning_bundles import domain_of, smallest_m2, tuned_bundles
from rts_track.steps.tuning_choice import (
    COARSE,
    SPREADS,
    Choice,
    Cuts,
    Trials,
    fine_steps,
    least_areas_m2,
    left_out,
    object_trials,
    pixel_trials,
)
from rts_track.steps.tuning_fits import calibrated, weighted
from rts_track.steps.tuning_objects import Finding
from rts_track.steps.tuning_report import GroupChoice, Scored, TuneReport
from rts_track.steps.tuning_scenes import places
from rts_track.steps.tuning_scores import scored
from rts_track.steps.tuning_words import tally_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.model.bundle import Ensemble
    from rts_track.model.pr_curve import PrCurve
    from rts_track.progress import Progress
    from rts_track.steps.tuning_fits import Weighted
    from rts_track.steps.tuning_request import TuneRequest
    from rts_track.steps.tuning_scenes import Viewed

HALF = STEPS // 2
"""What others cut at, as a stored byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """What was chosen, and the curves that it was chosen from."""

    choice: Choice
    groups: tuple[GroupChoice, ...]
    trials: Trials
    objects: PrCurve
    pixels: PrCurve


class Tuning:
    """One tuning, once the scenes have been looked at."""

    def __init__(
        self,
        ensemble: Ensemble,
        working: Ensemble,
        request: TuneRequest,
        viewed: list[Viewed],
        progress: Progress,
    ) -> None:
        """Of what was seen of the scenes by `working`, which is the ensemble as it is tuned."""
        self._ensemble, self._working, self._request = ensemble, working, request
        self._place = places(viewed)
        self._weighted, self._viewed = _reweighted(viewed, self._place)
        self._smallest_m2 = smallest_m2(ensemble, request)
        self._histograms = [each.histogram for each in self._viewed]
        self._calibrated = calibrated(self._histograms, self._place, request.calibration)
        self._cuts = Cuts(table=curve_bytes(self._calibrated.curve))
        self._finding = Finding(self._viewed, self._smallest_m2)
        self._progress = progress
        self._n_slumps = np.array([each.n_slumps for each in self._viewed])
        self._group = np.array([_group_of(each, request) for each in self._viewed])

    def report(self) -> TuneReport:
        """What came of it; nothing is written yet."""
        request = self._request
        chosen = self._chosen()
        domain = domain_of(self._viewed)
        own = {group.name: group.threshold for group in chosen.groups if group.threshold}
        final = scored(
            self._viewed,
            self._finding,
            lambda each: self._cuts.of_threshold(
                own.get(_group_of(each, request), chosen.choice.threshold)
            ),
            chosen.choice.min_area_m2,
            chosen.choice.max_spread,
        )
        if final is None:
            raise InputError(
                f"at the threshold {chosen.choice.threshold:g} all is noise: no footprint can be"
                " drawn; is the model trained, and for such scenes?"
            )
        at_half = scored(self._viewed, self._finding, lambda _: HALF, self._smallest_m2, None)
        out = left_out(chosen.trials, self._place, self._group, self._n_slumps, request.min_slumps)
        report = TuneReport(
            bundles=(),
            folders=(),
            request=request,
            domain=domain,
            choice=chosen.choice,
            groups=chosen.groups,
            at_half=at_half,
            given=self._given(),
            chosen=final,
            left_out=out,
            are_scenes_places=domain.n_places == 1,
            calibrated=self._calibrated,
            weighted=self._weighted,
            pixels=chosen.pixels,
            objects=chosen.objects,
            faults=(),
        )
        return replace(report, bundles=tuned_bundles(self._working, report))

    def _given(self) -> Scored | None:
        """How the bundles do as they were given; None where their mean was another."""
        is_other = self._weighted is not None and (
            self._weighted.is_kept or len({bundle.weight for bundle in self._ensemble.bundles}) > 1
        )
        if is_other or self._working.tta != self._ensemble.tta:
            return None
        return as_given(self._ensemble, self._viewed, self._finding, self._smallest_m2)

    def _chosen(self) -> _Chosen:
        """The best threshold, least area and spread; and thresholds of groups with these."""
        request, smallest = self._request, self._smallest_m2
        areas = least_areas_m2(smallest, max(each.scene.grid.gsd_m for each in self._viewed))
        reached = [cut for step in COARSE if (cut := self._cuts.of(step))]
        self._finding.prepare(reached, self._progress)
        coarse = self._object_trials(
            areas if request.is_area_tuned else (smallest,),
            SPREADS if request.is_spread_tuned else (None,),
            COARSE,
        )
        table = self._cuts.table
        by_pixels = pixel_trials([each.through(table) for each in self._histograms], smallest)
        trials = by_pixels if request.score == "pixels" else coarse
        best = trials.best()
        choice = self._refined(trials, best, np.ones(len(self._viewed), dtype=np.bool_))
        a, s = (0, 0) if request.score == "pixels" else best[1:]
        return _Chosen(
            choice=choice,
            groups=tuple(self._groups(trials, best, choice)),
            trials=trials,
            objects=coarse.curve(a, s),
            pixels=by_pixels.curve(0, 0),
        )

    def _object_trials(
        self, areas_m2: tuple[float, ...], spreads: tuple[float | None, ...], steps: range
    ) -> Trials:
        criterion = self._request.criterion
        n_scenes = len(self._viewed)
        return object_trials(
            self._finding, self._cuts, n_scenes, criterion, areas_m2, spreads, steps
        )

    def _refined(
        self, trials: Trials, best: tuple[int, int, int], scenes: NDArray[np.bool_]
    ) -> Choice:
        """The best trial, its threshold to a step; pixels were tried at every step already."""
        choice = trials.choice(best)
        if self._request.score == "pixels":
            return choice
        steps = fine_steps(int(trials.steps[best[0]]))
        fine = self._object_trials((choice.min_area_m2,), (choice.max_spread,), steps)
        return fine.choice((fine.best_threshold(0, 0, scenes), 0, 0))

    def _groups(
        self, trials: Trials, best: tuple[int, int, int], default: Choice
    ) -> Sequence[GroupChoice]:
        """Sensors or regions, each with the threshold that is best for its scenes."""
        groups = []
        for name in sorted(set(self._group.tolist()) - {""}):
            scenes = self._group == name
            n_slumps = int(self._n_slumps[scenes].sum())
            own = None
            if n_slumps >= self._request.min_slumps:
                t = trials.best_threshold(*best[1:], scenes)
                own = self._refined(trials, (t, *best[1:]), scenes).threshold
            groups.append(
                GroupChoice(
                    sensor=name if self._request.per == "sensor" else None,
                    region=name if self._request.per == "region" else None,
                    n_slumps=n_slumps,
                    threshold=own,
                    f1=None if own is None else self._f1(scenes, own, default),
                    f1_default=self._f1(scenes, default.threshold, default),
                )
            )
        return groups

    def _f1(self, scenes: NDArray[np.bool_], threshold: float, choice: Choice) -> float | None:
        """What was to be made best, of these scenes, cut at the threshold."""
        cut = self._cuts.of_threshold(threshold)
        done = scored(
            self._viewed,
            self._finding,
            lambda _: cut,
            choice.min_area_m2,
            choice.max_spread,
            among=scenes,
        )
        return tally_of(self._request, done).f1 if done else None


def _reweighted(
    viewed: list[Viewed], place: NDArray[np.intp]
) -> tuple[Weighted | None, list[Viewed]]:
    """Weights, where members were kept, and the scenes by the weighted mean if that is better."""
    samples = [each.sample for each in viewed if each.sample is not None]
    if not samples:
        return None, viewed
    made = weighted(samples, place)
    if not made.is_kept:
        return made, viewed
    return made, [each.reweighted(made.weights) for each in viewed]


def as_given(
    ensemble: Ensemble, viewed: Sequence[Viewed], finding: Finding, smallest: float
) -> Scored | None:
    """How the viewed scenes do by the ensemble's own curve, thresholds, area and spread."""
    cuts = Cuts(table=curve_bytes(ensemble.curve))

    def cut_of(each: Viewed) -> int | None:
        regions = [each.region] if each.region else []
        return cuts.of_threshold(ensemble.threshold_for(each.scene.sensor, regions))

    least_m2 = max(ensemble.min_area_m2, smallest)
    return scored(viewed, finding, cut_of, least_m2, ensemble.max_spread)


def _group_of(viewed: Viewed, request: TuneRequest) -> str:
    """The sensor or region that a scene's threshold may be of; empty: of none."""
    if request.per == "sensor":
        return viewed.scene.sensor
    return (viewed.region or "") if request.per == "region" else ""
