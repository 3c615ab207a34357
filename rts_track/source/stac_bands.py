"""Which assets of a STAC item hold a scene's bands and its mask.

Catalogs call the same band by many names; they are told by the band's own name, the asset's key,
the common name of the electro-optical extension, and the file's name, in this order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rts_track.errors import InputError, UsageError
from rts_track.source.bands import BAND_NAMES, SENSORS, our_name
from rts_track.source.stac_item import StacAsset, StacItem, number, shown
from rts_track.source.stac_reflectance import check_level

_ALIASES: dict[str, dict[str, str]] = {
    # Earth Search names red edges apart, the common names of the extension's version 2 do, too
    "sentinel2": {
        "nir08": "nir2",
        "rededge071": "rededge1",
        "rededge075": "rededge2",
        "rededge078": "rededge3",
        "swir16": "swir1",
        "swir22": "swir2",
    },
    "landsat": {"nir08": "nir", "swir16": "swir1", "swir22": "swir2"},
    "planetscope": {"red_edge": "rededge1", "rededge": "rededge1", "coastal_aerosol": "coastal"},
    "raster": {"nir08": "nir", "rededge": "rededge1", "swir16": "swir1", "swir22": "swir2"},
}
"""Our names of bands by those of catalogs, lower-case, where the band table has no such name."""

_MASKS: dict[str, re.Pattern[str]] = {
    "sentinel2": re.compile(r"(^|_)scl(_\d0m)?$", re.IGNORECASE),
    "landsat": re.compile(r"(^|_)qa_pixel$", re.IGNORECASE),
    "planetscope": re.compile(r"^(?!basic_)(.*_)?udm2(_clip)?(_tif)?$", re.IGNORECASE),
    "raster": re.compile(r"(^|_)clear$", re.IGNORECASE),
}
"""How the key, type or file of a mask is called."""

_PICTURE = re.compile(
    r"(^|[_-])(visual|tci|preview|rendered|thumbnail|overview|browse)([_-]|$)", re.IGNORECASE
)
_PICTURE_ROLES = frozenset({"thumbnail", "overview", "visual", "metadata", "graphic"})
_IMAGE_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
_IMAGE_FILE = re.compile(r"\.(tiff?|jp2)$", re.IGNORECASE)
_RESOLUTION = re.compile(r"_(\d0)m$", re.IGNORECASE)
_REFLECTANCE_OF_PLANET = re.compile(r"^(?!basic_).*_sr(_|$)", re.IGNORECASE)
"""`basic_` ones are not on a map."""
_BYTE = "uint8"

_SENTINEL_2 = re.compile(r"^sentinel[-_ ]?2[a-d]?$", re.IGNORECASE)
_LANDSAT = re.compile(r"^landsat[-_ ]?[89]$", re.IGNORECASE)
_PLANETSCOPE = re.compile(r"^(planetscope|ps2|ps2\.sd|psb\.sd)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StacBand:
    """A band of an asset: our name, its place in the file from 1, and what is said of its numbers.

    `scale` and `offset` are None where nothing is said; `nodata` likewise.
    """

    name: str
    index: int
    scale: float | None
    offset: float | None
    nodata: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An asset to be read: which bands are in it. `bands` is empty where it is the mask.

    `is_unnamed` says of PlanetScope's reflectance that its bands are those of its order.
    """

    asset: StacAsset
    bands: tuple[StacBand, ...]
    is_mask: bool = False
    is_unnamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """An asset that may be chosen for the bands in it; the least `rank` is chosen."""

    asset: StacAsset
    bands: tuple[StacBand, ...]
    rank: tuple[float, float, float, str]


