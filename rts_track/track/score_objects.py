"""How well objects were found, each in its place: what was drawn beside what is true.

A search is scored against the true objects of its season, all in EPSG:6931. What it could see of
an object is the part that lies in the area that it looked at.

Which true objects count: those that are active, and of which it could see at least
`SEEN_MIN_FRAC`, and of that at least the minimum area that the source maps. Others are neither
missed nor found; so is what plants take back already, and ground beside the objects such as debris.

Matches are one to one: of all ways to match what was drawn with what could be seen of the counted
objects, the one with most matches, and of these the most alike. By *IoU*, those are alike that
share at least 0.3, or 0.5, of their union; by *overlap*, at least half of the smaller one. So an
object that was drawn in two pieces is found once, and the other piece is wrong; two objects drawn
as one are one found and one missed.

What was drawn and matches nothing is wrong, unless it does not count: below the minimum area, or
at least half of it on what does not count itself (the rule for crowds of the COCO benchmark, Lin
et al. 2014, doi 10.1007/978-3-319-10602-1_48, with half for its own share).

Of what is wrong by overlap it is told on which look-alikes it lies, with at least half of itself.

Area bias is told of matches by overlap, for a match by IoU leaves out what is much too large or
small: of those not clipped whose object could be seen whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.polygon.match import Overlaps, one_to_one, overlaps
from rts_track.track.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEN_MIN_FRAC = 0.5
"""An object counts where at least this share of it could be seen: of less, one sees a part."""

WHOLE_MIN_FRAC = 0.99
"""An object is seen whole from this share on: the area looked at is drawn from pixels."""

LIES_ON_MIN_FRAC = 0.5
"""What was drawn lies on something with at least this share of itself."""

ELSEWHERE = "nothing known"
"""What is wrong lies on no look-alike that truth knows of."""

OVERLAP = "overlap"
CRITERIA: Mapping[str, float] = {"IoU 0.3": 0.3, "IoU 0.5": 0.5, OVERLAP: 0.5}
"""How alike a match must be, by the name of the criterion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What one search drew, where it looked, and what was true; all in EPSG:6931.

    Attributes:
        drawn: the polygons that it drew, (n,).
        is_clipped: whether each is cut by an edge or nodata, (n,).
        true: the outlines of all objects of its season that lie about there, (m,).
        is_active: whether each may count, (m,).
        beside: further ground on which nothing counts.
        lookalikes: what is known to look like an object, by kind.
        looked: the area that it looked at.
        min_area_m2: the smallest area that it maps.
    """

    drawn: NDArray[np.object_]
    is_clipped: NDArray[np.bool_]
    true: NDArray[np.object_]
    is_active: NDArray[np.bool_]
    beside: NDArray[np.object_]
    lookalikes: Mapping[str, NDArray[np.object_]]
    looked: shapely.Geometry
    min_area_m2: float


def _no_areas() -> NDArray[np.float64]:
    return np.empty((0, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScore:
    """How many objects were found, by each of CRITERIA, and how large they were drawn.

    `areas_m2`: (k, 2), drawn and true area of each match that tells of area bias. `wrong_on`: how
    many are wrong by overlap, by the kind of look-alike on which they lie, or ELSEWHERE.
    """

    tallies: Mapping[str, Tally] = field(default_factory=lambda: dict.fromkeys(CRITERIA, Tally()))
    areas_m2: NDArray[np.float64] = field(default_factory=_no_areas)
    wrong_on: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: ObjectScore) -> ObjectScore:
        """Both together: counts add up."""
        return ObjectScore(
            tallies={name: self.tallies[name] + other.tallies[name] for name in CRITERIA},
            areas_m2=np.concatenate([self.areas_m2, other.areas_m2]),
            wrong_on=self.wrong_on + other.wrong_on,
        )

    @property
    def area_ratio_median(self) -> float | None:
        """Median over matches of drawn over true area; None without any."""
        drawn_m2, true_m2 = self.areas_m2.T
        return float(np.median(drawn_m2 / true_m2)) if len(true_m2) else None

    @property
    def area_ratio_total(self) -> float | None:
        """Drawn over true area, each summed over matches; None without any."""
        drawn_m2, true_m2 = self.areas_m2.T
        return float(drawn_m2.sum() / true_m2.sum()) if len(true_m2) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMatches:
    """What a search drew beside what is true, object by object.

    Attributes:
        seen: what could be seen of each true object, empty where nothing, (m,).
        counts: whether each true object counts, (m,).
        is_whole: whether it could be seen whole, (m,).
        is_idle: whether each polygon drawn is no fault where it matches nothing, (n,).
        pairs: polygons drawn and counted true objects that share area, by their rows.
        matched: the rows of `pairs` that match, by criterion.
    """

    seen: NDArray[np.object_]
    counts: NDArray[np.bool_]
    is_whole: NDArray[np.bool_]
    is_idle: NDArray[np.bool_]
    pairs: Overlaps
    matched: Mapping[str, NDArray[np.int64]]

    def is_found(self, criterion: str) -> NDArray[np.bool_]:
        """Whether each polygon drawn counts among the found: it matches, or is wrong, (n,)."""
        is_found = ~self.is_idle
        is_found[self.pairs.first[self.matched[criterion]]] = True
        return is_found


def match_objects(search: Search, criteria: Mapping[str, float] = CRITERIA) -> ObjectMatches:
    """What of one search matches what, by each criterion.

    A criterion of the name OVERLAP is of the share of the smaller one, any other of IoU; its
    value says how alike a match must be at least.
    """
    true_m2 = shapely.area(search.true)
    seen = seen_parts(search.true, search.looked)
    seen_m2 = shapely.area(seen)
    counts = search.is_active & (seen_m2 >= SEEN_MIN_FRAC * true_m2)
    counts &= (seen_m2 >= search.min_area_m2) & (seen_m2 > 0.0)
    pairs = overlaps(search.drawn, seen[counts])
    pairs = replace(pairs, second=np.flatnonzero(counts)[pairs.second])
    return ObjectMatches(
        seen=seen,
        counts=counts,
        is_whole=seen_m2 >= WHOLE_MIN_FRAC * true_m2,
        is_idle=_does_not_count(search, counts),
        pairs=pairs,
        matched={name: _matches(pairs, name, at_least) for name, at_least in criteria.items()},
    )


def score_objects(search: Search) -> ObjectScore:
    """How well one search found what it could see."""
    found = match_objects(search)
    tallies = {
        name: Tally(
            n_true=int(found.counts.sum()),
            n_found=int(found.is_found(name).sum()),
            n_right=len(found.matched[name]),
        )
        for name in CRITERIA
    }
    matched = found.pairs.take(found.matched[OVERLAP])
    tells = ~search.is_clipped[matched.first] & found.is_whole[matched.second]
    areas_m2 = np.column_stack([matched.first_m2, shapely.area(search.true)[matched.second]])
    is_wrong = ~found.is_idle
    is_wrong[matched.first] = False
    return ObjectScore(
        tallies=tallies,
        areas_m2=areas_m2[tells],
        wrong_on=_wrong_on(search.drawn[is_wrong], search.lookalikes),
    )


def seen_parts(polygons: NDArray[np.object_], looked: shapely.Geometry) -> NDArray[np.object_]:
    """What of each polygon lies in the area looked at, empty where nothing does, (n,).

    The area's border may be long: most polygons do not meet it.
    """
    shapely.prepare(looked)
    seen = np.where(shapely.intersects(looked, polygons), polygons, shapely.Polygon())
    is_cut = ~shapely.covers(looked, seen)
    seen[is_cut] = grid.as_multipolygons(shapely.intersection(seen[is_cut], looked))
    return np.asarray(seen)


def _matches(pairs: Overlaps, criterion: str, at_least: float) -> NDArray[np.int64]:
    likeness = pairs.of_smaller if criterion == OVERLAP else pairs.iou
    return one_to_one(pairs, likeness, at_least)


def _does_not_count(search: Search, counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each polygon drawn is no fault where it matches nothing, (n,)."""
    uncounted = np.concatenate([search.true[~counts], search.beside])
    is_small = shapely.area(search.drawn) < search.min_area_m2
    return np.asarray(is_small | _lies_on(search.drawn, uncounted))


def _wrong_on(
    drawn: NDArray[np.object_], lookalikes: Mapping[str, NDArray[np.object_]]
) -> Counter[str]:
    """On what the polygons lie, each on the first kind that it lies on."""
    kinds = np.full(len(drawn), ELSEWHERE, dtype=object)
    for kind, polygons in reversed(list(lookalikes.items())):
        kinds[_lies_on(drawn, polygons)] = kind
    return Counter(kinds.tolist())


def _lies_on(drawn: NDArray[np.object_], ground: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether each polygon drawn lies on the ground, (n,); its polygons share no area."""
    shared = overlaps(drawn, ground)
    shared_m2 = np.bincount(shared.first, weights=shared.shared_m2, minlength=len(drawn))
    return np.asarray(shared_m2 >= LIES_ON_MIN_FRAC * shapely.area(drawn))
