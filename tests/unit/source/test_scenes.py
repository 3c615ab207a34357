"""Plain rasters, addresses, and what is refused, whatever the sensor."""

import datetime as dt
import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine

from rts_track.errors import InputError, UsageError
from rts_track.source.dates import period_of
from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import find_scenes, open_scene

RASTER = {"reader": "raster", "sensor": "drone", "bands": ("red",)}


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
    assert one.reason.startswith(str(path))
    return one.reason.removeprefix(f"{path}: ")


@pytest.fixture
def plain(tmp_path, products):
    return products.write_tiff(tmp_path / "flight_20210801.tif", products.image(1) / 10_000.0)


def test_any_raster_of_declared_bands_is_a_scene(plain):
    scene = only(plain, **RASTER)
    assert (scene.product, scene.reader, scene.sensor) == ("flight_20210801", "raster", "drone")
    assert scene.observed_from == dt.date(2021, 8, 1)
    assert open_scene(scene.uri) == scene


def test_a_mosaic_has_a_first_and_a_last_day(plain):
    scene = only(plain, **RASTER, period=period_of("2021-07-01..2021-08-31"))
    assert (scene.observed_from, scene.observed_to) == (
        dt.date(2021, 7, 1),
        dt.date(2021, 8, 31),
    )
    assert open_scene(scene.uri) == scene


def test_a_raster_is_a_scene_only_if_it_is_asked_for(plain):
    assert fault(plain).startswith("its name does not tell what acquired it; give --reader")


def test_a_raster_needs_a_sensor_a_date_and_for_integers_a_scale(tmp_path, products):
    path = products.write_tiff(tmp_path / "flight.tif", products.image(1))
    with pytest.raises(UsageError, match="what acquired it"):
        find_scenes([path], reader="raster", bands=("red",))
    assert fault(path, **RASTER) == "no date in its name; give --date"
    dated = {**RASTER, "period": period_of("2021-08-01")}
    assert fault(path, **dated).startswith("it stores integers; give --scale")
    assert only(path, **dated, scale=0.01).bands[0].scale == 0.01


def test_a_files_own_scale_counts(tmp_path, products):
    import rasterio

    path = products.write_tiff(tmp_path / "flight_20210801.tif", products.image(2))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.001, 0.002), (-0.5, 0.0)
    scene = only(path, **{**RASTER, "bands": ("red", "nir")})
    assert [(band.scale, band.offset) for band in scene.bands] == [(0.001, -0.5), (0.002, 0.0)]
    assert open_scene(scene.uri) == scene
    told = only(path, **{**RASTER, "bands": ("red", "nir"), "scale": 0.01})
    assert [(band.scale, band.offset) for band in told.bands] == [(0.01, 0.0)] * 2
    assert open_scene(told.uri) == told


def test_bands_must_be_as_many_as_are_named(tmp_path, products):
    path = products.write_tiff(tmp_path / "S2A_20210821T210019_T08WMA.tif", products.image(3))
    assert fault(path, bands=("B2", "B3")).startswith("it has 3 bands and --bands names 2")
    assert fault(path).startswith("what are its 3 bands? Give --bands")
    with pytest.raises(UsageError, match="a band is named twice"):
        find_scenes([path], bands=("B2", "B3", "B2"))
    assert only(path, bands=("B2", "-", "B8")).band_names == ("blue", "nir")


def test_a_folder_without_scenes_and_a_path_that_is_not_there_are_told(tmp_path):
    assert fault(tmp_path).startswith("no scene in this folder")
    assert fault(tmp_path / "gone") == "no such file or folder"


def test_an_unknown_reader_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(UsageError, match="reader 'modis': there are planet, sentinel2"):
        find_scenes([tmp_path], reader="modis")


def test_a_scene_that_is_named_twice_is_found_once(plain):
    scenes, faults = find_scenes([plain, plain.parent, plain], **RASTER)
    assert len(scenes) == 1
    assert faults == []


