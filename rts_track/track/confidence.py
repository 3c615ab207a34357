"""How sure a link or an event is: calibrated on simulated histories, and no more than that.

Logistic regressions on what linking knows of each, fitted by `benchmarks/fit_confidence.py` to
histories of known truth. Among simulated events of confidence 0.7, about 70 % are right; on real
slumps that holds as far as the simulation does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.track.params import LinkParams

Features = Mapping[str, "NDArray[Any]"]

_LEAST_MISS_RATE = 0.02
"""No detector is taken to find more than this leaves."""
_MOST_EVIDENCE = 6.0
"""Log odds that looking may bring at most: seasons are not as independent as they are taken for."""
_SMALL_PIECE = 0.2
"""Share of both pieces below which one is a crumb."""
_MANY_PIECES = 3
"""Slumps seldom split into so many; drawings do."""
_CONFIDENCE_RANGE = (0.001, 0.999)
"""Nothing is certain but what a person says."""

COEFFICIENTS: dict[str, dict[str, float]] = {
    "event first_seen": {
        "constant": 1.619,
        "missed next": -1.204,
        "seen again": 2.16,
    },
    "event initiate": {
        "constant": 9.44,
        "log area": -3.897,
        "looked before": 0.167,
        "missed next": -0.888,
        "seen again": 2.887,
    },
    "event merge": {
        "constant": -5.195,
        "faces by a side": -4.239,
        "log area": 2.111,
        "many pieces": 0.966,
        "over a gap": -0.482,
        "seen once": -0.861,
        "small piece": 1.256,
        "stands apart": -0.981,
    },
    "event reactivate": {
        "constant": -3.69,
        "seasons missed": 0.865,
    },
    "event reinitiate": {
        "constant": 1.532,
        "cover": -7.308,
    },
    "event split": {
        "constant": -1.535,
        "faces by a side": -1.429,
        "log area": 0.892,
        "many pieces": -1.2,
        "missed next": -0.75,
        "over a gap": 0.622,
        "seen again": 1.916,
        "small piece": -0.619,
        "stands apart": -1.683,
    },
    "event stabilise": {
        "constant": -0.862,
        "looked since": 0.213,
        "seen once": -2.198,
    },
    "link": {
        "constant": -0.662,
        "iomin": 6.489,
        "is_gap": -2.741,
        "share": 2.517,
    },
}
"""Constant and weight of each term; what `benchmarks/fit_confidence.py` printed."""


def event_confidence(kind: str, features: Features, params: LinkParams) -> NDArray[np.float64]:
    """How probable it is that events of a kind are right, from what is known of them."""
    return _probability(f"event {kind}", event_terms(kind, features, params))


def link_confidence(features: Features) -> NDArray[np.float64]:
    """How probable it is that links are right, from how they were chosen."""
    return _probability("link", link_terms(features))


def event_terms(
    kind: str, features: Features, params: LinkParams
) -> dict[str, NDArray[np.float64]]:
    """What an event's confidence is a function of: numbers, by their names."""
    terms: dict[str, NDArray[np.generic]] = {}
    if "next_season" in features:
        terms["seen again"] = features["next_season"] == "seen"
        terms["missed next"] = features["next_season"] == "missed"
    if kind == "initiate":
        n_before = features["seasons_looked_at_before"]
        terms["looked before"] = _evidence(features["recall"], n_before, params)
        terms["log area"] = np.log10(features["area_m2"].astype(np.float64))
    elif kind == "stabilise":
        n_missed = features["seasons_missed"]
        terms["looked since"] = _evidence(features["recall"], n_missed, params)
        terms["seen once"] = features["seasons_seen"] == 1
    elif kind in ("split", "merge"):
        facing = features["facing"].astype(np.float64)
        terms["over a gap"] = features["seasons_missed"] > 0
        terms["faces by a side"] = facing >= params.fragment_facing
        terms["stands apart"] = facing == 0
        terms["many pieces"] = features["pieces"] >= _MANY_PIECES
        terms["small piece"] = features["share"] < _SMALL_PIECE
        terms["log area"] = np.log10(features["area_m2"].astype(np.float64))
        if kind == "merge":
            terms["seen once"] = features["seasons_seen"] == 1
    elif kind == "reactivate":
        terms["seasons missed"] = features["seasons_missed"]
    elif kind == "reinitiate":
        terms["cover"] = features["cover"]
    return {name: np.asarray(term, dtype=np.float64) for name, term in terms.items()}


def link_terms(features: Features) -> dict[str, NDArray[np.float64]]:
    """What a link's confidence is a function of: numbers, by their names."""
    return {name: features[name].astype(np.float64) for name in ("share", "iomin", "is_gap")}


def _probability(model: str, terms: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    coefficients = COEFFICIENTS[model]
    logit = coefficients["constant"] + sum(
        coefficients[name] * term for name, term in sorted(terms.items())
    )
    n = len(next(iter(terms.values())))
    return np.clip(np.broadcast_to(1.0 / (1.0 + np.exp(-logit)), n), *_CONFIDENCE_RANGE)


def _evidence(
    recall: NDArray[np.generic], n_looked: NDArray[np.generic], params: LinkParams
) -> NDArray[np.float64]:
    """How strongly `n_looked` seasons that missed a slump tell that it was not there.

    -n ln(1 - recall), the log odds that they bring: seasons taken as independent, an unknown
    recall (NaN) as `params.unknown_recall`.
    """
    known = recall.astype(np.float64)
    known = np.where(np.isnan(known), params.unknown_recall, known)
    odds = -n_looked.astype(np.float64) * np.log(np.maximum(1.0 - known, _LEAST_MISS_RATE))
    return np.minimum(odds, _MOST_EVIDENCE)
