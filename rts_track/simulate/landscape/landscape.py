"""A simulated landscape: what is in it through the seasons, and what sensors see of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rts_track.errors import UsageError
from rts_track.simulate.landscape import bodies, coast, lookalikes, slumps, water
from rts_track.simulate.landscape.dem import DemSpec, dem_pixels, plan_dems
from rts_track.simulate.landscape.params import LandscapeParams
from rts_track.simulate.landscape.points import Points
from rts_track.simulate.landscape.scenes import Pixels, SceneSpec, plan_scenes, render
from rts_track.simulate.landscape.surface import Ground
from rts_track.simulate.landscape.terrain import Terrain
from rts_track.simulate.landscape.trend import trend_pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid, Window
    from rts_track.simulate.landscape.lookalikes import Lookalike
    from rts_track.simulate.landscape.slumps import Slumps
    from rts_track.simulate.landscape.water import Water

__all__ = ["Landscape", "LandscapeParams", "simulate_landscape"]

MAX_SEED = 2**32


@dataclass(frozen=True)
class Landscape:
    """A landscape of known truth: a coarse relief and outlines, from which all else is evaluated.

    Whatever is evaluated depends on place alone, so that any window of a raster comes out the
    same by itself.
    """

    seed: int
    params: LandscapeParams
    terrain: Terrain
    water: Water
    slumps: Slumps
    lookalikes: tuple[Lookalike, ...]
    scenes: tuple[SceneSpec, ...]
    dems: tuple[DemSpec, ...]

    @cached_property
    def ground(self) -> Ground:
        """What can be looked at."""
        return Ground(
            seed=self.seed,
            params=self.params,
            water=self.water,
            slumps=self.slumps,
            lookalikes=self.lookalikes,
        )

    def scene(self, spec: SceneSpec, window: Window | None = None) -> Pixels:
        """A scene's pixels, in a window of its grid; by default all of them."""
        return render(self, spec, window)

    def dem(self, spec: DemSpec, window: Window | None = None) -> NDArray[np.float32]:
        """A DEM's heights in a window of its grid, metres, (h, w); -9999 where it has none."""
        return dem_pixels(self, spec, window)

    def trend(self, window: Window | None = None) -> NDArray[np.uint8]:
        """The Landsat trend, (3, h, w): brightness, greenness, wetness about 127.5."""
        return trend_pixels(self, window)

    def elevation(
        self,
        grid: Grid,
        season_year: int | None = None,
        shift_m: tuple[float, float] = (0.0, 0.0),
    ) -> NDArray[np.float32]:
        """Height of the ground at pixel centres, metres, (H, W); None: before all slumps.

        `shift_m`: so far east and north of its place all lies, in the landscape's CRS.
        """
        return self.height_at(Points.of(grid, self.params.crs, shift_m), season_year)

    def height_at(self, points: Points, season_year: int | None) -> NDArray[np.float32]:
        """Height of the ground at points, metres, (H, W); None: before all slumps."""
        return self.height_on(points, self.terrain.at(points).height_m, season_year)

    def height_on(
        self, points: Points, land_m: NDArray[np.float32], season_year: int | None
    ) -> NDArray[np.float32]:
        """The same, where the land's height is known, (H, W)."""
        height_m = water.height_on(self.water, points, land_m)
        height_m -= lookalikes.sunk_m(self.lookalikes, points)
        if season_year is not None:
            height_m += self.relief_change(points, land_m, season_year)
        return height_m

    def relief_change(
        self, points: Points, land_m: NDArray[np.float32], season_year: int
    ) -> NDArray[np.float32]:
        """How much slumps have raised (+) or lowered (-) the ground by then, metres, (H, W)."""
        return slumps.relief_change(self.slumps, points, land_m, season_year)


def simulate_landscape(seed: int, params: LandscapeParams | None = None) -> Landscape:
    """The landscape that a seed and parameters make, always the same; nothing is drawn yet.

    Raises:
        UsageError: the seed is out of range, or the landscape too small for its slumps.
    """
    if not 0 <= seed < MAX_SEED:
        raise UsageError(f"seed = {seed}: expected a whole number from 0 to {MAX_SEED - 1}")
    params = params or LandscapeParams()
    terrain = Terrain.of(seed, params)
    filled = water.fill(seed, params, terrain)
    shores = coast.coast(params, terrain, filled)
    settled = bodies.settle(seed, params, terrain, filled, shores)
    return Landscape(
        seed=seed,
        params=params,
        terrain=terrain,
        water=filled,
        slumps=settled,
        lookalikes=lookalikes.strew(seed, params, terrain, filled, shores, settled.everywhere()),
        scenes=plan_scenes(seed, params),
        dems=plan_dems(seed, params),
    )
