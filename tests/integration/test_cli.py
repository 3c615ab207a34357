"""The command line as a user meets it."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import shapely

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
    """The example survey, imported, linked and measured in ./rts-track.duckdb."""
    assert run("import", EXAMPLE, "--source", "survey", *FIELDS, "--quiet")[0] == 0
    assert run("link", "--quiet")[0] == 0
    assert run("measure", "--quiet")[0] == 0
    return run


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


def test_the_readmes_worked_example_runs_as_it_is_printed(tmp_path, monkeypatch):
    monkeypatch.delenv("RTS_TRACK_STORE", raising=False)
    folder = shutil.copytree(EXAMPLE.parent, tmp_path / "example")
    readme = EXAMPLE.parents[2].joinpath("README.md").read_text(encoding="utf-8")
    example = readme.partition("cd docs/example\n")[2].partition("```")[0].splitlines()
    example += [line for line in readme.splitlines() if "parquet:///everything" in line]
    program = Path(sys.executable).with_name("rts-track")
    assert len(example) > 8
    for line in example:
        command = [str(program), *shlex.split(line, comments=True)[1:]]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{line}\n{ended.stderr[-2000:]}"
    assert len(pq.read_table(folder / "outlines.parquet")) > 100


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
    assert list(tmp_path.iterdir()) == []


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