def sensor_of(item: StacItem) -> str:
    """What acquired the item's scene, in the words of the band table.

    InputError where its platform is none of these.
    """
    said = item.properties
    words = [said.get("constellation"), said.get("platform")]
    instruments = said.get("instruments")
    words += instruments if isinstance(instruments, list) else []
    for word in words:
        for pattern, sensor in (
            (_SENTINEL_2, "sentinel2"),
            (_LANDSAT, "landsat"),
            (_PLANETSCOPE, "planetscope"),
        ):
            if isinstance(word, str) and pattern.match(word):
                return sensor
    if said.get("pl:item_type") == "PSScene":
        return "planetscope"
    platform = shown(said.get("platform") or said.get("constellation") or "that it does not name")
    raise InputError(
        f"{item.place}: platform {platform} is none of Sentinel-2, Landsat 8 and 9, PlanetScope;"
        " give --sensor NAME"
    )


def row_of(sensor: str) -> str:
    """Which row of the band table speaks for a sensor."""
    return sensor if sensor in SENSORS else "raster"


def chosen_assets(
    item: StacItem, sensor: str, wanted: Sequence[str] | None = None
) -> tuple[Chosen, ...]:
    """The assets that hold the item's bands, each band once, in the band table's order; its mask.

    Of several that hold a band, the finest that can be fetched is taken. The mask comes last, if
    there is one.

    Args:
        item: the item.
        sensor: what acquired it.
        wanted: keys of assets, or our names of bands; None takes all known bands.

    Raises:
        InputError: it holds no surface reflectance, or not what is wanted.
    """
    row = row_of(sensor)
    check_level(item)
    offers = sorted(_offers(item, row), key=lambda offer: offer.rank)
    if wanted is not None:
        offers = _wanted(item, offers, wanted)
    chosen = _chosen(offers, row)
    if not chosen:
        raise InputError(
            f"{item.place}: no asset that is known as a band of {sensor}'s surface reflectance; it"
            f" has {listed(item)}"
        )
    mask = _mask(item, row)
    return (*chosen, Chosen(asset=mask, bands=(), is_mask=True)) if mask else chosen


def listed(item: StacItem) -> str:
    """The keys of an item's assets, the first dozen of them."""
    keys = [shown(asset.key, 40) for asset in item.assets]
    return ", ".join(keys[:12]) + (f" and {len(keys) - 12} more" if len(keys) > 12 else "")


def _offers(item: StacItem, row: str) -> Iterator[_Offer]:
    """The assets that may hold bands."""
    for asset in item.assets:
        if not _is_image(asset) or _is_mask(asset, row):
            continue
        if row == "planetscope" and not _is_planet_reflectance(asset):
            continue
        bands = tuple(_bands(asset, row))
        if bands or row == "planetscope":
            yield _Offer(asset=asset, bands=bands, rank=_rank(asset, bands, row))


def _is_image(asset: StacAsset) -> bool:
    """Whether it may be a raster of more than a picture's colours."""
    if asset.roles & _PICTURE_ROLES or _PICTURE.search(asset.key):
        return False
    if any(band.get("data_type") == _BYTE for band in asset.bands):
        return False
    is_typed = asset.media_type in _IMAGE_TYPES
    return is_typed or bool(not asset.media_type and _IMAGE_FILE.search(asset.file_name))


def _names(asset: StacAsset) -> Iterator[str]:
    """What an asset as a whole goes by."""
    yield asset.key
    yield str(asset.fields.get("pl:asset_type") or "")
    yield asset.file_name.rpartition(".")[0]


def _is_planet_reflectance(asset: StacAsset) -> bool:
    return any(_REFLECTANCE_OF_PLANET.search(name) for name in _names(asset))


def _is_mask(asset: StacAsset, row: str) -> bool:
    return any(_MASKS[row].search(name) for name in _names(asset))


def _mask(item: StacItem, row: str) -> StacAsset | None:
    """The finest mask that can be fetched; None where there is none."""
    masks = [
        asset
        for asset in item.assets
        if _is_mask(asset, row)
        and (asset.media_type in _IMAGE_TYPES or _IMAGE_FILE.search(asset.file_name))
    ]
    masks.sort(key=lambda asset: _rank(asset, (), row))
    return masks[0] if masks else None


