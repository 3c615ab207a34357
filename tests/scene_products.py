"""Products of every sensor, a few pixels wide, as their makers lay them out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

CRS = "EPSG:32608"
EAST, NORTH = 470_880.0, 7_550_040.0


def write_tiff(path: Path, values, *, gsd_m=10.0, crs=CRS, origin=(EAST, NORTH), **profile) -> Path:
    """A GeoTIFF of values (bands, height, width) whose upper left corner lies at `origin`."""
    values = np.asarray(values)
    if values.ndim == 2:
        values = values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptions = profile.pop("descriptions", None)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(values),
        height=values.shape[1],
        width=values.shape[2],
        dtype=values.dtype,
        crs=crs,
        transform=Affine(gsd_m, 0.0, origin[0], 0.0, -gsd_m, origin[1]),
        **profile,
    ) as dataset:
        dataset.write(values)
        if descriptions:
            dataset.descriptions = descriptions
    return path


def image(n_bands=4, size=(6, 8), first=1000, dtype=np.uint16):
    """Values that differ from band to band and pixel to pixel, none of them 0."""
    pixels = np.arange(size[0] * size[1]).reshape(size)
    return np.stack([first * (at + 1) + pixels for at in range(n_bands)]).astype(dtype)


def udm2(size=(6, 8)):
    """A UDM2 that is clear all over."""
    mask = np.zeros((8, *size), dtype=np.uint8)
    mask[0] = 1
    mask[6] = 100
    return mask


def psscene(
    folder: Path,
    name="20210722_210957_92_2212",
    *,
    values=None,
    mask=None,
    metadata=True,
    clipped=False,
    kind="3B_AnalyticMS_SR",
    gsd_m=3.0,
    **place,
) -> Path:
    """A PSScene folder; its image's path. `mask` False leaves UDM2 out; `place`: crs, origin."""
    clip = "_clip" if clipped else ""
    values = image() if values is None else values
    path = write_tiff(folder / name / f"{name}_{kind}{clip}.tif", values, gsd_m=gsd_m, **place)
    if mask is not False:
        mask = udm2(values.shape[1:]) if mask is None else mask
        write_tiff(folder / name / f"{name}_3B_udm2{clip}.tif", mask, gsd_m=gsd_m, **place)
    if metadata:
        properties = {
            "acquired": "2021-07-22T21:09:57.921234Z",
            "cloud_cover": 0.03,
            "cloud_percent": 3,
            "gsd": 3.9,
            "pixel_resolution": 3,
        }
        text = json.dumps({"id": name, "properties": properties})
        (folder / name / f"{name}_metadata.json").write_text(text)
    return path


def orthotile(folder: Path, name="5790392_4974017_2022-08-10_2475") -> Path:
    """An OrthoTile in its tile/scene folders, without metadata; its image's path."""
    _, tile, _, _ = name.split("_")
    place = folder / tile / name
    write_tiff(place / f"{name}_udm2.tif", udm2(), gsd_m=3.125)
    return write_tiff(place / f"{name}_BGRN_SR.tif", image(), gsd_m=3.125)


def safe(
    folder: Path,
    name="S2B_MSIL2A_20220801T205019_N0400_R057_T08WMA_20220802T001122",
    *,
    bands=None,
    scl=None,
    offsets=True,
    metadata=True,
    suffix=".tif",
) -> Path:
    """A SAFE folder: B02 B03 B04 B08 in 10 m, B8A and SCL in 20 m. `scl` False leaves SCL out."""
    safe_folder = folder / f"{name}.SAFE"
    images = safe_folder / "GRANULE" / "L2A_T08WMA_A028220_20220801T205019" / "IMG_DATA"
    stem = "T08WMA_20220801T205019"
    bands = image(5, (8, 8), first=2000) if bands is None else bands
    driver = {} if suffix == ".tif" else {"driver": "JP2OpenJPEG", "QUALITY": "100"}
    for name_of_band, values in zip(("B02", "B03", "B04", "B08"), bands[:4], strict=True):
        _write_band(images / "R10m" / f"{stem}_{name_of_band}_10m{suffix}", values, 10.0, driver)
    _write_band(images / "R20m" / f"{stem}_B02_20m{suffix}", bands[0, ::2, ::2], 20.0, driver)
    _write_band(images / "R20m" / f"{stem}_B8A_20m{suffix}", bands[4, ::2, ::2], 20.0, driver)
    if scl is not False:
        codes = np.full((4, 4), 4, dtype=np.uint8) if scl is None else scl
        _write_band(images / "R20m" / f"{stem}_SCL_20m{suffix}", codes, 20.0, driver)
    if metadata:
        (safe_folder / "MTD_MSIL2A.xml").write_text(_mtd(offsets))
    return safe_folder


