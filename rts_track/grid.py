"""Where things are: the equal-area plane that everything is measured in, and lon/lat at the edges.

Geometry is computed in EPSG:6931 (Lambert azimuthal equal-area about the North Pole): areas are
exact and there is no date line. Its lengths are not: along a meridian they shrink by the factor
1/k by which they grow along a parallel, k = rho / (a m), m = cos(lat) / sqrt(1 - e^2 sin^2(lat))
(Snyder 1987, USGS Professional Paper 1395, p. 187-190). Lengths are therefore taken in the
ground's east and north, where k is known at every point.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRIC_CRS = "EPSG:6931"
LONLAT_CRS = "EPSG:4326"
SEAM_GRID_M = 1e-3
"""Halves of a polygon that was split at 180 degrees are joined on this grid, in metres."""
MAX_SEGMENT_M = 1000.0
"""Edges of large areas (looks, regions) are divided to this length before they change CRS."""

_PLANE_M = 2e7
_SEAM = shapely.LineString([(0.0, 0.0), (0.0, _PLANE_M)])
"""The 180th meridian; eastern longitudes have x > 0."""
_EASTERN = shapely.box(0.0, -_PLANE_M, _PLANE_M, _PLANE_M)
_WESTERN = shapely.box(-_PLANE_M, -_PLANE_M, 0.0, _PLANE_M)
_AROUND_POLE = shapely.Point(0.0, 0.0).buffer(1.0)
_SEMI_MAJOR_M = 6378137.0
_ECCENTRICITY_2 = 0.00669437999014


@cache
def transformer(from_crs: str, to_crs: str) -> pyproj.Transformer:
    """The transformation between two CRS, longitude before latitude."""
    return pyproj.Transformer.from_crs(from_crs, to_crs, always_xy=True)


def to_metric(geometries: NDArray[np.object_], crs: str = LONLAT_CRS) -> NDArray[np.object_]:
    """The 2-D geometries in EPSG:6931; halves split at 180 degrees are one polygon again.

    Vertices are carried over, edges are not densified (see `densify`). A polygon whose
    vertices lie on both sides of the date line needs no care: the plane has none.
    """
    if len(geometries) == 0:
        return np.empty(0, dtype=object)
    moved = _carry(geometries, transformer(crs, METRIC_CRS))
    is_split = (shapely.get_num_geometries(moved) > 1) & _touches_seam(moved)
    if is_split.any():
        moved[is_split] = [_joined_at_seam(geometry) for geometry in moved[is_split]]
    return moved


def to_lonlat(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """The EPSG:6931 polygons as valid WGS 84 MultiPolygons, split at the antimeridian.

    They may lie around the pole: the metre about it, which has no longitude, is left out.
    """
    if len(geometries) == 0:
        return np.empty(0, dtype=object)
    lonlat = _carry(geometries, transformer(METRIC_CRS, LONLAT_CRS))
    crosses = shapely.intersects(geometries, _SEAM)
    if crosses.any():
        lonlat[crosses] = [_split_at_antimeridian(geometry) for geometry in geometries[crosses]]
    is_bad = ~shapely.is_valid(lonlat)
    if is_bad.any():
        lonlat[is_bad] = shapely.make_valid(lonlat[is_bad], method="structure")
    return as_multipolygons(lonlat)


def as_multipolygons(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Each geometry's polygons as one MultiPolygon; lines and points in it are left out."""
    parts, index = shapely.get_parts(geometries, return_index=True)
    nested = shapely.get_type_id(parts) == shapely.GeometryType.MULTIPOLYGON
    if nested.any():
        parts, inner = shapely.get_parts(parts, return_index=True)
        index = index[inner]
    is_polygon = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    multipolygons = np.full(len(geometries), shapely.MultiPolygon(), dtype=object)
    parts, index = parts[is_polygon], index[is_polygon]
    if len(parts):
        shapely.multipolygons(parts, indices=index, out=multipolygons)
    return multipolygons


def densify(geometries: NDArray[np.object_], crs: str = LONLAT_CRS) -> NDArray[np.object_]:
    """The geometries with edges of at most about a kilometre, in their own CRS.

    Polygons that cross themselves are mended first: GEOS would drop one of their lobes.
    """
    is_geographic = pyproj.CRS.from_user_input(crs).is_geographic
    step = MAX_SEGMENT_M / 111_000.0 if is_geographic else MAX_SEGMENT_M
    mended = geometries.copy()
    is_bad = ~shapely.is_valid(geometries) & ~shapely.is_missing(geometries)
    mended[is_bad] = shapely.make_valid(geometries[is_bad], method="structure")
    return np.asarray(shapely.segmentize(mended, step), dtype=object)


