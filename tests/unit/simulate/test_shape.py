import numpy as np
import pytest
import shapely

from rts_track.simulate.shape import cut, draw, grow, join, set_down, slump_polygon

NORTH = np.array([0.0, 1.0])


@pytest.fixture(params=range(8))
def slump(request):
    return slump_polygon(np.random.default_rng(request.param), 8_000.0)


def test_a_slump_has_its_area_and_its_toe_on_the_axis(slump):
    assert shapely.is_valid(slump)
    assert shapely.area(slump) == pytest.approx(8_000.0, rel=0.02)
    assert shapely.bounds(slump)[1] == pytest.approx(0.0, abs=1.0)


def test_a_slump_set_down_faces_where_it_should():
    slump = shapely.box(-10.0, 0.0, 10.0, 60.0)
    east = set_down(slump, np.array([100.0, 200.0]), np.array([1.0, 0.0]))
    assert shapely.bounds(east).tolist() == [100.0, 190.0, 160.0, 210.0]


def test_a_growing_slump_keeps_its_ground_and_its_toe_and_retreats_by_the_distance(slump):
    grown = grow(slump, NORTH, 6.0, 0.25)
    assert shapely.area(shapely.difference(slump, grown)) < 0.01 * shapely.area(slump)
    assert shapely.bounds(grown)[3] - shapely.bounds(slump)[3] == pytest.approx(6.0, abs=1.0)
    assert shapely.bounds(grown)[1] == pytest.approx(shapely.bounds(slump)[1], abs=0.8)
    width_m = np.subtract(*shapely.bounds(grown)[[2, 0]]) - np.subtract(
        *shapely.bounds(slump)[[2, 0]]
    )
    assert 0.0 < width_m < 6.0


def test_joined_slumps_are_one_polygon_that_holds_them_both():
    a, b = shapely.box(0.0, 0.0, 50.0, 50.0), shapely.box(60.0, 0.0, 110.0, 50.0)
    joined = join([a, b])
    assert joined.geom_type == "Polygon"
    assert (
        shapely.area(shapely.difference(shapely.union(a, b), joined)) < 20.0
    )  # corners cut by 0.3 m
    assert 5_000.0 < shapely.area(joined) < 5_700.0


def test_a_cut_leaves_the_larger_piece_first_and_takes_the_gap():
    pieces = cut(shapely.box(0.0, 0.0, 100.0, 50.0), np.array([30.0, 0.0]), NORTH, 4.0)
    assert [shapely.area(piece) for piece in pieces] == pytest.approx([3_400.0, 1_400.0])


def test_a_drawing_is_shifted_and_as_noisy_as_asked(slump):
    rng = np.random.default_rng(0)
    drawings = [draw(rng, slump, np.array([5.0, -3.0]), 1.5) for _ in range(20)]
    drawn = drawings[0]
    assert shapely.is_valid(drawings).all()
    centre = shapely.get_coordinates(shapely.centroid(drawings)).mean(axis=0)
    moved = centre - shapely.get_coordinates(shapely.centroid(slump))[0]
    assert moved == pytest.approx([5.0, -3.0], abs=0.4)
    back = shapely.transform(drawn, lambda xy: xy - [5.0, -3.0])
    off_m = shapely.distance(shapely.points(shapely.get_coordinates(back)), slump.exterior)
    assert 0.5 < np.sqrt(np.mean(off_m**2)) < 2.2
