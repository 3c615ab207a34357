"""What is measured at a time: whole lineages, and all that is recorded of them.

Some thousands of tracks a unit, so that no more of the history is held in memory.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

import rts_track
from rts_track import grid
from rts_track.contract import CONTRACT
from rts_track.domain import canonical_json, digest
from rts_track.growth.overlay import union_by_group
from rts_track.growth.tables import Recorded, followed_scenes, recorded
from rts_track.steps.runs import rows_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.growth.params import GrowthParams
    from rts_track.store.base import Reader, Where

UNIT_TRACKS = 8_000
"""Tracks that are measured at a time, on average; bounds the memory."""

_TRACK = ("track_id", "kind", "lineage_id", "validity")
_OUTLINE = (
    "outline_id",
    "track_id",
    "source",
    "season_year",
    "observed_on",
    "observed_sigma_d",
    "area_m2",
    "area_sigma_m2",
    "perimeter_m",
    "is_clipped",
    "lon",
    "lat",
)
_LINK = ("link_id", "from_outline_id", "to_outline_id", "kind", "overlap_m2")
_STATE = ("track_id", "season_year", "state", "source", "area_m2", "is_clipped")
_EVENT = ("event_id", "track_id", "season_year", "kind")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Common:
    """What every unit reads."""

    sources: pa.Table
    shifts: dict[tuple[str, str], tuple[float, float]]
    """Metres east and north by which the second scene lies off the first, where corrected for."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitRows:
    """What one unit reads."""

    tracks: pa.Table
    outlines: pa.Table
    links: pa.Table
    states: pa.Table
    events: pa.Table

    def all(self) -> tuple[pa.Table, ...]:
        """The tables in an order of their own."""
        return self.tracks, self.outlines, self.links, self.states, self.events


def common_inputs(reader: Reader, params: GrowthParams) -> Common:
    """The sources, the shifts that are applied, and a digest of them, code and parameters."""
    sources = _read(reader, "source", ("source", "delineation_sigma_m"))
    columns = ("scene_a", "scene_b", "dx_m", "dy_m")
    applied = _read(reader, "scene_shift", columns, {"is_applied": True})
    shifts = {
        (row["scene_a"], row["scene_b"]): (row["dx_m"], row["dy_m"]) for row in applied.to_pylist()
    }
    code = (rts_track.__version__, canonical_json(params.as_dict()))
    return Common(
        sources=sources, shifts=shifts, sha256=digest(*code, rows_digest(sources, applied))
    )


def tracks_by_unit(reader: Reader) -> dict[str, pa.Table]:
    """The tracks of each unit; a lineage is wholly in one.

    The number of units is a power of two, so that more tracks seldom change what is in which.
    """
    tracks = _read(reader, "track", _TRACK)
    if tracks.num_rows == 0:
        return {}
    n = 1
    while tracks.num_rows > n * UNIT_TRACKS:
        n *= 2
    lineages = pc.unique(tracks["lineage_id"])
    unit_of_lineage = np.array([zlib.crc32(name.encode()) % n for name in lineages.to_pylist()])
    lineage = pc.index_in(tracks["lineage_id"], value_set=lineages).to_numpy()
    unit = unit_of_lineage[lineage]
    return {f"{k} of {n}": tracks.take(np.flatnonzero(unit == k)) for k in np.unique(unit)}


def read_unit(reader: Reader, tracks: pa.Table, *, is_all: bool) -> UnitRows:
    """The unit's rows; `is_all`: there is no other unit, so that nothing need be picked."""
    of_tracks: Where | None = None if is_all else {"track_id": tracks["track_id"].to_pylist()}
    outlines = _read(reader, "outline", _OUTLINE, of_tracks)
    of_outlines: Where | None = (
        None if is_all else {"from_outline_id": outlines["outline_id"].to_pylist()}
    )
    return UnitRows(
        tracks=tracks,
        outlines=outlines,
        links=_read(reader, "link", _LINK, of_outlines),
        states=_read(reader, "track_state", _STATE, of_tracks),
        events=_read(reader, "event", _EVENT, of_tracks),
    )


def _read(
    reader: Reader, table: str, columns: tuple[str, ...], scope: Where | None = None
) -> pa.Table:
    """The rows in an order that is the same in every engine, whatever its collation.

    Sums depend on the order of their terms in the last digit.
    """
    key = [(name, "ascending") for name in CONTRACT[table].key]
    return reader.read(table, columns, scope).sort_by(key)


def recorded_unit(reader: Reader, rows: UnitRows, common: Common) -> Recorded:
    """The unit's history; a retracted track has none."""
    is_kept = pc.not_equal(rows.tracks["validity"], "retracted")
    scene_of: dict[str, str] = {}
    if common.shifts:
        columns = ["footprint_id", "outline_id", "scene_id", "area_m2"]
        of_outlines = {"outline_id": rows.outlines["outline_id"].to_pylist()}
        scene_of = followed_scenes(reader.read("footprint", columns, of_outlines), rows.outlines)
    return recorded(
        tracks=rows.tracks.filter(is_kept),
        outlines=rows.outlines,
        links=rows.links,
        states=rows.states,
        events=rows.events,
        sources=common.sources,
        scene_of=scene_of,
        shifts=common.shifts,
    )


def geometries(
    reader: Reader, found: Recorded, appearance: NDArray[np.int64]
) -> NDArray[np.object_]:
    """The EPSG:6931 geometry of each of those appearances; None for the others."""
    geometry = np.full(len(found.history.appearances), None, dtype=object)
    if len(appearance) == 0:
        return geometry
    is_wanted = np.isin(found.pieces.appearance, appearance)
    outline_id = found.pieces.outline_id.filter(pa.array(is_wanted))
    scope = {"outline_id": outline_id.to_pylist()}
    rows = reader.read("outline", ["outline_id", "geometry"], scope)
    outlines = grid.to_metric(shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False)))
    is_bad = ~shapely.is_valid(outlines)
    outlines[is_bad] = shapely.make_valid(outlines[is_bad], method="structure")
    at = pc.index_in(outline_id, value_set=rows["outline_id"].combine_chunks()).to_numpy()
    of_piece = found.pieces.appearance[is_wanted]
    geometry[appearance] = union_by_group(outlines[at], of_piece, len(geometry))[appearance]
    return geometry
