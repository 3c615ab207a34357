"""Groups of footprints into outlines: which polygon each is, and its row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.domain import SEASON_DATE_SIGMA, mint_each
from rts_track.growth.sigma import area_sigma_m2
from rts_track.polygon.consolidate import (
    VOTE,
    Consensus,
    SeasonFootprints,
    consolidate,
    rows_by_group,
)
from rts_track.steps.columns import days, doubles, flags
from rts_track.steps.outlines import Outlines, outlines_with
from rts_track.steps.season_footprints import FoundFootprints, LookedAt
from rts_track.steps.shapes import Shapes, keep_polygons

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.looks import SeasonLooks
    from rts_track.steps.spool import Spool
    from rts_track.track.params import LinkParams

_LINKED_ONLY = ["scene_id", "observed_from", "observed_to"]
"""Columns that linking needs and the contract's outlines lack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """What all outlines of a season have in common."""

    kind: str
    season_year: int
    looks: SeasonLooks
    params: LinkParams
    spool: Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineRows:
    """Some of a season's outlines; `members` names the outline of each footprint."""

    outlines: Outlines
    rows: pa.Table
    members: pa.Table
    founder: pa.Array
    gsd_m: NDArray[np.float64]
    coverage_frac: NDArray[np.float64]


def outlines_of_groups(
    footprints: FoundFootprints, group: NDArray[np.int64], season: Season
) -> OutlineRows:
    """The outlines of whole groups of footprints."""
    found = _drawn(footprints, group)
    # An assumed look says where scenes may have looked; it is no further look that could vote.
    voting = footprints.looked.n_measured
    consensus = consolidate(found, group, voting, season.params.sliver_frac)
    shape = _shapes(footprints, found, consensus, season)
    rows = _rows(footprints, found, consensus, shape, season)
    members = footprints.rows["footprint_id"].take(pa.array(consensus.members))
    owner = np.repeat(np.arange(len(consensus)), consensus.n_members)
    looked = shape.looked
    n_looks = pa.array(looked.n_looks, pa.int32(), mask=~looked.is_touched)
    return OutlineRows(
        outlines=outlines_with(rows, shape.shapes),
        rows=rows.drop_columns(_LINKED_ONLY).append_column("n_looks", n_looks),
        members=pa.table(
            {"footprint_id": members, "outline_id": rows["outline_id"].take(pa.array(owner))}
        ),
        founder=_founders(members, consensus),
        gsd_m=found.gsd_m[shape.follows],
        coverage_frac=looked.coverage_frac,
    )


