"""`validate`: what a store's source or a file holds, beside what annotators drew."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import shapely
from typer.testing import CliRunner

from rts_track import cli, grid
from rts_track.contract import arrow_schema
from rts_track.errors import InputError, UsageError
from rts_track.steps.linking import link
from rts_track.steps.training_labels import LabelFields
from rts_track.steps.validating import (
    LEAST_TRUE,
    ValidateRequest,
    validate_stored,
    write_recall,
)
from rts_track.steps.validating_truth import names_of
from rts_track.store.base import open_store
from rts_track.track.score_objects import OVERLAP
from rts_track.track.score_validation import CONSENSUS, FOUND, OTHERS, ValidationParams

ORIGIN = np.array([-1_500_000.0, 1_200_000.0])
"""As in conftest: stories take place here."""
FAST = ValidationParams(n_replicates=100, block_m=500.0)
EVERYWHERE = (-1000, -1000, 20_000, 1000)


def row_of(count, *, first=0):
    """Slumps of 60 m, 500 m apart."""
    return [(500 * n, 0, 500 * n + 60, 60) for n in range(first, count)]


@pytest.fixture
def world(story):
    """A detector, `model`, beside the story's people."""
    story.source("model")
    story.store.update("source", pa.table({"source": ["model"], "mapper": ["model"]}))
    return story


def search(story, season, found, *, source="model", looked=EVERYWHERE, product=None, clipped=()):
    """A look of a scene, and what was found in it."""
    scene = f"{source}:{product or season}"
    story.scene(scene, season, source=source)
    story.look(season, looked, scene=scene, source=source)
    (look,) = story.store.read("look", ["look_id"], {"scene_id": scene})["look_id"].to_pylist()
    ids = [
        story.slump(season, str(n), box, scene=scene, source=source, is_clipped=n in clipped)
        for n, box in enumerate(found)
    ]
    if ids:
        given = {"footprint_id": ids, "look_id": [look] * len(ids)}
        story.store.update("footprint", pa.table(given))
    return ids


def write(file, boxes, **fields):
    """Boxes of the story's plane as a file in WGS 84."""
    drawn = np.array([shapely.box(*each) for each in boxes], dtype=object)
    moved = shapely.transform(drawn, lambda xy: xy + ORIGIN)
    pyogrio.raw.write(
        file,
        shapely.to_wkb(grid.to_lonlat(moved)),
        [np.array(values, dtype=object) for values in fields.values()] or [np.arange(len(boxes))],
        list(fields) or ["number"],
        crs="EPSG:4326",
        geometry_type="MultiPolygon",
    )
    return file


def validated(store, *truths, params=FAST, **options):
    return validate_stored(store, ValidateRequest(truths=truths, **options), params)


def tally(report, criterion=OVERLAP):
    told = report.main.tallies[criterion]
    return told.n_true, told.n_found, told.n_right


@pytest.fixture
def store(request):
    """The embedded store, unless a test asks for the other one."""
    return request.getfixturevalue(f"{getattr(request, 'param', 'duckdb')}_store")


both_stores = pytest.mark.parametrize("store", ["duckdb", "postgis"], indirect=True)


@both_stores
def test_the_one_model_that_searched_is_validated_where_it_looked(world, tmp_path):
    looked = (-100, -100, 3_000, 1_000)
    search(world, 2021, row_of(5), looked=looked)
    truth = write(tmp_path / "truth.gpkg", row_of(40, first=1))
    report = validated(world.store, truth)
    assert report.name == "model"
    assert tally(report) == (5, 5, 4)
    assert report.main.reference == "truth"
    assert report.main.looked_m2 == pytest.approx(3_100 * 1_100, rel=1e-3)
    assert report.main.measures["areas", "recall"].value == pytest.approx(0.8, abs=0.01)


@both_stores
def test_truth_that_counts_in_several_searches_alike_is_told(world, tmp_path):
    search(world, 2021, row_of(6))
    truth = write(tmp_path / "truth.gpkg", row_of(6), year=[2021] * 6)
    said = "every polygon of truth counts in each search"
    assert not any(said in line for line in validated(world.store, truth).lines())
    search(world, 2022, row_of(5))
    assert any(said in line for line in validated(world.store, truth).lines())
    of_a_season = LabelFields(season="year")
    assert not any(
        said in line for line in validated(world.store, truth, fields=of_a_season).lines()
    )


