"""Checkpoints as thaw-slump-segmentation and darts-nextgen write them."""

import datetime as dt
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import read_bundle, write_bundle
from rts_track.model.foreign import ForeignRequest, import_bundle
from rts_track.model.foreign_inputs import DN_RANGES, TSS_DIVISORS, foreign_inputs
from rts_track.model.network import Member, build_network, read_weights, verify

ENCODER = "tu-test_resnet"
SMALL = {"encoder_depth": 3, "decoder_channels": [8, 4, 4]}
NOTCVIS = ("ndvi", "blue", "green", "red", "nir", "relative_elevation", "slope")
TCVIS = (*NOTCVIS, "tc_brightness", "tc_greenness", "tc_wetness")
SIZE = (64, 96)


@pytest.fixture
def ground():
    """Layers in our units, and as both projects store them; in the ranges that all have."""
    chance = np.random.default_rng(0)
    stored = {
        name: chance.integers(300, 3000, SIZE).astype(np.uint16)
        for name in ("blue", "green", "red", "nir")
    }
    stored["ndvi"] = chance.integers(4_000, 19_000, SIZE).astype(np.uint16)
    stored["relative_elevation"] = chance.integers(3_000, 16_000, SIZE).astype(np.int16)
    stored["slope"] = chance.uniform(0, 45, SIZE).astype(np.float32)
    for name in TCVIS[-3:]:
        stored[name] = chance.integers(0, 256, SIZE).astype(np.uint8)
    ours = {name: values.astype(np.float64) for name, values in stored.items()}
    for name in ("blue", "green", "red", "nir"):
        ours[name] = stored[name] / 10_000
    ours["ndvi"] = stored["ndvi"] / 10_000 - 1.0
    ours["relative_elevation"] = stored["relative_elevation"] / 300 - 30.0
    return ours, stored


def network_of(names, seed=0, arch="Unet", **arguments):
    torch.manual_seed(seed)
    made = smp.create_model(
        arch,
        encoder_name=ENCODER,
        encoder_weights=None,
        in_channels=len(names),
        classes=1,
        **{**SMALL, **arguments},
    )
    return made.eval()


def tss_model(names):
    """The model's part of a thaw-slump-segmentation configuration."""
    return {
        "architecture": "Unet",
        "encoder": ENCODER,
        "encoder_weights": "random",
        "input_channels": len(names),
        **SMALL,
    }


def dn_model(names):
    """The model's part of a darts-nextgen configuration."""
    return {
        "arch": "Unet",
        "encoder_name": ENCODER,
        "encoder_weights": None,
        "in_channels": len(names),
        "classes": 1,
        **SMALL,
    }


def save(content, path):
    torch.save(content, path)
    return path


def written(path, content):
    path.write_text(json.dumps(content))  # JSON is YAML
    return path


def ours(bundle, ground):
    layers = np.stack([ground[0][name] for name in bundle.layers]).astype(np.float32)
    with torch.inference_mode():
        member = Member(bundle, build_network(bundle), bundle.layers)
        return member(torch.from_numpy(layers)[None])[0].numpy()


def theirs(network, scaled, *, has_sigmoid=False):
    with torch.inference_mode():
        said = network(torch.from_numpy(np.stack(scaled).astype(np.float32))[None])[0, 0]
    return said.numpy() if has_sigmoid else torch.sigmoid(said).numpy()


def imported(checkpoint, **given):
    plain = {"name": "foreign", "sensors": ("planetscope",)}
    return import_bundle(ForeignRequest(checkpoint=checkpoint, **{**plain, **given}))


