"""What a store holds, beside true slumps by place: who was found where, and who was looked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.polygon.match import most_alike

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.steps.place_truth import PlaceTruth, TrueSeason
    from rts_track.store.base import Reader, Where

KIND = "landform"
"""Truth is told of whole scars: other sources are not scored against it."""

SAME_PLACE_MIN_FRAC = 0.5
"""A footprint is of a slump with which it shares at least this part of the smaller one."""

_FOOTPRINT_COLUMNS = (
    "footprint_id",
    "source",
    "look_id",
    "scene_id",
    "outline_id",
    "season_year",
    "area_m2",
    "is_clipped",
    "geometry",
)
_LOOK_COLUMNS = ("look_id", "source", "scene_id", "geometry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A search of the store: who searched, and what area, in EPSG:6931 where it truly lies."""

    look_id: str
    source: str
    area: shapely.Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSeason:
    """What a store holds of a season, moved back to where its scenes truly lie.

    Attributes:
        looks: the current looks.
        rows: footprint_id, source, look_id, scene_id, outline_id, season_year, area_m2 and
            is_clipped of the footprints of current looks, and of those of no look.
        polygon: the footprints in EPSG:6931, (n,).
        object_row: row of the true slump that each is of, (n,); -1: it is none.
    """

    looks: tuple[Look, ...]
    rows: pa.Table
    polygon: NDArray[np.object_]
    object_row: NDArray[np.int64]


def found_seasons(store: Reader, truth: PlaceTruth) -> Iterator[tuple[int, FoundSeason]]:
    """What the store holds of each season that truth tells of, ascending."""
    sources = store.read("source", ["source", "kind"]).to_pylist()
    names = [row["source"] for row in sources if row["kind"] == KIND]
    for season_year, true in truth.seasons.items():
        if names:
            yield season_year, _found_season(store, truth, true, season_year, names)


def _found_season(
    store: Reader, truth: PlaceTruth, true: TrueSeason, season_year: int, sources: list[str]
) -> FoundSeason:
    scope: Where = {"season_year": season_year, "source": sources}
    current: Where = {**scope, "is_current": True, "status": "done"}
    looks = store.read("look", _LOOK_COLUMNS, current)
    rows = store.read("footprint", _FOOTPRINT_COLUMNS, scope)
    known = {None, *looks["look_id"].to_pylist()}
    counts = [look_id in known for look_id in rows["look_id"].to_pylist()]
    rows = rows.take(np.flatnonzero(counts))
    polygon = _moved_back(rows, truth)
    return FoundSeason(
        looks=tuple(
            Look(look_id=look_id, source=source, area=area)
            for look_id, source, area in zip(
                looks["look_id"].to_pylist(),
                looks["source"].to_pylist(),
                _moved_back(looks, truth),
                strict=True,
            )
        ),
        rows=rows.drop_columns(["geometry"]),
        polygon=polygon,
        object_row=most_alike(polygon, true.polygon, SAME_PLACE_MIN_FRAC),
    )


def _moved_back(rows: pa.Table, truth: PlaceTruth) -> NDArray[np.object_]:
    """The rows' polygons in EPSG:6931, less the shift of the scenes that show them."""
    wkb = rows["geometry"].to_numpy(zero_copy_only=False)
    polygon = grid.to_metric(shapely.from_wkb(wkb))
    shift_m = {each: truth.shift_of(each) for each in set(rows["scene_id"].to_pylist())}
    return np.array(
        [
            shifted(each, shift_m[scene_id])
            for each, scene_id in zip(polygon, rows["scene_id"].to_pylist(), strict=True)
        ],
        dtype=object,
    )


def shifted(polygon: shapely.Geometry, by_m: tuple[float, float]) -> shapely.Geometry:
    """The EPSG:6931 polygon, moved back by so many metres east and north on the ground."""
    if by_m == (0.0, 0.0):
        return polygon

    def back(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return xy - np.column_stack(grid.from_ground(*by_m, xy[:, 0], xy[:, 1]))

    return shapely.transform(polygon, back)


def rows_by_look(found: FoundSeason) -> Mapping[str | None, NDArray[np.int64]]:
    """The footprints' row numbers by their look, None for those of no look."""
    rows: dict[str | None, list[int]] = {}
    for row, look_id in enumerate(found.rows["look_id"].to_pylist()):
        rows.setdefault(look_id, []).append(row)
    return {look_id: np.array(each, dtype=np.int64) for look_id, each in rows.items()}
