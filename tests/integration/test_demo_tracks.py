"""The demo of tracking runs the whole job, in either store."""

import pytest

from rts_track.simulate.history import HistoryParams
from rts_track.steps import demo_tracks


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(
        demo_tracks, "HistoryParams", lambda: HistoryParams(n_slumps=25, n_seasons=4)
    )


def test_the_demo_of_tracking_ends_with_a_summary_and_says_where_its_files_are(small, tmp_path):
    lines = list(demo_tracks.run_demo_tracks(tmp_path / "demo", 1))
    told = "\n".join(lines)
    assert " tracks, " in told
    assert "Events: " in told
    assert "Fastest growers of 2021" in told
    assert "links, consecutive" in told
    for name in ("demo.duckdb", "export/track.parquet", "tracks.png", "truth/truth_link.parquet"):
        assert (tmp_path / "demo" / name).is_file()
    assert list(demo_tracks.run_demo_tracks(tmp_path / "demo", 1)) == lines


def test_the_demo_of_tracking_tells_the_same_of_a_store_that_was_named(
    small, store, store_url, tmp_path
):
    own = list(demo_tracks.run_demo_tracks(tmp_path / "own", 2))
    store.close()
    named = list(demo_tracks.run_demo_tracks(tmp_path / "named", 2, url=store_url))
    assert named[: named.index("Files:")] == own[: own.index("Files:")]
    assert not (tmp_path / "named" / "demo.duckdb").exists()
