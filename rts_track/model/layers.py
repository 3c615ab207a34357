"""What models need of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid, Window


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
