"""What pairs of outlines share."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track import grid
from rts_track.track import candidates
from rts_track.track.candidates import measure_pairs, neighbours, shifts_of_pairs
from rts_track.track.shift import Shift

FAR = np.array([-1_500_000.0, 1_200_000.0])
ONE = np.array([0])


def polygon(*box):
    return np.array([shapely.transform(shapely.box(*box), lambda xy: xy + FAR)], dtype=object)


def boxes(random, n, spread_m=200.0):
    """Boxes near each other, their corners on whole metres: many touch."""
    low = random.integers(0, spread_m, (n, 2)) + FAR
    return shapely.box(*low.T, *(low + random.integers(1, 40, (n, 2))).T)


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


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 13.0, 60.0]))
def test_neighbours_are_the_pairs_within_the_distance_and_no_others(seed, within_m):
    random = np.random.default_rng(seed)
    parents, children = boxes(random, 15), boxes(random, 12)
    found = np.zeros((15, 12), dtype=bool)
    found[neighbours(parents, children, within_m)] = True
    assert np.array_equal(found, shapely.distance(parents[:, None], children) <= within_m)


def test_neighbours_come_by_parent_then_child():
    random = np.random.default_rng(1)
    pairs = np.transpose(neighbours(boxes(random, 30), boxes(random, 30), 10.0)).tolist()
    assert len(pairs) > 30
    assert pairs == sorted(pairs)


def test_what_is_missing_or_empty_has_no_neighbours():
    square = polygon(0, 0, 10, 10)
    holey = np.array([None, shapely.Polygon(), square[0]], dtype=object)
    assert np.transpose(neighbours(square, holey, 5.0)).tolist() == [[0, 2]]
    assert np.transpose(neighbours(holey, square, 5.0)).tolist() == [[2, 0]]


def test_neither_workers_nor_chunks_change_a_digit(monkeypatch):
    random = np.random.default_rng(2)
    parents, children = boxes(random, 60), boxes(random, 60)
    parent, child = neighbours(parents, children, 13.0)
    shift_m = random.choice([0.0, 4.0, -7.0], (len(parent), 2))
    whole = measure_pairs(parents, children, parent, child, shift_m)
    monkeypatch.setattr(candidates, "_CHUNK", 7)
    for workers in (1, 3):
        again = neighbours(parents, children, 13.0, workers=workers)
        assert np.array_equal(again, (parent, child))
        pieced = measure_pairs(parents, children, parent, child, shift_m, workers=workers)
        for name in ("overlap_m2", "cover_parent", "cover_child", "iou", "distance_m"):
            assert np.array_equal(getattr(whole, name), getattr(pieced, name)), name


def test_no_pairs_have_no_measures():
    nothing, no_rows = np.empty(0, dtype=object), np.empty(0, dtype=np.int64)
    pairs = measure_pairs(nothing, nothing, no_rows, no_rows, np.empty((0, 2)))
    assert [len(pairs.overlap_m2), len(pairs.iou), len(pairs.distance_m)] == [0, 0, 0]


def test_an_equal_outline_is_covered_exactly():
    random = np.random.default_rng(4)
    angle = np.arange(40) * 2 * np.pi / 40
    radius = 30.0 * np.exp(random.normal(0.0, 0.2, (200, 40, 1)))
    around = np.column_stack([np.cos(angle), np.sin(angle)])
    outlines = shapely.polygons(random.uniform(-500, 500, (200, 1, 2)) + radius * around + FAR)
    rows = np.arange(200)
    pairs = measure_pairs(outlines, outlines, rows, rows, np.zeros((200, 2)))
    for share in (pairs.cover_parent, pairs.cover_child, pairs.iou):
        assert share.max() <= 1.0
        assert share.min() == pytest.approx(1.0, abs=1e-12)


def test_outlines_that_touch_are_no_distance_apart_and_share_nothing():
    one, other = polygon(0, 0, 10, 10), polygon(10, 3, 20, 30)
    pairs = measure_pairs(one, other, ONE, ONE, np.zeros((1, 2)))
    assert (pairs.overlap_m2[0], pairs.distance_m[0]) == (0.0, 0.0)