@pytest.mark.parametrize("names", [NOTCVIS, TCVIS])
def test_a_run_of_thaw_slump_segmentation_predicts_as_it_did(tmp_path, ground, names):
    network = network_of(names)
    wrapped = torch.nn.DataParallel(network)
    checkpoint = save(wrapped.state_dict(), tmp_path / "41.pt")
    sources = ["slope", "planet", "relative_elevation", "ndvi"]  # the order does not matter there
    config = written(
        tmp_path / "config.yml",
        {
            "model": tss_model(names),
            "data_sources": sources + (["tcvis"] if len(names) == 10 else []),
            "run_info": {"timestamp": "2023-05-01_12-00-00", "git_head": "v0.9"},
        },
    )
    bundle = imported(checkpoint, config=config, sensors=())
    assert bundle.layers == names
    assert bundle.sensors == ("planetscope",)
    scaled = [ground[1][name] / TSS_DIVISORS[name] for name in names]
    np.testing.assert_allclose(ours(bundle, ground), theirs(network, scaled), atol=1e-4)
    assert bundle.training["scaling"] == "norm factors of thaw-slump-segmentation"
    assert "not clipped" in bundle.training["beyond_the_ranges"]
    assert bundle.training["git_head"] == "v0.9"
    assert read_bundle(write_bundle(bundle, tmp_path / "out")) == bundle
    verify(bundle)


def test_norm_factors_are_ranges_in_our_units():
    read = foreign_inputs({"data_sources": ["planet", "ndvi", "slope", "tcvis"]}, (), "x")
    ranges = {each.name: (each.low, each.high) for each in read.inputs}
    assert ranges == {
        "ndvi": (-1.0, 1.0),
        **dict.fromkeys(("blue", "green", "red", "nir"), (0.0, 0.3)),
        "slope": (0.0, 90.0),
        **dict.fromkeys(TCVIS[-3:], (0.0, 255.0)),
    }
    read = foreign_inputs({"data_sources": ["relative_elevation"]}, (), "x")
    assert (read.inputs[0].low, read.inputs[0].high) == (-30.0, 70.0)


@pytest.mark.parametrize("is_divisor", [False, True])
def test_a_checkpoint_with_norm_factors_keeps_them(tmp_path, ground, is_divisor):
    # darts-nextgen drops them for ranges of its own: the network sees what it never learned
    network = network_of(NOTCVIS, seed=3)
    divisors = {**{name: TSS_DIVISORS[name] for name in NOTCVIS}, "red": 4000}
    config = {
        "model": dn_model(NOTCVIS),
        "input_combination": list(NOTCVIS),
        "norm_factors": {
            name: value if is_divisor else 1 / value for name, value in divisors.items()
        },
        "patch_size": 1024,
        "model_framework": "smp",
    }
    checkpoint = save({"config": config, "statedict": network.state_dict()}, tmp_path / "v6.pt")
    bundle = imported(checkpoint)
    scaled = [ground[1][name] / divisors[name] for name in NOTCVIS]
    np.testing.assert_allclose(ours(bundle, ground), theirs(network, scaled), atol=1e-4)
    assert {each.name: each.high for each in bundle.inputs}["red"] == 0.4
    assert bundle.training["patch_size"] == 1024


class Bands:
    """A class that pickles as the mapping that it says."""

    def __init__(self, config):
        self.config = config

    def __reduce__(self):
        return (dict, (self.config,))


def test_a_checkpoint_whose_bands_are_of_a_deprecated_class_is_read(tmp_path, ground):
    network = network_of(NOTCVIS, seed=4)
    factors = [1 / TSS_DIVISORS[name] for name in NOTCVIS]
    offsets = [0.0] * 5 + [0.1, 0.0]
    bands = Bands({"bands": list(NOTCVIS), "band_factors": factors, "band_offsets": offsets})
    config = {"model": dn_model(NOTCVIS), "bands": bands, "time": "2025-04-01", "name": "x"}
    checkpoint = save({"config": config, "statedict": network.state_dict()}, tmp_path / "s.ckpt")
    scaled = [
        np.clip(ground[1][name] * factor + offset, 0, 1)
        for name, factor, offset in zip(NOTCVIS, factors, offsets, strict=True)
    ]
    bundle = imported(checkpoint)
    np.testing.assert_allclose(ours(bundle, ground), theirs(network, scaled), atol=1e-4)
    assert bundle.training["time"] == "2025-04-01"


