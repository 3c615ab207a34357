"""What models need of a scene, and of whoever shows how far they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid, Window

Item = TypeVar("Item")


class Layers(Protocol):
    """A scene's layers on one grid, as a `Stack` has them."""

    @property
    def grid(self) -> Grid:
        """The grid that all layers have."""

    @property
    def names(self) -> Sequence[str]:
        """The layers, in the order in which they are read."""

    def read(self, window: Window, /) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The layers of a window, (C, h, w) in their units with NaN, and what is clear, (h, w)."""


class Passing(Protocol):
    """Passes items on, and may show how many have gone by."""

    def __call__(
        self, items: Iterable[Item], *, label: str, total: int | None = None
    ) -> Iterable[Item]:
        """The same items, in the same order."""


def silent(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterable[Item]:
    """The items, shown to nobody."""
    del label, total
    return items
