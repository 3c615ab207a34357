"""How much each member of an ensemble should count: weights that make the labels most probable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rts_track.model.reliability import HALF_STEP
from rts_track.raster.probability import NOT_LOOKED_AT, STEPS

SAMPLE_SLUMP_PX, SAMPLE_GROUND_PX = 20_000, 40_000
"""Clear pixels of a scene, of each label, that weights are fitted on: they hold as many numbers as
are fitted, and neighbouring pixels say the same."""

LEAST_WEIGHT = 0.01
"""A member that would count for less is left out: it costs as much as the others."""

_MOST_STEPS, _SMALLEST_STEP = 500, 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSample:
    """Pixels with what the members make of them.

    Attributes:
        members: probabilities (n, M), at least half a step from 0 and 1.
        is_slump: their labels, (n,).
        mass: how many pixels of the scenes each stands for, (n,).
    """

    members: NDArray[np.float64]
    is_slump: NDArray[np.bool_]
    mass: NDArray[np.float64]


def pixel_sample(
    members: NDArray[np.uint8], is_slump: NDArray[np.bool_], chance: np.random.Generator
) -> PixelSample:
    """Clear pixels of a scene drawn by chance, so many of each label.

    Args:
        members: the members' stored probabilities, (M, H, W); 255 was not looked at.
        is_slump: the labels, (H, W).
        chance: which ones.
    """
    is_clear = members[0] != NOT_LOOKED_AT
    picked, mass = [], []
    for of_label, most in ((is_slump, SAMPLE_SLUMP_PX), (~is_slump, SAMPLE_GROUND_PX)):
        pixels = np.flatnonzero(is_clear & of_label)
        n = min(len(pixels), most)
        picked.append(np.sort(chance.choice(pixels, n, replace=False)))
        mass.append(np.full(n, len(pixels) / max(n, 1)))
    at = np.concatenate(picked)
    probability = members.reshape(len(members), -1)[:, at].T / float(STEPS)
    return PixelSample(
        members=np.clip(probability, HALF_STEP, 1.0 - HALF_STEP),
        is_slump=is_slump.ravel()[at],
        mass=np.concatenate(mass),
    )


def together(samples: Iterable[PixelSample]) -> PixelSample:
    """The pixels of all samples; there is one at least."""
    every = list(samples)
    return PixelSample(
        members=np.concatenate([each.members for each in every]),
        is_slump=np.concatenate([each.is_slump for each in every]),
        mass=np.concatenate([each.mass for each in every]),
    )


def fit_weights(sample: PixelSample) -> NDArray[np.float64]:
    """The members' weights, (M,), 0 or more and 1 together, with the least log loss of their mean.

    The mean is a mixture of the members, and its likelihood is made largest by expectation and
    maximisation (Dempster et al. 1977, https://doi.org/10.1111/j.2517-6161.1977.tb01600.x): each
    step gives a member the share that it has in the likelihood, and none makes the loss larger.
    """
    likely = np.where(sample.is_slump[:, None], sample.members, 1.0 - sample.members)
    n_members = likely.shape[1]
    weights = np.full(n_members, 1.0 / n_members)
    total = sample.mass.sum()
    for _ in range(_MOST_STEPS):
        share = sample.mass / (likely @ weights)
        stepped = weights * (likely.T @ share) / total
        if np.abs(stepped - weights).max() < _SMALLEST_STEP:
            break
        weights = stepped
    return np.asarray(weights / weights.sum())


def log_loss(sample: PixelSample, weights: Sequence[float] | NDArray[np.float64]) -> float:
    """Mean negative log likelihood of the labels under the weighted mean, in nats a pixel."""
    mean = sample.members @ np.asarray(weights)
    likely = np.where(sample.is_slump, mean, 1.0 - mean)
    return float(-(sample.mass * np.log(likely)).sum() / sample.mass.sum())


def weighted_mean(
    members: NDArray[np.uint8], weights: Sequence[float]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Mean and spread (H, W) of the members' stored probabilities (M, H, W); 255 stays.

    Within one step of what the predictor makes of probabilities that were not rounded before.
    """
    probability = np.full(members.shape[1:], NOT_LOOKED_AT, dtype=np.uint8)
    spread = probability.copy()
    by = np.asarray(weights, dtype=np.float32)[:, None]
    for row, of_members in enumerate(members.transpose(1, 0, 2)):
        is_clear = of_members[0] != NOT_LOOKED_AT
        given = of_members[:, is_clear].astype(np.float32)
        mean = (by * given).sum(axis=0)
        variance = (by * (given - mean) ** 2).sum(axis=0)
        probability[row, is_clear] = np.rint(mean).astype(np.uint8)
        spread[row, is_clear] = np.rint(np.sqrt(variance)).astype(np.uint8)
    return probability, spread
