"""The command line as a user meets it."""

import datetime as dt
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import shapely

from rts_track import cli
from rts_track.errors import InputError

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
    """The example survey, imported, linked and measured in ./rts-track.duckdb."""
    assert run("import", EXAMPLE, "--source", "survey", *FIELDS, "--quiet")[0] == 0
    assert run("link", "--quiet")[0] == 0
    assert run("measure", "--quiet")[0] == 0
    return run


def test_help_tells_the_way_from_scenes_too(run):
    words = " ".join(run("--help")[1].split())
    steps = [words.index(f"(`{step}`)") for step in ("ingest", "detect", "link", "measure")]
    assert steps == sorted(steps)


@pytest.mark.parametrize("command", ["ingest", "align", "train", "simulate", "link", "model"])
def test_the_list_of_commands_tells_each_to_its_end(run, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    lines = (line.split() for line in run("--help")[1].splitlines())
    told = next(words for words in lines if words[:1] == [command])
    assert not told[-1].endswith("...")


def test_help_of_score_names_both_kinds_of_truth(run):
    assert "truth_outline" in run("score", "--help")[1]
    assert "truth_footprint" in run("score", "--help")[1]


def test_the_whole_job_runs_on_a_users_shapefile(linked, tmp_path):
    code, out, _ = linked("status")
    assert code == 0
    assert "survey (landform, by person)" in out
    assert "tracks" in out
    assert "to do" not in out
    code, out, _ = linked("query", "growth-rate", "--format", "json")
    assert code == 0
    assert json.loads(out)
    assert linked("export", "everything")[0] == 0
    n_tracks = pq.read_table(tmp_path / "everything" / "track.parquet").num_rows
    code, out, _ = linked("query", "tracks", "--format", "csv", "--store", "parquet:///everything")
    assert len(out.splitlines()) == n_tracks + 1


def test_doing_it_all_again_changes_nothing(linked):
    code, out, _ = linked("import", EXAMPLE, "--source", "survey", *FIELDS)
    assert code == 0
    assert "0 footprints added, 0 updated" in out
    assert linked("link")[1].strip() == "nothing new to link"
    assert linked("measure")[1].strip() == "nothing new to measure"


def test_quiet_prints_nothing_but_answers(run):
    code, out, err = run("import", EXAMPLE, "--source", "survey", *FIELDS, "--quiet")
    assert (code, out, err) == (0, "", "")


def test_query_alone_lists_the_questions(run):
    code, out, _ = run("query")
    assert code == 0
    for name in ("fastest-growers", "track-outlines", "density-per-cell"):
        assert name in out


def one_line(err, *words):
    assert err.startswith("rts-track: ") or "Error: " in err
    assert "Traceback" not in err
    if err.startswith("rts-track: "):
        assert len(err.strip().splitlines()) == 1
    for word in words:
        assert word in err, err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["import", "nowhere.shp", "--source", "s", "--gsd", 3, "--season-field", "y"],
            1,
            ["nowhere.shp"],
        ),
        (["import", EXAMPLE, "--reader", "nobody"], 2, ["nobody", "vector"]),
        (["import", EXAMPLE, "--date-field", "when", "--gsd", 3], 2, ["when", "date"]),
        (["import", EXAMPLE, "--date-field", "date"], 2, ["--gsd"]),
        (["link"], 1, ["rts-track.duckdb", "init"]),
        (["query", "tracks"], 1, ["rts-track.duckdb"]),
        (["link", "--store", "mysql://x"], 2, ["mysql", "duckdb:///"]),
        (["link", "--store", "duckdb:///no/such/folder/x.duckdb"], 1, ["no/such/folder"]),
        (["query", "tracks", "--store", "parquet:///nothing"], 1, ["nothing", "export"]),
        (["status", "--store", "postgresql://nobody@127.0.0.1:1/none"], 1, ["127.0.0.1"]),
        (["query", "fastest-grower"], 2, ["fastest-growers"]),
        (["query", "tracks", "--param", "colour=red"], 2, ["colour"]),
        (["query", "tracks", "--param", "red"], 2, ["name=value"]),
        (["score", "--truth", "nowhere"], 1, []),
    ],
)
def test_a_users_mistake_is_one_line_and_an_exit_code(run, arguments, code, words):
    found, _, err = run(*arguments)
    assert found == code, err
    one_line(err, *words)


def test_a_mistake_leaves_no_file_behind(run, tmp_path):
    run("link")
    run("query", "tracks")
    run("import", "nowhere.shp", "--season-field", "year", "--gsd", 3)
    run("import", EXAMPLE, "--date-field", "when", "--gsd", 3)
    assert list(tmp_path.iterdir()) == []


def test_init_tells_what_it_created_and_that_it_does_so_once(run):
    assert "created structure" in run("init")[1]
    assert "up to date" in run("init")[1]


