"""What a simulated landscape is made of, described; nothing in it depends on the machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from rts_track.errors import UsageError
from rts_track.simulate.params import HistoryParams

SENSORS = ("planetscope", "sentinel2", "landsat")
"""The sensors that can look at a landscape, finest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandscapeParams:
    """Everything that shapes a simulated landscape and its scenes besides the seed.

    A `_frac` is a share between 0 and 1. UsageError where a value makes no sense.
    """

    extent_m: tuple[float, float] = (6_000.0, 4_020.0)
    """Extent of the landscape, metres east and north."""
    south_west_m: tuple[float, float] = (468_000.0, 7_545_990.0)
    """Its south-west corner in `crs`, whole multiples of 30 m; the default lies on the Peel
    Plateau, the terrain is not the one there."""
    crs: str = "EPSG:32608"
    """A metric CRS, north up: the UTM zone of the place."""
    tile: str = "T08WMA"
    """The Sentinel-2 tile that its products are named for."""

    first_year: int = 2019
    """The first season."""
    n_seasons: int = 5
    """Seasons, one a calendar year."""

    relief_m: float = 110.0
    """How far the plateau stands above the trunk river where that leaves the landscape."""
    lakes_per_km2: float = 0.25
    """Lakes on the plateau, as far as there is flat ground for them."""
    lookalikes_per_km2: float = 1.2
    """Bare soil, drained lakes, burns and old scars, which look like slumps and are none; gravel
    bars and lake shores come with the water."""

    slumps_per_km2: float = 1.6
    """Slumps that are active in the first season."""
    growth_median_m_yr: float = 8.0
    """Median headwall retreat, metres a year."""
    growth_log_sigma: float = 0.6
    """Spread of the retreat among slumps, standard deviation of its natural logarithm."""
    initiated_frac: float = 0.06
    """Slumps that begin in a season, as a share of those that live."""
    stabilised_frac: float = 0.06
    """A living slump stabilises in a season."""
    reactivated_frac: float = 0.15
    """A stabilised slump goes on in a season."""
    reinitiated_frac: float = 0.2
    """A new slump begins in a season in one that stabilised two seasons before or earlier."""
    merge_frac: float = 0.2
    """Two neighbours have grown into one by the next season."""
    split_frac: float = 0.05
    """A slump has come apart into two by the next season: ground between them lies still."""
    min_slope_deg: float = 3.0
    """Slumps begin where the ground above the shore or stream rises at least so steeply."""
    headwall_median_m: float = 6.0
    """Median height of a headwall, metres."""
    headwall_log_sigma: float = 0.4
    """Spread of the height among slumps, standard deviation of its natural logarithm."""
    excess_ice_frac: float = 0.45
    """Share of what a slump erodes that was ice and leaves as water."""
    retained_frac: float = 0.6
    """Share of the eroded sediment that lies on the debris tongue; the rest is carried away."""
    revegetated_frac_yr: float = 0.4
    """Share of what is still bare that plants take back in each season that ground lies still."""

    sensors: tuple[str, ...] = SENSORS
    """The sensors that look at the landscape, of planetscope, sentinel2 and landsat."""
    scenes_per_season: int = 1
    """Scenes of each sensor and season."""
    cloud_frac: float = 0.08
    """Mean share of a scene under cloud; scenes vary from none to three times as much."""
    haze: float = 0.6
    """How strong the haze of a hazy scene is, from 0 to 1; each scene has up to so much."""
    atmosphere: float = 0.6
    """How much of the path radiance a scene may have kept, as a share of that of a clear sky
    (mostly far less): surface reflectance is never quite what it says."""
    gain_sigma: float = 0.04
    """Standard deviation of a scene's gain, common to its bands; a quarter of it per band."""
    shift_sigma_m: float = 3.0
    """Standard deviation of a scene's shift, east and north, of sensors up to 10 m a pixel; of
    coarser ones it is a sixth of a pixel."""
    partial_frac: float = 0.25
    """A scene's swath ends within the landscape."""

    dem_seasons: tuple[int, ...] = (0, -1)
    """In which seasons a DEM strip was acquired: 0 is the first, -1 the last."""
    dem_gsd_m: float = 2.0
    """Ground sampling distance of DEM strips."""
    mosaic_gsd_m: float = 10.0
    """Ground sampling distance of the DEM mosaic."""
    dem_noise_m: float = 0.3
    """Standard deviation of a strip's correlated noise."""
    dem_offset_sigma_m: float = 0.8
    """Standard deviation of a strip's vertical offset."""
    dem_shift_sigma_m: float = 1.0
    """Standard deviation of a strip's shift, east and north."""
    dem_hole_frac: float = 0.02
    """Share of a strip without heights, besides water."""
    trend_from_year: int = 2000
    """The Landsat trend begins there; it ends with the first season."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_frac") and not 0.0 <= value <= 1.0:
                raise UsageError(f"{field.name} = {value}: a share lies between 0 and 1")
            if field.name.endswith(_AMOUNTS) and value < 0.0:
                raise UsageError(f"{field.name} = {value}: expected zero or more")
            if field.name.endswith("gsd_m") and value <= 0.0:
                raise UsageError(f"{field.name} = {value}: expected more than zero")
        self._refuse_odd()

    def _refuse_odd(self) -> None:
        if self.n_seasons < 1 or self.scenes_per_season < 1:
            raise UsageError("n_seasons and scenes_per_season: expected one or more")
        if min(self.extent_m) < MIN_EXTENT_M:
            raise UsageError(f"extent_m = {self.extent_m}: at least {MIN_EXTENT_M:.0f} m each way")
        if any(side % LATTICE_M for side in (*self.extent_m, *self.south_west_m)):
            raise UsageError(
                f"extent_m, south_west_m: expected whole multiples of {LATTICE_M:.0f} m,"
                " so that the pixels of all sensors fit"
            )
        for number in self.dem_seasons:
            if not -self.n_seasons <= number < self.n_seasons:
                raise UsageError(f"dem_seasons: {number}: there are {self.n_seasons} seasons")
        if len(set(self.sensors)) < len(self.sensors):
            raise UsageError(f"sensors = {self.sensors}: one is named twice")
        for sensor in self.sensors:
            if sensor not in SENSORS:
                raise UsageError(f"sensors: {sensor!r}: expected {', '.join(SENSORS)}")

    @property
    def season_years(self) -> range:
        """The seasons, ascending."""
        return range(self.first_year, self.first_year + self.n_seasons)

    @property
    def dem_years(self) -> list[int]:
        """The seasons in which a DEM strip was acquired, ascending, each once."""
        return sorted({self.season_years[number] for number in self.dem_seasons})

    @property
    def area_km2(self) -> float:
        """Area of the landscape in its CRS."""
        return self.extent_m[0] * self.extent_m[1] / 1e6

    def history(self) -> HistoryParams:
        """The parameters of the lives that its slumps lead."""
        return HistoryParams(
            n_slumps=max(1, round(self.slumps_per_km2 * self.area_km2)),
            n_seasons=self.n_seasons,
            first_year=self.first_year,
            extent_m=self.extent_m,
            growth_median_m_yr=self.growth_median_m_yr,
            growth_log_sigma=self.growth_log_sigma,
            azimuth_kappa=0.3,
            initiated_frac=self.initiated_frac,
            stabilised_frac=self.stabilised_frac,
            reactivated_frac=self.reactivated_frac,
            reinitiated_frac=self.reinitiated_frac,
            merge_frac=self.merge_frac,
            split_frac=self.split_frac,
            split_gap_m=SPLIT_GAP_M,
        )

    def as_dict(self) -> dict[str, object]:
        """The parameters by name."""
        return asdict(self)


_AMOUNTS = ("_sigma", "_sigma_m", "_km2", "_noise_m", "relief_m", "haze", "atmosphere")
MIN_EXTENT_M = 900.0
LATTICE_M = 30.0
"""A multiple of every sensor's pixel."""
SPLIT_GAP_M = (20.0, 35.0)
"""What lies still between the parts of a slump that came apart: wide enough to be seen."""
