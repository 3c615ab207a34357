"""Sentinel-2 L2A: as a SAFE folder, or exported as a plain GeoTIFF."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rts_track.errors import InputError
from rts_track.source.bands import SENSORS, our_name
from rts_track.source.dates import Period
from rts_track.source.plain import (
    PlainProduct,
    instant_in_name,
    is_mask_file,
    is_tiff,
    plain_scene,
    share_of,
)
from rts_track.source.rasters import raster_file
from rts_track.source.scene import Band, MaskFile, Scene, SceneOptions, SceneReader
from rts_track.source.uri import parse_uri, scene_uri

NAME = "sentinel2"
METADATA = "MTD_MSIL2A.xml"

_RESOLUTIONS = ("R10m", "R20m", "R60m")
_IMAGE_SUFFIXES = (".jp2", ".tif", ".tiff")
_SENSED = re.compile(r"^S2[A-D]?_(?:MSI(?P<level>L\d[AC])_)?(?P<at>20\d{6}T\d{6})(?:_|$)")
_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_BAND_FILE = re.compile(r"_(?P<band>B\d[\dA]|SCL)(?:_\d0m)?$")
_OFFSET_SINCE = (4, 0)
"""Processing baseline from which digital numbers lie 1000 higher."""
_OFFSET_SINCE_DAY = dt.date(2022, 1, 25)
"""When that baseline came into use; Earth Engine's harmonised collections take it off again."""
_OFFSET_DN = -1000.0
_QUANTIFICATION_DN = 10_000.0
_SCL_CODES = "scl"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metadata:
    """How digital numbers become reflectance, `(dn + offset_dn) / quantification_dn`, and more.

    `offset_dn` is by the band's name, Sentinel-2's; bands that are not in it have none.
    """

    quantification_dn: float
    offset_dn: dict[str, float]
    cloud_frac: float | None


def _products(paths: Sequence[Path]) -> list[Path]:
    """SAFE folders of either level, and TIFFs that have a Sentinel-2 name outside of these."""
    found: dict[Path, None] = {}
    for path in paths:
        folder = _safe_folder(path)
        if folder is not None:
            if _SENSED.match(folder.name):
                found[folder] = None
        elif is_tiff(path) and _SENSED.match(path.name) and not is_mask_file(path):
            found[path] = None
    return list(found)


def _read(path: Path, options: SceneOptions) -> Scene:
    match = _SENSED.match(path.name)
    if match is None:
        raise InputError(
            f"{path}: no name of a Sentinel-2 product; expected S2A_MSIL2A_... or"
            " S2_20210821T210019_..., or use --reader raster"
        )
    if match["level"] not in (None, "L2A"):
        raise InputError(f"{path}: level {match['level']} is no surface reflectance; fetch L2A")
    acquired_at = instant_in_name(path, match["at"], "%Y%m%dT%H%M%S")
    day = acquired_at.date()
    period = Period(from_on=day, to_on=day)
    if not path.is_dir():
        sensor = options.sensor or NAME
        product = PlainProduct(reader=NAME, sensor=sensor, period=period, acquired_at=acquired_at)
        return plain_scene(path, options, product)
    return _safe_scene(path, options, options.period or period, acquired_at)


SENTINEL2 = SceneReader(name=NAME, products=_products, read=_read)


def is_offset_assumed(scene: Scene) -> bool:
    """Whether a plain GeoTIFF since the offset of 2022 is taken for one without, untold."""
    first = scene.bands[0]
    is_plain = scene.reader == NAME and first.path.stem == scene.product
    is_stored_as_integers = first.scale != 1.0
    is_told = parse_uri(scene.uri)[2].scale is None  # by the file itself
    is_of_then = scene.observed_to >= _OFFSET_SINCE_DAY and _has_offset(scene.product) is not False
    is_open = is_plain and is_of_then and is_stored_as_integers and not is_told
    return is_open and first.offset == 0.0


def _safe_folder(path: Path) -> Path | None:
    """The SAFE folder that the path is, or lies in."""
    for folder in (path, *path.parents):
        if folder.suffix.upper() == ".SAFE":
            return folder
    return None