def test_a_lightning_checkpoint_of_darts_nextgen_predicts_as_it_does(tmp_path, ground):
    # trained with a sigmoid at its end; what predicts there is the network without it
    trained = network_of(TCVIS, seed=5, activation="sigmoid")
    plain = network_of(TCVIS, seed=6)
    plain.load_state_dict(trained.state_dict())
    checkpoint = save(
        {
            "epoch": 3,
            "pytorch-lightning_version": "2.5.0",
            "state_dict": {
                **{f"model.{name}": each for name, each in trained.state_dict().items()},
                "loss_fn.weight": torch.ones(1),
            },
            "callbacks": {"EarlyStopping": {"wait_count": 0, "best_score": torch.tensor(0.5)}},
            "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-3}]}],
            "hparams_name": "kwargs",
            "hyper_parameters": {
                "config": {"model": dn_model(TCVIS), "bands": list(TCVIS)},
                "learning_rate": 1e-5,
                "run_name": "karma",
                "model_version": "2",
                "datetime": dt.datetime(2025, 9, 1, 12, 0),  # noqa: DTZ001 - as theirs has it
            },
        },
        tmp_path / "epoch=3.ckpt",
    )
    bundle = imported(checkpoint, sensors=("sentinel2",))
    scaled = []
    for name in TCVIS:
        low, high = DN_RANGES[name]
        scaled.append(np.clip((ground[0][name] - low) / (high - low), 0, 1))
    expected = theirs(trained, scaled, has_sigmoid=True)
    np.testing.assert_allclose(ours(bundle, ground), expected, atol=1e-4)
    np.testing.assert_allclose(theirs(plain, scaled), expected, atol=1e-6)
    assert bundle.gsd_range_m == (10.0, 10.0)
    assert bundle.min_area_m2 == 3200.0
    assert bundle.training["run_name"] == "karma"


def test_what_is_unknown_is_nought_after_scaling_as_it_was_there(tmp_path, ground):
    network = network_of(NOTCVIS)
    config = {"model": dn_model(NOTCVIS), "bands": list(NOTCVIS)}
    checkpoint = save({"config": config, "statedict": network.state_dict()}, tmp_path / "x.pt")
    for layers in ground:
        for values in layers.values():
            values[:10] = 0
    for values in ground[0].values():
        values[:10] = np.nan
    scaled = []
    for name in NOTCVIS:
        low, high = DN_RANGES[name]
        scaled.append(np.nan_to_num(np.clip((ground[0][name] - low) / (high - low), 0, 1)))
    bundle = imported(checkpoint)
    np.testing.assert_allclose(ours(bundle, ground), theirs(network, scaled), atol=1e-4)


@pytest.mark.parametrize("arch", ["UnetPlusPlus", "Unet", "FPN"])
def test_headroom_keeps_what_is_brighter_than_their_ranges(tmp_path, ground, arch):
    # tundra in July reflects more than 0.3 of near infrared: clipped there, a network sees
    # other plants than it learned
    own = {} if arch == "FPN" else SMALL
    torch.manual_seed(0)
    network = smp.create_model(
        arch, encoder_name=ENCODER, encoder_weights=None, in_channels=7, **own
    ).eval()
    config = {
        "model": {"arch": arch, "encoder_name": ENCODER, "in_channels": 7, **own},
        "input_combination": list(NOTCVIS),
        "norm_factors": {name: 1 / TSS_DIVISORS[name] for name in NOTCVIS},
    }
    checkpoint = save({"config": config, "statedict": network.state_dict()}, tmp_path / "x.pt")
    for layers, step in zip(ground, (1, 10_000), strict=True):
        layers["nir"] = layers["nir"].astype(np.float32) + 0.5 * step
    scaled = [ground[1][name] / TSS_DIVISORS[name] for name in NOTCVIS]
    bundle = imported(checkpoint, headroom=4.0)
    np.testing.assert_allclose(ours(bundle, ground), theirs(network, scaled), atol=1e-4)
    assert {each.name: each.high for each in bundle.inputs}["nir"] == pytest.approx(1.2)
    assert bundle.training["headroom"] == 4.0
    clipped = ours(imported(checkpoint), ground)
    assert np.abs(clipped - theirs(network, scaled)).max() > 1e-3


