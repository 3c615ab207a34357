"""What networks learn from: windows of layers with their labels, and how they are held apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from rts_track.errors import InputError

GROUND, SLUMP, IGNORED = 0, 1, 255
"""Labels of pixels; those that are not clear, or not known, are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingWindows:
    """Windows of one size.

    Attributes:
        names: the layers.
        layers: (n, layers, height, width) in their units, NaN where nothing is known; may lie in
            a file.
        labels: (n, height, width) bytes: GROUND, SLUMP or IGNORED.
        regions: (n,) where a window belongs to; regions are held out whole.
        extents: (n,) EPSG:6931 polygons of the windows; None where those of different regions
            never overlap.
        sensors: every sensor that they are of.
        gsd_range_m: their finest and coarsest pixel.
        inputs_sha256: digest of what they were cut from.
    """

    names: tuple[str, ...]
    layers: NDArray[np.floating]
    labels: NDArray[np.uint8]
    regions: NDArray[np.str_]
    extents: NDArray[np.object_] | None
    sensors: tuple[str, ...]
    gsd_range_m: tuple[float, float]
    inputs_sha256: str

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.labels)

    def slump_px(self) -> NDArray[np.int64]:
        """(n,) how many pixels of a slump each window has."""
        return np.array([np.count_nonzero(each == SLUMP) for each in self.labels], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Which windows a member learns from, and which tell how well; their numbers.

    `n_left_out` windows of other regions are neither: they overlap held-out ones.
    """

    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    n_left_out: int


def folds(windows: TrainingWindows, n_folds: int, chance: np.random.Generator) -> dict[str, int]:
    """The fold of each region, so that folds hold about as many pixels of slumps.

    Regions that have most go first, each to the fold that has least so far; `chance` orders equal
    ones. With fewer regions than folds, some folds are empty.

    Raises:
        InputError: fewer than two regions have a slump: nothing could be held out.
    """
    names, of_window = np.unique(windows.regions, return_inverse=True)
    slump_px = np.bincount(of_window, weights=windows.slump_px(), minlength=len(names))
    n_with_slumps = int(np.count_nonzero(slump_px))
    if n_with_slumps < 2:
        raise InputError(
            f"{n_with_slumps} of {len(names)} regions with a labelled slump: two are needed, to"
            " hold one out; take smaller blocks, or more scenes"
        )
    order = chance.permutation(len(names))
    order = order[np.argsort(-slump_px[order], kind="stable")]
    loads = np.zeros(
        (min(n_folds, n_with_slumps), 2)
    )  # slumps' pixels, then regions, where there are none
    fold_of: dict[str, int] = {}
    for region in order:
        fold = min(range(len(loads)), key=lambda each: tuple(loads[each]))
        loads[fold] += slump_px[region], 1
        fold_of[str(names[region])] = fold
    return fold_of


def split(windows: TrainingWindows, held_out: set[str]) -> Split:
    """Windows of the held-out regions, and of the others those that overlap none of them.

    Windows reach over the borders of their regions, and scenes of several seasons show one place:
    a region alone would not keep validation apart.
    """
    is_held_out = np.isin(windows.regions, sorted(held_out))
    is_between = np.zeros(len(windows), dtype=np.bool_)
    if windows.extents is not None and is_held_out.any():
        tree = shapely.STRtree(windows.extents[is_held_out])
        touching, _ = tree.query(windows.extents, predicate="intersects")
        is_between[touching] = True
        is_between &= ~is_held_out
    return Split(
        training=np.flatnonzero(~is_held_out & ~is_between),
        validation=np.flatnonzero(is_held_out),
        n_left_out=int(is_between.sum()),
    )
