"""STAC items as scenes: what is read of them, how, and what is refused."""

import copy
import datetime as dt
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from rts_track.errors import InputError
from rts_track.source.dates import period_of
from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import find_scenes, open_scene

NAME = "S2B_8WMA_20220801_0_L2A"


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


def written(folder, item, name="item.json"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(item))
    return path


@pytest.fixture
def item_file(tmp_path, products, stac):
    """A Sentinel-2 item of Earth Search beside its files."""
    folder = stac.sentinel2_files(tmp_path / "scene", products)
    return written(folder, stac.sentinel2_item())


def changed(path, change):
    """The item in a file, changed by a function of the document."""
    item = json.loads(path.read_text())
    change(item)
    path.write_text(json.dumps(item))
    return path


def test_an_item_is_a_scene(item_file):
    scene = only(item_file)
    assert (scene.product, scene.reader, scene.sensor) == (NAME, "stac", "sentinel2")
    assert scene.band_names == ("blue", "green", "red", "nir", "nir2")
    assert scene.observed_from == scene.observed_to == dt.date(2022, 8, 1)
    assert scene.acquired_at == dt.datetime(2022, 8, 1, 20, 50, 19, 24000, tzinfo=dt.UTC)
    assert scene.cloud_frac == pytest.approx(0.125)
    assert scene.grid.gsd_m == 10.0
    assert [mask.codes for mask in scene.masks] == ["scl"]
    assert {path.name for path in scene.files} == {
        *(f"{band}.tif" for band in ("B02", "B03", "B04", "B08", "B8A")),
        "SCL.tif",
    }
    assert open_scene(scene.uri) == scene


def test_its_pixels_are_those_of_the_same_product_as_a_safe_folder(tmp_path, products, stac):
    scl = np.full((4, 4), 4, dtype=np.uint8)
    scl[0, 0] = 9
    products.safe(tmp_path / "safe", scl=scl)
    folder = stac.sentinel2_files(tmp_path / "item", products)
    of_item = only(written(folder, stac.sentinel2_item()))
    of_safe = only(tmp_path / "safe")

    assert of_item.band_names == of_safe.band_names
    assert of_item.grid == of_safe.grid
    with ScenePixels(of_item) as one, ScenePixels(of_safe) as other:
        whole = of_item.grid.whole
        values = one.read(of_item.band_names, whole)
        assert np.isfinite(values).all()
        assert np.array_equal(values, other.read(of_safe.band_names, whole))
        assert np.array_equal(one.clear(whole), other.clear(whole))
        assert np.argwhere(~one.clear(whole)).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("applied", "baseline", "stated", "offset"),
    [
        (True, "05.09", -0.1, 0.0),  # taken off by the catalog, which states it all the same
        (True, None, -0.1, 0.0),
        (False, "05.09", -0.1, -0.1),
        (None, "04.00", -0.1, -0.1),
        (None, "04.00", None, -0.1),  # Planetary Computer states nothing of it
        (None, "03.01", None, 0.0),
        (None, "02.14", -0.1, 0.0),  # there was none then
        (False, "02.14", 0.0, 0.0),
        (None, None, -0.1, -0.1),
        (None, None, 0.0, 0.0),
    ],
)
def test_sentinel2s_offset_counts_once(tmp_path, products, stac, applied, baseline, stated, offset):
    folder = stac.sentinel2_files(tmp_path, products)
    item = stac.sentinel2_item(applied=applied, baseline=baseline, offset=stated)
    scene = only(written(folder, item))
    assert [band.offset for band in scene.bands] == pytest.approx([offset] * 5)
    assert open_scene(scene.uri) == scene


def test_where_nothing_tells_sentinel2s_offset_it_is_asked_for(tmp_path, products, stac):
    folder = stac.sentinel2_files(tmp_path, products)
    path = written(folder, stac.sentinel2_item(baseline=None, offset=None))
    assert "give --offset -0.1 or --offset 0" in fault(path)
    assert only(path, offset=-0.1).bands[0].offset == -0.1


