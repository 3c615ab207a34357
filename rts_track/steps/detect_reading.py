"""Scenes that are opened ahead of their search, in another thread than the one that searches."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rts_track.errors import InputError
from rts_track.raster.grid import Window
from rts_track.source.closing import Closing
from rts_track.source.scenes import open_scene
from rts_track.source.stack import open_stack
from rts_track.steps.ingest_rows import content_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rts_track.raster.raw import RawScene
    from rts_track.source.auxiliary import Auxiliary
    from rts_track.source.scene import Scene
    from rts_track.source.stack import Stack
    from rts_track.steps.detect_plan import Search

_ONE_PIXEL = Window(0, 0, 1, 1)


class AheadScene(Closing):
    """A scene whose slow reading is over: its layers, for the thread that searches it.

    What was read ahead is in memory or in files; GDAL's datasets stay within one thread, so that
    windows are read of files that are opened anew.

    Attributes:
        grid: the scene's grid.
        names: the layers, in the order in which they are read.
    """

    def __init__(
        self, search: Search, names: Sequence[str], auxiliary: Auxiliary, *, is_raw: bool
    ) -> None:
        """As `open_ahead`, which see."""
        self._scene = _as_registered(search)
        self.grid, self.names = self._scene.grid, tuple(names)
        self._auxiliary = auxiliary.only(names)
        self._raw: RawScene | None = None
        self._stack: Stack | None = None
        with ExitStack() as held:
            if self._auxiliary.names and self._auxiliary.cache is None and not is_raw:
                folder = held.enter_context(TemporaryDirectory(prefix="rts-track-"))
                self._auxiliary = replace(self._auxiliary, cache=Path(folder))
            self._read_ahead(is_raw)
            self._held = held.pop_all()

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """As `Stack.read`."""
        return self._opened().read(window)

    def raw(self) -> RawScene:
        """As `Stack.raw`."""
        return self._opened().raw() if self._raw is None else self._raw

    def close(self) -> None:
        """Close all files; layers that are not to be kept go."""
        self._raw = self._stack = None
        self._held.close()

    def _read_ahead(self, is_raw: bool) -> None:
        with open_stack(self._scene, self.names, self._auxiliary) as stack:
            if is_raw:
                self._raw = stack.raw()
            elif self._auxiliary.names:
                stack.read(_ONE_PIXEL)  # it makes the layers of the whole scene, and keeps them

    def _opened(self) -> Stack:
        if self._stack is None:
            stack = open_stack(self._scene, self.names, self._auxiliary)
            self._stack = self._held.enter_context(stack)
        return self._stack


def open_ahead(
    search: Search, names: Sequence[str], auxiliary: Auxiliary, *, is_raw: bool = False
) -> AheadScene:
    """The scene of a search with these layers, its files found to be those that were registered.

    Its auxiliary layers are made, if none are kept: in a temporary folder where they are not to be.

    Args:
        search: what is to be searched.
        names: the layers, in the order wanted.
        auxiliary: where auxiliary layers come from.
        is_raw: whether the whole scene is read into memory, as its files hold it.

    Raises:
        InputError: the scene is gone, cannot be read or has changed, or lacks a layer.
    """
    return AheadScene(search, names, auxiliary, is_raw=is_raw)


def _as_registered(search: Search) -> Scene:
    """The scene as it was registered; InputError where it is gone or has changed since."""
    scene = open_scene(search.scene["uri"])
    if content_sha256(scene) != search.scene["content_sha256"]:
        raise InputError(
            f"{scene.files[0]}: not the content that was registered; ingest the scene again"
        )
    return scene
