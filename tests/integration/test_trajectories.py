"""`measure` and `export --trajectories`: where fronts moved, in the tables and in the files."""

from __future__ import annotations

import subprocess
import sys

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from rts_track.errors import UsageError
from rts_track.source.request import ImportRequest
from rts_track.steps.exporting import export
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.steps.measuring import measure
from rts_track.store.base import open_reader

LOOK = (-5000, -5000, 5000, 5000)
ORIGIN_TURN_DEG = np.degrees(np.arctan2(-1_500_000.0, -1_200_000.0))
"""Azimuth, at the stories' place, of the plane's y axis: that of its north is the meridian's."""


@pytest.fixture
def grown(story):
    """A slump whose upper side moves 12 m a year along the plane's y axis, and one that rests."""
    for season in (2018, 2019, 2020, 2021):
        story.scene(f"s{season}", season)
        story.look(season, LOOK, scene=f"s{season}")
        by = 12 * (season - 2018)
        story.slump(season, "mover", (0, 0, 120, 100 + by), scene=f"s{season}")
        story.slump(season, "rester", (1000, 0, 1100, 100), scene=f"s{season}")
    link(story.store)
    measure(story.store)
    return story.store


def azimuths(store):
    rows = store.read("growth", ["from_year", "to_year", "gained_m2", "migration_azimuth_deg"])
    return rows.to_pylist()


def test_measure_fills_the_azimuth_of_what_grew_and_of_nothing_else(grown):
    rows = azimuths(grown)
    moved = [row for row in rows if row["gained_m2"] > 100]
    assert len(moved) == 5
    assert len(rows) == 10
    for row in moved:
        off = (row["migration_azimuth_deg"] - ORIGIN_TURN_DEG + 180) % 360 - 180
        assert abs(off) < 1.0
    assert all(row["migration_azimuth_deg"] is None for row in rows if row["gained_m2"] < 100)


def test_what_merges_has_no_azimuth_of_its_own(story):
    for season in (2018, 2019):
        story.scene(f"s{season}", season)
        story.look(season, LOOK, scene=f"s{season}")
    story.slump(2018, "one", (0, 0, 100, 100), scene="s2018")
    story.slump(2018, "other", (110, 0, 200, 100), scene="s2018")
    story.slump(2019, "both", (0, 0, 200, 130), scene="s2019")
    link(story.store)
    measure(story.store)
    rows = story.store.read("growth").to_pylist()
    assert {row["basis"] for row in rows} == {"group"}
    assert all(row["migration_azimuth_deg"] is None for row in rows)


def test_trajectories_are_exported_as_lines(grown, tmp_path):
    report = export(grown, tmp_path, trajectories=True)
    assert report.tables[-1].name == "trajectory"
    assert report.tables[-1].n_rows == 2
    frame = geopandas.read_parquet(tmp_path / "trajectory.parquet")
    (mover,) = frame[frame["length_m"].notna()].itertuples()
    (rester,) = frame[frame["length_m"].isna()].itertuples()
    assert mover.n_seasons == 4
    assert (mover.from_year, mover.to_year) == (2018, 2021)
    assert mover.geometry.geom_type == "LineString"
    # The plane stretches lengths along its y axis here by less than 2 %.
    assert mover.speed_m_yr == pytest.approx(12.0, rel=0.03)
    assert mover.straightness == pytest.approx(1.0, abs=0.01)
    assert rester.n_seasons == 4
    assert rester.geometry is None
    assert np.isnan(rester.azimuth_deg)


def test_an_export_can_be_exported_again_with_trajectories(grown, tmp_path):
    export(grown, tmp_path / "first", trajectories=True)
    with open_reader(f"parquet:///{tmp_path / 'first'}") as reader:
        export(reader, tmp_path / "second", trajectories=True)
    one, other = (tmp_path / name / "trajectory.parquet" for name in ("first", "second"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("store_url", ["postgis"], indirect=True)
def test_both_stores_give_the_same_trajectories(grown, duckdb_store, tmp_path):
    for name in ("run", "source", "scene", "look", "track", "outline", "footprint", "track_state"):
        duckdb_store.upsert(name, grown.read(name))
    for name in ("link", "event", "scene_shift", "growth"):
        duckdb_store.upsert(name, grown.read(name))
    for store, name in ((grown, "postgis"), (duckdb_store, "duckdb")):
        export(store, tmp_path / name, trajectories=True)
    one, other = (tmp_path / name / "trajectory.parquet" for name in ("postgis", "duckdb"))
    assert one.read_bytes() == other.read_bytes()


def test_an_empty_store_has_an_empty_table_of_trajectories(duckdb_store, tmp_path):
    export(duckdb_store, tmp_path, trajectories=True)
    assert pq.read_table(tmp_path / "trajectory.parquet").num_rows == 0


def test_without_the_option_there_are_no_trajectories(duckdb_store, tmp_path):
    export(duckdb_store, tmp_path)
    assert not (tmp_path / "trajectory.parquet").exists()


def test_without_movingpandas_nothing_is_written(duckdb_store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "movingpandas", None)
    with pytest.raises(UsageError, match=r"rts-track\[trajectory\]"):
        export(duckdb_store, tmp_path / "export", trajectories=True)
    assert not (tmp_path / "export").exists()


def command(*arguments):
    """The packages that `rts-track` with these arguments loads in an interpreter of its own."""
    code = "import sys, atexit\nfrom rts_track.cli import main\n"
    code += "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\nmain()"
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return set(ended.stderr.split())


@pytest.mark.parametrize("store_url", ["duckdb"], indirect=True)
def test_the_command_writes_them_and_loads_pandas_for_nothing_else(grown, store_url, tmp_path):
    grown.close()
    one, other = tmp_path / "one", tmp_path / "other"
    loaded = command("export", one, "--trajectories", "--store", store_url)
    assert {"movingpandas", "pandas"} <= loaded
    lines = geopandas.read_parquet(one / "trajectory.parquet").geometry
    assert lines.notna().sum() == 1
    assert shapely.is_valid(lines.dropna().values).all()
    assert not {"movingpandas", "geopandas", "pandas"} & command(
        "export", other, "--store", store_url
    )


@pytest.mark.real_data
def test_the_real_slumps_of_siberia_move_at_plausible_speeds(duckdb_store, real_data, tmp_path):
    request = ImportRequest(reader="barth2023", looked_at="hull")
    import_footprints(duckdb_store, [real_data / "barth2023"], request)
    link(duckdb_store)
    measure(duckdb_store)
    rows = duckdb_store.read("growth").to_pylist()
    grew = [
        row
        for row in rows
        if row["basis"] == "track" and row["is_significant"] and row["area_change_m2"] > 0
    ]
    azimuth = np.array([row["migration_azimuth_deg"] or np.nan for row in grew])
    assert np.isfinite(azimuth).mean() > 0.8, "a front that grew mostly shows where to"
    assert (np.histogram(azimuth[np.isfinite(azimuth)], 8, (0, 360))[0] > 20).all()
    export(duckdb_store, tmp_path, trajectories=True)
    lines = geopandas.read_parquet(tmp_path / "trajectory.parquet")
    moved = lines.dropna(subset=["speed_m_yr"])
    assert len(moved) > 0.5 * len(lines) > 100
    assert 5.0 < moved["speed_m_yr"].median() < 20.0
    assert (moved["straightness"] <= 1.0).all()
