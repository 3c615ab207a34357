"""Where windows' probabilities are blended: whole as bytes, as numbers only in the rows at work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rts_track.model.curve import curve_bytes
from rts_track.raster.grid import Window
from rts_track.raster.probability import NOT_LOOKED_AT, as_bytes
from rts_track.raster.windows import blend_ramp


class Canvas:
    """Mean and spread of members' probabilities, blended over windows that come row by row.

    The sums of weighted probabilities are held for as many rows as a window has; rows that no
    later window can reach are made bytes and let go.

    Attributes:
        probability: mean of the members, as bytes (H, W), after the curve.
        spread: their standard deviation, likewise; no curve changes it.
        members: each member's, (members, H, W), if they are kept.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        n_members: int,
        window: tuple[int, int],
        overlap_px: int,
        *,
        shares: Sequence[float] | None = None,
        curve: Sequence[tuple[float, float]] = (),
        keeps_members: bool = False,
    ) -> None:
        """Of a raster's shape.

        Args:
            shape: height and width of the raster.
            n_members: how many members there are.
            window: every window's height and width.
            overlap_px: over which windows fade into each other.
            shares: each member's in mean and spread, 1 together; None: all count alike.
            curve: knots of what makes the mean a calibrated probability; none: it stays.
            keeps_members: whether each member's probabilities are kept, too.
        """
        height, width = window
        self.probability = np.full(shape, NOT_LOOKED_AT, dtype=np.uint8)
        self.spread = np.full(shape, NOT_LOOKED_AT, dtype=np.uint8)
        self.members = (
            np.full((n_members, *shape), NOT_LOOKED_AT, dtype=np.uint8) if keeps_members else None
        )
        self._shares = _unequal(shares)
        self._curve = curve_bytes(curve) if curve else None
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
        members = (self._sums[:, :n_rows] / weights).astype(np.float32, copy=False)
        mean, spread = self._mean_and_spread(members)
        rows = slice(self._first_row, self._first_row + n_rows)
        probability = as_bytes(mean, is_clear)
        self.probability[rows] = probability if self._curve is None else self._curve[probability]
        self.spread[rows] = as_bytes(spread, is_clear)
        if self.members is not None:
            for kept, member in zip(self.members, members, strict=True):
                kept[rows] = as_bytes(member, is_clear)

    def _mean_and_spread(
        self, members: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation over the members, by their shares."""
        if self._shares is None:
            return members.mean(axis=0), members.std(axis=0)
        mean = np.tensordot(self._shares, members, axes=1)
        variance = np.tensordot(self._shares, (members - mean) ** 2, axes=1)
        return mean, np.sqrt(variance)

    def _held(self, window: Window) -> tuple[slice, slice]:
        rows, cols = window.slices
        return slice(rows.start - self._first_row, rows.stop - self._first_row), cols


def _unequal(shares: Sequence[float] | None) -> NDArray[np.float32] | None:
    """The members' shares; None where all are the same."""
    if shares is None or len(set(shares)) == 1:
        return None
    return np.array(shares, dtype=np.float32)
