"""Many raster files as one: which of them meet a grid, and their values on it."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio.windows
from rasterio.errors import RasterioError

from rts_track.errors import InputError
from rts_track.raster.grid import Grid
from rts_track.raster.raw import RawRaster
from rts_track.raster.resample import bounds_in, on_grid, pixel, windows_needed
from rts_track.source.closing import Closing
from rts_track.source.rasters import open_raster, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from rts_track.raster.resample import Bounds


_SUFFIXES = (".tif", ".tiff", ".vrt")
_ELEVATION = "_dem"
"""How a file of elevations ends in ArcticDEM, beside its masks, counts and dates."""
_DATE = re.compile(r"(?:^|_)(\d{8})(?=_|$)")
TILE_STEP_PX = 256
_MOST_STEPS = 4
_READ_PX = 3072
"""Side of the part of a file that is read at a time; turned, it is up to twice the area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file of a mosaic: its version, its grid (in any CRS, degrees too), its bands."""

    path: Path
    size: int
    modified_ns: int
    grid: Grid
    n_bands: int
    dtype: str

    @property
    def observed_on(self) -> dt.date | None:
        """The day in the file's name, as that of an ArcticDEM strip's first image; None: none."""
        return day_of(self.path.stem)

    def meets(self, grid: Grid) -> bool:
        """Whether any of it lies on the grid."""
        return any(_meet(self.grid.bounds, part) for part in bounds_in(grid, self.grid.crs))


def day_of(stem: str) -> dt.date | None:
    """The first eight digits of a name that stand alone and are a day; None without any."""
    for digits in _DATE.findall(stem):
        try:
            return dt.datetime.strptime(digits, "%Y%m%d").replace(tzinfo=dt.UTC).date()
        except ValueError:
            continue
    return None


def find_pieces(path: Path) -> list[Piece]:
    """The rasters of a file or folder in the order in which they count.

    Those without a day in their names come first (a mosaic, made with care), then the latest of
    the others (strips); among equals the first by name. Of a folder that holds files ending in
    `_dem`, these; else all GeoTIFFs below it.

    Raises:
        InputError: there is none, or one cannot be opened or has no CRS.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    files = [path] if path.is_file() else _rasters_below(path)
    if not files:
        raise InputError(f"{path}: no GeoTIFF below this folder")
    pieces = [_piece(file, *_version(file)) for file in files]
    return sorted(pieces, key=lambda piece: (_days_before_the_end(piece), piece.path.name))


class Mosaic(Closing):
    """Pieces that are read as one; a context manager, to be used by one thread at a time.

    Where several know a value the first one counts.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Files are opened as they are needed."""
        self._pieces = pieces
        self._open = ExitStack()
        self._datasets: dict[Path, DatasetReader] = {}

    def close(self) -> None:
        """Close all files."""
        self._datasets.clear()
        self._open.close()

    def tile_px(self, grid: Grid) -> int:
        """How many pixels of the grid may be asked for along a side at a time, to be quick.

        Some ten million pixels of the finest file, and a multiple of TILE_STEP_PX.
        """
        finest = max(
            pixel(bounds, grid) / pixel(piece.grid.bounds, piece.grid)
            for piece in self._pieces
            for bounds in bounds_in(grid, piece.grid.crs)
        )
        steps = int(_READ_PX / max(finest, 1.0) / TILE_STEP_PX)
        return TILE_STEP_PX * max(1, min(steps, _MOST_STEPS))

    def on_grid(
        self,
        grid: Grid,
        n_bands: int,
        cleaned: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """The first bands' values on the grid, (n_bands, height, width); NaN where none is known.

        Args:
            grid: where they are wanted; small enough that all of it fits in memory.
            n_bands: how many bands.
            cleaned: what is known of values as read, (n, h, w): NaN for all that is not.

        Raises:
            InputError: a file cannot be read.
        """
        values = np.full((n_bands, *grid.shape), np.nan, dtype=np.float32)
        for piece in self._pieces:
            is_open = np.isnan(values)
            if not is_open.any():
                break
            for has, read in self._parts(piece, grid, n_bands):
                known = cleaned(read)
                if not np.isnan(known).all():
                    np.copyto(values, on_grid(known, has, grid), where=is_open)
                    is_open = np.isnan(values)
        return values

    def raw(
        self,
        grid: Grid,
        n_bands: int,
        cleaned: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    ) -> tuple[RawRaster, ...]:
        """What `on_grid` is told by: what is known around the grid, in the order that counts.

        As much memory is needed as `raw_bytes` says. InputError where a file cannot be read.
        """
        found = []
        for piece in self._pieces:
            for has, read in self._parts(piece, grid, n_bands):
                known = cleaned(read)
                if not np.isnan(known).all():
                    found.append(RawRaster(values=known, grid=has))
        return tuple(found)

    def raw_bytes(self, grid: Grid, n_bands: int) -> int:
        """How much memory `raw` takes at most, if all that is read is known."""
        n_px = sum(
            window.height * window.width
            for piece in self._pieces
            for window in windows_needed(piece.grid, grid)
        )
        return n_px * n_bands * np.dtype(np.float32).itemsize

    def _parts(
        self, piece: Piece, grid: Grid, n_bands: int
    ) -> Iterator[tuple[Grid, NDArray[np.float32]]]:
        """What of the piece lies on the grid, and where; in two parts at 180 degrees."""
        for window in windows_needed(piece.grid, grid):
            part = rasterio.windows.Window(window.col, window.row, window.width, window.height)
            bands = list(range(1, n_bands + 1))
            try:
                read = self._dataset(piece).read(
                    bands, window=part, masked=True, out_dtype=np.float32
                )
            except RasterioError as error:
                raise unreadable(piece.path, error) from error
            yield piece.grid.part(window), read.filled(np.nan)

    def _dataset(self, piece: Piece) -> DatasetReader:
        if piece.path not in self._datasets:
            self._datasets[piece.path] = self._open.enter_context(open_raster(piece.path))
        return self._datasets[piece.path]


def _rasters_below(folder: Path) -> list[Path]:
    files = sorted(
        each for each in folder.rglob("*") if each.suffix.lower() in _SUFFIXES and each.is_file()
    )
    elevations = [file for file in files if file.stem.lower().endswith(_ELEVATION)]
    return elevations or files


def _version(path: Path) -> tuple[int, int]:
    """The file's size, and when it was changed."""
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=16_384)
def _piece(path: Path, size: int, modified_ns: int) -> Piece:
    """What the file of that version holds; remembered, since every scene asks for it."""
    with open_raster(path) as dataset:
        if dataset.crs is None:
            raise InputError(f"{path}: no CRS; give it one with `gdal_edit.py -a_srs EPSG:code`")
        return Piece(
            path=path,
            size=size,
            modified_ns=modified_ns,
            grid=Grid(
                height=dataset.height,
                width=dataset.width,
                transform=dataset.transform,
                crs=dataset.crs.to_wkt(),
            ),
            n_bands=dataset.count,
            dtype=dataset.dtypes[0],
        )


def _days_before_the_end(piece: Piece) -> int:
    """Less for what counts first; least for a piece without a day."""
    day = piece.observed_on
    return -1 if day is None else dt.date.max.toordinal() - day.toordinal()


def _meet(one: Bounds, other: Bounds) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
