"""Raster files as they lie on disk: what they hold, on which grid, and whether they are whole."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import pyproj.exceptions
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from rts_track.errors import InputError
from rts_track.raster.grid import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from rasterio.io import DatasetReader

logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what GDAL cannot do, we raise

_METRE = 1.0
_SAME_PX = 1e-3
"""Grids whose corners differ by less than this share of a pixel are the same."""
MOST_OBLONG = 1.1
"""Longer over shorter side of a pixel: what is computed by one `gsd_m` is wrong for longer ones."""
MOST_STRETCHED = 1.25
"""How far lengths in a CRS may be off where the raster lies, as a factor: polar stereographic
ones are right to a few per cent; Mercator's are three times too long at 70 degrees north."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterFile:
    """What a raster file holds; `nodata` is what its first band states."""

    path: Path
    grid: Grid
    n_bands: int
    dtype: str
    nodata: float | None
    descriptions: tuple[str | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    @property
    def is_integer(self) -> bool:
        """Whether it stores integers."""
        return bool(np.issubdtype(np.dtype(self.dtype), np.integer))

    @property
    def has_scales(self) -> bool:
        """Whether it says itself how its numbers are scaled."""
        return any(scale != 1.0 for scale in self.scales) or any(self.offsets)


def open_raster(path: Path) -> DatasetReader:
    """The raster at `path`, opened; InputError where it cannot be."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # told by `raster_file`
            return rasterio.open(path)
    except RasterioError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: RasterioError) -> InputError:
    """The fault of a file that GDAL cannot read, in one line."""
    cause = " ".join(str(error.__cause__ or error).split())
    return InputError(f"{path}: cannot be read ({cause}); is it whole?")


def raster_file(path: Path) -> RasterFile:
    """What the file at `path` holds.

    InputError where it cannot be opened, is cut short, or does not say where it lies in metres.
    """
    with open_raster(path) as dataset:
        _check_whole(dataset, path)
        if np.issubdtype(np.dtype(dataset.dtypes[0]), np.complexfloating):
            raise InputError(f"{path}: complex numbers are no reflectance; give their amplitude")
        return RasterFile(
            path=path,
            grid=_grid(dataset, path),
            n_bands=dataset.count,
            dtype=dataset.dtypes[0],
            nodata=dataset.nodata,
            descriptions=dataset.descriptions,
            scales=dataset.scales,
            offsets=dataset.offsets,
        )


def is_same_grid(one: Grid, other: Grid) -> bool:
    """Whether the two have the same pixels in the same place."""
    if one.shape != other.shape or one.crs != other.crs:
        return False
    corners = (np.array(one.bounds) - np.array(other.bounds)) / one.gsd_m
    return bool(np.abs(corners).max() < _SAME_PX)


def _grid(dataset: DatasetReader, path: Path) -> Grid:
    """The grid of the dataset, in metres and north up; InputError for any other."""
    transform = dataset.transform
    if dataset.crs is None:
        raise InputError(f"{path}: no CRS; give it one with `gdal_edit.py -a_srs EPSG:code`")
    if transform.is_identity or not np.isfinite(np.array(transform)).all():
        raise InputError(f"{path}: its pixels have no place; give it a geotransform")
    crs = _known_crs(dataset, path)
    if not crs.is_projected and not crs.is_geographic:
        raise InputError(f"{path}: its CRS {crs.name} is no place on the Earth; give it its own")
    if not crs.is_projected:
        raise InputError(
            f"{path}: its CRS {crs.name} is in degrees; bring it to metres first, such as with"
            f" `gdalwarp -t_srs EPSG:{_utm_code(dataset)}`"
        )
    if crs.axis_info[0].unit_conversion_factor != _METRE:
        raise InputError(f"{path}: its CRS {crs.name} is not in metres; `gdalwarp` brings it there")
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise InputError(f"{path}: its rows do not run from north to south; `gdalwarp` mends that")
    code = dataset.crs.to_epsg()
    grid = Grid(
        height=dataset.height,
        width=dataset.width,
        transform=transform,
        crs=f"EPSG:{code}" if code else dataset.crs.to_wkt(),
    )
    _check_lengths(grid, crs.name, path)
    return grid


def _known_crs(dataset: DatasetReader, path: Path) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(dataset.crs.to_wkt())
    except pyproj.exceptions.CRSError as error:
        cause = " ".join(str(error).split())
        raise InputError(f"{path}: its CRS is none that PROJ knows ({cause})") from error


def _check_lengths(grid: Grid, crs_name: str, path: Path) -> None:
    """InputError where a pixel is no square of about `gsd_m` metres on the ground."""
    width_m, height_m = grid.transform.a, -grid.transform.e
    if max(width_m, height_m) > MOST_OBLONG * min(width_m, height_m):
        raise InputError(
            f"{path}: its pixels of {width_m:g} x {height_m:g} m are no squares; `gdalwarp -tr`"
            " makes them so"
        )
    outer = grid.extent()
    if not np.isfinite(outer.bounds).all() or not outer.is_valid or outer.area == 0.0:
        raise InputError(
            f"{path}: it lies outside of what its CRS {crs_name} can show; are CRS and geotransform"
            " right?"
        )
    stretched = grid.gsd_m * float(np.sqrt(grid.height * grid.width / outer.area))
    if not 1.0 / MOST_STRETCHED <= stretched <= MOST_STRETCHED:
        raise InputError(
            f"{path}: where it lies, lengths in its CRS {crs_name} are {stretched:.3g} times those"
            " on the ground; bring it to another, such as UTM, with `gdalwarp -t_srs EPSG:code`"
        )


def _utm_code(dataset: DatasetReader) -> int:
    """The EPSG code of the UTM zone in which a dataset in degrees lies."""
    lon = (dataset.bounds.left + dataset.bounds.right) / 2
    zone = int((lon + 180.0) // 6.0) % 60 + 1
    return (32600 if dataset.bounds.top >= 0 else 32700) + zone


def _check_whole(dataset: DatasetReader, path: Path) -> None:
    """InputError where a TIFF ends before its last block does."""
    if dataset.driver != "GTiff":
        return
    size = path.stat().st_size
    for band, row, col in _last_blocks(dataset):
        offset = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band)
        length = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=band)
        if offset and length and int(offset) + int(length) > size:
            raise InputError(
                f"{path}: cut short (it ends at byte {size:,} of {int(offset) + int(length):,} or"
                " more); fetch it again"
            )


def _last_blocks(dataset: DatasetReader) -> Iterator[tuple[int, int, int]]:
    """Band, row and column of blocks: those in the last row of blocks of every band.

    Writers put blocks down in order, so what is missing of a file is missing there.
    """
    for band, (height, width) in enumerate(dataset.block_shapes, start=1):
        n_rows, n_cols = -(-dataset.height // height), -(-dataset.width // width)
        for col in range(n_cols):
            yield band, n_rows - 1, col
