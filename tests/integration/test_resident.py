"""What a device makes of a whole scene is what comes of it window by window on a processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rts_track.model.bundle import read_ensemble
from rts_track.model.device_copies import Copies
from rts_track.model.device_layers import layers, put_scene
from rts_track.model.forward import EnsembleForward
from rts_track.model.predict import Predictor
from rts_track.model.resident import ResidentPredictor
from rts_track.raster.probability import threshold_byte
from rts_track.simulate.landscape.files import write_landscape
from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import find_scenes
from rts_track.source.stack import open_stack

PARAMS = LandscapeParams(
    extent_m=(1_800.0, 1_500.0),
    n_seasons=1,
    sensors=("sentinel2",),
    dem_seasons=(),
    slumps_per_km2=6.0,
    cloud_frac=0.1,
)
WINDOWS = {"window_px": 96, "overlap_px": 32}
ENSEMBLE = read_ensemble(["demo-sentinel2"])

LEAST_IOU = 0.995
"""Of the masks at the ensemble's threshold, stated."""
MOST_STEPS = {"float32": 1, "bf16": 6}
"""Steps of 0.004 by which no more than one byte of a thousand may differ, stated. Measured on
another landscape: float32 0.1 % of the bytes by 1; bf16 0.1 % by more than 2, at most 6."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    files = write_landscape(simulate_landscape(8, PARAMS), tmp_path_factory.mktemp("landscape"))
    (scene,), _ = find_scenes(files.scenes)
    with open_stack(scene, ENSEMBLE.layers, Auxiliary(dem=files.dem, trend=files.trend)) as stack:
        yield stack


@pytest.fixture(scope="module")
def windowed(stack):
    return Predictor(ENSEMBLE, device="cpu", **WINDOWS).predict(stack)


needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device, and torch finds none"
)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=[pytest.mark.cuda, needs_cuda])]
)
def test_masks_and_bytes_agree_with_the_windowed_way(stack, windowed, device, precision):
    forward = EnsembleForward(ENSEMBLE, torch.device(device), precision=precision)
    found = ResidentPredictor(ENSEMBLE, forward, **WINDOWS).predict(stack.raw())
    is_clear = windowed.probability != 255
    np.testing.assert_array_equal(found.probability != 255, is_clear)
    assert 0.3 < is_clear.mean() < 1.0
    least = threshold_byte(ENSEMBLE.threshold)
    here, there = ((each.probability >= least) & is_clear for each in (found, windowed))
    assert there.sum() > 100
    assert (here & there).sum() / (here | there).sum() >= LEAST_IOU
    for name in ("probability", "spread"):
        one, other = (getattr(each, name)[is_clear].astype(int) for each in (found, windowed))
        assert np.quantile(np.abs(one - other), 0.999) <= MOST_STEPS[precision]


def test_layers_read_raw_are_those_of_the_stack(stack):
    values, is_clear = stack.read(stack.grid.whole)
    scene = put_scene(stack.raw(), Copies(torch.device("cpu")))
    np.testing.assert_array_equal(scene.is_clear.numpy(), is_clear)
    found = dict(layers(scene, stack.names))
    # the CPU's way computes places to 0.002 px, and layers are kept in steps of 0.01 or 0.02
    most = {"relative_elevation": 0.05, "slope": 0.3, "tc_brightness": 0.02, "tc_wetness": 0.02}
    inner = (slice(8, -8), slice(8, -8))  # at its edge a trend is told by half a kernel
    for name, expected in zip(stack.names, values, strict=True):
        off = np.abs(found[name].numpy() - expected)
        np.testing.assert_array_equal(np.isnan(found[name].numpy()), np.isnan(expected))
        assert np.nanmax(off[inner]) <= most.get(name, 0.02 if name.startswith("tc_") else 0.0)
