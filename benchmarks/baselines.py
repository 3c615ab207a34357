"""The field's linkers on the outlines that rts-track linked, brought to the contract's columns.

- laptrack (https://github.com/yfukai/laptrack, 0.17): two-stage linear assignment after Jaqaman et
  al. 2008 (doi 10.1038/nmeth.1237) with splitting, merging and gap closing, at a cost of
  1 - IoMin, IoMin being the intersection over the smaller outline.
- Hungarian IoU: the one-to-one assignment of each two successive seasons with the largest sum of
  intersections over unions, of pairs with 0.1 or more.
- any overlap: every pair of outlines of successive seasons that overlap.

Each gives edges. Tracks and events come from them in the same way for all: the edges that share
most area, one to one, carry the track; of the others one whose later end continues no track is a
split, one whose earlier end goes on in no track is a merge; and neither is one where the pieces
rejoin in the next season, or came from one parent in the season before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from rts_track.grid import to_metric
from rts_track.store.base import Reader
from rts_track.track.truth import Tracked

MIN_IOU = 0.1
MIN_IOMIN = 0.1
MIN_GAP_IOMIN = 0.01
"""laptrack's gap closing does better with any overlap at all: gap F1 .67 instead of .28 on active
zones, its link F1 no worse (training seeds). MIN_IOMIN is its best for links; so are its own
estimates of the costs of ends and starts."""
MAX_STEP_SEASONS = 2
"""laptrack's `gap_closing_max_frame_count`: 2 bridges one missing season, 1 none."""

