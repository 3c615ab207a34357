"""GeoTIFF files, written window by window, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window as FileWindow

from rts_track.errors import InputError
from rts_track.raster.grid import Window
from rts_track.writing import appearing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid

    Write = Callable[[Window, NDArray[Any]], None]

_BLOCK_PX = 256
_FLOAT_PREDICTOR, _INTEGER_PREDICTOR = 3, 2
_LEVEL = 4
"""Deflate's effort: more makes files hardly smaller and writing much slower."""


@contextmanager
def opened_geotiff(
    path: Path,
    grid: Grid,
    *,
    dtype: str,
    n_bands: int,
    nodata: float | None = None,
    descriptions: Sequence[str] = (),
) -> Iterator[Write]:
    """What writes windows of pixels, (bands, h, w), to a new tiled, deflated GeoTIFF.

    Windows start at multiples of 256 and do not overlap; what none of them holds is nodata, or 0.
    The file takes its place once all is written; before that, what was at `path` stays.

    Raises:
        InputError: the file cannot be written, or the disk is full.
    """
    is_float = np.issubdtype(np.dtype(dtype), np.floating)
    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": n_bands,
        "dtype": dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": _BLOCK_PX,
        "blockysize": _BLOCK_PX,
        "interleave": "band",
        "compress": "deflate",
        "zlevel": _LEVEL,
        "predictor": _FLOAT_PREDICTOR if is_float else _INTEGER_PREDICTOR,
        "bigtiff": "if_safer",
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing(path) as beside, rasterio.open(beside, "w", **profile) as file:
            for number, description in enumerate(descriptions, start=1):
                file.set_band_description(number, description)

            def write(window: Window, pixels: NDArray[Any]) -> None:
                place = FileWindow(window.col, window.row, window.width, window.height)
                file.write(pixels.astype(dtype, copy=False), window=place)

            yield write
    except (OSError, RasterioError) as error:
        raise InputError(
            f"{path}: cannot be written ({error}); free space or choose another folder"
        ) from error


def write_geotiff(
    path: Path,
    grid: Grid,
    parts: Iterable[tuple[Window, NDArray[Any]]],
    *,
    dtype: str,
    n_bands: int,
    nodata: float | None = None,
    descriptions: Sequence[str] = (),
) -> None:
    """Write a GeoTIFF of windows of pixels as they come; see `opened_geotiff`."""
    with opened_geotiff(
        path, grid, dtype=dtype, n_bands=n_bands, nodata=nodata, descriptions=descriptions
    ) as write:
        for window, pixels in parts:
            write(window, pixels)
