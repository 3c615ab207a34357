import datetime as dt

import numpy as np
import pytest
import rasterio

from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import find_scenes, open_scene
from rts_track.source.sentinel2 import is_offset_assumed

PLAIN = "S2_20210821T210019_20210821T210020_T08WMA"


def only(path, **options):
    scenes, faults = find_scenes([path], **options)
    assert faults == []
    (scene,) = scenes
    return scene


def fault(path, **options):
    scenes, faults = find_scenes([path], **options)
    assert scenes == []
    (one,) = faults
    assert "\n" not in one.reason
    return one.reason


@pytest.mark.parametrize("suffix", [".tif", ".jp2"])
def test_a_safe_folder_is_read_on_its_finest_grid(tmp_path, products, suffix):
    folder = products.safe(tmp_path, suffix=suffix)

    scene = only(tmp_path)

    assert scene.product == folder.stem
    assert scene.band_names == ("blue", "green", "red", "nir", "nir2")
    assert scene.grid.gsd_m == 10.0
    assert scene.band("blue").path.parent.name == "R10m"
    assert scene.acquired_at == dt.datetime(2022, 8, 1, 20, 50, 19, tzinfo=dt.UTC)
    assert scene.cloud_frac == 0.125
    assert open_scene(scene.uri) == scene
    with ScenePixels(scene) as pixels:
        values = pixels.read(["blue", "nir2"], scene.grid.whole)
        assert pixels.clear(scene.grid.whole).all()
    assert np.isfinite(values).all()
    blue = products.image(5, (8, 8), first=2000)[0]
    np.testing.assert_allclose(values[0], (blue - 1000.0) / 10_000.0, rtol=1e-5)


def test_coarser_bands_are_resampled_to_it(tmp_path, products):
    bands = np.full((5, 8, 8), 3000, dtype=np.uint16)
    bands[4] = np.arange(8)[None, :] * 100 + 2000
    products.safe(tmp_path, bands=bands)

    with ScenePixels(only(tmp_path)) as pixels:
        (nir2,) = pixels.read(["nir2"], pixels.scene.grid.whole)

    # pixels of 20 m hold 2000, 2200, ... at their centres, 10 m apart from those of 10 m
    np.testing.assert_allclose(nir2[3, 1:7], (np.arange(1, 7) * 100 + 950) / 10_000, rtol=1e-5)


@pytest.mark.parametrize(
    ("baseline", "metadata", "offsets", "offset"),
    [
        ("N0400", True, True, -0.1),
        ("N0301", True, False, 0.0),
        ("N0400", True, False, 0.0),  # what the metadata say counts
        ("N0400", False, False, -0.1),
        ("N0510", False, False, -0.1),
        ("N0301", False, False, 0.0),
    ],
)
def test_the_offset_of_2022_is_that_of_the_metadata_else_of_the_baseline(
    tmp_path, products, baseline, metadata, offsets, offset
):
    name = f"S2B_MSIL2A_20220801T205019_{baseline}_R057_T08WMA_20220802T001122"
    products.safe(tmp_path, name, metadata=metadata, offsets=offsets)
    assert only(tmp_path).band("red").offset == pytest.approx(offset)
    assert only(tmp_path).band("nir2").offset == pytest.approx(offset)


def test_neither_metadata_nor_baseline_is_refused(tmp_path, products):
    products.safe(tmp_path, "S2B_MSIL2A_20220801T205019_T08WMA", metadata=False)
    assert "may have an offset or not" in fault(tmp_path)


def test_metadata_that_are_none_are_told(tmp_path, products):
    folder = products.safe(tmp_path)
    (folder / "MTD_MSIL2A.xml").write_text("<half")
    assert "no metadata of a Sentinel-2 product" in fault(tmp_path)


def test_a_scene_classification_of_20_m_hides_whole_pixels(tmp_path, products):
    codes = np.full((4, 4), 5, dtype=np.uint8)
    codes[1, 2] = 9
    codes[3, 3] = 11
    products.safe(tmp_path, scl=codes)

    with ScenePixels(only(tmp_path)) as pixels:
        clear = pixels.clear(pixels.scene.grid.whole)
        cloud = pixels.cloud(pixels.scene.grid.whole)

    assert not clear[2:4, 4:6].any()
    assert not clear[6:8, 6:8].any()
    assert clear.sum() == 64 - 8
    assert cloud.sum() == 4


def test_without_a_scene_classification_it_is_refused_unless_asked_for(tmp_path, products):
    products.safe(tmp_path, scl=False)
    assert "no SCL in it; fetch it, or give --no-mask" in fault(tmp_path)
    assert only(tmp_path, is_mask_optional=True).uri.endswith("mask=none")


def test_level_1_is_refused(tmp_path, products):
    products.safe(tmp_path, "S2A_MSIL1C_20210821T210019_N0301_R057_T08WMA_20210821T230000")
    assert "level L1C is no surface reflectance; fetch L2A" in fault(tmp_path)


