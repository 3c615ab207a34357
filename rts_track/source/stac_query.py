"""What is asked of a STAC API: which items, where, when, and under how much cloud."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from rts_track import grid
from rts_track.errors import UsageError
from rts_track.source.looks import checked_area, read_areas
from rts_track.source.stac_item import is_address
from rts_track.source.vector import open_vector

if TYPE_CHECKING:
    from rts_track.source.dates import Period

Bbox = tuple[float, float, float, float]
"""West, south, east, north in degrees; west is not east of east."""

_MOST_VERTICES = 200
"""An area of more is asked for as its hull: servers turn away long questions."""
_MARGIN_M = 1000.0
"""By which an area is widened before its outline is simplified, so that nothing of it is lost."""
_SIMPLIFIED_M = 400.0
_SIMPLIFIED_DEG = 0.004
"""How far an outline may move, first in metres, then in degrees: about as far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StacQuery:
    """A question to a STAC API.

    Attributes:
        api: address of its landing page.
        collections: ids of collections.
        bboxes: where; a box across 180 degrees is two.
        intersects: where, as a GeoJSON geometry in degrees.
        from_on: first day; None for none.
        to_on: last day, likewise.
        max_cloud_percent: the most cloud that an item may state; those that state none are left
            out, too. None for any.
        limit: how many items at most; None for all.
    """

    api: str
    collections: tuple[str, ...]
    bboxes: tuple[Bbox, ...] = ()
    intersects: dict[str, Any] | None = None
    from_on: dt.date | None = None
    to_on: dt.date | None = None
    max_cloud_percent: float | None = None
    limit: int | None = None

    @property
    def places(self) -> tuple[dict[str, Any], ...]:
        """Where, as one question each; one for everywhere, if no place is named."""
        if self.intersects is not None:
            return ({"intersects": self.intersects},)
        return tuple({"bbox": list(bbox)} for bbox in self.bboxes) or ({},)

    @property
    def days(self) -> str | None:
        """When, as an API is asked; None for any time."""
        if self.from_on is None and self.to_on is None:
            return None
        first, last = (day.isoformat() if day else ".." for day in (self.from_on, self.to_on))
        return f"{first}/{last}"


def stac_query(
    api: str,
    collections: Sequence[str],
    *,
    bbox: str | None = None,
    area: Path | None = None,
    from_: Period | None = None,
    to: Period | None = None,
    max_cloud_percent: float | None = None,
    limit: int | None = None,
) -> StacQuery:
    """The question that a user's words ask.

    Args:
        api: address of the API's landing page.
        collections: ids of collections, one at least.
        bbox: "west,south,east,north" in degrees; west of more than east crosses 180 degrees.
        area: file of polygons that scenes must meet.
        from_: first day, or a month.
        to: last day, likewise.
        max_cloud_percent: the most cloud, in per cent.
        limit: how many items at most.

    Raises:
        UsageError: they cannot be asked; InputError: the area's file cannot be read.
    """
    if not is_address(api):
        raise UsageError(f"--stac {api}: expected the address of an API, https://...")
    if not collections:
        raise UsageError("--stac: which of its collections? Give --collection NAME")
    if bbox and area:
        raise UsageError("give --bbox or --area, not both")
    if not (bbox or area or limit):
        raise UsageError("--stac: where? Give --bbox or --area, or --limit N for just any scenes")
    if max_cloud_percent is not None and not 0.0 <= max_cloud_percent <= 100.0:
        raise UsageError(f"--max-cloud {max_cloud_percent:g}: expected per cent, 0 to 100")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: expected 1 or more")
    if from_ and to and from_.from_on > to.to_on:
        raise UsageError(f"--from {from_} is after --to {to}")
    return StacQuery(
        api=api,
        collections=tuple(collections),
        bboxes=bboxes_in(bbox) if bbox else (),
        intersects=_intersects(area) if area else None,
        from_on=from_.from_on if from_ else None,
        to_on=to.to_on if to else None,
        max_cloud_percent=max_cloud_percent,
        limit=limit,
    )


def bboxes_in(text: str) -> tuple[Bbox, ...]:
    """The box that "west,south,east,north" says, as two where it crosses 180 degrees.

    UsageError where it is none.
    """
    try:
        west, south, east, north = (float(number) for number in text.split(","))
    except ValueError:
        raise _no_bbox(text) from None
    is_one = -90.0 <= south < north <= 90.0 and west != east
    if not (is_one and abs(west) <= 360.0 and abs(east) <= 360.0):
        raise _no_bbox(text)
    if east - west >= 360.0:
        return ((-180.0, south, 180.0, north),)
    west, east = _wrapped(west), _wrapped(east)
    if west <= east:
        return ((west, south, east, north),)
    parts = ((west, south, 180.0, north), (-180.0, south, east, north))
    return tuple(part for part in parts if part[0] < part[2])


def _no_bbox(text: str) -> UsageError:
    return UsageError(
        f"--bbox {text}: expected west,south,east,north in degrees, such as --bbox"
        " -136.5,67.9,-135.0,68.6"
    )


def _wrapped(lon: float) -> float:
    """The longitude in -180..180."""
    return lon if -180.0 <= lon <= 180.0 else (lon + 180.0) % 360.0 - 180.0


def _intersects(file: Path) -> dict[str, Any]:
    """The polygons of a file, and not much around them, as one GeoJSON geometry in degrees.

    It is split at 180 degrees. InputError where the file cannot be read, UsageError where it holds
    the pole.
    """
    areas, _, _ = read_areas(open_vector(file))
    whole = shapely.union_all([area.geometry for area in areas])
    checked_area(whole, str(file), "name the areas around it, or use --bbox")
    wide = shapely.buffer(whole, _MARGIN_M, quad_segs=2)
    whole = shapely.simplify(wide, _SIMPLIFIED_M)
    if shapely.get_num_coordinates(whole) > _MOST_VERTICES:
        whole = shapely.simplify(shapely.convex_hull(wide), _SIMPLIFIED_M)
        checked_area(whole, f"the hull of {file}", "use --bbox, or several searches")
    dense = grid.densify(np.array([whole], dtype=object), grid.METRIC_CRS)
    (lonlat,) = grid.to_lonlat(dense)
    simple = shapely.simplify(lonlat, _SIMPLIFIED_DEG)
    parts = [part for part in shapely.get_parts(simple) if not part.is_empty]
    polygons = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    return dict(shapely.geometry.mapping(polygons))
