import datetime as dt

import numpy as np
import pytest
import rasterio
from affine import Affine

from rts_track.errors import InputError
from rts_track.raster.grid import Grid, Window
from rts_track.source import auxiliary as auxiliary_module
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scene import Band, MaskFile, Scene
from rts_track.source.stack import missing_layers, open_stack

GRID = Grid(
    height=30,
    width=40,
    transform=Affine(10.0, 0.0, 471_000.0, 0.0, -10.0, 7_549_000.0),
    crs="EPSG:32608",
)
NAMES = ("blue", "green", "red", "nir")
CLEAR, CLOUD = 4, 9
"""Of Sentinel-2's scene classification: vegetation; cloud, high probability."""
NOTHING = Auxiliary()


def write(path, bands, grid=GRID, **profile):
    bands = np.asarray(bands)
    with rasterio.open(
        path, "w", driver="GTiff", dtype=bands.dtype, count=len(bands), height=grid.height,
        width=grid.width, transform=grid.transform, crs=grid.crs, **profile,
    ) as dataset:  # fmt: skip
        dataset.write(bands)
    return path


@pytest.fixture
def scene(tmp_path):
    """Four bands of distinct levels; nodata in the first row, a cloud in the last column."""
    stored = np.empty((4, *GRID.shape), dtype=np.uint16)
    stored[:] = np.array([500, 800, 1000, 3000], dtype=np.uint16)[:, None, None]
    stored[:, 0] = 0
    codes = np.full((1, *GRID.shape), CLEAR, dtype=np.uint8)
    codes[:, :, -1] = CLOUD
    path = write(tmp_path / "S2_20210821.tif", stored)
    mask = write(tmp_path / "S2_20210821_SCL.tif", codes)
    return Scene(
        product=path.stem,
        reader="sentinel2",
        sensor="sentinel2",
        observed_from=dt.date(2021, 8, 21),
        observed_to=dt.date(2021, 8, 21),
        acquired_at=None,
        grid=GRID,
        bands=tuple(
            Band(name=name, path=path, index=at, scale=1e-4) for at, name in enumerate(NAMES, 1)
        ),
        nodata=0.0,
        masks=(MaskFile(path=mask, index=1, codes="scl"),),
        cloud_frac=None,
        uri="",
        files=(path, mask),
    )


@pytest.fixture
def dem(tmp_path):
    """A ramp of one in ten, towards the east, that reaches 200 m beyond the scene."""
    grid = GRID.grown(20)
    level_m = 100.0 + np.tile(np.arange(grid.width, dtype=np.float32), (grid.height, 1))
    return write(tmp_path / "ramp_dem.tif", level_m[None], grid, nodata=-9999.0)


@pytest.fixture
def trend(tmp_path):
    grid = GRID.grown(20)
    bands = np.empty((3, *grid.shape), dtype=np.uint8)
    bands[:] = np.array([100, 110, 120], dtype=np.uint8)[:, None, None]
    return write(tmp_path / "TCVIS.tif", bands, grid)


def test_layers_come_in_the_order_asked_for_and_in_their_units(scene, dem, trend):
    names = ("slope", "nir", "ndvi", "tc_wetness", "red", "relative_elevation")
    with open_stack(scene, names, Auxiliary(dem=dem, trend=trend)) as stack:
        values, clear = stack.read(Window(5, 5, 8, 9))
    assert stack.names == names
    assert stack.grid == GRID
    assert values.dtype == np.float32
    assert values.shape == (6, 8, 9)
    assert clear.all()
    expected = (np.degrees(np.arctan(0.1)), 0.3, 0.5, 120.0, 0.1, 0.0)
    for layer, value in zip(values, expected, strict=True):
        np.testing.assert_allclose(layer, value, atol=0.011)


def test_nothing_is_known_or_clear_beyond_the_scene(scene, dem):
    with open_stack(scene, ("red", "ndvi", "slope"), Auxiliary(dem=dem)) as stack:
        values, clear = stack.read(Window(-4, 35, 40, 10))
    assert np.isnan(values[:, :4]).all()
    assert np.isnan(values[:, :, 5:]).all()
    assert np.isnan(values[:, 34:]).all()
    assert not clear[:4].any()
    assert not clear[:, 5:].any()
    assert clear[5:34, :4].all()


def test_nodata_is_unknown_and_neither_it_nor_cloud_is_clear(scene, dem):
    with open_stack(scene, ("red", "ndvi", "slope"), Auxiliary(dem=dem)) as stack:
        values, clear = stack.read(GRID.whole)
    assert np.isnan(values[:2, 0]).all()
    assert not np.isnan(values[2]).any()
    assert not clear[0].any()
    assert not clear[:, -1].any()
    assert clear[1:, :-1].all()


def test_a_stack_without_bands_is_as_clear_as_the_scene(scene, dem):
    with open_stack(scene, ("slope",), Auxiliary(dem=dem)) as stack:
        values, clear = stack.read(GRID.whole)
    assert values.shape == (1, *GRID.shape)
    assert clear.sum() == 29 * 39


def test_a_stack_of_bands_needs_no_auxiliary_files(scene, tmp_path):
    elsewhere = Auxiliary(dem=tmp_path / "missing", trend=tmp_path / "missing")
    with open_stack(scene, ("red", "nir"), elsewhere) as stack:
        values, _ = stack.read(GRID.whole)
    assert values.shape == (2, *GRID.shape)


