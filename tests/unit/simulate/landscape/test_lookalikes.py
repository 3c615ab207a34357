import shapely

from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape
from rts_track.simulate.landscape.lookalikes import KINDS


def test_lookalikes_touch_no_slump_of_any_season(small):
    slumps = small.slumps.everywhere()
    strewn = [each for each in small.lookalikes if each.kind not in ("gravel_bar", "lake_shore")]
    assert strewn
    for each in strewn:
        assert not shapely.intersects(each.polygon, slumps)
        assert not shapely.intersects(each.polygon, small.water.polygon)


def test_a_larger_landscape_has_every_kind_of_lookalike():
    params = LandscapeParams(
        extent_m=(4_500.0, 3_000.0), lookalikes_per_km2=6.0, lakes_per_km2=1.0, n_seasons=1
    )
    found = {each.kind for each in simulate_landscape(4, params).lookalikes}
    assert found == set(KINDS)