def _safe_scene(
    folder: Path, options: SceneOptions, period: Period, acquired_at: dt.datetime
) -> Scene:
    images = _images(folder)
    metadata_file = folder / METADATA
    metadata = _metadata(folder, metadata_file)
    bands = tuple(_band(name, image, metadata) for name, image in images.items() if name != "SCL")
    if not bands:
        raise InputError(f"{folder}: no band in GRANULE/*/IMG_DATA; fetch it again")
    files = [raster_file(band.path) for band in bands]
    for file in files:
        if file.n_bands != 1:
            raise InputError(f"{file.path}: {file.n_bands} bands; a band's file has one")
    masks = _masks(folder, images.get("SCL"), options)
    used = [*(band.path for band in bands), *(mask.path for mask in masks)]
    return Scene(
        product=folder.stem,
        reader=NAME,
        sensor=options.sensor or NAME,
        observed_from=period.from_on,
        observed_to=period.to_on,
        acquired_at=None if options.period else acquired_at,
        grid=min((file.grid for file in files), key=lambda grid: grid.gsd_m),
        bands=bands,
        nodata=0.0,
        masks=masks,
        cloud_frac=metadata.cloud_frac,
        uri=scene_uri(folder, NAME, options, has_mask=bool(masks)),
        files=(*used, metadata_file) if metadata_file.is_file() else tuple(used),
    )


def _images(folder: Path) -> dict[str, Path]:
    """The finest file of each band and of SCL, in the sensor's order."""
    found: dict[str, Path] = {}
    for resolution in _RESOLUTIONS:
        for name, path in _images_in(folder, resolution):
            found.setdefault(name, path)
    order = [*SENSORS[NAME].bands, "SCL"]
    return {name: found[name] for name in order if name in found}


def _images_in(folder: Path, resolution: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.glob(f"GRANULE/*/IMG_DATA/{resolution}/*")):
        match = _BAND_FILE.search(path.stem)
        if match and path.suffix.lower() in _IMAGE_SUFFIXES:
            yield match["band"].replace("B0", "B"), path


def _band(name: str, image: Path, metadata: _Metadata) -> Band:
    scale = 1.0 / metadata.quantification_dn
    return Band(
        name=str(our_name(NAME, name)),
        path=image,
        index=1,
        scale=scale,
        offset=metadata.offset_dn.get(name, 0.0) * scale,
    )


def _masks(folder: Path, scl: Path | None, options: SceneOptions) -> tuple[MaskFile, ...]:
    if options.is_mask_ignored:
        return ()
    if scl is not None:
        raster_file(scl)
        return (MaskFile(path=scl, index=1, codes=_SCL_CODES),)
    if options.is_mask_optional:
        return ()
    raise InputError(
        f"{folder}: no SCL in it; fetch it, or give --no-mask to count all valid pixels as clear"
    )


def _metadata(folder: Path, file: Path) -> _Metadata:
    """What the product's metadata say; without them, what its processing baseline implies."""
    if not file.is_file():
        return _by_baseline(folder)
    try:
        root = ElementTree.parse(file).getroot()
        quantification_dn = float(root.findtext(".//{*}BOA_QUANTIFICATION_VALUE") or "nan")
        if not 0.0 < quantification_dn < math.inf:
            raise ValueError(f"quantification {quantification_dn:g}")
        cloud = root.findtext(".//{*}Cloud_Coverage_Assessment")
        return _Metadata(
            quantification_dn=quantification_dn,
            offset_dn=_offsets(root),
            cloud_frac=share_of(float(cloud), file) if cloud else None,
        )
    except (ElementTree.ParseError, ValueError, IndexError) as error:
        raise InputError(f"{file}: no metadata of a Sentinel-2 product ({error})") from error


def _offsets(root: ElementTree.Element) -> dict[str, float]:
    """Offsets by band; the metadata number the bands from B1 as 0, with B8A as 8."""
    order = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"]
    return {
        order[int(element.get("band_id", ""))]: float(element.text or "0")
        for element in root.iterfind(".//{*}BOA_ADD_OFFSET")
    }


def _has_offset(name: str) -> bool | None:
    """Whether the processing baseline in a product's name is one with the offset; None: unsaid."""
    match = _BASELINE.search(name)
    return (int(match[1]), int(match[2])) >= _OFFSET_SINCE if match else None


def _by_baseline(folder: Path) -> _Metadata:
    is_offset = _has_offset(folder.name)
    if is_offset is None:
        raise InputError(
            f"{folder}: neither {METADATA} nor a processing baseline in its name: its digital"
            " numbers may have an offset or not; fetch it again"
        )
    offset_dn = dict.fromkeys(SENSORS[NAME].bands, _OFFSET_DN) if is_offset else {}
    return _Metadata(quantification_dn=_QUANTIFICATION_DN, offset_dn=offset_dn, cloud_frac=None)
