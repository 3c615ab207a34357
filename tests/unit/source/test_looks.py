"""Areas that were looked at: drawn round footprints, stated, read."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pyproj
import pytest
import shapely

from rts_track import grid
from rts_track.errors import InputError, UsageError
from rts_track.source.dates import Seen
from rts_track.source.looks import (
    Groups,
    areas_lonlat,
    checked_area,
    hull_looks,
    median_gsd_m,
    read_areas,
    stated_area,
    stated_looks,
    widened_hull,
)
from rts_track.source.vector import open_vector

GEOD = pyproj.Geod(ellps="WGS84")
PLANE = pyproj.Proj("EPSG:6931")


def on(season: int, month: int = 8, day: int = 1) -> Seen:
    when = dt.date(season, month, day)
    return Seen(season_year=season, from_on=when, to_on=when, basis="exact")


def squares(*xy: tuple[float, float]) -> np.ndarray:
    return np.array([shapely.box(x, y, x + 100, y + 100) for x, y in xy], dtype=object)


@pytest.mark.parametrize("lat", [60.0, 78.0])
def test_a_hull_is_widened_by_so_many_metres_on_the_ground(lat: float) -> None:
    x, y = PLANE(-135.0, lat)
    hull = shapely.box(x, y, x + 1, y + 1)

    (lonlat,) = areas_lonlat([widened_hull(hull, 500.0)])

    far = [GEOD.inv(-135.0, lat, *vertex)[2] for vertex in shapely.get_coordinates(lonlat)]
    assert min(far) == pytest.approx(500.0, abs=5.0)
    assert max(far) == pytest.approx(500.0, abs=5.0)


def test_hulls_grow_while_footprints_come_by() -> None:
    groups: Groups[tuple[str, int]] = Groups()
    key = ("slumps", 2019)
    groups.add([key, None], [on(2019), on(2020)], [3.0, None], squares((1e6, 1e6), (9e6, 0)))
    groups.add([key], [on(2019, 7)], [3.0], squares((1.01e6, 1e6)))

    (look,) = hull_looks("mine", groups)

    assert (look.unit, look.season_year, look.basis) == ("slumps", 2019, "assumed")
    assert (look.from_on, look.to_on) == (dt.date(2019, 7, 1), dt.date(2019, 8, 1))
    hull = shapely.box(1e6, 1e6, 1.01e6 + 100, 1e6 + 100)
    assert look.geometry.contains(hull)
    assert look.geometry.area == pytest.approx(hull.buffer(500).area, rel=0.05)


def test_seasons_and_files_have_hulls_of_their_own() -> None:
    groups: Groups[tuple[str, int]] = Groups()
    keys = [("a", 2019), ("a", 2020), ("b", 2019)]
    groups.add(
        keys, [on(2019), on(2020), on(2019)], [None] * 3, squares((1e6, 0), (2e6, 0), (3e6, 0))
    )

    looks = hull_looks("mine", groups)

    assert [(look.unit, look.season_year) for look in looks] == keys
    assert len({look.look_id for look in looks}) == 3


def test_a_hull_round_the_pole_is_refused() -> None:
    groups: Groups[tuple[str, int]] = Groups()
    ring = squares((2e6, 0), (-2e6, 0), (0, 2e6), (0, -2e6))
    groups.add([("arctic", 2019)] * 4, [on(2019)] * 4, [None] * 4, ring)

    with pytest.raises(
        UsageError, match="arctic in 2019 holds the North Pole: say what was looked"
    ):
        hull_looks("mine", groups)
    with pytest.raises(UsageError, match="it holds the North Pole"):
        checked_area(shapely.box(-1, -1, 1, 1), "it", "no")


def test_a_stated_area_without_seasons_holds_in_those_that_were_found(write_vector) -> None:
    area = stated_area(open_vector(write_vector("aoi.gpkg", [{"name": "site"}])), "year", None)
    found: Groups[tuple[str, int]] = Groups()
    found.add([("a", 2019), ("b", 2021)], [on(2019), on(2021, 7)], [None] * 2)

    looks = stated_looks("mine", area, found)

    assert [(look.unit, look.season_year, look.basis) for look in looks] == [
        ("aoi", 2019, "assumed"),
        ("aoi", 2021, "assumed"),
    ]
    assert looks[1].from_on == looks[1].to_on == dt.date(2021, 7, 1)
    assert area.of(1999) is area.everywhere


def test_a_stated_area_with_seasons_speaks_of_those_alone(write_vector) -> None:
    rows = [{"year": 2019}, {"year": 2019}, {"year": 2020}]
    area = stated_area(open_vector(write_vector("aoi.gpkg", rows)), "year", "date")

    looks = stated_looks("mine", area, Groups())

    assert [look.season_year for look in looks] == [2019, 2020]
    assert looks[0].geometry.area == pytest.approx(2 * looks[1].geometry.area, rel=1e-3)
    assert (looks[0].from_on, looks[0].to_on) == (dt.date(2019, 6, 15), dt.date(2019, 9, 15))
    assert area.of(2018) is None


def test_a_stated_area_with_dates_keeps_them(write_vector) -> None:
    rows = [{"date": "2019-07-01"}, {"date": "2019-08-20"}]
    area = stated_area(open_vector(write_vector("aoi.gpkg", rows)), None, "date")

    (look,) = stated_looks("mine", area, Groups())

    assert (look.from_on, look.to_on) == (dt.date(2019, 7, 1), dt.date(2019, 8, 20))


def test_a_stated_area_whose_season_cannot_be_told_is_refused(write_vector) -> None:
    file = open_vector(write_vector("aoi.gpkg", [{"year": 2019}, {"year": None}]))

    with pytest.raises(InputError, match="aoi:2: neither season nor date"):
        stated_area(file, "year", None)


def test_areas_are_read_with_their_edges_bent_as_on_the_ground(write_vector) -> None:
    path = write_vector("image.gpkg", [{"a": 1}], [shapely.box(-140, 69, -139, 70)], "EPSG:4326")

    areas, repaired, skipped = read_areas(open_vector(path))

    # along a parallel, not along the straight line in the plane
    parallel_m2 = abs(GEOD.polygon_area_perimeter(*_parallels(-140, -139, 69, 70))[0])
    assert areas[0].geometry.area == pytest.approx(parallel_m2, rel=1e-5)
    assert (repaired, skipped) == ([], [])


def _parallels(west: float, east: float, south: float, north: float) -> tuple[list, list]:
    lon = np.linspace(west, east, 500)
    return [*lon, *lon[::-1]], [south] * 500 + [north] * 500


def test_an_area_that_jumps_over_180_degrees_is_one_small_area(write_vector) -> None:
    jump = shapely.Polygon([(179.9, 68), (-179.9, 68), (-179.9, 68.1), (179.9, 68.1)])
    path = write_vector("image.gpkg", [{"a": 1}], [jump], "EPSG:4326")

    areas, _, _ = read_areas(open_vector(path))

    assert areas[0].geometry.area == pytest.approx(93.09e6, rel=1e-3)
    assert sum(part.area for part in areas_lonlat([areas[0].geometry])[0].geoms) < 1.0


def test_areas_that_cannot_be_used_are_told(write_vector) -> None:
    flat = shapely.Polygon([(5e5, 75e5), (5.1e5, 75e5), (5.2e5, 75e5)])
    good = shapely.box(5e5, 75e5, 5.1e5, 75.1e5)
    bow_tie = shapely.Polygon([(5e5, 75e5), (5.1e5, 75.1e5), (5.1e5, 75e5), (5e5, 75.08e5)])
    path = write_vector("image.gpkg", [{"a": at} for at in range(3)], [flat, good, bow_tie])

    areas, repaired, skipped = read_areas(open_vector(path))

    assert [area.name for area in areas] == ["image:2", "image:3"]
    assert skipped == [("image:1", "zero area")]
    assert repaired == [("image:3", "self-intersection repaired")]
    assert areas[1].geometry.area == pytest.approx(shapely.make_valid(bow_tie).area, rel=2e-3)


def test_a_file_without_any_usable_area_is_refused(write_vector) -> None:
    file = open_vector(write_vector("image.gpkg", [{"a": 1}], [shapely.Polygon()]))

    with pytest.raises(InputError, match="none of its polygons can be used"):
        read_areas(file)


def test_the_pixel_in_the_middle_is_the_sources() -> None:
    assert median_gsd_m(Counter({5.0: 500, 3.0: 900, 1.5: 400})) == 3.0
    assert median_gsd_m(Counter({10.0: 1})) == 10.0
    assert median_gsd_m(Counter()) is None


def test_a_large_area_keeps_its_shape_in_lonlat() -> None:
    (square,) = squares((1.5e6, -1.5e6))
    wide = shapely.buffer(square, 200_000)

    (back,) = grid.to_metric(areas_lonlat([wide]))

    assert back.symmetric_difference(wide).area / wide.area < 1e-6
