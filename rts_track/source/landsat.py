"""Landsat 8 and 9, Collection 2 level 2: a file a band, or exported as a plain GeoTIFF."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rts_track.errors import InputError
from rts_track.source.bands import SENSORS, our_name
from rts_track.source.dates import Period, day_in_name
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
from rts_track.source.uri import scene_uri

NAME = "landsat"

_BAND_FILE = re.compile(
    r"^(?P<product>LC0[89]_L2S[PR]_\d{6}_(?P<day>20\d{6})_\d{8}_\d{2}_[A-Z0-9]{2})"
    r"_SR_(?P<band>B\d+)$",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(?:^|_)LC0[89](?:_|$)")
_PART = re.compile(r"_(SR|ST|QA)_", re.IGNORECASE)
_LEVEL_1 = "LEVEL1_"
"""How groups of metadata begin that are of another product: level 1's factors are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metadata:
    """The fields of a product's metadata, and their file; none where there is no file."""

    file: Path | None
    fields: dict[str, str]

    @classmethod
    def of(cls, file: Path | None) -> _Metadata:
        """What the file says; InputError where it is no metadata."""
        if file is None:
            return cls(file=None, fields={})
        try:
            text = file.read_text(encoding="utf-8")
            is_json = file.suffix.lower() == ".json"
            fields = _json_fields(json.loads(text)) if is_json else _text_fields(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file}: no metadata of a Landsat product; fetch it again") from error
        return cls(file=file, fields=fields)

    def number(self, name: str, default: float) -> float:
        """The number in that field; InputError where something else is in it."""
        try:
            number = float(self.fields.get(name, default))
        except ValueError as error:
            raise InputError(f"{self.file}: {name} {self.fields[name]!r} is no number") from error
        if not math.isfinite(number):
            raise InputError(f"{self.file}: {name} {self.fields[name]!r} is no number")
        return number

    def scale(self, name: str, default: float) -> float:
        """The number in that field, which must be more than 0."""
        scale = self.number(name, default)
        if scale <= 0.0:
            raise InputError(f"{self.file}: {name} {self.fields[name]!r} makes nothing of numbers")
        return scale

    def cloud_frac(self) -> float | None:
        """The cloudy share; None where it is not said, or less than 0: not determined."""
        percent = self.number("CLOUD_COVER", -1.0)
        return share_of(percent, self.file) if self.file and percent >= 0.0 else None

    def acquired_at(self) -> dt.datetime | None:
        """When the middle of the scene was acquired, in UTC; None where that is not said."""
        day, time = self.fields.get("DATE_ACQUIRED"), self.fields.get("SCENE_CENTER_TIME")
        if day is None or time is None:
            return None
        whole, _, _ = time.partition(".")
        text = f"{day}T{whole.removesuffix('Z')}+00:00"
        try:
            return dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise InputError(f"{self.file}: {text!r} is no instant") from error


def _products(paths: Sequence[Path]) -> list[Path]:
    """The first band of each product, and TIFFs that have the sensor's name."""
    found: dict[tuple[Path, str], Path] = {}
    plain = []
    for path in paths:
        match = _BAND_FILE.match(path.stem) if is_tiff(path) else None
        if match:
            for first in _band_files(path)[:1]:
                found.setdefault((path.parent, match["product"]), first)
        elif is_tiff(path) and _is_plain(path):
            plain.append(path)
    return [*found.values(), *plain]


def _is_plain(path: Path) -> bool:
    """Whether the name is that of a whole scene in one file, not of a part of a product."""
    is_part = _PART.search(path.stem) or is_mask_file(path)
    return bool(_PLAIN.search(path.stem)) and not is_part


def _read(path: Path, options: SceneOptions) -> Scene:
    match = _BAND_FILE.match(path.stem)
    if match:
        return _product_scene(path, match, options)
    if not _PLAIN.search(path.stem):
        raise InputError(
            f"{path}: no name of a Landsat 8 or 9 product; expected LC08_L2SP_..._SR_B4.TIF, or use"
            " --reader raster"
        )
    day = day_in_name(path.stem)
    period = Period(from_on=day, to_on=day) if day else None
    sensor = options.sensor or NAME
    return plain_scene(path, options, PlainProduct(reader=NAME, sensor=sensor, period=period))