def test_recall_is_kept_once_with_a_run_and_said_before_and_after(world, tmp_path):
    search(world, 2021, row_of(30))
    truth = write(tmp_path / "truth.gpkg", row_of(40))
    request = ValidateRequest(truths=(truth,))
    report = validate_stored(world.store, request, FAST)
    before = world.store.count("run")
    first = write_recall(world.store, report, request)
    assert (first.before, first.after, first.n_true) == (None, 0.75, 40)
    assert "0.750" in first.line()
    assert "unknown" in first.line()
    assert "rts-track link" in first.line()
    (row,) = world.store.read("source", scope={"source": "model"}).to_pylist()
    assert (row["recall"], row["mapper"]) == (0.75, "model")
    (run,) = world.store.read("run", scope={"step": "validate"}).to_pylist()
    assert json.loads(run["params"])["n_true"] == 40
    assert str(tmp_path) not in run["params"]
    again = write_recall(world.store, report, request)
    assert (again.before, again.after) == (0.75, 0.75)
    assert "as before" in again.line()
    assert world.store.count("run") == before + 1


def test_recall_of_few_objects_is_not_kept(world, tmp_path):
    search(world, 2021, row_of(LEAST_TRUE - 1))
    request = ValidateRequest(truths=(write(tmp_path / "t.gpkg", row_of(LEAST_TRUE - 1)),))
    report = validate_stored(world.store, request, FAST)
    with pytest.raises(InputError, match=f"{LEAST_TRUE} are needed"):
        write_recall(world.store, report, request)
    assert world.store.read("source", scope={"source": "model"})["recall"].to_pylist() == [None]
    assert world.store.read("run", scope={"step": "validate"}).num_rows == 0


def test_a_recall_that_was_written_counts_when_linked_again(world, tmp_path):
    """Slumps that a search with a high recall missed are surer to have gone."""
    for season, found in ((2019, row_of(24)), (2020, row_of(20)), (2021, row_of(20))):
        search(world, season, found)
    link(world.store)
    request = ValidateRequest(truths=(write(tmp_path / "t.gpkg", row_of(22)),), season_year=2021)

    def stabilised():
        rows = world.store.read("event", scope={"kind": "stabilise"}).to_pylist()
        return {json.loads(row["evidence"])["recall"] for row in rows}

    assert stabilised() == {None}
    write_recall(world.store, validate_stored(world.store, request, FAST), request)
    link(world.store)
    (recall,) = stabilised()
    assert recall == pytest.approx(20 / 22, abs=1e-6)


def test_several_files_are_annotators_with_a_consensus(world, tmp_path):
    search(world, 2021, row_of(8))
    files = []
    for number, count in enumerate((8, 10, 12)):
        (tmp_path / str(number)).mkdir()
        files.append(write(tmp_path / str(number) / "drawn.gpkg", row_of(count)))
    report = validated(world.store, *files)
    assert report.compared.annotators == ("0", "1", "2")
    assert report.main.reference == CONSENSUS
    assert tally(report) == (10, 8, 8)
    assert report.score_of(FOUND, "2").tallies[OVERLAP].n_true == 12
    assert report.score_of("2", OTHERS).tallies[OVERLAP].n_true == 8
    pairs = report.annotators.pairs[OVERLAP, "F1"]
    assert pairs.each == pytest.approx((16 / 18, 16 / 20, 20 / 22))


def test_files_are_called_so_that_they_can_be_told_apart():
    assert names_of([Path("a/x.shp"), Path("b/y.shp")]) == ["x", "y"]
    assert names_of([Path("a/x.shp"), Path("b/x.shp")]) == ["a", "b"]
    assert names_of([Path("a/x.shp"), Path("a/y.shp"), Path("b/x.shp")]) == ["a/x", "a/y", "b/x"]
    assert names_of([Path("a/consensus.shp"), Path("a/y.shp")]) == ["a/consensus", "a/y"]
    assert names_of([Path("a/y.shp")], Path("a/found.shp")) == ["found", "y"]


