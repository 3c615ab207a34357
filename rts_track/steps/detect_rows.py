"""Rows that a search writes: what the source is now, the look, its footprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.domain import mint
from rts_track.polygon.measure import measure, outline_digests
from rts_track.source.looks import areas_lonlat

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.polygon.extract import Extracted, ExtractParams
    from rts_track.steps.detect_plan import Search

Row = dict[str, Any]


def source_row(
    stored: Row, ensemble: Ensemble, params: ExtractParams, *, recall: float | None
) -> pa.Table:
    """The source as one row, with what the ensemble that searches for it now says of it."""
    row = {
        **stored,
        "kind": ensemble.kind,
        "mapper": "model",
        "min_area_m2": params.min_area_m2,
        "delineation_sigma_m": ensemble.delineation_sigma_m,
        "recall": recall,
    }
    return pa.Table.from_pylist([row], schema=arrow_schema("source"))


def done_row(search: Search, run_id: str, looked_at: shapely.Geometry) -> pa.Table:
    """A search that is done; `looked_at` is its EPSG:6931 area, empty where nothing was clear.

    An area of nothing cannot be stored: the scene's extent then says where, `looked_area_m2` that
    it was not looked at.
    """
    return _look(
        search,
        run_id,
        look_id=search.look_id,
        status="done",
        looked_area_m2=float(shapely.area(looked_at)),
        geometry=search.scene["geometry"] if looked_at.is_empty else _wkb(looked_at),
        failure=None,
    )


def failed_row(search: Search, run_id: str, failure: str) -> pa.Table:
    """A search that failed, and why: it looked at nothing."""
    return _look(
        search,
        run_id,
        look_id=search.failed_look_id,
        status="failed",
        looked_area_m2=0.0,
        geometry=search.scene["geometry"],
        failure=failure,
    )


def footprint_rows(search: Search, run_id: str, found: Extracted) -> pa.Table:
    """What was found, as rows: each id follows from scene, look, dates and outline."""
    scene, count = search.scene, len(found)
    seen = (scene["season_year"], scene["observed_from"], scene["observed_to"])
    measures = measure(found.geometry)
    values = {
        "footprint_id": [
            mint("footprint", scene["source"], search.scene_id, search.look_id, *seen, digest)
            for digest in outline_digests(found.geometry)
        ],
        "source": [scene["source"]] * count,
        "look_id": [search.look_id] * count,
        "scene_id": [search.scene_id] * count,
        "run_id": [run_id] * count,
        "season_year": [seen[0]] * count,
        "observed_from": [seen[1]] * count,
        "observed_to": [seen[2]] * count,
        "date_basis": ["exact" if seen[1] == seen[2] else "range"] * count,
        "prob_mean": found.prob_mean,
        "prob_max": found.prob_max,
        "spread_mean": _nullable(found.spread_mean),
        "area_m2": measures.area_m2,
        "perimeter_m": measures.perimeter_m,
        "is_clipped": found.is_clipped,
        "lon": measures.lon,
        "lat": measures.lat,
        "attributes": ["{}"] * count,
        "geometry": shapely.to_wkb(grid.to_lonlat(found.geometry), byte_order=1),
    }
    schema = arrow_schema("footprint")
    schema = pa.schema([schema.field(name) for name in values])
    arrays = [pa.array(column, schema.field(name).type) for name, column in values.items()]
    return pa.Table.from_arrays(arrays, schema=schema)


def _look(search: Search, run_id: str, **more: object) -> pa.Table:
    scene = search.scene
    row = {
        "source": scene["source"],
        "scene_id": search.scene_id,
        "run_id": run_id,
        "season_year": scene["season_year"],
        "from_on": scene["observed_from"],
        "to_on": scene["observed_to"],
        "basis": "measured",
        "is_current": True,
        **more,
    }
    return pa.Table.from_pylist([row], schema=arrow_schema("look"))


def _wkb(area: shapely.Geometry) -> bytes:
    """The EPSG:6931 area as WKB of lon/lat."""
    wkb: bytes = shapely.to_wkb(areas_lonlat([area])[0], byte_order=1)
    return wkb


def _nullable(values: np.ndarray[Any, np.dtype[np.float64]]) -> pa.Array:
    return pa.array(values, pa.float64(), from_pandas=True)
