"""Bundles on disk and a scene on disk: what a model makes of it."""

import hashlib

import numpy as np
import pytest
import torch

from rts_track.errors import InputError
from rts_track.model.bundle import (
    Architecture,
    Bundle,
    Calibration,
    Input,
    read_ensemble,
    write_bundle,
)
from rts_track.model.network import new_network, weights_bytes
from rts_track.model.predict import Predictor
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import find_scenes
from rts_track.source.stack import open_stack

SIZE = (75, 101)
TINY = Architecture(
    name="UnetPlusPlus",
    arguments={"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [8, 4, 4]},
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bundles(tmp_path):
    """A folder of two bundles; one does without NDVI."""
    for seed, names in enumerate((("green", "red", "nir", "ndvi"), ("nir", "red"))):
        torch.manual_seed(seed)
        content, sha256 = weights_bytes(new_network(TINY, len(names)).state_dict())
        assert sha256 == hashlib.sha256(content).hexdigest()
        inputs = tuple(
            Input(name=name, low=-1.0 if name == "ndvi" else 0.0, high=0.5) for name in names
        )
        write_bundle(
            Bundle(
                name=f"tiny-{seed}",
                architecture=TINY,
                inputs=inputs,
                fill=0.0,
                sensors=("planetscope",),
                gsd_range_m=(3.0, 3.0),
                threshold=0.5,
                min_area_m2=100.0,
                calibration=Calibration(temperature=0.5, bias=0.1),
                delineation_sigma_m=1.5,
                recall=None,
                kind="landform",
                licence="CC0-1.0",
                citation=None,
                training={},
                weights_sha256=sha256,
                weights=content,
            ),
            tmp_path / "bundles",
        )
    return tmp_path / "bundles"


@pytest.fixture
def scene(products, tmp_path):
    """A scene with a cloud in its upper left corner and nothing in its last columns."""
    chance = np.random.default_rng(0)
    pixels = chance.integers(300, 3000, (4, *SIZE)).astype(np.uint16)
    mask = products.udm2(SIZE)
    mask[0, :20, :30], mask[5, :20, :30] = 0, 1
    pixels[:, :, -5:], mask[0, :, -5:], mask[7, :, -5:] = 0, 0, 1
    products.psscene(tmp_path / "scenes", values=pixels, mask=mask)
    scenes, faults = find_scenes([tmp_path / "scenes"])
    assert not faults
    return scenes[0]


def test_an_ensemble_from_disk_predicts_a_scene_from_disk(bundles, scene):
    ensemble = read_ensemble([bundles])
    made = {}
    for window_px in (32, 64, 512):
        predictor = Predictor(ensemble, window_px=window_px, overlap_px=16, device="cpu")
        with open_stack(scene, ensemble.layers, Auxiliary()) as stack:
            made[window_px] = predictor.predict(stack)
    for prediction in made.values():
        is_looked_at = np.ones(SIZE, dtype=bool)
        is_looked_at[:20, :30] = is_looked_at[:, -5:] = False
        np.testing.assert_array_equal(prediction.probability != 255, is_looked_at)
        np.testing.assert_array_equal(prediction.spread != 255, is_looked_at)
        assert prediction.probability[is_looked_at].max() <= 250
        assert prediction.spread[is_looked_at].max() > 0
    assert made[512].n_windows == 1
    apart = made[32].probability.astype(int) - made[512].probability
    assert np.abs(apart).mean() < 5  # of 250; windows of 32 px cut off what this network looks at


def test_a_predictor_keeps_nothing_from_one_scene_to_the_next(bundles, scene):
    ensemble = read_ensemble([bundles])
    predictor = Predictor(ensemble, window_px=64, overlap_px=16, device="cpu")
    with open_stack(scene, ensemble.layers, Auxiliary()) as stack:
        first, second = predictor.predict(stack), predictor.predict(stack)
    np.testing.assert_array_equal(first.probability, second.probability)
    np.testing.assert_array_equal(first.spread, second.spread)


def test_a_scene_without_a_members_layer_is_refused_before_it_is_read(bundles, scene):
    ensemble = read_ensemble([bundles])
    predictor = Predictor(ensemble, device="cpu")
    with (
        open_stack(scene, ("red", "nir"), Auxiliary()) as stack,
        pytest.raises(InputError, match=r"green, ndvi|ndvi, green"),
    ):
        predictor.predict(stack)