def test_truth_belongs_to_its_season_and_searches_of_others_are_left_out(world, tmp_path):
    search(world, 2020, row_of(4))
    search(world, 2021, row_of(6))
    search(world, 2022, row_of(9))
    truth = write(
        tmp_path / "t.gpkg", row_of(3) + row_of(6), year=np.array([2020] * 3 + [2021] * 6)
    )
    report = validated(world.store, truth, fields=LabelFields(season="year"))
    assert tally(report) == (9, 10, 9)
    assert report.n_left_out == 1
    assert "1 search left out" in "\n".join(report.lines())
    report = validated(world.store, truth, fields=LabelFields(season="year"), season_year=2021)
    assert tally(report) == (6, 6, 6)
    with pytest.raises(InputError, match="none of 1 searches"):
        validated(world.store, truth, fields=LabelFields(season="year"), season_year=2022)


def test_a_season_of_which_an_annotator_says_nothing_is_left_out(world, tmp_path):
    for season in (2020, 2021):
        search(world, season, row_of(5))
    one = write(tmp_path / "one.gpkg", row_of(4) * 2, year=np.array([2020] * 4 + [2021] * 4))
    other = write(tmp_path / "other.gpkg", row_of(4), year=np.array([2021] * 4))
    report = validated(world.store, one, other, fields=LabelFields(season="year"))
    assert (report.compared.n_samples, report.n_left_out) == (1, 1)
    assert tally(report) == (4, 5, 4)


def test_truth_belongs_to_its_scene_and_a_named_scene_without_any_counts(world, tmp_path):
    search(world, 2021, row_of(4), product="one")
    search(world, 2021, row_of(6), product="other")
    truth = write(tmp_path / "t.gpkg", row_of(4), image=["one"] * 4)
    fields = LabelFields(scene="image")
    assert tally(validated(world.store, truth, fields=fields)) == (4, 4, 4)
    named = validated(world.store, truth, fields=fields, scene_ids=("one", "model:other"))
    assert tally(named) == (4, 10, 4)
    with pytest.raises(InputError, match="no search of scene nowhere"):
        validated(world.store, truth, fields=fields, scene_ids=("nowhere",))


@both_stores
def test_truth_may_be_what_people_drew_in_the_store_where_they_looked(world):
    search(world, 2021, row_of(10))
    search(world, 2021, row_of(6, first=2), source="survey", looked=(-100, -100, 3_000, 500))
    report = validated(world.store, truth_sources=("survey",))
    assert report.main.reference == "survey"
    assert tally(report) == (4, 6, 4)
    assert report.main.looked_m2 == pytest.approx(3_100 * 600, rel=1e-3)


def test_what_is_no_longer_current_does_not_count(world, tmp_path):
    ids = search(world, 2021, row_of(5))
    truth = write(tmp_path / "t.gpkg", row_of(5))
    gone = {"footprint_id": ids[:1], "run_id": ["story"]}
    world.store.upsert("superseded_footprint", pa.table(gone))
    assert tally(validated(world.store, truth)) == (5, 4, 4)
    looks = world.store.read("look", ["look_id"])["look_id"].to_pylist()
    world.store.update("look", pa.table({"look_id": looks, "is_current": [False]}))
    with pytest.raises(InputError, match="has not looked anywhere"):
        validated(world.store, truth, source="model")


def test_the_sources_own_minimum_area_counts_unless_another_is_given(world, tmp_path):
    world.store.update("source", pa.table({"source": ["model"], "min_area_m2": [2_000.0]}))
    small = (300, 0, 340, 40)
    search(world, 2021, [*row_of(3), small])
    truth = write(tmp_path / "t.gpkg", [*row_of(3), small])
    assert tally(validated(world.store, truth)) == (3, 3, 3)
    assert tally(validated(world.store, truth, min_area_m2=0.0)) == (4, 4, 4)


def test_regions_of_the_store_are_scored_one_by_one(world, tmp_path):
    search(world, 2021, row_of(20))
    truth = write(tmp_path / "t.gpkg", row_of(16))
    regions = [shapely.box(-900, -900, 4_900, 900), shapely.box(4_900, -900, 19_000, 900)]
    moved = shapely.transform(np.array(regions, dtype=object), lambda xy: xy + ORIGIN)
    rows = {
        "region_set": ["valleys"] * 2,
        "region_code": ["a", "b"],
        "name": ["A", "B"],
        "area_m2": shapely.area(moved),
        "geometry": shapely.to_wkb(grid.to_lonlat(moved)),
    }
    schema = arrow_schema("region")
    schema = pa.schema([schema.field(name) for name in rows])
    world.store.upsert("region", pa.table(rows, schema=schema))
    report = validated(world.store, truth, region_set="valleys")
    told = [(each.region, each.tallies[OVERLAP].n_true) for each in report.by_region]
    assert told == [("a", 10), ("b", 6)]
    assert report.by_region[1].measures[OVERLAP, "precision"].value == pytest.approx(0.6)
    with pytest.raises(UsageError, match="its sets are valleys"):
        validated(world.store, truth, region_set="hills")


