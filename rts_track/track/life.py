"""What is known of a slump in a season, and what may be said to have happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.track.params import LinkParams

OBSERVED, PARTIAL, ABSENT, UNOBSERVED = "observed", "partial", "absent", "unobserved"


def seen_state(
    is_clipped: NDArray[np.bool_], coverage_frac: NDArray[np.float64], params: LinkParams
) -> NDArray[np.str_]:
    """The state of slumps with an outline: partial if cut off, or known not to be covered."""
    is_cut = is_clipped | (coverage_frac < params.coverage_min_frac)  # NaN, unknown: not cut
    return np.where(is_cut, PARTIAL, OBSERVED)


def unseen_state(coverage_frac: NDArray[np.float64], params: LinkParams) -> NDArray[np.str_]:
    """The state of slumps without an outline: absent only where the place was looked at."""
    return np.where(coverage_frac >= params.coverage_min_frac, ABSENT, UNOBSERVED)


def detection_confidence(
    recall: NDArray[np.float64], n_looked_at: NDArray[np.int64], params: LinkParams
) -> NDArray[np.float64]:
    """How sure it is that a slump that `n_looked_at` seasons missed was not there.

    1 - (1 - recall)^n, seasons taken as independent; an unknown recall (NaN) as
    `params.unknown_recall`. Not calibrated.
    """
    known = np.where(np.isnan(recall), params.unknown_recall, recall)
    return np.asarray(1.0 - (1.0 - known) ** n_looked_at)
