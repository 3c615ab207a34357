"""Polygons as someone drew them, made fit to measure: two-dimensional, valid, in EPSG:6931.

Validity is judged in EPSG:6931, which has no date line: in lon/lat a polygon across 180 degrees
looks broken where it is whole. Rings that cross themselves are rebuilt by GEOS's `structure`
method: what a slip of the pen encloses twice stays inside, as the person meant; the `linework`
method would cut it out as a hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely

from rts_track import grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_AREA_M2 = 0.01
"""Anything smaller is no area: a square of the 0.1 m to which an outline's identity is rounded."""

FLATNESS = 1e-12
"""Area over squared length of rings below which a polygon is a line, but for rounding errors."""

_POLYGONAL = (
    shapely.GeometryType.POLYGON,
    shapely.GeometryType.MULTIPOLYGON,
    shapely.GeometryType.GEOMETRYCOLLECTION,
)
_TYPE_NAMES = {int(kind): kind.name.capitalize() for kind in shapely.GeometryType}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What became of each polygon, in the order in which they came.

    `geometry` is a valid EPSG:6931 MultiPolygon, None where there was a `fault`, which says why
    (None where there was none). The flags say what was mended. `area_before_m2` is the area of
    the outline as it came, in EPSG:6931: twice-enclosed parts count twice, the lobes of a figure
    of eight against each other; NaN where there was a fault.
    """

    geometry: NDArray[np.object_]
    fault: NDArray[np.object_]
    had_z: NDArray[np.bool_]
    had_other_parts: NDArray[np.bool_]
    was_invalid: NDArray[np.bool_]
    area_before_m2: NDArray[np.float64]


def read_wkb(
    values: Sequence[bytes | None] | NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """The geometries of WKB values, and which of them had a ring that had to be closed.

    None where the value is None or cannot be read (curves cannot).
    """
    wkb = np.asarray(values, dtype=object)
    with np.errstate(invalid="ignore"):  # NaN coordinates are a fault that `clean` names
        geometries = np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object)
    is_unread = shapely.is_missing(geometries) & np.array(
        [value is not None for value in wkb], dtype=bool
    )
    geometries[is_unread] = [_closed(value) for value in wkb[is_unread]]
    return geometries, is_unread & ~shapely.is_missing(geometries)


def clean(geometries: NDArray[np.object_], crs: str) -> Cleaned:
    """The polygons in EPSG:6931, whole across 180 degrees, mended or refused with a reason."""
    count = len(geometries)
    fault = _first_faults(geometries)
    cleaned = np.full(count, None, dtype=object)
    was_invalid = np.zeros(count, dtype=bool)
    area_before_m2 = np.full(count, np.nan)
    kept = np.flatnonzero(fault == None)  # noqa: E711  elementwise
    if len(kept):
        whole, was_invalid[kept], area_before_m2[kept] = _whole(geometries[kept], crs)
        cleaned[kept] = whole
        fault[kept[shapely.is_missing(whole)]] = f"lies outside its CRS ({crs})"
        is_flat = ~shapely.is_missing(whole) & ~(shapely.area(whole) >= MIN_AREA_M2)
        fault[kept[is_flat]] = "zero area"
    is_bad = fault != None  # noqa: E711  elementwise
    cleaned[is_bad] = None
    area_before_m2[is_bad] = np.nan
    return Cleaned(
        geometry=cleaned,
        fault=fault,
        had_z=_has_z(geometries) & ~is_bad,
        had_other_parts=_has_other_parts(geometries) & ~is_bad,
        was_invalid=was_invalid & ~is_bad,
        area_before_m2=area_before_m2,
    )


def _closed(value: bytes) -> shapely.Geometry | None:
    return shapely.from_wkb(value, on_invalid="fix")


def _first_faults(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Why a geometry cannot be an outline at all; None where it can."""
    fault = np.full(len(geometries), None, dtype=object)
    kind = shapely.get_type_id(geometries)
    other = ~np.isin(kind, _POLYGONAL)
    fault[other] = [f"{_TYPE_NAMES.get(int(k), 'no')} geometry, not a polygon" for k in kind[other]]
    collections = np.flatnonzero(kind == shapely.GeometryType.GEOMETRYCOLLECTION)
    polygons = grid.as_multipolygons(geometries[collections])
    fault[collections[shapely.is_empty(polygons)]] = "collection without a polygon"
    fault[shapely.is_empty(geometries)] = "empty geometry"
    fault[shapely.is_missing(geometries)] = "no geometry"
    fault[_has_nonfinite(geometries)] = "NaN or infinite coordinate"
    sound = np.flatnonzero(fault == None)  # noqa: E711  elementwise
    fault[sound[_is_flat(geometries[sound])]] = "zero area"
    return fault


