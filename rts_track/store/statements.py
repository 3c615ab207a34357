"""The operational statements, kept as SQL beside the stores they run on."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def statement(name: str) -> str:
    """The portable statement in `store/sql/<name>.sql`."""
    return (resources.files("rts_track.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
