import datetime as dt

import numpy as np
import pytest

from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import find_scenes, open_scene

NAME = "LC08_L2SP_064012_20210721_20210730_02_T1"


def only(path, **options):
    scenes, faults = find_scenes([path], **options)
    assert faults == []
    (scene,) = scenes
    return scene


@pytest.mark.parametrize("metadata", ["txt", "json"])
def test_a_product_is_one_scene_whichever_of_its_files_is_named(tmp_path, products, metadata):
    first = products.landsat(tmp_path, metadata=metadata)

    scene = only(tmp_path)

    assert scene == only(first.with_name(f"{NAME}_SR_B5.TIF"))
    assert scene.product == NAME
    assert scene.band_names == ("coastal", "blue", "green", "red", "nir", "swir1", "swir2")
    assert scene.acquired_at == dt.datetime(2021, 7, 21, 20, 30, 42, tzinfo=dt.UTC)
    assert scene.cloud_frac == pytest.approx(0.043)
    assert scene.grid.gsd_m == 30.0
    assert open_scene(scene.uri) == scene


def test_metadata_that_are_none_are_told(tmp_path, products):
    products.landsat(tmp_path, metadata="json")
    file = tmp_path / f"{NAME}_MTL.json"
    file.write_text("{")
    scenes, (fault,) = find_scenes([tmp_path])
    assert scenes == []
    assert fault.reason == f"{file}: no metadata of a Landsat product; fetch it again"


@pytest.mark.parametrize("metadata", ["txt", "json", None])
def test_its_reflectance_is_that_of_level_2(tmp_path, products, metadata):
    products.landsat(tmp_path, metadata=metadata)
    with ScenePixels(only(tmp_path)) as pixels:
        (blue,) = pixels.read(["blue"], pixels.scene.grid.whole)
    assert blue[0, 0] == pytest.approx(16_000 * 0.0000275 - 0.2, abs=1e-6)


@pytest.mark.parametrize("metadata", ["txt", "json"])
def test_its_metadata_outweigh_what_is_usual(tmp_path, products, metadata):
    products.landsat(tmp_path, metadata=metadata)
    (file,) = tmp_path.glob("*_MTL.*")
    file.write_text(file.read_text().replace("2.75e-05", "3.0e-05").replace("-0.2", "-0.25"))
    with ScenePixels(only(tmp_path)) as pixels:
        blue, green = pixels.read(["blue", "green"], pixels.scene.grid.whole)
    assert blue[0, 0] == pytest.approx(16_000 * 3.0e-05 - 0.25, abs=1e-6)
    assert green[0, 0] == pytest.approx(24_000 * 2.75e-05 - 0.2, abs=1e-6)


def test_fill_of_the_mask_and_zeros_of_the_bands_are_not_clear(tmp_path, products):
    qa = np.full((6, 8), 21824, dtype=np.uint16)
    qa[0, 0] = 1
    qa[0, 1] = 0
    qa[0, 2] = 23888
    values = products.image(7, first=8000)
    values[4, 1, 0] = 0
    products.landsat(tmp_path, qa=qa, values=values)

    with ScenePixels(only(tmp_path)) as pixels:
        clear = pixels.clear(pixels.scene.grid.whole)

    assert np.argwhere(~clear).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]


def test_without_qa_pixel_it_is_refused_unless_asked_for(tmp_path, products):
    products.landsat(tmp_path, qa=False)
    scenes, (fault,) = find_scenes([tmp_path])
    assert scenes == []
    assert f"no {NAME}_QA_PIXEL.TIF beside it; fetch it, or give --no-mask" in fault.reason
    assert only(tmp_path, is_mask_optional=True).masks == ()


def test_a_plain_tiff_of_reflectance_is_read_as_it_is(tmp_path, products):
    values = products.image(3).astype(np.float32) / 10_000
    path = products.write_tiff(tmp_path / "L8_LC08_139232_20210721.tif", values, nodata=-np.inf)

    scene = only(path, bands=("B2", "B3", "-"))

    assert scene.observed_from == dt.date(2021, 7, 21)
    assert scene.band_names == ("blue", "green")
    assert (scene.bands[0].scale, scene.bands[0].offset) == (1.0, 0.0)
    assert scene.nodata is None


def test_a_plain_tiff_of_integers_is_scaled_as_collection_2_is(tmp_path, products):
    path = products.write_tiff(tmp_path / "LC09_064012_20220721.tif", products.image(1))
    qa = np.full((6, 8), 21824, dtype=np.uint16)
    products.write_tiff(tmp_path / "LC09_064012_20220721_QA_PIXEL.tif", qa)

    scene = only(path, bands=("SR_B4",))

    assert (scene.bands[0].scale, scene.bands[0].offset) == (2.75e-5, -0.2)
    assert len(scene.masks) == 1
    scaled = only(path, bands=("SR_B4",), scale=1e-4)
    assert (scaled.bands[0].scale, scaled.bands[0].offset) == (1e-4, 0.0)


@pytest.mark.parametrize(
    ("former", "broken", "line"),
    [
        ("2.75e-05", "small", "REFLECTANCE_MULT_BAND_2 'small' is no number"),
        ("2.75e-05", "nan", "REFLECTANCE_MULT_BAND_2 'nan' is no number"),
        ("2.75e-05", "0", "REFLECTANCE_MULT_BAND_2 '0' makes nothing of numbers"),
        ("= 4.30", "= 430", "430.0 % is no share of cloud; fetch it again"),
        ("20:30:42.1234560Z", "noon", "'2021-07-21Tnoon+00:00' is no instant"),
    ],
)
def test_figures_in_the_metadata_that_are_none_are_told(tmp_path, products, former, broken, line):
    products.landsat(tmp_path)
    file = tmp_path / f"{NAME}_MTL.txt"
    text = file.read_text()
    assert former in text
    file.write_text(text.replace(former, broken))
    scenes, (fault,) = find_scenes([tmp_path])
    assert scenes == []
    assert fault.reason == f"{file}: {line}"


def test_the_other_files_of_a_product_are_no_scenes_and_a_stack_is_one(tmp_path, products):
    products.landsat(tmp_path)
    products.write_tiff(tmp_path / f"{NAME}_ST_B10.TIF", products.image(1))
    products.write_tiff(tmp_path / f"{NAME}_SR_B9.TIF", products.image(1))
    products.write_tiff(tmp_path / f"{NAME}_SR_QA_AEROSOL.TIF", products.image(1))
    assert only(tmp_path).product == NAME
    stack = products.write_tiff(tmp_path / "stack" / f"{NAME}.tif", products.image(2))
    scene = only(stack, bands=("B4", "B5"))
    assert (scene.product, scene.observed_from) == (NAME, dt.date(2021, 7, 21))
