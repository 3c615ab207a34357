"""The curve that makes an ensemble's mean probability a calibrated one: how it is fitted, applied.

It is monotone, so it changes which probability a pixel is told to have, and not which of two
pixels has the larger one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from rts_track.errors import UsageError
from rts_track.model.reliability import HALF_STEP, JointHistogram
from rts_track.raster.probability import NOT_LOOKED_AT, STEPS

Curve = tuple[tuple[float, float], ...]
Method = Literal["none", "temperature", "isotonic"]
METHODS: tuple[Method, ...] = ("none", "temperature", "isotonic")

_LOG_SCALES = np.linspace(-3.0, 3.0, 61)
_LIFTS = np.linspace(-4.0, 6.0, 51)
"""Where the search for a temperature sets out: the scale from 1/20 to 20, and how far the logit of
what is stored as 0 is lifted. There the loss has a fold: lowered, it remains a 0."""

_BEND = 0.1 / STEPS
"""Knots are left out where the curve stays closer than that to the line between its neighbours."""

_DIGITS = 6

_P = np.arange(STEPS + 1) / STEPS


def curve_bytes(curve: Sequence[tuple[float, float]]) -> NDArray[np.uint8]:
    """What each stored byte of a mean probability becomes, (256,): `table[probability]` applies it.

    Linear between the knots (p, q), constant beyond them, rounded to the nearest step; without
    knots every step stays what it is. What was not looked at (255) stays so.
    """
    table = np.arange(256, dtype=np.uint8)
    if curve:
        p, q = np.array(curve, dtype=np.float64).T
        table[: STEPS + 1] = np.rint(np.interp(_P, p, q) * STEPS)
    table[STEPS + 1 :] = NOT_LOOKED_AT
    return table


def fit_curve(histogram: JointHistogram, method: Method) -> Curve:
    """The knots of the curve under which these pixels' labels are most probable.

    Empty for `none`, and where all pixels are of one label. UsageError for an unknown method.
    """
    if method not in METHODS:
        raise UsageError(f"calibration {method!r}: {', '.join(METHODS)}")
    if method == "none" or not 0 < histogram.n_slump < histogram.n_pixels:
        return ()
    if method == "isotonic":
        return isotonic_curve(histogram)
    temperature, bias = fit_temperature(histogram)
    return temperature_curve(temperature, bias)


def fit_temperature(histogram: JointHistogram) -> tuple[float, float]:
    """Temperature and bias of sigmoid(logit(p) / temperature + bias), by maximum likelihood.

    Platt (1999) with the slope written as a temperature, as Guo et al. (2017,
    https://doi.org/10.48550/arXiv.1706.04599) have it; theirs has no bias. Here the logit is that
    of the ensemble's mean, and 0 and 1 are taken at half a step, before and after: else the many
    pixels that are stored as 0 would bend the curve for a certainty that cannot be stored.
    """
    x = _logits()
    n_ground, n_slump = histogram.counts.T

    def losses(at: NDArray[np.float64]) -> NDArray[np.float64]:
        log_scale, lowest = at.T[..., None]
        z = np.clip(lowest + np.exp(log_scale) * (x - x[0]), x[0], x[-1])
        return np.asarray(np.logaddexp(0.0, z) @ n_ground + np.logaddexp(0.0, -z) @ n_slump)

    tried = np.array([(log_scale, x[0] + lift) for log_scale in _LOG_SCALES for lift in _LIFTS])
    best = tried[losses(tried).argmin()]
    simplex = best + np.array([(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)])
    tight = {"xatol": 1e-7, "fatol": 1e-12 * histogram.n_pixels, "maxiter": 2_000}
    found = optimize.minimize(
        lambda at: float(losses(at[None])[0]),
        best,
        method="Nelder-Mead",
        options={**tight, "initial_simplex": simplex},
    )
    scale, lowest = float(np.exp(found.x[0])), float(found.x[1])
    return 1.0 / scale, lowest - scale * float(x[0])


def temperature_curve(temperature: float, bias: float) -> Curve:
    """The knots of sigmoid(logit(p) / temperature + bias)."""
    return _knots(_P, special.expit(_logits() / temperature + bias))


def isotonic_curve(histogram: JointHistogram) -> Curve:
    """The knots of the non-falling curve under which the labels are most probable.

    Isotonic regression by pooling adjacent violators (Ayer et al. 1955,
    https://doi.org/10.1214/aoms/1177728423; Zadrozny and Elkan 2002,
    https://doi.org/10.1145/775047.775151); each block's share is held at the mean of its
    probabilities, and between blocks the curve is linear, as in the centred one of Oron and
    Flournoy (2017, https://doi.org/10.1080/19466315.2017.1286256). A step would make all pixels
    of a block equal, and leave fewer thresholds to choose from.
    """
    n = histogram.counts.sum(axis=1)
    seen = np.flatnonzero(n)
    p, weight = _P[seen], n[seen].astype(np.float64)
    fitted = optimize.isotonic_regression(histogram.counts[seen, 1] / weight, weights=weight)
    starts = fitted.blocks[:-1]
    mass = np.add.reduceat(weight, starts)
    centre = np.add.reduceat(weight * p, starts) / mass
    return _knots(centre, np.clip(fitted.x[starts], 0.0, 1.0))


def _logits() -> NDArray[np.float64]:
    return np.asarray(special.logit(np.clip(_P, HALF_STEP, 1.0 - HALF_STEP)))


def _knots(p: NDArray[np.float64], q: NDArray[np.float64]) -> Curve:
    """Knots on the points (p, q) that the curve needs, two at least; p rises, q does not fall."""
    if len(p) == 1:  # one share for all: a level curve
        p, q = np.array([0.0, 1.0]), np.array([q[0], q[0]])
    kept = [0, len(p) - 1]
    while True:
        off = np.abs(np.interp(p, p[kept], q[kept]) - q)
        if off.max() <= _BEND:
            break
        kept = sorted([*kept, int(off.argmax())])
    q = np.maximum.accumulate(np.round(q[kept], _DIGITS))
    pairs = zip(np.round(p[kept], _DIGITS).tolist(), q.tolist(), strict=True)
    return tuple(dict(pairs).items())
