import numpy as np
import pytest
import shapely
from affine import Affine

from rts_track.raster.grid import Grid, Window

UTM8 = Grid(height=30, width=20, transform=Affine(10, 0, 470890, 0, -10, 7550020), crs="EPSG:32608")


def test_a_pixel_polygon_comes_back_from_the_plane():
    polygon = np.array([shapely.box(2, 3, 7, 9)], dtype=object)
    back = UTM8.to_pixels(UTM8.to_metric(polygon))
    assert shapely.hausdorff_distance(back[0], polygon[0]) < 1e-4


def test_an_extent_has_the_area_of_its_pixels():
    # UTM's areal scale on the central meridian is 0.9996 squared
    assert UTM8.extent().area == pytest.approx(30 * 20 * 100 / 0.9996**2, rel=1e-3)


def test_a_part_lies_where_its_pixels_lie():
    part = UTM8.part(Window(5, 4, 10, 8))
    assert part.transform @ (0, 0) == UTM8.transform @ (4, 5)
    assert part.shape == (10, 8)
    assert UTM8.grown(3).part(Window(3, 3, 30, 20)) == UTM8


def test_a_window_beyond_the_raster_is_empty_inside():
    assert UTM8.clipped(Window(-5, 18, 8, 8)) == Window(0, 18, 3, 2)
    assert UTM8.clipped(Window(40, 40, 8, 8)).height == 0


def test_a_scene_across_the_antimeridian_is_one_polygon():
    grid = Grid(
        height=100,
        width=100,
        transform=Affine(100, 0, 285_000, 0, -100, 7_900_000),
        crs="EPSG:32601",
    )
    straddling = Grid(
        height=100,
        width=2000,
        transform=Affine(100, 0, 200_000, 0, -100, 7_900_000),
        crs="EPSG:32601",
    )
    assert grid.extent().is_valid
    assert straddling.extent().geom_type == "Polygon"
    assert straddling.extent().area == pytest.approx(1e4 * 100 * 2000, rel=5e-3)
