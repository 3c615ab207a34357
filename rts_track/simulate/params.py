"""What a simulated history is made of, described; nothing in it depends on the machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from rts_track.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryParams:
    """Everything that shapes a simulated history besides the random generator.

    The effects and their sizes are those measured on real inventories (hand-digitised Siberian
    slumps of Barth et al. 2023; the Nitze labels, doi 10.5281/zenodo.12706220): scenes that lie
    some metres off, slumps missed or drawn in pieces, neighbours that grow into each other.
    A `_frac` is a probability. UsageError where a value makes no sense.
    """

    n_slumps: int = 200
    """Slumps that exist in the first season."""
    n_seasons: int = 6
    """Seasons, one a calendar year."""
    first_year: int = 2018
    """The first season."""
    centre_lonlat: tuple[float, float] = (-122.0, 72.0)
    """Centre of the area, degrees east and north; the default lies on Banks Island."""
    extent_m: tuple[float, float] = (24_000.0, 14_000.0)
    """Extent of the area, metres east and north."""
    growth_median_m_yr: float = 4.0
    """Median headwall retreat, metres a year."""
    growth_log_sigma: float = 0.7
    """Spread of the retreat among slumps, standard deviation of its natural logarithm."""
    growth_season_log_sigma: float = 0.3
    """Spread of one slump's retreat among seasons, likewise."""
    side_growth_frac: float = 0.25
    """How fast flanks widen, as a share of the headwall's retreat (a share, no probability)."""
    preferred_azimuth_deg: float = 40.0
    """Direction in which most slumps grow, clockwise from north."""
    azimuth_kappa: float = 1.5
    """Concentration of directions about it (von Mises); 0 is none."""
    migration_frac: float = 0.0
    """How far a slump's footprint moves upslope in a season besides growing, as a share of its
    size, the square root of its area (a share, no probability): active zones move, scars do not."""
    initiated_frac: float = 0.03
    """Slumps that begin in a season, as a share of those that live."""
    stabilised_frac: float = 0.03
    """A living slump stabilises in a season, and is not mapped until it goes on, if ever."""
    reactivated_frac: float = 0.1
    """A stabilised slump goes on in a season, from the outline where it stopped."""
    reinitiated_frac: float = 0.1
    """A new slump begins in a season inside a slump that stabilised at least `stabilise_seasons`
    seasons before; it does so once, and what it lies in does not go on any more."""
    neighbour_m: float = 15.0
    """Slumps nearer than this are neighbours."""
    merge_frac: float = 0.15
    """Two neighbours have grown into one by the next season."""
    split_frac: float = 0.05
    """A slump has come apart into two by the next season."""
    split_gap_m: tuple[float, float] = (3.0, 8.0)
    """Width of the ground between the two, from and to."""
    scenes_per_season: int = 3
    """Strips side by side that make up a season."""
    scene_overlap_frac: float = 0.25
    """Share of a strip's width that its neighbour sees as well (a share, no probability)."""
    scene_missing_frac: float = 0.12
    """A strip is missing from a season: nobody looked there. One always remains."""
    shift_m: float = 5.0
    """Each scene lies off by so much, in a direction of its own."""
    gsd_m: float = 3.0
    """Ground sampling distance of every scene."""
    boundary_noise_m: float = 1.5
    """Standard deviation of each drawn vertex across the boundary."""
    missed_frac: float = 0.08
    """A slump in a scene is not mapped on it."""
    fragmented_frac: float = 0.08
    """A slump mapped on a scene comes in two or three pieces."""
    false_positive_frac: float = 0.05
    """Footprints that are no slump, as a share of a scene's slumps."""
    min_area_m2: float = 100.0
    """Smaller pieces are not mapped."""
    looked_at_min_frac: float = 0.9
    """A place was looked at in a season when its scenes cover at least this share of it."""
    stabilise_seasons: int = 2
    """A slump's end, and so a return from it, can be known only if its place was looked at in so
    many seasons after it."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_frac") and not 0.0 <= value <= 1.0:
                raise UsageError(f"{field.name} = {value}: a share lies between 0 and 1")
            if field.name.endswith(("_m", "_sigma", "_kappa")) and not _is_length(value):
                raise UsageError(f"{field.name} = {value}: expected zero or more")
        for name in ("n_slumps", "n_seasons", "scenes_per_season"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)}: expected one or more")

    @property
    def season_years(self) -> range:
        """The seasons, ascending."""
        return range(self.first_year, self.first_year + self.n_seasons)

    def as_dict(self) -> dict[str, object]:
        """The parameters by name."""
        return asdict(self)


def _is_length(value: float | tuple[float, ...]) -> bool:
    return all(part >= 0.0 for part in (value if isinstance(value, tuple) else (value,)))
