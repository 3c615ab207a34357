"""STAC items as documents: what one says of its scene and its files, and where these lie.

STAC 1.0 and 1.1 (https://stacspec.org). An item is somebody else's word: of what it says, only
what is of the right type counts, and its references lead nowhere but where they may.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit
from urllib.request import url2pathname

from rts_track.errors import InputError
from rts_track.source.dates import Period

LARGEST_ITEM_BYTES = 16 * 2**20
"""An item has tens of kilobytes; a larger document is none."""
LARGEST_COLLECTION_BYTES = 256 * 2**20
"""An ItemCollection of ten thousand items; one that is larger is to be cut, or searched for."""

_WEB = ("http", "https")
_ITEM = "Feature"
_ITEM_COLLECTION = "FeatureCollection"
_LONGEST_ID = 250
_LONGEST_WORD = 512
"""Characters of somebody else's word that are looked at to show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StacAsset:
    """One file of an item: its key there, its reference as it stands, and all that is said of it.

    `fields` is what the item says, of unchecked types.
    """

    key: str
    href: str
    fields: Mapping[str, Any]

    @property
    def roles(self) -> frozenset[str]:
        """What it is for, as the item says."""
        return frozenset(str(role).lower() for role in _list(self.fields.get("roles")))

    @property
    def media_type(self) -> str:
        """Its media type without parameters, such as `image/tiff`; empty where it is not said."""
        return str(self.fields.get("type") or "").partition(";")[0].strip().lower()

    @property
    def file_name(self) -> str:
        """The last part of its reference's path."""
        return unquote(_parts(self.href).path).rpartition("/")[2]

    @property
    def bands(self) -> tuple[Mapping[str, Any], ...]:
        """What is said of each of its bands: `bands` of STAC 1.1, or `eo:` and `raster:bands`.

        Empty where nothing is. What is said of the asset as a whole counts for each of its bands
        that says nothing else.
        """
        lists = [_list(self.fields.get(name)) for name in ("raster:bands", "eo:bands", "bands")]
        merged: list[dict[str, Any]] = [{} for _ in range(max(map(len, lists)))]
        for said in lists:
            for band, words in zip(merged, said, strict=False):
                band.update(_mapping(words))
        return tuple({**self.fields, **band} for band in merged)


@dataclass(frozen=True, slots=True, kw_only=True)
class StacItem:
    """An item: what was acquired when, and its files.

    Attributes:
        item_id: its id; in its collection there is one of that.
        collection: the collection's id; None where it has none.
        properties: what it says of the whole scene, of unchecked types.
        assets: its files.
        base: the file that it stands in, or its address.
        document: the item as it was read.
    """

    item_id: str
    collection: str | None
    properties: Mapping[str, Any]
    assets: tuple[StacAsset, ...]
    base: Path | str
    document: Mapping[str, Any]

    @property
    def place(self) -> str:
        """How it is named where something is wrong with it."""
        return f"{self.base}: item {shown(self.item_id)}"

    def asset(self, key: str) -> StacAsset:
        """The asset of that key; KeyError where there is none."""
        for asset in self.assets:
            if asset.key == key:
                return asset
        raise KeyError(key)

    def period(self) -> Period:
        """Day or days of acquisition; InputError where none is said.

        Its start and end count where it has no instant, or where they are on several days, as a
        composite's are.
        """
        at = self.acquired_at()
        ends = [self._instant(f"{end}_datetime") for end in ("start", "end")]
        first, last = (each.date() if each else None for each in ends)
        if first is not None and last is not None and (at is None or first < last):
            if first > last:
                raise InputError(f"{self.place}: its end_datetime is before its start_datetime")
            return Period(from_on=first, to_on=last)
        if at is None:
            raise InputError(f"{self.place}: no datetime; give --date")
        return Period(from_on=at.date(), to_on=at.date())

    def acquired_at(self) -> dt.datetime | None:
        """The instant of acquisition in UTC; None where that is not said."""
        return self._instant("datetime")

    def cloud_percent(self) -> float | None:
        """Cloudy share in per cent as it states; None where it does not, or no number."""
        return number(self.properties.get("eo:cloud_cover"))

    def _instant(self, name: str) -> dt.datetime | None:
        text = self.properties.get(name)
        if text is None:
            return None
        try:
            at = dt.datetime.fromisoformat(str(text))
            return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{self.place}: {name} {shown(text)!r} is no instant") from error


def shown(word: object, length: int = 80) -> str:
    """Somebody else's word in one line, and not too long."""
    text = "".join(each if each.isprintable() else " " for each in str(word)[:_LONGEST_WORD])
    return text if len(text) <= length else f"{text[: length - 3]}..."


