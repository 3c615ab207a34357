"""The look of the ground: tundra, water, slumps and look-alikes as surface reflectance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rts_track.simulate.landscape.materials import spectrum
from rts_track.simulate.landscape.noise import fractal
from rts_track.simulate.landscape.points import beside_line, signed_distance
from rts_track.simulate.landscape.shapes import bounds_of

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.lookalikes import Lookalike
    from rts_track.simulate.landscape.params import LandscapeParams
    from rts_track.simulate.landscape.points import Points
    from rts_track.simulate.landscape.slumps import Layer, Slumps
    from rts_track.simulate.landscape.terrain import Land
    from rts_track.simulate.landscape.water import Water

    Values = NDArray[np.float32]
    Part = tuple[slice, slice]

_SOFT_M = 1.5
"""Things fade into each other over so much, besides what a pixel blurs."""
_FACE_REACH_M = 22.0
_STREAK = 3.5
"""Streaks of mud are so many times as long as wide."""
_BURN_RECOVERY_YR = 0.18


@dataclass(frozen=True)
class Ground:
    """What lies in a landscape and can be looked at."""

    seed: int
    params: LandscapeParams
    water: Water
    slumps: Slumps
    lookalikes: tuple[Lookalike, ...]

    def undisturbed(self) -> Ground:
        """The same before slumps and burns."""
        kept = tuple(each for each in self.lookalikes if each.kind != "burn")
        slumps = replace(self.slumps, layers={})
        return replace(self, slumps=slumps, lookalikes=kept)


class Canvas:
    """Surface reflectance of bands at points, onto which things are painted."""

    def __init__(self, ground: Ground, points: Points, land: Land, bands: tuple[str, ...]) -> None:
        """A canvas for what lies at the points; `land` is the land there, before water."""
        self._ground = ground
        self._points = points
        self._land = land
        self._bands = bands
        self._soft_m = max(_SOFT_M, points.gsd_m)
        self.reflectance = np.empty((len(bands), *points.shape), dtype=np.float32)
        self._wet = np.zeros(points.shape, dtype=np.float32)

    def paint(self, season_year: int) -> Values:
        """The ground as it looks in a season, (bands, H, W); no light or air in it yet."""
        self._tundra()
        for lookalike in self._ground.lookalikes:
            if lookalike.kind not in ("gravel_bar", "lake_shore"):
                self._lookalike(lookalike, season_year)
        painted = self._ground.slumps.painted(season_year)
        for shown in painted:
            self._tongue(shown.layer, shown.still)
        for shown in painted:
            self._scar(shown.layer, shown.still)
        for lookalike in self._ground.lookalikes:
            if lookalike.kind in ("gravel_bar", "lake_shore"):
                self._lookalike(lookalike, season_year)
        self._water()
        return self.reflectance

    def is_water(self) -> Values:
        """How much of each point is water, once painted, (H, W)."""
        return self._wet

    def _noise(
        self, part: Part | None, number: int, wavelength_m: float, n_octaves: int, gain: float = 0.5
    ) -> Values:
        x, y = self._points.x, self._points.y
        if part is not None:
            x, y = x[part], y[part]
        return fractal(
            x,
            y,
            seed=self._ground.seed + 1000 + 20 * number,
            wavelength_m=wavelength_m,
            n_octaves=n_octaves,
            gain=gain,
        )

    def _material(self, name: str) -> Values:
        return spectrum(name, self._bands)

    def _over(self, part: Part, alpha: Values, colour: Values) -> None:
        """Mix the colour, (bands, h, w) or (bands, 1, 1), in at that part."""
        below = self.reflectance[:, part[0], part[1]]
        below += alpha * (colour - below)

    def _tundra(self) -> None:
        broad = self._noise(None, 0, 620.0, 4)
        patchy = self._noise(None, 1, 70.0, 5, 0.6)
        wet = self._land.wetness
        moist = _clipped(0.42 + 0.22 * broad + 0.10 * patchy + 0.55 * wet)
        colour = _mixed(self._material("heath"), self._material("sedge"), moist)
        dry = 0.75 * _ramp(-0.55 * broad - 0.5 * patchy - 1.2 * wet, 0.55, 1.7)
        colour += dry * (self._material("lichen") - colour)
        thicket = self._noise(None, 2, 34.0, 4, 0.6)
        shrubs = 0.85 * _ramp(wet + 0.075 * thicket + 0.03 * broad, 0.22, 0.55)
        colour += shrubs * (self._material("shrub") - colour)
        grain = self._noise(None, 3, 9.0, 2, 0.8)
        colour *= 1.0 + 0.028 * patchy + 0.022 * grain
        self.reflectance[:] = colour

    def _scar(self, layer: Layer, still: int) -> None:
        part = self._points.near(bounds_of(layer.scar, self._soft_m))
        if part is None:
            return
        inside_m = -signed_distance(
            self._points.x[part], self._points.y[part], layer.ring, self._soft_m
        )
        alpha = _ramp(inside_m, -self._soft_m / 2.0, self._soft_m / 2.0)
        clumps = self._noise(part, 4, 28.0, 4, 0.6)
        streaks = self._streaks(part, layer)
        height = _clipped(
            (self._land.height_m[part] - layer.toe_m) / max(1.6 * layer.headwall_m, 3.0)
        )
        dryness = _clipped(0.30 + 0.26 * streaks + 0.14 * clumps + 0.35 * (1.0 - height))
        colour = _three(
            self._material("wet_mud"), self._material("mud"), self._material("dry_mud"), dryness
        )
        is_upper = _ramp(height, 0.25, 0.7)
        face = is_upper * (1.0 - _ramp(inside_m, layer.face_m, layer.face_m + 4.0))
        wet = is_upper * (1.0 - _ramp(inside_m, 6.0, _FACE_REACH_M))
        colour += 0.55 * wet * (self._material("wet_mud") - colour)
        if still == 0:
            colour += 0.35 * face * (self._material("ice_face") - colour)
        rafts = 0.75 * _ramp(clumps - 0.9 * height, 0.75, 1.5)
        green = _clipped(rafts + self._regrown(still) * (1.0 + 0.25 * clumps))
        self._over(part, alpha, _mixed(colour, self._material("pioneer"), green))

    def _streaks(self, part: Part, layer: Layer) -> Values:
        """Noise drawn out along the way that mud flows in a slump."""
        x, y = self._points.x[part], self._points.y[part]
        (east, north), drawn_out = layer.heading, _STREAK
        return fractal(
            (x * east + y * north) / drawn_out,
            y * east - x * north,
            seed=self._ground.seed + 1100,
            wavelength_m=30.0,
            n_octaves=4,
            gain=0.6,
        )

    def _tongue(self, layer: Layer, still: int) -> None:
        if layer.tongue.is_empty:
            return
        part = self._points.near(bounds_of(layer.tongue, self._soft_m))
        if part is None:
            return
        inside_m = -signed_distance(
            self._points.x[part], self._points.y[part], layer.tongue_ring, self._soft_m
        )
        alpha = _ramp(inside_m, -self._soft_m / 2.0, self._soft_m / 2.0)
        clumps = self._noise(part, 4, 28.0, 4, 0.6)
        dryness = _clipped(0.5 + 0.3 * clumps)
        colour = _mixed(self._material("mud"), self._material("debris"), dryness)
        rafts = 0.55 * _ramp(clumps, 0.3, 1.3)
        green = _clipped(rafts + self._regrown(still + 1) * (0.5 + 0.2 * clumps))
        self._over(part, alpha, _mixed(colour, self._material("pioneer"), green))

    def _regrown(self, still: int) -> float:
        """Share that is green again after so many seasons."""
        return 0.95 * (1.0 - (1.0 - self._ground.params.revegetated_frac_yr) ** still)

    def _lookalike(self, lookalike: Lookalike, season_year: int) -> None:
        age = None if lookalike.from_year is None else season_year - lookalike.from_year
        if age is not None and age < 0:
            return
        part = self._points.near(bounds_of(lookalike.polygon, 12.0))
        if part is None:
            return
        clumps = self._noise(part, 6, 30.0, 4, 0.6)
        distance_m = self._distance(lookalike.polygon, lookalike.ring, part)
        rough_m = distance_m + 3.0 * clumps
        alpha = _ramp(-rough_m, -self._soft_m, self._soft_m)
        colour, share = self._looks(lookalike, clumps, -distance_m, age)
        self._over(part, alpha * share * np.float32(lookalike.strength), colour)

    def _distance(self, polygon: shapely.Polygon, ring: NDArray[np.float64], part: Part) -> Values:
        x, y = self._points.x[part], self._points.y[part]
        distance_m = signed_distance(x, y, ring, 24.0)
        for hole in polygon.interiors:
            inner = np.ascontiguousarray(np.array(hole.coords)[:, :2])
            distance_m = np.maximum(distance_m, -signed_distance(x, y, inner, 24.0))
        return distance_m

    def _looks(
        self, lookalike: Lookalike, clumps: Values, inside_m: Values, age: int | None
    ) -> tuple[Values, Values]:
        """Colour of a look-alike, and how much of the ground it covers."""
        tone = _clipped(0.5 + 0.3 * clumps)
        if lookalike.kind == "gravel_bar":
            return _mixed(self._material("gravel"), self._material("silt"), tone), 0.8 + 0.2 * tone
        if lookalike.kind == "lake_shore":
            return _mixed(self._material("silt"), self._material("mud"), tone), 0.75 + 0.25 * tone
        if lookalike.kind == "bare_soil":
            colour = _mixed(self._material("shale"), self._material("dry_mud"), tone)
            return colour, _clipped(0.95 - 0.5 * _ramp(clumps, 0.2, 1.4))
        if lookalike.kind == "drained_lake":
            middle = _ramp(inside_m + 6.0 * clumps, 14.0, 24.0)
            colour = _mixed(self._material("shrub"), self._material("silt"), 0.75 * middle)
            return colour, 0.55 + 0.45 * middle
        if lookalike.kind == "burn":
            left = np.float32((1.0 - _BURN_RECOVERY_YR) ** max(age or 0, 0))
            return self._material("char"), left * _clipped(0.85 - 0.4 * _ramp(clumps, 0.4, 1.4))
        return self._material("pioneer"), _clipped(0.65 + 0.2 * clumps)

    def _water(self) -> None:
        water = self._ground.water
        for reach in water.reaches:
            part = self._points.near(reach.bounds(self._soft_m))
            if part is None:
                continue
            x, y = self._points.x[part], self._points.y[part]
            distance_m = beside_line(x, y, *reach, self._soft_m).distance_m
            wet = _ramp(-distance_m, -self._soft_m / 2.0, self._soft_m / 2.0)
            self._wet[part] = np.maximum(self._wet[part], wet)
        flowing = np.flatnonzero(self._wet.any(axis=1))
        if len(flowing):
            rows = slice(int(flowing[0]), int(flowing[-1]) + 1)
            self._over((rows, slice(None)), self._wet[rows], self._material("river"))
        for lake in water.lakes:
            part = self._points.near(bounds_of(lake.polygon, self._soft_m))
            if part is not None:
                x, y = self._points.x[part], self._points.y[part]
                inside_m = -signed_distance(x, y, lake.ring, self._soft_m)
                alpha = _ramp(inside_m, -self._soft_m / 2.0, self._soft_m / 2.0)
                shallow = 0.30 * (1.0 - _ramp(inside_m, 2.0, 18.0))
                colour = _mixed(self._material("lake"), self._material("silt"), shallow)
                self._over(part, alpha, colour)
                self._wet[part] = np.maximum(self._wet[part], alpha)


def _clipped(values: Values) -> Values:
    return np.asarray(np.clip(values, 0.0, 1.0), dtype=np.float32)


def _ramp(values: Values, low: float, high: float) -> Values:
    """From 0 below `low` to 1 above `high`, smoothly."""
    held = np.clip((values - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(held * held * (3.0 - 2.0 * held), dtype=np.float32)


def _mixed(one: Values, other: Values, share: Values) -> Values:
    """One colour, with so much of the other."""
    return np.asarray(one + share * (other - one), dtype=np.float32)


def _three(low: Values, middle: Values, high: Values, share: Values) -> Values:
    """Three colours in a row: at 0, 0.5 and 1."""
    lower = _mixed(low, middle, np.minimum(2.0 * share, 1.0))
    upper = np.maximum(2.0 * share - 1.0, 0.0)
    return np.asarray(lower + upper * (high - middle), dtype=np.float32)
