"""What detection is trained and judged on: simulated landscapes, and their seeds.

Written down before anything was tuned. Landscapes of `TRAINING_SEEDS` train; an ensemble's
members hold out parts of them to choose their best epoch. `TEST_SEEDS` make the published
figures and nothing else. Thresholds and calibration are chosen on landscapes of `TUNING_SEEDS`
and judged on those of `TUNING_TEST_SEEDS`. Every landscape lies at a place of its own, 12 km from
the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rts_track.model.params import SMALL, STANDARD
from rts_track.simulate.landscape.landscape import LandscapeParams

if TYPE_CHECKING:
    from rts_track.model.manifest import Architecture

TRAINING_SEEDS = tuple(range(101, 109))
TRAINING_SEASONS = 3
TEST_SEEDS = (9301, 9302, 9303)
TUNING_SEEDS = (201, 202, 203)
TUNING_TEST_SEEDS = (9311, 9312, 9313)

ALL_LAYERS = (
    *("blue", "green", "red", "nir", "ndvi"),
    *("relative_elevation", "slope", "tc_brightness", "tc_greenness", "tc_wetness"),
)


RESNET34 = replace(STANDARD, arguments={"encoder_name": "resnet34"})


@dataclass(frozen=True)
class Recipe:
    """What an ensemble is trained on."""

    sensors: tuple[str, ...]
    layers: tuple[str, ...] = ALL_LAYERS
    architecture: Architecture = SMALL
    atmosphere: float | None = None


RECIPES = {
    "demo-sentinel2": Recipe(sensors=("sentinel2",)),
    "demo-planetscope": Recipe(sensors=("planetscope",)),
    # Neither elevations nor trends, and reflectance that the atmosphere is still in: the Peel site.
    "optical": Recipe(sensors=("sentinel2", "landsat"), layers=ALL_LAYERS[:5], atmosphere=1.0),
    # What speed is measured with: the network that others use, trained just long enough to find.
    "speed": Recipe(sensors=("planetscope",), architecture=RESNET34),
}

_STEP_M = 12_000.0
_COLUMNS = 4
_WEST_M, _SOUTH_M = 420_000.0, 7_449_990.0


def landscape_params(
    number: int, sensors: tuple[str, ...], n_seasons: int = 5, atmosphere: float | None = None
) -> LandscapeParams:
    """The landscape of that number, as some sensors see it: a place and tile of its own."""
    column, row = number % _COLUMNS, number // _COLUMNS
    params = LandscapeParams(
        south_west_m=(_WEST_M + column * _STEP_M, _SOUTH_M + row * _STEP_M),
        tile=f"T08W{chr(ord('A') + row)}{chr(ord('A') + column)}",
        sensors=sensors,
        n_seasons=n_seasons,
    )
    return params if atmosphere is None else replace(params, atmosphere=atmosphere)