Edge = tuple[int, int]
"""Row numbers of an earlier and a later outline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlines:
    """A store's outlines, in EPSG:6931, and all pairs of them that overlap.

    Attributes:
        table: outline_id, season_year, area_m2.
        season_year: of each outline.
        pairs: (n, 2) row numbers, the earlier one first; at most MAX_STEP_SEASONS apart.
        overlap_m2: shared area of each pair.
        iou: intersection over union of each pair.
        iomin: intersection over the smaller outline of each pair.
    """

    table: pa.Table
    season_year: NDArray[np.int64]
    pairs: NDArray[np.int64]
    overlap_m2: NDArray[np.float64]
    iou: NDArray[np.float64]
    iomin: NDArray[np.float64]

    def step(self) -> NDArray[np.int64]:
        """How many seasons each pair lies apart."""
        earlier, later = self.pairs.T
        return self.season_year[later] - self.season_year[earlier]


Linker = Callable[[Outlines], list[Edge]]


def read_outlines(store: Reader) -> Outlines:
    """The outlines of a store in which `link` has been run, in the order of their ids."""
    table = store.read("outline", ["outline_id", "season_year", "area_m2", "geometry"])
    table = table.sort_by("outline_id")
    geometry = to_metric(shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False)))
    season_year = table["season_year"].to_numpy().astype(np.int64)
    earlier, later = shapely.STRtree(geometry).query(geometry, predicate="intersects")
    step = season_year[later] - season_year[earlier]
    earlier, later = (ends[(step > 0) & (step <= MAX_STEP_SEASONS)] for ends in (earlier, later))
    overlap_m2 = shapely.area(shapely.intersection(geometry[earlier], geometry[later]))
    does_overlap = overlap_m2 > 0.0
    earlier, later, overlap_m2 = (each[does_overlap] for each in (earlier, later, overlap_m2))
    area_m2 = shapely.area(geometry)
    return Outlines(
        table=table.drop_columns(["geometry"]),
        season_year=season_year,
        pairs=np.column_stack([earlier, later]).astype(np.int64),
        overlap_m2=overlap_m2,
        iou=overlap_m2 / (area_m2[earlier] + area_m2[later] - overlap_m2),
        iomin=overlap_m2 / np.minimum(area_m2[earlier], area_m2[later]),
    )


def laptrack_edges(outlines: Outlines) -> list[Edge]:
    """The edges of laptrack, at its own estimates of the costs of ends and starts."""
    from laptrack import LapTrack

    cost = dict(
        zip(map(tuple, outlines.pairs.tolist()), (1.0 - outlines.iomin).tolist(), strict=True)
    )

    def one_minus_iomin(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        pair = (a[0], b[0])
        return cost.get(pair, cost.get(pair[::-1], 1.0))

    costs = ("metric", "gap_closing_metric", "splitting_metric", "merging_metric")
    limits = ("cutoff", "splitting_cutoff", "merging_cutoff")
    tracker = LapTrack(
        **dict.fromkeys(costs, one_minus_iomin),
        **dict.fromkeys(limits, 1.0 - MIN_IOMIN),
        gap_closing_cutoff=1.0 - MIN_GAP_IOMIN,
        gap_closing_max_frame_count=MAX_STEP_SEASONS,
    )
    seasons = range(outlines.season_year.min(), outlines.season_year.max() + 1)
    rows = [np.flatnonzero(outlines.season_year == season) for season in seasons]
    tree = tracker.predict([of_season[:, None].astype(np.float64) for of_season in rows])
    return [(int(rows[f][i]), int(rows[g][j])) for (f, i), (g, j) in tree.edges()]


def hungarian_edges(outlines: Outlines) -> list[Edge]:
    """The one-to-one edges of successive seasons with the largest sum of IoU."""
    edges = list[Edge]()
    good = outlines.pairs[(outlines.step() == 1) & (outlines.iou >= MIN_IOU)]
    iou = outlines.iou[(outlines.step() == 1) & (outlines.iou >= MIN_IOU)]
    for season in np.unique(outlines.season_year[good[:, 0]]):
        of_season = outlines.season_year[good[:, 0]] == season
        before, row = np.unique(good[of_season, 0], return_inverse=True)
        after, column = np.unique(good[of_season, 1], return_inverse=True)
        weight = np.zeros((len(before), len(after)))
        weight[row, column] = iou[of_season]
        chosen = zip(*linear_sum_assignment(weight, maximize=True), strict=True)
        edges += [(int(before[i]), int(after[j])) for i, j in chosen if weight[i, j] > 0.0]
    return edges


def overlap_edges(outlines: Outlines) -> list[Edge]:
    """Every pair of successive seasons that overlaps."""
    return [(a, b) for a, b in outlines.pairs[outlines.step() == 1].tolist()]


LINKERS: dict[str, Linker] = {
    "laptrack": laptrack_edges,
    "Hungarian IoU": hungarian_edges,
    "any overlap": overlap_edges,
}


def linked_by(linker: str, outlines: Outlines, footprint: pa.Table) -> Tracked:
    """What the linker makes of the outlines; `footprint` says which footprints they are of."""
    edges = sorted(LINKERS[linker](outlines))
    carried = carried_edges(edges, outlines)
    track = _tracks(len(outlines.season_year), carried)
    ids = outlines.table["outline_id"].to_pylist()
    step = {
        edge: int(outlines.season_year[edge[1]] - outlines.season_year[edge[0]]) for edge in edges
    }
    return Tracked(
        footprint=footprint,
        outline=outlines.table.append_column("track_id", pa.array([ids[row] for row in track])),
        link=pa.table(
            {
                "from_outline_id": pa.array([ids[a] for a, _ in edges], pa.string()),
                "to_outline_id": pa.array([ids[b] for _, b in edges], pa.string()),
                "kind": pa.array(
                    ["main" if step[edge] == 1 else "gap" for edge in edges], pa.string()
                ),
            }
        ),
        event=_events(edges, carried, [ids[row] for row in track], outlines),
    )


def carried_edges(edges: list[Edge], outlines: Outlines) -> set[Edge]:
    """The edges, one to one, along which tracks go on: those that share most area first."""
    shared_m2 = dict(
        zip(map(tuple, outlines.pairs.tolist()), outlines.overlap_m2.tolist(), strict=True)
    )
    gone_on, continued, carried = set[int](), set[int](), set[Edge]()
    for a, b in sorted(edges, key=lambda edge: (-shared_m2.get(edge, 0.0), edge)):
        if a not in gone_on and b not in continued:
            gone_on.add(a)
            continued.add(b)
            carried.add((a, b))
    return carried


def _tracks(n: int, carried: set[Edge]) -> list[int]:
    """The first outline of the track of each outline."""
    earlier = {b: a for a, b in carried}
    track = list(range(n))
    for row in range(n):
        while track[row] in earlier:
            track[row] = earlier[track[row]]
    return track


def _events(
    edges: list[Edge], carried: set[Edge], track: list[str], outlines: Outlines
) -> pa.Table:
    """Merges and splits: edges of successive seasons that carry no track and are no fragments."""
    children, parents = defaultdict[int, set[int]](set), defaultdict[int, set[int]](set)
    for a, b in edges:
        if outlines.season_year[b] - outlines.season_year[a] == 1:
            children[a].add(b)
            parents[b].add(a)
    goes_on, continues = dict(carried), {b: a for a, b in carried}
    rows = list[dict[str, object]]()
    for a, b in edges:
        if (a, b) in carried or b not in children[a]:
            continue
        season_year = int(outlines.season_year[b])
        if b not in continues and a in goes_on and not children[b] & children[goes_on[a]]:
            rows.append(_event("split", track[b], track[a], season_year))
        elif a not in goes_on and b in continues and not parents[a] & parents[continues[b]]:
            rows.append(_event("merge", track[a], track[b], season_year))
    return pa.Table.from_pylist(rows, schema=_EVENT)


_EVENT = pa.schema(
    [
        ("track_id", pa.string()),
        ("related_track_id", pa.string()),
        ("season_year", pa.int64()),
        ("kind", pa.string()),
    ]
)


def _event(kind: str, track: str, related: str, season_year: int) -> dict[str, object]:
    return {
        "track_id": track,
        "related_track_id": related,
        "season_year": season_year,
        "kind": kind,
    }
