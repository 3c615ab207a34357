"""Where windows' probabilities are blended: whole as bytes, as numbers only in the rows at work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rts_track.raster.grid import Window
from rts_track.raster.probability import NOT_LOOKED_AT, as_bytes
from rts_track.raster.windows import blend_ramp


class Canvas:
    """Mean and spread of members' probabilities, blended over windows that come row by row.

    The sums of weighted probabilities are held for as many rows as a window has; rows that no
    later window can reach are made bytes and let go.
    """

    def __init__(
        self, shape: tuple[int, int], n_members: int, window: tuple[int, int], overlap_px: int
    ) -> None:
        """Of a raster's shape; `window` is every window's height and width."""
        height, width = window
        self.probability = np.full(shape, NOT_LOOKED_AT, dtype=np.uint8)
        self.spread = np.full(shape, NOT_LOOKED_AT, dtype=np.uint8)
        self._ramps = np.outer(blend_ramp(height, overlap_px), blend_ramp(width, overlap_px))
        self._sums = np.zeros((n_members, height, shape[1]), dtype=np.float32)
        self._weights = np.zeros((height, shape[1]), dtype=np.float32)
        self._is_clear = np.zeros((height, shape[1]), dtype=np.bool_)
        self._first_row = 0

    @property
    def n_rows_held(self) -> int:
        """Rows of which sums are held."""
        return self._sums.shape[1]

    def add(
        self, window: Window, probabilities: NDArray[np.float32], is_clear: NDArray[np.bool_]
    ) -> None:
        """Add what the members make of a window, (members, height, width)."""
        rows, cols = self._held(window)
        self._sums[:, rows, cols] += probabilities * self._ramps
        self._weights[rows, cols] += self._ramps
        self._is_clear[rows, cols] |= is_clear

    def advance(self, row: int) -> None:
        """Make bytes of the rows before `row`, the first of any window still to come."""
        n_done = min(row - self._first_row, self.n_rows_held)
        if n_done <= 0:
            return
        self._settle(n_done)
        for held in (self._sums, self._weights[None], self._is_clear[None]):
            n_kept = self.n_rows_held - n_done
            held[:, :n_kept] = held[:, n_done:].copy()
            held[:, n_kept:] = 0
        self._first_row = row

    def finish(self) -> None:
        """Make bytes of all that is left."""
        self.advance(self.probability.shape[0])

    def _settle(self, n_rows: int) -> None:
        is_clear = self._is_clear[:n_rows]
        weights = np.where(is_clear, self._weights[:n_rows], np.float32(1.0))
        members = self._sums[:, :n_rows] / weights
        rows = slice(self._first_row, self._first_row + n_rows)
        self.probability[rows] = as_bytes(members.mean(axis=0), is_clear)
        self.spread[rows] = as_bytes(members.std(axis=0), is_clear)

    def _held(self, window: Window) -> tuple[slice, slice]:
        rows, cols = window.slices
        return slice(rows.start - self._first_row, rows.stop - self._first_row), cols