def test_one_faulty_product_does_not_hide_the_others(tmp_path, products):
    products.psscene(tmp_path, "20210722_210957_92_2212")
    products.psscene(tmp_path, "20210723_210957_92_2212", values=products.image(3))
    products.landsat(tmp_path)
    scenes, faults = find_scenes([tmp_path])
    assert [scene.sensor for scene in scenes] == ["planetscope", "landsat"]
    assert len(faults) == 1


def test_a_truncated_tiff_is_told_before_it_is_read(plain):
    whole = plain.read_bytes()
    plain.write_bytes(whole[: len(whole) - 100])
    assert fault(plain, **RASTER).startswith("cut short")


def test_a_tiff_cut_down_to_its_first_bytes_is_told(plain):
    plain.write_bytes(plain.read_bytes()[:6])
    assert fault(plain, **RASTER).startswith("cannot be read")


def test_what_is_no_raster_is_told(plain):
    plain.write_text("no raster")
    assert fault(plain, **RASTER).startswith("cannot be read")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("profile", "line"),
    [
        ({"crs": None}, "no CRS; give it one with `gdal_edit.py -a_srs EPSG:code`"),
        (
            {"crs": "EPSG:4326", "gsd_m": 1e-4, "origin": (-135.7, 68.1)},
            "its CRS WGS 84 is in degrees; bring it to metres first, such as with `gdalwarp -t_srs"
            " EPSG:32608`",
        ),
        ({"crs": "EPSG:2264"}, "its CRS NAD83 / North Carolina (ftUS) is not in metres"),
    ],
)
def test_a_place_that_is_not_in_metres_is_refused_with_the_remedy(
    tmp_path, products, profile, line
):
    path = products.write_tiff(tmp_path / "flight_20210801.tif", products.image(1), **profile)
    assert fault(path, **RASTER, scale=1e-4).startswith(line)


def test_a_raster_that_stands_on_its_head_is_refused(tmp_path, products):
    import rasterio
    from affine import Affine

    path = products.write_tiff(tmp_path / "flight_20210801.tif", products.image(1))
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = Affine(10, 0, 470_000, 0, 10, 7_550_000)
    assert fault(path, **RASTER, scale=1e-4).startswith("its rows do not run from north to south")


def test_a_scene_that_is_gone_or_changed_cannot_be_opened(plain, products, tmp_path):
    uri = only(plain, **RASTER).uri
    products.write_tiff(plain, products.image(2))
    with pytest.raises(InputError, match="it has 2 bands and --bands names 1"):
        open_scene(uri)
    plain.unlink()
    with pytest.raises(InputError, match="gone; bring it back"):
        open_scene(uri)


def test_a_mask_that_is_gone_since_cannot_be_overlooked(tmp_path, products):
    image = products.psscene(tmp_path)
    uri = only(tmp_path).uri
    image.with_name("20210722_210957_92_2212_3B_udm2.tif").unlink()
    with pytest.raises(InputError, match="no UDM2"):
        open_scene(uri)


def test_a_plain_mask_that_is_gone_since_cannot_be_overlooked(plain, products):
    mask = plain.with_name("flight_20210801_clear.tif")
    products.write_tiff(mask, np.ones((6, 8), dtype=np.uint8))
    uri = only(plain, **RASTER).uri
    mask.unlink()
    with pytest.raises(InputError, match="its mask is gone"):
        open_scene(uri)


def test_a_scene_ingested_without_a_mask_stays_so(plain, products):
    scene = only(plain, **RASTER)
    mask = np.zeros((6, 8), dtype=np.uint8)
    products.write_tiff(plain.with_name("flight_20210801_clear.tif"), mask)
    assert open_scene(scene.uri) == scene
    assert only(plain, **RASTER).masks != ()


def test_a_path_with_odd_characters_is_found_again(tmp_path, products):
    folder = tmp_path / "été 2021 #3 [a&b=c%20]"
    products.write_tiff(folder / "flight_20210801.tif", products.image(1) / 10_000.0)
    scene = only(folder, **RASTER)
    assert open_scene(scene.uri) == scene