def _bands(asset: StacAsset, row: str) -> Iterator[StacBand]:
    """The bands of an asset that the band table knows."""
    said = asset.bands or (asset.fields,)
    for index, band in enumerate(said, start=1):
        words = [band.get("name"), band.get("eo:common_name"), band.get("common_name")]
        if len(said) == 1:
            stem = asset.file_name.rpartition(".")[0]
            last = _RESOLUTION.sub("", stem).rpartition("_")[2]
            words = [words[0], asset.key, *words[1:], stem, last]
        named = (_our_name(row, word) for word in words if isinstance(word, str))
        name = next((name for name in named if name), None)
        if name:
            yield StacBand(
                name=name,
                index=index,
                scale=_first(band, "raster:scale", "scale"),
                offset=_first(band, "raster:offset", "offset"),
                nodata=_first(band, "nodata"),
            )


def _our_name(row: str, word: str) -> str | None:
    """Our name of a band that a catalog calls so; None for what is no band of the sensor."""
    plain = re.sub(r"[\s-]+", "_", word.strip()).lower()
    plain = _RESOLUTION.sub("", plain).removeprefix("oli_")
    if plain in _ALIASES[row]:
        return _ALIASES[row][plain]
    try:
        name = our_name(row, plain.upper())
    except UsageError:
        return None
    return name if name in BAND_NAMES else None


def _first(band: Mapping[str, Any], *names: str) -> float | None:
    """The first number that stands in one of the fields."""
    return next((value for name in names if (value := number(band.get(name))) is not None), None)


def _rank(asset: StacAsset, bands: Sequence[StacBand], row: str) -> tuple[float, float, float, str]:
    """How well it serves; less is better.

    PlanetScope's eight bands are better than four. Other assets are better if they hold one band:
    the rest of the file need not be fetched.
    """
    n_bands = 8 if "_8b" in asset.key.lower() else len(bands)
    is_tiff = asset.media_type.endswith(("tiff", "geotiff")) or ".tif" in asset.file_name.lower()
    return (
        float(asset.href.lower().startswith("s3:")),
        -n_bands if row == "planetscope" else n_bands,
        _gsd_m(asset) + (0.0 if is_tiff else 1e-3),
        asset.key,
    )


def _gsd_m(asset: StacAsset) -> float:
    """Size of its pixels so far as it says; many metres where it does not."""
    said = asset.bands[0] if asset.bands else asset.fields
    gsd_m = _first(said, "raster:spatial_resolution", "spatial_resolution", "gsd")
    match = _RESOLUTION.search(asset.key)
    if gsd_m is None and match:
        return float(match[1])
    return gsd_m if gsd_m is not None else 1e6


def _wanted(item: StacItem, offers: Sequence[_Offer], wanted: Sequence[str]) -> list[_Offer]:
    """The offers that are asked for, cut down to the bands that are; InputError for others."""
    kept: list[_Offer] = []
    for word in wanted:
        of_key = [offer for offer in offers if offer.asset.key == word]
        of_band = [
            _Offer(asset=offer.asset, bands=(band,), rank=offer.rank)
            for offer in offers
            for band in offer.bands
            if band.name == word.lower()
        ]
        if not of_key and not of_band:
            raise InputError(
                f"{item.place}: no band {shown(word)!r} among its assets; it has {listed(item)}"
            )
        kept += of_key or of_band
    return kept


def _chosen(offers: Sequence[_Offer], row: str) -> tuple[Chosen, ...]:
    """Of the offers, best first, those that hold a band that none before does."""
    if row == "planetscope" and offers and not offers[0].bands:
        return (Chosen(asset=offers[0].asset, bands=(), is_unnamed=True),)
    taken: set[str] = set()
    by_key: dict[str, tuple[StacAsset, list[StacBand]]] = {}
    for offer in offers:
        for band in offer.bands:
            if band.name not in taken:
                taken.add(band.name)
                by_key.setdefault(offer.asset.key, (offer.asset, []))[1].append(band)
    chosen = [Chosen(asset=asset, bands=tuple(bands)) for asset, bands in by_key.values()]
    return tuple(sorted(chosen, key=lambda each: BAND_NAMES.index(each.bands[0].name)))
