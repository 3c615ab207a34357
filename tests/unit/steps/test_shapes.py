"""Polygons as linking holds them: taken apart and put together where they lie."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from rts_track import grid
from rts_track.steps import tiles
from rts_track.steps.shapes import StoredShapes, keep_polygons, keep_shapes, metric_polygons
from rts_track.steps.spool import open_spool

FIRST = pa.chunked_array([[b"a", b"b"], [b"c"]], pa.binary())
SECOND = pa.chunked_array([[b"x", b"y", b"z"]], pa.binary())


def wkb(shapes):
    return shapes.wkb(slice(0, len(shapes))).to_pylist()


def test_polygons_are_found_again_where_they_are_stored():
    shapes = StoredShapes.of(FIRST).followed_by(StoredShapes.of(SECOND))
    assert wkb(shapes) == [b"a", b"b", b"c", b"x", b"y", b"z"]
    assert wkb(shapes.take(np.array([4, 0, 5, 2]))) == [b"y", b"a", b"z", b"c"]
    assert shapes.take(np.array([4, 0, 5, 2])).wkb(slice(1, 3)).to_pylist() == [b"a", b"z"]


def test_no_polygons_are_polygons_too():
    nothing = StoredShapes.of(FIRST).take(np.zeros(3, dtype=bool))
    assert len(nothing) == 0
    assert wkb(nothing) == []
    assert wkb(nothing.followed_by(StoredShapes.of(SECOND))) == [b"x", b"y", b"z"]


def test_a_column_that_nobody_refers_to_is_let_go():
    first, second = StoredShapes.of(FIRST), StoredShapes.of(SECOND)
    shapes = first.followed_by(second)
    assert shapes.take(np.array([3, 4])).columns == second.columns
    again = shapes.take(np.array([3, 4])).followed_by(shapes.take(np.array([5, 0])))
    assert again.columns == (*second.columns, first.columns[0])
    assert wkb(again) == [b"x", b"y", b"z", b"a"]


@given(st.lists(st.lists(st.integers(0, 2), max_size=5), max_size=4))
def test_taking_apart_and_putting_together_keeps_the_order(parts):
    both = StoredShapes.of(FIRST), StoredShapes.of(SECOND)
    shapes, expected = StoredShapes.of(FIRST), [b"a", b"b", b"c"]
    for number, rows in enumerate(parts):
        column = (FIRST, SECOND)[number % 2].to_pylist()
        shapes = shapes.followed_by(both[number % 2].take(np.array(rows, dtype=np.int64)))
        expected += [column[row] for row in rows]
    assert wkb(shapes) == expected


def test_polygons_are_carried_over_alike_however_many_come_at_a_time(monkeypatch):
    boxes = np.array([shapely.box(x, 70, x + 0.01, 70.01) for x in range(-180, 180, 40)])
    stored = pa.chunked_array([shapely.to_wkb(boxes)], pa.binary())
    monkeypatch.setattr("rts_track.steps.shapes._CARRIED_ROWS", 4)
    assert shapely.equals_identical(metric_polygons(stored), grid.to_metric(boxes)).all()


@pytest.mark.parametrize("n", [0, 1])
def test_few_polygons_are_carried_over_too(n):
    stored = pa.chunked_array([shapely.to_wkb([shapely.box(0, 70, 1, 71)] * n)], pa.binary())
    assert len(metric_polygons(stored)) == n


PLACES = [(x, y) for x in (10.0, 40.0, 170.0) for y in (66.0, 70.0, 74.0)]


def stored_boxes():
    lon, lat = np.array(PLACES).T
    boxes = shapely.multipolygons([[shapely.box(x, y, x + 0.01, y + 0.01)] for x, y in PLACES])
    return pa.chunked_array([shapely.to_wkb(boxes[:4]), shapely.to_wkb(boxes[4:])]), lon, lat


@pytest.mark.parametrize("size", [1, 2, 100])
def test_polygons_lie_by_tiles_on_disk_and_come_in_their_own_order(monkeypatch, size):
    monkeypatch.setattr(tiles, "TILE_OUTLINES", size)
    stored, lon, lat = stored_boxes()
    seen = np.zeros(len(lon), dtype=int)

    def note(rows, polygons):
        assert len(rows) == len(polygons) <= size
        seen[rows] += 1

    with open_spool() as spool:
        shapes = keep_shapes(stored, lon, lat, spool, note)
        spool.let_go()
        assert wkb(shapes.stored) == stored.to_pylist()
        expected = metric_polygons(stored)
        assert shapely.equals_identical(shapes.metric.polygons(), expected).all()
        assert shapes.bounds.tolist() == shapely.bounds(expected).tolist()
        assert (seen == 1).all()
        some = np.array([7, 0, 3])
        assert wkb(shapes.take(some).stored) == [stored[row].as_py() for row in some.tolist()]


def test_no_polygons_are_kept_too():
    with open_spool() as spool:
        shapes = keep_shapes(pa.chunked_array([[]], pa.binary()), np.empty(0), np.empty(0), spool)
        assert len(shapes) == len(shapes.metric.polygons()) == 0


def test_drawn_polygons_are_linked_as_they_are_stored():
    stored, *_ = stored_boxes()
    drawn = shapely.from_wkb(stored.to_numpy(zero_copy_only=False))
    with open_spool() as spool:
        shapes, metric = keep_polygons(drawn, spool)
        assert wkb(shapes.stored) == stored.to_pylist()
        assert shapely.equals_identical(shapes.metric.polygons(), metric).all()