def _drawn(footprints: FoundFootprints, group: NDArray[np.int64]) -> SeasonFootprints:
    """The footprints with the polygons of those that are not alone in their group."""
    rows = np.concatenate([np.empty(0, dtype=np.int64), *rows_by_group(group)[1]])
    geometry = np.empty(len(group), dtype=object)
    geometry[rows] = footprints.shapes.metric.polygons(rows)
    return SeasonFootprints(
        geometry=geometry,
        scene=footprints.scene,
        gsd_m=doubles(footprints.rows, "gsd_m"),
        day=footprints.mid_day(),
        is_clipped=flags(footprints.rows, "is_clipped"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShapesOfOutlines:
    """Polygons of outlines, their measures and what looks say of them.

    `follows` is the footprint that each outline follows; a vote, the one closest in area.
    """

    follows: NDArray[np.int64]
    shapes: Shapes
    area_m2: NDArray[np.float64]
    perimeter_m: NDArray[np.float64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    looked: LookedAt


def _shapes(
    footprints: FoundFootprints, found: SeasonFootprints, consensus: Consensus, season: Season
) -> _ShapesOfOutlines:
    """Each outline's polygon: that of the footprint it follows, or of the vote."""
    follows = _followed(doubles(footprints.rows, "area_m2"), found, consensus)
    # Of footprints equal in area, attributes are of the better look's; the polygon is one of them.
    shape = _ShapesOfOutlines(
        follows=follows,
        shapes=footprints.shapes.take(follows),
        area_m2=doubles(footprints.rows, "area_m2")[follows],
        perimeter_m=doubles(footprints.rows, "perimeter_m")[follows],
        lon=doubles(footprints.rows, "lon")[follows],
        lat=doubles(footprints.rows, "lat")[follows],
        looked=footprints.looked.take(follows),
    )
    is_vote = consensus.follows == VOTE
    return _with_votes(shape, is_vote, consensus.voted, season) if is_vote.any() else shape


def _with_votes(
    shape: _ShapesOfOutlines,
    is_vote: NDArray[np.bool_],
    voted: NDArray[np.object_],
    season: Season,
) -> _ShapesOfOutlines:
    """The shapes, those of votes put in."""
    # What is linked is what is stored, so that a later run, which reads it, finds the same.
    votes, metric = keep_polygons(grid.to_lonlat(voted), season.spool)
    of = np.arange(len(is_vote))
    of[is_vote] = len(is_vote) + np.arange(len(voted))
    shape.area_m2[is_vote] = shapely.area(metric)
    shape.perimeter_m[is_vote] = grid.perimeter_m(metric)
    shape.lon[is_vote], shape.lat[is_vote] = grid.point_lonlat(metric)
    shape.looked.note(is_vote, season.looks.over(metric), season.params)
    return replace(shape, shapes=shape.shapes.followed_by(votes).take(of))


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
    footprints: FoundFootprints,
    found: SeasonFootprints,
    consensus: Consensus,
    shape: _ShapesOfOutlines,
    season: Season,
) -> pa.Table:
    """One row per outline, with what `Outlines` needs beside the contract's columns."""
    given, n, follows = footprints.rows, len(consensus), shape.follows
    area = doubles(given, "area_m2")[consensus.members]
    first, last = days(given, "observed_from"), days(given, "observed_to")
    sigma_d = (last - first).astype(np.float64) * SEASON_DATE_SIGMA
    gsd = found.gsd_m[follows]
    delineation = doubles(given, "delineation_sigma_m")[follows]
    prob_mean = _over_members(doubles(given, "prob_mean"), consensus, _mean)
    day = _over_members(found.day, consensus, np.median)
    start = consensus.start
    return pa.table(
        {
            "outline_id": _outline_ids(given, consensus, season),
            "source": given["source"].take(pa.array(follows)),
            "kind": pa.array([season.kind] * n, pa.string()),
            "season_year": pa.array(np.full(n, season.season_year), pa.int32()),
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
            "geometry": shape.shapes.stored.wkb(slice(None)),
            "scene_id": given["scene_id"].take(pa.array(follows)),
            "observed_from": _extreme_day(np.minimum, first, consensus),
            "observed_to": _extreme_day(np.maximum, last, consensus),
        }
    )


def _outline_ids(footprints: pa.Table, consensus: Consensus, season: Season) -> pa.Array:
    """Ids derived from the ids of the members, in alphabetical order."""
    footprint_id = footprints["footprint_id"].take(pa.array(consensus.members)).to_pylist()
    is_single = consensus.n_members == 1
    start = consensus.start
    members = [footprint_id[at] for at in start.tolist()]
    for outline in np.flatnonzero(~is_single).tolist():
        own = footprint_id[start[outline] : start[outline] + consensus.n_members[outline]]
        members[outline] = "|".join(sorted(own))
    ids = mint_each(members, "outline", season.kind, season.season_year)
    return pa.array(ids, pa.string())


def _founders(members: pa.ChunkedArray, consensus: Consensus) -> pa.Array:
    """The first member of each outline by its id."""
    start = consensus.start
    founder = members.take(pa.array(start)).to_pylist()
    for outline in np.flatnonzero(consensus.n_members > 1).tolist():
        own = members.slice(start[outline], consensus.n_members[outline])
        founder[outline] = min(own.to_pylist())
    return pa.array(founder, pa.string())


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


def _extreme_day(extreme: np.ufunc, day: NDArray[np.datetime64], consensus: Consensus) -> pa.Array:
    """The first or last day of each outline's members."""
    own = day[consensus.members]
    return pa.array(extreme.reduceat(own, consensus.start) if len(own) else own, pa.date32())


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
