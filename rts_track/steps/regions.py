"""`region`: areas to sum over, and which track lies in which."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.errors import InputError, UsageError
from rts_track.progress import Progress, silent
from rts_track.source.inventory import Fault
from rts_track.source.looks import Area, read_areas
from rts_track.source.vector import open_vector
from rts_track.steps.covering import refresh_region_coverage
from rts_track.steps.runs import record_run, rows_digest
from rts_track.store.base import Written
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.source.vector import VectorFile
    from rts_track.store.base import Store

STEP = "region"
OVERLAP_FRAC = 1e-3
"""Regions that share less than this part of the smaller one merely follow one border."""

_MAX_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two regions of a set that share an area; tracks in it go to the smaller code."""

    code: str
    other_code: str
    area_m2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionReport:
    """What loading a set of regions did; faults are those of single features."""

    region_set: str
    n_regions: int
    written: Written
    n_assigned: int
    overlaps: tuple[Overlap, ...]
    repaired: tuple[Fault, ...]
    skipped: tuple[Fault, ...]

    def lines(self) -> Iterator[str]:
        """What a person wants to know, a line each."""
        what = "unchanged" if self.written.is_empty else _changes(self.written)
        yield (
            f"{self.region_set}: {_counted(self.n_regions, 'region')} ({what}),"
            f" {_counted(self.n_assigned, 'track')} assigned"
        )
        yield from _first_few([f"repaired {fault[0]}: {fault[1]}" for fault in self.repaired])
        yield from _first_few([f"skipped {fault[0]}: {fault[1]}" for fault in self.skipped])
        yield from _first_few(
            [
                f"{overlap.code} and {overlap.other_code} share {overlap.area_m2 / 1e6:,.2f} km²;"
                f" tracks there belong to {overlap.code}"
                for overlap in self.overlaps
            ]
        )


def load_regions(
    store: Store,
    file: Path | str,
    region_set: str,
    code_field: str,
    name_field: str | None = None,
    parent_field: str | None = None,
    *,
    layer: str | None = None,
    progress: Progress = silent,
) -> RegionReport:
    """Make the set `region_set` exactly the file's regions, and put tracks and looks in them.

    Features of one code are one region if they agree on name and parent. A region without a
    name has its code for one. A set that comes again unchanged changes nothing; one that
    differs replaces the former, and its tracks are assigned anew.

    Raises:
        InputError: the file is missing, no file of polygons or has no CRS; or a code stands for
            two names. Nothing is stored.
        UsageError: the file lacks a field, or the set has no name.
    """
    if not region_set.strip():
        raise UsageError("the set of regions needs a name (--set)")
    started_at = dt.datetime.now(dt.UTC)
    fields = _Fields(code=code_field, name=name_field, parent=parent_field)
    vector = open_vector(Path(file), layer)
    fields.require(vector)
    areas, repaired, skipped = read_areas(vector)
    regions, without_code = _regions(areas, fields, vector.path, progress)
    geometry = np.array([region.geometry for region in regions], dtype=object)
    rows = _rows(region_set, regions, geometry)
    with store.transaction():
        written = _write(store, region_set, rows)
        if not written.is_empty:
            params = {"region_set": region_set, "file": vector.path.name, **asdict(fields)}
            record_run(store, STEP, params, rows_digest(rows), started_at=started_at)
        n_assigned = _assign(store, region_set)
    return RegionReport(
        region_set=region_set,
        n_regions=len(regions),
        written=written,
        n_assigned=n_assigned,
        overlaps=tuple(_overlaps([region.code for region in regions], geometry)),
        repaired=tuple(repaired),
        skipped=(*skipped, *without_code),
    )


def assign_regions(store: Store) -> int:
    """How many tracks were put into a region, over all sets.

    A track is of the region that covers its founding outline's point (the outline of its first
    season), and stays so when it moves; of overlapping regions the smallest code has it. Tracks
    that have a region of a set already, or lie in none, are left alone.
    """
    with store.transaction():
        sets = store.read("region", ["region_set"])["region_set"].unique().to_pylist()
        return sum(_assign(store, region_set) for region_set in sets)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    """The file's fields of a region's code, name and parent."""

    code: str
    name: str | None
    parent: str | None

    def require(self, vector: VectorFile) -> None:
        """UsageError for a field that the file does not have."""
        vector.require(self.code, option=" (--code-field)")
        vector.require(self.name, option=" (--name-field)")
        vector.require(self.parent, option=" (--parent-field)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    """One region; `geometry` in EPSG:6931."""

    code: str
    name: str
    parent_code: str | None
    geometry: shapely.Geometry


def _regions(
    areas: Sequence[Area], fields: _Fields, file: Path, progress: Progress
) -> tuple[list[_Region], list[Fault]]:
    """The regions by code, and features without one.

    InputError where two features of one code differ in name or parent, or none has a code.
    """
    by_code: dict[str, list[_Region]] = {}
    without_code = []
    for area in areas:
        code = _word(area.row[fields.code])
        if code is None:
            without_code.append(Fault(area.name, f"no {fields.code}"))
            continue
        region = _Region(
            code=code,
            name=_word(area.row[fields.name] if fields.name else None) or code,
            parent_code=_word(area.row[fields.parent] if fields.parent else None),
            geometry=area.geometry,
        )
        by_code.setdefault(code, []).append(region)
    if not by_code:
        raise InputError(f"{file}: none of its polygons has a value in the field {fields.code}")
    codes = progress(sorted(by_code), label="regions", total=len(by_code))
    return [_united(by_code[code], file) for code in codes], without_code


def _united(parts: Sequence[_Region], file: Path) -> _Region:
    """One region of the features of one code."""
    first, *others = parts
    for other in others:
        if (other.name, other.parent_code) != (first.name, first.parent_code):
            raise InputError(
                f"{file}: code {first.code!r} stands for {first.name!r} (in {first.parent_code})"
                f" and for {other.name!r} (in {other.parent_code}); choose another code field"
            )
    if not others:
        return first
    return _Region(
        code=first.code,
        name=first.name,
        parent_code=first.parent_code,
        geometry=shapely.union_all([part.geometry for part in parts]),
    )


def _word(value: object) -> str | None:
    """The value as text, 12.0 as 12; None where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value).strip() or None


