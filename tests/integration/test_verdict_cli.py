"""`rts-track verdict` and `import --verdicts` as a user meets them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import duckdb
import pytest

from rts_track import cli

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "example" / "slumps.shp"
FIELDS = ["--date-field", "date", "--scene-field", "image", "--gsd-field", "res_m"]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs a command line in a folder of its own: (exit code, what it printed, what it moaned)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RTS_TRACK_STORE", raising=False)

    def run_(*arguments):
        monkeypatch.setattr(sys, "argv", ["rts-track", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run_


@pytest.fixture
def linked(run):
    assert run("import", EXAMPLE, "--source", "survey", *FIELDS, "--quiet")[0] == 0
    assert run("link", "--quiet")[0] == 0
    return run


def rows(sql):
    with duckdb.connect("rts-track.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_verdict_is_given_told_and_worked_in(linked):
    ((footprint,),) = rows(
        "select footprint_id from footprint where outline_id is not null order by 1 limit 1"
    )
    code, out, _ = linked("verdict", "reject", "footprint", footprint, "--by", "Ada")
    assert code == 0
    assert out.strip() == (
        "1 verdict added, 0 already there; `rts-track link` works in what is new"
    )
    assert linked("link")[1].startswith("linked ")
    assert rows(f"select outline_id from footprint where footprint_id = '{footprint}'") == [(None,)]
    assert "verdicts  1 in force" in linked("status")[1]
    accepted = ("verdict", "accept", "footprint", footprint, "--by", "Bo", "--reason", "is one")
    assert linked(*accepted, "--quiet") == (0, "", "")
    assert rows("select decided_by, reason from verdict order by decided_at") == [
        ("Ada", None),
        ("Bo", "is one"),
    ]


def test_a_link_is_rejected_by_its_id_and_drawn_by_its_ends(linked):
    link_id, start, end = rows("select link_id, from_outline_id, to_outline_id from link limit 1")[
        0
    ]
    assert linked("verdict", "reject", "link", link_id, "--by", "Ada")[0] == 0
    again = ("verdict", "relink", start, end, "--as", "split", "--by", "Ada")
    assert linked(*again)[0] == 0
    assert rows("select verdict, target_kind from verdict order by decided_at") == [
        ("reject", "link"),
        ("relink", "link"),
    ]


def test_a_file_of_verdicts_comes_in_without_files_of_outlines(linked, tmp_path):
    ((track,),) = rows("select track_id from track order by 1 limit 1")
    lines = [
        "track_id,verdict,by,at,reason",
        f"{track},accept,Ada,2024-05-01,seen from the air",
        "nobody,reject,Ada,2024-05-01,",
    ]
    (tmp_path / "verdicts.csv").write_text("\n".join(lines), encoding="utf-8")
    code, out, _ = linked("import", "--verdicts", "verdicts.csv")
    assert code == 0
    assert re.search(r"^\d+ verdicts added, 0 already there", out)
    assert "1 skipped:\n  row 2: no track 'nobody' in this store" in out
    code, _, err = linked("import", "--verdicts", "verdicts.csv", "--strict")
    assert code == 1
    assert "nothing stored: row 2" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["verdict", "reject", "footprint", "x", "--by", "Ada"],
            2,
            ["no footprint or outline 'x'"],
        ),
        (["verdict", "reject", "footprint", "x"], 2, ["--by"]),
        (["verdict", "doubt", "footprint", "x", "--by", "Ada"], 2, ["doubt"]),
        (["verdict", "reject", "slump", "x", "--by", "Ada"], 2, ["slump"]),
        (["verdict", "relink", "x", "y", "--by", "Ada", "--as", "gap"], 2, ["'gap'", "main"]),
        (["import"], 2, ["--verdicts"]),
        (["import", "--verdicts", "nowhere.csv"], 1, ["nowhere.csv: no such file"]),
        (["import", "--verdicts", EXAMPLE], 2, ["no column 'verdict'"]),
        (["import", "--verdicts", EXAMPLE.with_name("make_example.py")], 1, ["not a table"]),
    ],
)
def test_a_users_mistake_is_one_line_and_stores_nothing(linked, arguments, code, words):
    ended, _, err = linked(*arguments)
    assert ended == code
    assert "Traceback" not in err
    if err.startswith("rts-track: "):
        assert len(err.strip().splitlines()) == 1
    for word in words:
        assert word in err
    assert rows("select count(*) from verdict") == [(0,)]


def test_a_season_is_linked_again_on_request(linked):
    before = rows("select * exclude (run_id) from link order by link_id")
    out = linked("link", "--redo", "2019")[1]
    assert out.startswith("linked 2019-")
    assert rows("select * exclude (run_id) from link order by link_id") == before
    code, out, err = linked("link", "--redo", "2099")
    assert (code, out) == (2, "")
    assert "season 2099: nothing to link again from then on" in err
