"""Slumps that grow into each other: which become one, and how the others share the ground."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rts_track.simulate.shape import join, largest

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.params import HistoryParams

_FORCED_OVERLAP = 0.1
"""Slumps that came to share more than this of the smaller one have merged, chance or not."""
_FORCED_KIN_OVERLAP = 0.5
"""The same for slumps that once split: they grow side by side."""


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


def neighbours_by_chance(
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


def is_overrun(scars: list[Slump], standing: list[Slump]) -> NDArray[np.bool_]:
    """Whether each scar shares so much with a standing slump that it could not go on beside it."""
    overrun = np.zeros(len(scars), dtype=bool)
    if scars and standing:
        still, over = _polygons(scars), _polygons(standing)
        row, by = shapely.STRtree(over).query(still, predicate="intersects")
        smaller_m2 = np.minimum(shapely.area(still[row]), shapely.area(over[by]))
        shared_m2 = shapely.area(shapely.intersection(still[row], over[by]))
        overrun[row[shared_m2 > _FORCED_OVERLAP * smaller_m2]] = True
    return overrun


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


def merge(
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


def set_apart(slumps: list[Slump]) -> list[Slump]:
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
