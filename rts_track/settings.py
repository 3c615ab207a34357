"""What the environment says."""

from __future__ import annotations

import os

from rts_track.store.base import DEFAULT_URL

STORE_VARIABLE = "RTS_TRACK_STORE"


def store_url(given: str | None) -> str:
    """The store to use: the one given, else that of the environment, else the embedded default."""
    return given or os.environ.get(STORE_VARIABLE) or DEFAULT_URL
