"""Plain GeoTIFFs of declared bands: whatever a sensor saw, exported as one file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rts_track.errors import InputError, UsageError
from rts_track.source.bands import SENSORS, SKIPPED, our_name
from rts_track.source.dates import Period, day_in_name
from rts_track.source.rasters import raster_file
from rts_track.source.scene import Band, MaskFile, Scene, SceneOptions, SceneReader
from rts_track.source.uri import scene_uri

if TYPE_CHECKING:
    from rts_track.source.rasters import RasterFile

TIFF_SUFFIXES = (".tif", ".tiff")
NAME = "raster"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainProduct:
    """What the name of a plain GeoTIFF tells: its reader, sensor, and when it was acquired."""

    reader: str
    sensor: str
    period: Period | None
    acquired_at: dt.datetime | None = None


def is_tiff(path: Path) -> bool:
    """Whether the name is that of a TIFF."""
    return path.suffix.lower() in TIFF_SUFFIXES


def is_mask_file(path: Path) -> bool:
    """Whether the name is that of a mask that lies beside a plain GeoTIFF."""
    suffixes = {row.mask.suffix.lower() for row in SENSORS.values()}
    return path.stem.lower().endswith(tuple(suffixes))


def instant_in_name(path: Path, text: str, form: str) -> dt.datetime:
    """The instant in UTC that part of a product's name says; InputError where it is none."""
    try:
        return dt.datetime.strptime(f"{text}+0000", f"{form}%z").astimezone(dt.UTC)
    except ValueError as error:
        raise InputError(f"{path}: {text} in its name is no date; give it its own name") from error


def share_of(percent: float, file: Path) -> float:
    """The share that so many per cent are; InputError where that is none."""
    if not 0.0 <= percent <= 100.0:
        raise InputError(f"{file}: {percent!s:.20} % is no share of cloud; fetch it again")
    return percent / 100.0


def plain_scene(path: Path, options: SceneOptions, product: PlainProduct) -> Scene:
    """The scene that one GeoTIFF is.

    Integers are scaled as the sensor's row of the band table says, floating-point numbers are
    reflectance, unless the options or the file's own scales say otherwise.

    Raises:
        InputError: the file cannot be one, or it does not say enough.
        UsageError: the options do not fit it.
    """
    file = raster_file(path)
    period = options.period or product.period
    if period is None:
        raise InputError(f"{path}: no date in its name; give --date")
    names = _band_names(file, options, product.sensor)
    bands = _bands(file, names, options, product.sensor)
    masks = () if options.is_mask_ignored else _masks(path, names, product.sensor)
    if not masks and options.is_mask_needed:
        raise InputError(f"{path}: its mask is gone; bring it back, or ingest the scene again")
    kept = replace(options, bands=tuple(name or SKIPPED for name in names))
    if not file.has_scales:
        kept = replace(kept, scale=bands[0].scale, offset=bands[0].offset)
    return Scene(
        product=path.stem,
        reader=product.reader,
        sensor=product.sensor,
        observed_from=period.from_on,
        observed_to=period.to_on,
        acquired_at=None if options.period else product.acquired_at,
        grid=file.grid,
        bands=bands,
        nodata=_nodata(file),
        masks=masks,
        cloud_frac=None,
        uri=scene_uri(path, product.reader, kept, has_mask=bool(masks)),
        files=tuple(dict.fromkeys([path, *(mask.path for mask in masks)])),
    )


def _products(paths: Sequence[Path]) -> list[Path]:
    """Every TIFF but masks beside one."""
    return [path for path in paths if is_tiff(path) and not is_mask_file(path)]


def _read(path: Path, options: SceneOptions) -> Scene:
    if options.sensor is None:
        raise UsageError(f"{path}: what acquired it? Give --sensor NAME")
    day = day_in_name(path.stem)
    period = Period(from_on=day, to_on=day) if day else None
    return plain_scene(
        path, options, PlainProduct(reader=NAME, sensor=options.sensor, period=period)
    )


