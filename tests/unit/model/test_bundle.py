import hashlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from typer.testing import CliRunner

from rts_track.commands.model import model_app
from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import Input, read_bundle, read_ensemble, write_bundle
from rts_track.model.manifest import FORMAT_VERSION
from rts_track.model.network import build_network, read_weights, verify


@pytest.fixture
def folder(make_bundle, tmp_path):
    return write_bundle(make_bundle(), tmp_path)


def rewrite(folder, **entries):
    """Change entries of the bundle's manifest; None takes one away."""
    manifest = folder / "bundle.json"
    content = json.loads(manifest.read_text())
    content |= entries
    content = {key: value for key, value in content.items() if value != "gone"}
    manifest.write_text(json.dumps(content))


def replace_weights(folder, content):
    (folder / "weights.safetensors").write_bytes(content)
    rewrite(folder, weights_sha256=hashlib.sha256(content).hexdigest())


def refusal(folder):
    with pytest.raises(InputError) as refused:
        verify(read_bundle(folder))
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_a_bundle_comes_back_as_it_was_written(make_bundle, tmp_path):
    bundle = make_bundle(recall=0.6, citation="Someone 2026")
    read = read_bundle(write_bundle(bundle, tmp_path))
    assert read == bundle
    assert read.sha256 == bundle.sha256
    verify(read)


def test_a_manifest_is_read_without_its_weights(folder):
    (folder / "weights.safetensors").write_bytes(b"not looked at")
    assert read_bundle(folder).layers == ("green", "red", "ndvi")


def test_weights_kept_in_half_precision_are_computed_in_full(make_bundle, tmp_path):
    whole, half = make_bundle(), make_bundle(dtype=torch.float16)
    assert len(half.weights) < 0.7 * len(whole.weights)
    network = build_network(read_bundle(write_bundle(half, tmp_path)))
    assert {each.dtype for each in network.parameters()} == {torch.float32}
    for name, weight in read_weights(half).items():
        torch.testing.assert_close(weight, read_weights(whole)[name], rtol=1e-3, atol=1e-6)


def test_any_change_of_a_bundle_changes_its_digest(make_bundle):
    bundle = make_bundle()
    inputs = (Input(name="green", low=0.0, high=0.6), *bundle.inputs[1:])
    others = [
        make_bundle(threshold=0.4),
        make_bundle(seed=1, name="tiny-0"),
        make_bundle(inputs=inputs),
    ]
    assert len({bundle.sha256, *(other.sha256 for other in others)}) == 4


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"format_version": FORMAT_VERSION + 1}, "upgrade rts-track"),
        ({"format_version": "gone"}, "format_version is missing"),
        ({"threshold": "gone"}, "threshold is missing"),
        ({"threshold": 0}, "a number from 0 to 1"),
        ({"threshold": True}, "a number"),
        ({"fill": 1.5}, "a number from 0 to 1"),
        ({"fill": 10**400}, "a number from 0 to 1"),
        ({"gsd_range_m": [1, 10**400]}, "a number from 0 to inf"),
        ({"fil": 0.0}, "unknown entry fil"),
        ({"kind": "lake"}, "landform or active_zone"),
        ({"name": "../elsewhere"}, "a name of letters"),
        ({"name": ".."}, "a name of letters"),
        ({"licence": ""}, "a text"),
        ({"gsd_range_m": [5, 3]}, "the smaller number first"),
        ({"calibration": {"temperature": 0, "bias": 0}}, "a number"),
        ({"inputs": []}, "a list of inputs"),
        ({"inputs": [{"name": "red", "low": 0.5, "high": 0.5}]}, "low < high"),
        ({"inputs": [{"name": "red", "low": 0}]}, "name, low and high"),
        ({"inputs": [{"name": "red", "low": 0, "high": 1}] * 3}, "each input once"),
        ({"architecture": {"name": "Unet", "encoder_weights": "imagenet"}}, "encoder_weights"),
        ({"architecture": {"name": "Unet", "pretrained": True}}, "pretrained"),
        ({"architecture": {"name": "Unet", "activation": "sigmoid"}}, "activation"),
        ({"architecture": {"name": "Unet", "in_channels": 3}}, "in_channels"),
        ({"architecture": {"name": "Unet", "encoder_name": "tu-hf-hub:x/y"}}, "a name"),
        ({"architecture": {"name": "Unet", "checkpoint_path": "/x.pth"}}, "checkpoint_path"),
        ({"architecture": {"name": "Unet", "pretrained_cfg": {"file": "x"}}}, "pretrained_cfg"),
        ({"architecture": {"name": "Unet", "aux_params": {"classes": 2}}}, "aux_params"),
        ({"name": "x" * 300}, "a name"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_refused(folder, entries, said):
    rewrite(folder, **entries)
    line = refusal(folder)
    assert said in line
    assert str(folder) in line


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format_version": NaN}', "\udcff", '{"licence": "\\udcff"}']
)
def test_a_manifest_that_is_none_is_refused(folder, text):
    (folder / "bundle.json").write_text(text, errors="surrogateescape")
    assert "bundle.json" in refusal(folder)


