"""One outline per slump and season from the footprints of several looks.

Geometries are EPSG:6931 polygons of one season and kind throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_SCENE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonFootprints:
    """The footprints of one season and kind, in the order of their ids.

    `scene` numbers the scene of each; NO_SCENE where it is of none: such a footprint already is
    a season's outline (a yearly inventory, or the union of a season) and is never grouped.
    `gsd_m` may be NaN; `day` is the middle of its date range as a proleptic ordinal.
    """

    geometry: NDArray[np.object_]
    scene: NDArray[np.int64]
    gsd_m: NDArray[np.float64]
    day: NDArray[np.float64]
    is_clipped: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """One outline: the footprints it is made of, and its polygon.

    `follows` is the footprint whose polygon it is; None where it is a vote of three or more looks.
    """

    members: tuple[int, ...]
    geometry: shapely.Geometry
    follows: int | None


def consolidate(
    footprints: SeasonFootprints,
    n_looks: NDArray[np.int64],
    same_place_iomin: float,
    sliver_frac: float,
) -> list[Consensus]:
    """The outlines of the season; every footprint is in exactly one.

    Footprints of different scenes that share at least `same_place_iomin` of the smaller one form
    a group. With three or more looks the outline is what lies inside more than half of them;
    with two it is the better look's footprint: whole before clipped, then the finer, then the
    later. Where no place lies inside more than half, it is the member of median area.
    Footprints of one scene are never joined for overlapping each other; a group that holds two
    of one scene (a look that saw one where another saw two) has as many outlines as the vote, or
    the better look, says.

    `n_looks`: for each footprint the looks that cover it, 0 where that is unknown.
    """
    group = same_place_groups(footprints.geometry, footprints.scene, same_place_iomin)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    outlines: list[Consensus] = []
    for members in np.split(order, starts[1:]):
        if len(members) == 1:
            only = int(members[0])
            outlines.append(
                Consensus(members=(only,), geometry=footprints.geometry[only], follows=only)
            )
        elif len(members):
            outlines += _group_outlines(footprints, members, n_looks, sliver_frac)
    return outlines


def same_place_groups(
    geometry: NDArray[np.object_], part: NDArray[np.int64], min_iomin: float
) -> NDArray[np.int64]:
    """A group number for each polygon: polygons of different parts that overlap well share one.

    `part` numbers the scene or source of each; NO_SCENE groups with nothing.
    """
    n = len(geometry)
    if n == 0:
        return np.empty(0, dtype=np.int64)
    left, right = shapely.STRtree(geometry).query(geometry, predicate="intersects")
    is_pair = (left < right) & (part[left] != part[right])
    is_pair &= (part[left] != NO_SCENE) & (part[right] != NO_SCENE)
    left, right = left[is_pair], right[is_pair]
    shared = shapely.area(shapely.intersection(geometry[left], geometry[right]))
    area = shapely.area(geometry)
    is_same = shared >= min_iomin * np.minimum(area[left], area[right])
    left, right = left[is_same], right[is_same]
    edges = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
    number: NDArray[np.int64] = connected_components(edges, directed=False)[1].astype(np.int64)
    return number


def count_covering(
    geometry: NDArray[np.object_], looks: NDArray[np.object_], min_frac: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How many looks cover each polygon to `min_frac`, and whether any look touches it."""
    n = len(geometry)
    if n == 0 or len(looks) == 0:
        return np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    tree = shapely.STRtree(looks)
    whole, _ = tree.query(geometry, predicate="covered_by")
    count = np.bincount(whole, minlength=n)
    polygon, look = tree.query(geometry, predicate="intersects")
    touched = np.bincount(polygon, minlength=n)
    in_doubt = (touched > count)[polygon]
    polygon, look = polygon[in_doubt], look[in_doubt]
    if len(polygon):
        frac = shapely.area(shapely.intersection(geometry[polygon], looks[look])) / shapely.area(
            geometry[polygon]
        )
        recount = np.bincount(polygon[frac >= min_frac], minlength=n)
        count = np.where(np.bincount(polygon, minlength=n) > 0, recount, count)
    return count.astype(np.int64), touched > 0


