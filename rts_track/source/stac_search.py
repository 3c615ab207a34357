"""STAC items in the web: at an address of their own, or found by a STAC API's search."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rts_track.errors import InputError
from rts_track.source.stac_item import (
    LARGEST_COLLECTION_BYTES,
    LARGEST_ITEM_BYTES,
    StacItem,
    is_address,
    is_collection,
    item_of,
    items_in,
    parse_document,
)
from rts_track.source.web import plain

if TYPE_CHECKING:
    from pystac_client import Client
    from pystac_client.stac_api_io import StacApiIO

    from rts_track.source.stac_query import StacQuery
    from rts_track.source.web import Web

_PAGE = 100
"""Items that an API is asked for at a time."""
_JSON = {"Accept": "application/geo+json, application/json"}
_CLOUD = "eo:cloud_cover"


def items_at(web: Web, address: str) -> tuple[list[StacItem], list[str]]:
    """The items at an address, one or those of an ItemCollection; and what is wrong with others.

    InputError where it is neither, or cannot be reached.
    """
    text = web.text(address, limit_bytes=LARGEST_COLLECTION_BYTES, headers=_JSON)
    base = plain(address)
    document = parse_document(text, base)
    if len(text) > LARGEST_ITEM_BYTES and not is_collection(document):
        raise InputError(f"{base}: {len(text):,} bytes are no STAC item")
    return items_in(document, base)


def search_items(web: Web, query: StacQuery) -> Iterator[StacItem | str]:
    """The items that a STAC API finds, each once, in its order; or what is wrong with one.

    InputError where there is no API that can be searched, or it fails.
    """
    n_found = 0
    seen: set[tuple[str | None, str]] = set()
    for document in _documents(web, query):
        try:
            item = item_of(document, _address(document, query.api))
        except InputError as error:
            yield str(error)
            continue
        key = (item.collection, item.item_id)
        if key in seen or not _is_clear_enough(item, query.max_cloud_percent):
            continue
        seen.add(key)
        yield item
        n_found += 1
        if n_found == query.limit:
            return


def _documents(web: Web, query: StacQuery) -> Iterator[object]:
    """The features of all pages, place after place; a page that brings nothing new is the last."""
    for place in query.places:
        pages = _pages(web, query, place)
        told: set[str] = set()
        while features := _next_page(pages, query):
            ids = {str(each.get("id")) for each in features if isinstance(each, Mapping)}
            if ids <= told:
                break
            told |= ids
            yield from features


def _pages(web: Web, query: StacQuery, place: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    with _told(query.api):
        from pystac_client import Client

        client = Client.open(query.api, stac_io=_api_io(web))
        search = client.search(
            method=_method(client),
            collections=list(query.collections),
            datetime=query.days,
            limit=_PAGE,
            **_cloud_filter(client, query.max_cloud_percent),
            **place,
        )
        if not is_address(search.url):  # pystac-client would open a file
            raise InputError(f"{plain(query.api)}: its search is at {search.url[:80]!r}")
        pages: Iterator[Mapping[str, Any]] = search.pages_as_dicts()
        return pages


def _next_page(pages: Iterator[Mapping[str, Any]], query: StacQuery) -> list[object]:
    """The features of the next page; none where there is no more."""
    with _told(query.api):
        features = next(pages, {}).get("features")
        return list(features) if isinstance(features, list) else []


def _api_io(web: Web) -> StacApiIO:
    """What asks for pystac-client, as mannerly as all else."""
    from pystac_client.stac_api_io import StacApiIO

    def request(
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        is_post = (method or "GET").upper() == "POST"
        text = web.text(
            href,
            limit_bytes=LARGEST_COLLECTION_BYTES,
            headers={**_JSON, **(headers or {})},
            method="POST" if is_post else "GET",
            params=None if is_post else parameters,
            body=(parameters or {}) if is_post else None,
        )
        return text.decode("utf-8")

    asking = StacApiIO(max_retries=None)
    asking.request = request
    asking.json_loads = json.loads  # whatever parser is installed: some servers say NaN
    return asking


def _method(client: Client) -> str:
    """How the API wants to be asked: POST where it says so, else GET."""
    links = [link.to_dict() for link in client.links if link.rel == "search"]
    return "POST" if any(link.get("method") == "POST" for link in links) else "GET"


def _cloud_filter(client: Client, percent: float | None) -> dict[str, Any]:
    """How an API is asked for little cloud, if it can be; what comes is looked through anyway."""
    if percent is None:
        return {}
    if client.conforms_to("QUERY"):
        return {"query": {_CLOUD: {"lte": percent}}}
    if client.conforms_to("FILTER"):
        args = [{"property": _CLOUD}, percent]
        return {"filter": {"op": "<=", "args": args}, "filter_lang": "cql2-json"}
    return {}


def _is_clear_enough(item: StacItem, percent: float | None) -> bool:
    """Whether it states no more cloud than that."""
    stated = item.cloud_percent()
    return percent is None or (stated is not None and stated <= percent)


def _address(document: object, api: str) -> str:
    """Where an item that an API found stands, for the references in it."""
    said = document if isinstance(document, Mapping) else {}
    links = said.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, Mapping) and link.get("rel") == "self":
            href = link.get("href")
            if isinstance(href, str) and is_address(href):
                return plain(href)
    collection, item_id = (
        quote(str(said.get(name) or "-"), safe="", errors="replace")
        for name in ("collection", "id")
    )
    return f"{plain(api).rstrip('/')}/collections/{collection}/items/{item_id}"


@contextmanager
def _told(api: str) -> Iterator[None]:
    """Lets what goes wrong between pystac-client and an API be one InputError that names it."""
    from pystac import STACError, STACTypeError
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError
    from pystac_client.warnings import PystacClientWarning

    of_theirs = (STACError, STACTypeError, ClientTypeError, APIError, PystacClientWarning)
    of_shape = (NotImplementedError, LookupError, TypeError, ValueError, AttributeError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what an API says of itself: not for users
            yield
    except (*of_theirs, *of_shape, RecursionError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{plain(api)}: no STAC API that can be searched ({reason})") from error