class Payload:
    """What an attacker would have unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("where", ["top", "config", "weights"])
def test_a_checkpoint_that_would_execute_code_is_refused(tmp_path, where):
    trap = tmp_path / "sprung"
    config = {"model": dn_model(NOTCVIS), "bands": list(NOTCVIS)}
    state = network_of(NOTCVIS).state_dict()
    content = {
        "top": Payload(trap),
        "config": {"config": {**config, "x": Payload(trap)}, "statedict": state},
        "weights": {"config": config, "statedict": {**state, "x": Payload(trap)}},
    }[where]
    checkpoint = save(content, tmp_path / "x.pt")
    with pytest.raises(InputError, match="execute code") as refused:
        imported(checkpoint)
    assert "\n" not in str(refused.value)
    assert not trap.exists()


def test_a_whole_network_that_was_pickled_is_refused(tmp_path):
    checkpoint = save(network_of(NOTCVIS), tmp_path / "x.pt")
    with pytest.raises(InputError, match=r"execute code \(.*Unet\)"):
        imported(checkpoint)


def base():
    return {"model": dn_model(NOTCVIS), "bands": list(NOTCVIS)}


def without(key):
    return {name: value for name, value in base().items() if name != key}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "which layers it reads"),
        (without("model"), "no model in its configuration"),
        ({**base(), "bands": ["ndvi", "hillshade"]}, "hillshade: no layer of rts-track"),
        ({**base(), "bands": "ndvi"}, "expected a list of names"),
        ({**base(), "bands": [*NOTCVIS, "red"]}, "there twice"),
        ({**base(), "bands": list(NOTCVIS[1:])}, "7 channels, but 6 layers"),
        ({**without("bands"), "data_sources": ["planet", "hillshade"]}, "hillshade are scaled"),
        ({**without("bands"), "input_combination": list(NOTCVIS)}, "how its inputs were scaled"),
        (
            {**without("bands"), "input_combination": list(NOTCVIS), "norm_factors": {"red": 0.1}},
            "how ndvi is scaled is None",
        ),
        (
            {
                **without("bands"),
                "input_combination": list(NOTCVIS),
                "norm_factors": {**{n: 1 / v for n, v in TSS_DIVISORS.items()}, "ndvi": 1},
            },
            "norm factor 1 of ndvi would mean -1 to -0.9999",
        ),
        ({**base(), "ranges": {"ndvi": 1.0}}, "range of ndvi is 1.0"),
        ({**base(), "ranges": [1.0]}, "ranges: expected a number for each layer"),
        ({**base(), "ranges": {name: [1.0, 0.0] for name in NOTCVIS}}, "expected low < high"),
        ({**base(), "model": {**dn_model(NOTCVIS), "arch": "Unet3Plus"}}, "Unet3Plus is unknown"),
        ({**base(), "model": {**dn_model(NOTCVIS), "classes": 2}}, "2 classes"),
        ({**base(), "model": {**dn_model(NOTCVIS), "activation": "softmax"}}, "a sigmoid"),
        ({**base(), "model": {**dn_model(NOTCVIS), "decoder_channels": [8, 8, 4]}}, "not those of"),
        ({**base(), "model": {**dn_model(NOTCVIS), "arch": "UnetPlusPlus"}}, "are missing"),
        ({**base(), "model": "UNet"}, "no model in its configuration"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, config, said):
    content = {"config": config, "statedict": network_of(NOTCVIS).state_dict()}
    checkpoint = save(content, tmp_path / "x.pt")
    with pytest.raises(InputError) as refused:
        imported(checkpoint)
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(checkpoint)) or "architecture" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_configuration_beside_a_checkpoint_counts_more_than_that_within(tmp_path):
    content = {"config": base(), "statedict": network_of(NOTCVIS).state_dict()}
    checkpoint = save(content, tmp_path / "x.pt")
    config = written(tmp_path / "more.json", {"ranges": {"red": [0.0, 1.0]}})
    bundle = imported(checkpoint, config=config)
    assert {each.name: (each.low, each.high) for each in bundle.inputs} == {
        **{name: DN_RANGES[name] for name in NOTCVIS},
        "red": (0.0, 1.0),
    }
    assert bundle.layers == NOTCVIS
    assert bundle.training["scaling"] == "ranges of darts-nextgen and ranges of --config"


def test_a_norm_factor_that_means_nothing_can_be_set_right(tmp_path):
    # the first converted checkpoints of darts-nextgen have 1 for ndvi
    factors = {**{name: 1 / TSS_DIVISORS[name] for name in NOTCVIS}, "ndvi": 1}
    content = {
        "config": {
            "model": dn_model(NOTCVIS),
            "input_combination": list(NOTCVIS),
            "norm_factors": factors,
        },
        "statedict": network_of(NOTCVIS).state_dict(),
    }
    checkpoint = save(content, tmp_path / "x.pt")
    with pytest.raises(InputError, match="of other units"):
        imported(checkpoint)
    config = written(tmp_path / "more.yml", {"ranges": {"ndvi": [-1, 1]}})
    read = imported(checkpoint, config=config).inputs
    assert [(each.low, each.high) for each in read[:2]] == [(-1.0, 1.0), (0.0, 0.3)]


def test_layers_may_be_named_where_the_configuration_does_not(tmp_path):
    content = {"config": without("bands"), "statedict": network_of(NOTCVIS).state_dict()}
    checkpoint = save(content, tmp_path / "x.pt")
    ranges = {name: list(DN_RANGES[name]) for name in NOTCVIS}
    config = written(tmp_path / "ranges.json", {"ranges": ranges})
    assert imported(checkpoint, config=config, layers=NOTCVIS).layers == NOTCVIS
    with pytest.raises(InputError, match="leave --layers out"):
        imported(save({**content, "config": base()}, tmp_path / "y.pt"), layers=NOTCVIS[::-1])


def test_what_is_no_checkpoint_is_told(tmp_path):
    for content in (b"", b"no checkpoint", b"PK\x03\x04 cut short"):
        (tmp_path / "x.pt").write_bytes(content)
        with pytest.raises(InputError, match="no checkpoint"):
            imported(tmp_path / "x.pt")
    with pytest.raises(InputError, match="no such file"):
        imported(tmp_path / "nowhere.pt")
    with pytest.raises(InputError, match="holds a list"):
        imported(save([1, 2], tmp_path / "x.pt"))
    with pytest.raises(InputError, match="it has config, epoch"):
        imported(save({"config": base(), "epoch": 3}, tmp_path / "x.pt"))


@pytest.mark.parametrize(
    ("text", "said"), [("a: [", "neither YAML nor JSON"), ("- 1", "no mapping"), (None, "no such")]
)
def test_a_configuration_that_cannot_be_read_is_told(tmp_path, text, said):
    content = {"config": base(), "statedict": network_of(NOTCVIS).state_dict()}
    checkpoint, config = save(content, tmp_path / "x.pt"), tmp_path / "config.yml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(InputError, match=said) as refused:
        imported(checkpoint, config=config)
    assert "\n" not in str(refused.value)


def test_a_configuration_executes_no_code(tmp_path):
    content = {"config": base(), "statedict": network_of(NOTCVIS).state_dict()}
    checkpoint, config = save(content, tmp_path / "x.pt"), tmp_path / "config.yml"
    trap = tmp_path / "sprung"
    config.write_text(f"model: !!python/object/apply:pathlib.Path.touch [{trap}]\n")
    with pytest.raises(InputError, match="neither YAML nor JSON"):
        imported(checkpoint, config=config)
    assert not trap.exists()


def test_the_sensor_must_be_known(tmp_path):
    content = {"config": base(), "statedict": network_of(NOTCVIS).state_dict()}
    checkpoint = save(content, tmp_path / "x.pt")
    with pytest.raises(UsageError, match="--sensors planetscope"):
        imported(checkpoint, sensors=())
    with pytest.raises(UsageError, match="--gsd"):
        imported(checkpoint, sensors=("raster",))
    bundle = imported(checkpoint, sensors=("raster",), gsd_range_m=(2.0, 4.0), threshold=0.4)
    assert (bundle.gsd_range_m, bundle.threshold, bundle.min_area_m2) == ((2.0, 4.0), 0.4, 128.0)
    with pytest.raises(UsageError, match="leave --headroom out"):
        imported(checkpoint, headroom=2.0)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    state = network_of(NOTCVIS).state_dict()
    state["segmentation_head.0.bias"][:] = torch.nan
    checkpoint = save({"config": base(), "statedict": state}, tmp_path / "x.pt")
    with pytest.raises(InputError, match="no finite"):
        imported(checkpoint)


@pytest.mark.parametrize("key", ["statedict", "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "model.module.", "_orig_mod."])
def test_weights_are_found_wherever_they_are_and_whatever_wraps_them(tmp_path, key, prefix):
    network = network_of(NOTCVIS)
    state = {f"{prefix}{name}": each for name, each in network.state_dict().items()}
    checkpoint = save({"config": base(), key: state}, tmp_path / "x.pt")
    stored = read_weights(imported(checkpoint))
    for name, each in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(stored[name], each, rtol=0, atol=0)


def refused(checkpoint, **given):
    """The one line with which a checkpoint is refused."""
    with pytest.raises(InputError) as refusal:
        imported(checkpoint, **given)
    line = " ".join(str(refusal.value).split())
    assert len(line) < 500
    return line


@pytest.fixture
def hollow(tmp_path):
    """A checkpoint of weights alone."""
    return save(network_of(NOTCVIS).state_dict(), tmp_path / "hollow.pt")


def laughing(depth=9):
    """Lists of lists of lists: a few lines that stand for billions of entries."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, depth)]
    return "\n".join(lines) + f"\nranges: {{red: *l{depth - 1}}}\n"


