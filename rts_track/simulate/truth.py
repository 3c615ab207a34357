"""What is true of a simulated history, told of its footprints.

Truth is what is so *and could be known*: an event that shows in no footprint, such as a slump
that nobody ever mapped, or one that stopped when nobody looked any more, is no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import shapely

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rts_track.simulate.life import Lives, Turn
    from rts_track.simulate.params import HistoryParams
    from rts_track.simulate.scenes import Drawing, Scene


class Piece(Protocol):
    """A footprint of a slump, drawn or found."""

    @property
    def is_foremost(self) -> bool:
        """Whether it is the slump's largest piece on its scene."""


TruthRow = dict[str, Any]
_BEGINNINGS = ("initiate", "split", "reinitiate")
Appearance = tuple[str, int]
"""A slump by its object id, and a season in which it was mapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the scenes show: where was looked, and in which seasons each slump was mapped."""

    params: HistoryParams
    lives: Lives
    looked: Mapping[int, shapely.Geometry]
    appearances: Mapping[str, Mapping[int, Sequence[tuple[str, Piece]]]]
    """Object id -> season, ascending -> its footprints' source feature ids, and the footprints."""

    def is_looked_at(self, place: shapely.Polygon, season_year: int) -> bool:
        """Whether the season's scenes cover enough of the place."""
        looked = self.looked.get(season_year)
        if looked is None:
            return False
        if shapely.covers(looked, place):  # quick where `looked` is prepared
            return True
        covered_m2 = float(shapely.area(shapely.intersection(looked, place)))
        return covered_m2 >= self.params.looked_at_min_frac * float(shapely.area(place))

    def seasons_of(self, object_id: str) -> list[int]:
        """The seasons in which the slump was mapped, ascending."""
        return list(self.appearances.get(object_id, {}))

    def footprints_of(self, appearance: Appearance) -> Sequence[tuple[str, Piece]]:
        """The source feature ids, and the footprints, of a slump in a season."""
        object_id, season_year = appearance
        return self.appearances[object_id][season_year]

    def place(self, object_id: str, season_year: int) -> shapely.Polygon:
        """Where the slump lay: in that season, or when it last lived before."""
        while object_id not in self.lives.slumps[season_year]:
            season_year -= 1
        return self.lives.slumps[season_year][object_id].polygon

    def looks_at(self, object_id: str, seasons: Iterable[int]) -> int:
        """In how many of the seasons the slump's place was looked at."""
        return sum(
            self.is_looked_at(self.place(object_id, season_year), season_year)
            for season_year in seasons
        )

    def was_missed(self, object_id: str, seasons: Iterable[int]) -> bool:
        """Whether some of the seasons looked at the slump's place, and so missed it."""
        return self.looks_at(object_id, seasons) > 0


def gather(
    params: HistoryParams,
    lives: Lives,
    scenes: list[Scene],
    footprints: list[tuple[str, Drawing]],
) -> Evidence:
    """The evidence in footprints, given as source feature id and drawing, by ascending season."""
    extents: dict[int, list[shapely.Polygon]] = {}
    for scene in scenes:
        extents.setdefault(scene.season_year, []).append(scene.extent)
    appearances: dict[str, dict[int, list[tuple[str, Drawing]]]] = {}
    for feature_id, drawing in footprints:
        if drawing.object_id is not None:
            seasons = appearances.setdefault(drawing.object_id, {})
            seasons.setdefault(drawing.scene.season_year, []).append((feature_id, drawing))
    looked = {season_year: shapely.union_all(each) for season_year, each in extents.items()}
    return Evidence(params=params, lives=lives, looked=looked, appearances=appearances)


def footprint_rows(footprints: list[tuple[str, Drawing]]) -> list[TruthRow]:
    """The slump of each footprint; none for what is no slump."""
    return [
        {
            "source_feature_id": feature_id,
            "object_id": drawing.object_id,
            "season_year": drawing.scene.season_year,
        }
        for feature_id, drawing in footprints
    ]


def state_rows(evidence: Evidence) -> list[TruthRow]:
    """Every living slump in every season, mapped or not."""
    return [
        {
            "object_id": object_id,
            "season_year": season_year,
            "area_m2": float(shapely.area(slump.polygon)),
            "growth_m_yr": slump.growth_m_yr,
            "is_looked_at": evidence.is_looked_at(slump.polygon, season_year),
            "n_footprints": len(evidence.appearances.get(object_id, {}).get(season_year, [])),
        }
        for season_year, living in evidence.lives.slumps.items()
        for object_id, slump in sorted(living.items())
    ]


def link_rows(evidence: Evidence) -> list[TruthRow]:
    """The links between footprints; see `History.truth_link` for what they mean."""
    rows = list[TruthRow]()
    for object_id in sorted(evidence.appearances):
        for earlier, later in pairwise(evidence.seasons_of(object_id)):
            was_missed = evidence.was_missed(object_id, range(earlier + 1, later))
            kind = "gap" if was_missed else "main"
            rows += _between(evidence, kind, (object_id, earlier), (object_id, later))
    for turn in evidence.lives.turns:
        if (ends := _ends(evidence, turn)) is not None:
            (parent, earlier), (child, later) = ends
            was_missed = evidence.was_missed(
                parent, range(earlier + 1, turn.season_year)
            ) or evidence.was_missed(child, range(turn.season_year, later))
            rows += _between(evidence, "gap" if was_missed else turn.kind, *ends)
    return rows


