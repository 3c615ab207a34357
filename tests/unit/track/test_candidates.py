"""What pairs of outlines share."""

import numpy as np
import pytest
import shapely

from rts_track import grid
from rts_track.track.candidates import measure_pairs, neighbours, shifts_of_pairs
from rts_track.track.shift import Shift

FAR = np.array([-1_500_000.0, 1_200_000.0])
ONE = np.array([0])


def polygon(*box):
    return np.array([shapely.transform(shapely.box(*box), lambda xy: xy + FAR)], dtype=object)


def test_overlap_and_covers_are_shares_of_the_areas():
    pairs = measure_pairs(polygon(0, 0, 10, 10), polygon(5, 0, 25, 10), ONE, ONE, np.zeros((1, 2)))
    assert pairs.overlap_m2[0] == pytest.approx(50)
    assert pairs.cover_parent[0] == pytest.approx(0.5)
    assert pairs.cover_child[0] == pytest.approx(0.25)
    assert pairs.iou[0] == pytest.approx(50 / 250)
    assert pairs.distance_m[0] == 0


def test_a_known_shift_is_taken_back_before_overlap_is_measured():
    east, north = 8.0, -5.0
    dx, dy = grid.from_ground(east, north, FAR[:1], FAR[1:])
    moved = polygon(dx[0], dy[0], 60 + dx[0], 50 + dy[0])
    shift = np.array([[east, north]])
    pairs = measure_pairs(polygon(0, 0, 60, 50), moved, ONE, ONE, shift)
    assert pairs.iou[0] == pytest.approx(1.0, abs=1e-4)


def test_the_gap_between_outlines_is_measured_on_the_ground():
    before, after = polygon(0, 0, 10, 10), polygon(60, 0, 70, 10)
    pairs = measure_pairs(before, after, ONE, ONE, np.zeros((1, 2)))
    lon, lat = grid.transformer("EPSG:6931", "EPSG:4326").transform(
        *(FAR[:, None] + [[10, 60], [5, 5]])
    )
    geod = grid.pyproj.Geod(ellps="WGS84")
    assert pairs.distance_m[0] == pytest.approx(
        geod.inv(lon[0], lat[0], lon[1], lat[1])[2], rel=1e-4
    )


def test_only_an_applied_shift_of_the_pairs_own_scenes_is_corrected_for():
    def shift(is_applied):
        return Shift(dx_m=3.0, dy_m=4.0, se_m=1.0, n=9, is_applied=is_applied)

    shifts = {("a", "b"): shift(True), ("a", "c"): shift(False)}
    scene_a = np.array(["a", "a", "x"], dtype=object)
    scene_b = np.array(["b", "c", "b"], dtype=object)
    assert shifts_of_pairs(scene_a, scene_b, shifts).tolist() == [[3, 4], [0, 0], [0, 0]]


def test_no_polygons_have_no_neighbours():
    nothing = np.empty(0, dtype=object)
    assert neighbours(nothing, polygon(0, 0, 1, 1), 10.0)[0].tolist() == []
