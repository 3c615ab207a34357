"""Rasters of bytes as Cloud Optimized GeoTIFF, which appear whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from rts_track.errors import InputError
from rts_track.writing import appearing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid


def write_cog(
    path: Path,
    bands: Mapping[str, NDArray[np.uint8]],
    grid: Grid,
    *,
    nodata: int = 255,
    scale: float = 1.0,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write the (H, W) bands, by their names, as a Cloud Optimized GeoTIFF with overviews.

    The file is made in memory, written beside and renamed: what was at `path` before stays until
    the new one is whole.

    Args:
        path: the file; its folder is made where it is missing.
        bands: bytes by the name that describes their band.
        grid: where the pixels lie.
        nodata: the byte that stands for nothing known; overviews leave it out.
        scale: what a byte counts, which GIS multiply it by.
        tags: what else the file is to say of itself.

    Raises:
        InputError: the file cannot be written, such as for lack of space.
    """
    content = cog_bytes(bands, grid, nodata=nodata, scale=scale, tags=tags)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing(path) as beside:
            beside.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error


def cog_bytes(
    bands: Mapping[str, NDArray[np.uint8]],
    grid: Grid,
    *,
    nodata: int = 255,
    scale: float = 1.0,
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """The content of such a file; see `write_cog`."""
    from rasterio.io import MemoryFile

    with MemoryFile() as file:
        with file.open(
            driver="COG",
            dtype="uint8",
            count=len(bands),
            height=grid.height,
            width=grid.width,
            crs=grid.crs,
            transform=grid.transform,
            nodata=nodata,
            compress="DEFLATE",
            predictor="NO",
            overview_resampling="average",
            num_threads="ALL_CPUS",
        ) as dataset:
            for at, (name, values) in enumerate(bands.items(), start=1):
                dataset.write(values, at)
                dataset.set_band_description(at, name)
            dataset.scales = (scale,) * len(bands)
            dataset.update_tags(**(tags or {}))
        content: bytes = file.read()
    return content
