"""What may come out of a file as a polygon, and what becomes of it."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import wkt

from rts_track import grid
from rts_track.polygon.clean import MIN_AREA_M2, Cleaned, clean, read_wkb

SQUARE = shapely.box(1_000, -1_000, 1_100, -900)


def ring_wkb(*xy: tuple[float, float]) -> bytes:
    """A polygon of one ring, closed or not, as WKB."""
    numbers = [number for vertex in xy for number in vertex]
    return struct.pack(f"<BIII{len(numbers)}d", 1, 3, 1, len(xy), *numbers)


def cleaned(*geometries: shapely.Geometry | None, crs: str = grid.METRIC_CRS) -> Cleaned:
    return clean(np.array(geometries, dtype=object), crs)


def test_a_good_polygon_stays_as_it_is() -> None:
    result = cleaned(SQUARE)

    assert result.fault[0] is None
    assert result.geometry[0].geom_type == "MultiPolygon"
    assert result.geometry[0].equals(SQUARE)
    assert result.area_before_m2[0] == 10_000
    assert not (result.had_z | result.was_invalid | result.had_other_parts).any()


@pytest.mark.parametrize(
    ("geometry", "fault"),
    [
        (None, "no geometry"),
        (shapely.Polygon(), "empty geometry"),
        (shapely.Point(1, 1), "Point geometry, not a polygon"),
        (shapely.LineString([(0, 0), (1, 1)]), "Linestring geometry, not a polygon"),
        (wkt.loads("GEOMETRYCOLLECTION(POINT(0 0))"), "collection without a polygon"),
        (shapely.Polygon([(0, 0), (50, 0), (100, 0)]), "zero area"),
        (shapely.Polygon([(1e6, 1e6), (2e6, 1.3e6), (3e6, 1.6e6)]), "zero area"),
        (shapely.box(0, 0, 0.05, 0.05), "zero area"),
    ],
)
def test_what_cannot_be_an_outline_is_refused_with_a_reason(geometry, fault: str) -> None:
    result = cleaned(geometry, SQUARE)

    assert list(result.fault) == [fault, None]
    assert result.geometry[0] is None
    assert np.isnan(result.area_before_m2[0])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_coordinate_that_is_no_number_is_refused(number: float) -> None:
    geometries, _ = read_wkb([ring_wkb((0, 0), (100, number), (100, 100), (0, 0))])

    assert clean(geometries, grid.METRIC_CRS).fault[0] == "NaN or infinite coordinate"


def test_coordinates_outside_their_crs_are_refused() -> None:
    metres_in_degrees = shapely.box(500_000, 7_000_000, 500_100, 7_000_100)

    assert (
        cleaned(metres_in_degrees, crs="EPSG:4326").fault[0] == "lies outside its CRS (EPSG:4326)"
    )


@pytest.mark.parametrize("lon", [400.0, -400.0])
def test_longitudes_more_than_a_turn_off_are_refused(lon: float) -> None:
    slip = shapely.box(lon, 70, lon + 0.01, 70.01)

    assert cleaned(slip, crs="EPSG:4326").fault[0] == "lies outside its CRS (EPSG:4326)"


def test_longitudes_may_be_counted_eastward_to_360() -> None:
    west, east = shapely.box(-170, 70, -169, 70.01), shapely.box(190, 70, 191, 70.01)

    result = cleaned(west, east, crs="EPSG:4326")

    assert list(result.fault) == [None, None]
    assert shapely.area(result.geometry[0]) == pytest.approx(shapely.area(result.geometry[1]))


def test_a_line_that_bends_when_carried_over_is_no_area() -> None:
    line = shapely.Polygon([(5e5, 75e5), (5.1e5, 75e5), (5.2e5, 75e5)])

    assert cleaned(line, crs="EPSG:32608").fault[0] == "zero area"


def test_z_is_dropped_and_said() -> None:
    result = cleaned(shapely.force_3d(SQUARE, 12.0), SQUARE)

    assert list(result.had_z) == [True, False]
    assert not shapely.has_z(result.geometry[0])
    assert result.geometry[0].equals(SQUARE)


def test_both_lobes_of_a_figure_of_eight_are_kept_and_the_change_is_told() -> None:
    bow_tie = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])

    result = cleaned(bow_tie)

    assert result.was_invalid[0]
    assert result.area_before_m2[0] == pytest.approx(0.0, abs=1e-6)
    assert result.geometry[0].area == pytest.approx(5_000)


def test_what_a_slip_of_the_pen_encloses_twice_stays_inside() -> None:
    loop = shapely.Polygon(
        [(0, 0), (60, 0), (60, 60), (40, 60), (40, 40), (100, 40), (100, 100), (0, 100)]
    )

    result = cleaned(loop)

    assert result.was_invalid[0]
    assert shapely.contains_xy(result.geometry[0], 50, 50)


def test_a_spike_goes_without_a_trace() -> None:
    spike = wkt.loads(
        "POLYGON((1000 -1000,1100 -1000,1100 -900,1200 -800,1100 -900,1000 -900,1000 -1000))"
    )

    assert cleaned(spike).geometry[0].equals(SQUARE)


@pytest.mark.parametrize("at", [(1_000, -1_000), (-50, 2_000_000)], ids=["plain", "at 180"])
def test_overlapping_parts_become_one(at: tuple[float, float]) -> None:
    x, y = at
    one, other = shapely.box(x, y, x + 100, y + 100), shapely.box(x + 50, y, x + 150, y + 100)

    result = cleaned(shapely.MultiPolygon([one, other]))

    assert result.was_invalid[0]
    assert result.area_before_m2[0] == 20_000
    assert result.geometry[0].area == pytest.approx(15_000)
    assert len(result.geometry[0].geoms) == 1


def test_holes_and_separate_parts_are_kept() -> None:
    with_hole = SQUARE.difference(shapely.box(1_040, -960, 1_060, -940))
    both = shapely.MultiPolygon([with_hole, shapely.box(1_200, -1_000, 1_300, -900)])

    result = cleaned(both)

    assert result.geometry[0].equals(both)
    assert not result.was_invalid[0]


def test_only_the_polygons_of_a_collection_are_taken() -> None:
    result = cleaned(shapely.GeometryCollection([SQUARE, shapely.LineString([(0, 0), (9, 9)])]))

    assert result.had_other_parts[0]
    assert result.geometry[0].equals(SQUARE)


def test_a_half_at_180_degrees_that_crosses_itself_is_mended_and_joined() -> None:
    crossing = shapely.Polygon(
        [(179.9, 68), (180, 68), (180, 68.1), (179.95, 68.1), (179.96, 67.99), (179.9, 68.1)]
    )
    halves = shapely.MultiPolygon([crossing, shapely.box(-180, 68, -179.9, 68.1)])

    result = cleaned(halves, crs="EPSG:4326")

    assert result.was_invalid[0]
    assert result.geometry[0].is_valid
    at_180_degrees = shapely.Point(0.0, result.geometry[0].centroid.y)
    assert shapely.distance(at_180_degrees, shapely.boundary(result.geometry[0])) > 1_000


def test_a_polygon_that_jumps_over_180_degrees_is_not_taken_for_broken() -> None:
    jump = shapely.Polygon([(179.9, 68), (-179.9, 68), (-179.9, 68.1), (179.9, 68.1)])
    same = shapely.Polygon([(179.9, 68), (180.1, 68), (180.1, 68.1), (179.9, 68.1)])

    result = cleaned(jump, same, crs="EPSG:4326")

    assert not result.was_invalid.any()
    assert result.geometry[0].area == pytest.approx(result.geometry[1].area)


def test_an_open_ring_is_closed_and_said() -> None:
    geometries, was_open = read_wkb(
        [ring_wkb((0, 0), (100, 0), (100, 100), (0, 100)), shapely.to_wkb(SQUARE), None]
    )

    assert list(was_open) == [True, False, False]
    assert geometries[0].equals(shapely.box(0, 0, 100, 100))
    assert geometries[2] is None


def test_bytes_that_are_no_geometry_are_read_as_none() -> None:
    geometries, was_open = read_wkb([b"no geometry"])

    assert geometries[0] is None
    assert not was_open[0]


def test_nothing_is_cleaned_to_nothing() -> None:
    assert len(cleaned().geometry) == 0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda v: (v[0] * 5.0, v[1] * 5.0)),
        min_size=3,
        max_size=12,
    )
)
def test_any_ring_is_refused_or_made_valid(vertices: list[tuple[float, float]]) -> None:
    result = cleaned(shapely.Polygon(vertices))

    if result.fault[0] is None:
        assert result.geometry[0].is_valid
        assert result.geometry[0].area >= MIN_AREA_M2
        assert result.was_invalid[0] or result.geometry[0].area == result.area_before_m2[0]
    else:
        assert result.fault[0] == "zero area"
