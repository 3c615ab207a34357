"""What growth assumes, described; stored whole with every run."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rts_track.domain import SIGNIFICANT_SIGMA, THAW_SEASON, ThawSeason
from rts_track.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthParams:
    """Every assumption between outlines and growth rates; UsageError where one is out of range."""

    thaw_season: ThawSeason = THAW_SEASON
    """Slumps move only in this part of the year: the clock of rates per thaw season."""
    epoch_correlation: float = 0.5
    """How far a source repeats its coherent delineation offset in another season, in [0, 1].

    It cancels to this degree from a difference of two areas of the same source. A proposal, not
    measured: 0 takes every season's offset for new, 1 for a constant that cancels altogether.
    """
    source_sigma_frac: float = 0.2
    """1 sigma of a source's own idea of how much belongs to a slump, as a share of the area.

    Enters wherever areas of different sources are compared. Twelve experts who outlined the same
    slumps on the same images of one site (Nitze et al. 2024, doi 10.1002/ppp.2249) differed by
    0.20 per expert in ln area (368 pairs of outlines with IoU >= 0.5; 0.30 for 470 pairs with
    IoU >= 0.3). With this value and half a pixel of 10 m as delineation sigma, 1.96 sigma cover
    90 % of all 470 pairs and 99 % of the 368.
    """
    placement_sigma_m: float = 2.2
    """1 sigma, east and north, of how far a scene lies off another where no shift was corrected.

    213 pairs of images of the Nitze labels (doi 10.5281/zenodo.12706220) lie 2.6 m off each other
    in the median, growth within the season included: 2.6 / 1.18 in each component.
    """
    shift_sigma_m: float = 0.9
    """1 sigma, east and north, of what is left of a shift that was corrected.

    Where the truth was known it was missed by 1.1 m in the median. Slumps that all grow one way
    can be mistaken for a shift: then it was missed by 4 m.
    """
    significant_sigma: float = SIGNIFICANT_SIGMA
    """A change beyond this many sigma is significant; also the half-width of a 95 % interval."""
    robust_min_seasons: int = 5
    """From so many seasons on there is a Theil-Sen trend; with fewer its interval is too narrow
    (68 % instead of 95 % with three)."""

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        _require(0.0 <= self.epoch_correlation <= 1.0, "epoch_correlation", "in [0, 1]", self)
        _require(self.source_sigma_frac >= 0.0, "source_sigma_frac", "at least 0", self)
        _require(self.placement_sigma_m >= 0.0, "placement_sigma_m", "at least 0", self)
        _require(self.shift_sigma_m >= 0.0, "shift_sigma_m", "at least 0", self)
        _require(self.significant_sigma > 0.0, "significant_sigma", "above 0", self)
        _require(self.robust_min_seasons >= 5, "robust_min_seasons", "at least 5", self)

    def as_dict(self) -> dict[str, object]:
        """The parameters by name, as a run keeps them."""
        return asdict(self)


def _require(holds: bool, name: str, allowed: str, params: GrowthParams) -> None:
    if not holds:
        raise UsageError(f"{name} = {getattr(params, name)!r}: must be {allowed}")
