"""What a model sees of a scene: bands, indices and auxiliary layers, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from rts_track.errors import InputError
from rts_track.raster.indices import ndvi
from rts_track.raster.raw import NDVI, NDVI_BANDS, RawScene
from rts_track.source.auxiliary import AuxiliaryLayers, what_gives
from rts_track.source.closing import Closing
from rts_track.source.pixels import ScenePixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Window
    from rts_track.source.auxiliary import Auxiliary
    from rts_track.source.scene import Scene

__all__ = ["NDVI", "Stack", "missing_layers", "open_stack"]

_THREADS = "ALL_CPUS"
"""So many threads decode a file that is read whole."""


class Stack(Closing):
    """Layers of a scene in a given order; a context manager, to be used by one thread at a time.

    Attributes:
        scene: the scene.
        grid: the scene's grid.
        names: the layers, in the order in which they are read.
    """

    def __init__(self, scene: Scene, names: Sequence[str], auxiliary: Auxiliary) -> None:
        """As `open_stack`, which see."""
        self.scene, self.grid, self.names = scene, scene.grid, tuple(names)
        _check(scene, names, auxiliary)
        self._bands = tuple(dict.fromkeys(_bands_for(scene, names)))
        self._auxiliary = tuple(name for name in names if name in auxiliary.names)
        self._open = ExitStack()
        needed = auxiliary.only(self._auxiliary)
        self._layers = self._open.enter_context(AuxiliaryLayers(needed, scene.grid))
        self._pixels = self._open.enter_context(ScenePixels(scene))

    def close(self) -> None:
        """Close all files."""
        self._open.close()

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The layers in the window, (names, height, width), and where the scene is clear.

        Bands are reflectance (1.0 = 100 %), relative elevation is in metres, slope in degrees,
        trends are 0..255. The window may reach beyond the scene: nothing is known there, nor
        clear. NaN is unknown; a clear pixel may have unknown layers.

        Raises:
            InputError: a file cannot be read.
        """
        bands = dict(zip(self._bands, self._pixels.read(self._bands, window), strict=True))
        if NDVI in self.names and NDVI not in bands:
            bands[NDVI] = ndvi(*(bands[name] for name in NDVI_BANDS))
        others = dict(zip(self._auxiliary, self._layers.read(self._auxiliary, window), strict=True))
        values = np.stack([bands[name] if name in bands else others[name] for name in self.names])
        return values, self._pixels.clear(window)

    def raw(self) -> RawScene:
        """The whole scene as its files hold it, for an engine that prepares layers by itself.

        Auxiliary layers come as they are kept; else as the files around the scene.

        Raises:
            InputError: a file cannot be read, or the scene lies where auxiliary files hold nothing.
        """
        with rasterio.Env(GDAL_NUM_THREADS=_THREADS):
            bands, is_clear = self._pixels.raw(self._bands)
            layers = self._layers.raw()
        return RawScene(
            grid=self.grid,
            names=self.names,
            bands=bands,
            is_clear=is_clear,
            elevation=layers.elevation,
            trend=layers.trend,
            made={name: kept for name, kept in layers.made.items() if name in self.names},
            origins=layers.origins,
        )


def open_stack(scene: Scene, names: Sequence[str], auxiliary: Auxiliary) -> Stack:
    """The scene's stack of these layers, to be read window by window; nothing is read yet.

    Args:
        scene: the scene.
        names: bands of the scene, `ndvi`, and auxiliary layers, in the order wanted.
        auxiliary: where auxiliary layers come from; those not asked for are left alone.

    Raises:
        InputError: a layer is none of the scene's bands and not at hand (which, and what would
            give it), or auxiliary files cannot be opened or do not reach the scene.
    """
    return Stack(scene, names, auxiliary)


def missing_layers(scene: Scene, names: Sequence[str], auxiliary: Auxiliary) -> list[str]:
    """Which of the layers cannot be had of the scene with these auxiliary files."""
    has = {*scene.band_names, *auxiliary.names}
    if has.issuperset(NDVI_BANDS):
        has.add(NDVI)
    return [name for name in names if name not in has]


def _check(scene: Scene, names: Sequence[str], auxiliary: Auxiliary) -> None:
    missing = missing_layers(scene, names, auxiliary)
    if missing:
        options = sorted({option for name in missing if (option := what_gives(name))})
        has = ", ".join(scene.band_names)
        fix = f"give {' and '.join(options)}" if options else f"the scene has {has}"
        raise InputError(f"{scene.product}: no {', '.join(missing)}; {fix}")


def _bands_for(scene: Scene, names: Sequence[str]) -> list[str]:
    """The bands to be read for these layers."""
    bands = [name for name in names if name in scene.band_names]
    if NDVI in names and NDVI not in bands:
        bands += NDVI_BANDS
    return bands