def test_an_unknown_bundle_is_refused(tmp_path):
    assert "no such model bundle" in refusal(tmp_path / "nowhere")
    assert "no model bundle" in refusal(tmp_path)


def test_normalisation_for_other_inputs_than_the_weights_have_is_refused(folder):
    inputs = [{"name": name, "low": 0, "high": 1} for name in ("green", "red", "ndvi", "slope")]
    rewrite(folder, inputs=inputs)
    assert "with its 4 inputs wants (" in refusal(folder)


def test_an_architecture_that_is_not_the_weights_own_is_refused(folder):
    network = json.loads((folder / "bundle.json").read_text())["architecture"]
    rewrite(folder, architecture={**network, "decoder_channels": [16, 4, 4]})
    assert "wants (16," in refusal(folder)
    rewrite(folder, architecture={**network, "name": "UnetPlusPlus"})
    assert "is not that of its weights" in refusal(folder)
    rewrite(folder, architecture={**network, "name": "Unheard"})
    assert "UnetPlusPlus" in refusal(folder)
    rewrite(folder, architecture={**network, "encoder_name": "unheard"})
    assert "cannot be made" in refusal(folder)
    rewrite(folder, architecture={**network, "unheard": 3})
    assert "cannot be made" in refusal(folder)
    rewrite(folder, architecture={**network, "decoder_interpolation": "unheard"})
    assert "cannot predict" in refusal(folder)


@pytest.mark.parametrize("change", ["missing", "extra", "integer", "nan"])
def test_weights_that_are_not_whole_are_refused(folder, change):
    weights = safetensors.numpy.load_file(folder / "weights.safetensors")
    name = "segmentation_head.0.bias"
    if change == "missing":
        del weights[name]
    elif change == "extra":
        weights["another"] = np.zeros(3, dtype=np.float32)
    else:
        weights[name] = np.array([1]) if change == "integer" else weights[name] * np.nan
    replace_weights(folder, safetensors.numpy.save(weights))
    line = refusal(folder)
    assert ("another" if change == "extra" else name) in line


def test_weights_that_the_manifest_does_not_name_are_refused(folder, make_bundle):
    (folder / "weights.safetensors").write_bytes(make_bundle(seed=1).weights)
    assert "weights_sha256" in refusal(folder)


def test_truncated_weights_are_refused(folder):
    content = (folder / "weights.safetensors").read_bytes()
    for length in (0, 4, 100, len(content) - 1):
        replace_weights(folder, content[:length])
        assert "safetensors" in refusal(folder) or "cannot be read" in refusal(folder)


