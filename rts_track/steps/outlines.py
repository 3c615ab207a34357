"""The outlines of a season: read as footprints, consolidated, and ready to be written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from rts_track import grid
from rts_track.domain import SEASON_DATE_SIGMA, mint_each
from rts_track.growth.sigma import area_sigma_m2
from rts_track.polygon.consolidate import (
    NO_SCENE,
    VOTE,
    Consensus,
    SeasonFootprints,
    consolidate,
    rows_by_group,
    same_place_groups,
)
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.looks import LooksOver, SeasonLooks
    from rts_track.steps.spool import Spool
    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams

_CARRIED_ROWS = 5_000
"""Polygons that change their CRS at a time: few enough that their copies leave no holes behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShapes:
    """Polygons as stored (WKB of lon/lat), by reference: row `row` of column `column`.

    Outlines are taken apart and put together season by season; their polygons stay where they
    are, in the Arrow columns that were read or will be written.
    """

    columns: tuple[pa.ChunkedArray, ...]
    column: NDArray[np.int64]
    row: NDArray[np.int64]

    @classmethod
    def of(cls, wkb: pa.ChunkedArray) -> StoredShapes:
        """All rows of one column."""
        return cls(
            columns=(wkb,),
            column=np.zeros(len(wkb), dtype=np.int64),
            row=np.arange(len(wkb)),
        )

    def __len__(self) -> int:
        """How many polygons."""
        return len(self.row)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> StoredShapes:
        """Some of them."""
        column = self.column[rows]
        used, column = np.unique(column, return_inverse=True)
        return StoredShapes(
            columns=tuple(self.columns[each] for each in used), column=column, row=self.row[rows]
        )

    def followed_by(self, other: StoredShapes) -> StoredShapes:
        """These, then the others."""
        columns = list(self.columns)
        number = np.empty(len(other.columns), dtype=np.int64)
        for at, wkb in enumerate(other.columns):
            known = [each for each, mine in enumerate(columns) if mine is wkb]
            number[at] = known[0] if known else len(columns)
            columns += [] if known else [wkb]
        return StoredShapes(
            columns=tuple(columns),
            column=np.concatenate([self.column, number[other.column]]),
            row=np.concatenate([self.row, other.row]),
        )

    def wkb(self, rows: slice) -> pa.Array:
        """The WKB of successive polygons."""
        column, row = self.column[rows], self.row[rows]
        order = np.argsort(column, kind="stable")
        chunks = [pa.array([], pa.binary())]
        for number, wkb in enumerate(self.columns):
            own = order[column[order] == number]
            chunks += wkb.take(pa.array(row[own])).chunks
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return pa.concat_arrays(chunks).take(pa.array(back))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlines:
    """What linking knows of outlines, column by column.

    `scene_id` is that of the footprint the outline follows, "" where it is of none. `stored` are
    the polygons in lon/lat as stored, `metric` the same in EPSG:6931, and `bounds` (n, 4) theirs.
    """

    outline_id: NDArray[np.object_]
    source: NDArray[np.object_]
    scene_id: NDArray[np.object_]
    season_year: NDArray[np.int64]
    observed_on: NDArray[np.datetime64]
    observed_from: NDArray[np.datetime64]
    observed_to: NDArray[np.datetime64]
    area_m2: NDArray[np.float64]
    area_sigma_m2: NDArray[np.float64]
    is_clipped: NDArray[np.bool_]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    bounds: NDArray[np.float64]
    metric: StoredShapes
    stored: StoredShapes

    def __len__(self) -> int:
        """How many outlines."""
        return len(self.outline_id)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Outlines:
        """Some of them."""
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Outlines(**columns, metric=self.metric.take(rows), stored=self.stored.take(rows))

    def followed_by(self, other: Outlines) -> Outlines:
        """These, then the others."""
        columns = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _COLUMNS
        }
        return Outlines(
            **columns,
            metric=self.metric.followed_by(other.metric),
            stored=self.stored.followed_by(other.stored),
        )

    def polygons(
        self, rows: NDArray[np.int64] | NDArray[np.bool_] | None = None
    ) -> NDArray[np.object_]:
        """The EPSG:6931 polygons of some of them, or all: made anew each time, not kept."""
        metric = self.metric if rows is None else self.metric.take(rows)
        values = metric.wkb(slice(None)).to_numpy(zero_copy_only=False)
        return np.asarray(shapely.from_wkb(values), dtype=object)