def test_files_need_no_store_and_their_area_says_what_is_clipped(tmp_path):
    area = write(tmp_path / "area.gpkg", [(-100, -100, 1_545, 400)])
    found = write(tmp_path / "found.gpkg", row_of(8))
    truth = write(tmp_path / "truth.gpkg", [*row_of(3), (1_500, 0, 1_560, 60)])
    report = validated(None, truth, found=found, area=area)
    assert tally(report) == (4, 4, 4)
    assert report.main.measures["boundary", "mean_m"].n == 3
    assert report.main.measures["areas", "kappa"].value == pytest.approx(1.0)
    report = validated(None, truth, found=found)
    assert tally(report) == (4, 8, 4)
    assert report.main.looked_m2 is None


def test_seasons_of_files_are_searches_of_their_own_even_if_nothing_was_found(tmp_path):
    found = write(tmp_path / "found.gpkg", row_of(3), year=np.array([2020, 2020, 2021]))
    truth = write(tmp_path / "truth.gpkg", row_of(2) * 2, year=np.array([2020, 2020, 2022, 2022]))
    fields = LabelFields(season="year")
    report = validated(None, truth, found=found, fields=fields)
    assert report.compared.n_samples == 2
    assert tally(report) == (4, 2, 2)
    assert report.n_left_out == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "no truth"),
        ({"truth_sources": ("nobody",)}, "no source 'nobody' (--truth-source)"),
        ({"truth_sources": ("model",)}, "is what is validated"),
        ({"truth_sources": ("zones",)}, "no two of a kind"),
        ({"source": "nobody", "truth_sources": ("survey",)}, "no source 'nobody' (--source)"),
        ({"truth_sources": ("survey", "survey")}, "stands twice"),
    ],
)
def test_what_cannot_be_compared_is_refused(world, options, fault):
    world.source("zones", kind="active_zone")
    search(world, 2021, row_of(3))
    search(world, 2021, row_of(3), source="survey")
    search(world, 2021, row_of(3), source="zones")
    with pytest.raises(UsageError) as refused:
        validated(world.store, **options)
    assert fault in str(refused.value)


