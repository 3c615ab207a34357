"""What is true of a simulated history, told of its footprints.

Truth is what is so *and could be known*: an event that shows in no footprint, such as a slump
that nobody ever mapped, or one that stopped when nobody looked any more, is no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import shapely

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rts_track.simulate.life import Lives, Turn
    from rts_track.simulate.params import HistoryParams
    from rts_track.simulate.scenes import Drawing, Scene

TruthRow = dict[str, Any]
Appearance = tuple[str, int]
"""A slump by its object id, and a season in which it was mapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the scenes show: where was looked, and in which seasons each slump was mapped."""

    params: HistoryParams
    lives: Lives
    looked: Mapping[int, shapely.Geometry]
    appearances: Mapping[str, Mapping[int, list[tuple[str, Drawing]]]]
    """Object id -> season, ascending -> its footprints' source feature ids, and the drawings."""

    def is_looked_at(self, place: shapely.Polygon, season_year: int) -> bool:
        """Whether the season's scenes cover enough of the place."""
        looked = self.looked.get(season_year)
        if looked is None:
            return False
        covered_m2 = float(shapely.area(shapely.intersection(looked, place)))
        return covered_m2 >= self.params.looked_at_min_frac * float(shapely.area(place))

    def seasons_of(self, object_id: str) -> list[int]:
        """The seasons in which the slump was mapped, ascending."""
        return list(self.appearances.get(object_id, {}))

    def footprints_of(self, appearance: Appearance) -> list[tuple[str, Drawing]]:
        """The source feature ids, and the drawings, of a slump in a season."""
        object_id, season_year = appearance
        return self.appearances[object_id][season_year]

    def was_missed(self, object_id: str, seasons: Iterable[int]) -> bool:
        """Whether some of the seasons looked at the slump's place, and so missed it."""
        return any(
            self.is_looked_at(self.lives.slumps[season_year][object_id].polygon, season_year)
            for season_year in seasons
        )


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
    turns = {turn.object_id: turn for turn in evidence.lives.turns if _begins(turn)}
    founded = [
        _foundation(evidence, object_id, turns.get(object_id))
        for object_id in sorted(evidence.appearances)
    ]
    rows = [*founded, *_endings(evidence)]
    return sorted(rows, key=lambda row: (row["season_year"], row["kind"], row["object_id"]))


def _begins(turn: Turn) -> bool:
    return turn.kind in ("initiate", "split")


def _ends(evidence: Evidence, turn: Turn) -> tuple[Appearance, Appearance] | None:
    """Who was mapped last before a merge or split, and who first from it on."""
    if turn.related_object_id is None:
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
    if turn is not None and turn.kind == "split" and _ends(evidence, turn) is not None:
        return _event("split", object_id, turn.related_object_id, first_mapped)
    if turn is not None and turn.kind == "initiate":
        place = evidence.lives.slumps[turn.season_year][object_id].polygon
        if evidence.is_looked_at(place, turn.season_year - 1):
            return _event("initiate", object_id, None, turn.season_year)
    return _event("first_seen", object_id, None, first_mapped)


def _endings(evidence: Evidence) -> Iterator[TruthRow]:
    for turn in evidence.lives.turns:
        if turn.kind == "merge" and (ends := _ends(evidence, turn)) is not None:
            yield _event("merge", turn.object_id, turn.related_object_id, ends[1][1])
        if turn.kind == "stabilise" and _is_known_to_stabilise(evidence, turn):
            yield _event("stabilise", turn.object_id, None, turn.season_year)


def _is_known_to_stabilise(evidence: Evidence, turn: Turn) -> bool:
    if not evidence.seasons_of(turn.object_id):
        return False
    place = evidence.lives.slumps[turn.season_year - 1][turn.object_id].polygon
    later = range(turn.season_year, evidence.params.season_years.stop)
    looked = sum(evidence.is_looked_at(place, season_year) for season_year in later)
    return looked >= evidence.params.stabilise_seasons


def _event(kind: str, object_id: str, related: str | None, season_year: int) -> TruthRow:
    return {
        "object_id": object_id,
        "related_object_id": related,
        "season_year": season_year,
        "kind": kind,
    }
