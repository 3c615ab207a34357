"""Areas that were looked at, and extents of scenes: read from files, stated, or drawn round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import pyproj
import shapely

from rts_track import grid
from rts_track.domain import THAW_SEASON
from rts_track.errors import InputError, UsageError
from rts_track.polygon.clean import clean, read_wkb
from rts_track.source.dates import Period, period_of, season_of
from rts_track.source.fields import gsd_of
from rts_track.source.inventory import Fault, LookArea, look_id_of

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

    from rts_track.source.dates import Seen
    from rts_track.source.fields import Fields
    from rts_track.source.vector import Row, VectorFile

HULL_MARGIN_M = 500.0
"""How far beyond its outermost footprints a search is assumed to have gone."""

_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 32, endpoint=False)
_POLE = shapely.Point(0.0, 0.0)

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One area of a file, in EPSG:6931, and what the file says of it; `name` is `stem:row`."""

    name: str
    row: Row
    geometry: shapely.Geometry


def read_areas(file: VectorFile) -> tuple[list[Area], list[Fault], list[Fault]]:
    """The areas of a file in its order; what was repaired; what had to be skipped, and why."""
    areas: list[Area] = []
    repaired: list[Fault] = []
    skipped: list[Fault] = []
    for batch in file.batches():
        drawn, _ = read_wkb(batch.wkb)
        dense = _densified(drawn, file.crs)
        was_mended = shapely.is_valid(dense) & ~shapely.is_valid(drawn)
        cleaned = clean(dense, file.crs)
        for at, (row, geometry) in enumerate(zip(batch.rows, cleaned.geometry, strict=True)):
            name = f"{file.stem}:{batch.first_row + at}"
            if geometry is None:
                skipped.append(Fault(name, str(cleaned.fault[at])))
                continue
            if cleaned.was_invalid[at] or was_mended[at]:
                repaired.append(Fault(name, "self-intersection repaired"))
            areas.append(Area(name=name, row=row, geometry=geometry))
    if not areas:
        raise InputError(f"{file.path}: none of its polygons can be used ({skipped[0].reason})")
    return areas, repaired, skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedArea:
    """What a user says was looked at: by season, or the same in every season.

    A season's period is None where the file gives no dates for it.
    """

    unit: str
    by_season: dict[int, tuple[shapely.Geometry, Period | None]]
    everywhere: shapely.Geometry | None

    def of(self, season_year: int) -> shapely.Geometry | None:
        """The area of that season; None where none is stated."""
        return self.by_season.get(season_year, (self.everywhere, None))[0]

    def look_id(self, source: str, season_year: int) -> str:
        """The id of that season's look."""
        return look_id_of(source, self.unit, season_year, "assumed")


def stated_area(file: VectorFile, season_field: str | None, date_field: str | None) -> StatedArea:
    """What the file's polygons say was looked at, by season where it has one of the fields.

    InputError where a polygon's season cannot be told.
    """
    areas, _, skipped = read_areas(file)
    if skipped:
        raise InputError(f"{skipped[0].source_feature_id}: {skipped[0].reason}")
    fields = [name for name in (season_field, date_field) if name in file.fields]
    if not fields:
        whole = shapely.union_all([area.geometry for area in areas])
        return StatedArea(unit=file.stem, by_season={}, everywhere=whole)
    by_season: dict[int, list[tuple[shapely.Geometry, Period | None]]] = {}
    for area in areas:
        season, period = _season_and_period(area, season_field, date_field)
        by_season.setdefault(season, []).append((area.geometry, period))
    return StatedArea(
        unit=file.stem,
        by_season={season: _united(parts) for season, parts in by_season.items()},
        everywhere=None,
    )


