"""PlanetScope's surface reflectance: PSScene and OrthoTile, with UDM2 and metadata."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rts_track.errors import InputError
from rts_track.source.bands import PLANET_ORDERS, SENSORS
from rts_track.source.dates import Period
from rts_track.source.plain import instant_in_name, is_tiff, share_of
from rts_track.source.rasters import raster_file
from rts_track.source.scene import Band, MaskFile, Scene, SceneOptions, SceneReader
from rts_track.source.uri import scene_uri

if TYPE_CHECKING:
    from rts_track.source.rasters import RasterFile

NAME = "planet"
SENSOR = "planetscope"

_PSSCENE = re.compile(r"(?P<id>(?P<day>20\d{6})_(?P<time>\d{6})(?:_\d{2})?_[0-9A-Za-z]{4})_")
_ORTHOTILE = re.compile(r"(?P<id>\d+_\d+_(?P<day>20\d\d-\d\d-\d\d)_[0-9A-Za-z]{4})_")
_IS_REFLECTANCE = re.compile(r"_SR(_|$)", re.IGNORECASE)
_UDM2 = ("udm2_clear", *["udm2_flag"] * 4, "udm2_cloud")
"""Codes of UDM2's bands 1 to 6; 7 is a confidence."""
_UNUSABLE_BAND = 8
_LEAST_UDM2_BANDS = 8


def _match(path: Path) -> re.Match[str] | None:
    return _PSSCENE.match(path.name) or _ORTHOTILE.match(path.name)


def _products(paths: Sequence[Path]) -> list[Path]:
    """The TIFFs of surface reflectance."""
    return [
        path
        for path in paths
        if is_tiff(path) and _match(path) and _IS_REFLECTANCE.search(path.stem)
    ]


def _read(path: Path, options: SceneOptions) -> Scene:
    match = _match(path)
    if match is None or not _IS_REFLECTANCE.search(path.stem):
        raise InputError(
            f"{path}: no name of a PlanetScope product; expected <id>_3B_AnalyticMS_SR.tif or"
            " <id>_BGRN_SR.tif, or use --reader raster"
        )
    file = raster_file(path)
    if file.n_bands not in PLANET_ORDERS:
        raise InputError(
            f"{path}: {file.n_bands} bands; surface reflectance of PlanetScope has"
            f" {' or '.join(map(str, PLANET_ORDERS))}"
        )
    udm2 = _udm2_beside(path, match["id"])
    masks = _masks(path, udm2, options)
    metadata_file = path.with_name(f"{match['id']}_metadata.json")
    metadata = _metadata(metadata_file)
    acquired_at = _acquired_at(path, match, metadata, metadata_file)
    day = (acquired_at or instant_in_name(path, match["day"], "%Y-%m-%d")).date()
    period = options.period or Period(from_on=day, to_on=day)
    sensor = SENSORS[SENSOR]
    scale = float(sensor.scale or 1.0)
    files = [path, *{mask.path for mask in masks}]
    return Scene(
        product=match["id"],
        reader=NAME,
        sensor=options.sensor or SENSOR,
        observed_from=period.from_on,
        observed_to=period.to_on,
        acquired_at=None if options.period else acquired_at,
        grid=file.grid,
        bands=tuple(
            Band(name=name, path=path, index=at, scale=scale, offset=sensor.offset)
            for at, name in enumerate(PLANET_ORDERS[file.n_bands], start=1)
        ),
        nodata=0.0,
        masks=masks,
        cloud_frac=_cloud_frac(metadata, metadata_file),
        uri=scene_uri(path, NAME, options, has_mask=bool(masks)),
        files=(*files, metadata_file) if metadata_file.is_file() else tuple(files),
    )


PLANET = SceneReader(name=NAME, products=_products, read=_read)


def _udm2_beside(path: Path, product: str) -> Path | None:
    """The product's UDM2: that which is clipped as the image is, if there is a choice."""
    found = [
        beside
        for beside in sorted(path.parent.glob(f"{product}_*"))
        if is_tiff(beside) and re.search(r"_udm2(_|$)", beside.stem, re.IGNORECASE)
    ]
    is_clipped = path.stem.lower().endswith("_clip")
    found.sort(key=lambda beside: beside.stem.lower().endswith("_clip") != is_clipped)
    return found[0] if found else None


def _masks(path: Path, udm2: Path | None, options: SceneOptions) -> tuple[MaskFile, ...]:
    if options.is_mask_ignored:
        return ()
    if udm2 is None:
        if options.is_mask_optional:
            return ()
        raise InputError(
            f"{path}: no UDM2 beside it; fetch it, or give --no-mask to count all valid pixels as"
            " clear"
        )
    return udm2_masks(raster_file(udm2))


def udm2_masks(file: RasterFile) -> tuple[MaskFile, ...]:
    """The masks in the bands of a UDM2; InputError where it is none."""
    path = file.path
    if file.n_bands < _LEAST_UDM2_BANDS:
        raise InputError(f"{path}: {file.n_bands} bands; a UDM2 has {_LEAST_UDM2_BANDS}")
    flags = [MaskFile(path=path, index=at, codes=codes) for at, codes in enumerate(_UDM2, start=1)]
    return (*flags, MaskFile(path=path, index=_UNUSABLE_BAND, codes="udm2_flag"))


def _metadata(file: Path) -> dict[str, Any]:
    """The properties of the product's metadata, where it lies beside; else none."""
    if not file.is_file():
        return {}
    try:
        properties = json.loads(file.read_text(encoding="utf-8"))["properties"]
        return dict(properties)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: no metadata of a Planet product; fetch it again") from error


def _acquired_at(
    path: Path, match: re.Match[str], metadata: dict[str, Any], file: Path
) -> dt.datetime | None:
    """The instant that metadata or name tells, in UTC; the name of a tile tells the day alone."""
    if "acquired" in metadata:
        try:
            acquired = dt.datetime.fromisoformat(str(metadata["acquired"]))
            acquired = acquired if acquired.tzinfo else acquired.replace(tzinfo=dt.UTC)
            return acquired.astimezone(dt.UTC)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{file}: acquired {metadata['acquired']!r} is no instant") from error
    if match.re is _PSSCENE:
        return instant_in_name(path, match["day"] + match["time"], "%Y%m%d%H%M%S")
    return None


def _cloud_frac(metadata: dict[str, Any], file: Path) -> float | None:
    """The cloudy share that the metadata state, in [0, 1]; InputError where it cannot be one."""
    for name, percent in (("cloud_percent", 1), ("cloud_cover", 100)):
        stated = metadata.get(name)
        if isinstance(stated, int | float):
            return share_of(stated * percent, file)
    return None
