"""A truth that is told of places: where each slump lay in each season, and what became of it.

Such a truth knows of no inventory: what a store holds is matched with it by place. A simulated
landscape has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import shapely

from rts_track import grid
from rts_track.errors import InputError
from rts_track.simulate.life import Lives, Turn, TurnKind
from rts_track.simulate.meeting import Slump
from rts_track.steps.truth_files import check_filled, check_kinds, read_truth_table, truth_file

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

OUTLINES = "truth_outline"
_TURNS = "truth_event"
_SCENES = "truth_scene"
_LOOKALIKES = "truth_lookalike"
_OUTLINE_COLUMNS = ("object_id", "season_year", "geometry")
_LOOKALIKE_COLUMNS = ("kind", "geometry")
_OUTLINE_FACTS = ("part", "is_active")
_SCAR = "scar"
"""The part of a slump that is its landform; others are ground that it has to do with."""
_TURN_COLUMNS = ("object_id", "related_object_id", "season_year", "kind")
_SHIFT_COLUMNS = ("scene_id", "shift_east_m", "shift_north_m")
_FIRST_SEEN = "first_seen"
"""An event that depends on who looked where, and so is told anew."""
_UNKNOWN = float("nan")
_NEVER = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueSeason:
    """The slumps of a season, in EPSG:6931.

    Attributes:
        object_id: their ids, (n,), ascending.
        polygon: their scars, (n,).
        is_active: whether each is active; one that has stabilised plants take back, (n,).
        beside: what else belongs to slumps, such as their debris tongues, (m,).
    """

    object_id: NDArray[np.object_]
    polygon: NDArray[np.object_]
    is_active: NDArray[np.bool_]
    beside: NDArray[np.object_]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTruth:
    """Where slumps truly lay, and what became of them.

    Attributes:
        seasons: the slumps of each season, ascending.
        turns: what happened to slumps, by season.
        shift_m: by how much what a scene shows lies off, metres east and north, by the scene's
            name; scenes that are not named lie where they should.
        lookalikes: what looks like a slump and is none, in EPSG:6931, by its kind.
    """

    seasons: Mapping[int, TrueSeason]
    turns: tuple[Turn, ...]
    shift_m: Mapping[str, tuple[float, float]]
    lookalikes: Mapping[str, NDArray[np.object_]]

    @property
    def lives(self) -> Lives:
        """The same as lives of slumps; where they head and how fast they grow is not known."""
        slumps = {
            season_year: {
                object_id: Slump(
                    object_id=object_id,
                    polygon=polygon,
                    heading=np.full(2, _UNKNOWN),
                    growth_m_yr=_UNKNOWN,
                )
                for object_id, polygon in zip(season.object_id, season.polygon, strict=True)
            }
            for season_year, season in self.seasons.items()
        }
        return Lives(slumps=slumps, turns=self.turns)

    def shift_of(self, scene_id: str | None) -> tuple[float, float]:
        """The shift of a scene by its id in a store: the product's name, perhaps with a source."""
        if scene_id is None:
            return (0.0, 0.0)
        product = scene_id.partition(":")[2]
        return self.shift_m.get(scene_id, self.shift_m.get(product, (0.0, 0.0)))


def tells_places(truth_dir: Path) -> bool:
    """Whether the folder's truth is told of places."""
    return truth_file(truth_dir, OUTLINES) is not None


def read_place_truth(truth_dir: Path) -> PlaceTruth:
    """The truth in a folder's files.

    truth_outline (object_id, season_year, geometry as WKB of WGS 84 lon/lat; perhaps part: scar
    or else, and is_active; several scars of an object and season are one), truth_event (object_id,
    related_object_id, season_year, kind as `simulate.life.Turn` means them; first_seen is passed
    over) and, if they are there, truth_scene (scene_id, shift_east_m, shift_north_m) and
    truth_lookalike (kind, geometry).

    Raises:
        InputError: a file or column is missing, or what it says cannot be.
    """
    outlines = read_truth_table(truth_dir, OUTLINES, _OUTLINE_COLUMNS, _OUTLINE_FACTS)
    check_filled(outlines, outlines.column_names, f"{truth_dir}: {OUTLINES}")
    seasons = _seasons(outlines, f"{truth_dir}: {OUTLINES}")
    return PlaceTruth(
        seasons=seasons,
        turns=_turns(truth_dir, seasons),
        shift_m=_shifts(truth_dir),
        lookalikes=_lookalikes(truth_dir),
    )


