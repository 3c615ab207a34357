"""Where a season was looked at: disjoint areas by number of looks, and shares of what they cover.

Everything here is in EPSG:6931, where areas are exact and there is no date line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from rts_track.grid import LONLAT_CRS, METRIC_CRS, SEAM_GRID_M, as_multipolygons, transformer

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELL_DEG = 0.5
"""Side of a coverage cell, in degrees of longitude and of latitude."""
MIN_LOOKED_FRAC = 1e-6
"""Less of a cell than this is no look at it: a look's chords bulge over an edge they share."""

_TILE_M = 100_000.0
"""Looks are overlaid tile by tile: bounds the memory of the overlay, not its result."""
_NODING_GRID_M = SEAM_GRID_M
"""The looks' edges meet on this grid: moves an area by about 1e-8 of itself."""
_CELL_STEPS = 32
"""Chords that stand for a cell's parallel; its meridians are straight in this plane."""
_BOUNDS_PAD_DEG = 1e-5
"""By more than an edge of a kilometre bulges over the latitude of its ends (0.04 m)."""
_PLANE_M = 2e7
_PAIRS = 100_000
"""Pairs of a polygon and a look that are compared at a time; bounds memory."""

Basis = Literal["measured", "assumed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedArea:
    """Where exactly `n_looks` looks of one basis lie: an EPSG:6931 MultiPolygon and its area."""

    basis: Basis
    n_looks: int
    area_m2: float
    geometry: shapely.MultiPolygon


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedCells:
    """Cells that looks reach: south-west corners in degrees, whole and looked-at area in m²."""

    cell_lon: NDArray[np.float64]
    cell_lat: NDArray[np.float64]
    cell_area_m2: NDArray[np.float64]
    looked_area_m2: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Touching:
    """Pairs of a polygon and a look that touch, as row numbers, in the order of the looks.

    `is_whole`: the look covers the whole polygon. Both are valid EPSG:6931 polygons; looks may
    overlap.
    """

    geometries: NDArray[np.object_]
    looks: NDArray[np.object_]
    polygon: NDArray[np.int64]
    look: NDArray[np.int64]
    is_whole: NDArray[np.bool_]

    @classmethod
    def of(cls, geometries: NDArray[np.object_], looks: NDArray[np.object_]) -> Touching:
        """The pairs that touch."""
        none = np.empty(0, dtype=np.int64)
        if len(geometries) == 0 or len(looks) == 0:
            return cls(
                geometries=geometries,
                looks=looks,
                polygon=none,
                look=none,
                is_whole=none.astype(bool),
            )
        shapely.prepare(looks)
        bounds = shapely.bounds(geometries)
        look, polygon = shapely.STRtree(geometries).query(looks)
        found = [
            _relation(geometries, looks, bounds, polygon[first : first + _PAIRS], at)
            for first in range(0, len(look), _PAIRS)
            for at in (look[first : first + _PAIRS],)
        ]
        touches = np.concatenate([none.astype(bool), *(touch for touch, _ in found)])
        is_whole = np.concatenate([none.astype(bool), *(whole for _, whole in found)])
        return cls(
            geometries=geometries,
            looks=looks,
            polygon=polygon[touches].astype(np.int64),
            look=look[touches].astype(np.int64),
            is_whole=is_whole[touches],
        )

    def by(self, is_meant: NDArray[np.bool_]) -> Touching:
        """Only the pairs of some looks."""
        if is_meant.all():
            return self
        keep = is_meant[self.look]
        return Touching(
            geometries=self.geometries,
            looks=self.looks,
            polygon=self.polygon[keep],
            look=self.look[keep],
            is_whole=self.is_whole[keep],
        )

    def covered_frac(self) -> NDArray[np.float64]:
        """The share of each polygon that the union of the looks covers; NaN where none touches.

        Between 0 and 1. A polygon that lies in one look needs no overlay.
        """
        frac = np.full(len(self.geometries), np.nan)
        frac[self.polygon[self.is_whole]] = 1.0
        in_doubt = np.flatnonzero(np.isnan(frac[self.polygon]))
        owner, covered_m2 = _union_area_m2(self._pieces(in_doubt), self.polygon[in_doubt])
        frac[owner] = np.clip(covered_m2 / shapely.area(self.geometries[owner]), 0.0, 1.0)
        return frac

    def n_covering(self, min_frac: float) -> NDArray[np.int64]:
        """How many looks cover each polygon to `min_frac`."""
        is_covering = self.is_whole.copy()
        in_doubt = np.flatnonzero(~self.is_whole)
        polygon_m2 = shapely.area(self.geometries[self.polygon[in_doubt]])
        is_covering[in_doubt] = shapely.area(self._pieces(in_doubt)) / polygon_m2 >= min_frac
        covered = self.polygon[is_covering]
        return np.bincount(covered, minlength=len(self.geometries)).astype(np.int64)

    def is_touched(self) -> NDArray[np.bool_]:
        """Which polygons any look touches."""
        touched = np.zeros(len(self.geometries), dtype=bool)
        touched[self.polygon] = True
        return touched

    def _pieces(self, pairs: NDArray[np.int64]) -> NDArray[np.object_]:
        """What of the polygon lies in the look."""
        of, by = self.geometries[self.polygon[pairs]], self.looks[self.look[pairs]]
        return np.asarray(shapely.intersection(by, of), dtype=object)


def _relation(
    geometries: NDArray[np.object_],
    looks: NDArray[np.object_],
    bounds: NDArray[np.float64],
    polygon: NDArray[np.intp],
    look: NDArray[np.intp],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the pairs touch, and in which the (prepared) look covers the whole polygon.

    Mostly the look covers even the polygon's bounds, and four corners are quicker than forty.
    """
    is_whole = np.asarray(shapely.covers(looks[look], shapely.box(*bounds[polygon].T)))
    rest = np.flatnonzero(~is_whole)
    is_whole[rest] = shapely.covers(looks[look[rest]], geometries[polygon[rest]])
    touches = is_whole.copy()
    rest = np.flatnonzero(~is_whole)
    touches[rest] = shapely.intersects(looks[look[rest]], geometries[polygon[rest]])
    return touches, is_whole


def covered_frac(
    geometries: NDArray[np.object_], looks: NDArray[np.object_]
) -> NDArray[np.float64]:
    """The share of each polygon that the union of the looks covers, in the polygons' order.

    Between 0 and 1; NaN where no look touches the polygon, so nothing is known of it. Both are
    valid EPSG:6931 polygons; looks may overlap.
    """
    return Touching.of(geometries, looks).covered_frac()


def count_looks(looks: NDArray[np.object_], is_measured: NDArray[np.bool_]) -> list[CountedArea]:
    """Disjoint areas by basis and number of looks, measured first, each by rising number.

    Where a measured look lies only measured looks are counted; assumed ones count elsewhere.
    `looks` are valid EPSG:6931 polygons and may overlap. Together the areas are the union of
    the looks. Empty without looks.
    """
    pieces: dict[tuple[Basis, int], list[shapely.Geometry]] = {}
    for clipped, of_look in _by_tile(looks):
        for counted, piece in _overlay(clipped, is_measured[of_look]):
            pieces.setdefault(counted, []).append(piece)
    return [
        _counted_area(basis, n_looks, pieces[basis, n_looks])
        for basis, n_looks in sorted(pieces, key=lambda counted: (counted[0] == "assumed", counted))
    ]


def look_at_cells(looked: NDArray[np.object_]) -> LookedCells:
    """The 0.5° cells that the disjoint EPSG:6931 polygons reach, by longitude, then latitude."""
    parts = shapely.get_parts(looked)
    column, row = _cells_near(parts)
    cells = _cell_polygons(column, row)
    cell_m2 = np.asarray(shapely.area(cells))
    looked_m2 = np.minimum(looked_area_m2(cells, parts), cell_m2)
    is_reached = looked_m2 >= MIN_LOOKED_FRAC * cell_m2
    return LookedCells(
        cell_lon=(column[is_reached] * CELL_DEG).astype(np.float64),
        cell_lat=(row[is_reached] * CELL_DEG).astype(np.float64),
        cell_area_m2=cell_m2[is_reached],
        looked_area_m2=looked_m2[is_reached],
    )


def looked_area_m2(areas: NDArray[np.object_], looked: NDArray[np.object_]) -> NDArray[np.float64]:
    """How much of each area lies in the disjoint looked-at polygons; all in EPSG:6931."""
    if len(areas) == 0 or len(looked) == 0:
        return np.zeros(len(areas))
    shapely.prepare(looked)
    shapely.prepare(areas)
    by, of = shapely.STRtree(areas).query(looked, predicate="intersects")
    shared_m2 = np.full(len(of), np.nan)
    is_whole = shapely.covers(looked[by], areas[of])
    shared_m2[is_whole] = shapely.area(areas[of[is_whole]])
    is_inside = ~is_whole & shapely.covers(areas[of], looked[by])
    shared_m2[is_inside] = shapely.area(looked[by[is_inside]])
    is_part = ~is_whole & ~is_inside
    shared_m2[is_part] = shapely.area(shapely.intersection(areas[of[is_part]], looked[by[is_part]]))
    return np.bincount(of, weights=shared_m2, minlength=len(areas)).astype(np.float64)


def _union_area_m2(
    pieces: NDArray[np.object_], owner: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The owners, and the area of the union of each one's pieces."""
    order = np.argsort(owner, kind="stable")
    pieces, owner = pieces[order], owner[order]
    owners, first, count = np.unique(owner, return_index=True, return_counts=True)
    area_m2 = np.asarray(shapely.area(pieces[first]), dtype=np.float64)
    for several in np.flatnonzero(count > 1):
        mine = pieces[first[several] : first[several] + count[several]]
        area_m2[several] = shapely.area(shapely.union_all(mine))
    return owners, area_m2


def _by_tile(
    looks: NDArray[np.object_],
) -> Iterator[tuple[NDArray[np.object_], NDArray[np.intp]]]:
    """Per tile that looks reach: what of them lies in it, and which looks those are."""
    if len(looks) == 0:
        return
    low_x, low_y, high_x, high_y = np.floor(shapely.total_bounds(looks) / _TILE_M)
    if low_x == high_x and low_y == high_y:
        yield looks, np.arange(len(looks))
        return
    corner = np.stack(
        np.meshgrid(np.arange(low_x, high_x + 1), np.arange(low_y, high_y + 1)), axis=-1
    ).reshape(-1, 2)
    tiles = shapely.box(*(corner * _TILE_M).T, *((corner + 1) * _TILE_M).T)
    tile, look = shapely.STRtree(looks).query(tiles, predicate="intersects")
    for number in np.unique(tile):
        of_look = look[tile == number]
        clipped = as_multipolygons(shapely.intersection(looks[of_look], tiles[number]))
        is_there = ~shapely.is_empty(clipped)
        if is_there.any():
            yield clipped[is_there], of_look[is_there]


def _overlay(
    looks: NDArray[np.object_], is_measured: NDArray[np.bool_]
) -> Iterator[tuple[tuple[Basis, int], shapely.Geometry]]:
    """The looks' disjoint parts, dissolved by what counts there.

    All edges are noded on a grid, every face between them lies wholly inside or outside each
    look, and a point on its surface tells which.
    """
    edges = shapely.union_all(shapely.boundary(looks), grid_size=_NODING_GRID_M)
    faces = shapely.get_parts(shapely.polygonize([edges]))
    shapely.prepare(looks)
    look, face = shapely.STRtree(shapely.point_on_surface(faces)).query(
        looks, predicate="intersects"
    )
    n_measured = np.bincount(face[is_measured[look]], minlength=len(faces))
    n_assumed = np.bincount(face[~is_measured[look]], minlength=len(faces))
    n_assumed[n_measured > 0] = 0
    counts: tuple[tuple[Basis, NDArray[np.intp]], ...] = (
        ("measured", n_measured),
        ("assumed", n_assumed),
    )
    for basis, count in counts:
        for n_looks in np.unique(count[count > 0]):
            yield (basis, int(n_looks)), shapely.coverage_union_all(faces[count == n_looks])


def _counted_area(basis: Basis, n_looks: int, pieces: list[shapely.Geometry]) -> CountedArea:
    geometry = as_multipolygons(np.array([_join(pieces)], dtype=object))[0]
    return CountedArea(
        basis=basis, n_looks=n_looks, area_m2=float(shapely.area(geometry)), geometry=geometry
    )


def _join(pieces: list[shapely.Geometry]) -> shapely.Geometry:
    """The tiles' pieces as one geometry; they meet along the tiles' edges.

    Mostly both sides of such an edge have the same vertices and the quick way does. Where one
    side rounded a vertex onto the edge that the other side lacks, all is noded once more.
    """
    with suppress(shapely.GEOSException):
        joined = shapely.coverage_union_all(pieces)
        if shapely.is_valid(joined):
            return joined
    return shapely.union_all(pieces, grid_size=_NODING_GRID_M)


def _cells_near(
    parts: NDArray[np.object_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row, in cells from (0° E, 0° N), of every cell that the bounds touch."""
    n_columns, n_rows = round(360 / CELL_DEG), round(180 / CELL_DEG)
    is_near = np.zeros((n_columns, n_rows), dtype=bool)
    west, south, east, north = np.floor(_lonlat_bounds(parts) / CELL_DEG).astype(np.int64)
    for first, low, last, high in zip(west, south, east, north, strict=True):
        columns = np.arange(first, min(last, first + n_columns - 1) + 1) % n_columns
        is_near[columns, max(low + n_rows // 2, 0) : high + n_rows // 2 + 1] = True
    column, row = np.nonzero(np.roll(is_near, n_columns // 2, axis=0))
    return column - n_columns // 2, row - n_rows // 2


def _lonlat_bounds(parts: NDArray[np.object_]) -> NDArray[np.float64]:
    """West, south, east, north (4, n) in degrees; east > 180 where it crosses the date line.

    A polygon that reaches both the 180th and the zero meridian, or the pole, has all longitudes.
    """
    if len(parts) == 0:
        return np.empty((4, 0))
    xy, part = shapely.get_coordinates(parts, return_index=True)
    lon, lat = transformer(METRIC_CRS, LONLAT_CRS).transform(xy[:, 0], xy[:, 1])
    reaches_180 = shapely.intersects(parts, shapely.LineString([(0.0, 0.0), (0.0, _PLANE_M)]))
    reaches_zero = shapely.intersects(parts, shapely.LineString([(0.0, 0.0), (0.0, -_PLANE_M)]))
    lon = np.where(reaches_180[part] & (lon < 0.0), lon + 360.0, lon)
    first = np.flatnonzero(np.diff(part, prepend=-1))
    west = np.minimum.reduceat(lon, first) - _BOUNDS_PAD_DEG
    east = np.maximum.reduceat(lon, first) + _BOUNDS_PAD_DEG
    south = np.minimum.reduceat(lat, first) - _BOUNDS_PAD_DEG
    north = np.maximum.reduceat(lat, first) + _BOUNDS_PAD_DEG
    is_round = reaches_180 & reaches_zero
    west[is_round], east[is_round] = -180.0, 179.9
    north[shapely.intersects(parts, shapely.Point(0.0, 0.0))] = 90.0
    return np.stack([west, south, east, north])


def _cell_polygons(column: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.object_]:
    """The cells as EPSG:6931 polygons."""
    step = np.linspace(0.0, CELL_DEG, _CELL_STEPS + 1)
    lon = column[:, None] * CELL_DEG + np.concatenate([step, step[::-1]])
    lat = row[:, None] * CELL_DEG + np.repeat([0.0, CELL_DEG], _CELL_STEPS + 1)
    x, y = transformer(LONLAT_CRS, METRIC_CRS).transform(lon.ravel(), lat.ravel())
    ring = np.repeat(np.arange(len(column)), lon.shape[1])
    rings = shapely.linearrings(np.column_stack([x, y]), indices=ring)
    return np.asarray(shapely.polygons(rings), dtype=object)