def event_rows(evidence: Evidence) -> list[TruthRow]:
    """What happened to slumps, as far as it can be known; see `History.truth_event`."""
    turns = {turn.object_id: turn for turn in evidence.lives.turns if turn.kind in _BEGINNINGS}
    founded = [
        _foundation(evidence, object_id, turns.get(object_id))
        for object_id in sorted(evidence.appearances)
    ]
    rows = [*founded, *_returns(evidence), *_endings(evidence)]
    return sorted(rows, key=lambda row: (row["season_year"], row["kind"], row["object_id"]))


def _ends(evidence: Evidence, turn: Turn) -> tuple[Appearance, Appearance] | None:
    """Who was mapped last before a merge or split, and who first from it on."""
    if turn.kind not in ("merge", "split") or turn.related_object_id is None:
        return None
    parent, child = turn.object_id, turn.related_object_id
    if turn.kind == "split":
        parent, child = child, parent
    before = [season for season in evidence.seasons_of(parent) if season < turn.season_year]
    after = [season for season in evidence.seasons_of(child) if season >= turn.season_year]
    return ((parent, before[-1]), (child, after[0])) if before and after else None


def _between(
    evidence: Evidence, kind: str, earlier: Appearance, later: Appearance
) -> Iterator[TruthRow]:
    """A link for each pair of footprints of the two."""
    for from_id, before in evidence.footprints_of(earlier):
        for to_id, after in evidence.footprints_of(later):
            is_piece = not (before.is_foremost and after.is_foremost)
            yield {
                "from_source_feature_id": from_id,
                "to_source_feature_id": to_id,
                "kind": "fragment" if is_piece and kind != "gap" else kind,
            }


def _foundation(evidence: Evidence, object_id: str, turn: Turn | None) -> TruthRow:
    """How the slump came to be known."""
    first_mapped = evidence.seasons_of(object_id)[0]
    first_seen = _event("first_seen", object_id, None, first_mapped)
    if turn is None:
        return first_seen
    related = turn.related_object_id
    if turn.kind == "split":
        is_known = _ends(evidence, turn) is not None
        return _event("split", object_id, related, first_mapped) if is_known else first_seen
    if related is not None and _is_return_known(evidence, turn, related):
        return _event("reinitiate", object_id, related, first_mapped)
    place = evidence.place(object_id, turn.season_year)
    if evidence.is_looked_at(place, turn.season_year - 1):
        return _event("initiate", object_id, None, turn.season_year)
    return first_seen


def _endings(evidence: Evidence) -> Iterator[TruthRow]:
    end = evidence.params.season_years.stop
    for turn in evidence.lives.turns:
        if turn.kind == "merge" and (ends := _ends(evidence, turn)) is not None:
            yield _event("merge", turn.object_id, turn.related_object_id, ends[1][1])
        if turn.kind == "stabilise":
            pause = range(turn.season_year, _return_after(evidence, turn) or end)
            if _is_known_to_pause(evidence, turn.object_id, pause):
                yield _event("stabilise", turn.object_id, None, turn.season_year)


def _returns(evidence: Evidence) -> Iterator[TruthRow]:
    for turn in evidence.lives.turns:
        if turn.kind == "reactivate" and _is_return_known(evidence, turn, turn.object_id):
            mapped = evidence.seasons_of(turn.object_id)
            again = [season for season in mapped if season >= turn.season_year]
            if again:
                yield _event("reactivate", turn.object_id, None, again[0])


def _is_return_known(evidence: Evidence, turn: Turn, still: str) -> bool:
    """Whether the slump that goes on, or in which one begins, was known to have stabilised."""
    stopped = max(
        each.season_year
        for each in evidence.lives.turns_of(still, "stabilise")
        if each.season_year < turn.season_year
    )
    return _is_known_to_pause(evidence, still, range(stopped, turn.season_year))


def _return_after(evidence: Evidence, stop: Turn) -> int | None:
    """The season in which the slump went on; None if it never did."""
    returns = evidence.lives.turns_of(stop.object_id, "reactivate")
    return next((each.season_year for each in returns if each.season_year > stop.season_year), None)


def _is_known_to_pause(evidence: Evidence, object_id: str, pause: range) -> bool:
    """Whether the slump was mapped before, since it last went on, and then looked for."""
    returns = evidence.lives.turns_of(object_id, "reactivate")
    since = max((each.season_year for each in returns if each.season_year < pause.start), default=0)
    if not any(since <= season < pause.start for season in evidence.seasons_of(object_id)):
        return False
    return evidence.looks_at(object_id, pause) >= evidence.params.stabilise_seasons


def _event(kind: str, object_id: str, related: str | None, season_year: int) -> TruthRow:
    return {
        "object_id": object_id,
        "related_object_id": related,
        "season_year": season_year,
        "kind": kind,
    }
