"""Objects, tracks and growth rates of a store, scored against a truth of places.

Found objects are scored search by search: see `track.score_objects` for what counts. For tracks,
each footprint is of the true slump that lies where it does (`polygon.match.most_alike`), and truth
is told of the footprints that there are, as a simulated history tells it of those that were
drawn: a link joins two successive seasons in which a slump was found, and an event is true that
could be known from them. Rates are compared between
successive seasons, where a track is of one slump at both ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from rts_track.simulate.params import HistoryParams
from rts_track.simulate.truth import Evidence, Piece, event_rows, link_rows
from rts_track.steps.place_score import PlaceScore
from rts_track.steps.placing import FoundSeason, found_seasons, rows_by_look
from rts_track.steps.stored_tracks import stored_tracks
from rts_track.track.score import score_tracking
from rts_track.track.score_objects import ObjectScore, Search, score_objects
from rts_track.track.score_rates import RateScore, score_rates
from rts_track.track.truth import Outlines, Tracked, Truth, columns_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.steps.place_truth import PlaceTruth, TrueSeason
    from rts_track.store.base import Reader

_TRUTH_SCHEMAS = {
    "footprint": {"source_feature_id": "string", "object_id": "string", "season_year": "int64"},
    "link": {
        "from_source_feature_id": "string",
        "to_source_feature_id": "string",
        "kind": "string",
    },
    "event": {
        "object_id": "string",
        "related_object_id": "string",
        "season_year": "int64",
        "kind": "string",
    },
}
_GROWTH_COLUMNS = (
    "track_id",
    "from_year",
    "to_year",
    "years",
    "area_rate_m2_yr",
    "area_rate_sigma_m2_yr",
)


def score_places(store: Reader, truth: PlaceTruth) -> PlaceScore:
    """How well the store's footprints, tracks and growth agree with where slumps truly lay."""
    objects: dict[tuple[str, int], ObjectScore] = {}
    found = _Found.nothing()
    for season_year, season in found_seasons(store, truth):
        true = truth.seasons[season_year]
        for source, score in _searches(store, season, true, truth.lookalikes):
            objects[source, season_year] = objects.get((source, season_year), ObjectScore()) + score
        found.take_in(season_year, season, true)
    if store.count("outline") == 0:
        return PlaceScore(objects=objects, tracking=None, rates=None)
    of_places = found.truth(truth)
    tracked = stored_tracks(store, found.footprint_table())
    return PlaceScore(
        objects=objects,
        tracking=score_tracking(tracked, of_places),
        rates=_score_rates(store, tracked, of_places, truth),
    )


