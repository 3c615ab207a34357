"""What is measured on a polygon, and what makes two outlines the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

IDENTITY_DECIMALS = 1
"""Outlines whose vertices agree to 0.1 m are the same: finer than any source, coarser than what
a change of file format or of PROJ's version moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Area in m2 (EPSG:6931), length of all rings in metres on the ground, a point on each."""

    area_m2: NDArray[np.float64]
    perimeter_m: NDArray[np.float64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]


def measure(polygons: NDArray[np.object_]) -> Measures:
    """The measures of valid EPSG:6931 polygons; empty arrays for none."""
    if len(polygons) == 0:
        none = np.empty(0)
        return Measures(area_m2=none, perimeter_m=none, lon=none, lat=none)
    lon, lat = grid.point_lonlat(polygons)
    return Measures(
        area_m2=np.asarray(shapely.area(polygons)),
        perimeter_m=grid.perimeter_m(polygons),
        lon=lon,
        lat=lat,
    )


def outline_digests(polygons: NDArray[np.object_]) -> list[str]:
    """SHA-256 of each EPSG:6931 polygon, blind to vertex order and to anything below 0.1 m.

    Coordinates are rounded before the rings are put in order: noise in the last digits then
    cannot decide which vertex comes first.
    """
    if len(polygons) == 0:
        return []
    is_plain = shapely.get_type_id(polygons) != shapely.GeometryType.MULTIPOLYGON
    alike = polygons.copy()
    alike[is_plain] = grid.as_multipolygons(polygons[is_plain])
    rounded = shapely.transform(alike, _round)
    wkb = shapely.to_wkb(shapely.normalize(rounded), byte_order=1)
    return [hashlib.sha256(value).hexdigest() for value in wkb]


def touches_border(
    polygons: NDArray[np.object_], area: shapely.Geometry, within_m: float
) -> NDArray[np.bool_]:
    """Whether each EPSG:6931 polygon comes as near as `within_m` to the border of `area`."""
    border = shapely.boundary(area)
    shapely.prepare(border)
    return np.asarray(shapely.dwithin(border, polygons, within_m), dtype=bool)


def _round(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(xy, IDENTITY_DECIMALS) + 0.0  # no negative zero
