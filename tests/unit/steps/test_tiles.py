"""Rows that are worked on together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rts_track.steps import tiles
from rts_track.steps.tiles import near_rows, runs, runs_of_groups

numbers = st.lists(st.integers(0, 6), max_size=30).map(lambda each: np.array(each, dtype=np.int64))


@pytest.fixture(params=[1, 3, 50])
def size(request, monkeypatch):
    monkeypatch.setattr(tiles, "TILE_OUTLINES", request.param)
    return request.param


@pytest.mark.parametrize("n", [0, 1, 3, 7])
def test_runs_hold_every_row_once(size, n):
    each = [list(range(n))[run] for run in runs(n)]
    assert [row for run in each for row in run] == list(range(n))
    assert len(each) >= 1
    assert all(len(run) <= size for run in each)


@pytest.mark.parametrize("at_most", [1, 4, 50])
@given(group=numbers)
def test_a_group_is_never_taken_apart(at_most, group):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE_OUTLINES", at_most)
        each = list(runs_of_groups(group))
    assert np.concatenate(each).tolist() == np.argsort(group, kind="stable").tolist()
    owners = [number for rows in each for number in set(group[rows].tolist())]
    assert len(owners) == len(set(owners))
    assert all(len(rows) <= at_most or len(set(group[rows].tolist())) == 1 for rows in each)


def test_rows_that_are_near_each_other_come_together(size):
    xy = np.array(
        [(x + step, 0.0) for step in (0.0, 0.1, 0.2) for x in (0.0, 500.0, 1000.0, 1500.0)]
    )
    each = list(near_rows(xy))
    assert sorted(np.concatenate(each).tolist()) == list(range(12))
    assert all(len(rows) <= size for rows in each)
    if size == 3:
        assert all(np.ptp(xy[rows, 0]) < 1.0 for rows in each)
