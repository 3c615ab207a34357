"""What becomes of slumps from season to season: they begin, grow, merge, split and stabilise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rts_track.simulate.place import FRESH, GROWN, Placed, place
from rts_track.simulate.region import shores
from rts_track.simulate.shape import cut, grow, join, largest

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.params import HistoryParams
    from rts_track.simulate.region import Shore

_FORCED_OVERLAP = 0.1
"""Slumps that came to share more than this of the smaller one have merged, chance or not."""
_FORCED_KIN_OVERLAP = 0.5
"""The same for slumps that once split: they grow side by side."""
_SPLIT_GAP_M = (3.0, 8.0)
_SPLIT_MIN_FRAC = 0.2
_SPLIT_MIN_M2 = 800.0
_HEADING_FRAC = (0.35, 0.65)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slump:
    """A living slump in a season; the outline in metres east and north in the area's plane.

    `kin` are slumps that split from it, or it from: they do not merge again.
    """

    object_id: str
    polygon: shapely.Polygon
    heading: NDArray[np.float64]
    growth_m_yr: float
    kin: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What happened to a slump between a season and the one before.

    `related_object_id`: merge: the slump that goes on, the one that was larger; split: the
    parent, which goes on as the larger piece.
    """

    kind: Literal["initiate", "merge", "split", "stabilise"]
    object_id: str
    related_object_id: str | None
    season_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Every season's living slumps by object id, and all turns in the order of their seasons."""

    slumps: dict[int, dict[str, Slump]]
    turns: tuple[Turn, ...]


def live(rng: Generator, params: HistoryParams) -> Lives:
    """The true lives of all slumps through all seasons."""
    ground = shores(rng, params)
    first = place(rng, params, ground, [], params.n_slumps, GROWN)
    living = _born(rng, params, first, n_before=0)
    slumps, turns = {params.first_year: living}, list[Turn]()
    n_known = len(living)
    for season_year in params.season_years[1:]:
        living, happened = _next_season(rng, params, ground, living, n_known, season_year)
        slumps[season_year] = living
        turns += happened
        n_known += sum(turn.kind in ("initiate", "split") for turn in happened)
    return Lives(slumps=slumps, turns=tuple(turns))


def _next_season(
    rng: Generator,
    params: HistoryParams,
    ground: list[Shore],
    living: dict[str, Slump],
    n_known: int,
    season_year: int,
) -> tuple[dict[str, Slump], list[Turn]]:
    chance, growth, division, birth = rng.spawn(4)
    stopped, going = _stabilised(chance, params, living)
    grown = _grown(growth, params, going)
    area_before_m2 = {slump.object_id: float(shapely.area(slump.polygon)) for slump in going}
    pairs = _neighbours_by_chance(chance, params, going)
    merged, absorbed = _merge(grown, pairs, area_before_m2)
    whole = [slump for slump in merged if slump.object_id not in {into for _, into in absorbed}]
    children = _split(division, params, whole, n_known)
    remaining = {slump.object_id: slump for slump in merged}
    remaining |= {slump.object_id: slump for family in children for slump in family}
    apart = _set_apart(list(remaining.values()))
    taken = [slump.polygon for slump in apart]
    n_new = int(birth.poisson(params.initiated_frac * len(living)))
    begun = _born(
        birth,
        params,
        place(birth, params, ground, taken, n_new, FRESH),
        n_before=n_known + len(children),
    )
    turns = [
        *(
            Turn(kind="stabilise", object_id=each, related_object_id=None, season_year=season_year)
            for each in stopped
        ),
        *(
            Turn(kind="merge", object_id=each, related_object_id=into, season_year=season_year)
            for each, into in absorbed
        ),
        *(
            Turn(
                kind="split",
                object_id=child.object_id,
                related_object_id=parent.object_id,
                season_year=season_year,
            )
            for parent, child in children
        ),
        *(
            Turn(kind="initiate", object_id=each, related_object_id=None, season_year=season_year)
            for each in begun
        ),
    ]
    return {slump.object_id: slump for slump in apart} | begun, turns


def _born(
    rng: Generator, params: HistoryParams, placed: list[Placed], *, n_before: int
) -> dict[str, Slump]:
    """New slumps with ids that follow the `n_before` known ones."""
    growth = params.growth_median_m_yr * np.exp(
        rng.normal(0.0, params.growth_log_sigma, len(placed))
    )
    born = [
        Slump(
            object_id=_object_id(n_before + number),
            polygon=each.polygon,
            heading=each.heading,
            growth_m_yr=float(growth[number]),
        )
        for number, each in enumerate(placed)
    ]
    return {slump.object_id: slump for slump in born}


def _object_id(number: int) -> str:
    return f"slump-{number + 1:05d}"


def _stabilised(
    rng: Generator, params: HistoryParams, living: dict[str, Slump]
) -> tuple[list[str], list[Slump]]:
    """The ids of slumps that stop, and the slumps that go on."""
    stops = rng.random(len(living)) < params.stabilised_frac
    stopped = [each for each, stop in zip(living, stops, strict=True) if stop]
    return stopped, [living[each] for each in living if each not in set(stopped)]


def _grown(rng: Generator, params: HistoryParams, slumps: list[Slump]) -> list[Slump]:
    weather = np.exp(rng.normal(0.0, params.growth_season_log_sigma, len(slumps)))
    return [
        replace(
            slump,
            polygon=grow(
                slump.polygon, slump.heading, slump.growth_m_yr * factor, params.side_growth_frac
            ),
        )
        for slump, factor in zip(slumps, weather, strict=True)
    ]


