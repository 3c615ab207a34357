"""How others predict a scene: the two ways that detection's speed is measured against.

Written from what was read of them, before ours was made faster. Both get what ours gets: the same
layers as arrays, the same networks with the same weights, normalisation and calibration, and
their probabilities go the same way on. Neither normalisation nor calibration is theirs: speed and
agreement are compared, not the models.

- tss-style, as thaw-slump-segmentation 0.11 predicts: windows of 1024 px that overlap by 256, one
  at a time in a Python loop, in float32, the last window of a row and column shifted inward,
  blended by a ramp that is 0 at a window's very edge; one model after the other.
- dn-style, as darts-nextgen (2026-05) does: the scene is padded by a pixel, all windows are copied
  into one float32 tensor on the host, batches of 8 go to the device and back without overlap,
  probabilities are blended on the host; one model after the other, each with its own copy,
  normalisation and windows.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from rts_track.model.bundle import Bundle, Ensemble
from rts_track.model.network import build_network

WINDOW_PX, OVERLAP_PX = 1024, 256
DN_BATCH = 8


class Baseline:
    """An ensemble's networks as others keep them: float32, batch x channel x row x column."""

    def __init__(self, ensemble: Ensemble, device: str) -> None:
        self.layers = ensemble.layers
        self.bundles = ensemble.bundles
        self.device = torch.device(device)
        self.networks = [_network(bundle).to(self.device) for bundle in ensemble.bundles]

    def tss_style(self, layers: np.ndarray) -> np.ndarray:
        """Mean probability (H, W) of layers (C, H, W) in their units, NaN where unknown."""
        return self._mean(layers, self._tss_member)

    def dn_style(self, layers: np.ndarray) -> np.ndarray:
        """Likewise."""
        return self._mean(layers, self._dn_member)

    def _mean(self, layers: np.ndarray, member) -> np.ndarray:
        found = [
            member(torch.from_numpy(copy.deepcopy(self._seen(layers, bundle))), bundle, network)
            for bundle, network in zip(self.bundles, self.networks, strict=True)
        ]
        return torch.stack(found).mean(dim=0).numpy()

    def _seen(self, layers: np.ndarray, bundle: Bundle) -> np.ndarray:
        """The layers that a model reads, normalised on the host."""
        own = layers[[self.layers.index(name) for name in bundle.layers]]
        low, high = (
            np.array([getattr(each, end) for each in bundle.inputs], np.float32)[:, None, None]
            for end in ("low", "high")
        )
        scaled = np.clip((own - low) / (high - low), 0.0, 1.0)
        return np.nan_to_num(scaled, nan=bundle.fill)

    @torch.no_grad()
    def _tss_member(self, seen: torch.Tensor, bundle: Bundle, network: nn.Module) -> torch.Tensor:
        height, width = seen.shape[1:]
        ramp = _ramp(seen.shape[1:])
        total = torch.zeros(height, width)
        weight = torch.zeros(height, width)
        for row in _starts(height):
            for col in _starts(width):
                part = (slice(row, row + ramp.shape[0]), slice(col, col + ramp.shape[1]))
                window = seen[(slice(None), *part)].unsqueeze(0).to(self.device)
                made = _probability(network(window), bundle)[0].cpu()
                total[part] += made * ramp
                weight[part] += ramp
        return torch.nan_to_num(total / weight, nan=0.0)

    @torch.no_grad()
    def _dn_member(self, seen: torch.Tensor, bundle: Bundle, network: nn.Module) -> torch.Tensor:
        padded = torch.nn.functional.pad(seen, (1, 1, 1, 1))
        height, width = padded.shape[1:]
        ramp = _ramp((height, width))
        places = [
            (slice(row, row + ramp.shape[0]), slice(col, col + ramp.shape[1]))
            for row in _starts(height)
            for col in _starts(width)
        ]
        windows = torch.stack([padded[(slice(None), *place)] for place in places])
        made = torch.empty(len(places), *ramp.shape)
        for first in range(0, len(places), DN_BATCH):
            batch = windows[first : first + DN_BATCH].to(self.device)
            made[first : first + DN_BATCH] = _probability(network(batch), bundle).cpu()
        total = torch.zeros(height, width)
        weight = torch.zeros(height, width)
        for place, probability in zip(places, made, strict=True):
            total[place] += probability * ramp
            weight[place] += ramp
        return (total / weight)[1:-1, 1:-1]


def _network(bundle: Bundle) -> nn.Module:
    return build_network(bundle).to(memory_format=torch.contiguous_format)


def _probability(logits: torch.Tensor, bundle: Bundle) -> torch.Tensor:
    calibration = bundle.calibration
    return torch.sigmoid(logits[:, 0] / calibration.temperature + calibration.bias)


def _ramp(shape: Sequence[int]) -> torch.Tensor:
    """Weights of a window's pixels: they rise from 0 over the overlap at all four sides."""
    sides = []
    for length in shape:
        side = torch.ones(min(length, WINDOW_PX))
        rise = torch.linspace(0, 1, OVERLAP_PX)
        side[:OVERLAP_PX] = rise
        side[-OVERLAP_PX:] = rise.flip(0)
        sides.append(side)
    return sides[0][:, None] * sides[1][None, :]


def _starts(length: int) -> list[int]:
    """First pixels of the windows along a side; the last one is shifted inward."""
    if length <= WINDOW_PX:
        return [0]
    step = WINDOW_PX - OVERLAP_PX
    return [*range(0, length - WINDOW_PX, step), length - WINDOW_PX]
