import numpy as np
import pytest
import shapely
from affine import Affine

from rts_track import grid as plane
from rts_track.raster.grid import Grid, Window
from rts_track.simulate.landscape.points import Points, beside_line, signed_distance
from rts_track.simulate.landscape.shapes import ring_of

UTM = "EPSG:32608"
GRID = Grid(
    height=150, width=220, transform=Affine(3.0, 0.0, 468_000.0, 0.0, -3.0, 7_548_000.0), crs=UTM
)
BLOB = (
    shapely.Point(468_300.0, 7_547_800.0)
    .buffer(80.0)
    .difference(shapely.box(468_300.0, 7_547_790.0, 468_500.0, 7_547_810.0))
)


def test_the_signed_distance_is_that_to_the_ring_and_negative_inside():
    points = Points.of(GRID, UTM)
    found = signed_distance(points.x, points.y, ring_of(BLOB), 50.0)
    there = shapely.points(points.x, points.y)
    off_m = shapely.distance(shapely.get_exterior_ring(BLOB), there)
    expected = np.where(shapely.contains(BLOB, there), -off_m, np.minimum(off_m, 50.0))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_beside_a_line_are_the_distance_to_its_band_and_the_value_at_the_nearest_place():
    line = np.array([[0.0, 0.0], [100.0, 0.0]])
    x, y = np.array([[25.0, 50.0, 90.0]]), np.array([[3.0, 30.0, -300.0]])
    beside = beside_line(x, y, line, np.array([10.0, 10.0]), np.array([4.0, 8.0]), 60.0)
    np.testing.assert_allclose(beside.distance_m, [[-2.0, 25.0, 60.0]], atol=1e-4)
    np.testing.assert_allclose(beside.value, [[5.0, 6.0, 4.0]], atol=1e-4)


def test_points_near_bounds_are_never_left_out():
    points = Points.of(GRID, UTM)
    bounds = (468_250.0, 7_547_700.0, 468_320.0, 7_547_760.0)
    rows, columns = points.near(bounds)
    is_in = (points.x >= bounds[0]) & (points.x <= bounds[2])
    is_in &= (points.y >= bounds[1]) & (points.y <= bounds[3])
    is_in[rows, columns] = False
    assert not is_in.any()
    assert points.near((0.0, 0.0, 1.0, 1.0)) is None


def test_points_of_a_polar_grid_lie_where_the_projection_says():
    x, y = plane.transformer(UTM, "EPSG:3413").transform(469_000.0, 7_547_000.0)
    grid = Grid(
        height=300,
        width=260,
        transform=Affine(2.0, 0.0, np.floor(x), 0.0, -2.0, np.floor(y)),
        crs="EPSG:3413",
    )
    points = Points.of(grid, UTM)
    column, row = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    expected = plane.transformer("EPSG:3413", UTM).transform(*(grid.transform @ (column, row)))
    np.testing.assert_allclose(points.x, expected[0], atol=1e-3)
    np.testing.assert_allclose(points.y, expected[1], atol=1e-3)
    part = Points.of(grid.part(Window(100, 37, 50, 60)), UTM)
    assert np.array_equal(part.x, points.x[100:150, 37:97])


def test_what_lies_off_to_the_east_shows_what_is_to_the_west():
    straight, off = Points.of(GRID, UTM), Points.of(GRID, UTM, (6.0, -3.0))
    assert off.x == pytest.approx(straight.x - 6.0)
    assert off.y == pytest.approx(straight.y + 3.0)
