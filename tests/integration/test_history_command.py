"""`rts-track history` as a user meets it."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rts_track import cli
from rts_track.store.base import open_reader

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "example" / "slumps.shp"
FIELDS = ["--date-field", "date", "--scene-field", "image", "--gsd-field", "res_m"]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs a command line in a folder that holds the linked example survey."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RTS_TRACK_STORE", raising=False)

    def run_(*arguments):
        monkeypatch.setattr(sys, "argv", ["rts-track", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    assert run_("import", EXAMPLE, "--source", "survey", *FIELDS, "--quiet")[0] == 0
    assert run_("link", "--quiet")[0] == 0
    assert run_("measure", "--quiet")[0] == 0
    return run_


def test_every_slump_has_a_story_that_an_export_tells_in_the_same_words(run):
    assert run("export", "everything", "--quiet")[0] == 0
    tracks = pq.read_table("everything/track.parquet")["track_id"].to_pylist()
    assert tracks
    for track in tracks[:5]:
        code, out, err = run("history", track)
        assert (code, err) == (0, "")
        assert out.startswith(f"slump     {track}\n")
        assert max(map(len, out.splitlines())) <= 100
        assert run("history", track[:8], "--store", "parquet:///everything")[1] == out


def test_a_story_as_json_holds_every_season_that_the_store_knows(run):
    with open_reader("duckdb:///rts-track.duckdb") as reader:
        states = reader.read("track_state", ["track_id", "season_year"]).to_pylist()
    track = states[0]["track_id"]
    code, out, _ = run("history", track, "--json")
    story = json.loads(out)
    assert code == 0
    assert story["track_id"] == story["track"]["track_id"] == track
    told = [season["season_year"] for season in story["seasons"]]
    assert told == [row["season_year"] for row in states if row["track_id"] == track]


def test_an_unknown_slump_is_one_clear_line(run):
    code, out, err = run("history", "0000000-nobody")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "0000000-nobody: no slump of" in err
    assert run("history", "00")[0] == 2
