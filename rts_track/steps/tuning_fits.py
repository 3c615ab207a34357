"""Calibration and weights that are fitted on some places and judged on the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from rts_track.model.curve import Curve, Method, curve_bytes, fit_curve
from rts_track.model.reliability import JointHistogram, calibration_errors
from rts_track.model.weighting import LEAST_WEIGHT, PixelSample, fit_weights, log_loss, together
from rts_track.progress import Item

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_GAIN = 0.01
"""Weights are kept only where they lower the log loss on other places by this share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A calibration of the ensemble's mean, and what it did.

    Attributes:
        method: how it was fitted.
        curve: the knots; empty where none is kept.
        is_kept: whether there was one, and it lowered the log loss.
        n_folds: parts that were judged in turn; with one alone, nothing is out of sample.
        before: all clear pixels by the mean as it was.
        after: by the calibrated mean, each place's by the curve that was fitted on the others.
        doubtful_before: those pixels of which the mean was 0.02 or more.
        doubtful_after: the same pixels by the calibrated mean.
    """

    method: Method
    curve: Curve
    is_kept: bool
    n_folds: int
    before: JointHistogram
    after: JointHistogram
    doubtful_before: JointHistogram
    doubtful_after: JointHistogram

    @property
    def errors_before(self) -> dict[str, float]:
        """Expected calibration errors of the mean as it was."""
        return calibration_errors(self.before, self.doubtful_before)

    @property
    def errors_after(self) -> dict[str, float]:
        """Those of the calibrated mean."""
        return calibration_errors(self.after, self.doubtful_after)


def calibrated(
    histograms: Sequence[JointHistogram], place: NDArray[np.intp], method: Method
) -> Calibrated:
    """The calibration of these scenes, judged on places that it was not fitted on.

    It is kept only where it lowers the log loss there. Of one place alone it is judged on what it
    was fitted on.
    """
    before = _sum(histograms)
    doubtful = [each.doubtful() for each in histograms]
    after, doubtful_after = JointHistogram(), JointHistogram()
    for fitted_on, judged_on in _folds(place):
        curve = fit_curve(_sum(_those(histograms, fitted_on)), method)
        table = curve_bytes(curve)
        after += _sum(_those(histograms, judged_on)).through(table)
        doubtful_after += _sum(_those(doubtful, judged_on)).through(table)
    curve = fit_curve(before, method)
    is_kept = bool(curve) and after.log_loss() < before.log_loss()
    return Calibrated(
        method=method,
        curve=curve if is_kept else (),
        is_kept=is_kept,
        n_folds=len(np.unique(place)),
        before=before,
        after=after if is_kept else before,
        doubtful_before=_sum(doubtful),
        doubtful_after=doubtful_after if is_kept else _sum(doubtful),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """Weights of an ensemble's members, and what they are worth.

    Attributes:
        weights: in the order of the ensemble's bundles, 1 together; 0 of a member that is left out.
        is_kept: whether they are used; if not, all members count alike.
        loss_equal: log loss of the equal mean, in nats a pixel.
        loss_weighted: of the weighted one, with weights that were fitted on other places.
    """

    weights: tuple[float, ...]
    is_kept: bool
    loss_equal: float
    loss_weighted: float


def weighted(samples: Sequence[PixelSample], place: NDArray[np.intp]) -> Weighted:
    """Weights fitted on these scenes' pixels; kept where they help on places not fitted on."""
    every = together(samples)
    equal = np.full(every.members.shape[1], 1.0 / every.members.shape[1])
    mass = loss = 0.0
    for fitted_on, judged_on in _folds(place):
        judged = together(_those(samples, judged_on))
        weights = fit_weights(together(_those(samples, fitted_on)))
        mass += float(judged.mass.sum())
        loss += float(judged.mass.sum()) * log_loss(judged, weights)
    loss_equal, loss_weighted = log_loss(every, equal), loss / mass
    fitted = fit_weights(every)
    fitted = np.where(fitted < LEAST_WEIGHT, 0.0, fitted)
    is_kept = loss_weighted < (1.0 - LEAST_GAIN) * loss_equal
    return Weighted(
        weights=tuple((fitted / fitted.sum()).tolist()) if is_kept else tuple(equal.tolist()),
        is_kept=is_kept,
        loss_equal=loss_equal,
        loss_weighted=loss_weighted,
    )


def _folds(place: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """For each place the scenes to fit on and to judge on; one alone is both."""
    numbers = np.unique(place)
    for number in numbers:
        is_judged = place == number
        yield (~is_judged if len(numbers) > 1 else is_judged), is_judged


def _sum(histograms: Sequence[JointHistogram]) -> JointHistogram:
    return reduce(add, histograms, JointHistogram())


def _those(items: Sequence[Item], mask: NDArray[np.bool_]) -> list[Item]:
    return [item for item, is_meant in zip(items, mask, strict=True) if is_meant]