def _write_band(path: Path, values, gsd_m, driver) -> None:
    if not driver:
        write_tiff(path, values, gsd_m=gsd_m)
        return
    from rasterio.shutil import copy

    tiff = write_tiff(path.with_suffix(".tmp.tif"), values, gsd_m=gsd_m)
    copy(tiff, path, **driver, REVERSIBLE="YES")
    tiff.unlink()


def _mtd(offsets: bool) -> str:
    values = "".join(
        f'<BOA_ADD_OFFSET band_id="{at}">-1000</BOA_ADD_OFFSET>'
        for at in range(13 if offsets else 0)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/x.xsd">'
        "<n1:General_Info><Product_Image_Characteristics>"
        '<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000'
        "</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>"
        f"<BOA_ADD_OFFSET_VALUES_LIST>{values}</BOA_ADD_OFFSET_VALUES_LIST>"
        "</Product_Image_Characteristics></n1:General_Info>"
        "<n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>12.5"
        "</Cloud_Coverage_Assessment></n1:Quality_Indicators_Info>"
        "</n1:Level-2A_User_Product>"
    )


def landsat(
    folder: Path,
    name="LC08_L2SP_064012_20210721_20210730_02_T1",
    *,
    qa=None,
    values=None,
    metadata="txt",
) -> Path:
    """The files of a Landsat product; that of its first band. `qa` False leaves QA_PIXEL out."""
    values = image(7, first=8000) if values is None else values
    for at, band in enumerate(values, start=1):
        write_tiff(folder / f"{name}_SR_B{at}.TIF", band, gsd_m=30.0, nodata=0)
    if qa is not False:
        clear = np.full(values.shape[1:], 21824, dtype=np.uint16)
        write_tiff(folder / f"{name}_QA_PIXEL.TIF", clear if qa is None else qa, gsd_m=30.0)
    fields = {"DATE_ACQUIRED": "2021-07-21", "SCENE_CENTER_TIME": "20:30:42.1234560Z"}
    level_1 = {"REFLECTANCE_MULT_BAND_2": "2.0000E-05", "REFLECTANCE_ADD_BAND_2": "-0.100000"}
    level_2 = {"REFLECTANCE_MULT_BAND_2": "2.75e-05", "REFLECTANCE_ADD_BAND_2": "-0.2"}
    if metadata == "txt":
        text = _mtl_text(fields, level_1, level_2)
        (folder / f"{name}_MTL.txt").write_text(text)
    elif metadata == "json":
        groups = {
            "IMAGE_ATTRIBUTES": {**fields, "CLOUD_COVER": "4.30"},
            "LEVEL1_RADIOMETRIC_RESCALING": level_1,
            "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": level_2,
        }
        text = json.dumps({"LANDSAT_METADATA_FILE": groups})
        (folder / f"{name}_MTL.json").write_text(text)
    return folder / f"{name}_SR_B1.TIF"


def _mtl_text(fields, level_1, level_2) -> str:
    lines = ["GROUP = LANDSAT_METADATA_FILE", "  GROUP = IMAGE_ATTRIBUTES"]
    lines += [f"    DATE_ACQUIRED = {fields['DATE_ACQUIRED']}"]
    lines += [f'    SCENE_CENTER_TIME = "{fields["SCENE_CENTER_TIME"]}"']
    lines += ["    CLOUD_COVER = 4.30", "  END_GROUP = IMAGE_ATTRIBUTES"]
    for group, values in (
        ("LEVEL1_RADIOMETRIC_RESCALING", level_1),
        ("LEVEL2_SURFACE_REFLECTANCE_PARAMETERS", level_2),
    ):
        lines += [f"  GROUP = {group}"]
        lines += [f"    {name} = {value}" for name, value in values.items()]
        lines += [f"  END_GROUP = {group}"]
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])
