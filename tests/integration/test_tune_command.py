"""`rts-track tune` with real networks, as a user meets it."""

import json

import numpy as np
import pyogrio
import pytest
import shapely
import torch
from typer.testing import CliRunner

from rts_track import cli
from rts_track.commands.labelled_scenes import SceneWords, labels_at, scenes_at
from rts_track.errors import InputError
from rts_track.model.bundle import (
    Architecture,
    Bundle,
    Calibration,
    Input,
    read_bundle,
    read_ensemble,
    write_bundle,
)
from rts_track.model.network import new_network, verify, weights_bytes
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.steps.training_labels import LabelFields

TINY = Architecture(
    name="Unet",
    arguments={"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [8, 4, 4]},
)
SIZE, GSD_M = 64, 3.0
NAMES = ("20210722_210957_92_2212", "20220731_205811_11_2402")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bundle_of(seed):
    torch.manual_seed(seed)
    content, sha256 = weights_bytes(new_network(TINY, 2).state_dict(), dtype=torch.float32)
    return Bundle(
        name=f"tiny-{seed}",
        architecture=TINY,
        inputs=(Input(name="red", low=0.0, high=0.5), Input(name="ndvi", low=-1.0, high=1.0)),
        fill=0.0,
        sensors=("planetscope",),
        gsd_range_m=(3.0, 5.0),
        threshold=0.5,
        min_area_m2=100.0,
        calibration=Calibration(),
        delineation_sigma_m=2.0,
        recall=None,
        kind="landform",
        licence="MIT",
        citation=None,
        training={},
        weights_sha256=sha256,
        weights=content,
    )


@pytest.fixture
def place(tmp_path, products):
    """Two scenes of two places with two slumps each, their labels, and an ensemble of two."""
    slumps, images = [], []
    for number, name in enumerate(NAMES):
        origin = (products.EAST + number * 5_000.0, products.NORTH)
        values = np.full((4, SIZE, SIZE), 1000, dtype=np.uint16)
        for row, col in ((10, 10), (40, 35)):
            values[:, row : row + 12, col : col + 15] = 4000
            west, north = origin[0] + col * GSD_M, origin[1] - row * GSD_M
            slumps.append(shapely.box(west, north - 12 * GSD_M, west + 15 * GSD_M, north))
            images.append(name)
        products.psscene(tmp_path / "scenes", name, values=values, metadata=False, origin=origin)
    pyogrio.raw.write(
        tmp_path / "slumps.gpkg",
        shapely.to_wkb(slumps),
        [np.array(images, dtype=object)],
        ["image"],
        geometry_type="Polygon",
        crs=products.CRS,
    )
    for seed in range(2):
        write_bundle(bundle_of(seed), tmp_path / "bundles")
    return tmp_path


def run(place, *options):
    given = ["tune", str(place / "scenes"), "--model", str(place / "bundles")]
    given += ["--labels", str(place / "slumps.gpkg"), "--scene-field", "image", "--device", "cpu"]
    if "--out" not in options:
        given += ["--out", str(place / "tuned")]
    return CliRunner().invoke(cli.app, [*given, *options])


def test_scenes_and_labels_tune_an_ensemble(place):
    figure, told = place / "tuned.png", place / "tuned.json"
    options = ["--weights", "--tta", "flips", "--max-spread", "tune", "--min-area", "tune"]
    said = run(place, *options, "--figure", str(figure), "--json", str(told))
    assert said.exit_code == 0, said.output
    assert "2 scenes of 2 places" in said.stdout
    assert "4 labelled slumps" in said.stdout
    assert "the honest figure" in said.stdout
    tuned = read_ensemble([place / "tuned"])
    assert tuned.tta == "flips"
    for bundle in tuned.bundles:
        verify(bundle)
        assert bundle.validation["n_slumps"] == 4
        assert str(place / "tuned" / bundle.name) in said.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")
    content = json.loads(told.read_text())
    assert content["choice"]["threshold"] == tuned.threshold
    assert content["bundles"] == {bundle.name: bundle.sha256 for bundle in tuned.bundles}
    assert content["tuned_on"]
    for seed in range(2):
        assert read_bundle(place / "bundles" / f"tiny-{seed}").validation == {}


def test_the_same_again_changes_nothing(place):
    first = run(place, "--quiet")
    assert first.exit_code == 0, first.output
    files = {file: file.read_bytes() for file in (place / "tuned").rglob("*") if file.is_file()}
    again = run(place, "--quiet")
    assert again.exit_code == 0, again.output
    assert again.stdout == first.stdout
    assert {file: file.read_bytes() for file in files} == files


def test_a_scene_that_is_broken_is_told_and_the_rest_is_tuned_on(place):
    (image,) = (place / "scenes" / NAMES[1]).glob("*SR.tif")
    image.write_bytes(image.read_bytes()[:1500])
    said = run(place)
    assert said.exit_code == 1
    assert "1 scene of 1 place" in said.stdout
    assert str(NAMES[1]) in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1
    assert read_ensemble([place / "tuned"]).bundles[0].validation["n_scenes"] == 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--score", "lines"], "score 'lines': objects, pixels"),
        (["--criterion", "iou 0.7"], "criterion 'iou 0.7': iou 0.3, iou 0.5, overlap"),
        (["--per", "year"], "per 'year': sensor, region"),
        (["--per", "region"], "give --regions and --region-field"),
        (["--calibration", "beta"], "calibration 'beta'"),
        (["--min-area", "small"], "--min-area 'small': square metres, or tune"),
        (["--min-area", "-1"], "0 or more"),
        (["--min-area", "nan"], "0 or more"),
        (["--max-spread", "0.2"], "--max-spread '0.2': tune or none"),
        (["--tta", "all"], "tta 'all'"),
        (["--name", "a/b"], "name 'a/b'"),
        (["--season-field", "year"], "no field 'year' (--season-field)"),
        (["--labels", "nowhere.gpkg"], "nowhere.gpkg"),
        (["--model", "nowhere"], "no such model bundle"),
        (["--device", "tpu"], "device 'tpu'"),
        (["--figure", "nowhere/a.png"], "there is no folder nowhere"),
        (["--json", "nowhere/a.json"], "there is no folder nowhere"),
        (["--region-field", "CODE"], "of which regions"),
        (["--figure", "a.foo"], "ends in .png, .pdf or .svg"),
        (["--regions", "slumps.gpkg"], "--region-field"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(place, capsys, monkeypatch, options, line):
    monkeypatch.chdir(place)
    given = ["tune", "scenes", "--model", "bundles", "--labels", "slumps.gpkg", "--out", "tuned"]
    if "--model" in options:
        given = [each for each in given if each not in ("--model", "bundles")]
    monkeypatch.setattr("sys.argv", ["rts-track", *given, "--device", "cpu", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code not in (0, None)
    told = capsys.readouterr().err.strip()
    assert line in told
    assert len(told.splitlines()) == 1
    assert not (place / "tuned").exists()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--labels", "slumps.gpkg"], "no scenes: name some, or a --store"),
        (["scenes"], "no labels: give --labels, or a --store"),
        (["nowhere", "--labels", "slumps.gpkg"], "nowhere"),
        (["--store", "duckdb:///none.duckdb"], "none.duckdb"),
    ],
)
def test_without_scenes_or_labels_it_says_what_to_give(place, capsys, monkeypatch, given, line):
    monkeypatch.chdir(place)
    argv = ["rts-track", "tune", *given, "--model", "bundles", "--out", "tuned"]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code not in (0, None)
    told = capsys.readouterr().err.strip()
    assert line in told
    assert len(told.splitlines()) == 1


def test_scenes_of_a_store_are_tuned_on(place, duckdb_store):
    ingest(duckdb_store, [place / "scenes"], IngestRequest())
    scenes, faults = scenes_at(None, duckdb_store.url, SceneWords())
    assert sorted(scene.product for scene in scenes) == sorted(NAMES)
    assert not faults
    with pytest.raises(InputError, match="no landform outlines of people"):
        labels_at(None, duckdb_store.url, LabelFields(), "landform")
    labels = labels_at(place / "slumps.gpkg", None, LabelFields(scene="image"), "landform")
    assert [len(labels.of(scene)) for scene in scenes] == [2, 2]


def test_the_place_of_the_given_bundles_is_refused(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    given = ["tune", "scenes", "--model", "bundles", "--labels", "slumps.gpkg", "--out", "bundles"]
    monkeypatch.setattr("sys.argv", ["rts-track", *given])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code not in (0, None)
    assert "is one of the bundles to tune" in capsys.readouterr().err


def test_help_names_what_comes_out():
    said = CliRunner().invoke(cli.app, ["tune", "--help"])
    assert said.exit_code == 0
    assert "New bundles come out" in said.output