def merging(depth=9):
    lines = ["m0: &m0 {x: 1}"]
    lines += [
        f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}], y{n}: 1}}" for n in range(1, depth)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [laughing(), merging(), "model: &m {arch: Unet, x: *m}\n"])
def test_a_configuration_that_stands_for_billions_of_entries_is_refused_at_once(
    tmp_path, hollow, text
):
    config = tmp_path / "config.yml"
    config.write_text(f"{text}\nbands: [red]\n")
    assert "references followed" in refused(hollow, config=config)


def test_a_checkpoint_whose_configuration_stands_for_billions_of_entries_is_refused(tmp_path):
    entries = ["x"] * 9
    for _ in range(9):
        entries = [entries] * 9
    config = {"model": dn_model(NOTCVIS), "bands": list(NOTCVIS), "ranges": {"red": entries}}
    checkpoint = save({"config": config, "statedict": {}}, tmp_path / "x.pt")
    assert "references followed" in refused(checkpoint)


@pytest.mark.parametrize(
    "text",
    ["x: !!timestamp abc", "x: !!int abc", "x: !!bool abc", "? [1, 2]\n: 3", "- [", "x: !!a b"],
)
def test_a_configuration_with_values_that_are_not_what_their_tags_say_is_refused(
    tmp_path, hollow, text
):
    config = tmp_path / "config.yml"
    config.write_text(text)
    assert "config.yml: neither YAML nor JSON" in refused(hollow, config=config)


