"""How long work tells whoever called for it how far it is, without knowing who that is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Passes the items on, and may show how many have gone by."""

    def __call__(
        self, items: Iterable[Item], *, label: str, total: int | None = None
    ) -> Iterable[Item]:
        """The same items, in the same order."""


def silent(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterable[Item]:
    """The items, shown to nobody."""
    del label, total
    return items