def test_what_a_user_tells_of_scale_and_offset_wins(item_file):
    scene = only(item_file, offset=0.0)
    assert {(band.scale, band.offset) for band in scene.bands} == {(0.0001, 0.0)}
    assert open_scene(scene.uri) == scene
    scene = only(item_file, scale=0.5, offset=-0.25)
    assert {(band.scale, band.offset) for band in scene.bands} == {(0.5, -0.25)}
    assert open_scene(scene.uri) == scene


def test_an_item_of_stac_1_1_says_the_same_in_other_words(tmp_path, products, stac):
    folder = stac.sentinel2_files(tmp_path, products)
    item = stac.sentinel2_item(offset=None)
    item["stac_version"] = "1.1.0"
    for key, (band, common_name, gsd_m) in stac.SENTINEL2_BANDS.items():
        asset = item["assets"].pop(key)
        del item["assets"][f"{key}-jp2"], asset["eo:bands"], asset["raster:bands"]
        asset |= {"nodata": 0, "raster:scale": 0.0001, "raster:offset": -0.1}
        asset["bands"] = [{"name": band, "eo:common_name": common_name}]
        item["assets"][f"{band}_{gsd_m:.0f}m"] = asset
        if gsd_m == 10.0:
            item["assets"][f"{band}_20m"] = {**asset, "gsd": 20, "href": "./B8A.tif"}
    scene = only(written(folder, item))
    assert scene.band_names == ("blue", "green", "red", "nir", "nir2")
    assert [band.path.stem for band in scene.bands] == ["B02", "B03", "B04", "B08", "B8A"]
    assert {(band.scale, band.offset) for band in scene.bands} == {(0.0001, -0.1)}


def landsat_item(**properties):
    """A Landsat 8 item as Planetary Computer has them."""
    names = ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"]
    assets = {
        key: {
            "href": f"./LC08_SR_B{at}.TIF",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "eo:bands": [{"name": f"OLI_B{at}", "common_name": key}],
            "raster:bands": [
                {"nodata": 0, "data_type": "uint16", "scale": 2.75e-05, "offset": -0.2}
            ],
        }
        for at, key in enumerate(names, start=1)
    }
    assets["qa_pixel"] = {"href": "./LC08_QA_PIXEL.TIF", "type": "image/tiff"}
    assets["qa_radsat"] = {"href": "./LC08_QA_RADSAT.TIF", "type": "image/tiff"}
    assets["lwir11"] = {"href": "./LC08_ST_B10.TIF", "type": "image/tiff"}
    said = {
        "datetime": "2021-07-21T20:30:42.123456Z",
        "platform": "landsat-8",
        "landsat:correction": "L2SP",
        "eo:cloud_cover": 4.3,
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "LC08_L2SP_064012_20210721_02_T1",
        "collection": "landsat-c2-l2",
        "geometry": None,
        "properties": {**said, **properties},
        "assets": assets,
        "links": [],
    }


