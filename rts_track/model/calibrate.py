"""From logits on held-out windows to probabilities, and from those to a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, special

from rts_track.model.manifest import Calibration
from rts_track.model.training_windows import IGNORED, SLUMP

_MOST_PIXELS = 1_000_000
"""Two numbers are fitted: more pixels say no more."""

_LARGEST_TEMPERATURE = 20.0
"""Of a network whose logits say next to nothing."""

THRESHOLDS = np.arange(0.1, 0.91, 0.05).round(2)
"""Thresholds that are tried: finer steps differ by less than chance."""

_FOUND_FRAC = 0.5
"""A labelled slump counts as found if this share of its pixels is."""

_EIGHT = np.ones((3, 3), dtype=np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a member makes of the windows it was not trained on.

    `probability` and `labels` are (n, height, width).
    """

    probability: NDArray[np.float32]
    labels: NDArray[np.uint8]


def fit_calibration(logits: NDArray[np.float32], labels: NDArray[np.uint8]) -> Calibration:
    """Temperature and bias under which the labels are most probable (Platt 1999).

    Arrays of one shape; ignored pixels count for nothing. None is fitted where all pixels are of
    one label. What is calibrated is a probability in windows like these, which hold more slumps
    than the country does.
    """
    is_known = labels.ravel() != IGNORED
    x, y = logits.ravel()[is_known].astype(np.float64), labels.ravel()[is_known] == SLUMP
    thin = max(len(x) // _MOST_PIXELS, 1)
    x, y = x[::thin], y[::thin]
    if y.all() or not y.any():
        return Calibration()

    def cost(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = at[0] * x + at[1]
        off = special.expit(z) - y
        loss = np.logaddexp(0.0, z) - y * z
        return float(loss.mean()), np.array([(off * x).mean(), off.mean()])

    bounds = [(1 / _LARGEST_TEMPERATURE, _LARGEST_TEMPERATURE), (-20.0, 20.0)]
    found = optimize.minimize(cost, np.array([1.0, 0.0]), jac=True, bounds=bounds)
    scale, bias = found.x
    return Calibration(temperature=float(1 / scale), bias=float(bias))


def best_threshold(judged: Sequence[Judged]) -> float:
    """The threshold with the best F1 of pixels over what all members were judged on.

    One half where no slump was among it. Of equal ones, the one in the middle.
    """
    scores = np.array([_f1(judged, float(threshold)) for threshold in THRESHOLDS])
    if not scores.any():
        return 0.5
    best = THRESHOLDS[scores == scores.max()]
    return float(best[len(best) // 2])


def object_recall(judged: Sequence[Judged], threshold: float) -> float | None:
    """Share of the labelled slumps, 8-connected, of which half the pixels are found.

    None where there is none. Slumps cut off by a window's edge count as what is seen of them.
    """
    n_slumps, n_found = 0, 0
    for each in judged:
        for probability, labels in zip(each.probability, each.labels, strict=True):
            objects, n = ndimage.label(labels == SLUMP, structure=_EIGHT)
            numbers = np.arange(1, n + 1)
            found_frac = ndimage.mean(probability >= threshold, objects, numbers)
            n_slumps += n
            n_found += int(np.count_nonzero(np.asarray(found_frac) >= _FOUND_FRAC))
    return n_found / n_slumps if n_slumps else None


def _f1(judged: Sequence[Judged], threshold: float) -> float:
    hit = false = missed = 0
    for each in judged:
        is_found, is_slump = each.probability >= threshold, each.labels == SLUMP
        hit += int(np.count_nonzero(is_found & is_slump))
        false += int(np.count_nonzero(is_found & (each.labels != IGNORED) & ~is_slump))
        missed += int(np.count_nonzero(~is_found & is_slump))
    return 2 * hit / max(2 * hit + false + missed, 1)
