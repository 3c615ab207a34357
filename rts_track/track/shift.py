"""How far two scenes lie apart, told by the slumps that both show.

A slump's centroid moves upslope where its headwall retreats, without any shift; where slumps
share an aspect, that looks like one. But a shift changes no area, and growth does: the centroids'
offsets are regressed on how far the slumps advanced, told by their areas, and the shift is what
the line says of a slump that did not advance at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.track.params import LinkParams

_ITERATIONS = 40
_SMOOTH_M = 0.3
"""Residuals below this count as this in the reweighting, far below a pixel."""
_NOISE_M = 1.0
"""Scatter of the centroids' offsets of slumps that did not advance, of the order of a pixel..."""
_SCATTER_PER_ADVANCE = 0.35
"""... which grows by this share of a slump's advance, as each goes its own way."""
_SLOPE_PRIOR = 4.0
"""Weight on a slope of zero, as of a prior of 0 ± 0.5 metres of offset per metre of advance: where
few pairs tell no slope, none is made up."""
_JACKKNIFE_GROUPS = 10


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


def mean_advance_m(
    area_before_m2: NDArray[np.float64], area_after_m2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far slumps of these areas advanced, as a length: growth over their size."""
    size_m = np.sqrt(area_before_m2 + area_after_m2)
    return np.asarray((area_after_m2 - area_before_m2) / size_m)


def estimate_shift(
    east_m: NDArray[np.float64],
    north_m: NDArray[np.float64],
    advance_m: NDArray[np.float64],
    params: LinkParams,
) -> Shift | None:
    """The shift told by trusted pairs of outlines; None where they are too few.

    Least absolute deviations of the offsets from a line in the advance, both components at once;
    slumps that advanced far count less. `se_m` is the larger of the two components' standard
    errors, by jackknife over groups of pairs.

    Args:
        east_m: offset of each pair's centroids on the ground, later less earlier.
        north_m: the same northward.
        advance_m: how far each slump advanced (`mean_advance_m`).
        params: how many pairs are needed, and when a shift is applied.
    """
    n = len(east_m)
    if n < params.shift_min_pairs:
        return None
    offset_m = np.column_stack([east_m, north_m])
    shift_m = _without_advance(offset_m, advance_m)
    n_groups = min(n, _JACKKNIFE_GROUPS)
    group = np.arange(n) % n_groups
    without = np.array(
        [
            _without_advance(offset_m[group != each], advance_m[group != each])
            for each in range(n_groups)
        ]
    )
    scatter = ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    se_m = float(np.sqrt((n_groups - 1) / n_groups * scatter.max()))
    size_m = float(np.hypot(*shift_m))
    return Shift(
        dx_m=float(shift_m[0]),
        dy_m=float(shift_m[1]),
        se_m=se_m,
        n=n,
        is_applied=bool(params.shift_min_se * se_m < size_m <= params.max_shift_m),
    )


def _without_advance(
    offset_m: NDArray[np.float64], advance_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The line's offset at no advance, by iteratively reweighted least squares."""
    design = np.column_stack([np.ones_like(advance_m), advance_m])
    scatter_m = np.hypot(_NOISE_M, _SCATTER_PER_ADVANCE * advance_m)
    weight = 1.0 / scatter_m
    line: NDArray[np.float64] = np.zeros((2, 2))
    for _ in range(_ITERATIONS):
        weighted = design * weight[:, None]
        line = np.linalg.solve(  # type: ignore[assignment]
            design.T @ weighted + _SLOPE_PRIOR * np.diag([0.0, 1.0]), weighted.T @ offset_m
        )
        residual = np.linalg.norm(offset_m - design @ line, axis=1) / scatter_m
        weight = scatter_m**-2.0 / np.maximum(residual, _SMOOTH_M)
    return np.asarray(line[0], dtype=np.float64)
