"""Exports: every table, from both stores, at any stage, whole or not at all."""

from __future__ import annotations

import resource
import signal
from contextlib import contextmanager

import geopandas
import pyarrow.parquet as pq
import pytest

from rts_track.contract import CONTRACT, arrow_schema
from rts_track.errors import RtsTrackError, StoreError
from rts_track.release import geoparquet, ordering
from rts_track.steps.exporting import export
from rts_track.steps.linking import link
from rts_track.steps.measuring import measure
from rts_track.store.base import open_reader

LOOK = (-5000, -5000, 5000, 5000)
_TIMES = ("started_at", "finished_at")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "export"


def tell(story):
    """Two slumps, one of which is split, over three seasons and two looks each."""
    for season in (2018, 2019, 2020):
        story.scene(f"s{season}", season)
        story.look(season, LOOK, scene=f"s{season}")
        story.look(season, (0, 0, 8000, 8000))
        grown = 10 * (season - 2018)
        story.slump(season, "a", (0, 0, 100 + grown, 100), scene=f"s{season}")
        story.slump(season, "b", (1000, 0, 1100, 60 + grown), scene=f"s{season}")


def comparable(folder):
    """The rows of an export in its order, but for what differs from run to run."""
    tables = {}
    for name in CONTRACT:
        rows = pq.read_table(folder / f"{name}.parquet")
        tables[name] = rows.drop_columns([c for c in _TIMES if c in rows.schema.names]).to_pylist()
    return tables


@pytest.mark.parametrize("store_url", ["postgis"], indirect=True)
def test_both_stores_export_the_same_files(story, duckdb_store, tmp_path):
    folders = [tmp_path / "duckdb", tmp_path / "postgis"]
    for told, folder in zip((type(story)(duckdb_store), story), folders, strict=True):
        tell(told)
        link(told.store)
        measure(told.store)
        export(told.store, folder)
    from_duckdb, from_postgis = (comparable(folder) for folder in folders)
    for name in CONTRACT:
        assert from_duckdb[name] == from_postgis[name], name
    for name in CONTRACT.keys() - {"run"}:
        one, other = (folder / f"{name}.parquet" for folder in folders)
        assert one.read_bytes() == other.read_bytes(), name
    filled = {"footprint", "outline", "link", "track", "event", "growth", "coverage"}
    assert all(from_duckdb[name] for name in filled)


def test_every_table_is_there_before_anything_was_imported(store, folder):
    report = export(store, folder / "new" / "folder")
    assert [table.name for table in report.tables] == list(CONTRACT)
    assert sum(table.n_rows for table in report.tables) == 0
    for table in report.tables:
        schema = pq.read_schema(table.path)
        for field in arrow_schema(table.name):
            assert schema.field(field.name).equals(field, check_metadata=True)


def test_imported_but_unlinked_outlines_are_exported(story, folder):
    tell(story)
    export(story.store, folder)
    frame = geopandas.read_parquet(folder / "footprint.parquet")
    assert len(frame) == 6
    assert frame["outline_id"].isna().all()


def test_an_export_can_be_read_as_a_store(story, folder):
    tell(story)
    link(story.store)
    export(story.store, folder)
    with open_reader(f"parquet:///{folder}") as reader:
        for name in CONTRACT:
            assert reader.read(name).equals(story.store.read(name)), name


def test_exporting_again_over_the_former_changes_no_byte(story, folder):
    tell(story)
    link(story.store)
    export(story.store, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    export(story.store, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_report_counts_rows_and_bytes(story, folder):
    tell(story)
    report = export(story.store, folder)
    rows = {table.name: table.n_rows for table in report.tables}
    assert rows["footprint"] == 6
    assert rows["look"] == 6
    assert report.line().startswith(f"{folder}: {len(CONTRACT)} tables, ")


def test_a_folder_that_cannot_be_made_is_one_clear_line(duckdb_store, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RtsTrackError, match="cannot export here") as refused:
        export(duckdb_store, tmp_path / "file" / "export")
    assert "\n" not in str(refused.value)


@contextmanager
def room_for(size_bytes):
    """No file may grow beyond this size: as close as a test comes to a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("store_url", ["duckdb"], indirect=True)
def test_a_full_disk_is_one_clear_line_and_the_former_export_stays(story, folder):
    export(story.store, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    tell(story)
    with room_for(3000), pytest.raises(RtsTrackError, match="cannot export here") as refused:
        export(story.store, folder)
    assert "\n" not in str(refused.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_store_that_changes_meanwhile_is_not_exported(story, folder):
    tell(story)
    export(story.store, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def link_meanwhile(items, *, label, total=None):
        for number, item in enumerate(items):
            if number == 5:
                link(story.store)
            yield item

    with pytest.raises(StoreError, match="changed while it was exported"):
        export(story.store, folder, progress=link_meanwhile)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("store_url", ["duckdb"], indirect=True)
def test_a_large_table_comes_out_whole(story, folder, monkeypatch):
    tell(story)
    monkeypatch.setattr(ordering, "HELD_ROWS", 2)
    monkeypatch.setattr(geoparquet, "ROW_GROUP_ROWS", 4)
    export(story.store, folder)
    written = pq.read_table(folder / "footprint.parquet").drop_columns("bbox")
    assert written.sort_by("footprint_id").equals(story.store.read("footprint"))
