import numpy as np
import pytest
import torch

from rts_track.model import device_terrain
from rts_track.raster import terrain


def ground(shape, seed=0, holes=0.0):
    chance = np.random.default_rng(seed)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    elevation_m = 300.0 + 20 * np.sin(rows / 9) + 15 * np.cos(cols / 7) + chance.normal(0, 1, shape)
    elevation_m[chance.random(shape) < holes] = np.nan
    return elevation_m.astype(np.float32)


SHAPES = [(1, 1), (3, 80), (70, 90)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("holes", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("gsd_m", [3.0, 10.0, 250.0])
def test_relative_elevation_is_the_cpus_to_the_bit(shape, holes, gsd_m):
    elevation_m = ground(shape, holes=holes)
    expected = terrain.relative_elevation(elevation_m, gsd_m)
    found = device_terrain.relative_elevation(torch.from_numpy(elevation_m), gsd_m)
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("holes", [0.0, 0.3, 1.0])
def test_slope_is_the_cpus_one_sided_at_holes(shape, holes):
    elevation_m = ground(shape, holes=holes)
    expected = terrain.slope_deg(elevation_m, 5.0)
    found = device_terrain.slope_deg(torch.from_numpy(elevation_m), 5.0)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_strips_of_rows_are_the_whole(monkeypatch):
    elevation_m = torch.from_numpy(ground((70, 40), holes=0.1))
    whole = [made(elevation_m, 10.0) for made in _MAKING]
    monkeypatch.setattr(device_terrain, "_STRIP_PX", 7)
    for made, before in zip(_MAKING, whole, strict=True):
        torch.testing.assert_close(made(elevation_m, 10.0), before, rtol=0, atol=0, equal_nan=True)


_MAKING = (device_terrain.relative_elevation, device_terrain.slope_deg)