def number(value: object) -> float | None:
    """The finite number that a field holds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def is_address(href: str) -> bool:
    """Whether a reference is an address of the web."""
    return _parts(href).scheme.lower() in _WEB


def items_in(document: object, base: Path | str) -> tuple[list[StacItem], list[str]]:
    """The items of a document, one or those of an ItemCollection; and what is wrong with others.

    Args:
        document: parsed JSON.
        base: the file or the address that it is of.

    Raises:
        InputError: it is neither.
    """
    if not is_collection(document):
        return [item_of(document, base)], []
    items, faults = [], []
    for each in _list(_mapping(document).get("features")):
        try:
            items.append(item_of(each, base))
        except InputError as error:
            faults.append(str(error))
    if not items and not faults:
        raise InputError(f"{base}: an ItemCollection without items")
    return items, faults


def is_collection(document: object) -> bool:
    """Whether a document is an ItemCollection, such as a page of what an API found."""
    return _mapping(document).get("type") == _ITEM_COLLECTION


def item_of(document: object, base: Path | str) -> StacItem:
    """The item that a document is; InputError where it is none, or of the wrong shape."""
    if not _is_item(document):
        raise InputError(f"{base}: no STAC item; expected one, or an ItemCollection")
    said = _mapping(document)
    item_id = said.get("id")
    if not isinstance(item_id, str) or not item_id.strip():
        raise InputError(f"{base}: a STAC item without an id; fetch it again")
    if len(item_id) > _LONGEST_ID or not item_id.isprintable():
        raise InputError(f"{base}: {shown(item_id)!r} is no id of an item; fetch it again")
    item = StacItem(
        item_id=item_id,
        collection=_collection(said.get("collection")),
        properties=_mapping(said.get("properties")),
        assets=tuple(_assets(said.get("assets"))),
        base=base,
        document=said,
    )
    if not item.assets:
        raise InputError(f"{item.place}: it has no assets; fetch it again")
    return item


def is_item_file(path: Path) -> bool:
    """Whether the file holds a STAC item, or an ItemCollection; False where it cannot be read."""
    try:
        document = _parsed(path)
    except InputError:
        return False
    if is_collection(document):
        features = _list(_mapping(document).get("features"))
        return bool(features) and _is_item(features[0])
    return _is_item(document)


def read_items(path: Path) -> tuple[list[StacItem], list[str]]:
    """The items in a file, and what is wrong with others; InputError where it holds none."""
    return items_in(_parsed(path), path)


def parse_document(text: bytes, base: Path | str) -> object:
    """The document as parsed JSON; InputError where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{base}: no JSON; fetch it again") from error


def address_of(href: str, base: str) -> str:
    """Where a reference of an item at an address leads.

    InputError where that is none of the web: an item from elsewhere names no file of this machine.
    """
    try:
        address = urljoin(base, href)
        is_of_web = is_address(address) and bool(_parts(address).hostname)
    except ValueError:
        is_of_web = False
    if not is_of_web:
        raise InputError(f"{shown(href)!r} is not fetched: only http and https are")
    return address


def file_of(href: str, base: Path) -> Path:
    """The file that a reference of an item in a file leads to.

    InputError where it is none below the item's folder, whatever links lie on the way.
    """
    folder = base.parent.resolve()
    for path in _candidates(href, base.parent):
        try:
            file = path.resolve()
            is_there = file.is_file()
        except (OSError, ValueError, RuntimeError):  # too long, a null byte, a loop of links
            break
        if not file.is_relative_to(folder):
            raise InputError(f"{shown(href)!r} leads out of the item's folder; put it there")
        if is_there:
            return file
    raise InputError(f"{shown(href)!r} is not there; bring it back, or fetch the item again")


def _candidates(href: str, folder: Path) -> list[Path]:
    """The paths that a reference may mean: as it stands, and with its %-escapes undone."""
    parts = _parts(href)
    if parts.scheme.lower() == "file" and parts.netloc in ("", "localhost"):
        return [Path(url2pathname(parts.path))]
    if parts.scheme and "//" in href:
        raise InputError(f"{shown(href)!r} is no file; only http, https and files are read")
    return list(dict.fromkeys([folder / href, folder / unquote(href)]))


def _parts(href: str) -> SplitResult:
    """The parts of a reference; all of it is a path where it is malformed."""
    try:
        return urlsplit(href)
    except ValueError:
        return SplitResult("", "", href, "", "")


def _parsed(path: Path) -> object:
    try:
        size = path.stat().st_size
        if size > LARGEST_COLLECTION_BYTES:
            raise InputError(f"{path}: {size:,} bytes are no STAC document; cut it into parts")
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if size > LARGEST_ITEM_BYTES and b'"FeatureCollection"' not in text:
        raise InputError(f"{path}: {size:,} bytes are no STAC item")
    if b'"stac_version"' not in text:
        raise InputError(f"{path}: no STAC item; expected one, or an ItemCollection")
    return parse_document(text, path)


def _is_item(document: object) -> bool:
    return (
        isinstance(document, Mapping)
        and document.get("type") == _ITEM
        and isinstance(document.get("stac_version"), str)
    )


def _assets(said: object) -> list[StacAsset]:
    """The assets that have a key and a reference."""
    return [
        StacAsset(key=str(key), href=href, fields=fields)
        for key, fields in _mapping(said).items()
        if isinstance(fields, Mapping) and (href := _reference(fields))
    ]


def _reference(fields: Mapping[str, Any]) -> str | None:
    """Where an asset's file is: by the web where it is there, too (the alternate-assets extension).

    None where that is not said.
    """
    href = fields.get("href")
    if not isinstance(href, str) or not href:
        return None
    if not _parts(href).scheme or is_address(href) or href.lower().startswith("file:"):
        return href
    others = (_mapping(each).get("href") for each in _mapping(fields.get("alternate")).values())
    return next((each for each in others if isinstance(each, str) and is_address(each)), href)


def _collection(said: object) -> str | None:
    return said if isinstance(said, str) and said.strip() else None


def _mapping(said: object) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}


def _list(said: object) -> list[Any]:
    return said if isinstance(said, list) else []
