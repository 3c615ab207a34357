"""Sums by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def total_of(
    group: NDArray[np.int64], value: NDArray[np.float64] | NDArray[np.bool_], n: int
) -> NDArray[np.float64]:
    """The sum of the values of each of `n` groups, 0 for one without any.

    Like `numpy.bincount`, which however gives whole numbers where there are no values at all.
    """
    return np.bincount(group, value, minlength=n).astype(np.float64)


def count_of(group: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """How many values each of `n` groups has."""
    return np.bincount(group, minlength=n).astype(np.int64)
