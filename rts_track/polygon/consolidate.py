"""One outline per slump and season from the footprints of several looks.

Geometries are EPSG:6931 polygons of one season and kind throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_SCENE = -1
VOTE = -1
"""Follows no single footprint."""

PolygonsOf = Callable[["NDArray[np.int64]"], "NDArray[np.object_]"]
"""Makes the EPSG:6931 polygons of some rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonFootprints:
    """The footprints of one season and kind, in the order of their ids.

    `geometry` may be missing of footprints that are alone in their group. `scene` numbers the
    scene of each; NO_SCENE where it is of none: such a footprint already is a season's outline
    (a yearly inventory, or the union of a season) and is never grouped. `gsd_m` may be NaN;
    `day` is the middle of its date range as a proleptic ordinal.
    """

    geometry: NDArray[np.object_]
    scene: NDArray[np.int64]
    gsd_m: NDArray[np.float64]
    day: NDArray[np.float64]
    is_clipped: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """The outlines of a season, column by column; every footprint is a member of exactly one.

    `members` are row numbers of footprints, ascending and outline by outline: the first
    `n_members[0]` make the first outline, and so on. `follows` is the footprint whose polygon an
    outline is, VOTE where it is the vote of three or more looks; `voted` are the polygons of
    those, in the outlines' order.
    """

    members: NDArray[np.int64]
    n_members: NDArray[np.int64]
    follows: NDArray[np.int64]
    voted: NDArray[np.object_]

    def __len__(self) -> int:
        """How many outlines."""
        return len(self.follows)

    @property
    def start(self) -> NDArray[np.int64]:
        """Where each outline's members begin."""
        return np.cumsum(self.n_members) - self.n_members


@dataclass(frozen=True, slots=True, kw_only=True)
class _GroupOutline:
    """One outline of a group of several footprints; `voted` is its polygon if it follows none."""

    members: NDArray[np.int64]
    follows: int
    voted: shapely.Geometry | None = None


def consolidate(
    footprints: SeasonFootprints,
    group: NDArray[np.int64],
    n_looks: NDArray[np.int64],
    sliver_frac: float,
) -> Consensus:
    """The outlines of whole groups of a season's footprints; each footprint is in exactly one.

    With three or more looks the outline is what lies inside more than half of them; with two it
    is the better look's footprint: whole before clipped, then the finer, then the later. Where no
    place lies inside more than half, it is the member of median area. Footprints of one scene are
    never joined for overlapping each other; a group that holds two of one scene (a look that saw
    one where another saw two) has as many outlines as the vote, or the better look, says.

    Args:
        footprints: the footprints, in the order of their ids within each group.
        group: for each the number of its group (`same_place_groups`); outlines come in the order
            of these.
        n_looks: for each the looks that cover it, 0 where that is unknown.
        sliver_frac: a part of a vote that is less than this of the largest is none.
    """
    singles, several = rows_by_group(group)
    outlines = [
        outline
        for members in several
        for outline in _group_outlines(footprints, members, n_looks, sliver_frac)
    ]
    first = np.array([outline.members[0] for outline in outlines], dtype=np.int64)
    order = np.argsort(group[np.concatenate([singles, first])], kind="stable")
    n_members = np.array([1] * len(singles) + [len(o.members) for o in outlines], dtype=np.int64)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    members = np.concatenate([singles, *(outline.members for outline in outlines)])
    members = members[np.argsort(np.repeat(place, n_members), kind="stable")]
    follows = np.concatenate(
        [singles, np.array([outline.follows for outline in outlines], dtype=np.int64)]
    )
    # Groups are in order, and so are the votes among their outlines.
    voted = [outline.voted for outline in outlines if outline.follows == VOTE]
    return Consensus(
        members=members,
        n_members=n_members[order],
        follows=follows[order],
        voted=np.array(voted, dtype=object),
    )


