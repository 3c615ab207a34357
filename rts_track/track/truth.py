"""A known truth and what tracking made of the same footprints, brought to one graph.

Truth is told of footprints, by *objects*: true slumps. Tracking links outlines. The graph's nodes
are appearances (object, season), its edges pairs of them. A node stands for all footprints and
outlines of an object in a season, so a second scene, or a slump mapped in pieces, counts nothing
twice.

An outline is of the object that most of its footprints' area belongs to; of none if most of it is
no slump, and left out of the graph if truth says nothing of its footprints.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    import pyarrow as pa

GAP = "gap"

ObjectId = str | None
"""A true slump; None for an outline that is no slump."""
Node = tuple[ObjectId, int | str]
"""An object and a season; for an end that truth cannot place, some id of its own."""
Edge = tuple[Node, Node]

_Key = TypeVar("_Key")
_Thing = TypeVar("_Thing", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true, told of footprints.

    Attributes:
        footprint: source_feature_id, object_id (null: no slump), perhaps season_year; no
            source_feature_id twice.
        link: from_source_feature_id, to_source_feature_id, kind.
        event: object_id, related_object_id (null but for merge: into, split: from), season_year,
            kind.
    """

    footprint: pa.Table
    link: pa.Table
    event: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """What tracking made of the footprints: columns of the contract's tables.

    Attributes:
        footprint: source_feature_id, outline_id, season_year, area_m2.
        outline: outline_id, track_id, season_year, area_m2.
        link: from_outline_id, to_outline_id, kind.
        event: track_id, related_track_id, season_year, kind, perhaps confidence.
        track: track_id, lineage_id; None where no lineages were kept.
    """

    footprint: pa.Table
    outline: pa.Table
    link: pa.Table
    event: pa.Table
    track: pa.Table | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlines:
    """The outlines that truth speaks of, by their ids; and their tracks.

    Attributes:
        object_of: the object of each outline.
        node_of: the node of each outline; one that is no slump is a node of its own.
        tracks_of: the tracks of each node's outlines.
        largest_of: the track of each node's largest outline.
        path: each track's seasons, ascending, with its largest outline in each.
    """

    object_of: Mapping[str, ObjectId]
    node_of: Mapping[str, Node]
    tracks_of: Mapping[Node, set[str]]
    largest_of: Mapping[Node, str]
    path: Mapping[str, list[tuple[int, str]]]

    @classmethod
    def of(cls, tracked: Tracked, object_of: Mapping[str, ObjectId]) -> Outlines:
        """The outlines of what was tracked; `object_of` is truth's word on each footprint."""
        objects = _objects_of_outlines(tracked.footprint, object_of)
        nodes: dict[str, Node] = {}
        tracks: dict[Node, set[str]] = defaultdict(set)
        largest: dict[Node, tuple[float, str]] = {}
        seasons: dict[str, dict[int, tuple[float, str]]] = defaultdict(dict)
        columns = ("outline_id", "season_year", "track_id", "area_m2")
        for outline, season_year, track, area_m2 in columns_of(tracked.outline, *columns):
            if outline not in objects:
                continue
            object_id = objects[outline]
            node = nodes[outline] = (object_id, outline if object_id is None else season_year)
            if track is not None:
                tracks[node].add(track)
                _keep_largest(largest, node, (-area_m2, track))
                _keep_largest(seasons[track], season_year, (-area_m2, outline))
        return cls(
            object_of=objects,
            node_of=nodes,
            tracks_of=tracks,
            largest_of={node: track for node, (_, track) in largest.items()},
            path={
                track: [(season_year, of[season_year][1]) for season_year in sorted(of)]
                for track, of in seasons.items()
            },
        )

    def has(self, track: str) -> bool:
        """Whether truth speaks of the track."""
        return track in self.path

    def object_at(self, track: str, season_year: int, *, is_before: bool) -> ObjectId:
        """The object of the track's outline in that season or next after it, or last before it.

        Where there is none on that side, that of the nearest one on the other.
        """
        path = self.path[track]
        at = bisect_left(path, season_year, key=lambda step: step[0])
        at = at - 1 if is_before else at
        return self.object_of[path[min(max(at, 0), len(path) - 1)][1]]


def _keep_largest(kept: dict[_Key, tuple[float, str]], key: _Key, found: tuple[float, str]) -> None:
    kept[key] = min(kept.get(key, found), found)


def _objects_of_outlines(
    footprint: pa.Table, object_of: Mapping[str, ObjectId]
) -> dict[str, ObjectId]:
    """The object that most of each outline's area belongs to; of equals a slump, then the first."""
    areas_m2: dict[str, dict[ObjectId, list[float]]] = {}
    columns = ("source_feature_id", "outline_id", "area_m2")
    for feature, outline, area_m2 in columns_of(footprint, *columns):
        if outline is not None and feature in object_of:
            of_outline = areas_m2.setdefault(outline, {})
            of_outline.setdefault(object_of[feature], []).append(area_m2)
    return {outline: _object_of_most(areas) for outline, areas in areas_m2.items()}


def _object_of_most(areas_m2: Mapping[ObjectId, list[float]]) -> ObjectId:
    return min(areas_m2, key=lambda each: (-fsum(areas_m2[each]), each is None, each or ""))


def true_edges(
    truth: Truth, tracked: Tracked, object_of: Mapping[str, ObjectId]
) -> dict[Edge, bool]:
    """Each true edge, and whether it spans a gap; not if any of its links does not."""
    season_of: dict[str, int] = {}
    if "season_year" in truth.footprint.column_names:
        season_of |= dict(columns_of(truth.footprint, "source_feature_id", "season_year"))
    season_of |= dict(columns_of(tracked.footprint, "source_feature_id", "season_year"))
    edges: dict[Edge, bool] = {}
    columns = ("from_source_feature_id", "to_source_feature_id", "kind")
    for earlier, later, kind in columns_of(truth.link, *columns):
        edge = (
            (object_of[earlier], season_of.get(earlier, earlier)),
            (object_of[later], season_of.get(later, later)),
        )
        edges[edge] = edges.get(edge, True) and kind == GAP
    return edges


def found_edges(link: pa.Table, outlines: Outlines) -> dict[Edge, bool]:
    """Each found edge, and whether it spans a gap; not if any of its links does not."""
    edges: dict[Edge, bool] = {}
    for earlier, later, kind in columns_of(link, "from_outline_id", "to_outline_id", "kind"):
        if earlier in outlines.node_of and later in outlines.node_of:
            edge = (outlines.node_of[earlier], outlines.node_of[later])
            edges[edge] = edges.get(edge, True) and kind == GAP
    return edges


def components(
    things: Iterable[_Thing], pairs: Iterable[tuple[_Thing, _Thing]]
) -> dict[_Thing, int]:
    """The number of the connected component of each thing; pairs are of things given."""
    row_of: dict[_Thing, int] = {}
    for thing in things:
        row_of.setdefault(thing, len(row_of))
    n = len(row_of)
    if not n:
        return {}
    ends = np.array([(row_of[one], row_of[other]) for one, other in pairs], dtype=np.int64)
    one, other = ends.reshape(-1, 2).T
    table = coo_array((np.ones(len(one)), (one, other)), shape=(n, n))
    number = connected_components(table, directed=False)[1].tolist()
    return dict(zip(row_of, number, strict=True))


def columns_of(table: pa.Table, *columns: str) -> Iterable[tuple[Any, ...]]:
    """The rows of these columns, as tuples."""
    return zip(*(table[name].to_pylist() for name in columns), strict=True)
