"""A scene as files: what was acquired when, its bands on a grid, and which part is clear.

Each sensor's adapter makes a `Scene` of a product; everything after it reads scenes in one way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from rts_track.raster.grid import Grid
    from rts_track.source.dates import Period


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

    def band(self, name: str) -> Band:
        """The band of that name; KeyError where there is none."""
        for band in self.bands:
            if band.name == name:
                return band
        raise KeyError(name)


class SceneFault(NamedTuple):
    """What is wrong with one product, in one line that begins with its path."""

    product: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOptions:
    """How a user wants products to be read; None is as the product says.

    Attributes:
        bands: what the bands of a plain GeoTIFF are, in its order, by the sensor's names or ours.
        period: day or days of acquisition.
        scale: reflectance per stored unit of a plain GeoTIFF.
        offset: reflectance of a stored 0 of a plain GeoTIFF.
        sensor: what acquired it.
        is_mask_optional: whether a product may lack the mask that it should have; what is valid
            then counts as clear.
        is_mask_ignored: whether a mask is left aside, even if there is one.
        is_mask_needed: whether a plain GeoTIFF must have a mask, too.
        assets: which of a STAC item's assets are read, by their keys or our names of bands.
        item: which item of a STAC ItemCollection it is.
        reading: a digest of how an item said that its files are read; None takes what it says.
    """

    bands: tuple[str, ...] | None = None
    period: Period | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None
    is_mask_optional: bool = False
    is_mask_ignored: bool = False
    is_mask_needed: bool = False
    assets: tuple[str, ...] | None = None
    item: str | None = None
    reading: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneReader:
    """An adapter: which paths are products of its kind, and how one becomes a scene.

    Attributes:
        name: what users and URIs call it.
        products: of paths of files and folders, the ones that stand for a product each.
        read: the scene of such a path. InputError where its files cannot be one, UsageError where
            the options do not fit them.
        members: of a product that may hold several scenes, their names, to be read one by one as
            `SceneOptions.item`, and what is wrong with others; None where each holds one.
    """

    name: str
    products: Callable[[Sequence[Path]], list[Path]]
    read: Callable[[Path, SceneOptions], Scene]
    members: Callable[[Path], tuple[list[str], list[str]]] | None = None