def image_looks(file: VectorFile, source: str, fields: Fields) -> list[LookArea]:
    """The measured looks at the images whose footprints the file holds, one an image.

    An image's polygons are united. InputError where a polygon names no image, or its season
    cannot be told.
    """
    areas, _, skipped = read_areas(file)
    if skipped:
        raise InputError(f"{skipped[0].source_feature_id}: {skipped[0].reason}")
    of_image: dict[tuple[str, int], list[Area]] = {}
    for area in areas:
        image = str(area.row.get(str(fields.scene)) or "").strip()
        if not image:
            raise InputError(f"{area.name}: no {fields.scene}")
        season, _ = _season_and_period(area, fields.season, fields.date)
        of_image.setdefault((image, season), []).append(area)
    looks = []
    for (image, season), parts in of_image.items():
        periods = [_season_and_period(part, fields.season, fields.date)[1] for part in parts]
        geometry, period = _united(
            [(part.geometry, when) for part, when in zip(parts, periods, strict=True)]
        )
        begins_on, ends_on = THAW_SEASON.of(season)
        looks.append(
            LookArea(
                source=source,
                unit=f"{source}:{image}",
                season_year=season,
                from_on=period.from_on if period else begins_on,
                to_on=period.to_on if period else ends_on,
                basis="measured",
                geometry=checked_area(geometry, f"image {image}", "cut a hole round it"),
                scene_id=f"{source}:{image}",
                gsd_m=gsd_of(parts[0].row.get(str(fields.gsd)), []) if fields.gsd else None,
            )
        )
    return looks


@dataclass(slots=True, kw_only=True)
class Group:
    """Footprints that belong together, as they come by: seasons, dates, pixels, convex hull."""

    seasons: set[int] = field(default_factory=set)
    from_on: dt.date | None = None
    to_on: dt.date | None = None
    gsd_m: Counter[float] = field(default_factory=Counter)
    hull: shapely.Geometry | None = None

    def add(self, seen: Seen, gsd_m: float | None) -> None:
        """Take in when a footprint was seen, and how finely."""
        self.seasons.add(seen.season_year)
        self.from_on = min(self.from_on or seen.from_on, seen.from_on)
        self.to_on = max(self.to_on or seen.to_on, seen.to_on)
        if gsd_m is not None:
            self.gsd_m[gsd_m] += 1


class Groups(Generic[Key]):
    """Groups of footprints by a key."""

    def __init__(self) -> None:
        """No group yet."""
        self._groups: dict[Key, Group] = {}

    def __iter__(self) -> Iterator[tuple[Key, Group]]:
        """Keys and groups in the order in which they were first met."""
        return iter(self._groups.items())

    def add(
        self,
        keys: Sequence[Key | None],
        seen: Sequence[Seen],
        gsd_m: Sequence[float | None],
        polygons: NDArray[np.object_] | None = None,
    ) -> None:
        """Take in footprints; those whose key is None belong to no group.

        Without polygons the groups have no hulls.
        """
        for key, when, gsd in zip(keys, seen, gsd_m, strict=True):
            if key is not None:
                self._groups.setdefault(key, Group()).add(when, gsd)
        if polygons is None:
            return
        members: dict[Key, list[int]] = {}
        for at, key in enumerate(keys):
            if key is not None:
                members.setdefault(key, []).append(at)
        for key, numbers in members.items():
            group = self._groups[key]
            parts = [*polygons[numbers], *([group.hull] if group.hull is not None else [])]
            group.hull = shapely.convex_hull(shapely.linestrings(shapely.get_coordinates(parts)))


def median_gsd_m(counted: Counter[float]) -> float | None:
    """The ground sampling distance in the middle of those counted; None for none."""
    passed, half = 0, counted.total() / 2
    for gsd in sorted(counted):
        passed += counted[gsd]
        if passed >= half:
            return gsd
    return None


def hull_looks(source: str, groups: Groups[tuple[str, int]]) -> list[LookArea]:
    """The assumed looks of footprints grouped by file and season: their hulls, 500 m wider."""
    return [
        LookArea(
            source=source,
            unit=stem,
            season_year=season,
            from_on=group.from_on,
            to_on=group.to_on,
            basis="assumed",
            geometry=checked_area(
                widened_hull(group.hull, HULL_MARGIN_M),
                f"the hull of {stem} in {season}",
                "say what was looked at with --looked-at FILE",
            ),
        )
        for (stem, season), group in groups
        if group.hull is not None and group.from_on and group.to_on
    ]