def test_a_landsat_item_is_read_as_the_product_is(tmp_path, products):
    values = products.image(7, first=8000)
    qa = np.full((6, 8), 21824, dtype=np.uint16)
    qa[0, 0] = 1
    products.landsat(tmp_path / "usgs", values=values, qa=qa)
    folder = tmp_path / "item"
    for at, band in enumerate(values, start=1):
        products.write_tiff(folder / f"LC08_SR_B{at}.TIF", band, gsd_m=30.0, nodata=0)
    products.write_tiff(folder / "LC08_QA_PIXEL.TIF", qa, gsd_m=30.0)

    of_item = only(written(folder, landsat_item()))
    of_product = only(tmp_path / "usgs")

    assert of_item.sensor == "landsat"
    assert of_item.band_names == of_product.band_names
    with ScenePixels(of_item) as one, ScenePixels(of_product) as other:
        whole = of_item.grid.whole
        names = of_item.band_names
        assert np.array_equal(one.read(names, whole), other.read(names, whole))
        assert np.array_equal(one.clear(whole), other.clear(whole))
    assert "landsat-7 is none of" in fault(
        written(folder, landsat_item(platform="landsat-7"), "seven.json")
    )


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("n_bands", [4, 8])
def test_a_planet_item_is_read_as_the_product_is(tmp_path, products, n_bands, is_named):
    kind = "3B_AnalyticMS_SR" if n_bands == 4 else "3B_AnalyticMS_SR_8b"
    mask = products.udm2()
    mask[0, 0, 0] = 0
    image = products.psscene(
        tmp_path / "planet", values=products.image(n_bands), mask=mask, kind=kind
    )
    names = {
        4: ["Blue", "Green", "Red", "NIR"],
        8: ["Coastal Blue", "Blue", "Green I", "Green", "Yellow", "Red", "Red Edge", "NIR"],
    }[n_bands]
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "20210722_210957_92_2212",
        "collection": "PSScene",
        "properties": {
            "datetime": "2021-07-22T21:09:57.921234Z",
            "constellation": "planetscope",
            "eo:cloud_cover": 3,
        },
        "assets": {
            f"ortho_analytic_{n_bands}b": {"href": "./radiance.tif", "type": "image/tiff"},
            f"basic_analytic_{n_bands}b_sr": {"href": "./basic.tif", "type": "image/tiff"},
            f"ortho_analytic_{n_bands}b_sr": {
                "href": f"./{image.name}",
                "type": "image/tiff; application=geotiff",
                **({"eo:bands": [{"name": name} for name in names]} if is_named else {}),
            },
            "ortho_udm2": {
                "href": "./20210722_210957_92_2212_3B_udm2.tif",
                "type": "image/tiff",
            },
        },
        "links": [],
    }
    of_item = only(written(image.parent, item))
    of_product = only(image)

    assert (of_item.sensor, of_item.product) == ("planetscope", of_product.product)
    assert of_item.band_names == of_product.band_names
    assert [mask.codes for mask in of_item.masks] == [mask.codes for mask in of_product.masks]
    with ScenePixels(of_item) as one, ScenePixels(of_product) as other:
        whole = of_item.grid.whole
        names = of_item.band_names
        assert np.array_equal(one.read(names, whole), other.read(names, whole))
        assert np.array_equal(one.clear(whole), other.clear(whole))
    # below a folder, an item of a product that is known by its name is no second scene
    assert only(tmp_path / "planet").reader == "planet"
    assert only(tmp_path / "planet", reader="stac").reader == "stac"


def test_what_a_product_brings_along_of_items_in_the_web_is_no_scene(tmp_path, products):
    products.landsat(tmp_path)
    item = landsat_item()
    for asset in item["assets"].values():
        asset["href"] = f"https://landsatlook.usgs.gov/{asset['href'][2:]}"
    written(tmp_path, item, "LC08_L2SP_064012_20210721_20210730_02_T1_SR_stac.json")
    assert only(tmp_path).reader == "landsat"


def test_an_item_beside_other_scenes_is_a_scene_of_its_own(tmp_path, products, stac):
    products.psscene(tmp_path)
    products.landsat(tmp_path)
    folder = stac.sentinel2_files(tmp_path, products)
    written(folder, stac.sentinel2_item())
    scenes, faults = find_scenes([tmp_path])
    assert faults == []
    assert {scene.reader for scene in scenes} == {"planet", "landsat", "stac"}


def test_other_json_files_are_no_items(tmp_path, item_file):
    (item_file.parent / "notes.json").write_text('{"type": "Feature"}')
    (item_file.parent / "broken.json").write_text('{"stac_version"')
    (item_file.parent / "deep.json").write_text('{"stac_version":' + "[" * 100_000)
    assert only(tmp_path).product == NAME


