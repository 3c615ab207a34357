"""The pixels of a scene: reflectance and what is clear, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import rasterio.windows
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from rts_track.errors import InputError
from rts_track.raster.grid import Window
from rts_track.raster.masks import clear_of, cloud_of, tells_cloud
from rts_track.raster.raw import RawBand
from rts_track.source.closing import Closing
from rts_track.source.rasters import is_same_grid, open_raster, raster_file, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from rts_track.raster.grid import Grid
    from rts_track.source.scene import Band, MaskFile, Scene


_STRIP_PX = 512
"""Rows of a whole scene that are looked through at a time."""


class ScenePixels(Closing):
    """An opened scene. A context manager; to be used by one thread at a time.

    Windows may reach beyond the scene: nothing is known there.
    """

    def __init__(self, scene: Scene) -> None:
        """Files are opened as they are needed."""
        self.scene = scene
        self._open = ExitStack()
        self._rasters: dict[tuple[Path, Resampling], DatasetReader | WarpedVRT] = {}
        self._grids: dict[Path, Grid] = {}
        self._window = Window(0, 0, 0, 0)
        self._is_known: dict[str, NDArray[np.bool_]] = {}
        """Where the bands have values in the window that was last read."""

    def close(self) -> None:
        """Close all files."""
        self._rasters.clear()
        self._open.close()

    def read(self, names: Sequence[str], window: Window) -> NDArray[np.float32]:
        """Surface reflectance of the bands, of shape (bands, height, width) of the window.

        1.0 is 100 %. NaN is nodata, or outside the scene. InputError where the scene has no such
        band or a file cannot be read.
        """
        values = np.full((len(names), *window[2:]), np.nan, dtype=np.float32)
        for at, name in enumerate(names):
            self._fill(values[at], self._band(name), window)
        return values

    def valid(self, window: Window) -> NDArray[np.bool_]:
        """Where something was seen, in every band of the scene's own resolution.

        Of the window's shape; False outside the scene. InputError where a file cannot be read.
        """
        is_valid = np.ones(window[2:], dtype=np.bool_)
        for band in self.native_bands():
            is_valid &= self._has_value(band, window)
        return is_valid

    def clear(self, window: Window) -> NDArray[np.bool_]:
        """Where the ground was seen: valid, and hidden by nothing that the masks know.

        Of the window's shape; False outside the scene. Without masks all valid pixels are clear.
        InputError where a file cannot be read.
        """
        is_clear = self.valid(window)
        for mask in self.scene.masks:
            is_clear &= clear_of(mask.codes, self._read_mask(mask, window))
        return is_clear

    def cloud(self, window: Window) -> NDArray[np.bool_]:
        """Where the masks say cloud, of the window's shape; False outside the scene."""
        is_cloud = np.zeros(window[2:], dtype=np.bool_)
        for mask in (each for each in self.scene.masks if tells_cloud(each.codes)):
            is_cloud |= cloud_of(mask.codes, self._read_mask(mask, window))
        return is_cloud

    def raw(self, names: Sequence[str]) -> tuple[tuple[RawBand, ...], NDArray[np.bool_]]:
        """The bands as they are stored, of the whole scene, and where it is clear, as `clear`.

        InputError where the scene has no such band or a file cannot be read.
        """
        whole = self.scene.grid.whole
        wanted = [self._band(name) for name in names]
        native = self.native_bands()
        is_clear = np.ones(whole[2:], dtype=np.bool_)
        read: dict[str, RawBand] = {}
        for band in dict.fromkeys((*wanted, *native)):
            stored = self._read(band.path, band.index, whole, Resampling.bilinear)
            raw = RawBand(
                name=band.name,
                stored=stored,
                scale=band.scale,
                offset=band.offset,
                nodata=self.scene.nodata,
            )
            if band in native:
                _leave_known(is_clear, raw)
            if band in wanted:
                read[band.name] = raw
        for mask in self.scene.masks:
            is_clear &= clear_of(mask.codes, self._read_mask(mask, whole))
        return tuple(read[name] for name in names), is_clear

    def native_bands(self) -> list[Band]:
        """The bands that need no resampling; there is one at least."""
        return [
            band
            for band in self.scene.bands
            if is_same_grid(self._grid_of(band.path), self.scene.grid)
        ]

    def _band(self, name: str) -> Band:
        try:
            return self.scene.band(name)
        except KeyError:
            has = ", ".join(self.scene.band_names)
            raise InputError(f"{self.scene.product}: no band {name}; it has {has}") from None

    def _has_value(self, band: Band, window: Window) -> NDArray[np.bool_]:
        if window != self._window or band.name not in self._is_known:
            self._fill(np.full(window[2:], np.nan, dtype=np.float32), band, window)
        return self._is_known[band.name]

    def _fill(self, values: NDArray[np.float32], band: Band, window: Window) -> None:
        """Put the band's reflectance into NaNs of the window's shape, and note where it is."""
        inside = self.scene.grid.clipped(window)
        if inside.height and inside.width:
            stored = self._read(band.path, band.index, inside, Resampling.bilinear)
            values[_within(window, inside)] = _reflectance(stored, band, self.scene.nodata)
        self._note(band.name, window, np.isfinite(values))

    def _note(self, name: str, window: Window, is_known: NDArray[np.bool_]) -> None:
        if window != self._window:
            self._window, self._is_known = window, {}
        self._is_known[name] = is_known

    def _read_mask(self, mask: MaskFile, window: Window) -> NDArray[np.integer]:
        """The mask's values in the window; 0 outside the scene and the mask."""
        inside = self.scene.grid.clipped(window)
        values = np.zeros(window[2:], dtype=np.uint16)
        if inside.height and inside.width:
            stored = self._read(mask.path, mask.index, inside, Resampling.nearest)
            values[_within(window, inside)] = stored
        return values

    def _read(
        self, path: Path, index: int, inside: Window, resampling: Resampling
    ) -> NDArray[np.generic]:
        """The stored values of a window that lies inside the scene's grid."""
        part = rasterio.windows.Window(inside.col, inside.row, inside.width, inside.height)
        raster = self._raster(path, resampling)
        with _told(path):
            stored: NDArray[np.generic] = raster.read(index, window=part)
        return stored

    def _raster(self, path: Path, resampling: Resampling) -> DatasetReader | WarpedVRT:
        """The file, opened, on the scene's grid."""
        if (path, resampling) not in self._rasters:
            dataset = self._open.enter_context(open_raster(path))
            if not is_same_grid(self._grid_of(path), self.scene.grid):
                with _told(path):
                    warped = _on_grid(dataset, self.scene, resampling)
                dataset = self._open.enter_context(warped)
            self._rasters[path, resampling] = dataset
        return self._rasters[path, resampling]

    def _grid_of(self, path: Path) -> Grid:
        if path not in self._grids:
            self._grids[path] = raster_file(path).grid
        return self._grids[path]


