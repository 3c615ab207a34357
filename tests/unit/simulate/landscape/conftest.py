import dataclasses

import pytest

from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape

SMALL = LandscapeParams(
    extent_m=(1_500.0, 1_200.0),
    n_seasons=4,
    slumps_per_km2=4.0,
    merge_frac=0.5,
    split_frac=0.3,
    stabilised_frac=0.2,
    reactivated_frac=0.5,
    initiated_frac=0.2,
    lakes_per_km2=1.0,
    lookalikes_per_km2=4.0,
    cloud_frac=0.15,
    partial_frac=0.5,
)


@pytest.fixture(scope="session")
def small():
    """A small landscape in which much happens."""
    return simulate_landscape(8, SMALL)


@pytest.fixture(scope="session")
def clear_scene(small):
    """Makes scenes of a sensor and season without cloud, haze, noise, gain, shift or border."""

    def of(sensor, season_year, **changes):
        spec = next(
            each
            for each in small.scenes
            if (each.sensor, each.season_year) == (sensor, season_year)
        )
        plain = {
            "sky": dataclasses.replace(spec.sky, cloud_frac=0.0, haze=0.0),
            "gain": (1.0,) * len(spec.table.bands),
            "atmosphere": 0.0,
            "shift_m": (0.0, 0.0),
            "swath": (0.0, 1e6),
        }
        return dataclasses.replace(spec, **(plain | changes))

    return of
