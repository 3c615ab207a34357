"""`rts-track model import` as a user runs it."""

import pytest
import segmentation_models_pytorch as smp
import torch
import yaml
from typer.testing import CliRunner

from rts_track.commands.model import model_app
from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import read_bundle

CONFIG = {
    "model": {
        "architecture": "Unet",
        "encoder": "tu-test_resnet",
        "encoder_weights": "random",
        "input_channels": 6,
        "encoder_depth": 3,
        "decoder_channels": [8, 4, 4],
    },
    "data_sources": ["planet", "slope", "ndvi"],
}


@pytest.fixture
def run(tmp_path):
    """A run of thaw-slump-segmentation on disk."""
    network = smp.Unet(
        "tu-test_resnet",
        encoder_weights=None,
        in_channels=6,
        encoder_depth=3,
        decoder_channels=[8, 4, 4],
    )
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(torch.nn.DataParallel(network).state_dict(), folder / "checkpoints" / "41.pt")
    (folder / "config.yml").write_text(yaml.safe_dump(CONFIG))
    return folder


def call(*arguments):
    return CliRunner().invoke(model_app, [str(each) for each in arguments])


def test_a_run_becomes_a_bundle_that_is_whole(run, tmp_path):
    ended = call(
        "import", run / "checkpoints" / "41.pt", "--config", run / "config.yml", "--name", "v6",
        "--threshold", 0.45, "--min-area", 500, "--gsd", "3,3.125", "--licence", "MIT",
        "--out", tmp_path / "bundles",
    )  # fmt: skip
    assert ended.exit_code == 0, ended.output + repr(ended.exception)
    assert "reads ndvi, blue, green, red, nir, slope: norm factors of thaw-slump" in ended.output
    folder = tmp_path / "bundles" / "v6"
    assert ended.output.splitlines()[-1] == str(folder)
    bundle = read_bundle(folder)
    assert (bundle.threshold, bundle.min_area_m2, bundle.licence) == (0.45, 500.0, "MIT")
    assert (bundle.sensors, bundle.gsd_range_m) == (("planetscope",), (3.0, 3.125))
    assert call("verify", folder).exit_code == 0
    shown = call("show", folder).output
    assert "imported_from        41.pt" in shown
    assert "not clipped; here it is" in shown


def test_the_same_checkpoint_twice_is_one_bundle(run, tmp_path):
    arguments = (
        "import", run / "checkpoints" / "41.pt", "--config", run / "config.yml", "--name", "v6",
        "--out", tmp_path / "bundles",
    )  # fmt: skip
    assert call(*arguments).exit_code == 0
    assert call(*arguments).exit_code == 0
    ended = call(*arguments, "--threshold", 0.4)
    assert isinstance(ended.exception, InputError)
    assert "another bundle is there" in str(ended.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "v6"], "which layers it reads"),
        (["--name", "v6", "--layers", "red,nir"], "how its inputs were scaled"),
        (["--name", "v6", "--config", "nowhere.yml"], "no such configuration"),
        (["--name", "../v6", "--config", "run/config.yml"], "expected a name"),
        (["--name", "v6", "--config", "run/config.yml", "--gsd", "fine"], "one number in metres"),
        (["--name", "v6", "--config", "run/config.yml", "--kind", "lake"], "landform"),
        (["--name", "v6", "--config", "run/config.yml", "--headroom", "0.5"], "1 or more"),
        (["--name", "v6", "--config", "run/config.yml", "--threshold", "2"], "threshold is 2"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_line(run, monkeypatch, arguments, said):
    monkeypatch.chdir(run.parent)
    ended = call("import", "run/checkpoints/41.pt", *arguments)
    assert isinstance(ended.exception, (InputError, UsageError))
    assert said in str(ended.exception)
    assert "\n" not in str(ended.exception)
    assert not (run.parent / "bundles").exists()
