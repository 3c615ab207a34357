"""A scene as files: what was acquired when, its bands on a grid, and which part is clear.

Each sensor's adapter makes a `Scene` of a product; everything after it reads scenes in one way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from rts_track.raster.grid import Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One band of a scene: `reflectance = stored * scale + offset`.

    `name` is ours (the band table's), whatever the sensor calls it; `index` counts from 1. A file
    whose pixels differ from the scene's grid is resampled when read.
    """

    name: str
    path: Path
    index: int
    scale: float
    offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFile:
    """A file that says which pixels are clear, and by which of the sensors' code tables."""

    path: Path
    index: int
    codes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One acquisition as files.

    Attributes:
        product: the product's own name, such as a Sentinel-2 granule's.
        reader: name of the adapter that reads it.
        sensor: what acquired it: planetscope, sentinel2, landsat, or a user's word.
        observed_from: first day of acquisition; observed_to: the last.
        acquired_at: the instant, in UTC, where it is known.
        grid: the grid that all is read on: that of the finest band.
        bands: what can be read, by our names, in the product's order.
        nodata: the stored value that means nothing was seen, if there is one.
        masks: files that say what is clear; without any, every valid pixel counts as clear.
        cloud_frac: cloudy share that the product states, if it does.
        uri: where it lies and how it is read: `open_scene(uri)` opens it again.
        files: every file that belongs to it, for its digest.
    """

    product: str
    reader: str
    sensor: str
    observed_from: dt.date
    observed_to: dt.date
    acquired_at: dt.datetime | None
    grid: Grid
    bands: tuple[Band, ...]
    nodata: float | None
    masks: tuple[MaskFile, ...]
    cloud_frac: float | None
    uri: str
    files: tuple[Path, ...]

    @property
    def band_names(self) -> tuple[str, ...]:
        """The bands' names in the product's order."""
        return tuple(band.name for band in self.bands)
