"""How footprints do on viewed scenes, by a threshold for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rts_track.steps.tuning_report import Scored
from rts_track.track.score_objects import CRITERIA
from rts_track.track.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.model.reliability import JointHistogram
    from rts_track.steps.tuning_objects import Finding
    from rts_track.steps.tuning_scenes import Viewed

CutOf = Callable[["Viewed"], int | None]
"""The least uncalibrated byte of a slump's pixel in a scene; None: no pixel is one."""


def scored(
    viewed: Sequence[Viewed],
    finding: Finding,
    cut_of: CutOf,
    min_area_m2: float,
    max_spread: float | None,
    among: NDArray[np.bool_] | None = None,
) -> Scored | None:
    """How the scenes (those in `among`) do, cut so.

    None where outlines cannot be drawn at a cut, for it is noise.
    """
    objects = dict.fromkeys(CRITERIA, Tally())
    pixels = Tally()
    numbers = range(len(viewed)) if among is None else np.flatnonzero(among).tolist()
    for number in numbers:
        scene = viewed[number]
        cut = cut_of(scene)
        if cut is not None and not finding.is_possible(cut):
            return None
        pixels += pixel_tally(scene.histogram, cut)
        for name in CRITERIA:
            if cut is None:
                objects[name] += Tally(n_true=scene.n_slumps)
            else:
                objects[name] += finding.at(number, cut).tally(name, min_area_m2, max_spread)
    return Scored(objects=objects, pixels=pixels)


def pixel_tally(histogram: JointHistogram, cut: int | None) -> Tally:
    """Clear pixels at or above a byte of their mean; none of them for None."""
    if cut is None:
        return Tally(n_true=histogram.n_slump)
    found = histogram.counts[cut:].sum(axis=0)
    return Tally(n_true=histogram.n_slump, n_found=int(found.sum()), n_right=int(found[1]))