def test_windows_together_are_the_whole(scene, dem, trend):
    names = ("ndvi", "relative_elevation", "tc_greenness")
    with open_stack(scene, names, Auxiliary(dem=dem, trend=trend)) as stack:
        whole, clear = stack.read(GRID.whole)
        for row in range(0, 30, 7):
            for col in range(0, 40, 11):
                window = GRID.clipped(Window(row, col, 7, 11))
                values, is_clear = stack.read(window)
                np.testing.assert_array_equal(values, whole[(slice(None), *window.slices)])
                np.testing.assert_array_equal(is_clear, clear[window.slices])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("red", "slope"), "S2_20210821: no slope; give --dem"),
        (("tc_wetness", "slope"), "no tc_wetness, slope; give --dem and --trend"),
        (("swir1",), "no swir1; the scene has blue, green, red, nir"),
    ],
)
def test_a_layer_that_is_not_at_hand_is_told_before_any_file_is_read(scene, names, message):
    for file in scene.files:
        file.unlink()
    with pytest.raises(InputError, match=message):
        open_stack(scene, names, NOTHING)


def test_what_is_missing_can_be_asked_of_a_scene(scene, dem):
    names = ("ndvi", "slope", "tc_wetness", "swir1")
    assert missing_layers(scene, names, NOTHING) == ["slope", "tc_wetness", "swir1"]
    assert missing_layers(scene, names, Auxiliary(dem=dem)) == ["tc_wetness", "swir1"]


def test_files_that_do_not_reach_the_scene_are_told_when_the_stack_is_opened(scene, tmp_path):
    away = GRID.part(Window(5000, 5000, 20, 20))
    far = write(tmp_path / "far_dem.tif", np.zeros((1, 20, 20), np.float32), away)
    with pytest.raises(InputError, match=r"far_dem\.tif: its elevations do not reach the scene"):
        open_stack(scene, ("slope",), Auxiliary(dem=far))


def test_a_scene_read_raw_holds_what_its_files_hold(scene, dem, trend):
    names = ("ndvi", "slope", "green", "tc_wetness")
    with open_stack(scene, names, Auxiliary(dem=dem, trend=trend)) as stack:
        raw = stack.raw()
        _, clear = stack.read(GRID.whole)
    assert raw.raw() is raw
    assert (raw.grid, raw.names) == (GRID, names)
    bands = {band.name: band for band in raw.bands}
    assert set(bands) == {"green", "nir", "red"}
    assert bands["nir"].stored.dtype == np.uint16
    assert bands["nir"].stored[0, 0] == 0
    assert (bands["nir"].stored[1:] == 3000).all()
    assert (bands["nir"].scale, bands["nir"].offset, bands["nir"].nodata) == (1e-4, 0.0, 0.0)
    np.testing.assert_array_equal(raw.is_clear, clear)
    (elevation,), (trends,) = raw.elevation, raw.trend
    assert elevation.values.shape[0] == 1
    assert elevation.values.dtype == trends.values.dtype == np.float32
    assert trends.values.shape[0] == 3
    assert (trends.values[2] == 120.0).all()
    assert raw.origins == {"elevation": str(dem), "trend": str(trend)}
    assert raw.made == {}


def test_a_scene_read_raw_reaches_as_far_as_its_layers_are_told_by(scene, dem):
    with open_stack(scene, ("relative_elevation",), Auxiliary(dem=dem)) as stack:
        (piece,) = stack.raw().elevation
    disc_m = 100.0
    for inner, outer, sign in zip(GRID.bounds, piece.grid.bounds, (-1, -1, 1, 1), strict=True):
        assert sign * (outer - inner) >= disc_m


def test_only_what_the_layers_need_is_read_raw(scene, dem, trend):
    with open_stack(scene, ("red", "slope"), Auxiliary(dem=dem, trend=trend)) as stack:
        raw = stack.raw()
    assert [band.name for band in raw.bands] == ["red"]
    assert raw.elevation
    assert not raw.trend
    assert raw.n_bytes < 20_000


def test_layers_that_are_kept_come_as_they_are_kept(scene, dem, trend, tmp_path):
    names = ("slope", "tc_wetness")
    auxiliary = Auxiliary(dem=dem, trend=trend, cache=tmp_path / "cache")
    with open_stack(scene, names, auxiliary) as stack:
        values, _ = stack.read(GRID.whole)
    with open_stack(scene, names, auxiliary) as stack:
        raw = stack.raw()
    assert not raw.elevation
    assert not raw.trend
    assert set(raw.made) == set(names)
    for name, layer in zip(names, values, strict=True):
        counted, step = raw.made[name]
        assert counted.dtype == np.int16
        np.testing.assert_array_equal(counted.astype(np.float32) * np.float32(step), layer)


def test_elevations_that_take_too_much_memory_are_made_layers_of_where_they_are_read(
    scene, dem, monkeypatch
):
    monkeypatch.setattr(auxiliary_module, "MOST_RAW_BYTES", 1000)
    with open_stack(scene, ("slope",), Auxiliary(dem=dem)) as stack:
        raw = stack.raw()
        values, _ = stack.read(GRID.whole)
    assert not raw.elevation
    counted, step = raw.made["slope"]
    np.testing.assert_array_equal(counted.astype(np.float32) * np.float32(step), values[0])


def test_a_scene_in_a_hole_is_told_so_when_it_is_read_raw(scene, dem):
    with rasterio.open(dem, "r+") as dataset:
        dataset.write(np.full((1, dataset.height, dataset.width), -9999.0, np.float32))
    with (
        open_stack(scene, ("slope",), Auxiliary(dem=dem)) as stack,
        pytest.raises(InputError, match=r"ramp_dem\.tif: it has nothing but holes"),
    ):
        stack.raw()
