"""What a model sees beside a scene's bands: the shape of the ground, and how it changed.

Relative elevation and slope come from elevation models such as ArcticDEM (Porter et al. 2023,
doi 10.7910/DVN/3VDC4W), the trend of tasselled-cap brightness, greenness and wetness from Landsat
(TCVIS: Fraser et al. 2014, doi 10.3390/rs61111533; Nitze & Grosse 2016,
doi 10.1016/j.rse.2016.03.038). Both are carried to a scene's grid once, and kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from rts_track.domain import digest
from rts_track.errors import InputError
from rts_track.raster.raw import LARGEST_TREND, STEPS, TERRAIN, TREND
from rts_track.raster.terrain import RADIUS_M, disc_margin_px, relative_elevation, slope_deg
from rts_track.source.closing import Closing
from rts_track.source.layer_file import LayerFile, write_layers
from rts_track.source.mosaic import Mosaic, find_pieces
from rts_track.source.rasters import open_raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid, Window
    from rts_track.raster.raw import RawRaster
    from rts_track.source.mosaic import Piece

    Make = Callable[[Mosaic, Grid], NDArray[np.float32]]
    Clean = Callable[[NDArray[np.float32]], NDArray[np.float32]]

__all__ = ["TERRAIN", "TREND", "Auxiliary", "AuxiliaryLayers", "RawLayers", "what_gives"]

LOWEST_M, HIGHEST_M = -100.0, 3000.0
"""Elevations beyond these are errors of stereo matching; no thaw slump lies there."""

_MAKING = 1
"""Counts up when layers come out otherwise than before, so that kept ones are made anew."""
MOST_RAW_BYTES = 2_000_000_000
"""Elevations and trends around a scene that take more memory than this are not handed over as
they are: elevations of 2 m around a scene of 100 km take ten times as much."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auxiliary:
    """Where auxiliary layers come from.

    Attributes:
        dem: a GeoTIFF of elevations in metres, or a folder of them.
        trend: a GeoTIFF of three bytes (brightness, greenness, wetness), or a folder of them.
        cache: folder that keeps layers from run to run; without, they are made for a run.
    """

    dem: Path | None = None
    trend: Path | None = None
    cache: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The layers that can be had."""
        return (TERRAIN if self.dem else ()) + (TREND if self.trend else ())

    def only(self, names: Sequence[str]) -> Auxiliary:
        """The same with nothing but what the layers of these names need."""
        return Auxiliary(
            dem=self.dem if set(names) & set(TERRAIN) else None,
            trend=self.trend if set(names) & set(TREND) else None,
            cache=self.cache,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGroup:
    """Layers that are made together, of the same files.

    Attributes:
        names: the layers.
        path: the file or folder that the user gave.
        pieces: its files that meet the grid, in the order in which they count.
        n_bands: bands of the files that count.
        clean: what is known of values as read, (n_bands, h, w): NaN for all that is not.
        make: the layers' values on a grid, (names, height, width), from the mosaic of the files.
    """

    names: tuple[str, ...]
    path: Path
    pieces: tuple[Piece, ...]
    n_bands: int
    clean: Clean
    make: Make

    @property
    def steps(self) -> tuple[float, ...]:
        """Each layer is kept in multiples of its step."""
        return tuple(STEPS[name] for name in self.names)

    def reach(self, grid: Grid) -> Grid:
        """The grid with the margin around it that its layers are told by."""
        return grid.grown(_margin_px(grid)) if self.names == TERRAIN else grid

    def version(self, grid: Grid) -> str:
        """A digest of all that the layers on that grid depend on."""
        files = [(piece.path.name, piece.size, piece.modified_ns) for piece in self.pieces]
        params = (_MAKING, RADIUS_M, LOWEST_M, HIGHEST_M, self.steps)
        return digest(self.names, params, files, grid.shape, tuple(grid.transform)[:6], grid.crs)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLayers:
    """What auxiliary layers are made of, as a `RawScene` has it, which see."""

    elevation: tuple[RawRaster, ...] = ()
    trend: tuple[RawRaster, ...] = ()
    made: Mapping[str, tuple[NDArray[np.int16], float]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)


class AuxiliaryLayers(Closing):
    """The auxiliary layers on one grid; a context manager, to be used by one thread at a time.

    They are made when first read, unless they are kept of an earlier time: of the same files
    (names, sizes, times of change) for the same grid.
    """

    def __init__(self, auxiliary: Auxiliary, grid: Grid) -> None:
        """Find the files.

        Raises:
            InputError: a path holds no rasters, a file cannot be opened or is of another kind, or
                the grid lies outside all of them.
        """
        self.available = auxiliary.names
        self._grid, self._cache = grid, auxiliary.cache
        self._groups = _groups(auxiliary, grid)
        self._folder: TemporaryDirectory[str] | None = None
        self._files: dict[tuple[str, ...], LayerFile] = {}

    def close(self) -> None:
        """Close all files; layers that are not to be kept go."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def read(self, names: Sequence[str], window: Window) -> NDArray[np.float32]:
        """The layers in the window, (names, height, width), in their units.

        Relative elevation is in metres, slope in degrees, trends are 0..255. NaN is unknown, or
        outside the grid.

        Raises:
            InputError: a layer is not available, a file cannot be read, the grid holds nothing
                known, or layers cannot be written where they are to be kept.
        """
        for name in names:
            if name not in self.available:
                option = what_gives(name)
                raise InputError(f"no layer {name}" + (f": give {option}" if option else ""))
        values = np.empty((len(names), *window[2:]), dtype=np.float32)
        for group in self._groups:
            own = [at for at, name in enumerate(names) if name in group.names]
            if own:
                bands = [group.names.index(names[at]) for at in own]
                values[own] = self._read(group, bands, window)
        return values

    def raw(self) -> RawLayers:
        """What all the layers are made of: those that are kept, else the files around the grid.

        Layers whose files take more memory than MOST_RAW_BYTES are made here.

        Raises:
            InputError: as of `read`.
        """
        made: dict[str, tuple[NDArray[np.int16], float]] = {}
        pieces: dict[str, tuple[RawRaster, ...]] = {"elevation": (), "trend": ()}
        origins: dict[str, str] = {}
        for group in self._groups:
            steps = self._steps(group)
            if steps is not None:
                made |= zip(group.names, steps, strict=True)
                continue
            what = "elevation" if group.names == TERRAIN else "trend"
            origins[what] = str(group.path)
            with Mosaic(group.pieces) as mosaic:
                reach = group.reach(self._grid)
                pieces[what] = mosaic.raw(reach, group.n_bands, group.clean)
            if not pieces[what]:
                raise _holes(group)
        return RawLayers(made=made, origins=origins, **pieces)

    def _steps(self, group: LayerGroup) -> list[tuple[NDArray[np.int16], float]] | None:
        """The group's layers, as they are kept; None where files around the grid tell them."""
        is_kept = self._cache is not None and self._file(group).is_file()
        if not is_kept and self._raw_bytes(group) <= MOST_RAW_BYTES:
            return None
        steps = self._opened(group).steps()
        if steps is None:
            self._files.pop(group.names).discard()
            steps = self._opened(group).steps()
        if steps is None:
            raise self._unreadable(group)
        return steps

    def _raw_bytes(self, group: LayerGroup) -> int:
        with Mosaic(group.pieces) as mosaic:
            return mosaic.raw_bytes(group.reach(self._grid), group.n_bands)

    def _read(self, group: LayerGroup, bands: Sequence[int], window: Window) -> NDArray[np.float32]:
        """Some of the group's layers; those that were kept and cannot be read are made anew."""
        values = self._opened(group).read(bands, window)
        if values is None:
            self._files.pop(group.names).discard()
            values = self._opened(group).read(bands, window)
        if values is None:
            raise self._unreadable(group)
        return values

    def _unreadable(self, group: LayerGroup) -> InputError:
        return InputError(f"{self._file(group)}: written, but not readable; is the disk well?")

    def _opened(self, group: LayerGroup) -> LayerFile:
        """The group's layers on the grid, made where none are kept."""
        if group.names not in self._files:
            kept = LayerFile.kept(self._file(group), self._grid)
            self._files[group.names] = kept or self._made(group)
        return self._files[group.names]

    def _made(self, group: LayerGroup) -> LayerFile:
        """The group's layers, written for the grid."""
        file = self._file(group)
        with Mosaic(group.pieces) as mosaic:
            is_known = write_layers(
                file,
                self._grid,
                steps=group.steps,
                tile_px=mosaic.tile_px(self._grid),
                make=lambda part: group.make(mosaic, part),
            )
        if not is_known:
            raise _holes(group)
        _log.info("%s: %s made of %d files", file.name, ", ".join(group.names), len(group.pieces))
        return LayerFile(path=file, grid=self._grid, dataset=open_raster(file))

    def _file(self, group: LayerGroup) -> Path:
        """Where these layers of this grid and these files are kept."""
        if self._cache is None and self._folder is None:
            self._folder = TemporaryDirectory(prefix="rts-track-")
        folder = self._cache or Path(self._folder.name if self._folder else ".")
        return folder / f"{group.names[0]}-{group.version(self._grid)[:24]}.tif"


