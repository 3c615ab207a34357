"""The outlines of a season: read as footprints, consolidated, and ready to be written."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.domain import SEASON_DATE_SIGMA, mint
from rts_track.growth.sigma import area_sigma_m2
from rts_track.polygon.consolidate import (
    NO_SCENE,
    Consensus,
    SeasonFootprints,
    consolidate,
    count_covering,
    same_place_groups,
)
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.looks import SeasonLooks
    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlines:
    """What linking knows of outlines, column by column.

    `scene_id` is that of the footprint the outline follows, "" where it is of none. `geometry` is
    in EPSG:6931, `wkb` the same in lon/lat as stored.
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
    geometry: NDArray[np.object_]
    wkb: NDArray[np.object_]

    def __len__(self) -> int:
        """How many outlines."""
        return len(self.outline_id)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Outlines:
        """Some of them."""
        return Outlines(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def followed_by(self, other: Outlines) -> Outlines:
        """These, then the others."""
        return Outlines(
            **{
                f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)])
                for f in fields(self)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonOutlines:
    """A season's outlines; `rows` are those of the contract but for `track_id`.

    `companion_of` is the row of the outline that speaks for the place, where that is one of
    another source, else -1. `founder` is the footprint that would found a track.
    """

    outlines: Outlines
    rows: pa.Table
    companion_of: NDArray[np.int64]
    founder: list[str]
    footprint_id: NDArray[np.object_]
    outline_of_footprint: NDArray[np.object_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shapes:
    """Polygons of outlines as stored (WKB of lon/lat), and their measures."""

    wkb: NDArray[np.object_]
    area_m2: NDArray[np.float64]
    perimeter_m: NDArray[np.float64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]


def outlines_of(rows: pa.Table) -> Outlines:
    """The outlines in rows that have every column of `Outlines`."""
    wkb = rows["geometry"].to_numpy(zero_copy_only=False)
    return Outlines(
        outline_id=_objects(rows, "outline_id"),
        source=_objects(rows, "source"),
        scene_id=np.array([scene or "" for scene in rows["scene_id"].to_pylist()], dtype=object),
        season_year=rows["season_year"].to_numpy().astype(np.int64),
        observed_on=_days(rows, "observed_on"),
        observed_from=_days(rows, "observed_from"),
        observed_to=_days(rows, "observed_to"),
        area_m2=_doubles(rows, "area_m2"),
        area_sigma_m2=_doubles(rows, "area_sigma_m2"),
        is_clipped=rows["is_clipped"].to_numpy(zero_copy_only=False).astype(bool),
        lon=_doubles(rows, "lon"),
        lat=_doubles(rows, "lat"),
        geometry=grid.to_metric(shapely.from_wkb(wkb)),
        wkb=wkb,
    )


def consolidate_season(
    store: Store, kind: str, season_year: int, looks: SeasonLooks, params: LinkParams
) -> SeasonOutlines:
    """The outlines of that kind and season."""
    footprints = store.query(statement("season_footprints"), {"kind": kind, "season": season_year})
    geometry = grid.to_metric(
        shapely.from_wkb(footprints["geometry"].to_numpy(zero_copy_only=False))
    )
    # An assumed look says where scenes may have looked; it is no further look that could vote.
    n_covering, _ = count_covering(geometry, looks.measured().geometry, params.coverage_min_frac)
    day_from, day_to = _days(footprints, "observed_from"), _days(footprints, "observed_to")
    found = SeasonFootprints(
        geometry=geometry,
        scene=_numbered(footprints["scene_id"].to_pylist()),
        gsd_m=_doubles(footprints, "gsd_m"),
        day=(day_from.astype(np.int64) + day_to.astype(np.int64)) / 2.0,
        is_clipped=footprints["is_clipped"].to_numpy(zero_copy_only=False).astype(bool),
    )
    consensus = consolidate(found, n_covering, params.same_place_iomin, params.sliver_frac)
    rows = _rows(footprints, found, consensus, kind, season_year)
    # What is linked is what is stored, so that a later run, which reads it, finds the same.
    outlines = outlines_of(rows)
    n_looks, is_touched = count_covering(
        outlines.geometry, looks.geometry, params.coverage_min_frac
    )
    rows = rows.append_column("n_looks", pa.array(n_looks, pa.int32(), mask=~is_touched))
    footprint_id = _objects(footprints, "footprint_id")
    members = [footprint_id[list(outline.members)] for outline in consensus]
    return SeasonOutlines(
        outlines=outlines,
        rows=rows.drop_columns(["scene_id", "observed_from", "observed_to"]),
        companion_of=_companions(outlines, _doubles(rows, "gsd_m"), params),
        founder=[min(own) for own in members],
        footprint_id=np.concatenate([*members, np.empty(0, dtype=object)]),
        outline_of_footprint=np.repeat(outlines.outline_id, [len(own) for own in members]),
    )


def _rows(
    footprints: pa.Table,
    found: SeasonFootprints,
    consensus: list[Consensus],
    kind: str,
    season_year: int,
) -> pa.Table:
    """One row per outline, with what `Outlines` needs beside the contract's columns."""
    footprint_id = footprints["footprint_id"].to_pylist()
    area = _doubles(footprints, "area_m2")
    follows = np.array([_followed(outline, area, found) for outline in consensus], dtype=np.int64)
    shape = _shapes(footprints, consensus, follows)
    first, last = _days(footprints, "observed_from"), _days(footprints, "observed_to")
    sigma_d = (last - first).astype(np.float64) * SEASON_DATE_SIGMA
    day = [_median(found.day, outline.members) for outline in consensus]
    gsd = found.gsd_m[follows]
    delineation = _doubles(footprints, "delineation_sigma_m")[follows]
    probability = _doubles(footprints, "prob_mean")
    prob_mean = np.array([_mean(probability[list(o.members)]) for o in consensus])
    return pa.table(
        {
            "outline_id": pa.array(
                [
                    mint("outline", kind, season_year, *sorted(footprint_id[m] for m in o.members))
                    for o in consensus
                ],
                pa.string(),
            ),
            "source": footprints["source"].take(follows),
            "kind": pa.array([kind] * len(consensus), pa.string()),
            "season_year": pa.array([season_year] * len(consensus), pa.int32()),
            "observed_on": pa.array(np.floor(day).astype("datetime64[D]"), pa.date32()),
            "observed_sigma_d": pa.array(
                [_median(sigma_d, outline.members) for outline in consensus], pa.float64()
            ),
            "n_hits": pa.array([len(o.members) for o in consensus], pa.int32()),
            "area_m2": shape.area_m2,
            "area_sigma_m2": area_sigma_m2(shape.perimeter_m, gsd, delineation),
            "area_min_m2": pa.array([area[list(o.members)].min() for o in consensus], pa.float64()),
            "area_max_m2": pa.array([area[list(o.members)].max() for o in consensus], pa.float64()),
            "perimeter_m": shape.perimeter_m,
            "gsd_m": pa.array(gsd, pa.float64(), from_pandas=True),
            "prob_mean": pa.array(prob_mean, pa.float64(), from_pandas=True),
            "is_clipped": pa.array(found.is_clipped[follows], pa.bool_()),
            "lon": shape.lon,
            "lat": shape.lat,
            "geometry": pa.array(shape.wkb, pa.binary()),
            "scene_id": footprints["scene_id"].take(follows),
            "observed_from": pa.array(
                np.array([first[list(o.members)].min() for o in consensus], "datetime64[D]")
            ),
            "observed_to": pa.array(
                np.array([last[list(o.members)].max() for o in consensus], "datetime64[D]")
            ),
        }
    )


def _shapes(
    footprints: pa.Table, consensus: list[Consensus], follows: NDArray[np.int64]
) -> _Shapes:
    """Each outline's polygon: that of the footprint it follows, or of the vote."""
    shape = _Shapes(
        wkb=footprints["geometry"].to_numpy(zero_copy_only=False)[follows],
        area_m2=_doubles(footprints, "area_m2")[follows],
        perimeter_m=_doubles(footprints, "perimeter_m")[follows],
        lon=_doubles(footprints, "lon")[follows],
        lat=_doubles(footprints, "lat")[follows],
    )
    is_vote = np.array([outline.follows is None for outline in consensus], dtype=bool)
    if is_vote.any():
        voted = np.array([o.geometry for o in consensus if o.follows is None], dtype=object)
        stored = grid.to_lonlat(voted)
        metric = grid.to_metric(stored)
        shape.wkb[is_vote] = shapely.to_wkb(stored)
        shape.area_m2[is_vote] = shapely.area(metric)
        shape.perimeter_m[is_vote] = grid.perimeter_m(metric)
        shape.lon[is_vote], shape.lat[is_vote] = grid.point_lonlat(metric)
    return shape


def _followed(outline: Consensus, area: NDArray[np.float64], found: SeasonFootprints) -> int:
    """The footprint whose polygon the outline is, or for a vote, that is closest in area.

    Of footprints with one area, as where one image's outline was copied to another, that which a
    better look would be of: whole, then the finer. `live_outlines.sql` finds it by the same rule.
    """
    if len(outline.members) == 1:
        return outline.members[0]
    target = area[outline.follows] if outline.follows is not None else outline.geometry.area

    def rank(member: int) -> tuple[float, bool, float, int]:
        fineness = float(np.nan_to_num(found.gsd_m[member], nan=np.inf))
        return abs(area[member] - target), bool(found.is_clipped[member]), fineness, member

    return min(outline.members, key=rank)


def _companions(
    outlines: Outlines, gsd_m: NDArray[np.float64], params: LinkParams
) -> NDArray[np.int64]:
    """For each outline the one that speaks for its place, if that is of another source, else -1.

    Where outlines of several sources share a place, the finest source speaks; of equals, the
    first by name.
    """
    companion_of = np.full(len(outlines), -1, dtype=np.int64)
    group = same_place_groups(
        outlines.geometry, _numbered(outlines.source.tolist()), params.same_place_iomin
    )
    number, count = np.unique(group, return_counts=True)
    for shared in number[count > 1]:
        members = np.flatnonzero(group == shared)
        fineness = np.nan_to_num(gsd_m[members], nan=np.inf)
        speaker = min(zip(fineness, outlines.source[members], strict=True))[1]
        is_own = outlines.source[members] == speaker
        own, others = members[is_own], members[~is_own]
        for other in others:
            overlap = shapely.area(
                shapely.intersection(outlines.geometry[own], outlines.geometry[other])
            )
            companion_of[other] = own[int(np.argmax(overlap))]
    return companion_of


def _numbered(names: list[str | None]) -> NDArray[np.int64]:
    """A number for each name in alphabetical order; NO_SCENE for None."""
    number = {name: rank for rank, name in enumerate(sorted({n for n in names if n is not None}))}
    return np.array([NO_SCENE if n is None else number[n] for n in names], dtype=np.int64)


def _median(values: NDArray[np.float64], members: tuple[int, ...]) -> float:
    """The median of the members' values; most outlines have one member, and that is quick."""
    return float(values[members[0]] if len(members) == 1 else np.median(values[list(members)]))


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _objects(rows: pa.Table, name: str) -> NDArray[np.object_]:
    return np.asarray(rows[name].to_numpy(zero_copy_only=False), dtype=object)


def _doubles(rows: pa.Table, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _days(rows: pa.Table, name: str) -> NDArray[np.datetime64]:
    days: NDArray[np.datetime64] = rows[name].to_numpy(zero_copy_only=False).astype("datetime64[D]")
    return days