def rows_by_group(group: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The rows that are alone in their group; and those of each other group, by its number."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    size = np.diff(starts, append=len(order))
    groups = zip(starts[size > 1].tolist(), size[size > 1].tolist(), strict=True)
    return order[starts[size == 1]], [order[start : start + count] for start, count in groups]


def same_place_groups(
    bounds: NDArray[np.float64],
    part: NDArray[np.int64],
    min_iomin: float,
    polygons: PolygonsOf,
    tiles: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> NDArray[np.int64]:
    """A group number for each polygon: polygons of different parts that overlap well share one.

    Groups are numbered by their first polygon.

    Args:
        bounds: (n, 4) of the polygons.
        part: numbers the scene or source of each; NO_SCENE groups with nothing.
        min_iomin: the least that two share, of the smaller one's area.
        polygons: makes the EPSG:6931 polygons of some rows.
        tiles: rows of two lots of polygons at a time, so that every two whose bounds meet come
            together, whichever of them first, once at least.
    """
    n = len(bounds)
    if len(np.unique(part[part != NO_SCENE])) < 2:
        return np.arange(n)
    none = np.empty(0, dtype=np.int64)
    pairs = [(none, none)]
    for near, own in tiles:
        left, right = _pairs_of_parts(bounds, part, near, own)
        rows, at = np.unique(np.concatenate([left, right]), return_inverse=True)
        drawn = polygons(rows)
        is_same = _overlap_well(drawn[at[: len(left)]], drawn[at[len(left) :]], min_iomin)
        pairs.append((left[is_same], right[is_same]))
    left, right = (np.concatenate(rows) for rows in zip(*pairs, strict=True))
    edges = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
    number: NDArray[np.int64] = connected_components(edges, directed=False)[1].astype(np.int64)
    return number


def _pairs_of_parts(
    bounds: NDArray[np.float64],
    part: NDArray[np.int64],
    near: NDArray[np.int64],
    own: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of those of different parts whose bounds meet, each pair once, the lower row first.

    Bounds first: most that meet are of one scene, and need no look at their vertices.
    """
    near, own = near[part[near] != NO_SCENE], own[part[own] != NO_SCENE]
    tree = shapely.STRtree(shapely.box(*bounds[near].T))
    second, first = tree.query(shapely.box(*bounds[own].T))
    one, other = near[first], own[second]
    is_pair = part[one] != part[other]
    one, other = one[is_pair], other[is_pair]
    pairs = np.unique(np.column_stack([np.minimum(one, other), np.maximum(one, other)]), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _overlap_well(
    one: NDArray[np.object_], other: NDArray[np.object_], min_iomin: float
) -> NDArray[np.bool_]:
    """Which polygons share at least so much of the smaller one with their counterparts."""
    is_same = np.asarray(shapely.intersects(one, other), dtype=bool)
    meet = np.flatnonzero(is_same)
    one, other = one[meet], other[meet]
    shared = shapely.area(shapely.intersection(one, other))
    is_same[meet] = shared >= min_iomin * np.minimum(shapely.area(one), shapely.area(other))
    return is_same


def _group_outlines(
    footprints: SeasonFootprints,
    members: NDArray[np.int64],
    n_looks: NDArray[np.int64],
    sliver_frac: float,
) -> list[_GroupOutline]:
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


def _better_look(footprints: SeasonFootprints, members: NDArray[np.int64]) -> list[_GroupOutline]:
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
        _GroupOutline(
            members=np.sort(np.r_[leader, others[leader_of == number]]), follows=int(leader)
        )
        for number, leader in enumerate(leaders)
    ]


def _median_member(footprints: SeasonFootprints, members: NDArray[np.int64]) -> _GroupOutline:
    area = shapely.area(footprints.geometry[members])
    chosen = int(members[np.argsort(area, kind="stable")[(len(members) - 1) // 2]])
    return _GroupOutline(members=members, follows=chosen)


def _shared_out(
    footprints: SeasonFootprints, members: NDArray[np.int64], parts: NDArray[np.object_]
) -> list[_GroupOutline]:
    """Each part of the vote with the footprints that share most with it."""
    part_of = _shares_most(footprints.geometry[members], parts)
    taken = np.unique(part_of)
    largest = int(taken[np.argmax(shapely.area(parts[taken]))])
    outlines = []
    for number in taken.tolist():
        own = [number]
        if number == largest:  # a part that no footprint shares most with is no outline of its own
            own += [other for other in range(len(parts)) if other not in taken]
        voted = shapely.union_all(parts[own])
        outlines.append(
            _GroupOutline(members=members[part_of == number], follows=VOTE, voted=voted)
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
