"""What is known of a slump in a season."""

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