@pytest.mark.parametrize(
    "name", [PLAIN, "S2A_MSIL2A_20210821T210019_N0301_R114_T08WMA_20210821T230000"]
)
def test_a_plain_tiff_has_its_date_from_its_name_and_its_bands_from_the_user(
    tmp_path, products, name
):
    path = products.write_tiff(tmp_path / f"{name}.tif", products.image(3))

    scene = only(path, bands=("B2", "B3", "B8"))

    assert scene.product == name
    assert scene.sensor == "sentinel2"
    assert scene.band_names == ("blue", "green", "nir")
    assert scene.acquired_at == dt.datetime(2021, 8, 21, 21, 0, 19, tzinfo=dt.UTC)
    assert (scene.bands[0].scale, scene.bands[0].offset) == (1e-4, 0.0)
    assert scene.masks == ()
    assert "mask=none" in scene.uri
    assert "scale=0.0001&offset=0.0" in scene.uri
    assert open_scene(scene.uri) == scene


def test_its_offset_is_what_the_user_says(tmp_path, products):
    path = products.write_tiff(tmp_path / f"{PLAIN}.tif", products.image(1))
    scene = only(path, bands=("B2",), offset=-0.1)
    assert (scene.bands[0].scale, scene.bands[0].offset) == (1e-4, -0.1)
    assert open_scene(scene.uri) == scene


def test_a_scene_classification_beside_it_is_its_mask(tmp_path, products):
    path = products.write_tiff(tmp_path / f"{PLAIN}.tif", products.image(1, (4, 4)))
    beside = products.write_tiff(
        tmp_path / f"{PLAIN}_SCL.tif", np.full((2, 2), 4, dtype=np.uint8), gsd_m=20.0
    )

    scene = only(tmp_path, bands=("B2",))

    assert [mask.path for mask in scene.masks] == [beside]
    assert scene.files == (path, beside)
    assert "mask" not in scene.uri
    with ScenePixels(scene) as pixels:
        assert pixels.clear(scene.grid.whole).all()


def test_a_scene_classification_among_the_bands_is_its_mask(tmp_path, products):
    values = products.image(2, (2, 2))
    values[1] = [[4, 9], [0, 6]]
    products.write_tiff(tmp_path / f"{PLAIN}.tif", values)

    scene = only(tmp_path, bands=("B2", "SCL"))

    assert scene.band_names == ("blue",)
    with ScenePixels(scene) as pixels:
        assert pixels.clear(scene.grid.whole).tolist() == [[True, False], [False, True]]
    assert open_scene(scene.uri) == scene


def test_descriptions_in_the_file_stand_for_the_list_of_bands(tmp_path, products):
    products.write_tiff(
        tmp_path / f"{PLAIN}.tif", products.image(3), descriptions=("B4", "AOT", "B8")
    )
    scene = only(tmp_path)
    assert scene.band_names == ("red", "nir")
    assert [band.index for band in scene.bands] == [1, 3]
    assert "bands=red,-,nir" in scene.uri


@pytest.mark.parametrize(
    ("name", "asked", "is_assumed"),
    [
        ("S2_20220801T210019_T08WMA", {}, True),
        ("S2B_MSIL2A_20220801T205019_N0400_R057_T08WMA_20220802T001122", {}, True),
        ("S2B_MSIL2A_20220801T205019_N0301_R057_T08WMA_20220802T001122", {}, False),
        ("S2_20210801T210019_T08WMA", {}, False),
        ("S2_20220801T210019_T08WMA", {"offset": -0.1}, False),
    ],
)
def test_a_plain_tiff_since_2022_is_taken_for_harmonised_and_says_so(
    tmp_path, products, name, asked, is_assumed
):
    path = products.write_tiff(tmp_path / f"{name}.tif", products.image(1))
    assert is_offset_assumed(only(path, bands=("B2",), **asked)) == is_assumed
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = (1e-4,)
    assert not is_offset_assumed(only(path, bands=("B2",), **asked))
    products.safe(tmp_path / "safe", offsets=False)
    assert not is_offset_assumed(only(tmp_path / "safe"))


def test_a_day_that_is_none_is_told(tmp_path, products):
    path = products.write_tiff(tmp_path / "S2_20211399T210019_T08WMA.tif", products.image(1))
    assert "20211399T210019 in its name is no date" in fault(path, bands=("B2",))


@pytest.mark.parametrize(
    ("former", "broken"),
    [
        (">10000<", ">many<"),
        (">10000<", ">0<"),
        (">10000<", ">inf<"),
        (">10000<", "><"),
        ('band_id="3"', 'band_id="33"'),
    ],
)
def test_figures_in_the_metadata_that_are_none_are_told(tmp_path, products, former, broken):
    folder = products.safe(tmp_path)
    file = folder / "MTD_MSIL2A.xml"
    text = file.read_text()
    assert former in text
    file.write_text(text.replace(former, broken))
    assert fault(tmp_path).startswith(f"{file}: no metadata of a Sentinel-2 product")


def test_metadata_with_a_share_of_cloud_that_is_none_are_told(tmp_path, products):
    file = products.safe(tmp_path) / "MTD_MSIL2A.xml"
    file.write_text(file.read_text().replace(">12.5<", ">nan<"))
    assert fault(tmp_path) == f"{file}: nan % is no share of cloud; fetch it again"
