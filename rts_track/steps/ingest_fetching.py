"""Scenes of an ingest that lie in the web: found, fetched one after the other, and read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import InputError
from rts_track.progress import Progress, silent
from rts_track.source.scene import SceneFault
from rts_track.source.stac import STAC, is_elsewhere, item_in
from rts_track.source.stac_fetch import fetch
from rts_track.source.stac_item import StacItem
from rts_track.source.stac_search import items_at, search_items
from rts_track.source.web import Web

if TYPE_CHECKING:
    from rts_track.source.scene import Scene, SceneOptions
    from rts_track.source.scenes import Product
    from rts_track.source.stac_query import StacQuery

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedScene:
    """A scene, all of it on this machine now, and how many bytes of it had to come."""

    scene: Scene
    n_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What is to be fetched, and where to.

    Attributes:
        addresses: addresses of items.
        products: local items whose files are in the web.
        query: what to ask of a STAC API; None for nothing.
        options: how the scenes are read.
        downloads: folder of all downloads.
        rate_per_s: requests a second that a host gets.
    """

    addresses: Sequence[str]
    products: Sequence[Product]
    query: StacQuery | None
    options: SceneOptions
    downloads: Path
    rate_per_s: float


def lies_elsewhere(product: Product) -> bool:
    """Whether a product is an item whose files are in the web."""
    if product.reader is not STAC:
        return False
    try:
        return is_elsewhere(item_in(product.path, product.options.item), product.options)
    except InputError:
        return False  # told when it is read


def fetched_scenes(
    errand: Errand, *, progress: Progress = silent
) -> Iterator[FetchedScene | SceneFault]:
    """The scenes of an errand as they come, each whole; and what is wrong with the others.

    UsageError where the rate cannot be one; OSError as it comes, such as of a full disk.
    """
    with Web(errand.rate_per_s) as web:
        for item in progress(_items(web, errand), label="fetching"):
            if isinstance(item, SceneFault):
                yield item
            else:
                yield from _fetched(web, item, errand)


def _fetched(web: Web, item: StacItem, errand: Errand) -> Iterator[FetchedScene | SceneFault]:
    """The item's scene, or what is wrong, an asset a line."""
    came = fetch(web, item, errand.options, errand.downloads)
    for fault in came.faults:
        yield SceneFault(item.item_id, fault)
    if came.item_file is None:
        return
    _log.info("ingest: %s: %d bytes fetched", came.item_file, came.n_bytes)
    try:
        scene = STAC.read(came.item_file.resolve(), replace(errand.options, assets=None, item=None))
    except InputError as error:
        yield SceneFault(item.item_id, str(error))
        return
    yield FetchedScene(scene=scene, n_bytes=came.n_bytes)


def _items(web: Web, errand: Errand) -> Iterator[StacItem | SceneFault]:
    """The items in order: those of files, those at addresses, those that are found."""
    for product in errand.products:
        yield item_in(product.path, product.options.item)
    for address in errand.addresses:
        yield from _of_address(web, address)
    if errand.query is not None:
        yield from _of_search(web, errand.query)


def _of_address(web: Web, address: str) -> Iterator[StacItem | SceneFault]:
    try:
        items, faults = items_at(web, address)
    except InputError as error:
        yield SceneFault(address, str(error))
        return
    yield from items
    for fault in faults:
        yield SceneFault(address, fault)


def _of_search(web: Web, query: StacQuery) -> Iterator[StacItem | SceneFault]:
    try:
        for found in search_items(web, query):
            yield SceneFault(query.api, found) if isinstance(found, str) else found
    except InputError as error:
        yield SceneFault(query.api, str(error))
