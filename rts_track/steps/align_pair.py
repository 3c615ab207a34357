"""How far one scene lies from another, told by their images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.raster.coregister import (
    agreed_shift,
    agreeing,
    is_usable,
    window_offset,
)
from rts_track.raster.grid import Window
from rts_track.source.compared import ComparedScenes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.coregister import CoregisterParams
    from rts_track.source.scene import Scene
    from rts_track.track.shift import Shift

_PASSES = 2
"""Times that all windows are compared once more where the last comparison saw them: what is left
of a shift is told the better the smaller it is, and the last changes by thousandths of a pixel."""
_BLOCKS = 4
"""A scene is so many by so many blocks, whose errors are independent."""
_TRIES_PER_WINDOW = 7
_SEED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """Why two scenes do not tell how far one lies from the other."""

    reason: str


def told_shift(before: Scene, after: Scene, params: CoregisterParams) -> Shift | Untold:
    """How far the later scene lies from the earlier on the ground, or why they do not tell.

    InputError where a file cannot be read, or the scenes have no band in common.
    """
    with ComparedScenes(before, after) as both:
        windows = _clear_windows(both, params)
        if len(windows) < params.min_windows:
            return Untold(
                reason=f"{len(windows)} windows are clear in both, {params.min_windows} needed"
            )
        moved_m = (0.0, 0.0)
        for _ in range(_PASSES):
            moved_m = _typical(_offsets(both, windows, moved_m, params, 0.0)[1], both, params)
        alike, offset_m = _offsets(both, windows, moved_m, params, params.min_correlation)
        if len(alike) < params.min_windows:
            return Untold(
                reason=f"{len(alike)} of {len(windows)} windows look alike in both,"
                f" {params.min_windows} needed"
            )
        ground_m = np.array(
            [both.to_ground(window, (x, y)) for window, (x, y) in zip(alike, offset_m, strict=True)]
        )
        shift = agreed_shift(ground_m, _blocks(alike), both.frame.gsd_m, params)
        return shift or Untold(reason=f"{len(alike)} windows do not agree on a shift")


def _clear_windows(both: ComparedScenes, params: CoregisterParams) -> list[Window]:
    """Windows of the largest size of which enough are clear in both scenes; else what there is."""
    most: list[Window] = []
    for size_px in params.windows_px:
        clear: list[Window] = []
        for window in _scattered(both, size_px, params.most_windows * _TRIES_PER_WINDOW):
            if is_usable(*both.read(window), params):
                clear.append(window)
            if len(clear) == params.most_windows:
                break
        if len(clear) >= params.enough_windows:
            return clear
        if len(clear) > len(most):
            most = clear
    return most


def _scattered(both: ComparedScenes, size_px: int, most: int) -> Iterator[Window]:
    """Windows of the frame that may show both scenes, in no order, always the same."""
    n_rows, n_cols = both.frame.height // size_px, both.frame.width // size_px
    order = np.random.default_rng(_SEED).permutation(n_rows * n_cols)
    n_met = 0
    for at in order.tolist():
        row, col = divmod(at, n_cols)
        window = Window(row * size_px, col * size_px, size_px, size_px)
        if both.meets(window):
            yield window
            n_met += 1
        if n_met == most:
            return


def _offsets(
    both: ComparedScenes,
    windows: list[Window],
    moved_m: tuple[float, float],
    params: CoregisterParams,
    min_correlation: float,
) -> tuple[list[Window], NDArray[np.float64]]:
    """Windows that are as alike as that, and (n, 2) offsets in x and y of the frame's CRS."""
    transform = both.frame.transform
    alike, offsets_m = [], []
    for window in windows:
        before, after = both.read(window, moved_m)
        if not is_usable(before, after, params):
            continue
        offset = window_offset(before, after)
        if offset is None or offset.correlation < min_correlation:
            continue
        x, y = (
            transform.a * offset.col_px + transform.b * offset.row_px,
            transform.d * offset.col_px + transform.e * offset.row_px,
        )
        alike.append(window)
        offsets_m.append((moved_m[0] + x, moved_m[1] + y))
    return alike, np.array(offsets_m, dtype=np.float64).reshape(-1, 2)


def _typical(
    offset_m: NDArray[np.float64], both: ComparedScenes, params: CoregisterParams
) -> tuple[float, float]:
    """The mean of the offsets that agree; none where there are none."""
    if len(offset_m) == 0:
        return 0.0, 0.0
    x, y = offset_m[agreeing(offset_m, both.frame.gsd_m, params)].mean(axis=0)
    return float(x), float(y)


def _blocks(windows: list[Window]) -> NDArray[np.int64]:
    """Which of the blocks each window is in, of the part of the scene that has any."""
    centres = np.array([window[:2] for window in windows], dtype=np.float64)
    low = centres.min(axis=0)
    share = (centres - low) / np.maximum(np.ptp(centres, axis=0), 1.0)
    at = np.minimum((share * _BLOCKS).astype(np.int64), _BLOCKS - 1)
    return np.asarray(at[:, 0] * _BLOCKS + at[:, 1], dtype=np.int64)