def stated_looks(source: str, stated: StatedArea, found: Groups[tuple[str, int]]) -> list[LookArea]:
    """The assumed looks that a user states: of its own seasons, or of all that were found.

    Their dates are the file's, else those of the season's footprints (`found` by file and
    season), else its thaw season.
    """
    seasons = sorted(stated.by_season) or sorted({season for (_, season), _ in found})
    looks = []
    for season in seasons:
        geometry, period = stated.by_season.get(season, (stated.everywhere, None))
        period = period or _dates(season, found)
        looks.append(
            LookArea(
                source=source,
                unit=stated.unit,
                season_year=season,
                from_on=period.from_on,
                to_on=period.to_on,
                basis="assumed",
                geometry=checked_area(geometry, stated.unit, "cut a hole round it"),
            )
        )
    return looks


def widened_hull(hull: shapely.Geometry, margin_m: float) -> shapely.Geometry:
    """The EPSG:6931 convex hull, wider by `margin_m` on the ground in every direction."""
    xy = shapely.get_coordinates(hull)
    x, y = np.repeat(xy, len(_CIRCLE), axis=0).T
    east_m = np.tile(np.cos(_CIRCLE), len(xy)) * margin_m
    north_m = np.tile(np.sin(_CIRCLE), len(xy)) * margin_m
    dx, dy = grid.from_ground(east_m, north_m, x, y)
    return shapely.convex_hull(shapely.multipoints(np.column_stack([x + dx, y + dy])))


def checked_area(geometry: shapely.Geometry | None, what: str, remedy: str) -> shapely.Geometry:
    """The area; UsageError where it holds the pole, which no lon/lat polygon can."""
    if geometry is None or shapely.intersects(geometry, _POLE):
        raise UsageError(f"{what} holds the North Pole: {remedy}")
    return geometry


def areas_lonlat(geometries: Sequence[shapely.Geometry]) -> NDArray[np.object_]:
    """EPSG:6931 areas as WGS 84 MultiPolygons with edges of a kilometre at most."""
    areas = np.empty(len(geometries), dtype=object)
    areas[:] = geometries
    return grid.to_lonlat(grid.densify(areas, grid.METRIC_CRS))


def _densified(geometries: NDArray[np.object_], crs: str) -> NDArray[np.object_]:
    """Edges cut to a kilometre, save of a polygon that jumps from 179.9 to -179.9 degrees."""
    bounds = shapely.bounds(geometries)
    is_dense = np.isfinite(bounds).all(axis=1) & (shapely.area(geometries) > 0.0)
    if pyproj.CRS.from_user_input(crs).is_geographic:
        is_dense &= bounds[:, 2] - bounds[:, 0] <= 180.0
    dense = geometries.copy()
    dense[is_dense] = grid.densify(geometries[is_dense], crs)
    return dense


def _dates(season_year: int, found: Groups[tuple[str, int]]) -> Period:
    """First and last day of the season's footprints; its thaw season where there are none."""
    groups = [group for (_, season), group in found if season == season_year]
    begins_on, ends_on = THAW_SEASON.of(season_year)
    return Period(
        from_on=min((group.from_on for group in groups if group.from_on), default=begins_on),
        to_on=max((group.to_on for group in groups if group.to_on), default=ends_on),
    )


def _season_and_period(
    area: Area, season_field: str | None, date_field: str | None
) -> tuple[int, Period | None]:
    try:
        period = period_of(area.row.get(date_field)) if date_field else None
        season = season_of(area.row.get(season_field)) if season_field else None
    except ValueError as error:
        raise InputError(f"{area.name}: {error}") from error
    if season is None and period is not None:
        season = period.from_on.year
    if season is None:
        raise InputError(f"{area.name}: neither season nor date")
    return season, period


def _united(
    parts: list[tuple[shapely.Geometry, Period | None]],
) -> tuple[shapely.Geometry, Period | None]:
    periods = [period for _, period in parts if period is not None]
    whole = shapely.union_all([geometry for geometry, _ in parts])
    if not periods:
        return whole, None
    return whole, Period(
        from_on=min(period.from_on for period in periods),
        to_on=max(period.to_on for period in periods),
    )
