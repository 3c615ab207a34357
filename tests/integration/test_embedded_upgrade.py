"""An embedded file of an older structure is upgraded whole, or left as it was."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import shapely

from rts_track.contract import SCHEMA_VERSION
from rts_track.errors import StoreError
from rts_track.store.base import open_reader, open_store

STRUCTURES = sorted(Path(__file__).with_name("structures").glob("*.sql"))
AT = dt.datetime(2024, 7, 1, 12, 30, 15, 123456, dt.UTC)
WKB = shapely.to_wkb(shapely.MultiPolygon([shapely.box(0.1, 60, 1 / 3, 61)]))


@pytest.fixture(params=STRUCTURES, ids=lambda file: f"structure {file.stem}")
def old_file(tmp_path: Path, request) -> Path:
    """A file of an older structure with a row of each sort."""
    file = tmp_path / "old store.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(request.param.read_text(encoding="utf-8"))
        connection.execute(
            "insert into run values ('r', 'import', ?, null, '0', null, '{ \"a\":1 }', 'd')", [AT]
        )
        connection.execute(
            "insert into region values ('world', 'a', 'A', null, 2.5, st_geomfromwkb(?))", [WKB]
        )
        connection.execute(
            "insert into rts_track_internal.step_input values ('link', 'landform 2020', 'd')"
        )
    return file


def url(file: Path) -> str:
    return f"duckdb:///{file}"


def beside(file: Path) -> list[str]:
    """The other files of its folder."""
    return [other.name for other in file.parent.iterdir() if other != file]


def structure(file: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return (
            connection.execute(
                "select schema_name, table_name, sql, comment from duckdb_tables() order by all"
            ).fetchall()
            + connection.execute(
                "select schema_name, table_name, column_name, comment from duckdb_columns()"
                " where database_name = current_database() order by all"
            ).fetchall()
        )


def test_an_upgraded_file_has_the_structure_of_a_fresh_one(old_file: Path, duckdb_url: str):
    with open_store(url(old_file)) as store:
        assert store.init() == [f"structure {SCHEMA_VERSION}"]
        assert store.init() == []
    assert structure(old_file) == structure(Path(duckdb_url.removeprefix("duckdb:///")))


def test_an_upgrade_keeps_every_row_and_leaves_no_other_file(old_file: Path):
    with open_store(url(old_file)) as store:
        store.init()
        assert store.count("verdict") == 0
        assert store.read("region")["geometry"].to_pylist() == [WKB]
    with open_reader(url(old_file)) as reader:
        (run,) = reader.read("run").to_pylist()
        assert (run["started_at"], run["params"]) == (AT, '{ "a":1 }')
        assert reader.read("step_input")["unit"].to_pylist() == ["landform 2020"]
    assert beside(old_file) == []


def test_an_older_file_asks_for_init_and_is_not_written_to(old_file: Path):
    asks = "older than this rts-track; run `rts-track init`"
    with pytest.raises(StoreError, match=asks):
        open_reader(url(old_file))
    with pytest.raises(StoreError, match=asks):
        open_store(url(old_file), must_exist=True)
    with (
        open_store(url(old_file)) as store,
        pytest.raises(StoreError, match=asks),
        store.transaction(),
    ):
        pytest.fail("a transaction began")


_KILLED = """
import os, signal, sys
from pathlib import Path
from rts_track.store.base import open_store

Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
open_store(sys.argv[1]).init()
"""


def test_an_upgrade_that_is_killed_leaves_the_old_file_and_can_be_done_again(old_file: Path):
    before = old_file.read_bytes()
    dead = subprocess.run([sys.executable, "-c", _KILLED, url(old_file)], check=False)
    assert dead.returncode == -signal.SIGKILL
    assert old_file.read_bytes() == before
    assert len(beside(old_file)) > 0
    with open_store(url(old_file)) as store:
        assert store.init() != []
        assert store.count("run") == 1
    assert beside(old_file) == []


def test_an_upgrade_that_fails_is_one_line_and_leaves_the_old_file(old_file: Path, monkeypatch):
    def full(*_: object) -> None:
        raise duckdb.IOException("No space left on device")

    with open_store(url(old_file)) as store:
        monkeypatch.setattr(type(store), "_copy_rows", full)
        with pytest.raises(StoreError, match="no space left on the disk"):
            store.init()
    monkeypatch.undo()
    assert beside(old_file) == []
    with open_store(url(old_file)) as store:
        assert store.init() != []


def test_a_newer_file_is_refused_in_one_line(duckdb_url: str):
    with duckdb.connect(duckdb_url.removeprefix("duckdb:///")) as connection:
        connection.execute("update rts_track_internal.structure set version = 99")
    with pytest.raises(StoreError, match=r"written by a newer rts-track .*upgrade rts-track$"):
        open_store(duckdb_url)


def test_nothing_else_can_be_written_to_while_the_file_is_upgraded(old_file: Path, monkeypatch):
    other = f"import duckdb; duckdb.connect({str(old_file)!r})"
    replace, refused = Path.replace, []

    def replaced(self: Path, target: Path) -> Path:
        ended = subprocess.run(
            [sys.executable, "-c", other], capture_output=True, text=True, check=False
        )
        refused.append("lock" in ended.stderr)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replaced)
    with open_store(url(old_file)) as store:
        store.init()
    assert refused == [True]
