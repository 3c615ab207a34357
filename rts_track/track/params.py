"""The thresholds of linking, described; stored whole with every run."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParams:
    """Every threshold between footprints and tracks.

    Defaults are those that did best on corrupted real outlines of known truth (five Siberian
    sites digitised by Barth et al. 2023) unless said otherwise.
    """

    same_place_iomin: float = 0.5
    """Two footprints of different scenes with at least this intersection over the smaller one
    are the same slump of that season."""
    sliver_frac: float = 0.05
    """A separate part of a consensus below this share of its largest part is a sliver."""
    coverage_min_frac: float = 0.9
    """A slump is looked at when looks cover at least this share of it."""
    search_m: float = 10.0
    """Outlines of two seasons further apart than this, after the scenes' shift, are no pair."""
    shift_min_iou: float = 0.15
    """Only pairs that overlap this well tell the shift between two scenes."""
    shift_area_ratio: tuple[float, float] = (0.6, 1.7)
    """Only pairs whose areas are this similar tell the shift: others grew."""
    shift_min_pairs: int = 8
    """Fewer pairs than this tell no shift."""
    shift_min_se: float = 2.0
    """A shift is corrected for when it is larger than this many standard errors."""
    max_shift_m: float = 50.0
    """A larger shift is taken for a wrong match of scenes and not corrected for."""
    dominated_frac: float = 0.5
    """An edge is dominated when its cover is below this share of the best cover of that end..."""
    dominated_max_cover: float = 0.4
    """... and its cover of the other end is below this."""
    split_min_cover: float = 0.4
    """A free child whose area lies to this share in a parent split from it."""
    merge_min_cover: float = 0.4
    """A free parent whose area lies to this share in a child merged into it."""
    proximity_weight: float = 0.2
    """Weight of a pair that does not overlap, at distance 0; it decays over `search_m`."""
    ambiguous_below: float = 0.6
    """A link whose confidence is lower is marked for review."""
    stabilise_seasons: int = 2
    """A slump that is absent from so many successive looked-at seasons has stabilised."""
    single_season_trust: float = 0.5
    """How far a track that was seen in one season only is taken for a slump: the confidence that
    it stabilised is reduced by this factor."""
    unknown_recall: float = 0.5
    """Recall that confidences assume of a source that states none; published detectors' F1 lies
    between 0.26 and 0.70."""

    def as_dict(self) -> dict[str, object]:
        """The parameters by name, as a run keeps them."""
        return asdict(self)