def test_the_items_of_a_collection_are_scenes_each(tmp_path, products, stac):
    items = []
    for name in ("one", "two"):
        stac.sentinel2_files(tmp_path / name, products, first=2000 if name == "one" else 3000)
        items.append(stac.sentinel2_item(name, href=f"./{name}/{{file}}"))
    path = written(tmp_path, {"type": "FeatureCollection", "features": items}, "items.json")

    scenes, faults = find_scenes([path])

    assert faults == []
    assert [scene.product for scene in scenes] == ["one", "two"]
    assert [open_scene(scene.uri) for scene in scenes] == scenes
    assert len({scene.uri for scene in scenes}) == 2
    # another item that joins them changes nothing for those that are there
    third = copy.deepcopy(items[0]) | {"id": "three"}
    written(tmp_path, {"type": "FeatureCollection", "features": [*items, third]}, "items.json")
    assert [open_scene(scene.uri) for scene in scenes] == scenes


def test_one_broken_item_of_a_collection_does_not_hide_the_others(tmp_path, products, stac):
    stac.sentinel2_files(tmp_path, products)
    good = stac.sentinel2_item()
    others = [{"type": "Feature"}, {**good, "id": 7}, {**good, "id": "none", "assets": []}]
    path = written(tmp_path, {"type": "FeatureCollection", "features": [good, *others]})
    scenes, faults = find_scenes([path])
    assert [scene.product for scene in scenes] == [NAME]
    assert len(faults) == 3
    path = written(tmp_path, {"type": "FeatureCollection", "features": [good, good]})
    assert "is in it twice" in fault(path)


def test_only_what_is_asked_for_is_read(item_file):
    scene = only(item_file, assets=("red", "nir2"))
    assert scene.band_names == ("red", "nir2")
    assert {path.name for path in scene.files} == {"B04.tif", "B8A.tif", "SCL.tif"}
    assert open_scene(scene.uri) == scene
    line = fault(item_file, assets=("red", "pan"))
    assert "no band 'pan' among its assets; it has blue, blue-jp2, green" in line


def test_an_item_that_says_otherwise_since_is_not_read_otherwise(item_file):
    scene = only(item_file)
    changed(item_file, lambda item: item["properties"].update({"eo:cloud_cover": 11}))
    assert open_scene(scene.uri).bands == scene.bands
    changed(
        item_file,
        lambda item: item["assets"]["red"]["raster:bands"][0].update({"scale": 0.001}),
    )
    with pytest.raises(InputError, match="says otherwise than at its ingest"):
        open_scene(scene.uri)


def test_a_composite_has_a_first_and_a_last_day(item_file):
    ends = {"start_datetime": "2022-07-01T00:00:00Z", "end_datetime": "2022-08-31T23:59:59Z"}
    changed(item_file, lambda item: item["properties"].update({"datetime": None, **ends}))
    scene = only(item_file)
    assert (scene.observed_from, scene.observed_to) == (
        dt.date(2022, 7, 1),
        dt.date(2022, 8, 31),
    )
    assert scene.acquired_at is None
    told = only(item_file, period=period_of("2022-08-02"))
    assert told.observed_from == told.observed_to == dt.date(2022, 8, 2)
    assert open_scene(told.uri) == told


def test_an_item_without_a_mask_is_refused_unless_asked_for(item_file):
    changed(item_file, lambda item: item["assets"].pop("scl"))
    assert "no mask among its assets (SCL of sentinel2); give --no-mask" in fault(item_file)
    scene = only(item_file, is_mask_optional=True)
    assert scene.masks == ()
    assert open_scene(scene.uri) == scene


def test_a_sensor_that_is_not_known_needs_a_name_and_a_scale(item_file):
    def change(item):
        item["properties"] |= {"platform": "spot-5", "constellation": None}
        item["assets"]["clear"] = item["assets"].pop("scl")
        for asset in item["assets"].values():
            asset.pop("raster:bands", None)

    changed(item_file, change)
    assert "platform spot-5 is none of" in fault(item_file)
    assert "stores integers, and nothing says their scale" in fault(item_file, sensor="spot")
    scene = only(item_file, sensor="spot", scale=1e-4)
    assert scene.sensor == "spot"
    assert {(band.scale, band.offset) for band in scene.bands} == {(1e-4, 0.0)}
    assert [mask.codes for mask in scene.masks] == ["clear"]
    assert open_scene(scene.uri) == scene


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"processing:level": "L1C"}, "L1C is no surface reflectance"),
        ({"s2:product_type": "S2MSI1C"}, "S2MSI1C is no surface reflectance"),
        ({"landsat:correction": "L1TP"}, "L1TP is no surface reflectance"),
        ({"datetime": None}, "no datetime; give --date"),
        ({"datetime": "soon"}, "datetime 'soon' is no instant"),
        ({"datetime": ["2022"]}, "is no instant"),
        ({"datetime": 5e30}, "is no instant"),
        ({"eo:cloud_cover": 300}, "300.0 % is no share of cloud"),
        ({"platform": None, "constellation": {"a": 1}}, "give --sensor NAME"),
    ],
)
def test_properties_that_cannot_be_are_told(item_file, said, what):
    changed(item_file, lambda item: item["properties"].update(said))
    assert what in fault(item_file)


