"""A scene as its files hold it: what an engine needs that prepares a model's layers by itself.

Nothing is scaled, resampled or derived yet, so it is as little as can be: two bytes a pixel and
band, one of what is clear, and elevations and trends on the grids of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid

NDVI = "ndvi"
NDVI_BANDS = ("nir", "red")
"""An index of bands, and the bands it is told by."""

TERRAIN = ("relative_elevation", "slope")
"""Layers that are told by elevations."""
TREND = ("tc_brightness", "tc_greenness", "tc_wetness")
"""Layers of the Landsat trend, in the order of its bands."""
LARGEST_TREND = 255.0
"""Trends come as bytes."""

STEPS: Mapping[str, float] = dict(
    zip((*TERRAIN, *TREND), (0.02, 0.01, 0.01, 0.01, 0.01), strict=True)
)
"""Auxiliary layers are whole multiples of these: 2 cm, finer than any elevation model's noise;
0.01 degrees; and a hundredth of the bytes that the trends came in."""
MOST_STEPS = 32_767
"""Beyond so many steps, layers are cut off."""
UNKNOWN = -32_768
"""What is kept in place of a number of steps where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBand:
    """A band of a scene as it is stored: `reflectance = stored * scale + offset`.

    Attributes:
        name: the band, by our names.
        stored: (H, W) on the scene's grid, in the file's type; floating-point where the file's
            own pixels differ from the grid and were resampled to it.
        scale: reflectance of one stored unit.
        offset: reflectance of a stored 0.
        nodata: the stored value that means nothing was seen, if there is one. What is no finite
            number means nothing, too.
    """

    name: str
    stored: NDArray[Any]
    scale: float
    offset: float
    nodata: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRaster:
    """A part of a raster around a scene, on a grid of its own, in any CRS.

    `values` are (n, h, w), float32; NaN is unknown.
    """

    values: NDArray[np.float32]
    grid: Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class RawScene:
    """A scene that was read whole: what takes whole scenes takes it in place of a stack.

    Attributes:
        grid: the scene's grid, of shape (H, W).
        names: the layers that can be made of it.
        bands: those of the scene that the layers need.
        is_clear: (H, W) where the ground was seen.
        elevation: pieces with elevations in metres, (1, h, w); where several know a place, the
            first one counts.
        trend: likewise the pieces with trends, (3, h, w) in the order of `TREND`.
        made: layers that were kept on the scene's grid, (H, W) numbers of steps, and the step;
            UNKNOWN is unknown.
        origins: where elevations and trends come from, for faults, by `elevation` and `trend`.
    """

    grid: Grid
    names: tuple[str, ...]
    bands: tuple[RawBand, ...]
    is_clear: NDArray[np.bool_]
    elevation: tuple[RawRaster, ...] = ()
    trend: tuple[RawRaster, ...] = ()
    made: Mapping[str, tuple[NDArray[np.int16], float]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> RawScene:
        """Itself: it needs no reading."""
        return self

    @property
    def n_bytes(self) -> int:
        """How much memory it takes."""
        pieces = (*self.elevation, *self.trend)
        return (
            int(self.is_clear.nbytes)
            + sum(band.stored.nbytes for band in self.bands)
            + sum(piece.values.nbytes for piece in pieces)
            + sum(steps.nbytes for steps, _ in self.made.values())
        )
