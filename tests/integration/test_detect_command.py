"""`rts-track detect` with real networks, as a user meets it."""

from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from rts_track.commands.detect import detect as detect_command
from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import (
    Architecture,
    Bundle,
    Calibration,
    Input,
    ensemble_of,
    write_bundle,
)
from rts_track.model.network import new_network, weights_bytes
from rts_track.model.predict import Predictor
from rts_track.source.stack import Stack
from rts_track.steps.detecting import DetectRequest, detect
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.store.base import open_store

TINY = Architecture(
    name="Unet",
    arguments={"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [8, 4, 4]},
)
SIZE = (70, 90)
NAME = "20210722_210957_92_2212"


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
        min_area_m2=0.0,
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
def scene(tmp_path, products):
    """A bright slump that crosses every window's edge, 30 x 40 pixels, on dark ground."""
    values = np.full((4, *SIZE), 1000, dtype=np.uint16)
    values[:, 20:50, 30:70] = 4000
    return products.psscene(tmp_path / "scenes", NAME, values=values)


class Bright(torch.nn.Module):
    """A network whose logit is high where its first layer is bright."""

    def forward(self, seen):
        return (seen[:, :1] - 0.5) * 50.0


def test_a_slump_across_window_seams_is_one_footprint(duckdb_store, scene):
    ingest(duckdb_store, [scene], IngestRequest())
    ensemble = ensemble_of([bundle_of(0)])
    predictor = Predictor(ensemble, device="cpu", window_px=32, overlap_px=8)
    (member,) = predictor.forward.members
    member.network = Bright()
    report = detect(duckdb_store, ensemble, DetectRequest(), predictor=predictor)
    assert report.failures == ()
    (found,) = duckdb_store.read("footprint").to_pylist()
    assert found["area_m2"] == pytest.approx(30 * 40 * 9, rel=0.01)
    assert found["prob_mean"] > 0.99
    assert not found["is_clipped"]


def two_scenes(store, folder, products):
    """Scenes with a bright slump at different places, registered."""
    for number, row in ((92, 20), (93, 30)):
        values = np.full((4, *SIZE), 1000, dtype=np.uint16)
        values[:, row : row + 30, 30:70] = 4000
        name = NAME.replace("_92_", f"_{number}_")
        path = products.psscene(folder, name, values=values)
        assert ingest(store, [path], IngestRequest()).faults == ()


def test_what_goes_to_a_device_whole_is_read_ahead_and_found_alike(
    duckdb_store, tmp_path, products, monkeypatch
):
    two_scenes(duckdb_store, tmp_path / "scenes", products)
    ensemble = ensemble_of([bundle_of(0)])
    read_in, computed_in = [], []

    def raw(stack):
        read_in.append(threading.current_thread())
        return whole(stack)

    def bright(**options):
        predictor = Predictor(ensemble, device="cpu", **options)
        (member,) = predictor.forward.members
        member.network = Bright()
        return predictor

    windowed = detect(duckdb_store, ensemble, DetectRequest(), predictor=bright())
    expected = duckdb_store.read("footprint").to_pylist()
    whole = Stack.raw
    monkeypatch.setattr(Stack, "raw", raw)
    resident = bright(engine="resident")
    predict = resident.predict

    def predicted(*given):
        computed_in.append(threading.current_thread())
        return predict(*given)

    resident.predict = predicted
    load, loaded_in = resident.load, []

    def loaded(stack):
        loaded_in.append(threading.current_thread())
        assert load(stack)
        return True

    resident.load = loaded
    report = detect(duckdb_store, ensemble, DetectRequest(is_redo=True), predictor=resident)
    assert report.failures == windowed.failures == ()
    assert duckdb_store.read("footprint").to_pylist() == expected
    assert [row["area_m2"] for row in expected] == pytest.approx([30 * 40 * 9] * 2, rel=0.01)
    assert len(read_in) == len(computed_in) == 2
    assert len({*read_in, *computed_in, threading.current_thread()}) == 3
    assert loaded_in == read_in, "a scene goes to the device while another is computed"


def run(*arguments):
    app = typer.Typer()
    app.command()(detect_command)
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_command_searches_says_so_and_ends_non_zero_if_a_scene_failed(
    duckdb_url, scene, tmp_path
):
    for seed in (1, 2):
        write_bundle(bundle_of(seed), tmp_path / "bundles")
    with open_store(duckdb_url) as store:
        ingest(store, [scene], IngestRequest())
    model = ["--model", tmp_path / "bundles", "--store", duckdb_url, "--device", "cpu"]
    out = ["--out", tmp_path / "out"]
    ended = run(*model, *out)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.startswith("1 scenes searched, 0.1 km2 in all: ")
    assert len(list((tmp_path / "out").rglob("*.tif"))) == 1
    ended = run(*model, *out)
    assert (ended.exit_code, ended.stdout) == (
        0,
        "no scene searched\n1 scenes had been searched just so\n",
    )
    shutil.rmtree(scene.parent)
    ended = run(*model, *out, "--redo", "--quiet")
    assert (ended.exit_code, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"rts-track: scene planetscope:{NAME}: ")
    assert "gone" in line


def test_bundles_that_cannot_be_used_store_nothing(duckdb_url, scene, tmp_path):
    with open_store(duckdb_url) as store:
        ingest(store, [scene], IngestRequest())
    ended = run("--model", tmp_path / "nowhere", "--store", duckdb_url)
    assert isinstance(ended.exception, InputError)
    folder = write_bundle(bundle_of(3), tmp_path / "bundles")
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    ended = run("--model", folder, "--store", duckdb_url, "--device", "cpu")
    assert isinstance(ended.exception, InputError | UsageError)
    with open_store(duckdb_url) as store:
        assert store.count("look") == 0


def test_several_choices_reach_the_search_and_those_that_cannot_be_are_one_line(
    duckdb_url, scene, tmp_path
):
    write_bundle(bundle_of(1), tmp_path / "bundles")
    write_bundle(bundle_of(2), tmp_path / "bundles")
    with open_store(duckdb_url) as store:
        ingest(store, [scene], IngestRequest())
    model = ["--model", tmp_path / "bundles", "--store", duckdb_url, "--out", tmp_path / "out"]
    for bad, said in (
        (["--device", "cpu", "--device", "cpu"], "device cpu is named twice"),
        (["--device", "abacus"], "device 'abacus' is unknown"),
        (["--device", "mps"], "device mps: the networks cannot be loaded there"),
        (["--tta", "d5"], "tta 'd5': there are none, flips, d4"),
        (["--max-spread", "2"], "max_spread 2.0: expected 0 to 1"),
    ):
        ended = run(*model, *bad)
        assert isinstance(ended.exception, UsageError)
        assert said in str(ended.exception)
        assert "\n" not in str(ended.exception)
    with open_store(duckdb_url) as store:
        assert store.count("look") == store.count("run") - 1 == 0
    ended = run(*model, "--device", "cpu", "--tta", "flips", "--max-spread", "0.25")
    assert ended.exit_code == 0, ended.output
    with open_store(duckdb_url) as store:
        (detected,) = store.read("run", scope={"step": "detect"}).to_pylist()
        params = json.loads(detected["params"])
    assert (params["tta"], params["max_spread"], params["threshold"]) == ("flips", 0.25, 0.5)