def _neighbours_by_chance(
    rng: Generator, params: HistoryParams, slumps: list[Slump]
) -> NDArray[np.int64]:
    """(n, 2) row numbers of the neighbours that will have grown into each other."""
    near = _pairs(slumps, params.neighbour_m)
    strangers = near[~_is_kin(slumps, near)]
    return strangers[rng.random(len(strangers)) < params.merge_frac]


def _deep_overlaps(slumps: list[Slump]) -> NDArray[np.int64]:
    """(n, 2) row numbers of slumps that share too much to be two."""
    touching = _pairs(slumps, 0.0)
    left, right = _polygons(slumps)[touching.T]
    share = shapely.area(shapely.intersection(left, right)) / np.minimum(
        shapely.area(left), shapely.area(right)
    )
    limit = np.where(_is_kin(slumps, touching), _FORCED_KIN_OVERLAP, _FORCED_OVERLAP)
    return np.asarray(touching[share > limit])


def _pairs(slumps: list[Slump], within_m: float) -> NDArray[np.int64]:
    """(n, 2) row numbers, ascending, of slumps within that distance."""
    polygons = _polygons(slumps)
    left, right = shapely.STRtree(polygons).query(polygons, predicate="dwithin", distance=within_m)
    return np.unique(np.column_stack([left, right])[left < right], axis=0).astype(np.int64)


def _is_kin(slumps: list[Slump], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.array(
        [
            slumps[a].object_id in slumps[b].kin or slumps[b].object_id in slumps[a].kin
            for a, b in pairs.tolist()
        ],
        dtype=bool,
    )


def _merge(
    slumps: list[Slump], pairs: NDArray[np.int64], area_before_m2: dict[str, float]
) -> tuple[list[Slump], list[tuple[str, str]]]:
    """The slumps once those pairs and all deep overlaps are one, and who went into whom.

    The slump that was largest a season before goes on.
    """
    into = dict[str, str]()
    pairs = np.concatenate([pairs, _deep_overlaps(slumps)])
    while len(pairs):
        slumps, absorbed = _join_groups(slumps, pairs, area_before_m2)
        into |= absorbed
        pairs = _deep_overlaps(slumps)
    return slumps, [(each, _last(each, into)) for each in sorted(into)]


def _join_groups(
    slumps: list[Slump], pairs: NDArray[np.int64], area_before_m2: dict[str, float]
) -> tuple[list[Slump], dict[str, str]]:
    edges = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(slumps), len(slumps)))
    group = connected_components(edges, directed=False)[1]
    joined, into = list[Slump](), dict[str, str]()
    for number in range(int(group.max()) + 1):
        members = [slumps[row] for row in np.flatnonzero(group == number)]
        members.sort(key=lambda slump: (-area_before_m2[slump.object_id], slump.object_id))
        head, *others = members
        if others:
            polygon = join([slump.polygon for slump in members])
            kin = head.kin.union(*(other.kin for other in others)) - {head.object_id}
            head = replace(head, polygon=polygon, kin=kin)
        joined.append(head)
        into |= {other.object_id: head.object_id for other in others}
    return joined, into


def _last(object_id: str, into: dict[str, str]) -> str:
    """Who goes on in the end."""
    while object_id in into:
        object_id = into[object_id]
    return object_id


def _split(
    rng: Generator, params: HistoryParams, slumps: list[Slump], n_known: int
) -> list[tuple[Slump, Slump]]:
    """Parent, which goes on as the larger piece, and child, of every slump that comes apart."""
    comes_apart = rng.random(len(slumps)) < params.split_frac
    families = list[tuple[Slump, Slump]]()
    for slump in (slump for slump, apart in zip(slumps, comes_apart, strict=True) if apart):
        gap_m = rng.uniform(*_SPLIT_GAP_M)
        pieces = cut(slump.polygon, _through(rng, slump), slump.heading, gap_m)
        area_m2 = [float(shapely.area(piece)) for piece in pieces]
        needed_m2 = max(_SPLIT_MIN_M2, _SPLIT_MIN_FRAC * sum(area_m2))
        if len(pieces) != 2 or area_m2[1] < needed_m2:
            continue
        child_id = _object_id(n_known + len(families))
        families.append(
            (
                replace(slump, polygon=pieces[0], kin=slump.kin | {child_id}),
                replace(
                    slump,
                    object_id=child_id,
                    polygon=pieces[1],
                    kin=slump.kin | {slump.object_id},
                ),
            )
        )
    return families


def _through(rng: Generator, slump: Slump) -> NDArray[np.float64]:
    """A point somewhere about the middle of the slump's width."""
    right = np.array([slump.heading[1], -slump.heading[0]])
    across = shapely.get_coordinates(slump.polygon) @ right
    middle = shapely.get_coordinates(shapely.centroid(slump.polygon))[0]
    at = across.min() + rng.uniform(*_HEADING_FRAC) * (across.max() - across.min())
    return np.asarray(middle + (at - middle @ right) * right)


def _set_apart(slumps: list[Slump]) -> list[Slump]:
    """The slumps, none on another: where two overlap the ground is the larger one's."""
    order = sorted(slumps, key=lambda slump: (-float(shapely.area(slump.polygon)), slump.object_id))
    polygons = _polygons(order)
    larger, smaller = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    for keeps, yields in np.unique(np.column_stack([larger, smaller]), axis=0).tolist():
        if keeps < yields:
            rest = largest(shapely.difference(polygons[yields], polygons[keeps]))
            polygons[yields] = rest
    apart = [
        replace(slump, polygon=polygon) for slump, polygon in zip(order, polygons, strict=True)
    ]
    return sorted(apart, key=lambda slump: slump.object_id)


def _polygons(slumps: list[Slump]) -> NDArray[np.object_]:
    return np.array([slump.polygon for slump in slumps], dtype=object)
