import datetime as dt
import json

import numpy as np
import pytest

from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import find_scenes, open_scene


def only(folder, **options):
    scenes, faults = find_scenes([folder], **options)
    assert faults == []
    (scene,) = scenes
    return scene


def fault(folder, **options):
    scenes, faults = find_scenes([folder], **options)
    assert scenes == []
    (one,) = faults
    assert "\n" not in one.reason
    return one.reason


@pytest.mark.parametrize("clipped", [False, True])
def test_a_psscene_is_its_image_mask_and_metadata(tmp_path, products, clipped):
    image = products.psscene(tmp_path, clipped=clipped)

    scene = only(tmp_path)

    assert (scene.product, scene.reader, scene.sensor) == (
        "20210722_210957_92_2212",
        "planet",
        "planetscope",
    )
    assert scene.observed_from == scene.observed_to == dt.date(2021, 7, 22)
    assert scene.acquired_at == dt.datetime(2021, 7, 22, 21, 9, 57, 921234, tzinfo=dt.UTC)
    assert scene.band_names == ("blue", "green", "red", "nir")
    assert scene.grid.gsd_m == 3.0
    assert scene.cloud_frac == 0.03
    assert sorted(file.name for file in scene.files) == sorted(
        file.name for file in image.parent.iterdir()
    )
    assert open_scene(scene.uri) == scene


def test_its_numbers_are_ten_thousandths_of_reflectance_and_zero_is_nodata(tmp_path, products):
    values = products.image()
    values[:, 0, 0] = 0
    products.psscene(tmp_path, values=values)

    with ScenePixels(only(tmp_path)) as pixels:
        read = pixels.read(["nir"], pixels.scene.grid.whole)

    assert np.isnan(read[0, 0, 0])
    assert read[0, 1, 1] == pytest.approx(values[3, 1, 1] / 10_000)


def test_eight_bands_have_their_own_order(tmp_path, products):
    products.psscene(tmp_path, values=products.image(8), kind="3B_AnalyticMS_SR_8b_harmonized")

    scene = only(tmp_path)

    assert scene.band_names == (
        "coastal",
        "blue",
        "green_i",
        "green",
        "yellow",
        "red",
        "rededge1",
        "nir",
    )
    assert scene.band("nir").index == 8


def test_an_orthotile_is_named_by_strip_tile_day_and_satellite(tmp_path, products):
    products.orthotile(tmp_path)

    scene = only(tmp_path)

    assert scene.product == "5790392_4974017_2022-08-10_2475"
    assert scene.observed_from == dt.date(2022, 8, 10)
    assert scene.acquired_at is None
    assert scene.grid.gsd_m == 3.125
    assert scene.cloud_frac is None


def test_without_metadata_the_name_tells_when(tmp_path, products):
    products.psscene(tmp_path, metadata=False)
    assert only(tmp_path).acquired_at == dt.datetime(2021, 7, 22, 21, 9, 57, tzinfo=dt.UTC)


def test_a_drawn_udm2_is_clear_where_nothing_hides_the_ground(tmp_path, products):
    mask = products.udm2((3, 3))
    for at, band in enumerate((1, 2, 3, 4, 5), start=0):  # snow, shadow, hazes, cloud
        mask[band].flat[at] = 1
        mask[0].flat[at] = 0
    mask[0].flat[5] = 0  # neither clear nor named
    mask[3].flat[6] = 1  # light haze that band 1 forgot
    mask[7].flat[7] = 2  # unusable in one band
    products.psscene(tmp_path, values=products.image(size=(3, 3)), mask=mask)

    with ScenePixels(only(tmp_path)) as pixels:
        clear = pixels.clear(pixels.scene.grid.whole)
        cloud = pixels.cloud(pixels.scene.grid.whole)

    assert clear.astype(int).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert np.flatnonzero(cloud).tolist() == [4]


def test_a_missing_udm2_is_refused_unless_it_is_asked_for(tmp_path, products):
    products.psscene(tmp_path, mask=False)

    assert "no UDM2 beside it; fetch it, or give --no-mask" in fault(tmp_path)

    scene = only(tmp_path, is_mask_optional=True)
    assert scene.masks == ()
    assert scene.uri.endswith("#reader=planet&mask=none")
    assert open_scene(scene.uri) == scene


def test_an_image_of_three_bands_is_refused(tmp_path, products):
    products.psscene(tmp_path, values=products.image(3))
    assert fault(tmp_path).endswith("3 bands; surface reflectance of PlanetScope has 4 or 8")


def test_a_udm2_of_too_few_bands_is_refused(tmp_path, products):
    products.psscene(tmp_path, mask=products.udm2()[:1])
    assert "1 bands; a UDM2 has 8" in fault(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        pytest.param("[" * 100_000, id="nested too deep"),
        json.dumps({"properties": {"acquired": "noon"}}),
        json.dumps({"properties": {"acquired": "0001-01-01T00:00:00+14:00"}}),
        '{"properties": {"cloud_percent": 250}}',
        '{"properties": {"cloud_cover": NaN}}',
        pytest.param('{"properties": {"cloud_percent": 1' + "0" * 400 + "}}", id="huge"),
    ],
)
def test_broken_metadata_are_told(tmp_path, products, text):
    image = products.psscene(tmp_path)
    metadata = image.with_name("20210722_210957_92_2212_metadata.json")
    metadata.write_text(text)
    assert str(metadata) in fault(tmp_path)


def test_a_udm2_of_another_extent_hides_what_it_does_not_cover(tmp_path, products):
    image = products.psscene(tmp_path, mask=False)
    udm2 = image.with_name("20210722_210957_92_2212_3B_udm2.tif")
    products.write_tiff(udm2, products.udm2((6, 5)), gsd_m=3.0)

    with ScenePixels(only(tmp_path)) as pixels:
        clear = pixels.clear(pixels.scene.grid.whole)

    assert clear[:, :5].all()
    assert not clear[:, 5:].any()


def test_a_raw_image_beside_is_no_scene(tmp_path, products):
    products.psscene(tmp_path)
    products.psscene(tmp_path, kind="3B_AnalyticMS")
    assert "_SR" in only(tmp_path).bands[0].path.name


def test_a_mask_without_its_image_is_no_scene(tmp_path, products):
    lone = products.psscene(tmp_path / "scenes", "20210723_210957_92_2212")
    lone.unlink()
    whole = products.psscene(tmp_path / "scenes")
    scenes, faults = find_scenes([tmp_path / "scenes"])
    assert [scene.product for scene in scenes] == [whole.parent.name]
    assert faults == []
    scenes, (fault,) = find_scenes([lone.parent])
    assert scenes == []
    assert fault.reason.startswith(f"{lone.parent}: no scene in this folder")
