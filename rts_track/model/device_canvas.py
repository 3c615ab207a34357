"""Where windows' probabilities are blended where the networks are; bytes are all that leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from rts_track.raster.probability import NOT_LOOKED_AT, STEPS
from rts_track.raster.windows import blend_ramp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Window

_STRIP_PX = 1024
"""Rows at a time that sums are made bytes of."""


class DeviceCanvas:
    """Members' probabilities of a whole scene, blended in float32 as `canvas.Canvas` does it."""

    def __init__(
        self,
        shape: tuple[int, int],
        n_members: int,
        window: tuple[int, int],
        overlap_px: int,
        device: torch.device,
    ) -> None:
        """Of a raster's shape; `window` is every window's height and width."""
        height, width = window
        ramps = np.outer(blend_ramp(height, overlap_px), blend_ramp(width, overlap_px))
        self._ramps = torch.from_numpy(ramps).to(device)
        self._sums = torch.zeros((n_members, *shape), device=device)
        self._weights = torch.zeros(shape, device=device)

    def add(self, window: Window, probabilities: torch.Tensor) -> None:
        """Add what the members make of a window, (members, height, width)."""
        rows, cols = window.slices
        self._sums[:, rows, cols] += probabilities * self._ramps
        self._weights[rows, cols] += self._ramps

    def as_bytes(
        self,
        is_clear: torch.Tensor,
        shares: Sequence[float],
        curve: NDArray[np.uint8],
        *,
        keeps_members: bool,
    ) -> torch.Tensor:
        """Mean and spread as bytes, and each member's, (2 or 2 + members, H, W), on the device.

        Args:
            is_clear: (H, W); NOT_LOOKED_AT elsewhere.
            shares: of each member in mean and spread; their sum is 1.
            curve: what each byte of the mean becomes, (256,).
            keeps_members: whether those of the members are wanted, too.
        """
        share = torch.tensor(shares, device=self._sums.device)[:, None, None]
        table = torch.from_numpy(curve).to(self._sums.device)
        n_layers = 2 + (len(self._sums) if keeps_members else 0)
        made = torch.empty((n_layers, *is_clear.shape), dtype=torch.uint8, device=table.device)
        for row in range(0, len(is_clear), _STRIP_PX):
            rows = slice(row, row + _STRIP_PX)
            members = self._sums[:, rows] / self._weights[rows]
            mean = (members * share).sum(dim=0)
            spread = ((members - mean).square() * share).sum(dim=0).sqrt()
            made[0, rows] = table[_steps(mean, is_clear[rows]).int()]
            made[1, rows] = _steps(spread, is_clear[rows])
            made[2:, rows] = _steps(members[: n_layers - 2], is_clear[rows])
        return made


def _steps(probability: torch.Tensor, is_clear: torch.Tensor) -> torch.Tensor:
    """Probabilities as `raster.probability.as_bytes` has them."""
    steps = (probability.clamp(0.0, 1.0) * STEPS).round()
    return torch.where(is_clear, steps, float(NOT_LOOKED_AT)).to(torch.uint8)