def _rows(region_set: str, regions: Sequence[_Region], geometry: NDArray[np.object_]) -> pa.Table:
    """Rows of the contract's table `region`, by code."""
    area_m2 = shapely.area(geometry)
    lonlat = grid.to_lonlat(grid.densify(geometry, grid.METRIC_CRS))
    rows = [
        {
            "region_set": region_set,
            "region_code": region.code,
            "name": region.name,
            "parent_code": region.parent_code,
            "area_m2": area,
            "geometry": wkb,
        }
        for region, area, wkb in zip(
            regions, area_m2.tolist(), shapely.to_wkb(lonlat, byte_order=1), strict=True
        )
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("region"))


def _write(store: Store, region_set: str, rows: pa.Table) -> Written:
    """Make the set these rows; if that changes it, its tracks have no region for now."""
    written = store.sync("region", rows, {"region_set": region_set})
    if not written.is_empty:
        store.delete("track_region", {"region_set": region_set})
        refresh_region_coverage(store, region_set)
    return written


def _assign(store: Store, region_set: str) -> int:
    """Put the tracks that have no region of the set into theirs; how many."""
    tracks = store.query(statement("founding_points"), {"region_set": region_set})
    if len(tracks) == 0:
        return 0
    regions = store.read("region", ["region_code", "geometry"], {"region_set": region_set})
    polygons = grid.to_metric(shapely.from_wkb(regions["geometry"].to_numpy(zero_copy_only=False)))
    region = _first_covering(polygons, _points(tracks))
    is_covered = region >= 0
    track_ids = tracks["track_id"].filter(pa.array(is_covered))
    rows = pa.table(
        {
            "track_id": track_ids,
            "region_set": pa.array([region_set] * len(track_ids), pa.string()),
            "region_code": regions["region_code"].take(pa.array(region[is_covered])),
        }
    )
    return store.upsert("track_region", rows).added


def _points(tracks: pa.Table) -> NDArray[np.object_]:
    lon, lat = tracks["lon"].to_numpy(), tracks["lat"].to_numpy()
    x, y = grid.transformer(grid.LONLAT_CRS, grid.METRIC_CRS).transform(lon, lat)
    return np.asarray(shapely.points(x, y), dtype=object)


def _first_covering(
    polygons: NDArray[np.object_], points: NDArray[np.object_]
) -> NDArray[np.int64]:
    """The number of the first polygon that covers each point; -1 where none does."""
    polygon, point = shapely.STRtree(points).query(polygons, predicate="covers")
    first = np.full(len(points), len(polygons), dtype=np.int64)
    np.minimum.at(first, point, polygon)
    return np.where(first == len(polygons), -1, first)


def _overlaps(codes: Sequence[str], geometry: NDArray[np.object_]) -> Iterator[Overlap]:
    """The pairs of regions that share more than a border, by code."""
    one, other = shapely.STRtree(geometry).query(geometry, predicate="intersects")
    pairs = sorted({(a, b) for a, b in zip(one.tolist(), other.tolist(), strict=True) if a < b})
    for a, b in pairs:
        area_m2 = shapely.area(shapely.intersection(geometry[a], geometry[b]))
        if area_m2 > OVERLAP_FRAC * min(shapely.area(geometry[a]), shapely.area(geometry[b])):
            yield Overlap(code=codes[a], other_code=codes[b], area_m2=float(area_m2))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _changes(written: Written) -> str:
    counts = {"new": written.added, "changed": written.updated, "removed": written.removed}
    return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)


def _first_few(lines: Sequence[str]) -> Iterator[str]:
    for line in lines[:_MAX_LISTED]:
        yield f"  {line}"
    if len(lines) > _MAX_LISTED:
        yield f"  and {len(lines) - _MAX_LISTED:,} more"