def _holes(group: LayerGroup) -> InputError:
    return InputError(f"{group.path}: it has nothing but holes where the scene lies")


def what_gives(name: str) -> str | None:
    """The option that gives a layer of that name; None for any other name."""
    return "--dem" if name in TERRAIN else "--trend" if name in TREND else None


def _groups(auxiliary: Auxiliary, grid: Grid) -> list[LayerGroup]:
    groups = []
    if auxiliary.dem is not None:
        pieces = _meeting(auxiliary.dem, grid, "elevations", n_bands=1)
        groups.append(
            LayerGroup(
                names=TERRAIN,
                path=auxiliary.dem,
                pieces=pieces,
                n_bands=1,
                clean=_ground,
                make=_terrain,
            )
        )
    if auxiliary.trend is not None:
        pieces = _meeting(auxiliary.trend, grid, "trends", n_bands=len(TREND), dtype="uint8")
        groups.append(
            LayerGroup(
                names=TREND,
                path=auxiliary.trend,
                pieces=pieces,
                n_bands=len(TREND),
                clean=_told,
                make=_trend,
            )
        )
    return groups


def _meeting(
    path: Path, grid: Grid, what: str, *, n_bands: int, dtype: str | None = None
) -> tuple[Piece, ...]:
    """The pieces that meet the grid; InputError where none does, or one is of another kind."""
    pieces = [piece for piece in find_pieces(path) if piece.meets(grid)]
    if not pieces:
        raise InputError(f"{path}: its {what} do not reach the scene; are they of the right place?")
    for piece in pieces:
        if piece.n_bands < n_bands or dtype not in (None, piece.dtype):
            raise InputError(
                f"{piece.path}: {piece.n_bands} bands of {piece.dtype} are no {what}; expected"
                f" {n_bands} of {dtype or 'elevations in metres'}"
            )
    return tuple(pieces)


