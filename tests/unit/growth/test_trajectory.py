"""Paths of fronts through the seasons."""

import sys

import numpy as np
import pytest
import shapely
from shapely import affinity

from rts_track import grid
from rts_track.errors import UsageError
from rts_track.growth.params import GrowthParams
from rts_track.growth.trajectory import (
    front_paths,
    path_seasons,
    split_at_antimeridian,
    trajectory_collection,
    trajectory_lines,
)

ROUND = shapely.Point(0, 0).buffer(60)
PLACES = {"Banks Island": (-122.0, 72.0), "Yamal": (69.0, 70.5), "Chukotka": (180.0, 68.5)}
SIGMA = {"random_sigma_m2": 20.0, "coherent_sigma_m2": 60.0}
YEAR_M = 10.0


def ground(shape, place):
    x, y = grid.transformer("EPSG:4326", "EPSG:6931").transform(*place)

    def moved(xy):
        here = np.full(len(xy), x), np.full(len(xy), y)
        return np.column_stack(here) + np.column_stack(grid.from_ground(*xy.T, *here))

    return shapely.transform(shape, moved)


def grown(steps):
    """The circle swept along the steps, season by season."""
    shapes, at = [ROUND], np.zeros(2)
    for step in steps:
        way = [affinity.translate(ROUND, *(at + t * np.array(step))) for t in np.linspace(0, 1, 25)]
        shapes.append(shapely.union_all([shapes[-1], *way]))
        at = at + step
    return shapes


def told(history, shapes, place=PLACES["Banks Island"], *, shifts=None, **columns):
    """A track of these shapes from 2018 on, linked; its history and geometries."""
    n = len(shapes)
    rows = [(0, 2018 + k, shapely.area(shape)) for k, shape in enumerate(shapes)]
    shifts = shifts or [(0.0, 0.0)] * (n - 1)
    links = [(k, k + 1, 1.0, "main", *shifts[k]) for k in range(n - 1)]
    sigmas = {name: [sigma] * n for name, sigma in SIGMA.items()}
    geometry = np.array([ground(shape, place) for shape in shapes], dtype=object)
    return history(rows, links, **(sigmas | columns)), geometry


def path_of(history, shapes, *args, is_zone=False, **columns):
    found, geometry = told(history, shapes, *args, **columns)
    return front_paths(found, np.array([is_zone]), geometry, GrowthParams())


NORTHEAST = [(YEAR_M / 2**0.5, YEAR_M / 2**0.5)] * 4


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_ten_metres_a_year_to_the_northeast(history, place):
    path = path_of(history, grown(NORTHEAST), place)
    assert path.azimuth_deg[0] == pytest.approx(45.0, abs=3.0)
    assert path.speed_m_yr[0] == pytest.approx(10.0, abs=1.0)
    assert path.length_m[0] == pytest.approx(40.0, abs=2.0)
    assert path.straightness[0] == pytest.approx(1.0, abs=0.01)
    assert (path.from_year[0], path.to_year[0], path.n_seasons[0]) == (2018, 2022, 5)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # its own methods, asked directly
def test_movingpandas_says_the_same_of_length_direction_and_speed(history):
    for place in PLACES.values():
        path = path_of(history, grown([(10, 0), (9, 5), (2, 11)]), place)
        (trajectory,) = trajectory_collection(path, ["slump"])
        seconds = trajectory.get_duration().total_seconds()
        speed_m_yr = trajectory.get_length() / seconds * 86_400 * 365.25
        assert trajectory.id == "slump"
        assert trajectory.get_length() == pytest.approx(path.length_m[0], rel=0.01)
        assert speed_m_yr == pytest.approx(path.speed_m_yr[0], rel=0.01)
        assert trajectory.get_direction() == pytest.approx(path.azimuth_deg[0], rel=0.01)


def test_a_front_that_turns_is_less_straight(history):
    path = path_of(history, grown([(15, 0), (15, 0), (0, 15), (0, 15)]))
    assert path.length_m[0] == pytest.approx(60.0, rel=0.1)
    assert path.straightness[0] == pytest.approx(2**-0.5, abs=0.06)
    assert path.azimuth_deg[0] == pytest.approx(45.0, abs=6.0)


def test_no_growth_is_no_path(history):
    path = path_of(history, [ROUND] * 3)
    assert path.n_seasons.tolist() == [3]
    for column in (path.azimuth_deg, path.speed_m_yr, path.length_m, path.straightness):
        assert np.isnan(column).all()
    assert len(path.point_day) == 0
    assert list(trajectory_lines(trajectory_collection(path, ["slump"]))) == []