@pytest.mark.parametrize("beginning", [b"SQLite format 3\0", b"no database of any kind"])
def test_a_file_that_is_no_store_is_refused_and_left_alone(run, tmp_path, beginning):
    file = tmp_path / "slumps.gpkg"
    file.write_bytes(beginning.ljust(8192, b"\0"))
    before = file.read_bytes()
    for command in (["init"], ["status"], ["import", EXAMPLE, "--source", "s", *FIELDS]):
        code, _, err = run(*command, "--store", "duckdb:///slumps.gpkg")
        assert code == 1
        one_line(err, "slumps.gpkg", "no store of rts-track")
    assert file.read_bytes() == before


def test_a_failed_first_import_spares_a_store_that_another_made_meanwhile(
    run, tmp_path, monkeypatch
):
    from rts_track.steps import importing

    def while_another_imports(store, *_arguments, **_more):
        importing.record_run(store, "import", {}, "0", started_at=dt.datetime.now(dt.UTC))
        raise InputError("broken file")

    monkeypatch.setattr(importing, "import_footprints", while_another_imports)
    code, _, err = run("import", EXAMPLE, "--source", "survey", *FIELDS)
    assert code == 1
    one_line(err, "broken file")
    assert (tmp_path / "rts-track.duckdb").is_file()


def test_commands_leave_the_interpreter_as_it_was(linked):
    before = list(sys.meta_path)
    linked("status")
    assert sys.meta_path == before


def test_a_store_of_a_newer_structure_is_refused(linked, tmp_path):
    import duckdb

    with duckdb.connect(str(tmp_path / "rts-track.duckdb")) as connection:
        connection.execute("update rts_track_internal.structure set version = 99")
    for command in (["link"], ["status"], ["import", EXAMPLE, "--source", "s", *FIELDS]):
        code, _, err = linked(*command)
        assert code == 1
        one_line(err, "newer", "99")


def test_a_full_disk_is_one_line_and_stores_nothing(linked, monkeypatch):
    def full(*_arguments, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rts_track.steps.exporting.export", full)
    code, _, err = linked("export", "everything")
    assert code == 1
    one_line(err, "no space left")


def test_faults_are_listed_counted_and_written(run, tmp_path):
    bowtie = shapely.Polygon([(10, 70), (10.01, 70.01), (10.01, 70), (10, 70.011)])
    shapes = [shapely.box(11, 70, 11.01, 70.01), bowtie, shapely.Polygon()]
    pyogrio.raw.write(
        tmp_path / "odd.gpkg",
        geometry=shapely.to_wkb(np.array(shapes, dtype=object)),
        field_data=[np.array([2020, 2020, 2020]), np.array([1, 2, 3])],
        fields=["year", "name"],
        driver="GPKG",
        geometry_type="Polygon",
        crs="EPSG:4326",
    )
    given = ["import", "odd.gpkg", "--season-field", "year", "--id-field", "name", "--gsd", 3]
    code, out, _ = run(*given, "--strict")
    assert (code, out) == (1, "")
    code, out, _ = run(*given, "--faults", "faults.csv")
    assert code == 0
    assert "2 footprints added" in out
    assert "odd:2" in out
    assert "odd:3" in out
    listed = (tmp_path / "faults.csv").read_text(encoding="utf-8").splitlines()
    assert len(listed) == 3


def test_ctrl_c_is_one_line(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    assert run("init")[0] == 0
    monkeypatch.setattr("rts_track.steps.linking.link", interrupted)
    code, out, err = run("link")
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert err.strip() == "rts-track: interrupted; what the store held before is unchanged"


def test_faults_of_outlines_are_not_asked_of_verdicts_alone(run):
    code, _, err = run("import", "--verdicts", "decisions.csv", "--faults", "faults.csv")
    assert code == 2
    assert "--faults lists outlines" in err


def test_a_faults_file_that_cannot_be_is_told_before_anything_is_stored(run, tmp_path):
    given = ["import", EXAMPLE, "--source", "survey", *FIELDS]
    for file in ("no/such/folder/faults.csv", "."):
        code, _, err = run(*given, "--faults", file)
        assert code == 2
        assert len(err.splitlines()) == 1
        assert file in err
    assert not (tmp_path / "rts-track.duckdb").exists()


def test_quiet_still_lists_outlines_at_fault(run, tmp_path):
    pyogrio.raw.write(
        tmp_path / "old.gpkg",
        shapely.to_wkb(np.array([shapely.box(501e3, 78e5, 5011e2, 78001e2)])),
        [np.array([1700])],
        ["year"],
        layer="old",
        crs="EPSG:32605",
        geometry_type="Polygon",
    )
    given = ["import", "old.gpkg", "--season-field", "year", "--gsd", 3, "--quiet"]
    code, out, _ = run(*given)
    assert code == 0
    assert out.splitlines() == ["1 skipped:", "  old:1: season 1700 outside 1900-2100"]