def _is_flat(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether all vertices lie on a line, in their own CRS: carried over, the line may bend.

    The lobes of a figure of eight may cancel each other without its being flat.
    """
    least = FLATNESS * shapely.length(geometries) ** 2
    is_flat = shapely.area(geometries) <= least
    rebuilt = shapely.make_valid(geometries[is_flat], method="structure")
    is_flat[is_flat] = shapely.area(rebuilt) <= least[is_flat]
    return np.asarray(is_flat)


def _has_nonfinite(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    xy, owner = shapely.get_coordinates(geometries, return_index=True)
    flagged = np.zeros(len(geometries), dtype=bool)
    flagged[owner[~np.isfinite(xy).all(axis=1)]] = True
    return flagged


def _has_z(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    return np.asarray(shapely.has_z(geometries) | shapely.has_m(geometries), dtype=bool)


def _has_other_parts(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether points or lines travel with the polygons."""
    flagged = np.zeros(len(geometries), dtype=bool)
    is_collection = shapely.get_type_id(geometries) == shapely.GeometryType.GEOMETRYCOLLECTION
    for number in np.flatnonzero(is_collection):
        kinds = shapely.get_type_id(shapely.get_parts(geometries[number]))
        flagged[number] = not np.isin(kinds, _POLYGONAL).all()
    return flagged


def _whole(
    geometries: NDArray[np.object_], crs: str
) -> tuple[NDArray[np.object_], NDArray[np.bool_], NDArray[np.float64]]:
    """Valid EPSG:6931 MultiPolygons (None outside the CRS), what was invalid, and area before.

    Parts are carried over and mended one by one, and only then joined: GEOS refuses to unite the
    two halves of a polygon split at 180 degrees while one of them crosses itself.
    """
    count = len(geometries)
    parts, owner = shapely.get_parts(_without_collections(geometries), return_index=True)
    moved = grid.to_metric(parts, crs)
    is_lost = np.zeros(count, dtype=bool)
    is_lost[owner[_has_nonfinite(moved) | _is_beyond_a_turn(parts, crs)]] = True
    moved, owner = moved[~is_lost[owner]], owner[~is_lost[owner]]

    area_before_m2 = np.zeros(count)
    np.add.at(area_before_m2, owner, shapely.area(moved))
    is_invalid = ~shapely.is_valid(moved)
    was_invalid = np.zeros(count, dtype=bool)
    was_invalid[owner[is_invalid]] = True
    if is_invalid.any():
        moved, owner = _mended(moved, owner, is_invalid)
    whole, were_overlapping = _joined(moved, owner, count)
    whole[is_lost] = None
    return whole, was_invalid | were_overlapping, area_before_m2


def _is_beyond_a_turn(parts: NDArray[np.object_], crs: str) -> NDArray[np.bool_]:
    """Whether longitudes lie more than a turn off: 190 is a way to write -170, 400 a slip."""
    declared = pyproj.CRS(crs)
    if not declared.is_geographic:
        return np.zeros(len(parts), dtype=bool)
    turn = 2.0 * np.pi / declared.axis_info[0].unit_conversion_factor
    bounds = shapely.bounds(parts)
    return np.asarray((bounds[:, 0] < -turn) | (bounds[:, 2] > turn))


def _without_collections(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """The geometries, collections replaced by the polygons in them."""
    is_collection = shapely.get_type_id(geometries) == shapely.GeometryType.GEOMETRYCOLLECTION
    polygonal = geometries.copy()
    polygonal[is_collection] = grid.as_multipolygons(geometries[is_collection])
    return polygonal


def _mended(
    parts: NDArray[np.object_], owner: NDArray[np.int64], is_invalid: NDArray[np.bool_]
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """The parts, invalid ones replaced by the valid polygons they make, in their owners' order."""
    rebuilt = grid.as_multipolygons(shapely.make_valid(parts[is_invalid], method="structure"))
    pieces, at = shapely.get_parts(rebuilt, return_index=True)
    parts = np.concatenate([parts[~is_invalid], pieces])
    owner = np.concatenate([owner[~is_invalid], owner[is_invalid][at]])
    order = np.argsort(owner, kind="stable")
    return parts[order], owner[order]


def _joined(
    parts: NDArray[np.object_], owner: NDArray[np.int64], count: int
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """The valid parts of each owner as one valid MultiPolygon, and whose parts overlapped."""
    whole = np.full(count, shapely.MultiPolygon(), dtype=object)
    if len(parts):
        shapely.multipolygons(parts, indices=owner, out=whole)
    several = np.flatnonzero(shapely.get_num_geometries(whole) > 1)
    joined = grid.to_metric(whole[several], grid.METRIC_CRS)
    is_invalid = ~shapely.is_valid(joined)
    joined[is_invalid] = shapely.make_valid(joined[is_invalid], method="structure")
    lost_m2 = shapely.area(whole[several]) - shapely.area(joined)
    is_overlapping = is_invalid | (lost_m2 > grid.SEAM_GRID_M * shapely.length(joined))
    whole[several] = grid.as_multipolygons(joined)
    were_overlapping = np.zeros(count, dtype=bool)
    were_overlapping[several] = is_overlapping
    return whole, were_overlapping
