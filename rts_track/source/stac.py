"""Scenes that STAC items describe, their assets in files beside them."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rts_track.domain import digest
from rts_track.errors import InputError
from rts_track.source.bands import PLANET_ORDERS, SENSORS
from rts_track.source.imagery import check_image
from rts_track.source.plain import share_of
from rts_track.source.planet import udm2_masks
from rts_track.source.rasters import raster_file
from rts_track.source.scene import Band, MaskFile, Scene, SceneOptions, SceneReader
from rts_track.source.stac_bands import (
    Chosen,
    StacBand,
    chosen_assets,
    row_of,
    sensor_of,
)
from rts_track.source.stac_item import (
    StacItem,
    file_of,
    is_address,
    is_item_file,
    read_items,
    shown,
)
from rts_track.source.stac_reflectance import sentinel2_offset
from rts_track.source.uri import scene_uri

if TYPE_CHECKING:
    from rts_track.source.rasters import RasterFile

NAME = "stac"

STAC_SUFFIXES = (".json", ".geojson")
_READING_DIGITS = 16
"""Digits of the digest that tells whether an item still says the same of how it is read."""


def item_in(path: Path, item_id: str | None) -> StacItem:
    """The item of that id in a file; the only one, where no id is given.

    InputError where there is none, or several.
    """
    items, faults = _items(path)
    found = [item for item in items if item_id in (None, item.item_id)]
    if len(found) == 1:
        return found[0]
    if faults:
        raise InputError(faults[0])
    what = "several items" if found else f"no item {shown(item_id)}"
    raise InputError(f"{path}: {what} in it; ingest it again")


def members(path: Path) -> tuple[list[str], list[str]]:
    """The ids of the items in a file, and what is wrong with others; InputError for no such file.

    An id that comes twice is a fault.
    """
    items, faults = _items(path)
    ids = [item.item_id for item in items]
    twice = {item_id for item_id, n_times in Counter(ids).items() if n_times > 1}
    faults += [
        f"{path}: item {shown(each)} is in it twice; leave one out" for each in sorted(twice)
    ]
    return [item_id for item_id in ids if item_id not in twice], faults


def _items(path: Path) -> tuple[list[StacItem], list[str]]:
    """The items in a file; an ItemCollection is parsed once for all of its items."""
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    items, faults = _items_as_of(path, state.st_mtime_ns, state.st_size)
    return items, list(faults)


@lru_cache(maxsize=2)
def _items_as_of(path: Path, changed_ns: int, size: int) -> tuple[list[StacItem], list[str]]:
    del changed_ns, size
    return read_items(path)


def assets_of(item: StacItem, options: SceneOptions) -> tuple[Chosen, ...]:
    """The assets of an item that are read, its mask last; InputError where it cannot be."""
    return chosen_assets(item, options.sensor or sensor_of(item), options.assets)


def files_here(path: Path) -> list[Path]:
    """Those of the files of all items in a file that lie with it; what is not there is left out."""
    files: list[Path] = []
    with suppress(InputError):
        for asset in (asset for item in _items(path)[0] for asset in item.assets):
            with suppress(InputError):
                if not is_address(asset.href):
                    files.append(file_of(asset.href, path))
    return files


def is_elsewhere(item: StacItem, options: SceneOptions) -> bool:
    """Whether any of what is to be read lies in the web; InputError where the item is no scene."""
    return any(is_address(each.asset.href) for each in assets_of(item, options))


def _products(paths: Sequence[Path]) -> list[Path]:
    """Files that are STAC items, or collections of them."""
    return [
        path
        for path in paths
        if path.suffix.lower() in STAC_SUFFIXES and path.is_file() and is_item_file(path)
    ]


def _read(path: Path, options: SceneOptions) -> Scene:
    item = item_in(path, options.item)
    sensor = options.sensor or sensor_of(item)
    chosen = [
        each for each in assets_of(item, options) if not (each.is_mask and options.is_mask_ignored)
    ]
    check_mask(item, chosen, options)
    files = {each.asset.key: _file(item, each, path) for each in chosen}
    bands, nodata = _bands(item, chosen, files, options, sensor)
    masks = _masks(chosen, files, sensor)
    period = options.period or item.period()
    percent = item.cloud_percent()
    said = _reading(bands, nodata, masks)
    if options.reading not in (None, said):
        raise InputError(
            f"{item.place}: it says otherwise than at its ingest how it is read; ingest it again"
        )
    read = {band.path for band in bands} | {mask.path for mask in masks}
    kept = replace(options, reading=said)
    return Scene(
        product=item.item_id,
        reader=NAME,
        sensor=sensor,
        observed_from=period.from_on,
        observed_to=period.to_on,
        acquired_at=_acquired_at(item, options),
        grid=min((files[key].grid for key in _keys(chosen)), key=lambda grid: grid.gsd_m),
        bands=bands,
        nodata=nodata,
        masks=masks,
        cloud_frac=None if percent is None else share_of(percent, path),
        uri=scene_uri(path, NAME, kept, has_mask=bool(masks)),
        files=tuple(file.path for file in files.values() if file.path in read),
    )


STAC = SceneReader(name=NAME, products=_products, read=_read, members=members)


def _acquired_at(item: StacItem, options: SceneOptions) -> dt.datetime | None:
    """The instant, unless it was told otherwise or the scene is of several days."""
    period = item.period() if options.period is None else options.period
    is_of_a_day = options.period is None and period.from_on == period.to_on
    return item.acquired_at() if is_of_a_day else None


def _keys(chosen: Sequence[Chosen]) -> list[str]:
    """The keys of the assets that hold bands."""
    return [each.asset.key for each in chosen if not each.is_mask]


def _file(item: StacItem, chosen: Chosen, path: Path) -> RasterFile:
    """The file of an asset; InputError where it is not beside the item, or no image."""
    asset = chosen.asset
    where = f"{item.place}: asset {shown(asset.key)}"
    if is_address(asset.href):
        raise InputError(f"{where} lies at {shown(asset.href)}; give --downloads DIR to fetch it")
    try:
        file = file_of(asset.href, path)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    check_image(file)
    return raster_file(file)


def _bands(
    item: StacItem,
    chosen: Sequence[Chosen],
    files: dict[str, RasterFile],
    options: SceneOptions,
    sensor: str,
) -> tuple[tuple[Band, ...], float | None]:
    """The bands, and the stored value that means nothing in all of them."""
    bands: list[Band] = []
    nodata: set[float | None] = set()
    for each in chosen:
        if each.is_mask:
            continue
        file = files[each.asset.key]
        for said in _named(item, each, file):
            scale, offset = _scale_and_offset(item, said, file, options, sensor)
            bands.append(
                Band(name=said.name, path=file.path, index=said.index, scale=scale, offset=offset)
            )
            nodata.add(_nodata(said, file))
    if len(nodata) > 1:
        raise InputError(
            f"{item.place}: its bands state several values for nodata; leave some out with --assets"
        )
    return tuple(bands), nodata.pop()


def _named(item: StacItem, chosen: Chosen, file: RasterFile) -> tuple[StacBand, ...]:
    """The bands of an asset; those that PlanetScope's reflectance has by its order."""
    names = PLANET_ORDERS.get(file.n_bands, ()) if chosen.is_unnamed else ()
    unnamed = tuple(
        StacBand(name=name, index=index, scale=None, offset=None, nodata=None)
        for index, name in enumerate(names, start=1)
    )
    bands = chosen.bands or unnamed
    if not bands or max(band.index for band in bands) > file.n_bands:
        raise InputError(
            f"{item.place}: asset {shown(chosen.asset.key)} has {file.n_bands} bands, which are"
            " not those that the item states; fetch it again"
        )
    return bands