@pytest.mark.parametrize("collection", ["sentinel-2-l1c", "landsat-c2-l1", "landsat-c2l1"])
def test_collections_of_the_top_of_the_atmosphere_are_refused(item_file, collection):
    changed(item_file, lambda item: item.update(collection=collection))
    assert "is no surface reflectance; fetch level 2" in fault(item_file)


def set_href(href):
    return lambda item: item["assets"]["red"].update(href=href)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda item: item.update(assets={}), "it has no assets"),
        (lambda item: item.update(assets=[1, 2]), "it has no assets"),
        (lambda item: item.update(assets={"a": 1, "b": {}}), "it has no assets"),
        (lambda item: item.pop("assets"), "it has no assets"),
        (lambda item: item.pop("id"), "without an id"),
        (lambda item: item.update(id=["x"]), "without an id"),
        (lambda item: item.update(id="a\nb"), "'a b' is no id"),
        (lambda item: item.update(id="x" * 5000), "is no id"),
        (lambda item: item.update(properties=None), "give --sensor"),
        (lambda item: item.update(properties=[]), "give --sensor"),
        (lambda item: item["assets"]["red"].update({"raster:bands": [{"scale": -1}]}), "scaled"),
        (set_href("./gone.tif"), "'./gone.tif' is not there"),
        (set_href("x" * 5000), "is not there"),
        (set_href("a\0b"), "is not there"),
        (set_href("http://["), "is not there"),
        (set_href("ftp://host/B04.tif"), "is no file"),
        (set_href("s3://bucket/B04.tif"), "is no file"),
        (set_href("file://host/B04.tif"), "is no file"),
        (set_href("/vsicurl/http://127.0.0.1/B04.tif"), "leads out of the item's folder"),
        (set_href("https://host/B04.tif"), "lies at https://host/B04.tif; give --downloads"),
    ],
)
def test_items_that_cannot_be_are_told_in_one_line(item_file, change, what):
    changed(item_file, change)
    assert what in fault(item_file, assets=("red",))


def test_bands_of_several_values_for_nodata_are_refused(item_file):
    stated = {"raster:bands": [{"scale": 1e-4, "nodata": 7}]}
    changed(item_file, lambda item: item["assets"]["red"].update(stated))
    assert "its bands state several values for nodata" in fault(item_file)
    assert only(item_file, assets=("red",)).nodata == 7.0


@pytest.mark.parametrize(
    "said",
    [
        {"eo:bands": "red"},
        {"eo:bands": [None, 7]},
        {"raster:bands": {"scale": 1}},
        {"roles": 5},
        {"gsd": "fine"},
        {"raster:bands": [{"scale": "1e-4", "offset": None, "nodata": "nan"}]},
        {"raster:bands": [{"scale": 10**400}]},
        {"type": ["image/tiff"]},
    ],
)
def test_words_of_the_wrong_type_say_nothing(item_file, said):
    changed(item_file, lambda item: item["assets"]["red"].update(said))
    scenes, faults = find_scenes([item_file])
    assert len(scenes) + len(faults) == 1
    for one in faults:
        assert "\n" not in one.reason