_COLUMNS = [f.name for f in fields(Outlines) if f.name not in ("metric", "stored")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonOutlines:
    """A season's outlines; `rows` are those of the contract but for `track_id`.

    `companion_of` is the row of the outline that speaks for the place, where that is one of
    another source, else -1. `founder` is the footprint that would found a track. `coverage_frac`
    is the share of each that the season's looks cover; NaN where none touches it.
    """

    outlines: Outlines
    rows: pa.Table
    companion_of: NDArray[np.int64]
    founder: NDArray[np.object_]
    footprint_id: pa.ChunkedArray
    outline_of_footprint: pa.ChunkedArray
    coverage_frac: NDArray[np.float64]


def outlines_of(rows: pa.Table, spool: Spool) -> Outlines:
    """The outlines in rows that have every column of `Outlines`; their polygons wait in the spool.

    `metric`, their polygons' WKB in EPSG:6931, may be a column already.
    """
    if "metric" not in rows.column_names:
        rows = rows.append_column("metric", _metric_wkb(rows["geometry"]))
    shapes = spool.keep(rows.select(["geometry", "metric"]))
    return Outlines(
        outline_id=_objects(rows, "outline_id"),
        source=_names(rows, "source"),
        scene_id=_names(rows, "scene_id"),
        season_year=rows["season_year"].to_numpy().astype(np.int64),
        observed_on=_days(rows, "observed_on"),
        observed_from=_days(rows, "observed_from"),
        observed_to=_days(rows, "observed_to"),
        area_m2=_doubles(rows, "area_m2"),
        area_sigma_m2=_doubles(rows, "area_sigma_m2"),
        is_clipped=_flags(rows, "is_clipped"),
        lon=_doubles(rows, "lon"),
        lat=_doubles(rows, "lat"),
        bounds=_bounds(shapes["metric"]),
        metric=StoredShapes.of(shapes["metric"]),
        stored=StoredShapes.of(shapes["geometry"]),
    )


def metric_polygons(wkb: pa.ChunkedArray) -> NDArray[np.object_]:
    """The stored polygons in EPSG:6931; some thousands at a time, as each step makes a copy."""
    polygons = np.empty(len(wkb), dtype=object)
    for start in range(0, len(wkb), _CARRIED_ROWS):
        values = wkb.slice(start, _CARRIED_ROWS).to_numpy(zero_copy_only=False)
        polygons[start : start + _CARRIED_ROWS] = grid.to_metric(shapely.from_wkb(values))
    return polygons


def _metric_wkb(wkb: pa.ChunkedArray) -> pa.ChunkedArray:
    """The stored polygons' WKB in EPSG:6931."""
    chunks = [
        pa.array(shapely.to_wkb(metric_polygons(wkb.slice(start, _CARRIED_ROWS))), pa.binary())
        for start in range(0, len(wkb), _CARRIED_ROWS)
    ]
    return pa.chunked_array(chunks, pa.binary())


def _wkb_of(polygons: NDArray[np.object_]) -> pa.ChunkedArray:
    chunks = [
        pa.array(shapely.to_wkb(polygons[start : start + _CARRIED_ROWS]), pa.binary())
        for start in range(0, len(polygons), _CARRIED_ROWS)
    ]
    return pa.chunked_array(chunks, pa.binary())


def _bounds(wkb: pa.ChunkedArray) -> NDArray[np.float64]:
    """(n, 4) bounds of the polygons."""
    bounds = np.empty((len(wkb), 4))
    for start in range(0, len(wkb), _CARRIED_ROWS):
        values = wkb.slice(start, _CARRIED_ROWS).to_numpy(zero_copy_only=False)
        bounds[start : start + _CARRIED_ROWS] = shapely.bounds(shapely.from_wkb(values))
    return bounds


def consolidate_season(
    store: Store,
    kind: str,
    season_year: int,
    looks: SeasonLooks,
    params: LinkParams,
    spool: Spool,
) -> SeasonOutlines:
    """The outlines of that kind and season; their rows wait in the spool."""
    footprints = store.query(statement("season_footprints"), {"kind": kind, "season": season_year})
    geometry = metric_polygons(footprints["geometry"])
    over = looks.over(geometry)
    day_from, day_to = _days(footprints, "observed_from"), _days(footprints, "observed_to")
    found = SeasonFootprints(
        geometry=geometry,
        scene=_numbered(footprints["scene_id"]),
        gsd_m=_doubles(footprints, "gsd_m"),
        day=(day_from.astype(np.int64) + day_to.astype(np.int64)) / 2.0,
        is_clipped=_flags(footprints, "is_clipped"),
    )
    # An assumed look says where scenes may have looked; it is no further look that could vote.
    n_voting = over.measured().n_covering(params.coverage_min_frac)
    consensus = consolidate(found, n_voting, params.same_place_iomin, params.sliver_frac)
    shape = _shapes(footprints, found, consensus)
    rows = _rows(footprints, found, consensus, shape, kind, season_year)
    rows = rows.append_column("metric", _wkb_of(shape.geometry))
    outlines = outlines_of(rows, spool)
    looked = _looked_at(over, looks, consensus, shape, params)
    members = footprints["footprint_id"].take(pa.array(consensus.members))
    owner = np.repeat(np.arange(len(consensus)), consensus.n_members)
    return SeasonOutlines(
        outlines=outlines,
        rows=spool.keep(
            rows.drop_columns(["scene_id", "observed_from", "observed_to", "metric"]).append_column(
                "n_looks", pa.array(looked.n_looks, pa.int32(), mask=~looked.is_touched)
            )
        ),
        companion_of=_companions(outlines, shape.geometry, _doubles(rows, "gsd_m"), params),
        founder=_founders(members, consensus),
        footprint_id=members,
        outline_of_footprint=rows["outline_id"].take(pa.array(owner)),
        coverage_frac=looked.coverage_frac,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shapes:
    """Polygons of outlines, in EPSG:6931 and as stored (WKB of lon/lat), and their measures.

    `follows` is the footprint that each outline follows; a vote, the one closest in area.
    """

    follows: NDArray[np.int64]
    geometry: NDArray[np.object_]
    wkb: pa.ChunkedArray
    area_m2: NDArray[np.float64]
    perimeter_m: NDArray[np.float64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LookedAt:
    """How many looks cover each outline, whether any touches it, and to what share they do."""

    n_looks: NDArray[np.int64]
    is_touched: NDArray[np.bool_]
    coverage_frac: NDArray[np.float64]


def _shapes(footprints: pa.Table, found: SeasonFootprints, consensus: Consensus) -> _Shapes:
    """Each outline's polygon: that of the footprint it follows, or of the vote."""
    follows = _followed(_doubles(footprints, "area_m2"), found, consensus)
    # Of footprints equal in area, attributes are of the better look's; the polygon is one of them.
    shape = _Shapes(
        follows=follows,
        geometry=found.geometry[follows],
        wkb=_taken(footprints["geometry"], follows),
        area_m2=_doubles(footprints, "area_m2")[follows],
        perimeter_m=_doubles(footprints, "perimeter_m")[follows],
        lon=_doubles(footprints, "lon")[follows],
        lat=_doubles(footprints, "lat")[follows],
    )
    is_vote = consensus.follows == VOTE
    return _with_votes(shape, is_vote, consensus.voted) if is_vote.any() else shape


def _with_votes(shape: _Shapes, is_vote: NDArray[np.bool_], voted: NDArray[np.object_]) -> _Shapes:
    """The shapes, those of votes put in."""
    stored = grid.to_lonlat(voted)
    # What is linked is what is stored, so that a later run, which reads it, finds the same.
    metric = grid.to_metric(stored)
    wkb = pc.replace_with_mask(
        shape.wkb, pa.array(is_vote), pa.array(shapely.to_wkb(stored), pa.binary())
    )
    lon, lat = grid.point_lonlat(metric)
    shape.geometry[is_vote] = metric
    shape.area_m2[is_vote] = shapely.area(metric)
    shape.perimeter_m[is_vote] = grid.perimeter_m(metric)
    shape.lon[is_vote], shape.lat[is_vote] = lon, lat
    return replace(shape, wkb=wkb)


def _followed(
    area_m2: NDArray[np.float64], found: SeasonFootprints, consensus: Consensus
) -> NDArray[np.int64]:
    """The footprint whose polygon each outline is, or for a vote, that is closest in area.

    Of footprints with one area, as where one image's outline was copied to another, that which a
    better look would be of: whole, then the finer. `live_outlines.sql` finds it by the same rule.
    """
    start = consensus.start
    follows = consensus.members[start]
    voted_m2 = np.zeros(len(consensus))
    voted_m2[consensus.follows == VOTE] = shapely.area(consensus.voted)
    for outline in np.flatnonzero(consensus.n_members > 1).tolist():
        members = consensus.members[start[outline] :][: consensus.n_members[outline]]
        leader = int(consensus.follows[outline])
        target = voted_m2[outline] if leader == VOTE else area_m2[leader]
        fineness = np.nan_to_num(found.gsd_m[members], nan=np.inf)
        ranks = zip(
            np.abs(area_m2[members] - target),
            found.is_clipped[members],
            fineness,
            members,
            strict=True,
        )
        follows[outline] = min(ranks)[-1]
    return follows


def _rows(
    footprints: pa.Table,
    found: SeasonFootprints,
    consensus: Consensus,
    shape: _Shapes,
    kind: str,
    season_year: int,
) -> pa.Table:
    """One row per outline, with what `Outlines` needs beside the contract's columns."""
    n, follows = len(consensus), shape.follows
    area = _doubles(footprints, "area_m2")[consensus.members]
    first, last = _days(footprints, "observed_from"), _days(footprints, "observed_to")
    sigma_d = (last - first).astype(np.float64) * SEASON_DATE_SIGMA
    gsd = found.gsd_m[follows]
    delineation = _doubles(footprints, "delineation_sigma_m")[follows]
    prob_mean = _over_members(_doubles(footprints, "prob_mean"), consensus, _mean)
    day = _over_members(found.day, consensus, np.median)
    start = consensus.start
    return pa.table(
        {
            "outline_id": _outline_ids(footprints, consensus, kind, season_year),
            "source": footprints["source"].take(pa.array(follows)),
            "kind": pa.array([kind] * n, pa.string()),
            "season_year": pa.array(np.full(n, season_year), pa.int32()),
            "observed_on": pa.array(np.floor(day).astype("datetime64[D]"), pa.date32()),
            "observed_sigma_d": _over_members(sigma_d, consensus, np.median),
            "n_hits": pa.array(consensus.n_members, pa.int32()),
            "area_m2": shape.area_m2,
            "area_sigma_m2": area_sigma_m2(shape.perimeter_m, gsd, delineation),
            "area_min_m2": np.minimum.reduceat(area, start) if n else area,
            "area_max_m2": np.maximum.reduceat(area, start) if n else area,
            "perimeter_m": shape.perimeter_m,
            "gsd_m": pa.array(gsd, pa.float64(), from_pandas=True),
            "prob_mean": pa.array(prob_mean, pa.float64(), from_pandas=True),
            "is_clipped": pa.array(found.is_clipped[follows], pa.bool_()),
            "lon": shape.lon,
            "lat": shape.lat,
            "geometry": shape.wkb,
            "scene_id": footprints["scene_id"].take(pa.array(follows)),
            "observed_from": _extreme_day(np.minimum, first, consensus),
            "observed_to": _extreme_day(np.maximum, last, consensus),
        }
    )


def _looked_at(
    over: LooksOver,
    looks: SeasonLooks,
    consensus: Consensus,
    shape: _Shapes,
    params: LinkParams,
) -> _LookedAt:
    """What the looks say of the outlines: mostly what they say of the footprints they follow."""
    is_vote, follows = consensus.follows == VOTE, shape.follows
    of_vote = looks.over(shape.geometry[is_vote])
    n_looks = over.n_covering(params.coverage_min_frac)[follows]
    n_looks[is_vote] = of_vote.n_covering(params.coverage_min_frac)
    is_touched = over.is_touched()[follows]
    is_touched[is_vote] = of_vote.is_touched()
    coverage_frac = over.covered_frac()[follows]
    coverage_frac[is_vote] = of_vote.covered_frac()
    return _LookedAt(n_looks=n_looks, is_touched=is_touched, coverage_frac=coverage_frac)


def _outline_ids(
    footprints: pa.Table, consensus: Consensus, kind: str, season_year: int
) -> pa.Array:
    """Ids derived from the ids of the members, in alphabetical order."""
    footprint_id = footprints["footprint_id"].take(pa.array(consensus.members)).to_pylist()
    is_single = consensus.n_members == 1
    start = consensus.start
    members = [footprint_id[at] for at in start.tolist()]
    for outline in np.flatnonzero(~is_single).tolist():
        own = footprint_id[start[outline] : start[outline] + consensus.n_members[outline]]
        members[outline] = "|".join(sorted(own))
    return pa.array(mint_each(members, "outline", kind, season_year), pa.string())


def _founders(members: pa.ChunkedArray, consensus: Consensus) -> NDArray[np.object_]:
    """The first member of each outline by its id."""
    start = consensus.start
    founder = _as_objects(members.take(pa.array(start)))
    for outline in np.flatnonzero(consensus.n_members > 1).tolist():
        own = members.slice(start[outline], consensus.n_members[outline])
        founder[outline] = min(own.to_pylist())
    return founder


def _over_members(
    values: NDArray[np.float64],
    consensus: Consensus,
    reduce: Callable[[NDArray[np.float64]], np.floating[Any] | float],
) -> NDArray[np.float64]:
    """One value for each outline of its members' values; of one member its own."""
    start = consensus.start
    values = values[consensus.members]
    reduced = values[start].astype(np.float64)
    for outline in np.flatnonzero(consensus.n_members > 1).tolist():
        reduced[outline] = reduce(values[start[outline] :][: consensus.n_members[outline]])
    return reduced


def _extreme_day(extreme: np.ufunc, days: NDArray[np.datetime64], consensus: Consensus) -> pa.Array:
    """The first or last day of each outline's members."""
    own = days[consensus.members]
    return pa.array(extreme.reduceat(own, consensus.start) if len(own) else own)


def _companions(
    outlines: Outlines,
    geometry: NDArray[np.object_],
    gsd_m: NDArray[np.float64],
    params: LinkParams,
) -> NDArray[np.int64]:
    """For each outline the one that speaks for its place, if that is of another source, else -1.

    Where outlines of several sources share a place, the finest source speaks; of equals, the
    first by name.
    """
    companion_of = np.full(len(outlines), -1, dtype=np.int64)
    number = _numbered(pa.chunked_array([pa.array(outlines.source, pa.string())]))
    group = same_place_groups(geometry, number, params.same_place_iomin)
    for members in rows_by_group(group)[1]:
        fineness = np.nan_to_num(gsd_m[members], nan=np.inf)
        speaker = min(zip(fineness, outlines.source[members], strict=True))[1]
        is_own = outlines.source[members] == speaker
        own, others = members[is_own], members[~is_own]
        for other in others:
            overlap = shapely.area(shapely.intersection(geometry[own], geometry[other]))
            companion_of[other] = own[int(np.argmax(overlap))]
    return companion_of


def _numbered(names: pa.ChunkedArray) -> NDArray[np.int64]:
    """A number for each name in alphabetical order; NO_SCENE for null."""
    coded = names.combine_chunks().dictionary_encode()
    rank = np.argsort(np.argsort(_as_objects(coded.dictionary)))
    code = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(code < 0, NO_SCENE, np.append(rank, NO_SCENE)[code]).astype(np.int64)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _taken(values: pa.ChunkedArray, rows: NDArray[np.int64]) -> pa.ChunkedArray:
    """The rows of the column; without a copy, where they are all in their order."""
    is_whole = len(rows) == len(values) and bool((rows == np.arange(len(rows))).all())
    return values if is_whole else values.take(pa.array(rows))


def _names(rows: pa.Table, name: str) -> NDArray[np.object_]:
    """A column of few different texts, each text once in memory; "" for null."""
    coded = rows[name].combine_chunks().fill_null("").dictionary_encode()
    texts = _as_objects(coded.dictionary)
    taken: NDArray[np.object_] = texts[coded.indices.to_numpy(zero_copy_only=False)]
    return taken


def _flags(rows: pa.Table, name: str) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = rows[name].to_numpy(zero_copy_only=False).astype(bool)
    return flags


def _as_objects(values: pa.Array | pa.ChunkedArray) -> NDArray[np.object_]:
    return np.array(values.to_pylist(), dtype=object)


def _objects(rows: pa.Table, name: str) -> NDArray[np.object_]:
    return np.asarray(rows[name].to_numpy(zero_copy_only=False), dtype=object)


def _doubles(rows: pa.Table, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _days(rows: pa.Table, name: str) -> NDArray[np.datetime64]:
    days: NDArray[np.datetime64] = rows[name].to_numpy(zero_copy_only=False).astype("datetime64[D]")
    return days
