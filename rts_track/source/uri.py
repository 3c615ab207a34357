"""Addresses of scenes: where a product lies, and how it is read, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from urllib.request import url2pathname

from rts_track.errors import InputError
from rts_track.source.dates import period_of
from rts_track.source.scene import SceneOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_MASK = "none"
"""What an address says of the mask of a scene all of whose valid pixels count as clear."""


def scene_uri(path: Path, reader: str, options: SceneOptions, *, has_mask: bool) -> str:
    """`file:///path#reader=...&...`: all that `parse_uri` needs to read the product just so."""
    how = {
        "reader": reader,
        "bands": ",".join(options.bands) if options.bands else None,
        "date": options.period,
        "scale": options.scale,
        "offset": options.offset,
        "sensor": options.sensor,
        "mask": None if has_mask else NO_MASK,
        "assets": ",".join(options.assets) if options.assets else None,
        "item": options.item,
        "reading": options.reading,
    }
    said = {name: value for name, value in how.items() if value is not None}
    return f"{path.resolve().as_uri()}#{urlencode(said, safe=',:-.')}"


def parse_uri(uri: str) -> tuple[Path, str, SceneOptions]:
    """Path, name of the reader, and options of an address; InputError where it is none."""
    parts = urlsplit(uri)
    how = dict(parse_qsl(parts.fragment))
    if parts.scheme != "file" or "reader" not in how:
        raise InputError(f"{uri}: no address of a scene; ingest the scene again")
    try:
        options = _options(how)
    except ValueError as error:
        raise InputError(f"{uri}: {error}; ingest the scene again") from error
    return Path(url2pathname(parts.path)), how["reader"], options


def location_of(uri: str) -> Path:
    """Where the product of an address lies."""
    return Path(url2pathname(urlsplit(uri).path))


def reading_of(uri: str) -> str:
    """How an address says that its product is read, wherever it lies."""
    return unquote(urlsplit(uri).fragment)


def _options(how: Mapping[str, str]) -> SceneOptions:
    is_unmasked = how.get("mask") == NO_MASK
    return SceneOptions(
        bands=tuple(how["bands"].split(",")) if "bands" in how else None,
        period=period_of(how.get("date")),
        scale=float(how["scale"]) if "scale" in how else None,
        offset=float(how["offset"]) if "offset" in how else None,
        sensor=how.get("sensor"),
        is_mask_optional=is_unmasked,
        is_mask_ignored=is_unmasked,
        is_mask_needed=not is_unmasked,
        assets=tuple(how["assets"].split(",")) if "assets" in how else None,
        item=how.get("item"),
        reading=how.get("reading"),
    )