def test_of_several_models_one_must_be_named(world, tmp_path):
    truth = write(tmp_path / "t.gpkg", row_of(3))
    with pytest.raises(UsageError, match="no model has searched"):
        validated(world.store, truth)
    search(world, 2021, row_of(3))
    world.source("second")
    world.store.update("source", pa.table({"source": ["second"], "mapper": ["model"]}))
    search(world, 2021, row_of(3), source="second")
    with pytest.raises(UsageError, match="model, second have searched; say which"):
        validated(world.store, truth)
    assert tally(validated(world.store, truth, source="second")) == (3, 3, 3)


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"ious": (0.0,)}, "--iou 0"),
        ({"ious": (1.5,)}, "--iou 1.5"),
        ({"ious": ()}, "--iou"),
        ({"block_m": 99.0}, "--block-m 99: 100 metres or more"),
        ({"block_m": float("inf")}, "--block-m"),
        ({"block_m": float("nan")}, "--block-m"),
        ({"n_replicates": -1}, "--bootstrap"),
        ({"n_replicates": 10**9}, "--bootstrap"),
        ({"min_part_m2": float("nan")}, "--min-part"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(params, fault):
    with pytest.raises(UsageError, match=fault):
        validate_stored(None, ValidateRequest(), ValidationParams(**params))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in a folder of its own, as a user does."""
    monkeypatch.chdir(tmp_path)

    def run_(*arguments):
        return CliRunner().invoke(cli.app, ["validate", *map(str, arguments)])

    return run_


def test_the_command_tells_it_and_writes_table_json_and_figure(run, tmp_path):
    found = write(tmp_path / "found.gpkg", row_of(30))
    truth = write(tmp_path / "truth.gpkg", row_of(40))
    answers = ["--json", "v.json", "--table", "v.csv", "--figure", "v.png"]
    ended = run("--from", found, "--truth", truth, *answers, "--block-m", 500, "--bootstrap", 100)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.startswith("found beside truth: 1 search, all ground")
    assert "objects, overlap" in ended.stdout
    assert "match: one to one" in ended.stdout
    told = json.loads((tmp_path / "v.json").read_text())
    assert told["params"]["block_m"] == 500.0
    assert "match" in told["definitions"]
    rows = {(row["topic"], row["measure"]): row for row in told["rows"]}
    recall = rows["overlap", "recall"]
    assert (recall["value"], recall["n"], recall["resampled"]) == (0.75, 40, "blocks")
    assert recall["low"] < 0.75 < recall["high"]
    assert rows["overlap", "n_right"]["value"] == 30
    with (tmp_path / "v.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == len(told["rows"])
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
    quiet = run("--from", found, "--truth", truth, "--quiet", "--bootstrap", 0)
    assert "match: one to one" not in quiet.stdout
    assert "no intervals asked for" in quiet.stdout


@pytest.mark.parametrize("answer", ["--json", "--table", "--figure"])
def test_an_answer_without_a_folder_is_refused_before_any_work(run, tmp_path, answer):
    suffix = {"--json": "json", "--table": "csv", "--figure": "png"}[answer]
    ended = run("--from", "missing.gpkg", "--truth", "missing.gpkg", answer, f"nowhere/v.{suffix}")
    assert ended.exit_code != 0
    assert "there is no folder nowhere" in str(ended.exception or ended.output)


def test_the_same_command_writes_the_same_bytes(run, tmp_path):
    found = write(tmp_path / "found.gpkg", row_of(30))
    truth = write(tmp_path / "truth.gpkg", row_of(40))
    for name in ("a", "b"):
        arguments = ["--json", f"{name}.json", "--table", f"{name}.parquet"]
        assert run("--from", found, "--truth", truth, *arguments).exit_code == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))


def test_the_command_writes_recall_of_a_store_alone(run, world, duckdb_url, tmp_path):
    search(world, 2021, row_of(24))
    world.store.close()
    truth = write(tmp_path / "t.gpkg", row_of(30))
    ended = run("--truth", truth, "--store", duckdb_url, "--write-recall", "--bootstrap", 0)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines()[-1].startswith(
        "recall of model: 0.800 of 30 true objects, was"
    )
    with open_store(duckdb_url) as store:
        assert store.read("source", scope={"source": "model"})["recall"].to_pylist() == [0.8]
    ended = run("--truth", truth, "--from", truth, "--write-recall")
    assert isinstance(ended.exception, UsageError)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--truth", "nowhere.gpkg", "--from", "t.gpkg"], "nowhere.gpkg: no such file"),
        (["--truth", "t.gpkg", "--from", "t.gpkg", "--season-field", "no"], "no field 'no'"),
        (["--truth", "t.gpkg", "--from", "t.gpkg", "--season", "2020"], "--season-field"),
        (["--truth", "t.gpkg", "--from", "t.gpkg", "--iou", "half"], "--iou 'half'"),
        (["--truth", "t.gpkg", "--from", "t.gpkg", "--table", "t.txt"], "--table t.txt"),
        (["--truth", "t.gpkg", "--from", "t.gpkg", "--figure", "t.txt"], "--figure t.txt"),
        (["--truth", "t.gpkg", "--from", "t.gpkg", "--min-area", "-1"], "--min-area -1"),
        (["--truth", "t.gpkg", "--from", "t.gpkg", "--json", "no/where.json"], "there is no"),
        (["--truth", "t.gpkg", "--store", "parquet:///folder"], "expected duckdb:///"),
        (["--truth", "t.gpkg", "--store", "duckdb:///none.duckdb"], "none.duckdb"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(monkeypatch, capsys, tmp_path, arguments, fault):
    write(tmp_path / "t.gpkg", row_of(3))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rts-track", "validate", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code
    (line,) = capsys.readouterr().err.splitlines()
    assert fault in line
    assert "\n" not in line


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['rts-track', 'validate', '--help'];\n"
        "import rts_track.cli as cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'rasterio', 'pandas', 'matplotlib', 'scipy', 'shapely'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
