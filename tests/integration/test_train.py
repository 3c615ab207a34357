"""Training as a user runs it: scenes and labels on disk become bundles."""

import json
import signal
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
import torch
import typer
from typer.testing import CliRunner

from rts_track.commands.train import train as train_command
from rts_track.contract import arrow_schema
from rts_track.errors import InputError, UsageError
from rts_track.model.augment import NOTHING
from rts_track.model.bundle import read_ensemble
from rts_track.model.cutting import Cutting
from rts_track.model.manifest import Architecture
from rts_track.model.network import verify
from rts_track.model.params import TrainParams
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import find_scenes
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.steps.training import TrainRequest, stored_scenes, train
from rts_track.steps.training_labels import LabelFields, labels_in, labels_of_people

TINY = Architecture(
    name="Unet",
    arguments={"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [8, 8, 8]},
)
SIZE, GSD_M = 320, 3.0
NAMES = ("20210722_210957_92_2212", "20220731_205811_11_2402")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def place(products, tmp_path):
    """Two scenes of one place in two seasons, and the slumps that are in them."""
    chance = np.random.default_rng(0)
    slumps = []
    for number, name in enumerate(NAMES):
        pixels = chance.normal([[[400]], [[600]], [[500]], [[2500]]], 40, (4, SIZE, SIZE))
        rows, cols = np.mgrid[:SIZE, :SIZE] + 0.5
        for row, col in ((50, 50), (60, 270), (270, 60), (250, 260)):
            radius = 8 + 3 * number
            pixels[:, np.hypot(rows - row, cols - col) <= radius] = [[600], [900], [1300], [1500]]
            east, north = products.EAST + col * GSD_M, products.NORTH - row * GSD_M
            slumps.append((shapely.Point(east, north).buffer(radius * GSD_M), 2021 + number, name))
        products.psscene(tmp_path / "scenes", name, values=pixels.astype(np.uint16), metadata=False)
    shapes, years, images = zip(*slumps, strict=True)
    labels = tmp_path / "slumps.gpkg"
    pyogrio.raw.write(
        labels,
        shapely.to_wkb(list(shapes)),
        [np.array(years), np.array(images, dtype=object)],
        ["year", "image"],
        geometry_type="Polygon",
        crs=products.CRS,
    )
    return tmp_path


def request_for(place, **given):
    params = TrainParams(
        architecture=TINY,
        members=2,
        n_folds=2,
        max_epochs=2,
        batch=4,
        augmentation=NOTHING,
        licence="MIT",
    )
    plain = {
        "out": place / "bundles",
        "cutting": Cutting(window_px=32, least_ground=8, block_m=480.0),
        "params": params,
    }
    return TrainRequest(**{**plain, **given})


def scenes_of(place):
    scenes, faults = find_scenes([place / "scenes"])
    assert not faults
    return scenes


BY_SEASON = LabelFields(season="year")


def test_scenes_and_labels_become_an_ensemble(place):
    labels = labels_in(place / "slumps.gpkg", BY_SEASON)
    report = train(scenes_of(place), labels, request_for(place))
    ensemble = read_ensemble([place / "bundles"])
    assert len(report.bundles) == len(ensemble.bundles) == 2
    assert report.layers == ensemble.bundles[0].layers
    assert report.layers == ("blue", "green", "red", "nir", "ndvi")
    assert not report.faults
    assert not report.unlabelled
    assert any("pixel IoU" in line for line in report.lines())
    for bundle in ensemble.bundles:
        verify(bundle)
        assert bundle.sensors == ("planetscope",)
        assert bundle.licence == "MIT"
        assert len(bundle.training["inputs_sha256"]) == 64


def test_labels_belong_to_the_scene_they_name_or_to_their_season(place):
    first, second = scenes_of(place)
    by_scene = labels_in(place / "slumps.gpkg", LabelFields(scene="image"))
    by_season = labels_in(place / "slumps.gpkg", BY_SEASON)
    anywhere = labels_in(place / "slumps.gpkg", LabelFields())
    for scene, radius in ((first, 8), (second, 11)):
        for labels in (by_scene, by_season):
            areas = shapely.area(labels.of(scene))
            np.testing.assert_allclose(areas, np.pi * (radius * GSD_M) ** 2, rtol=0.02)
            assert len(areas) == 4
    assert len(anywhere.of(first)) == 8


def test_training_goes_on_where_it_was_broken_off(place):
    labels = labels_in(place / "slumps.gpkg", BY_SEASON)
    whole = train(scenes_of(place), labels, request_for(place, out=place / "whole"))

    def interrupt(name, score):
        if (name, score.epoch) == ("rts-2", 0):
            raise KeyboardInterrupt

    heard = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(scenes_of(place), labels, request_for(place), on_epoch=interrupt)
    assert signal.getsignal(signal.SIGINT) is heard
    assert not list((place / "bundles").glob("*/bundle.json"))
    with pytest.raises(UsageError, match="--resume"):
        train(scenes_of(place), labels, request_for(place))
    other = replace(request_for(place).params, learning_rate=0.5)
    with pytest.raises(UsageError, match="other scenes, labels or parameters"):
        train(scenes_of(place), labels, request_for(place, params=other, is_resumed=True))
    resumed = train(scenes_of(place), labels, request_for(place, is_resumed=True))
    first, second = (read_ensemble(report.bundles) for report in (whole, resumed))
    assert first.sha256 == second.sha256


def test_bundles_that_are_there_are_not_mixed_with_new_ones(place):
    labels = labels_in(place / "slumps.gpkg", BY_SEASON)
    other = place / "bundles" / "somebody-1"
    other.mkdir(parents=True)
    (other / "bundle.json").write_text("{}")
    with pytest.raises(UsageError, match="holds model bundles"):
        train(scenes_of(place), labels, request_for(place))


def test_a_scene_that_cannot_be_read_is_told_and_the_rest_goes_on(place):
    scenes = scenes_of(place)
    for file in scenes[1].files:
        if file.suffix == ".tif" and "SR" in file.name:
            file.write_bytes(file.read_bytes()[:400])
    labels = labels_in(place / "slumps.gpkg", BY_SEASON)
    report = train(scenes, labels, request_for(place))
    assert [fault.product for fault in report.faults] == [NAMES[1]]
    assert len(report.bundles) == 2


def test_a_layer_that_is_not_at_hand_is_told_before_work_starts(place):
    labels = labels_in(place / "slumps.gpkg", BY_SEASON)
    asked = request_for(place, layers=("red", "slope"))
    with pytest.raises(InputError, match="no slope"):
        train(scenes_of(place), labels, asked)
    assert not (place / "bundles").exists()


def test_a_dem_makes_layers_of_the_ground(place, products):
    ground = np.random.default_rng(1).normal(100, 2, (SIZE, SIZE)).astype(np.float32)
    dem = products.write_tiff(place / "dem.tif", ground, gsd_m=GSD_M)
    labels = labels_in(place / "slumps.gpkg", BY_SEASON)
    report = train(scenes_of(place), labels, request_for(place, auxiliary=Auxiliary(dem=dem)))
    assert report.layers[-2:] == ("relative_elevation", "slope")


def test_labels_that_lie_nowhere_are_told(place):
    labels = labels_in(place / "slumps.gpkg", BY_SEASON)
    elsewhere = replace(labels, seasons=np.array([1999] * 8, dtype=object))
    with pytest.raises(InputError, match="no labelled slump"):
        train(scenes_of(place), elsewhere, request_for(place))


def test_a_store_has_scenes_and_outlines_to_learn_from(place, store):
    ingest(store, [place / "scenes"], IngestRequest())
    scenes, faults = stored_scenes(store)
    assert [scene.product for scene in scenes] == list(NAMES)
    assert not faults
    with pytest.raises(InputError, match="no landform outlines of people"):
        labels_of_people(store, "landform")
    person = {"source": "me", "kind": "landform", "mapper": "person", "delineation_sigma_m": 3.0}
    store.upsert("source", _rows("source", [person]))
    store.upsert("outline", _rows("outline", [_outline("a", "me"), _outline("b", "planetscope")]))
    labels = labels_of_people(store, "landform")
    assert len(labels.polygons) == 1
    assert list(labels.seasons) == [2021]
    (place / "scenes" / NAMES[0] / f"{NAMES[0]}_3B_AnalyticMS_SR.tif").unlink()
    scenes, faults = stored_scenes(store)
    assert [scene.product for scene in scenes] == [NAMES[1]]
    assert len(faults) == 1


def _rows(table, rows):
    schema = arrow_schema(table)
    return pa.Table.from_pylist(rows, schema=pa.schema([schema.field(name) for name in rows[0]]))


def _outline(outline_id, source):
    import datetime as dt

    square = shapely.MultiPolygon([shapely.box(-135.7, 68.05, -135.69, 68.06)])
    row = {"outline_id": outline_id, "source": source, "kind": "landform", "season_year": 2021}
    row |= {"observed_on": dt.date(2021, 7, 22), "observed_sigma_d": 0.0, "n_hits": 1}
    row |= dict.fromkeys(("area_m2", "area_sigma_m2", "area_min_m2", "area_max_m2"), 1.0)
    row |= {"perimeter_m": 4.0, "is_clipped": False, "lon": -135.7, "lat": 68.05}
    return row | {"geometry": shapely.to_wkb(square)}


def test_training_may_start_from_bundles_and_says_so(place):
    labels = labels_in(place / "slumps.gpkg", BY_SEASON)
    first = request_for(place, layers=("red", "nir", "ndvi"))
    start = read_ensemble(train(scenes_of(place), labels, first).bundles).bundles
    start = tuple(sorted(start, key=lambda bundle: bundle.name))
    params = replace(first.params, start=start, architecture=None, name="tuned")
    asked = request_for(place, out=place / "tuned", params=params)
    report = train(scenes_of(place), labels, asked)
    assert report.layers == ("red", "nir", "ndvi")
    assert any(line.startswith("started from rts-1, rts-2; learning") for line in report.lines())
    tuned = read_ensemble(report.bundles)
    assert {each.training["start"] for each in tuned.bundles} == {"rts-1", "rts-2"}
    again = request_for(
        place,
        out=place / "tuned",
        params=replace(params, start=start[::-1]),
        is_resumed=True,
    )
    with pytest.raises(UsageError, match="other scenes, labels or parameters"):
        train(scenes_of(place), labels, again)
    other = replace(asked, out=place / "other", layers=("red", "nir"))
    with pytest.raises(UsageError, match="reads red, nir, ndvi, not red, nir"):
        train(scenes_of(place), labels, other)
    assert not other.out.exists()


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(train_command)
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


def test_the_command_trains_and_tells(place, run):
    ended = run(
        place / "scenes", "--labels", place / "slumps.gpkg", "--season-field", "year",
        "--out", place / "bundles", "--network", "Unet/tu-test_resnet", "--members", 1,
        "--epochs", 1, "--folds", 2, "--window", 32, "--block", 480, "--layers", "red,nir,ndvi",
    )  # fmt: skip
    assert ended.exit_code == 0, ended.output + repr(ended.exception)
    assert "rts-1, epoch 1" in ended.output
    assert "windows of 2 scenes, of red, nir, ndvi" in ended.output
    manifest = json.loads((place / "bundles" / "rts-1" / "bundle.json").read_text())
    assert [each["name"] for each in manifest["inputs"]] == ["red", "nir", "ndvi"]
    ended = run(
        place / "scenes", "--labels", place / "slumps.gpkg", "--season-field", "year",
        "--out", place / "tuned", "--start", place / "bundles", "--keep-statistics",
        "--members", 2, "--epochs", 1, "--folds", 2, "--window", 32, "--block", 480,
    )  # fmt: skip
    assert ended.exit_code == 0, ended.output + repr(ended.exception)
    assert "started from rts-1; learning rate up to 0.0002" in ended.output
    assert "kept as they were" in ended.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no scenes: name some"),
        (["scenes"], "no labels"),
        (["scenes", "--labels", "slumps.gpkg", "--kind", "lake"], "landform, active_zone"),
        (["scenes", "--labels", "slumps.gpkg", "--loss", "l2"], "focal, dice"),
        (["scenes", "--labels", "slumps.gpkg", "--network", "big"], "standard, small"),
        (["scenes", "--labels", "slumps.gpkg", "--season-field", "jahr"], "no field 'jahr'"),
        (["scenes", "--labels", "nowhere.gpkg"], "no such file"),
        (["scenes", "--labels", "slumps.gpkg", "--window", "100"], "a multiple of 32"),
        (["scenes", "--labels", "slumps.gpkg", "--start", "nowhere"], "no such model bundle"),
        (["scenes", "--labels", "slumps.gpkg", "--keep-statistics"], "name the bundles"),
        (
            [
                "scenes",
                "--labels",
                "slumps.gpkg",
                "--start",
                "demo-sentinel2",
                "--network",
                "small",
                "--layers",
                "red,nir",
            ],
            "leave the layers to it",
        ),
        (
            [
                "scenes",
                "--labels",
                "slumps.gpkg",
                "--start",
                "demo-sentinel2",
                "--network",
                "standard",
            ],
            "not a UnetPlusPlus(encoder_name=resnet18)",
        ),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_line(place, run, monkeypatch, arguments, said):
    monkeypatch.chdir(place)
    ended = run(*arguments, "--quiet")
    assert isinstance(ended.exception, (UsageError, InputError))
    assert said in str(ended.exception)
    assert "\n" not in str(ended.exception)
