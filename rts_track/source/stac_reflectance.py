"""Whether an item's numbers are reflectance of the ground, and which of them stand for 0."""

from __future__ import annotations

import re

from rts_track.errors import InputError
from rts_track.source.stac_item import StacItem, shown

_NOT_OF_THE_GROUND = re.compile(r"^(s2msi1c|l1c|l1tp|l1gt|l1gs|l1)$", re.IGNORECASE)
_LEVEL_FIELDS = ("processing:level", "s2:product_type", "landsat:correction")
_LEVEL_IN_NAME = re.compile(
    r"(?:^S2._MSI|[-_]c2|[-_])(?P<level>l1(?:[a-z]{1,2})?)(?:[-_]|$)", re.IGNORECASE
)

_OFFSET_SINCE = (4, 0)
"""Sentinel-2's processing baseline from which digital numbers lie 1000 higher."""
_OFFSET_DN = -1000.0
_BASELINE = re.compile(r"^(\d{2})\.(\d{2})$")
_BASELINE_IN_NAME = re.compile(r"_N(\d{2})(\d{2})_")
_BASELINE_FIELDS = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
_NAME_FIELDS = ("s2:product_uri", "sentinel:product_id")
_IS_APPLIED = re.compile(r"^[\w-]+:boa_offset_applied$")
"""What Earth Search says of numbers that its maker has taken the offset off, `earthsearch:...`;
their assets state the offset all the same."""


def check_level(item: StacItem) -> None:
    """InputError for products that lie above the atmosphere."""
    levels = [str(item.properties.get(name) or "") for name in _LEVEL_FIELDS]
    names = [item.item_id, item.collection or ""]
    named = (_LEVEL_IN_NAME.search(name) for name in names)
    found = [level for level in levels if _NOT_OF_THE_GROUND.match(level)]
    found += [match["level"] for match in named if match]
    if found:
        raise InputError(
            f"{item.place}: {shown(found[0])} is no surface reflectance; fetch level 2"
        )


def sentinel2_offset(item: StacItem, stated: float | None, scale: float) -> float:
    """What is to be added to `scale * number` of an item of Sentinel-2.

    Numbers lie 1000 higher since processing baseline 04.00, unless a catalog has taken that off
    again and says so; then what its assets state is not taken off a second time.

    Args:
        item: the item.
        stated: the offset that it states of the band; None where it states none.
        scale: reflectance per unit.

    Raises:
        InputError: nothing tells whether they do.
    """
    said = (item.properties[name] for name in item.properties if _IS_APPLIED.match(name))
    if any(each is True for each in said):
        return 0.0
    baseline = _baseline(item)
    if baseline is not None and baseline < _OFFSET_SINCE:
        return 0.0
    if stated is not None:
        return stated
    if baseline is not None:
        return _OFFSET_DN * scale
    raise InputError(
        f"{item.place}: neither a processing baseline nor an offset of its bands: its numbers may"
        " lie 1000 higher or not; give --offset -0.1 or --offset 0"
    )


def _baseline(item: StacItem) -> tuple[int, int] | None:
    """Sentinel-2's processing baseline; None where nothing tells it."""
    said = [item.properties.get(name) for name in (*_BASELINE_FIELDS, *_NAME_FIELDS)]
    for word in (*said, item.item_id):
        if isinstance(word, str):
            match = _BASELINE.match(word) or _BASELINE_IN_NAME.search(word)
            if match:
                return int(match[1]), int(match[2])
    return None
