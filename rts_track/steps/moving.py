"""Trajectories of the active fronts, as one more table of an export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track.contract import Column, ColumnType, Table, to_arrow_schema
from rts_track.growth.params import GrowthParams
from rts_track.growth.trajectory import (
    Paths,
    front_paths,
    path_seasons,
    require_movingpandas,
    trajectory_collection,
    trajectory_lines,
)
from rts_track.steps.units import (
    common_inputs,
    geometries,
    read_unit,
    recorded_unit,
    tracks_by_unit,
)

if TYPE_CHECKING:
    from rts_track.store.base import Reader


def _column(name: str, type_: ColumnType, unit: str, meaning: str) -> Column:
    return Column(
        name=name.removesuffix("?"),
        type=type_,
        unit=unit,
        meaning=meaning,
        is_nullable=name.endswith("?"),
    )


TRAJECTORY = Table(
    name="trajectory",
    meaning="path of a track's active front through its whole seasons since it last merged or"
    " split; null where the front did not move beyond its error",
    key=("track_id",),
    columns=(
        _column("track_id", "text", "", "the track"),
        _column("from_year", "int", "", "first season"),
        _column("to_year", "int", "", "last season"),
        _column("n_seasons", "int", "", "whole seasons from the first to the last"),
        _column("azimuth_deg?", "double", "degrees from north", "from the path's begin to its end"),
        _column("speed_m_yr?", "double", "m/a", "length per calendar year, standstill included"),
        _column("length_m?", "double", "m", "length of the path on the ground"),
        _column("straightness?", "double", "", "distance from begin to end over the length"),
        _column("geometry?", "geometry", "WGS 84 lon/lat", "the path, split at the antimeridian"),
    ),
)
"""The table `trajectory`: exported on request, never stored."""


def check_movingpandas() -> None:
    """UsageError, with the way to install it, where movingpandas is missing."""
    require_movingpandas()


def trajectories(reader: Reader, params: GrowthParams | None = None) -> Iterator[pa.RecordBatch]:
    """Rows of TRAJECTORY: one a track that is whole in two seasons or more.

    A unit of whole lineages is in memory at a time. UsageError without movingpandas.
    """
    params = params or GrowthParams()
    common, units = common_inputs(reader, params), tracks_by_unit(reader)
    for unit in sorted(units):
        rows = read_unit(reader, units[unit], is_all=len(units) == 1)
        found = recorded_unit(reader, rows, common)
        geometry = geometries(reader, found, path_seasons(found.history))
        paths = front_paths(found.history, found.is_zone, geometry, params)
        yield _rows(paths, found.track_id.take(pa.array(paths.track)))


def _rows(paths: Paths, track_id: pa.Array) -> pa.RecordBatch:
    names = track_id.to_pylist()
    line_of = dict(trajectory_lines(trajectory_collection(paths, names)))
    lines = np.array([line_of.get(name) for name in names], dtype=object)
    columns = {
        "track_id": track_id,
        "from_year": paths.from_year,
        "to_year": paths.to_year,
        "n_seasons": paths.n_seasons,
        "azimuth_deg": paths.azimuth_deg,
        "speed_m_yr": paths.speed_m_yr,
        "length_m": paths.length_m,
        "straightness": paths.straightness,
        "geometry": shapely.to_wkb(lines),
    }
    schema = to_arrow_schema(TRAJECTORY)
    arrays = [
        pa.array(columns[field.name], field.type, from_pandas=True)
        if field.name != "track_id"
        else track_id
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
