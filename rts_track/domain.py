"""The words of GLOSSARY.md as values: ids, seasons, and what every layer shares."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

NAMESPACE = uuid.UUID("5f0c7a52-5d0e-5c0b-9d6f-6b1c2a0f7e11")
"""Namespace of every id minted here (uuid5)."""

Kind = Literal["landform", "active_zone"]
KINDS: tuple[Kind, ...] = ("landform", "active_zone")

SEASON_YEARS = range(1900, 2101)
"""Seasons that are taken for real; others are typing errors."""

SIGNIFICANT_SIGMA = 1.96
"""A change beyond this many sigma is significant (two-sided 95 % of a normal error)."""

SEASON_DATE_SIGMA = 12**-0.5
"""Standard deviation of a date that may lie anywhere in a range, per day of that range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThawSeason:
    """The part of a calendar year in which slumps move (15 June to 15 September by default)."""

    begins: tuple[int, int] = (6, 15)
    ends: tuple[int, int] = (9, 15)

    def of(self, year: int) -> tuple[dt.date, dt.date]:
        """The first and last day of the thaw season of `year`."""
        return dt.date(year, *self.begins), dt.date(year, *self.ends)


THAW_SEASON = ThawSeason()


_SEEDED_SHA1 = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The hex digit that opens a uuid's fourth group: its two upper bits say RFC 9562."""


def mint(*parts: object) -> str:
    """An id derived from its parts, the same for the same parts, on every machine."""
    return _uuid5("|".join(["" if part is None else str(part) for part in parts]))


def mint_each(names: Iterable[str], *before: object) -> list[str]:
    """`mint(*before, name)` for each of many names."""
    seeded = _SEEDED_SHA1.copy()
    seeded.update("".join(f"{'' if part is None else part}|" for part in before).encode())
    ids = []
    for name in names:
        sha = seeded.copy()
        sha.update(name.encode())
        ids.append(_as_uuid5(sha.hexdigest()))
    return ids


def _uuid5(name: str) -> str:
    """`str(uuid.uuid5(NAMESPACE, name))`, several times as quick: millions are minted at a time."""
    sha = _SEEDED_SHA1.copy()
    sha.update(name.encode())
    return _as_uuid5(sha.hexdigest())


def _as_uuid5(h: str) -> str:
    """A SHA-1 in hex as the uuid of version 5 that RFC 9562 makes of it."""
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


def canonical_json(value: Mapping[str, object]) -> str:
    """The mapping as JSON with sorted keys: equal mappings give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def digest(*parts: object) -> str:
    """SHA-256 over the parts' texts, in hex."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(str(part).encode())
        sha.update(b"\0")
    return sha.hexdigest()
