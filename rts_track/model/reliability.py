"""How far probabilities can be trusted: what share of pixels turned out to be slumps.

All is counted on the bytes that are stored (`raster.probability`), so nothing is lost by binning
and nothing is kept but 251 x 2 numbers a scene.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rts_track.model.pr_curve import PrCurve
from rts_track.raster.probability import STEPS

N_BINS = 15
"""Bins of a reliability diagram, as Guo et al. (2017) have it."""

DOUBTFUL = 5
"""Least byte (0.02) of pixels that an ensemble is not sure are ground. Nearly all of a landscape
is: whoever says 0 everywhere has a small calibration error over all of it."""

HALF_STEP = 0.5 / STEPS
"""A stored 0 or 1 is taken at half a step from it: neither was ever so certain."""


def _no_counts() -> NDArray[np.int64]:
    return np.zeros((STEPS + 1, 2), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointHistogram:
    """Clear pixels by their stored probability (rows, 0 to 250) and label (ground, slump)."""

    counts: NDArray[np.int64] = field(default_factory=_no_counts)

    def __add__(self, other: JointHistogram) -> JointHistogram:
        """Both together."""
        return JointHistogram(counts=self.counts + other.counts)

    @property
    def n_pixels(self) -> int:
        """How many pixels."""
        return int(self.counts.sum())

    @property
    def n_slump(self) -> int:
        """How many of them are labelled as slump."""
        return int(self.counts[:, 1].sum())

    def through(self, table: NDArray[np.uint8]) -> JointHistogram:
        """The same pixels with the probabilities that the table (256,) makes of theirs."""
        counts = _no_counts()
        np.add.at(counts, table[: STEPS + 1], self.counts)
        return JointHistogram(counts=counts)

    def doubtful(self) -> JointHistogram:
        """The pixels whose probability is 0.02 or more."""
        counts = self.counts.copy()
        counts[:DOUBTFUL] = 0
        return JointHistogram(counts=counts)

    def pr_curve(self) -> PrCurve:
        """Precision and recall of pixels at each of the 250 thresholds."""
        at_or_above = np.cumsum(self.counts[::-1], axis=0)[::-1][1:]
        return PrCurve(
            threshold=np.arange(1, STEPS + 1) / STEPS,
            n_true=np.full(STEPS, self.n_slump),
            n_found=at_or_above.sum(axis=1),
            n_right=at_or_above[:, 1],
        )

    def log_loss(self) -> float:
        """Mean negative log likelihood of the labels, in nats a pixel; NaN without pixels."""
        p = np.clip(np.arange(STEPS + 1) / STEPS, HALF_STEP, 1.0 - HALF_STEP)
        loss = -self.counts[:, 0] * np.log1p(-p) - self.counts[:, 1] * np.log(p)
        return float(loss.sum() / self.n_pixels) if self.n_pixels else float("nan")


def joint_histogram(probability: NDArray[np.uint8], is_slump: NDArray[np.bool_]) -> JointHistogram:
    """The clear pixels of a scene, counted; both arrays are (H, W), 255 was not looked at."""
    counts = _no_counts()
    for row_of_probability, row_of_labels in zip(probability, is_slump, strict=True):
        key = row_of_probability.astype(np.intp) + 256 * row_of_labels
        found = np.bincount(key, minlength=512).reshape(2, 256)
        counts += found[:, : STEPS + 1].T
    return JointHistogram(counts=counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """A reliability diagram: what was said and what was so, in bins that hold a pixel at least.

    Attributes:
        n: pixels of each bin.
        said: their mean probability.
        observed: the share of them that are slumps.
    """

    n: NDArray[np.int64]
    said: NDArray[np.float64]
    observed: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """Expected calibration error: sum over bins of n_b / n |observed_b - said_b|.

        Naeini et al. (2015, https://doi.org/10.1609/aaai.v29i1.9602), Guo et al. (2017,
        https://doi.org/10.48550/arXiv.1706.04599), here of the probability of one class. NaN
        without pixels.
        """
        if not len(self.n):
            return float("nan")
        return float((self.n * np.abs(self.observed - self.said)).sum() / self.n.sum())


def equal_width(histogram: JointHistogram, n_bins: int = N_BINS) -> Reliability:
    """The reliability in bins of one width; the last one has 1 in it, too."""
    return _reliability(histogram, _width_bins(n_bins), n_bins)


def equal_mass(histogram: JointHistogram, n_bins: int = N_BINS) -> Reliability:
    """The reliability in bins of about as many pixels each.

    Pixels of one stored value stay together, in the bin that the middle of their ranks falls in:
    where most pixels have one value, bins are fewer.
    """
    n = histogram.counts.sum(axis=1)
    middle = np.cumsum(n) - n / 2.0
    bins = np.minimum((middle / max(n.sum(), 1) * n_bins).astype(np.intp), n_bins - 1)
    return _reliability(histogram, bins, n_bins)


def _width_bins(n_bins: int) -> NDArray[np.intp]:
    bins: NDArray[np.intp] = np.arange(STEPS + 1) * n_bins // STEPS
    return np.minimum(bins, n_bins - 1)


def _reliability(histogram: JointHistogram, bins: NDArray[np.intp], n_bins: int) -> Reliability:
    n = np.bincount(bins, histogram.counts.sum(axis=1), n_bins)
    p = np.arange(STEPS + 1) / STEPS
    said = np.bincount(bins, histogram.counts.sum(axis=1) * p, n_bins)
    slump = np.bincount(bins, histogram.counts[:, 1], n_bins)
    is_filled = n > 0
    n, said, slump = n[is_filled], said[is_filled], slump[is_filled]
    return Reliability(n=n.astype(np.int64), said=said / n, observed=slump / n)


def calibration_errors(histogram: JointHistogram, doubtful: JointHistogram) -> dict[str, float]:
    """Expected calibration errors by what they are told of.

    `width` and `mass`: of all clear pixels, in bins of one width or of one mass; `doubtful`: of
    the pixels in `doubtful`, in bins of one width.
    """
    return {
        "width": equal_width(histogram).ece,
        "mass": equal_mass(histogram).ece,
        "doubtful": equal_width(doubtful).ece,
    }
