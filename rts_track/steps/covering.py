"""Coverage: where each season was looked at, in all, by cell and by region."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.domain import digest
from rts_track.polygon.coverage import (
    CountedArea,
    count_looks,
    look_at_cells,
    looked_area_m2,
)
from rts_track.progress import Progress, silent
from rts_track.steps.looks import read_looks
from rts_track.steps.runs import forget_units, input_digests, keep_input_digest
from rts_track.store.base import Written
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.store.base import Store, Where

STEP = "coverage"

Unit = tuple[str, int]
"""A kind and a season: what is worked off, and written, at a time."""


def refresh_coverage(store: Store, *, progress: Progress = silent) -> Written:
    """Bring coverage, its cells and its regions up to date with the current looks.

    Only kinds and seasons whose current, finished looks changed are worked off again; what
    changed in the three tables. A kind and season that lost its last look loses its rows.
    """
    written = Written()
    with store.transaction():
        units = _units(store)
        known = {_unit(text): inputs for text, inputs in input_digests(store, STEP).items()}
        changed = sorted(unit for unit, inputs in units.items() if known.get(unit) != inputs)
        gone = sorted(known.keys() - units.keys())
        if not changed and not gone:
            return written
        regions = _Regions.read(store)
        for unit in progress(changed, label="coverage", total=len(changed)):
            written += _write(store, unit, _look_at(store, unit), regions)
            keep_input_digest(store, STEP, _text(unit), units[unit])
        for unit in gone:
            written += _write(store, unit, [], regions)
        forget_units(store, STEP, [_text(unit) for unit in gone])
    return written


def refresh_region_coverage(store: Store, region_set: str) -> Written:
    """Bring what was looked at in the regions of one set up to date with the set's polygons."""
    with store.transaction():
        regions = _Regions.read(store, region_set)
        seasons = store.read("coverage", ["kind", "season_year"]).to_pylist()
        units = sorted({(row["kind"], row["season_year"]) for row in seasons})
        rows = [row for unit in units for row in regions.rows(unit, _read_parts(store, unit))]
        return _sync(store, "region_coverage", rows, {"region_set": region_set})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Regions:
    """Regions in the order of their keys; `geometry` in EPSG:6931."""

    region_set: list[str]
    region_code: list[str]
    geometry: NDArray[np.object_]

    @classmethod
    def read(cls, store: Store, region_set: str | None = None) -> _Regions:
        """The regions of one set, or of all."""
        scope = None if region_set is None else {"region_set": region_set}
        rows = store.read("region", ["region_set", "region_code", "geometry"], scope)
        return cls(
            region_set=rows["region_set"].to_pylist(),
            region_code=rows["region_code"].to_pylist(),
            geometry=_to_metric(rows["geometry"]),
        )

    def rows(self, unit: Unit, parts: NDArray[np.object_]) -> list[dict[str, object]]:
        """Rows of `region_coverage` for the regions in which something was looked at."""
        kind, season_year = unit
        looked_m2 = looked_area_m2(self.geometry, parts)
        return [
            {
                "region_set": self.region_set[at],
                "region_code": self.region_code[at],
                "season_year": season_year,
                "kind": kind,
                "looked_area_m2": float(looked_m2[at]),
            }
            for at in np.flatnonzero(looked_m2 > 0.0)
        ]


def _units(store: Store) -> dict[Unit, str]:
    """A digest of the current, finished looks of each kind and season that has any."""
    looks = store.query(statement("current_looks")).to_pylist()
    return {
        unit: digest(*((look["look_id"], look["basis"], look["looked_area_m2"]) for look in group))
        for unit, group in groupby(looks, key=lambda look: (look["kind"], look["season_year"]))
    }


def _text(unit: Unit) -> str:
    kind, season_year = unit
    return f"{kind} {season_year}"


def _unit(text: str) -> Unit:
    kind, season_year = text.split()
    return kind, int(season_year)


def _look_at(store: Store, unit: Unit) -> list[CountedArea]:
    looks = read_looks(store, *unit)
    geometry = looks.geometry
    is_bad = ~shapely.is_valid(geometry)
    geometry[is_bad] = shapely.make_valid(geometry[is_bad], method="structure")
    return count_looks(geometry, looks.is_measured)


def _write(store: Store, unit: Unit, areas: list[CountedArea], regions: _Regions) -> Written:
    """Make the rows of one kind and season those of the counted areas."""
    kind, season_year = unit
    scope: dict[str, str | int] = {"kind": kind, "season_year": season_year}
    counted = np.array([area.geometry for area in areas], dtype=object)
    stored = shapely.to_wkb(grid.to_lonlat(counted), byte_order=1)
    coverage = [
        {
            **scope,
            "basis": area.basis,
            "n_looks": area.n_looks,
            "area_m2": area.area_m2,
            "geometry": wkb,
        }
        for area, wkb in zip(areas, stored, strict=True)
    ]
    written = _sync(store, "coverage", coverage, scope)
    parts = _read_parts(store, unit)
    written += _sync(store, "coverage_cell", _cell_rows(unit, parts), scope)
    return written + _sync(store, "region_coverage", regions.rows(unit, parts), scope)


def _cell_rows(unit: Unit, parts: NDArray[np.object_]) -> list[dict[str, object]]:
    kind, season_year = unit
    cells = look_at_cells(parts)
    columns = (cells.cell_lon, cells.cell_lat, cells.cell_area_m2, cells.looked_area_m2)
    names = ("cell_lon", "cell_lat", "cell_area_m2", "looked_area_m2")
    return [
        {"season_year": season_year, "kind": kind, **dict(zip(names, values, strict=True))}
        for values in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _read_parts(store: Store, unit: Unit) -> NDArray[np.object_]:
    """The disjoint polygons of the unit's coverage as stored, in EPSG:6931.

    Cells and regions are measured on what is stored, so that regions loaded before and after
    the looks have the same rows.
    """
    kind, season_year = unit
    rows = store.read("coverage", ["geometry"], {"kind": kind, "season_year": season_year})
    return np.asarray(shapely.get_parts(_to_metric(rows["geometry"])), dtype=object)


def _to_metric(wkb: pa.ChunkedArray) -> NDArray[np.object_]:
    geometry = grid.to_metric(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)))
    is_bad = ~shapely.is_valid(geometry)
    geometry[is_bad] = shapely.make_valid(geometry[is_bad], method="structure")
    return geometry


def _sync(store: Store, table: str, rows: list[dict[str, object]], scope: Where) -> Written:
    return store.sync(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)), scope)