@pytest.mark.parametrize(
    "argument",
    [
        {"encoder_name": "tu-hf-hub:somebody/net"},
        {"encoder_name": "tu-local-dir:/home"},
        {"encoder_name": ["resnet18"]},
        {"pretrained": True},
        {"checkpoint_path": "weights.pth"},
        {"pretrained_cfg": {"file": "weights.pth"}},
        {"cache_dir": "."},
        {"aux_params": {"classes": 2}},
        {"features": 3},
        {"encoder_depth": torch.tensor(3)},
    ],
)
def test_a_configuration_that_would_fetch_weights_from_elsewhere_is_refused_before_it_does(
    tmp_path, monkeypatch, argument
):
    def fetch(*given, **options):
        raise AssertionError("asked for elsewhere")

    monkeypatch.setattr("timm.create_model", fetch)
    config = {"model": {**dn_model(NOTCVIS), **argument}, "bands": list(NOTCVIS)}
    checkpoint = save({"config": config, "statedict": {"a": torch.ones(1)}}, tmp_path / "x.pt")
    assert "architecture" in refused(checkpoint)


@pytest.mark.parametrize(
    "change",
    [
        {"model": {**dn_model(NOTCVIS), "classes": torch.ones(2)}},
        {"model": {**dn_model(NOTCVIS), "in_channels": torch.ones(2)}},
        {"norm_factors": dict.fromkeys(NOTCVIS, 10**400)},
        {"ranges": {"red": [0, 10**400]}},
        {"ranges": {"red": [-1e308, 1e308]}},
        {"bands": ["x\n" * 10_000]},
        {"bands": torch.ones(7)},
    ],
)
def test_values_of_a_configuration_that_are_of_the_wrong_kind_are_refused_in_a_line(
    tmp_path, change
):
    config = {"model": dn_model(NOTCVIS), "bands": list(NOTCVIS), **change}
    state = network_of(NOTCVIS).state_dict()
    refused(save({"config": config, "statedict": state}, tmp_path / "x.pt"))


