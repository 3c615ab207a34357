"""The same as `rts_track.progress`."""

from __future__ import annotations

from rts_track.progress import Item, Progress, silent

__all__ = ["Item", "Progress", "silent"]