LANDSAT = SceneReader(name=NAME, products=_products, read=_read)


def _product_scene(path: Path, match: re.Match[str], options: SceneOptions) -> Scene:
    product = match["product"]
    metadata_file = _beside(path, product, ("_MTL.json", "_MTL.txt"))
    metadata = _Metadata.of(metadata_file)
    bands = tuple(_band(file, metadata) for file in _band_files(path))
    files = [raster_file(band.path) for band in bands]
    day = instant_in_name(path, match["day"], "%Y%m%d").date()
    period = options.period or Period(from_on=day, to_on=day)
    masks = _masks(path, product, options)
    used = [*(band.path for band in bands), *(mask.path for mask in masks)]
    return Scene(
        product=product,
        reader=NAME,
        sensor=options.sensor or NAME,
        observed_from=period.from_on,
        observed_to=period.to_on,
        acquired_at=None if options.period else metadata.acquired_at(),
        grid=min((file.grid for file in files), key=lambda grid: grid.gsd_m),
        bands=bands,
        nodata=0.0,
        masks=masks,
        cloud_frac=metadata.cloud_frac(),
        uri=scene_uri(path, NAME, options, has_mask=bool(masks)),
        files=(*used, metadata_file) if metadata_file else tuple(used),
    )


def _band_files(path: Path) -> list[Path]:
    """The files of all bands of the product that a band's file belongs to, in their order."""
    match = _BAND_FILE.match(path.stem)
    if match is None:
        return []
    known = SENSORS[NAME].bands
    found = {}
    for beside in path.parent.glob(f"{match['product']}_SR_B*"):
        of_band = _BAND_FILE.match(beside.stem)
        if of_band and is_tiff(beside) and of_band["band"].upper() in known:
            found[of_band["band"].upper()] = beside
    return [found[name] for name in known if name in found]


def _band(file: Path, metadata: _Metadata) -> Band:
    match = _BAND_FILE.match(file.stem)
    name = match["band"].upper() if match else ""
    row = SENSORS[NAME]
    number = name.removeprefix("B")
    return Band(
        name=str(our_name(NAME, name)),
        path=file,
        index=1,
        scale=metadata.scale(f"REFLECTANCE_MULT_BAND_{number}", row.scale or 1.0),
        offset=metadata.number(f"REFLECTANCE_ADD_BAND_{number}", row.offset),
    )


def _masks(path: Path, product: str, options: SceneOptions) -> tuple[MaskFile, ...]:
    if options.is_mask_ignored:
        return ()
    mask = SENSORS[NAME].mask
    file = _beside(path, product, tuple(f"{mask.suffix}{end}" for end in (".TIF", ".tif")))
    if file is not None:
        raster_file(file)
        return (MaskFile(path=file, index=1, codes=mask.codes),)
    if options.is_mask_optional:
        return ()
    raise InputError(
        f"{path}: no {product}{mask.suffix}.TIF beside it; fetch it, or give --no-mask to count all"
        " valid pixels as clear"
    )


def _beside(path: Path, product: str, endings: Sequence[str]) -> Path | None:
    for ending in endings:
        file = path.with_name(f"{product}{ending}")
        if file.is_file():
            return file
    return None


def _text_fields(text: str) -> dict[str, str]:
    """The fields of metadata as text, those of level 1 left out."""
    fields: dict[str, str] = {}
    is_level_1 = False
    for line in text.splitlines():
        name, _, value = (part.strip() for part in line.partition("="))
        if name in ("GROUP", "END_GROUP"):
            is_level_1 = name == "GROUP" and value.startswith(_LEVEL_1)
        elif value and not is_level_1:
            fields.setdefault(name, value.strip('"'))
    return fields


def _json_fields(groups: object) -> dict[str, str]:
    """The fields of metadata as JSON, those of level 1 left out."""
    fields: dict[str, str] = {}
    if not isinstance(groups, dict):
        raise ValueError("no groups of fields")  # as json does
    for name, value in groups.items():
        if isinstance(value, dict):
            inner = {} if name.startswith(_LEVEL_1) else _json_fields(value)
            fields = {**inner, **fields}
        else:
            fields[name] = str(value)
    return fields
