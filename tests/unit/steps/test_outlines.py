"""Outlines as linking holds them: columns that are taken apart and put together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from rts_track import grid
from rts_track.steps.outlines import StoredShapes, metric_polygons

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
    shapes = StoredShapes.of(FIRST).followed_by(StoredShapes.of(SECOND))
    assert shapes.take(np.array([3, 4])).columns == (SECOND,)
    again = shapes.take(np.array([3, 4])).followed_by(shapes.take(np.array([5, 0])))
    assert len(again.columns) == 2
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
    monkeypatch.setattr("rts_track.steps.outlines._CARRIED_ROWS", 4)
    assert shapely.equals_identical(metric_polygons(stored), grid.to_metric(boxes)).all()


@pytest.mark.parametrize("n", [0, 1])
def test_few_polygons_are_carried_over_too(n):
    stored = pa.chunked_array([shapely.to_wkb([shapely.box(0, 70, 1, 71)] * n)], pa.binary())
    assert len(metric_polygons(stored)) == n
