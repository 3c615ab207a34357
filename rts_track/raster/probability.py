"""Probabilities as bytes: what a prediction writes, and what polygons are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 250
"""A stored value is 250 times the probability, rounded; steps of 0.004 are finer than any
calibration."""
NOT_LOOKED_AT = 255
"""The stored value of pixels that were not clear or lay outside the scene."""


def as_bytes(
    probability: NDArray[np.float32], is_looked_at: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Probabilities in [0, 1] as bytes 0..250, and 255 where nothing was looked at.

    Both arrays have one shape. Values beyond [0, 1] are clipped; NaN where something was looked
    at is a ValueError: no probability is not 0.
    """
    if np.isnan(probability[is_looked_at]).any():
        raise ValueError("a pixel that was looked at has no probability")
    stored = np.full(probability.shape, NOT_LOOKED_AT, dtype=np.uint8)
    scaled = np.clip(probability[is_looked_at], 0.0, 1.0) * np.float32(STEPS)
    stored[is_looked_at] = np.rint(scaled).astype(np.uint8)
    return stored


def as_probability(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Stored bytes as probabilities; NaN where nothing was looked at."""
    probability = stored.astype(np.float32) / np.float32(STEPS)
    probability[stored == NOT_LOOKED_AT] = np.nan
    return probability


def threshold_byte(threshold: float) -> int:
    """The least stored value that counts as at or above the threshold, a share in (0, 1]."""
    return int(np.ceil(threshold * STEPS - 1e-6))