RASTER = SceneReader(name=NAME, products=_products, read=_read)


def _row_name(sensor: str) -> str:
    """Which row of the band table speaks for the sensor."""
    return sensor if sensor in SENSORS else "raster"


def _band_names(file: RasterFile, options: SceneOptions, sensor: str) -> tuple[str | None, ...]:
    """Our names of the file's bands in their order; None for one that is left out."""
    row = _row_name(sensor)
    if options.bands is None:
        names = _described_names(file, row)
    elif len(options.bands) != file.n_bands:
        raise InputError(
            f"{file.path}: it has {file.n_bands} bands and --bands names {len(options.bands)};"
            f" name each, and {SKIPPED} for one to leave out"
        )
    else:
        names = tuple(our_name(row, name) for name in options.bands)
    given = [name for name in names if name is not None]
    if len(set(given)) < len(given):
        raise UsageError(f"{file.path}: a band is named twice: {', '.join(given)}")
    if not set(given) - {SENSORS[row].mask.name}:
        raise InputError(f"{file.path}: no band of it is named; give --bands")
    return names


def _described_names(file: RasterFile, row: str) -> tuple[str | None, ...]:
    """The names that the file itself gives its bands."""
    names: list[str | None] = []
    for description in file.descriptions:
        try:
            names.append(our_name(row, (description or SKIPPED).strip()))
        except UsageError:
            names.append(None)
    if not any(names):
        raise InputError(
            f"{file.path}: what are its {file.n_bands} bands? Give --bands, such as"
            " --bands B2,B3,B4,B8"
        )
    return tuple(names)


def _bands(
    file: RasterFile, names: tuple[str | None, ...], options: SceneOptions, sensor: str
) -> tuple[Band, ...]:
    mask = SENSORS[_row_name(sensor)].mask.name
    bands = []
    for at, name in enumerate(names):
        if name is not None and name != mask:
            scale, offset = _scale_and_offset(file, at, options, sensor)
            bands.append(Band(name=name, path=file.path, index=at + 1, scale=scale, offset=offset))
    return tuple(bands)


def _scale_and_offset(
    file: RasterFile, at: int, options: SceneOptions, sensor: str
) -> tuple[float, float]:
    """What makes reflectance of the stored values of the band in position `at`."""
    row = SENSORS[_row_name(sensor)]
    if options.scale is not None:
        return options.scale, options.offset or 0.0
    scale, offset = file.scales[at], file.offsets[at]
    if not (np.isfinite(scale) and np.isfinite(offset) and scale > 0.0):
        raise InputError(
            f"{file.path}: it says that its numbers are scaled by {scale:g} and moved by"
            f" {offset:g}; give --scale and --offset"
        )
    if file.is_integer and not file.has_scales:
        if row.scale is None:
            raise InputError(
                f"{file.path}: it stores integers; give --scale, such as --scale 0.0001 for"
                " ten-thousandths of reflectance"
            )
        scale, offset = row.scale, row.offset
    return scale, offset if options.offset is None else options.offset


def _nodata(file: RasterFile) -> float | None:
    """The stored value that means nothing: as stated, else 0; None for NaN and infinities."""
    if file.nodata is None:
        return 0.0
    return file.nodata if np.isfinite(file.nodata) else None


def _masks(path: Path, names: tuple[str | None, ...], sensor: str) -> tuple[MaskFile, ...]:
    """The mask among the bands, or in a file beside."""
    mask = SENSORS[_row_name(sensor)].mask
    if mask.name in names:
        return (MaskFile(path=path, index=names.index(mask.name) + 1, codes=mask.codes),)
    for beside in sorted(path.parent.glob(f"{_escaped(path.stem)}_*")):
        if is_tiff(beside) and beside.stem.lower() == f"{path.stem}{mask.suffix}".lower():
            raster_file(beside)
            return (MaskFile(path=beside, index=1, codes=mask.codes),)
    return ()


def _escaped(name: str) -> str:
    """The name as a pattern that matches it alone."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)
