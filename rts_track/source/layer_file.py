"""Layers on a grid that are kept in a file, so that they need not be made again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import rasterio
import rasterio.windows
from rasterio.errors import RasterioError

from rts_track.errors import InputError
from rts_track.raster.grid import Window
from rts_track.raster.raw import MOST_STEPS, UNKNOWN
from rts_track.source.rasters import open_raster, raster_file

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from rts_track.raster.grid import Grid

BLOCK_PX = 256
"""Side of a block of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFile:
    """An opened file of layers: whole numbers, each band a multiple of its own step."""

    path: Path
    grid: Grid
    dataset: DatasetReader

    @classmethod
    def kept(cls, path: Path, grid: Grid) -> LayerFile | None:
        """The layers of that grid in the file; None where it is not there or not whole."""
        try:
            if not path.is_file() or raster_file(path).grid.shape != grid.shape:
                return None
            return cls(path=path, grid=grid, dataset=open_raster(path))
        except InputError:
            return None

    def read(self, bands: Sequence[int], window: Window) -> NDArray[np.float32] | None:
        """The bands (counted from 0) in the window, (bands, height, width); None: not readable.

        NaN is unknown, or outside the grid.
        """
        values = np.full((len(bands), *window[2:]), np.nan, dtype=np.float32)
        inside = self.grid.clipped(window)
        if inside.height == 0 or inside.width == 0:
            return values
        part = rasterio.windows.Window(inside.col, inside.row, inside.width, inside.height)
        try:
            stored = self.dataset.read([band + 1 for band in bands], window=part)
        except RasterioError:
            return None
        steps = np.array([self.dataset.scales[band] for band in bands], dtype=np.float32)
        known = stored.astype(np.float32) * steps[:, None, None]
        known[stored == UNKNOWN] = np.nan
        within = Window(inside.row - window.row, inside.col - window.col, *inside[2:])
        values[(slice(None), *within.slices)] = known
        return values

    def steps(self) -> list[tuple[NDArray[np.int16], float]] | None:
        """All bands as they are kept, (H, W), each with its step; None: not readable.

        UNKNOWN is unknown.
        """
        try:
            stored = self.dataset.read()
        except RasterioError:
            return None
        return list(zip(stored, self.dataset.scales, strict=True))

    def close(self) -> None:
        """Close the file."""
        self.dataset.close()

    def discard(self) -> None:
        """Close the file and remove it."""
        self.close()
        self.path.unlink(missing_ok=True)


def write_layers(
    path: Path,
    grid: Grid,
    *,
    steps: Sequence[float],
    tile_px: int,
    make: Callable[[Grid], NDArray[np.float32]],
) -> bool:
    """Whether anything is known; if so, the file appears, whole, with the layers made part by part.

    Several processes may write the same file at a time: the last one's stays.

    Args:
        path: the file; its folder is made where it is missing.
        grid: the grid they are on.
        steps: for each layer, of what its values are kept as multiples; beyond MOST_STEPS of them
            they are cut off.
        tile_px: side of a part, a multiple of BLOCK_PX: blocks are compressed once.
        make: the values of a part of the grid, (layers, height, width); NaN: unknown.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".making-", dir=path.parent) as folder:
            made = Path(folder) / path.name
            is_known = _write(made, grid, steps, tile_px, make)
            if is_known:
                _check_readable(made)
                made.replace(path)
    except (OSError, RasterioError) as error:
        cause = " ".join(str(error.__cause__ or error).split())
        raise InputError(
            f"{path.parent}: layers cannot be kept there ({cause}); is there space?"
        ) from error
    return is_known


def _write(
    path: Path,
    grid: Grid,
    steps: Sequence[float],
    tile_px: int,
    make: Callable[[Grid], NDArray[np.float32]],
) -> bool:
    """Write all parts; whether anything is known."""
    step = np.array(steps, dtype=np.float32)[:, None, None]
    is_known = False
    with rasterio.open(path, "w", **_profile(grid, len(steps))) as dataset:
        dataset.scales = tuple(steps)
        for part in _parts(grid, tile_px):
            values = make(grid.part(part))
            is_nan = np.isnan(values)
            is_known |= not is_nan.all()
            counted = np.clip(np.rint(values / step), -MOST_STEPS, MOST_STEPS)
            counted[is_nan] = UNKNOWN
            dataset.write(
                counted.astype(np.int16),
                window=rasterio.windows.Window(part.col, part.row, part.width, part.height),
            )
    return is_known


def _profile(grid: Grid, n_layers: int) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "dtype": "int16",
        "nodata": UNKNOWN,
        "count": n_layers,
        "height": grid.height,
        "width": grid.width,
        "transform": grid.transform,
        "crs": grid.crs,
        "tiled": True,
        "blockxsize": BLOCK_PX,
        "blockysize": BLOCK_PX,
        "interleave": "band",
        "compress": "deflate",
        "predictor": 2,
        "zlevel": 1,
        "bigtiff": "if_safer",
    }


def _parts(grid: Grid, tile_px: int) -> Iterator[Window]:
    for row in range(0, grid.height, tile_px):
        for col in range(0, grid.width, tile_px):
            yield grid.clipped(Window(row, col, tile_px, tile_px))


def _check_readable(path: Path) -> None:
    """RasterioError where a block did not reach the disk, which closing a file need not tell."""
    with rasterio.open(path) as dataset:
        for _, window in dataset.block_windows(1):
            dataset.read(window=window)
