"""Tiles, threads and clusters change nothing but the time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rts_track.errors import UsageError
from rts_track.simulate.files import write_history
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.source.request import ImportRequest
from rts_track.steps import tiles
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.steps.tiles import open_workers, tile_rows
from rts_track.store.base import open_store

LINKED = ("outline", "link", "track", "track_state", "event", "scene_shift", "track_alias")


@pytest.fixture(scope="module", params=["landform", "active_zone"])
def imported(request, tmp_path_factory):
    """Import files and the request for them."""
    folder = tmp_path_factory.mktemp(request.param)
    params = HistoryParams(
        n_slumps=60, n_seasons=4, migration_frac=0.3 if request.param == "active_zone" else 0.0
    )
    files = write_history(simulate_history(np.random.default_rng(5), params), folder)
    wanted = ImportRequest(
        source="simulated",
        kind=request.param,
        season_field=files.season_field,
        date_field=files.date_field,
        scene_field=files.scene_field,
        id_field=files.id_field,
        gsd_field=files.gsd_field,
        looked_at=str(files.looks),
    )
    return files.footprints, wanted


def linked(imported, folder, workers=None):
    """The tables that linking writes."""
    footprints, wanted = imported
    with open_store(f"duckdb:///{folder}/store.duckdb") as store:
        store.init()
        import_footprints(store, [footprints], wanted)
        link(store, workers=workers)
        return {name: store.read(name).to_pylist() for name in LINKED}


@pytest.fixture(scope="module")
def whole(imported, tmp_path_factory):
    """Linked by nobody but the caller, in one tile."""
    return linked(imported, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("size", [7, 40])
def test_tiles_change_no_row(imported, whole, tmp_path, monkeypatch, size):
    monkeypatch.setattr(tiles, "TILE_OUTLINES", size)
    assert linked(imported, tmp_path) == whole


def test_threads_change_no_row(imported, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "TILE_OUTLINES", 15)
    with open_workers(4) as workers:
        assert linked(imported, tmp_path, workers) == whole


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_dask_cluster_changes_no_row_and_keeps_quiet(
    imported, whole, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(tiles, "TILE_OUTLINES", 30)
    with open_workers(2, "local") as workers:
        assert linked(imported, tmp_path, workers) == whole
    assert [r.message for r in caplog.records if r.name.startswith("distributed")] == []


boxes = st.lists(
    st.tuples(st.integers(-500, 500), st.integers(-500, 500), st.integers(1, 60)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[2])
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(boxes, boxes, st.integers(0, 50), st.integers(1, 10))
def test_every_pair_is_in_one_tile_whatever_its_size(before, after, within_m, at_most):
    before, after = np.array(before, float), np.array(after, float)
    rows = list(tile_rows(before, after, within_m, at_most))
    assert sorted(np.concatenate([children for _, children in rows])) == list(range(len(after)))
    tile_of = {child: set(parents) for parents, children in rows for child in children.tolist()}
    near = (before[:, None, :2] <= after[None, :, 2:] + within_m).all(axis=2)
    near &= (before[:, None, 2:] >= after[None, :, :2] - within_m).all(axis=2)
    for parent, child in zip(*np.nonzero(near), strict=True):
        assert parent in tile_of[int(child)]


def test_nobody_answers_or_no_worker_is_one_clear_line():
    with pytest.raises(UsageError, match="at least one"), open_workers(0):
        pass
    with pytest.raises(UsageError, match="no Dask scheduler"), open_workers(1, "tcp://127.0.0.1:1"):
        pass