def _terrain(mosaic: Mosaic, grid: Grid) -> NDArray[np.float32]:
    """Relative elevation and slope, told by what lies around the grid, too."""
    margin = _margin_px(grid)
    elevation_m = mosaic.on_grid(grid.grown(margin), 1, _ground)[0]
    layers = [relative_elevation(elevation_m, grid.gsd_m), slope_deg(elevation_m, grid.gsd_m)]
    return np.stack(layers)[:, margin:-margin, margin:-margin]


def _margin_px(grid: Grid) -> int:
    """How far around a grid its relative elevation and slope are told by."""
    return max(disc_margin_px(grid.gsd_m), 1)


def _trend(mosaic: Mosaic, grid: Grid) -> NDArray[np.float32]:
    return np.clip(mosaic.on_grid(grid, len(TREND), _told), 0.0, LARGEST_TREND)


def _ground(elevation_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """The elevations that can be the ground's, (1, h, w); before any resampling spreads others."""
    with np.errstate(invalid="ignore"):
        is_ground = (elevation_m >= LOWEST_M) & (elevation_m <= HIGHEST_M)
    return np.where(is_ground, elevation_m, np.float32(np.nan))


def _told(trend: NDArray[np.float32]) -> NDArray[np.float32]:
    """The trends that tell something, (3, h, w): where all three are 0, the product has a hole."""
    return np.where((trend == 0.0).all(axis=0), np.float32(np.nan), trend)
