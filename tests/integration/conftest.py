"""A small world to tell stories in: boxes of metres on the tundra, season by season."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.domain import mint

ORIGIN = (-1_500_000.0, 1_200_000.0)
"""Where the stories take place, in EPSG:6931: about 72 N."""


class Story:
    """Writes footprints and looks of boxes (west, south, east, north; metres of the plane)."""

    def __init__(self, store):
        self.store = store
        self.source("survey")
        run = {
            "run_id": "story",
            "step": "import",
            "started_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            "code_version": "0",
            "params": "{}",
            "inputs_sha256": "0",
        }
        self._write("run", [run])

    def source(self, name, *, kind="landform", sigma_m=1.0, recall=None, gsd_m=3.0):
        row = {
            "source": name,
            "kind": kind,
            "mapper": "person",
            "gsd_m": gsd_m,
            "delineation_sigma_m": sigma_m,
            "recall": recall,
        }
        self._write("source", [row])

    def scene(self, name, season, *, source="survey", gsd_m=3.0, day=None):
        on = day or dt.date(season, 8, 1)
        row = {
            "scene_id": name,
            "source": source,
            "season_year": season,
            "observed_from": on,
            "observed_to": on,
            "gsd_m": gsd_m,
            "geometry": self._wkb(shapely.box(-1000, -1000, 1000, 1000)),
        }
        self._write("scene", [row])

    def look(self, season, box, *, scene=None, source="survey", basis="measured", day=None):
        on = day or dt.date(season, 8, 1)
        area = shapely.box(*box)
        row = {
            "look_id": mint("look", season, scene, source, basis, box),
            "source": source,
            "scene_id": scene,
            "run_id": "story",
            "season_year": season,
            "from_on": on,
            "to_on": on,
            "basis": basis,
            "status": "done",
            "is_current": True,
            "looked_area_m2": area.area,
            "geometry": self._wkb(area),
        }
        self._write("look", [row])

    def slump(
        self, season, name, shape, *, scene=None, source="survey", day=None, is_clipped=False
    ):
        """A footprint with that name; `shape` is a box or a polygon. Its footprint_id."""
        on = day or dt.date(season, 8, 1)
        polygon = shapely.box(*shape) if isinstance(shape, tuple) else shape
        wkb = self._wkb(polygon)
        stored = grid.to_metric(np.array([shapely.from_wkb(wkb)], dtype=object))
        lon, lat = grid.point_lonlat(stored)
        row = {
            "footprint_id": mint("footprint", season, scene, source, wkb.hex()),
            "source": source,
            "source_feature_id": f"{season}:{name}:{scene}",
            "scene_id": scene,
            "run_id": "story",
            "season_year": season,
            "observed_from": on,
            "observed_to": on,
            "date_basis": "exact",
            "area_m2": float(shapely.area(stored)[0]),
            "perimeter_m": float(grid.perimeter_m(stored)[0]),
            "is_clipped": is_clipped,
            "lon": float(lon[0]),
            "lat": float(lat[0]),
            "attributes": "{}",
            "geometry": wkb,
        }
        self._write("footprint", [row])
        return row["footprint_id"]

    def track_of(self, footprint_id):
        """The track that the footprint belongs to."""
        (footprint,) = self.store.read(
            "footprint", ["outline_id"], {"footprint_id": footprint_id}
        ).to_pylist()
        (outline,) = self.store.read(
            "outline", ["track_id"], {"outline_id": footprint["outline_id"]}
        ).to_pylist()
        return outline["track_id"]

    def states_of(self, footprint_id):
        """Season -> state of the footprint's track."""
        rows = self.store.read("track_state", scope={"track_id": self.track_of(footprint_id)})
        return {row["season_year"]: row["state"] for row in rows.to_pylist()}

    def events_of(self, footprint_id):
        """The events of the footprint's track, as (kind, season)."""
        rows = self.store.read("event", scope={"track_id": self.track_of(footprint_id)})
        return sorted((row["kind"], row["season_year"]) for row in rows.to_pylist())

    def everything(self):
        """The tables that linking writes, but for runs and their times."""
        tables = {}
        for name in ("outline", "link", "track", "track_state", "event", "scene_shift"):
            table = self.store.read(name)
            keep = [column for column in table.schema.names if column != "run_id"]
            tables[name] = table.select(keep).to_pylist()
        return tables

    def _wkb(self, polygon):
        moved = shapely.transform(polygon, lambda xy: xy + np.array(ORIGIN))
        return shapely.to_wkb(grid.to_lonlat(np.array([moved], dtype=object)))[0]

    def _write(self, table, rows):
        schema = arrow_schema(table)
        schema = pa.schema([schema.field(name) for name in rows[0]])
        self.store.upsert(table, pa.Table.from_pylist(rows, schema=schema))


@pytest.fixture
def story(store):
    return Story(store)
