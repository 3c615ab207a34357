"""What twelve experts' outlines of the same slumps say of `source_sigma_frac`."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyogrio
import pytest
import shapely

from rts_track.growth.params import GrowthParams
from rts_track.growth.sigma import area_sigma_m2

pytestmark = pytest.mark.real_data


def outlines_of(file):
    _, _, wkb, _ = pyogrio.raw.read(file)
    return shapely.make_valid(shapely.from_wkb(wkb))


def same_slumps(one, other, min_iou):
    """Pairs of outlines that are each other's best."""
    shared = shapely.area(shapely.intersection(one[:, None], other[None]))
    iou = shared / (shapely.area(one)[:, None] + shapely.area(other)[None] - shared)
    best = iou.argmax(axis=1)
    return [
        (one[row], other[column])
        for row, column in enumerate(best)
        if iou[row, column] >= min_iou and iou[:, column].argmax() == row
    ]


def pairs_of_experts(folder, min_iou):
    files = sorted((folder / "rts_digitization_peel" / "experts").glob("*/*.shp"))
    experts = [outlines_of(file) for file in files]
    pairs = [
        pair for one, other in combinations(experts, 2) for pair in same_slumps(one, other, min_iou)
    ]
    return np.array(pairs, dtype=object).T


def test_experts_differ_in_area_by_the_share_that_a_change_of_source_is_given(real_data):
    one, other = pairs_of_experts(real_data, 0.5)
    spread = np.log(shapely.area(one) / shapely.area(other)).std() / 2**0.5
    assert len(one) == 368
    assert spread == pytest.approx(GrowthParams().source_sigma_frac, abs=0.01)


def test_sigma_with_the_source_term_covers_what_experts_disagree_about(real_data):
    """Outlines drawn on images of 10 m, half a pixel of delineation sigma."""
    one, other = pairs_of_experts(real_data, 0.3)
    area = shapely.area(one), shapely.area(other)
    drawn = [area_sigma_m2(shapely.length(side), 10.0, 5.0) for side in (one, other)]
    idea = [GrowthParams().source_sigma_frac * side for side in area]
    sigma = np.sqrt(sum(term**2 for term in (*drawn, *idea)))
    without = np.hypot(*drawn)
    z = (area[1] - area[0]) / sigma
    assert (np.abs(z) < 1.96).mean() == pytest.approx(0.90, abs=0.02)
    assert (np.abs(area[1] - area[0]) < 1.96 * without).mean() < 0.75