@pytest.mark.parametrize(
    "uri",
    ["", "nonsense", "file:///x.tif", "s3://x#reader=raster", "file:///x#reader=raster&scale=a"],
)
def test_what_is_no_address_is_told(uri):
    with pytest.raises(InputError, match="ingest the scene again"):
        open_scene(uri)


def test_copies_elsewhere_are_read_in_the_same_way(tmp_path, products):
    image = products.psscene(tmp_path / "a")
    shutil.copytree(image.parent, tmp_path / "b" / image.parent.name)
    one, other = (only(tmp_path / folder) for folder in "ab")
    assert one.uri != other.uri
    assert one.product == other.product
    with ScenePixels(one) as first, ScenePixels(other) as second:
        whole = one.grid.whole
        assert np.array_equal(first.read(["red"], whole), second.read(["red"], whole))


def placed(tmp_path, *transform, crs="EPSG:32608"):
    """A raster of 4 x 4 pixels with that geotransform (a, b, c, d, e, f)."""
    path = tmp_path / "flight_20210801.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=4,
        width=4,
        dtype="float32",
        crs=crs,
        transform=Affine(*transform),
    ) as dataset:
        dataset.write(np.full((1, 4, 4), 0.1, dtype=np.float32))
    return path


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("transform", "crs", "what"),
    [
        ((NAN, 0, 5e5, 0, -10, 75e5), "EPSG:32608", "its pixels have no place"),
        ((10, 0, NAN, 0, -10, 75e5), "EPSG:32608", "its pixels have no place"),
        ((INF, 0, 5e5, 0, -10, 75e5), "EPSG:32608", "its pixels have no place"),
        ((10, 0, 5e9, 0, -10, 5e9), "EPSG:32608", "it lies outside of what its CRS"),
        ((1e7, 0, 5e5, 0, -1e7, 75e5), "EPSG:32608", "it lies outside of what its CRS"),
        ((10, 0, 5e5, 0, -30, 75e5), "EPSG:32608", "its pixels of 10 x 30 m are no squares"),
        ((10, 0, -15e6, 0, -10, 11e6), "EPSG:3857", "where it lies, lengths in its CRS"),
        ((10, 0, -20, 0, -10, 20), "EPSG:3031", "where it lies, lengths in its CRS"),
        ((10, 0, 0, 0, -10, 0), 'LOCAL_CS["mine",UNIT["metre",1]]', "its CRS mine is no place"),
    ],
)
def test_a_place_at_which_nothing_can_be_measured_is_refused(tmp_path, transform, crs, what):
    path = placed(tmp_path, *transform, crs=crs)
    assert fault(path, **RASTER).startswith(what)


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        ((3, 0, -5, 0, -3, 5), "EPSG:3413"),  # over the pole
        ((3, 0, -3.7e6, 0, -3, 5), "EPSG:3413"),  # 56 degrees north
        ((30, 0, 608_860, 0, -30, 7_879_000), "EPSG:32601"),  # across 180 degrees
    ],
)
def test_polar_scenes_and_those_across_180_degrees_are_taken(tmp_path, transform, crs):
    assert only(placed(tmp_path, *transform, crs=crs), **RASTER).grid.gsd_m == transform[0]


def test_complex_numbers_are_refused(tmp_path, products):
    path = products.write_tiff(
        tmp_path / "flight_20210801.tif", products.image(1, dtype=np.complex64)
    )
    assert fault(path, **RASTER).startswith("complex numbers are no reflectance")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("scale", value) for value in (0.0, -1e-4, NAN, INF)),
        ("offset", NAN),
        *(("sensor", value) for value in ("", " ")),
    ],
)
def test_options_that_cannot_be_are_refused(plain, option, value):
    with pytest.raises(UsageError, match=f"^--{option}"):
        find_scenes([plain], **{**RASTER, option: value})


def test_a_files_own_scale_must_make_something_of_its_numbers(tmp_path, products):
    path = products.write_tiff(tmp_path / "flight_20210801.tif", products.image(1))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = (-1e-4,)
    assert "are scaled by -0.0001" in fault(path, **RASTER)
