import pytest

from rts_track.errors import UsageError
from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cloud_frac": 1.5}, "cloud_frac = 1.5"),
        ({"extent_m": (6_000.0, 4_000.0)}, "whole multiples of 30 m"),
        ({"extent_m": (600.0, 600.0)}, "at least 900 m"),
        ({"sensors": ("sentinel-2",)}, "'sentinel-2'"),
        ({"sensors": ("landsat", "landsat")}, "named twice"),
        ({"n_seasons": 0}, "one or more"),
        ({"dem_gsd_m": 0.0}, "dem_gsd_m = 0.0"),
        ({"gain_sigma": -0.1}, "gain_sigma = -0.1"),
        ({"dem_seasons": (0, 7)}, "7: there are 5 seasons"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        LandscapeParams(**wrong)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(UsageError, match=f"seed = {seed}"):
        simulate_landscape(seed)


def test_a_landscape_too_small_for_its_slumps_says_so():
    params = LandscapeParams(extent_m=(900.0, 900.0), slumps_per_km2=200.0)
    with pytest.raises(UsageError, match="too small"):
        simulate_landscape(1, params)