@pytest.mark.parametrize("way", ["dots", "absolute", "file", "escaped", "link", "folder link"])
def test_references_cannot_leave_the_items_folder(tmp_path, products, stac, way):
    secret = products.write_tiff(tmp_path / "secret" / "B04.tif", products.image(1, size=(8, 8)))
    folder = stac.sentinel2_files(tmp_path / "scene", products)
    (folder / "inner").mkdir()
    href = {
        "dots": "inner/../../secret/B04.tif",
        "absolute": str(secret),
        "file": secret.as_uri(),
        "escaped": "%2e%2e/secret/B04.tif",
        "link": "./linked.tif",
        "folder link": "./linked/B04.tif",
    }[way]
    (folder / "linked.tif").symlink_to(secret)
    (folder / "linked").symlink_to(secret.parent)
    path = changed(written(folder, stac.sentinel2_item()), set_href(href))
    assert "leads out of the item's folder" in fault(path)


@pytest.mark.parametrize("way", ["absolute", "file", "escaped"])
def test_references_may_name_a_file_of_the_folder_in_any_way(tmp_path, products, stac, way):
    folder = stac.sentinel2_files(tmp_path / "a scene", products)
    (folder / "B04.tif").rename(folder / "B 4.tif")
    file = folder / "B 4.tif"
    href = {"absolute": str(file), "file": file.as_uri(), "escaped": "./B%204.tif"}[way]
    path = changed(written(folder, stac.sentinel2_item()), set_href(href))
    scene = only(path)
    assert scene.band("red").path == file.resolve()
    assert open_scene(scene.uri) == scene


def test_an_asset_that_is_no_image_but_leads_to_one_is_not_opened(item_file):
    vrt = (
        '<VRTDataset rasterXSize="8" rasterYSize="8"><SRS>EPSG:32608</SRS>'
        "<GeoTransform>470880, 10, 0, 7550040, 0, -10</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        "<SourceFilename>B02.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    (item_file.parent / "B04.tif").write_text(vrt)
    assert "B04.tif: neither a TIFF nor JPEG 2000" in fault(item_file)


def test_an_item_of_megabytes_is_none(item_file):
    item = json.loads(item_file.read_text())
    item["padding"] = "x" * 17_000_000
    item_file.write_text(json.dumps(item))
    assert fault(item_file).endswith("bytes are no STAC item")


def test_an_item_that_cannot_be_read_is_told(item_file):
    if os.geteuid() == 0:
        item_file.unlink()
        item_file.symlink_to(item_file)  # a loop
    else:
        item_file.chmod(0)
    assert "\n" not in fault(item_file)


WORDS = [
    *(None, True, -1, 1e308, 10**400, float("nan"), "", "x", "a\0b", "\ud800", [], [None], {}),
    *("../..", "/etc/passwd", "http://[", "file:///etc/hostname", "s3://x/y", "%2e%2e%2f", "red"),
    *("2022-08-01T00:00:00Z", "9999-12-31T23:59:59-23:59", {"href": 5}, "x" * 3000, "nan", "B04"),
]


def paths_of(document, path=()):
    """Where anything stands in a document."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths_of(value, (*path, key))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_stands_in_an_item_it_is_a_scene_or_told_in_a_line(item_file, stac, seed):
    chance = random.Random(seed)
    for _ in range(10):
        item = stac.sentinel2_item()
        for _ in range(chance.choice([1, 1, 2, 10])):
            *way, last = chance.choice(list(paths_of(item)))
            place = item
            for key in way:
                place = place[key]
            place[last] = copy.deepcopy(chance.choice(WORDS))
        item_file.write_text(json.dumps(item))
        scenes, faults = find_scenes([item_file])
        assert [open_scene(scene.uri) for scene in scenes] == scenes
        assert scenes or faults
        assert not any("\n" in one.reason for one in faults)


def test_a_scene_whose_item_is_gone_cannot_be_opened(item_file):
    uri = only(item_file).uri
    item_file.unlink()
    with pytest.raises(InputError, match="gone; bring it back"):
        open_scene(uri)
    Path(item_file).write_text("{}")
    with pytest.raises(InputError, match="no STAC item"):
        open_scene(uri)