def _on_grid(dataset: DatasetReader, scene: Scene, resampling: Resampling) -> WarpedVRT:
    """The dataset resampled to the scene's grid: a mask by the nearest pixel, 0 outside it."""
    grid = scene.grid
    placed = {
        "crs": grid.crs,
        "transform": grid.transform,
        "height": grid.height,
        "width": grid.width,
    }
    if resampling is Resampling.nearest:
        return WarpedVRT(dataset, resampling=resampling, **placed)
    return WarpedVRT(
        dataset,
        resampling=resampling,
        src_nodata=scene.nodata if scene.nodata is not None else dataset.nodata,
        nodata=np.nan,
        dtype="float32",
        **placed,
    )


def _reflectance(
    stored: NDArray[np.generic], band: Band | RawBand, nodata: float | None
) -> NDArray[np.float32]:
    """The reflectance of stored values; NaN: nothing was seen."""
    with np.errstate(over="ignore"):  # what is too large for a float32 is not finite there
        reflectance = stored.astype(np.float32) * np.float32(band.scale)
    reflectance += np.float32(band.offset)
    is_known = np.isfinite(reflectance)
    if nodata is not None:
        is_known &= np.asarray(stored != nodata)
    reflectance[~is_known] = np.nan
    return reflectance


def _leave_known(is_clear: NDArray[np.bool_], band: RawBand) -> None:
    """Let nothing be clear where the band has no value; in strips, to need little memory."""
    for row in range(0, len(is_clear), _STRIP_PX):
        rows = slice(row, row + _STRIP_PX)
        is_clear[rows] &= np.isfinite(_reflectance(band.stored[rows], band, band.nodata))


def _within(window: Window, inside: Window) -> tuple[slice, slice]:
    """Where in an array of the window its part inside the scene lies."""
    return Window(inside.row - window.row, inside.col - window.col, *inside[2:]).slices


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Lets GDAL's faults be InputErrors that name the file."""
    try:
        yield
    except RasterioError as error:
        raise unreadable(path, error) from error
