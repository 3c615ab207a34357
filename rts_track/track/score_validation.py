"""What was found beside what annotators drew, as sums per place that can be resampled.

All is in EPSG:6931, and taken within the area that was looked at and in which truth is complete.
A *place* is a set of polygons, found or drawn by anybody, that touch each other; places are far
enough apart to share nothing, so every score is a ratio of sums over places. A place lies in the
*block* of ground, a square of the plane, and in the region that hold a point of its largest
polygon.

Objects are matched as `track.score_objects` does. What is found counts where at least half of it
lies in the area looked at, as true objects do, and of either the part inside is compared.

Areas are exact, of polygons and not of pixels: what annotator or search drew twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rts_track.polygon.boundary import boundary_errors
from rts_track.polygon.vote import MIN_PART_M2, ballot
from rts_track.track.score_objects import (
    CRITERIA,
    OVERLAP,
    SEEN_MIN_FRAC,
    ObjectMatches,
    Search,
    match_objects,
    seen_parts,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOUND = "found"
CONSENSUS = "consensus"
OTHERS = "consensus of the others"
"""What an annotator is compared with: what more than half of the others drew."""

SIZE_EDGES_M2 = (2_000.0, 10_000.0, 50_000.0)
"""Where size classes of true objects meet: half of what DARTS maps is below the first."""

_ALL_GROUND = shapely.box(-2e7, -2e7, 2e7, 2e7)

Columns = dict[str, "NDArray[np.float64]"]
"""Sums by their name, one value a place, or one a resampled whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One search, and what annotators drew there; all in EPSG:6931.

    Attributes:
        found: the polygons that the search found, (n,).
        truths: what each annotator drew, by name; every sample names the same, in one order.
        looked: the area that was looked at and in which truth is complete; None: not known, so
            all counts, and nothing is said of ground on which there is nothing.
        is_clipped: whether each found polygon is cut by an edge or nodata, (n,); None: none is.
        min_area_m2: smaller objects do not count.
    """

    found: NDArray[np.object_]
    truths: Mapping[str, NDArray[np.object_]]
    looked: shapely.Geometry | None
    is_clipped: NDArray[np.bool_] | None = None
    min_area_m2: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A region of the ground: its name, and its polygon in EPSG:6931."""

    name: str
    polygon: shapely.Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationParams:
    """How a validation is made.

    Attributes:
        ious: the least IoU of a match, one criterion each; by overlap it is always told.
        block_m: side of the blocks of ground that are resampled.
        n_replicates: how often the ground is resampled; 0: no intervals.
        seed: what is left to chance follows from it.
        least_units: with fewer blocks, places are resampled; with fewer places, nothing is.
        min_part_m2: smaller parts of a consensus are left out.
        size_edges_m2: where size classes of true objects meet, rising.
    """

    ious: tuple[float, ...] = (0.3, 0.5)
    block_m: float = 5_000.0
    n_replicates: int = 1_000
    seed: int = 0
    least_units: int = 5
    min_part_m2: float = MIN_PART_M2
    size_edges_m2: tuple[float, ...] = SIZE_EDGES_M2

    @property
    def criteria(self) -> Mapping[str, float]:
        """How alike a match must be at least, by the criterion's name."""
        return {f"IoU {iou:g}": iou for iou in self.ious} | {OVERLAP: CRITERIA[OVERLAP]}

    @property
    def size_classes(self) -> tuple[str, ...]:
        """The names of the size classes, the smallest first."""
        edges = [f"{edge:,.0f}" for edge in self.size_edges_m2]
        between = [f"{low} to {high}" for low, high in pairwise(edges)]
        return (f"< {edges[0]} m2", *(f"{each} m2" for each in between), f">= {edges[-1]} m2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Matches by overlap that were seen whole and are not clipped: they tell of size and shape.

    All (k,): the row of the place, the area drawn and the true area in m2, and, where it was
    asked for, the errors of the boundary in metres (NaN elsewhere).
    """

    place: NDArray[np.int64]
    drawn_m2: NDArray[np.float64]
    true_m2: NDArray[np.float64]
    mean_m: NDArray[np.float64]
    p95_m: NDArray[np.float64]
    offset_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One set of polygons beside another that stands for the truth, place by place.

    `columns`, each (p,): n_true; n_found and n_right, with the criterion's name behind; n_true and
    n_right by overlap with the size class's name behind; true_m2, found_m2, shared_m2.
    """

    subject: str
    reference: str
    columns: Columns
    matches: Matches


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedCells:
    """How much was looked at: of every region, and of the blocks on which places lie.

    A region of -1 is ground outside all. Ground that was looked at twice counts twice.

    Attributes:
        block: block of each cell, a part of a block and region, (c, 2).
        region: its region, (c,).
        area_m2: the area of it that was looked at, (c,).
        whole_m2: the area looked at by region, blocks or not.
    """

    block: NDArray[np.int64]
    region: NDArray[np.int64]
    area_m2: NDArray[np.float64]
    whole_m2: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """All comparisons of a validation over the same places.

    Attributes:
        block: the block of each place: column and row, (p, 2).
        ground: the largest polygon of each place, (p,).
        region: the row of the region of each place, -1: outside all, (p,).
        cells: what was looked at; None where that is not known of some sample.
        comparisons: by subject and reference.
        annotators: their names.
        n_samples: how many searches.
    """

    block: NDArray[np.int64]
    ground: NDArray[np.object_]
    region: NDArray[np.int64]
    cells: LookedCells | None
    comparisons: Mapping[tuple[str, str], Comparison]
    annotators: tuple[str, ...]
    n_samples: int

    @property
    def reference(self) -> str:
        """What found polygons are measured by: the consensus, or the one annotator."""
        return CONSENSUS if len(self.annotators) > 1 else self.annotators[0]

    def same_ground(self) -> NDArray[np.int64]:
        """A number for each place: those of several searches that touch share one, (p,)."""
        if self.n_samples == 1:
            return np.arange(len(self.ground))
        return _touching(self.ground)

    @property
    def pairs(self) -> list[Comparison]:
        """Every two annotators, once."""
        return [self.comparisons[pair] for pair in combinations(self.annotators, 2)]


def compare(
    samples: Iterable[Sample], params: ValidationParams, regions: Sequence[Region] = ()
) -> Compared:
    """Every comparison that there is to make, place by place.

    The found polygons beside the reference; with several annotators also beside each of them,
    each of them beside the consensus of the others, and every two of them. A place or a piece of
    ground in several regions belongs to the first of them.

    ValueError where there is no sample, or samples name other annotators than the first.
    """
    parts: list[Compared] = []
    looked: list[shapely.Geometry | None] = []
    n_places = 0
    for sample in samples:
        part = _compare_one(sample, params, regions, n_places)
        if parts and part.annotators != parts[0].annotators:
            raise ValueError(f"annotators {part.annotators} and {parts[0].annotators} in samples")
        n_places += len(part.region)
        parts.append(part)
        looked.append(sample.looked)
    if not parts:
        raise ValueError("no sample to validate on")
    joined = _joined(parts)
    known = [each for each in looked if each is not None]
    if len(known) < len(looked):
        return joined
    return replace(joined, cells=_cells(known, joined.block, params.block_m, regions))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """The polygons of one hand that reach into the area looked at.

    Attributes:
        polygon: the whole polygons, (n,).
        seen: the parts of them inside, (n,).
        is_clipped: whether each is cut by an edge or nodata, (n,).
        place: the row of the place of each, (n,).
        dissolved: the parts inside, joined by place, (p,); empty where there is none.
    """

    polygon: NDArray[np.object_]
    seen: NDArray[np.object_]
    is_clipped: NDArray[np.bool_]
    place: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    dissolved: NDArray[np.object_] = field(default_factory=lambda: np.empty(0, dtype=object))

    @property
    def is_mostly_out(self) -> NDArray[np.bool_]:
        """Whether less than half of each lies inside, (n,)."""
        inside_m2 = shapely.area(self.seen)
        return np.asarray(inside_m2 < SEEN_MIN_FRAC * shapely.area(self.polygon))


def _layer(
    polygon: NDArray[np.object_], looked: shapely.Geometry, is_clipped: NDArray[np.bool_] | None
) -> _Layer:
    seen = seen_parts(polygon, looked)
    is_in = shapely.area(seen) > 0.0
    clipped = np.zeros(len(polygon), dtype=bool) if is_clipped is None else is_clipped
    return _Layer(polygon=polygon[is_in], seen=seen[is_in], is_clipped=clipped[is_in])


def _compare_one(
    sample: Sample, params: ValidationParams, regions: Sequence[Region], first_place: int
) -> Compared:
    looked = _ALL_GROUND if sample.looked is None else sample.looked
    layers = _placed(dict(_layers(sample, params, looked)))
    largest = _largest(layers)
    annotators = tuple(sample.truths)
    comparisons = {}
    for subject, reference, key in _to_compare(annotators):
        found, true = layers[subject], layers[key]
        is_pair = subject in annotators and reference in annotators
        columns, matches = _beside(found, true, sample, looked, params, has_boundary=not is_pair)
        comparisons[subject, reference] = Comparison(
            subject=subject,
            reference=reference,
            columns=columns,
            matches=replace(matches, place=matches.place + first_place),
        )
    points = shapely.get_coordinates(shapely.point_on_surface(largest))
    return Compared(
        block=np.floor(points / params.block_m).astype(np.int64).reshape(-1, 2),
        ground=largest,
        region=_regions_of(points, regions),
        cells=None,
        comparisons=comparisons,
        annotators=annotators,
        n_samples=1,
    )


def _to_compare(annotators: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Subject, reference, and the layer that the reference is."""
    if len(annotators) == 1:
        yield FOUND, annotators[0], annotators[0]
        return
    yield FOUND, CONSENSUS, CONSENSUS
    for name in annotators:
        yield FOUND, name, name
        yield name, OTHERS, _others(name)
    for one, other in combinations(annotators, 2):
        yield one, other, other


def _others(name: str) -> str:
    return f"{OTHERS}: {name}"


def _layers(
    sample: Sample, params: ValidationParams, looked: shapely.Geometry
) -> Iterator[tuple[str, _Layer]]:
    yield FOUND, _layer(sample.found, looked, sample.is_clipped)
    for name, drawn in sample.truths.items():
        yield name, _layer(drawn, looked, None)
    if len(sample.truths) == 1:
        return
    votes = ballot(list(sample.truths.values()))
    agreed = votes.consensus(min_part_m2=params.min_part_m2)
    yield CONSENSUS, _layer(agreed, looked, None)
    for number, name in enumerate(sample.truths):
        voters = [each for each in range(len(sample.truths)) if each != number]
        others = votes.consensus(voters, min_part_m2=params.min_part_m2)
        yield _others(name), _layer(others, looked, None)


def _placed(layers: Mapping[str, _Layer]) -> dict[str, _Layer]:
    """The layers, with the place of each polygon."""
    seen = np.concatenate([layer.seen for layer in layers.values()])
    place = _touching(seen)
    n_places = int(place.max(initial=-1)) + 1
    ends = np.cumsum([len(layer.seen) for layer in layers.values()])
    of_layer = np.split(place, ends[:-1])
    return {
        name: replace(layer, place=rows, dissolved=_dissolved(layer.seen, rows, n_places))
        for (name, layer), rows in zip(layers.items(), of_layer, strict=True)
    }


def _touching(polygon: NDArray[np.object_]) -> NDArray[np.int64]:
    """A number for each polygon, from 0: those that touch, or are joined by others, share one."""
    n = len(polygon)
    if n == 0:
        return np.empty(0, dtype=np.int64)
    one, other = shapely.STRtree(polygon).query(polygon, predicate="intersects")
    touch = coo_array((np.ones(len(one)), (one, other)), shape=(n, n))
    return np.asarray(connected_components(touch, directed=False)[1], dtype=np.int64)


def _dissolved(
    polygon: NDArray[np.object_], place: NDArray[np.int64], n_places: int
) -> NDArray[np.object_]:
    """The polygons joined by place, (n_places,)."""
    joined = np.full(n_places, shapely.Polygon(), dtype=object)
    order = np.argsort(place, kind="stable")
    places, first, count = np.unique(place[order], return_index=True, return_counts=True)
    joined[places] = polygon[order[first]]
    for several in np.flatnonzero(count > 1):
        rows = order[first[several] : first[several] + count[several]]
        joined[places[several]] = shapely.union_all(polygon[rows])
    return joined


def _largest(layers: Mapping[str, _Layer]) -> NDArray[np.object_]:
    """The largest polygon of each place; of equals, the first."""
    seen = np.concatenate([layer.seen for layer in layers.values()])
    place = np.concatenate([layer.place for layer in layers.values()])
    order = np.lexsort((np.arange(len(seen)), -shapely.area(seen), place))
    return np.asarray(seen[order[np.unique(place[order], return_index=True)[1]]])


def _beside(
    found: _Layer,
    true: _Layer,
    sample: Sample,
    looked: shapely.Geometry,
    params: ValidationParams,
    *,
    has_boundary: bool,
) -> tuple[Columns, Matches]:
    """The sums of one comparison by place, and its matches."""
    search = Search(
        drawn=found.seen,
        is_clipped=found.is_clipped,
        true=true.polygon,
        is_active=np.ones(len(true.polygon), dtype=bool),
        beside=np.empty(0, dtype=object),
        lookalikes={},
        looked=looked,
        min_area_m2=sample.min_area_m2,
    )
    matched = match_objects(search, params.criteria)
    matched = replace(matched, is_idle=matched.is_idle | found.is_mostly_out)
    columns = _object_columns(matched, found, true, params) | {
        "true_m2": shapely.area(true.dissolved),
        "found_m2": shapely.area(found.dissolved),
        "shared_m2": shapely.area(shapely.intersection(true.dissolved, found.dissolved)),
    }
    return columns, _telling(matched, found, true, has_boundary=has_boundary)


def _object_columns(
    matched: ObjectMatches, found: _Layer, true: _Layer, params: ValidationParams
) -> Columns:
    n_places = len(found.dissolved)

    def by_place(place: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(place, minlength=n_places).astype(np.float64)

    columns = {"n_true": by_place(true.place[matched.counts])}
    right = {name: matched.pairs.second[rows] for name, rows in matched.matched.items()}
    for name, rows in right.items():
        columns[f"n_found, {name}"] = by_place(found.place[matched.is_found(name)])
        columns[f"n_right, {name}"] = by_place(true.place[rows])
    size = np.digitize(shapely.area(true.polygon), params.size_edges_m2)
    for number, name in enumerate(params.size_classes):
        is_of = size == number
        columns[f"n_true, {name}"] = by_place(true.place[matched.counts & is_of])
        rows = right[OVERLAP]
        columns[f"n_right, {name}"] = by_place(true.place[rows[is_of[rows]]])
    return columns


def _telling(matched: ObjectMatches, found: _Layer, true: _Layer, *, has_boundary: bool) -> Matches:
    """The matches by overlap that tell of size and shape."""
    pairs = matched.pairs.take(matched.matched[OVERLAP])
    tells = ~found.is_clipped[pairs.first] & ~found.is_mostly_out[pairs.first]
    pairs = pairs.take(tells & matched.is_whole[pairs.second])
    drawn, meant = found.seen[pairs.first], true.polygon[pairs.second]
    unknown = np.full(len(pairs), np.nan)
    errors = boundary_errors(drawn, meant) if has_boundary else None
    return Matches(
        place=true.place[pairs.second],
        drawn_m2=pairs.first_m2,
        true_m2=shapely.area(meant),
        mean_m=errors.mean_m if errors else unknown,
        p95_m=errors.p95_m if errors else unknown,
        offset_m=errors.offset_m if errors else unknown,
    )


def _regions_of(points: NDArray[np.float64], regions: Sequence[Region]) -> NDArray[np.int64]:
    """The row of the first region that covers each point, -1 where none does, (p,)."""
    of = np.full(len(points), -1, dtype=np.int64)
    for row in reversed(range(len(regions))):
        polygon = regions[row].polygon
        shapely.prepare(polygon)
        of[shapely.intersects_xy(polygon, points[:, 0], points[:, 1])] = row
    return of


def _cells(
    looked: Sequence[shapely.Geometry],
    block: NDArray[np.int64],
    block_m: float,
    regions: Sequence[Region],
) -> LookedCells:
    """The areas looked at, cut by region, and by the blocks on which places lie."""
    blocks = np.unique(block, axis=0)
    squares = shapely.box(*(blocks * block_m).T, *((blocks + 1) * block_m).T)
    tree = shapely.STRtree(squares)
    rows: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    of_region: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    area_m2: list[NDArray[np.float64]] = [np.empty(0)]
    whole_m2: dict[int, float] = {}
    for region, part in (pair for each in looked for pair in _by_region(each, regions)):
        whole_m2[region] = whole_m2.get(region, 0.0) + float(shapely.area(part))
        met = tree.query(part).astype(np.int64)
        rows.append(met)
        of_region.append(np.full(len(met), region, dtype=np.int64))
        area_m2.append(shapely.area(seen_parts(squares[met], part)))
    return LookedCells(
        block=blocks[np.concatenate(rows)].reshape(-1, 2),
        region=np.concatenate(of_region),
        area_m2=np.concatenate(area_m2),
        whole_m2=whole_m2,
    )


def _by_region(
    looked: shapely.Geometry, regions: Sequence[Region]
) -> Iterator[tuple[int, shapely.Geometry]]:
    rest = looked
    for row, region in enumerate(regions):
        if rest.is_empty or not shapely.intersects(region.polygon, rest):
            continue
        yield row, shapely.intersection(rest, region.polygon)
        rest = shapely.difference(rest, region.polygon)
    yield -1, rest


def _joined(parts: Sequence[Compared]) -> Compared:
    """What was compared sample by sample, together; yet without what was looked at."""
    first = parts[0]
    return Compared(
        block=np.concatenate([part.block for part in parts]),
        ground=np.concatenate([part.ground for part in parts]),
        region=np.concatenate([part.region for part in parts]),
        cells=None,
        comparisons={
            key: _joined_comparison([part.comparisons[key] for part in parts])
            for key in first.comparisons
        },
        annotators=first.annotators,
        n_samples=len(parts),
    )


def _joined_comparison(parts: Sequence[Comparison]) -> Comparison:
    first = parts[0]
    matches = [part.matches for part in parts]
    return Comparison(
        subject=first.subject,
        reference=first.reference,
        columns={
            name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns
        },
        matches=Matches(
            place=np.concatenate([each.place for each in matches]),
            drawn_m2=np.concatenate([each.drawn_m2 for each in matches]),
            true_m2=np.concatenate([each.true_m2 for each in matches]),
            mean_m=np.concatenate([each.mean_m for each in matches]),
            p95_m=np.concatenate([each.p95_m for each in matches]),
            offset_m=np.concatenate([each.offset_m for each in matches]),
        ),
    )