def test_what_is_too_slow_for_one_year_shows_over_several(history):
    slow = grown([(0.0, 3.0)] * 5)
    path = path_of(history, slow)
    assert np.isnan(path_of(history, slow[:2]).length_m[0])
    assert np.cos(np.radians(path.azimuth_deg[0])) > np.cos(np.radians(5.0))
    assert 9.0 <= path.length_m[0] <= 16.0, "the last, too small step may still be open"


def test_a_corrected_shift_of_the_scene_is_no_movement(history):
    """Each scene lies another 8 m farther east than the one before."""
    shapes = [affinity.translate(shape, 8.0 * k, 0) for k, shape in enumerate(grown(NORTHEAST))]
    path = path_of(history, shapes, shifts=[(8.0, 0.0)] * 4)
    assert path.azimuth_deg[0] == pytest.approx(45.0, abs=3.0)
    assert path.length_m[0] == pytest.approx(40.0, abs=2.0)


def test_a_clipped_season_is_passed_over(history):
    shapes = grown(NORTHEAST)
    is_whole = [True, True, False, True, True]
    found, _ = told(history, shapes, is_whole=is_whole)
    assert path_seasons(found).tolist() == [0, 1, 3, 4]
    path = path_of(history, shapes, is_whole=is_whole)
    assert path.n_seasons[0] == 4
    assert path.length_m[0] == pytest.approx(40.0, abs=2.0)


def test_a_path_begins_after_the_last_merge(history):
    rows = [(0, 2018, 1e4), (0, 2019, 2e4), (0, 2020, 2.2e4), (1, 2018, 1e4)]
    links = [(0, 1, 1e4, "main"), (3, 1, 1e4, "merge"), (1, 2, 2e4, "main")]
    assert path_seasons(history(rows, links)).tolist() == [1, 2]


def test_two_seasons_of_one_day_are_no_path(history):
    rows = [(0, 2018, 1e4), (0, 2019, 2e4)]
    found = history(rows, [(0, 1, 1e4, "main")], day=[17_896.0, 17_896.0])
    assert len(path_seasons(found)) == 0
    assert len(path_seasons(history([]))) == 0


def test_a_moving_active_zone_is_followed_by_its_centroid(history):
    shapes = [affinity.translate(ROUND, 0, -50.0 * k) for k in range(4)]
    path = path_of(history, shapes, is_zone=True)
    assert path.azimuth_deg[0] == pytest.approx(180.0, abs=0.5)
    assert path.speed_m_yr[0] == pytest.approx(50.0, rel=0.01)
    assert np.isnan(path_of(history, shapes).azimuth_deg[0]), "as a landform it did not grow"


def test_a_path_across_the_antimeridian_is_split_there(history):
    path = path_of(history, grown([(10.0, 0.0)] * 9), (179.9975, 68.5))
    ((name, line),) = trajectory_lines(trajectory_collection(path, ["slump"]))
    assert name == "slump"
    assert line.geom_type == "MultiLineString"
    west, east = sorted(line.geoms, key=lambda part: part.bounds[0])
    assert west.bounds[0] == -180.0
    assert east.bounds[2] == 180.0
    geod = grid.pyproj.Geod(ellps="WGS84")
    length_m = sum(geod.geometry_length(part) for part in line.geoms)
    assert length_m == pytest.approx(path.length_m[0], rel=0.01)


@pytest.mark.parametrize("begin", [179.9, -179.9])
def test_a_line_that_crosses_twice_comes_in_three_parts(begin):
    line = shapely.LineString([(begin, 70), (-begin, 70.1), (begin, 70.2)])
    split = split_at_antimeridian(line)
    assert shapely.get_num_geometries(split) == 3
    assert np.abs(shapely.get_coordinates(split)[:, 0]).max() == 180.0
    elsewhere = shapely.LineString([(10, 70), (11, 70)])
    assert split_at_antimeridian(elsewhere) is elsewhere


def test_without_movingpandas_the_fault_names_what_to_install(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "movingpandas", None)
    with pytest.raises(UsageError, match=r"pip install 'rts-track\[trajectory\]'"):
        trajectory_collection(path_of(history, grown(NORTHEAST)), ["slump"])


def test_nobody_is_no_path(history):
    paths = front_paths(history([]), np.zeros(0, bool), np.zeros(0, object), GrowthParams())
    assert len(paths) == 0