def _searches(
    store: Reader,
    season: FoundSeason,
    true: TrueSeason,
    lookalikes: Mapping[str, NDArray[np.object_]],
) -> Iterator[tuple[str, ObjectScore]]:
    """The source and the score of each search of the season."""
    sources = store.read("source", ["source", "min_area_m2"]).to_pylist()
    min_area_m2 = {row["source"]: row["min_area_m2"] or 0.0 for row in sources}
    is_clipped = season.rows["is_clipped"].to_numpy(zero_copy_only=False).astype(bool)
    of_look = rows_by_look(season)
    for look in season.looks:
        rows = of_look.get(look.look_id, np.empty(0, dtype=np.int64))
        search = Search(
            drawn=season.polygon[rows],
            is_clipped=is_clipped[rows],
            true=true.polygon,
            is_active=true.is_active,
            beside=true.beside,
            lookalikes=lookalikes,
            looked=look.area,
            min_area_m2=min_area_m2[look.source],
        )
        yield look.source, score_objects(search)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Footprint(Piece):
    """A footprint that was found where a slump lies."""

    is_foremost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What was found, season by season, as far as it stands in outlines.

    Attributes:
        rows: footprint_id as source_feature_id, object_id, season_year, outline_id, area_m2.
        looked: the area looked at in each season.
        appearances: as `Evidence` has them.
    """

    rows: list[dict[str, object]]
    looked: dict[int, shapely.Geometry]
    appearances: dict[str, dict[int, list[tuple[str, Piece]]]]

    @classmethod
    def nothing(cls) -> _Found:
        """Nothing yet."""
        return cls(rows=[], looked={}, appearances=defaultdict(dict))

    def take_in(self, season_year: int, season: FoundSeason, true: TrueSeason) -> None:
        """Add a season, later than those before."""
        looked = shapely.union_all([look.area for look in season.looks])
        shapely.prepare(looked)
        self.looked[season_year] = looked
        foremost = _foremost(season)
        for row, each in enumerate(season.rows.to_pylist()):
            if each["outline_id"] is None:
                continue
            number = int(season.object_row[row])
            object_id = None if number < 0 else str(true.object_id[number])
            self.rows.append(
                {
                    "source_feature_id": each["footprint_id"],
                    "object_id": object_id,
                    "season_year": season_year,
                    "outline_id": each["outline_id"],
                    "area_m2": each["area_m2"],
                }
            )
            if object_id is not None:
                appearance = self.appearances[object_id].setdefault(season_year, [])
                piece = _Footprint(is_foremost=row in foremost)
                appearance.append((each["footprint_id"], piece))

    def truth(self, truth: PlaceTruth) -> Truth:
        """What is true of the footprints that were found."""
        seasons = truth.seasons
        first, last = min(seasons), max(seasons)
        evidence = Evidence(
            params=HistoryParams(first_year=first, n_seasons=last - first + 1),
            lives=truth.lives,
            looked=self.looked,
            appearances=self.appearances,
        )
        return Truth(
            footprint=_table("footprint", self.rows),
            link=_table("link", list(link_rows(evidence))),
            event=_table("event", event_rows(evidence)),
        )

    def footprint_table(self) -> pa.Table:
        """The footprints as `Tracked` has them; a footprint's id stands for its feature's."""
        import pyarrow as pa

        columns = {
            "source_feature_id": pa.string(),
            "outline_id": pa.string(),
            "season_year": pa.int64(),
            "area_m2": pa.float64(),
        }
        return pa.Table.from_pylist(self.rows, schema=pa.schema(list(columns.items())))


def _foremost(season: FoundSeason) -> set[int]:
    """The row numbers of the largest footprint of each slump on each scene."""
    largest: dict[tuple[int, object], tuple[float, int]] = {}
    rows = columns_of(season.rows, "scene_id", "area_m2")
    for row, (scene_id, area_m2) in enumerate(rows):
        key = (int(season.object_row[row]), scene_id)
        largest[key] = max(largest.get(key, (-1.0, -1)), (area_m2, -row))
    return {-row for _, row in largest.values()}


def _table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    import pyarrow as pa

    types = _TRUTH_SCHEMAS[name]
    schema = pa.schema([(column, pa.type_for_alias(alias)) for column, alias in types.items()])
    return pa.Table.from_pylist(rows, schema=schema)


def _score_rates(store: Reader, tracked: Tracked, of_places: Truth, truth: PlaceTruth) -> RateScore:
    """How the rates of tracks' own intervals compare with those of their slumps."""
    object_of = _objects_of_tracks(tracked, of_places)
    area_m2 = _true_areas(truth)
    found: list[tuple[float, float, float]] = []
    for track, start, end, years, rate, sigma in _successive(store):
        slump = object_of.get((track, start))
        if slump is None or slump != object_of.get((track, end)):
            continue
        before_m2, after_m2 = area_m2.get((slump, start)), area_m2.get((slump, end))
        if before_m2 is not None and after_m2 is not None:
            found.append((rate, sigma, (after_m2 - before_m2) / years))
    return score_rates(*np.array(found, dtype=np.float64).reshape(-1, 3).T)


def _successive(store: Reader) -> Iterator[tuple[Any, ...]]:
    """The tracks' own intervals between successive seasons; longer ones would count twice."""
    table = store.read("growth", _GROWTH_COLUMNS, {"basis": "track"})
    latest_start: dict[tuple[str, int], int] = {}
    for track, start, end in columns_of(table, "track_id", "from_year", "to_year"):
        latest_start[track, end] = max(start, latest_start.get((track, end), start))
    for row in columns_of(table, *_GROWTH_COLUMNS):
        track, start, end = row[:3]
        if start == latest_start[track, end]:
            yield row


def _objects_of_tracks(tracked: Tracked, of_places: Truth) -> Mapping[tuple[str, int], str]:
    """The slump that a track's largest outline of a season is of."""
    objects = dict(columns_of(of_places.footprint, "source_feature_id", "object_id"))
    outlines = Outlines.of(tracked, objects)
    return {
        (track, season_year): slump
        for track, path in outlines.path.items()
        for season_year, outline in path
        if (slump := outlines.object_of[outline]) is not None
    }


def _true_areas(truth: PlaceTruth) -> Mapping[tuple[str, int], float]:
    return {
        (str(object_id), season_year): float(area_m2)
        for season_year, season in truth.seasons.items()
        for object_id, area_m2 in zip(season.object_id, _areas_m2(season.polygon), strict=True)
    }


def _areas_m2(polygon: NDArray[np.object_]) -> NDArray[np.float64]:
    return np.asarray(shapely.area(polygon))
