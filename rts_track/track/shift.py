"""How far two scenes lie apart, told by the slumps that both show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.track.params import LinkParams

_MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution per median absolute deviation."""
_MEDIAN_SE = 1.2533
"""Standard error of the median of normal values per standard error of their mean, sqrt(pi/2)."""
_CLIP_SIGMA = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Metres that the later scene lies east and north of the earlier."""

    dx_m: float
    dy_m: float
    se_m: float
    n: int
    is_applied: bool


def mutual_best(
    a: NDArray[np.int64], b: NDArray[np.int64], iou: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which pairs are the best of both their ends by IoU; of equals, the first."""
    order = np.lexsort((np.arange(len(iou)), -iou))
    is_best_a, is_best_b = np.zeros(len(iou), dtype=bool), np.zeros(len(iou), dtype=bool)
    is_best_a[order[np.unique(a[order], return_index=True)[1]]] = True
    is_best_b[order[np.unique(b[order], return_index=True)[1]]] = True
    return is_best_a & is_best_b


def estimate_shift(
    east_m: NDArray[np.float64], north_m: NDArray[np.float64], params: LinkParams
) -> Shift | None:
    """The shift told by the centroids' offsets of trusted pairs; None where they are too few.

    The median after clipping at 3 sigma of the median absolute deviation. `se_m` is the larger
    of its two components' standard errors. Offsets are metres on the ground.
    """
    if len(east_m) < params.shift_min_pairs:
        return None
    keep = _inliers(east_m) & _inliers(north_m)
    if keep.sum() < params.shift_min_pairs:
        return None
    east_m, north_m = east_m[keep], north_m[keep]
    dx_m, dy_m = float(np.median(east_m)), float(np.median(north_m))
    se_m = max(_median_se(east_m), _median_se(north_m))
    size_m = float(np.hypot(dx_m, dy_m))
    return Shift(
        dx_m=dx_m,
        dy_m=dy_m,
        se_m=se_m,
        n=len(east_m),
        is_applied=params.shift_min_se * se_m < size_m <= params.max_shift_m,
    )


def _spread(values: NDArray[np.float64]) -> float:
    return _MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


def _inliers(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.abs(values - np.median(values)) <= _CLIP_SIGMA * _spread(values) + 1e-9


def _median_se(values: NDArray[np.float64]) -> float:
    return _MEDIAN_SE * _spread(values) / float(np.sqrt(len(values)))