def _group_outlines(
    footprints: SeasonFootprints,
    members: NDArray[np.int64],
    n_looks: NDArray[np.int64],
    sliver_frac: float,
) -> list[Consensus]:
    scenes = np.unique(footprints.scene[members])
    n = max(len(scenes), int(n_looks[members].max()))
    if n == 2:
        return _better_look(footprints, members)
    by_scene = [
        shapely.union_all(footprints.geometry[members[footprints.scene[members] == scene]])
        for scene in scenes
    ]
    parts = _without_slivers(_inside_at_least(by_scene, n // 2 + 1), sliver_frac)
    if not len(parts):
        return [_median_member(footprints, members)]
    return _shared_out(footprints, members, parts)


def _inside_at_least(polygons: list[shapely.Geometry], count: int) -> shapely.Geometry:
    """The area inside at least `count` of the polygons."""
    inside = [shapely.Polygon()] * (len(polygons) + 1)
    for seen, polygon in enumerate(polygons):
        for level in range(seen + 1, 1, -1):
            both = shapely.intersection(inside[level - 1], polygon)
            inside[level] = shapely.union(inside[level], both)
        inside[1] = shapely.union(inside[1], polygon)
    return inside[count] if count < len(inside) else shapely.Polygon()


def _without_slivers(region: shapely.Geometry, sliver_frac: float) -> NDArray[np.object_]:
    parts = shapely.get_parts(region)
    area = shapely.area(parts)
    is_part = (area > 0) & (area >= sliver_frac * area.max(initial=0.0))
    return np.asarray(parts[is_part], dtype=object)


def _better_look(footprints: SeasonFootprints, members: NDArray[np.int64]) -> list[Consensus]:
    """The footprints of the better of two looks, each with what it shares most of the other."""
    scene = footprints.scene[members]

    def merit(number: int) -> tuple[bool, float, float, int]:
        own = members[scene == number]
        gsd = np.nan_to_num(footprints.gsd_m[own], nan=np.inf).min()
        return (
            bool(footprints.is_clipped[own].any()),
            float(gsd),
            -float(footprints.day[own].max()),
            int(own[0]),
        )

    better = min(np.unique(scene).tolist(), key=merit)
    leaders = members[scene == better]
    others = members[scene != better]
    leader_of = _shares_most(footprints.geometry[others], footprints.geometry[leaders])
    return [
        Consensus(
            members=tuple(sorted([int(leader), *others[leader_of == number].tolist()])),
            geometry=footprints.geometry[leader],
            follows=int(leader),
        )
        for number, leader in enumerate(leaders)
    ]


def _median_member(footprints: SeasonFootprints, members: NDArray[np.int64]) -> Consensus:
    area = shapely.area(footprints.geometry[members])
    chosen = int(members[np.argsort(area, kind="stable")[(len(members) - 1) // 2]])
    return Consensus(
        members=tuple(members.tolist()), geometry=footprints.geometry[chosen], follows=chosen
    )


def _shared_out(
    footprints: SeasonFootprints, members: NDArray[np.int64], parts: NDArray[np.object_]
) -> list[Consensus]:
    """Each part of the vote with the footprints that share most with it."""
    part_of = _shares_most(footprints.geometry[members], parts)
    taken = np.unique(part_of)
    largest = int(taken[np.argmax(shapely.area(parts[taken]))])
    outlines = []
    for number in taken.tolist():
        own = [number]
        if number == largest:  # a part that no footprint shares most with is no outline of its own
            own += [other for other in range(len(parts)) if other not in taken]
        geometry = shapely.union_all(parts[own])
        outlines.append(
            Consensus(
                members=tuple(members[part_of == number].tolist()), geometry=geometry, follows=None
            )
        )
    return outlines


def _shares_most(of: NDArray[np.object_], among: NDArray[np.object_]) -> NDArray[np.int64]:
    """For each polygon the number of that one it shares most area with; the nearest, if none."""
    if len(of) == 0:
        return np.empty(0, dtype=np.int64)
    shared = shapely.area(shapely.intersection(of[:, None], among[None, :]))
    near = -shapely.distance(of[:, None], among[None, :])
    most = np.where(shared.max(axis=1) > 0, shared.argmax(axis=1), near.argmax(axis=1))
    return np.asarray(most, dtype=np.int64)
