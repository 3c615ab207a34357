"""Precision and recall along the threshold, and the choice of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EQUAL = 1e-12
"""Scores that differ by less are one: they are shares of whole numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrCurve:
    """Counts at each threshold, (n,): how many are true, found, and right among these."""

    threshold: NDArray[np.float64]
    n_true: NDArray[np.int64]
    n_found: NDArray[np.int64]
    n_right: NDArray[np.int64]

    def __len__(self) -> int:
        """How many thresholds."""
        return len(self.threshold)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the found that is right; NaN where nothing was found."""
        return _share(self.n_right, self.n_found)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the true that was found; NaN where nothing is true."""
        return _share(self.n_right, self.n_true)

    @property
    def f1(self) -> NDArray[np.float64]:
        """2 right / (true + found), their harmonic mean; NaN where there is neither."""
        return f1_of(self.n_true, self.n_found, self.n_right)

    def at(self, threshold: float) -> int:
        """The number of the threshold closest to this one."""
        return int(np.argmin(np.abs(self.threshold - threshold)))


def f1_of(
    n_true: NDArray[np.int64], n_found: NDArray[np.int64], n_right: NDArray[np.int64]
) -> NDArray[np.float64]:
    """2 right / (true + found); NaN where nothing is true and nothing was found."""
    return _share(2 * n_right, n_true + n_found)


def longest_best(score: NDArray[np.float64]) -> tuple[int, int]:
    """The middle of the longest run of best scores, and how long it is.

    A threshold in the middle of those that do equally well is the furthest from doing worse. NaN
    is no score; ValueError where there is none. Of runs of one length, the first; of two middles,
    the upper one.
    """
    known = np.where(np.isnan(score), -np.inf, score)
    if not np.isfinite(known).any():
        raise ValueError("nothing to choose from")
    is_best = known >= known.max() - EQUAL
    ends = np.flatnonzero(np.diff(np.concatenate([[0], is_best.astype(np.int8), [0]])))
    starts, stops = ends[::2], ends[1::2]
    longest = int(np.argmax(stops - starts))
    start, stop = int(starts[longest]), int(stops[longest])
    return (start + stop) // 2, stop - start


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
