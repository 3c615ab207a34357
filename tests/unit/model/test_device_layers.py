import numpy as np
import pytest
import torch
from affine import Affine

from rts_track.errors import InputError
from rts_track.model.device_copies import Copies
from rts_track.model.device_layers import layers, ndvi, put_scene
from rts_track.raster import indices, resample, terrain
from rts_track.raster.grid import Grid
from rts_track.raster.raw import UNKNOWN, RawBand, RawRaster, RawScene

CPU = torch.device("cpu")
GRID = Grid(
    height=30,
    width=40,
    transform=Affine(10.0, 0, 471_000.0, 0, -10.0, 7_549_000.0),
    crs="EPSG:32608",
)
NAMES = ("red", "nir", "ndvi", "relative_elevation", "slope")


def band(name, stored, **facts):
    return RawBand(**{"name": name, "stored": stored, "scale": 1.0, "offset": 0.0, "nodata": None,
                      **facts})  # fmt: skip


def scene_of(*bands, **facts):
    clear = np.ones(GRID.shape, dtype=bool)
    return RawScene(grid=GRID, names=NAMES, bands=bands, is_clear=clear, **facts)


def made_of(raw, *names):
    found = dict(layers(put_scene(raw, Copies(CPU)), names))
    assert set(found) == set(names)
    return [found[name].numpy() for name in names]


def chance(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.uint32, np.float64])
def test_stored_values_of_any_type_become_the_reflectance_that_the_cpu_has(dtype):
    stored = chance().integers(0, 120, GRID.shape).astype(dtype)
    (red,) = made_of(scene_of(band("red", stored, scale=1e-4, offset=-0.1, nodata=0.0)), "red")
    expected = stored.astype(np.float32) * np.float32(1e-4) + np.float32(-0.1)
    expected[stored == 0] = np.nan
    np.testing.assert_array_equal(red, expected)
    assert red.dtype == np.float32


def test_nodata_of_many_digits_is_told_from_its_neighbours():
    stored = np.full(GRID.shape, 16_777_217, dtype=np.uint32)
    stored[0] = 16_777_216  # as a float32 both are this
    (red,) = made_of(scene_of(band("red", stored, scale=1e-8, nodata=16_777_216.0)), "red")
    assert np.isnan(red[0]).all()
    assert not np.isnan(red[1:]).any()


def test_what_is_no_finite_number_is_unknown():
    stored = np.full(GRID.shape, 0.2, dtype=np.float32)
    stored[0, :3] = np.nan, np.inf, -np.inf
    (red,) = made_of(scene_of(band("red", stored, nodata=np.nan)), "red")
    assert np.isnan(red[0, :3]).all()
    assert np.isnan(red).sum() == 3


def test_ndvi_is_the_cpus():
    nir, red = chance().uniform(-0.3, 1.3, (2, *GRID.shape)).astype(np.float32)
    nir[0], red[0] = 0.0, -0.1
    nir[1], red[2] = np.nan, np.nan
    found = ndvi(torch.from_numpy(nir), torch.from_numpy(red)).numpy()
    np.testing.assert_array_equal(found, indices.ndvi(nir, red))
    raw = scene_of(band("red", red), band("nir", nir))
    np.testing.assert_array_equal(made_of(raw, "ndvi")[0], found)


def test_an_index_that_the_scene_has_as_a_band_is_not_computed():
    stored = np.full(GRID.shape, 0.75, dtype=np.float32)
    assert (made_of(scene_of(band("ndvi", stored)), "ndvi")[0] == 0.75).all()


def test_layers_that_were_kept_are_as_they_were_kept():
    counted = chance().integers(-500, 500, GRID.shape).astype(np.int16)
    counted[3] = UNKNOWN
    (slope,) = made_of(scene_of(made={"slope": (counted, 0.01)}), "slope")
    assert np.isnan(slope[3]).all()
    np.testing.assert_array_equal(slope[4:], counted[4:].astype(np.float32) * np.float32(0.01))


def elevations(holes=True):
    """A piece of rolling ground, of finer pixels than the scene's, that reaches 200 m beyond it."""
    has = Grid(height=180, width=200, transform=GRID.grown(20).transform @ Affine.scale(0.4),
               crs=GRID.crs)  # fmt: skip
    rows, cols = np.mgrid[: has.height, : has.width]
    values = (
        300 + 8 * np.sin(rows / 15) + 6 * np.cos(cols / 11) + chance().normal(0, 0.3, has.shape)
    )
    if holes:
        values[90:100, 100:130] = np.nan
    return RawRaster(values=values[None].astype(np.float32), grid=has)


@pytest.mark.parametrize("holes", [False, True])
def test_terrain_is_what_the_cpu_makes_of_the_elevations_in_its_steps(holes):
    piece = elevations(holes)
    relative, slope = made_of(scene_of(elevation=(piece,)), "relative_elevation", "slope")
    margin = 10
    elevation_m = resample.on_grid(piece.values, piece.grid, GRID.grown(margin))[0]
    inner = (slice(margin, -margin), slice(margin, -margin))
    for found, make, step in (
        (relative, terrain.relative_elevation, 0.02),
        (slope, terrain.slope_deg, 0.01),
    ):
        expected = np.rint(make(elevation_m, 10.0)[inner] / step) * step
        assert np.isnan(expected).any() == holes
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        assert np.nanmax(np.abs(found - expected)) < 2.5 * step
        assert np.nanmean(np.abs(found - expected) > 0.5 * step) < 0.2
        assert np.nanmax(np.abs(found / step - np.rint(found / step))) < 0.01


def test_trends_stay_within_what_a_byte_can_be():
    values = np.zeros((3, 30, 40), dtype=np.float32)
    values[:, :, 20:] = 255.0  # cubic convolution overshoots at such an edge
    shifted = Grid(height=30, width=40, transform=GRID.transform @ Affine.translation(0.3, 0.0),
                   crs=GRID.crs)  # fmt: skip
    raw = scene_of(trend=(RawRaster(values=values, grid=shifted),))
    trends = made_of(raw, "tc_brightness", "tc_greenness", "tc_wetness")
    assert np.nanmin(trends) == 0.0
    assert np.nanmax(trends) == 255.0


@pytest.mark.parametrize(
    ("layer", "what", "n"), [("slope", "elevation", 1), ("tc_wetness", "trend", 3)]
)
def test_pieces_that_hold_nothing_where_the_scene_lies_are_told(layer, what, n):
    values = np.full((n, 50, 60), np.nan, dtype=np.float32)
    values[:, :3, :3] = 100.0
    piece = RawRaster(values=values, grid=GRID.grown(10))
    raw = scene_of(**{what: (piece,)}, origins={what: "arctic.tif"})
    with pytest.raises(InputError, match=r"arctic\.tif: it has nothing but holes where the scene"):
        made_of(raw, layer)
