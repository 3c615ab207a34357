"""The plane that everything is measured in: exact areas, known lengths, no date line."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track import grid

GEOD = pyproj.Geod(ellps="WGS84")
PLANE = pyproj.Proj("EPSG:6931")

BOX = [(-0.004, -0.001), (0.006, -0.001), (0.006, 0.001), (0.0, 0.0015), (-0.004, 0.001)]


def blob(lon: float, lat: float, size: float = 1.0) -> shapely.Polygon:
    return shapely.Polygon([(lon + dx * size, lat + dy * size) for dx, dy in BOX])


def geodesic_area_m2(polygon: shapely.Geometry) -> float:
    return abs(GEOD.geometry_area_perimeter(polygon)[0])


def metric(*polygons: shapely.Geometry, crs: str = grid.LONLAT_CRS) -> np.ndarray:
    return grid.to_metric(np.array(polygons, dtype=object), crs)


def wrapped(polygon: shapely.Geometry) -> shapely.Geometry:
    """Longitudes brought into -180..180 vertex by vertex, as careless software does."""
    return shapely.transform(
        polygon, lambda xy: np.column_stack([(xy[:, 0] + 180.0) % 360.0 - 180.0, xy[:, 1]])
    )


def split(polygon: shapely.Geometry) -> shapely.Geometry:
    """Cut at 180 degrees, each half in -180..180, as the standard wants it."""
    west = shapely.clip_by_rect(polygon, 0, -90, 180, 90)
    east = shapely.clip_by_rect(polygon, 180, -90, 360, 90)
    return shapely.MultiPolygon([west, shapely.transform(east, lambda xy: xy - [360.0, 0.0])])


@pytest.mark.parametrize("lat", [33.0, 60.0, 68.5, 75.0, 82.0])
@pytest.mark.parametrize("lon", [-179.97, -120.0, 0.0, 141.4, 179.97])
def test_areas_are_those_on_the_ellipsoid(lon: float, lat: float) -> None:
    polygon = blob(lon, lat)

    assert shapely.area(metric(polygon)[0]) == pytest.approx(geodesic_area_m2(polygon), rel=5e-5)


@pytest.mark.parametrize("lat", [33.0, 60.0, 75.0, 82.0])
def test_perimeters_are_those_on_the_ellipsoid(lat: float) -> None:
    polygon = blob(100.0, lat).difference(blob(100.0, lat, 0.3))
    rings_m = sum(GEOD.geometry_length(ring) for ring in shapely.get_rings(polygon))

    assert grid.perimeter_m(metric(polygon))[0] == pytest.approx(rings_m, rel=1e-4)


@pytest.mark.parametrize("lat", [33.0, 60.0, 75.0, 89.0])
def test_the_scale_is_that_of_proj(lat: float) -> None:
    x, y = PLANE(25.0, lat)
    factors = PLANE.get_factors(25.0, lat)

    k = grid.scale(np.array([x]), np.array([y]))[0]

    assert k == pytest.approx(factors.parallel_scale, rel=1e-9)
    assert 1 / k == pytest.approx(factors.meridional_scale, rel=1e-9)


def test_the_scale_is_one_at_the_pole() -> None:
    assert grid.scale(np.zeros(1), np.zeros(1))[0] == 1.0


@pytest.mark.parametrize("azimuth_deg", [0.0, 37.0, 90.0, 200.0])
@pytest.mark.parametrize("lon", [-170.0, 5.0, 120.0])
def test_displacements_on_the_ground_are_told_from_the_plane(
    lon: float, azimuth_deg: float
) -> None:
    x, y = PLANE(lon, 70.0)
    far_lon, far_lat, _ = GEOD.fwd(lon, 70.0, azimuth_deg, 20.0)
    far_x, far_y = PLANE(far_lon, far_lat)

    east_m, north_m = grid.to_ground(
        np.array([far_x - x]), np.array([far_y - y]), np.array([x]), np.array([y])
    )

    assert east_m[0] == pytest.approx(20.0 * np.sin(np.radians(azimuth_deg)), abs=1e-3)
    assert north_m[0] == pytest.approx(20.0 * np.cos(np.radians(azimuth_deg)), abs=1e-3)


def test_a_displacement_goes_to_the_ground_and_back() -> None:
    x, y = np.array([1.2e6, -3e5]), np.array([-2e6, 2.5e6])

    dx, dy = grid.from_ground(30.0, -40.0, x, y)
    east_m, north_m = grid.to_ground(dx, dy, x, y)

    assert east_m == pytest.approx([30.0, 30.0])
    assert north_m == pytest.approx([-40.0, -40.0])


@pytest.mark.parametrize("crs", ["EPSG:3571", "EPSG:3413", "EPSG:32660"])
def test_a_polygon_across_180_degrees_is_whole_out_of_any_projection(crs: str) -> None:
    polygon = blob(180.0, 68.0)
    projected = shapely.transform(
        polygon, lambda xy: np.column_stack(grid.transformer("EPSG:4326", crs).transform(*xy.T))
    )

    (carried,) = metric(projected, crs=crs)

    assert carried.geom_type == "Polygon"
    assert carried.area == pytest.approx(geodesic_area_m2(polygon), rel=5e-5)


@pytest.mark.parametrize("stored", [wrapped, split, lambda p: p], ids=["jump", "split", "beyond"])
def test_a_polygon_across_180_degrees_is_one_however_it_is_stored(stored) -> None:
    polygon = blob(180.0, 68.0)

    (carried,) = metric(stored(polygon))

    assert shapely.get_num_geometries(carried) == 1
    assert carried.area == pytest.approx(geodesic_area_m2(polygon), rel=5e-5)


@pytest.mark.parametrize("stored", [wrapped, split, lambda p: p], ids=["jump", "split", "beyond"])
def test_in_lonlat_it_is_split_again(stored) -> None:
    polygon = blob(180.0, 68.0)

    (lonlat,) = grid.to_lonlat(metric(stored(polygon)))

    assert lonlat.geom_type == "MultiPolygon"
    west, east = sorted(lonlat.geoms, key=lambda part: part.bounds[0])
    assert west.bounds[0] == -180.0
    assert east.bounds[2] == 180.0
    assert lonlat.is_valid
    assert sum(map(geodesic_area_m2, lonlat.geoms)) == pytest.approx(
        geodesic_area_m2(polygon), rel=5e-5
    )


def test_a_polygon_that_only_touches_180_degrees_is_not_split() -> None:
    (lonlat,) = grid.to_lonlat(metric(shapely.box(-180.0, 68.0, -179.9, 68.1)))

    assert sum(map(geodesic_area_m2, lonlat.geoms)) == pytest.approx(
        geodesic_area_m2(shapely.box(-180.0, 68.0, -179.9, 68.1)), rel=5e-5
    )
    assert max(part.bounds[2] - part.bounds[0] for part in lonlat.geoms) < 1.0


def test_two_islands_on_either_side_stay_two() -> None:
    islands = shapely.MultiPolygon(
        [shapely.box(179.0, 70, 179.5, 71), shapely.box(-179.5, 70, -179, 71)]
    )

    (carried,) = metric(islands)

    assert shapely.get_num_geometries(carried) == 2


@settings(max_examples=60, deadline=None)
@given(
    lon=st.floats(179.95, 180.05),
    lat=st.floats(55.0, 80.0),
    size=st.floats(0.05, 5.0),
    way=st.sampled_from(["jump", "beyond"]),
)
def test_nothing_is_lost_or_broken_at_180_degrees(
    lon: float, lat: float, size: float, way: str
) -> None:
    polygon = blob(lon, lat, size)
    carried = metric(wrapped(polygon) if way == "jump" else polygon)
    (lonlat,) = grid.to_lonlat(carried)

    assert lonlat.is_valid
    assert lonlat.bounds[0] >= -180.0
    assert lonlat.bounds[2] <= 180.0
    assert max(part.bounds[2] - part.bounds[0] for part in lonlat.geoms) < 1.0
    assert sum(shapely.area(grid.to_metric(np.array([lonlat], dtype=object)))) == pytest.approx(
        carried[0].area, rel=3e-4
    )


def test_lonlat_survives_the_way_there_and_back() -> None:
    polygon = blob(-135.0, 69.0)

    (back,) = grid.to_lonlat(metric(polygon))

    assert shapely.hausdorff_distance(back, polygon) < 1e-9


def test_points_lie_on_their_polygons() -> None:
    horseshoe = blob(60.0, 70.0).difference(blob(60.0, 70.0, 0.7))

    lon, lat = grid.point_lonlat(metric(horseshoe))

    assert shapely.distance(shapely.Point(lon[0], lat[0]), horseshoe) < 1e-9


def test_edges_of_large_areas_are_cut_to_a_kilometre() -> None:
    square = shapely.box(0, 0, 5_000, 5_000)

    (dense,) = grid.densify(np.array([square], dtype=object), grid.METRIC_CRS)

    xy = shapely.get_coordinates(dense)
    assert np.hypot(*np.diff(xy, axis=0).T).max() <= grid.MAX_SEGMENT_M
    assert dense.equals(square)


def test_both_lobes_of_a_figure_of_eight_get_denser_edges() -> None:
    bow_tie = shapely.Polygon([(0, 0), (5_000, 5_000), (5_000, 0), (0, 5_000)])

    (dense,) = grid.densify(np.array([bow_tie], dtype=object), grid.METRIC_CRS)

    assert dense.area == pytest.approx(12.5e6)


def test_only_polygons_of_a_collection_are_kept() -> None:
    collection = shapely.GeometryCollection(
        [shapely.MultiPolygon([blob(0, 70)]), shapely.LineString([(0, 0), (1, 1)]), blob(1, 70)]
    )

    kept, none = grid.as_multipolygons(np.array([collection, shapely.Point(0, 0)], dtype=object))

    assert [part.geom_type for part in kept.geoms] == ["Polygon", "Polygon"]
    assert none.is_empty


def test_nothing_carried_is_nothing() -> None:
    nothing = np.empty(0, dtype=object)

    assert len(grid.to_metric(nothing)) == len(grid.to_lonlat(nothing)) == 0
    assert len(grid.perimeter_m(nothing)) == 0


def ring_m(x: float, y: float, outer_m: float, inner_m: float = 0.0) -> shapely.Geometry:
    centre = shapely.Point(x, y)
    ring = centre.buffer(outer_m, quad_segs=64).difference(centre.buffer(inner_m, quad_segs=64))
    return shapely.segmentize(ring, 1000.0)


@pytest.mark.parametrize(
    "wide",
    [
        ring_m(0.0, 0.0, 300_000.0),
        ring_m(0.0, 0.0, 300_000.0, 100_000.0),
        shapely.box(0.0, 0.0, 50_000.0, 50_000.0),
        ring_m(0.0, 0.0, 300_000.0, 200_000.0).difference(shapely.box(-4e5, -1e4, 0.0, 1e4)),
        shapely.MultiPolygon([ring_m(0.0, 2e6, 1e4), ring_m(0.0, -2e6, 1e4)]),
        shapely.MultiPolygon([ring_m(x, y, 1e4) for x, y in [(1e6, 2e6), (-1e6, 2e6), (0, -2e6)]]),
        ring_m(0.0, 10_000_000.0, 1e4),
        ring_m(0.0, 12_000_000.0, 1e4),
    ],
    ids=["pole", "round it", "its corner", "half round", "0 and 180", "far apart", "0 N", "20 S"],
)
def test_wide_areas_keep_their_area_in_lonlat_and_back(wide: shapely.Geometry) -> None:
    given_areas = np.array([wide], dtype=object)

    (lonlat,) = grid.to_lonlat(given_areas)
    (back,) = grid.to_metric(np.array([lonlat], dtype=object))

    assert lonlat.is_valid
    assert -180.0 <= lonlat.bounds[0] <= lonlat.bounds[2] <= 180.0
    assert back.area == pytest.approx(wide.area, rel=1e-8)
    assert shapely.symmetric_difference(back, wide).area < 1e-6 * wide.area
    assert shapely.get_num_geometries(back) == shapely.get_num_geometries(wide)