def _scale_and_offset(
    item: StacItem, band: StacBand, file: RasterFile, options: SceneOptions, sensor: str
) -> tuple[float, float]:
    """What makes reflectance of a band's stored values: as told, as the item says, as is usual."""
    if options.scale is not None:
        return options.scale, options.offset or 0.0
    row = SENSORS[row_of(sensor)]
    at = band.index - 1
    scale, usual_offset = (band.scale, row.offset)
    if scale is None and file.has_scales:
        scale, usual_offset = file.scales[at], file.offsets[at]
    elif scale is None and not file.is_integer:
        return 1.0, options.offset if options.offset is not None else band.offset or 0.0
    elif scale is None:
        scale = row.scale
    if scale is None:
        raise InputError(
            f"{item.place}: its {band.name} stores integers, and nothing says their scale; give"
            " --scale, such as --scale 0.0001"
        )
    if not 0.0 < scale < math.inf or not math.isfinite(usual_offset):
        raise InputError(
            f"{item.place}: its {band.name} is scaled by {scale:g}; give --scale and --offset"
        )
    if options.offset is not None:
        return scale, options.offset
    if row_of(sensor) == "sentinel2":
        return scale, sentinel2_offset(item, band.offset, scale)
    return scale, usual_offset if band.offset is None else band.offset


def _nodata(band: StacBand, file: RasterFile) -> float | None:
    """The stored value that means nothing: as item or file state, else 0; None for NaN."""
    said = band.nodata if band.nodata is not None else file.nodata
    if said is None:
        return 0.0
    return said if np.isfinite(said) else None


def check_mask(item: StacItem, chosen: Sequence[Chosen], options: SceneOptions) -> None:
    """InputError where no mask is among what is to be read, and one is needed."""
    is_needed = not (options.is_mask_optional or options.is_mask_ignored)
    if is_needed and not any(each.is_mask for each in chosen):
        sensor = options.sensor or sensor_of(item)
        raise InputError(
            f"{item.place}: no mask among its assets ({SENSORS[row_of(sensor)].mask.name} of"
            f" {sensor}); give --no-mask to count all valid pixels as clear"
        )


def _masks(
    chosen: Sequence[Chosen], files: dict[str, RasterFile], sensor: str
) -> tuple[MaskFile, ...]:
    """The mask among the assets, by its sensor's codes."""
    row = row_of(sensor)
    for each in chosen:
        if each.is_mask:
            file = files[each.asset.key]
            if row == "planetscope":
                return udm2_masks(file)
            return (MaskFile(path=file.path, index=1, codes=SENSORS[row].mask.codes),)
    return ()


def _reading(bands: Sequence[Band], nodata: float | None, masks: Sequence[MaskFile]) -> str:
    """A digest of how files are read, whatever else an item says."""
    said = [(band.name, band.path.name, band.index, band.scale, band.offset) for band in bands]
    hidden = [(mask.path.name, mask.index, mask.codes) for mask in masks]
    return digest(said, nodata, hidden)[:_READING_DIGITS]