def point_lonlat(
    geometries: NDArray[np.object_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of a point on the surface of each EPSG:6931 polygon."""
    points = shapely.get_coordinates(shapely.point_on_surface(geometries))
    lon, lat = transformer(METRIC_CRS, LONLAT_CRS).transform(points[:, 0], points[:, 1])
    return np.asarray(lon), np.asarray(lat)


def scale(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The factor k by which EPSG:6931 stretches lengths along the parallel at each point."""
    rho = np.hypot(x, y)
    _, lat = transformer(METRIC_CRS, LONLAT_CRS).transform(x, y)
    sin_lat = np.sin(np.radians(lat))
    cos_lat = np.sqrt(np.maximum(1.0 - sin_lat**2, 1e-30))
    m = cos_lat / np.sqrt(1.0 - _ECCENTRICITY_2 * sin_lat**2)
    return np.where(rho < 1.0, 1.0, rho / (_SEMI_MAJOR_M * m))


def to_ground(
    dx: NDArray[np.float64], dy: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Metres east and north on the ground for a small EPSG:6931 displacement at (x, y)."""
    rho = np.maximum(np.hypot(x, y), 1e-9)
    k = scale(x, y)
    east = (dx * -y + dy * x) / rho / k
    north = -(dx * x + dy * y) / rho * k
    return east, north


def from_ground(
    east_m: NDArray[np.float64] | float,
    north_m: NDArray[np.float64] | float,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The EPSG:6931 displacement at (x, y) of so many metres east and north on the ground."""
    rho = np.maximum(np.hypot(x, y), 1e-9)
    k = scale(x, y)
    along, inward = east_m * k, north_m / k
    return (along * -y - inward * x) / rho, (along * x - inward * y) / rho


def perimeter_m(geometries: NDArray[np.object_]) -> NDArray[np.float64]:
    """Length on the ground of all rings of each EPSG:6931 polygon, in metres."""
    rings, ring_owner = _rings(geometries)
    xy, ring_of_vertex = shapely.get_coordinates(rings, return_index=True)
    if len(xy) == 0:
        return np.zeros(len(geometries))
    same_ring = ring_of_vertex[1:] == ring_of_vertex[:-1]
    step = np.diff(xy, axis=0)[same_ring]
    start = xy[:-1][same_ring]
    east, north = to_ground(step[:, 0], step[:, 1], start[:, 0], start[:, 1])
    owner = ring_owner[ring_of_vertex[:-1][same_ring]]
    length_m = np.hypot(east, north)
    return np.bincount(owner, length_m, len(geometries)).astype(np.float64)


def _rings(geometries: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    parts, part_owner = shapely.get_parts(geometries, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    owner: NDArray[np.int64] = part_owner[ring_part].astype(np.int64)
    return rings, owner


def _carry(geometries: NDArray[np.object_], by: pyproj.Transformer) -> NDArray[np.object_]:
    flat = shapely.force_2d(geometries)
    xy = shapely.get_coordinates(flat)
    x, y = by.transform(xy[:, 0], xy[:, 1])
    return np.asarray(shapely.set_coordinates(flat, np.column_stack([x, y])))


def _touches_seam(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether each EPSG:6931 geometry reaches the 180th meridian (x = 0, y > 0)."""
    bounds = shapely.bounds(geometries)
    near = SEAM_GRID_M
    return np.asarray((bounds[:, 0] <= near) & (bounds[:, 2] >= -near) & (bounds[:, 3] > 0.0))


def _joined_at_seam(geometry: shapely.Geometry) -> shapely.Geometry:
    """The EPSG:6931 polygon with those of its parts joined that meet at the 180th meridian."""
    parts = shapely.get_parts(geometry)
    is_near = _touches_seam(parts)
    joined = shapely.union_all(parts[is_near], grid_size=SEAM_GRID_M)
    if is_near.all():
        return joined
    return shapely.MultiPolygon([*parts[~is_near], *shapely.get_parts(joined)])


def _split_at_antimeridian(geometry: shapely.Geometry) -> shapely.Geometry:
    """The EPSG:6931 polygon as lon/lat, cut along the 180th meridian.

    Each half of the plane has longitudes of one sign; the halves are joined again where they
    meet at 0 degrees.
    """
    if not shapely.is_valid(geometry):
        geometry = shapely.make_valid(geometry, method="structure")
    without_pole = shapely.difference(geometry, _AROUND_POLE)
    halves = []
    for sign, half_plane in ((1.0, _EASTERN), (-1.0, _WESTERN)):
        parts = shapely.get_parts(shapely.intersection(without_pole, half_plane))
        is_wide = shapely.area(parts) > SEAM_GRID_M * shapely.length(parts)
        half = _carry(parts[is_wide], transformer(METRIC_CRS, LONLAT_CRS))
        halves.append(_with_longitudes_of(sign, half))
    return shapely.union_all(shapely.make_valid(np.concatenate(halves), method="structure"))


def _with_longitudes_of(sign: float, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """The lon/lat geometries of one half of the plane; on its edge 180 may have come as -180."""
    xy = shapely.get_coordinates(geometries)
    xy[:, 0] = sign * np.abs(xy[:, 0])
    return np.asarray(shapely.set_coordinates(geometries, xy))