class Payload:
    """What an attacker would have unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickle_in_place_of_weights_is_never_executed(folder, tmp_path, how):
    trap = tmp_path / "sprung"
    if how == "pickle":
        content = pickle.dumps(Payload(trap))
    else:
        torch.save(Payload(trap), tmp_path / "weights.pt")
        content = (tmp_path / "weights.pt").read_bytes()
    replace_weights(folder, content)
    assert "never loaded" in refusal(folder)
    assert not trap.exists()
    pickle.loads(pickle.dumps(Payload(trap)))
    assert trap.exists()  # the trap works


def test_weights_under_another_name_are_not_looked_for(folder):
    (folder / "weights.safetensors").rename(folder / "weights.pt")
    assert "has no weights.safetensors" in refusal(folder)


def test_weights_outside_the_bundle_are_refused(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder / "weights.safetensors", elsewhere)
    (folder / "weights.safetensors").symlink_to(elsewhere)
    assert "leads out of the bundle" in refusal(folder)


def test_a_bundle_is_written_whole_or_not_at_all(make_bundle, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_bundle(make_bundle(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_bundle_of_that_name_stays_unless_it_may_go(make_bundle, tmp_path):
    first, second = make_bundle(), make_bundle(seed=1, name="tiny-0")
    folder = write_bundle(first, tmp_path)
    assert write_bundle(first, tmp_path) == folder
    with pytest.raises(InputError, match="another bundle is there"):
        write_bundle(second, tmp_path)
    assert read_bundle(folder) == first
    write_bundle(second, tmp_path, replace=True)
    assert read_bundle(folder) == second
    assert [each.name for each in tmp_path.iterdir()] == ["tiny-0"]


def test_a_bundle_that_cannot_be_read_back_is_not_written(make_bundle, tmp_path):
    with pytest.raises(InputError, match="a name of letters"):
        write_bundle(make_bundle(name="../out"), tmp_path / "in")
    assert not list(tmp_path.iterdir())


def test_an_ensemble_is_the_same_in_any_order(make_bundle, tmp_path):
    folders = [write_bundle(make_bundle(seed), tmp_path) for seed in range(3)]
    ensembles = [read_ensemble(folders), read_ensemble(folders[::-1]), read_ensemble([tmp_path])]
    assert len({each.sha256 for each in ensembles}) == 1
    assert len(ensembles[2].bundles) == 3
    alone = read_ensemble(folders[:1])
    assert alone.sha256 == read_bundle(folders[0]).sha256 != ensembles[0].sha256


def test_members_may_read_different_layers(make_bundle, tmp_path):
    slope = Input(name="slope", low=0.0, high=45.0)
    few = make_bundle(1)
    more = make_bundle(2, inputs=(slope, *few.inputs))
    folders = [write_bundle(bundle, tmp_path) for bundle in (few, more)]
    assert sorted(read_ensemble(folders).layers) == ["green", "ndvi", "red", "slope"]


@pytest.mark.parametrize(
    ("fact", "value"),
    [("threshold", 0.4), ("kind", "active_zone"), ("min_area_m2", 10.0), ("recall", 0.5)],
)
def test_bundles_that_do_not_go_together_are_refused(make_bundle, tmp_path, fact, value):
    write_bundle(make_bundle(), tmp_path)
    write_bundle(make_bundle(1, **{fact: value}), tmp_path)
    with pytest.raises(InputError, match=f"{fact} is"):
        read_ensemble([tmp_path])


def test_one_model_does_not_count_twice(folder):
    with pytest.raises(InputError, match="same weights"):
        read_ensemble([folder, folder])
    with pytest.raises(UsageError, match="no model bundle"):
        read_ensemble([])


def test_an_ensemble_says_which_scenes_are_not_its_own(folder):
    ensemble = read_ensemble([folder])
    assert ensemble.misfit("planetscope", 3.125) is None
    assert "not sentinel2" in ensemble.misfit("sentinel2", 3.0)
    assert "3 to 5 m, not 10 m" in ensemble.misfit("planetscope", 10.0)


def test_show_says_what_a_bundle_is(folder):
    said = CliRunner().invoke(model_app, ["show", str(folder)])
    assert said.exit_code == 0
    assert "bundle tiny-0" in said.output
    assert "ndvi                 -1 to 1" in said.output
    assert "n_windows            12" in said.output


def test_verify_tells_whole_bundles_from_others(make_bundle, tmp_path):
    folders = [write_bundle(make_bundle(seed), tmp_path) for seed in range(2)]
    said = CliRunner().invoke(model_app, ["verify", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert said.output.count(": whole") == 2
    assert "an ensemble of 2" in said.output
    replace_weights(folders[0], b"junk")
    said = CliRunner().invoke(model_app, ["verify", *map(str, folders)])
    assert said.exit_code == 1
    assert said.output.count(": whole") == 1
    assert "no safetensors file" in said.output


def test_the_ensemble_that_comes_with_the_package_goes_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = read_ensemble(["demo-sentinel2"])
    assert shipped.layers[:4] == ("blue", "green", "red", "nir")
    (tmp_path / "demo-sentinel2").mkdir()
    with pytest.raises(InputError):
        read_ensemble(["demo-sentinel2"])


@pytest.mark.parametrize("training", [{"run": "x" * 1_100_000}, {"run": "\udcff"}])
def test_a_bundle_that_could_not_be_read_again_is_not_written(make_bundle, tmp_path, training):
    with pytest.raises(InputError, match=r"for a manifest|no JSON"):
        write_bundle(make_bundle(training=training), tmp_path)
    assert list(tmp_path.iterdir()) == []
