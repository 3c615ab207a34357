"""The thresholds of linking, described; stored whole with every run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


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
    """Landforms must overlap, but for those of scenes whose shift is unknown: further apart than
    this, the usual error of registration, they are no pair."""
    active_zone_search_m: float = 30.0
    """Active zones move: further apart than this they are no pair, and nearly all real ones lie
    within it."""
    shift_min_iou: float = 0.15
    """Only pairs that overlap this well tell the shift between two scenes."""
    shift_area_ratio: tuple[float, float] = (0.6, 1.7)
    """Only pairs whose areas are this similar tell the shift: others grew."""
    shift_min_pairs: int = 8
    """Fewer pairs than this tell no shift."""
    shift_max_outlines: int = 1000
    """So many outlines of a scene, the first by their ids, suffice to tell its shift."""
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
    main_min_iomin: float = 0.1
    """Landforms that share less of the smaller one than this are neighbours in contact."""
    proximity_weight: float = 0.2
    """Weight of a pair that does not overlap, at distance 0; it decays over `search_m`."""
    fragment_facing: float = 1.25
    """Outlines that face each other along a side of this length, beside the square root of the
    smaller one's area, may be pieces of one slump: they are if soon after they are one again."""
    gap_weight: float = 0.9
    """Factor on the weight of a pair whose earlier outline a looked-at season missed since."""
    gap_split_min_cover: float = 0.5
    """A free child that no outline of the season before explains, and that lies to this share in
    the outline a season earlier still, split from it and was missed in between."""
    reactivate_min_cover: float = 0.5
    """An outline that covers this share of a slump that had been missed for `stabilise_seasons`
    is that slump, active again; a smaller one inside it is a new slump on its scar..."""
    reinitiate_min_cover: float = 0.5
    """... if it lies to this share in the scar."""
    ambiguous_below: float = 0.6
    """A link whose weight is a smaller share than this of its own and its strongest rival's, or a
    split or merge with less cover, is ambiguous, and marked for review."""
    stabilise_seasons: int = 2
    """A slump that is absent from so many successive looked-at seasons has stabilised."""
    unknown_recall: float = 0.5
    """Recall that confidences assume of a source that states none; published detectors' F1 lies
    between 0.26 and 0.70."""

    active_zone_min_cover: float = 0.2
    """Active zones move between looks, so less cover than this, instead of `split_min_cover`,
    `merge_min_cover` and `dominated_max_cover`, makes them strangers..."""
    active_zone_min_iomin: float = 0.03
    """... and a smaller overlap than this, instead of `main_min_iomin`."""

    def of_kind(self, kind: str) -> LinkParams:
        """The thresholds for outlines of that kind."""
        if kind != "active_zone":
            return self
        return replace(
            self,
            split_min_cover=self.active_zone_min_cover,
            merge_min_cover=self.active_zone_min_cover,
            dominated_max_cover=self.active_zone_min_cover,
            main_min_iomin=self.active_zone_min_iomin,
        )

    def reach_m(self, kind: str) -> float:
        """How far apart outlines of that kind may lie and still be a pair."""
        return self.active_zone_search_m if kind == "active_zone" else self.search_m

    def as_dict(self) -> dict[str, object]:
        """The parameters by name, as a run keeps them."""
        return asdict(self)
