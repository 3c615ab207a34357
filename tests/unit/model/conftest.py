from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from affine import Affine

from rts_track.model.bundle import Architecture, Bundle, Calibration, Input
from rts_track.model.network import new_network, weights_bytes
from rts_track.raster.grid import Grid

TINY = Architecture(
    name="Unet",
    arguments={"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [8, 4, 4]},
)
INPUTS = (
    Input(name="green", low=0.0, high=0.5),
    Input(name="red", low=0.0, high=0.5),
    Input(name="ndvi", low=-1.0, high=1.0),
)


def bundle_of(seed=0, name=None, inputs=INPUTS, architecture=TINY, dtype=torch.float32, **facts):
    torch.manual_seed(seed)
    network = new_network(architecture, len(inputs))
    content, sha256 = weights_bytes(network.state_dict(), dtype=dtype)
    bundle = Bundle(
        name=name or f"tiny-{seed}",
        architecture=architecture,
        inputs=inputs,
        fill=0.0,
        sensors=("planetscope",),
        gsd_range_m=(3.0, 5.0),
        threshold=0.5,
        min_area_m2=300.0,
        calibration=Calibration(),
        delineation_sigma_m=2.0,
        recall=None,
        kind="landform",
        licence="MIT",
        citation=None,
        training={"n_windows": 12},
        weights_sha256=sha256,
        weights=content,
    )
    return replace(bundle, **facts)


@dataclass
class ArrayStack:
    """Layers in memory, as a `Stack` reads them."""

    layers: np.ndarray
    clear: np.ndarray
    names: tuple[str, ...] = ("green", "red", "ndvi")
    asked: list = field(default_factory=list)

    @property
    def grid(self):
        height, width = self.clear.shape
        transform = Affine(3, 0, 500000, 0, -3, 7500000)
        return Grid(height=height, width=width, transform=transform, crs="EPSG:32608")

    def read(self, window):
        self.asked.append(window)
        rows, cols = window.slices
        return self.layers[:, rows, cols], self.clear[rows, cols]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noise(shape, seed=0, n_layers=3):
    chance = np.random.default_rng(seed)
    layers = chance.uniform(-0.2, 0.8, (n_layers, *shape)).astype(np.float32)
    return ArrayStack(layers=layers, clear=np.ones(shape, dtype=bool))


@pytest.fixture
def make_bundle():
    """Makes a small bundle; its weights follow from `seed`."""
    return bundle_of


@pytest.fixture
def noise_stack():
    """Makes a stack of noise in a shape."""
    return noise