def test_a_story_that_no_manifest_can_hold_is_left_out(tmp_path):
    config = {"model": dn_model(NOTCVIS), "bands": list(NOTCVIS), "data_sources": None}
    config |= {
        "run_name": "x" * 2_000_000,
        "time": float("nan"),
        "run_id": "\udcff",
        "patch_size": 8,
    }
    state = network_of(NOTCVIS).state_dict()
    bundle = imported(save({"config": config, "statedict": state}, tmp_path / "x.pt"))
    assert bundle.training["patch_size"] == 8
    assert not {"run_name", "time", "run_id"} & bundle.training.keys()
    assert read_bundle(write_bundle(bundle, tmp_path / "out")) == bundle


def test_weights_whose_names_are_no_texts_are_none(tmp_path):
    config = {"model": dn_model(NOTCVIS), "bands": list(NOTCVIS)}
    checkpoint = save({"config": config, "statedict": {1: torch.zeros(1)}}, tmp_path / "x.pt")
    assert "no weights in it" in refused(checkpoint)


def test_a_file_that_would_unpack_to_far_more_than_it_is_is_refused_unread(tmp_path, monkeypatch):
    packed = tmp_path / "x.pt"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("x/data.pkl", bytes(10_000_000))
    monkeypatch.setattr(torch, "load", lambda *given, **options: pytest.fail("was read"))
    assert "would unpack to 10,000,000 bytes" in refused(packed)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_checkpoint_that_is_broken_anywhere_is_refused_in_a_line(tmp_path, is_zip):
    whole = tmp_path / "whole.pt"
    torch.save({"a": torch.ones(3)}, whole, _use_new_zipfile_serialization=is_zip)
    content, chance = whole.read_bytes(), np.random.default_rng(0)
    broken = tmp_path / "broken.pt"
    for _ in range(150):
        bytes_of = np.frombuffer(content, dtype=np.uint8).copy()
        bytes_of[chance.integers(0, len(content), 4)] = chance.integers(0, 256, 4)
        broken.write_bytes(bytes_of.tobytes()[: chance.integers(1, len(content))])
        refused(broken)
        broken.write_bytes(bytes_of.tobytes())
        refused(broken)  # without layers, at the latest


@pytest.mark.parametrize("headroom", [0.5, float("nan"), float("inf")])
def test_a_headroom_that_cannot_be_is_refused(hollow, headroom):
    with pytest.raises(UsageError, match="headroom"):
        imported(hollow, headroom=headroom)
