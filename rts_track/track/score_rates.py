"""How well growth rates were measured, beside how fast the slumps truly grew.

One interval of a track against the true slump that the track's outlines are of at both ends. Its
true rate is the change of the slump's true area between the two seasons over the interval's own
years. Where the outlines at its ends are of different slumps, or of none, there is no true rate:
that is an identity switch, and scored as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COVERED_SIGMAS = 1.96
"""Differences within so many sigma are what a 95 % interval allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateScore:
    """How growth rates compare with the true ones; all None without an interval to compare.

    Attributes:
        n: intervals compared.
        difference_median_m2_yr: median of measured less true rate.
        ratio_median: median of measured over true rate, of the slumps that truly grew.
        ratio_total: measured over true rate, each summed over intervals; None if truth sums to
            no growth.
        within_frac: share of intervals whose rate lies within 1.96 sigma of the true one; 0.95
            where sigma is right.
    """

    n: int
    difference_median_m2_yr: float | None
    ratio_median: float | None
    ratio_total: float | None
    within_frac: float | None


def score_rates(
    rate_m2_yr: NDArray[np.float64],
    sigma_m2_yr: NDArray[np.float64],
    true_m2_yr: NDArray[np.float64],
) -> RateScore:
    """How measured rates, with their sigma, compare with the true rates of the same intervals."""
    if len(rate_m2_yr) == 0:
        return RateScore(
            n=0, difference_median_m2_yr=None, ratio_median=None, ratio_total=None, within_frac=None
        )
    difference = rate_m2_yr - true_m2_yr
    grew = true_m2_yr > 0.0
    total = float(true_m2_yr.sum())
    return RateScore(
        n=len(rate_m2_yr),
        difference_median_m2_yr=float(np.median(difference)),
        ratio_median=float(np.median(rate_m2_yr[grew] / true_m2_yr[grew])) if grew.any() else None,
        ratio_total=float(rate_m2_yr.sum()) / total if total > 0.0 else None,
        within_frac=float(np.mean(np.abs(difference) < COVERED_SIGMAS * sigma_m2_yr)),
    )