def _seasons(outlines: pa.Table, where: str) -> dict[int, TrueSeason]:
    """The slumps of all seasons from the first to the last."""
    n = outlines.num_rows
    if n == 0:
        raise InputError(f"{where}: holds no outline")
    season_year = outlines["season_year"].to_numpy()
    columns = {
        "polygon": _polygons(outlines, where),
        "object_id": _objects(outlines, "object_id", ""),
        "is_scar": _objects(outlines, "part", _SCAR) == _SCAR,
        "is_active": _objects(outlines, "is_active", True).astype(bool),
    }
    return {
        season: _season(**{name: each[season_year == season] for name, each in columns.items()})
        for season in range(int(season_year.min()), int(season_year.max()) + 1)
    }


def _objects(outlines: pa.Table, name: str, default: object) -> NDArray[np.object_]:
    """The values of a column, (n,); the default where there is no such column."""
    if name not in outlines.column_names:
        return np.full(outlines.num_rows, default, dtype=object)
    return np.array(outlines[name].to_pylist(), dtype=object)


def _season(
    polygon: NDArray[np.object_],
    object_id: NDArray[np.object_],
    is_scar: NDArray[np.bool_],
    is_active: NDArray[np.bool_],
) -> TrueSeason:
    names, number = np.unique(object_id[is_scar].astype(str), return_inverse=True)
    whole = [shapely.union_all(polygon[is_scar][number == each]) for each in range(len(names))]
    return TrueSeason(
        object_id=names.astype(object),
        polygon=np.array(whole, dtype=object),
        is_active=np.bincount(number, is_active[is_scar], len(names)) > 0,
        beside=polygon[~is_scar],
    )


def _polygons(outlines: pa.Table, where: str) -> NDArray[np.object_]:
    """The outlines in EPSG:6931, made valid."""
    try:
        polygon = shapely.from_wkb(outlines["geometry"].to_numpy(zero_copy_only=False))
    except shapely.errors.GEOSException as error:
        raise InputError(f"{where}: geometry is no WKB") from error
    if np.any(shapely.get_dimensions(polygon) != 2):
        raise InputError(f"{where}: geometry is no polygon in a row")
    moved = grid.to_metric(polygon)
    return np.asarray(shapely.make_valid(moved, method="structure"))


def _turns(truth_dir: Path, seasons: Mapping[int, TrueSeason]) -> tuple[Turn, ...]:
    """What happened, by season.

    Left out is what befell slumps before anybody says where they lay, and the return of what
    nobody says had stabilised.
    """
    where = f"{truth_dir}: {_TURNS}"
    table = read_truth_table(truth_dir, _TURNS, _TURN_COLUMNS)
    check_kinds(table, (*get_args(TurnKind), _FIRST_SEEN), where)
    check_filled(table, ("object_id", "season_year"), where)
    rows = sorted(table.to_pylist(), key=lambda row: (row["season_year"], row["object_id"]))
    first_year: dict[str | None, int] = {
        str(object_id): season_year
        for season_year, season in sorted(seasons.items(), reverse=True)
        for object_id in season.object_id
    }
    turns: list[Turn] = []
    stopped: set[str] = set()
    for turn in (Turn(**row) for row in rows if row["kind"] != _FIRST_SEEN):
        of = {turn.object_id, turn.related_object_id} - {None}
        still = {"reactivate": turn.object_id, "reinitiate": turn.related_object_id}
        is_placed = all(first_year.get(each, _NEVER) <= turn.season_year for each in of)
        if is_placed and still.get(turn.kind) in {None, *stopped}:
            turns.append(turn)
        if turn.kind == "stabilise":
            stopped.add(turn.object_id)
    return tuple(turns)


def _shifts(truth_dir: Path) -> dict[str, tuple[float, float]]:
    if truth_file(truth_dir, _SCENES) is None:
        return {}
    table = read_truth_table(truth_dir, _SCENES, _SHIFT_COLUMNS)
    check_filled(table, _SHIFT_COLUMNS, f"{truth_dir}: {_SCENES}")
    scenes, east_m, north_m = (table[name].to_pylist() for name in _SHIFT_COLUMNS)
    return dict(zip(scenes, zip(east_m, north_m, strict=True), strict=True))


def _lookalikes(truth_dir: Path) -> dict[str, NDArray[np.object_]]:
    if truth_file(truth_dir, _LOOKALIKES) is None:
        return {}
    where = f"{truth_dir}: {_LOOKALIKES}"
    table = read_truth_table(truth_dir, _LOOKALIKES, _LOOKALIKE_COLUMNS)
    check_filled(table, _LOOKALIKE_COLUMNS, where)
    kind, polygon = _objects(table, "kind", ""), _polygons(table, where)
    return {each: polygon[kind == each] for each in sorted(set(kind.tolist()))}
