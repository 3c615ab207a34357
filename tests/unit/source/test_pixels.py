import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rts_track.errors import InputError
from rts_track.raster.grid import Window
from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import find_scenes

HEIGHT, WIDTH = 6, 8


@pytest.fixture(scope="module")
def scene(tmp_path_factory, products):
    values = products.image(2, (HEIGHT, WIDTH)) / 10_000.0
    values[0, 2, 3] = np.nan
    values[1, 4, 5] = np.inf
    folder = tmp_path_factory.mktemp("pixels")
    path = products.write_tiff(folder / "flight_20210801.tif", values)
    mask = np.ones((HEIGHT, WIDTH), dtype=np.uint8)
    mask[0] = 0
    products.write_tiff(folder / "flight_20210801_clear.tif", mask)
    (scene,), _ = find_scenes([path], reader="raster", sensor="drone", bands=("red", "nir"))
    return scene


@pytest.fixture
def pixels(scene):
    with ScenePixels(scene) as opened:
        yield opened


def test_a_missing_or_infinite_value_is_nodata(pixels):
    red, nir = pixels.read(["red", "nir"], pixels.scene.grid.whole)
    assert np.argwhere(np.isnan(red)).tolist() == [[2, 3]]
    assert np.argwhere(np.isnan(nir)).tolist() == [[4, 5]]
    assert red.dtype == np.float32


def test_a_pixel_is_clear_if_every_band_and_the_mask_show_it(pixels):
    clear = pixels.clear(pixels.scene.grid.whole)
    hidden = [[0, col] for col in range(WIDTH)] + [[2, 3], [4, 5]]
    assert np.argwhere(~clear).tolist() == hidden
    valid = pixels.valid(pixels.scene.grid.whole)
    assert np.argwhere(~valid).tolist() == [[2, 3], [4, 5]]


def test_bands_come_in_the_order_that_is_asked_for(pixels):
    one = pixels.read(["red", "nir"], pixels.scene.grid.whole)
    other = pixels.read(["nir", "red"], pixels.scene.grid.whole)
    assert np.array_equal(one[::-1], other, equal_nan=True)
    assert pixels.read([], pixels.scene.grid.whole).shape == (0, HEIGHT, WIDTH)


def test_a_band_that_it_does_not_have_is_told(pixels):
    with pytest.raises(InputError, match="flight_20210801: no band swir1; it has red, nir"):
        pixels.read(["swir1"], pixels.scene.grid.whole)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    row=st.integers(-5, HEIGHT + 4),
    col=st.integers(-5, WIDTH + 4),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
)
def test_a_window_shows_what_the_whole_shows_and_nothing_beyond(pixels, row, col, height, width):
    around = Window(-5, -5, 30, 30)
    window = Window(row, col, height, width)
    part = Window(row + 5, col + 5, height, width).slices
    whole = pixels.read(["red"], around)[0][part]
    assert np.array_equal(pixels.read(["red"], window)[0], whole, equal_nan=True)
    assert np.array_equal(pixels.clear(window), pixels.clear(around)[part])
    outside = np.ones((30, 30), dtype=bool)
    outside[5 : 5 + HEIGHT, 5 : 5 + WIDTH] = False
    assert not pixels.clear(window)[outside[part]].any()
    assert np.isnan(pixels.read(["red"], window)[0][outside[part]]).all()


def test_clear_after_read_is_clear_read_alone(scene):
    window = Window(1, 2, 4, 5)
    with ScenePixels(scene) as pixels:
        pixels.read(["red"], window)
        after = pixels.clear(window)
    with ScenePixels(scene) as pixels:
        assert np.array_equal(pixels.clear(window), after)


def test_nodata_does_not_smear_into_its_neighbours_when_a_band_is_resampled(tmp_path, products):
    bands = np.full((5, 8, 8), 5000, dtype=np.uint16)
    bands[4, :4, :4] = 0
    products.safe(tmp_path, bands=bands, offsets=False)
    (scene,), _ = find_scenes([tmp_path])
    with ScenePixels(scene) as pixels:
        (nir2,) = pixels.read(["nir2"], scene.grid.whole)
    seen = nir2[np.isfinite(nir2)]
    np.testing.assert_allclose(seen, 0.5, rtol=1e-5)
    assert np.isnan(nir2[:3, :3]).all()
    assert np.isfinite(nir2[5:, 5:]).all()


def test_a_tile_that_is_broken_inside_is_told_when_it_is_read(tmp_path, products):
    noise = np.random.default_rng(1).integers(1, 9000, (1, 64, 64)).astype(np.uint16)
    path = products.write_tiff(
        tmp_path / "S2_20210821T210019_T08WMA.tif", noise, compress="deflate"
    )
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    (scene,), _ = find_scenes([path], bands=("B2",))
    with ScenePixels(scene) as pixels, pytest.raises(InputError, match="cannot be read"):
        pixels.read(["blue"], scene.grid.whole)


def test_what_no_float32_holds_is_nodata(tmp_path, products):
    values = np.array([[0.1, -1.7976931348623157e308], [1e300, 0.2]])
    path = products.write_tiff(tmp_path / "flight_20210801.tif", values)
    (scene,), faults = find_scenes([path], reader="raster", sensor="drone", bands=("red",))
    assert faults == []
    with ScenePixels(scene) as opened:
        (red,) = opened.read(["red"], scene.grid.whole)
        is_clear = opened.clear(scene.grid.whole)
    np.testing.assert_allclose(red, [[0.1, np.nan], [np.nan, 0.2]])
    np.testing.assert_array_equal(is_clear, [[True, False], [False, True]])


def test_bands_read_raw_are_those_of_the_files_and_as_clear(pixels):
    bands, is_clear = pixels.raw(["nir", "red"])
    assert [band.name for band in bands] == ["nir", "red"]
    whole = pixels.scene.grid.whole
    np.testing.assert_array_equal(is_clear, pixels.clear(whole))
    for band, values in zip(bands, pixels.read(["nir", "red"], whole), strict=True):
        reflectance = band.stored.astype(np.float32) * np.float32(band.scale)
        reflectance[~np.isfinite(reflectance)] = np.nan
        np.testing.assert_array_equal(reflectance + np.float32(band.offset), values)


def test_bands_that_are_not_asked_for_tell_what_is_clear_all_the_same(pixels):
    bands, is_clear = pixels.raw(["red"])
    assert len(bands) == 1
    assert not is_clear[4, 5]
    with pytest.raises(InputError, match="no band swir1"):
        pixels.raw(["swir1"])
