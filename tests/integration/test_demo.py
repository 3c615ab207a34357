"""The demo goes the whole way, from simulated scenes to scored tracks."""

import re

import pyarrow.parquet as pq
import pytest

from rts_track.simulate.landscape.landscape import LandscapeParams
from rts_track.steps import demo

SMALL = LandscapeParams(
    sensors=("sentinel2",),
    extent_m=(2_400.0, 1_800.0),
    n_seasons=3,
    dem_seasons=(),
    slumps_per_km2=4.0,
    cloud_frac=0.0,
    partial_frac=0.0,
)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(demo, "PARAMS", SMALL)


def f1_of(lines, measure):
    """The F1 in the printed score; columns are measure, source, n_true ... f1 ..."""
    header = next(line for line in lines if line.split()[:2] == ["measure", "source"]).split()
    row = next(line for line in lines if line.strip().startswith(measure))
    cells = re.split(r"\s{2,}", row.strip())
    return float(cells[header.index("f1")])


@pytest.mark.slow
def test_the_demo_goes_the_whole_way_and_finds_most_slumps(small, tmp_path):
    lines = list(demo.run_demo(tmp_path / "demo", 3))
    told = "\n".join(lines)
    assert "3 scenes added" in told
    assert "3 scenes searched" in told
    assert f1_of(lines, "objects, IoU 0.3") > 0.7
    assert f1_of(lines, "links, consecutive") > 0.7
    folder = tmp_path / "demo"
    for name in ("demo.duckdb", "tracks.png", "detections.png", "truth/truth_outline.parquet"):
        assert (folder / name).is_file(), name
    assert len(list((folder / "probabilities").glob("*/*.tif"))) == 3
    assert pq.read_table(folder / "export" / "footprint.parquet").num_rows > 10
    shifts = pq.read_table(folder / "export" / "scene_shift.parquet")
    assert set(shifts["method"].to_pylist()) == {"coregistration"}
    assert list(demo.run_demo(folder, 3)) == lines


@pytest.mark.slow
def test_the_demo_tells_the_same_of_a_store_that_was_named(small, store, store_url, tmp_path):
    own = list(demo.run_demo(tmp_path / "own", 2))
    store.close()
    named = list(demo.run_demo(tmp_path / "named", 2, url=store_url))
    assert named[: named.index("Files:")] == own[: own.index("Files:")]
    assert not (tmp_path / "named" / "demo.duckdb").exists()
