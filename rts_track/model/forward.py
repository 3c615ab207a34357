"""The networks of an ensemble as one: from normalised channels to each member's probabilities."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import nn

from rts_track.errors import InputError, UsageError
from rts_track.model.folding import folded
from rts_track.model.manifest import Tta
from rts_track.model.network import build_network

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.model.manifest import Bundle

Precision = Literal["float32", "bf16"]

DTYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bf16": torch.bfloat16}
"""What the channels and the convolutions are in."""

SYMMETRIES: dict[Tta, tuple[tuple[int, bool], ...]] = {
    "none": ((0, False),),
    "flips": ((0, False), (0, True), (2, False), (2, True)),
    "d4": tuple((turns, is_flipped) for turns in range(4) for is_flipped in (False, True)),
}
"""How windows are shown to a network: quarter turns, after a flip from left to right or none. Two
turns of a flipped window are a flip from top to bottom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A layer as a network sees it: clip((x - low) / (high - low), 0, 1), `fill` where it is NaN.

    `low` and `high` are in the layer's unit, `fill` is between 0 and 1.
    """

    name: str
    low: float
    high: float
    fill: float

    def of(self, layer: torch.Tensor) -> torch.Tensor:
        """The layer, of any shape, in its unit, float32 with NaN, normalised: float32, 0 to 1."""
        low, high = np.float32(self.low), np.float32(self.high)  # as training has computed them
        scaled = ((layer - float(low)) / float(high - low)).clamp_(0.0, 1.0)
        return scaled.nan_to_num_(nan=self.fill)


def channels_of(ensemble: Ensemble) -> tuple[Channel, ...]:
    """Every channel that a member reads, once, in the order in which they are first read.

    Members that normalise a layer differently have a channel each of it.
    """
    return tuple(dict.fromkeys(each for bundle in ensemble.bundles for each in _channels(bundle)))


def normalise(
    layers: torch.Tensor, names: Sequence[str], channels: Sequence[Channel]
) -> torch.Tensor:
    """The channels (B, C, h, w), float32 in channels_last order, of layers (B, n, h, w).

    Args:
        layers: in their units, float32 with NaN.
        names: what they are, in their order; more than the channels need do no harm.
        channels: what is wanted.
    """
    shape = (layers.shape[0], len(channels), *layers.shape[2:])
    made = torch.empty(
        shape, dtype=torch.float32, device=layers.device, memory_format=torch.channels_last
    )
    for number, channel in enumerate(channels):
        made[:, number] = channel.of(layers[:, names.index(channel.name)])
    return made


class EnsembleForward(nn.Module):
    """What each member makes of normalised channels.

    Batch normalisation is folded into the convolutions where that changes nothing (`folding`).
    The body of a network is computed in the precision; its last convolution, the calibration and
    the sigmoid always in float32: near a threshold, probabilities in bf16 are 0.004 apart.

    Attributes:
        channels: what `forward` takes, in this order.
        members: the networks, in the order of the ensemble's bundles.
        device: where they are.
        dtype: what channels are best given in.
        tta: the test-time augmentation.
    """

    _is_finite: torch.Tensor

    def __init__(
        self,
        ensemble: Ensemble,
        device: torch.device,
        *,
        precision: Precision = "float32",
        tta: Tta = "none",
        is_compiled: bool = False,
    ) -> None:
        """Load the networks.

        Args:
            ensemble: the bundles.
            device: where to compute.
            precision: `float32`, or `bf16` where the device has it.
            tta: each window is shown in so many ways, and a member's probability is the mean:
                `none` (as it is), `flips` (4: as it is, mirrored either way, and both) or `d4`
                (8: the symmetries of the square). Costs as many times the computing.
            is_compiled: whether torch compiles the networks, once for each shape of windows,
                which takes a minute and a C++ compiler.

        Raises:
            InputError: a bundle's weights cannot be used.
            UsageError: no such precision or augmentation.
        """
        super().__init__()
        if precision not in DTYPES:
            raise UsageError(f"precision {precision!r} is unknown: {' or '.join(DTYPES)}")
        if tta not in SYMMETRIES:
            raise UsageError(f"augmentation {tta!r} is unknown: {', '.join(get_args(Tta))}")
        self.channels = channels_of(ensemble)
        self.device, self.dtype, self.tta = device, DTYPES[precision], tta
        self.members = nn.ModuleList(
            _Member(bundle, self.channels, self.dtype) for bundle in ensemble.bundles
        )
        self.register_buffer("_is_finite", torch.ones(len(self.members), dtype=torch.bool))
        self.to(device).eval()
        if is_compiled:
            for member in self.members:
                member.compile(dynamic=False)

    @property
    def n_members(self) -> int:
        """How many probabilities each pixel gets."""
        return len(self.members)

    @torch.inference_mode()
    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        """Calibrated probabilities (B, members, h, w), float32, of channels (B, C, h, w).

        Nothing is awaited, on whatever device: `check` tells afterwards whether all were numbers.

        Args:
            channels: as `normalise` makes them, on this device; sides are multiples of
                `network.STRIDE_PX`.
        """
        seen = channels.to(self.dtype)
        with self._settings():
            made = torch.stack([self._mean(member, seen) for member in self.members], dim=1)
        self._is_finite &= torch.isfinite(made).all(dim=3).all(dim=2).all(dim=0)
        return made

    def check(self) -> None:
        """InputError if a member has predicted what is no number since this was last asked."""
        are_finite = self._is_finite.tolist()
        self._is_finite.fill_(True)
        for member, is_finite in zip(self.members, are_finite, strict=True):
            if not is_finite:
                raise InputError(f"bundle {member.name} predicts what is no number")

    def _mean(self, member: nn.Module, seen: torch.Tensor) -> torch.Tensor:
        """A member's probabilities (B, h, w), the mean over the ways to show it the channels."""
        (first, *others) = SYMMETRIES[self.tta]
        total: torch.Tensor = _turned_back(member(_turned(seen, *first)), *first)
        for turns, is_flipped in others:
            total = total + _turned_back(
                member(_turned(seen, turns, is_flipped)), turns, is_flipped
            )
        return total / (1 + len(others)) if others else total

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Torch's settings while networks are computed: those of the precision, and no others."""
        with ExitStack() as settings:
            if self.dtype is not torch.float32:
                settings.enter_context(torch.autocast(self.device.type, dtype=self.dtype))
            if self.device.type == "cuda":
                settings.enter_context(_CUDNN.held())
            yield


class _Cudnn:
    """The settings of cuDNN, which all threads have in common: made for as long as any computes.

    Were each thread to put back what it has found, the first that ends would change the numbers
    of the others, and the last one leave the first one's settings.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_computing = 0
        self._made = ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Float32 is meant as such, and shapes are few; as it was before once nobody computes."""
        with self._lock:
            if not self._n_computing:
                self._made.enter_context(
                    torch.backends.cudnn.flags(
                        enabled=torch.backends.cudnn.enabled,  # without a word, it would be off
                        benchmark=True,
                        allow_tf32=False,
                    )
                )
            self._n_computing += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_computing -= 1
                if not self._n_computing:
                    self._made.close()


_CUDNN = _Cudnn()


class _Member(nn.Module):
    """A bundle's network: from the ensemble's channels to its calibrated probabilities."""

    _own: torch.Tensor | None
    _temperature: torch.Tensor
    _bias: torch.Tensor

    def __init__(self, bundle: Bundle, channels: Sequence[Channel], dtype: torch.dtype) -> None:
        super().__init__()
        self.name = bundle.name
        own = [channels.index(each) for each in _channels(bundle)]
        are_all = own == list(range(len(channels)))
        self.register_buffer("_own", None if are_all else torch.tensor(own))
        # as tensors: members that differ in numbers alone are compiled once
        self.register_buffer("_temperature", torch.tensor(bundle.calibration.temperature))
        self.register_buffer("_bias", torch.tensor(bundle.calibration.bias))
        self.network = _in_precision(folded(build_network(bundle), len(own)), dtype)

    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        """Probabilities (B, h, w), float32, of the ensemble's channels (B, C, h, w)."""
        own = channels if self._own is None else channels.index_select(1, self._own)
        own = own.contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self.network(own)[:, 0].float()
        return torch.sigmoid(logits / self._temperature + self._bias)


class _Float32Head(nn.Module):
    """The last layers of a network, computed in float32 whatever was before them."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: torch.Tensor, *others: object) -> torch.Tensor:
        """What the head makes of the features."""
        with torch.autocast(features.device.type, enabled=False):
            made: torch.Tensor = self.head(features.float(), *others)
        return made


def _channels(bundle: Bundle) -> list[Channel]:
    return [
        Channel(name=each.name, low=each.low, high=each.high, fill=bundle.fill)
        for each in bundle.inputs
    ]


def _in_precision(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The network with its kernels in `dtype`, all but those of its head; itself in float32."""
    if dtype is torch.float32:
        return network
    head: nn.Module = network.segmentation_head  # type: ignore[assignment] # all of smp's have one
    own = set(head.modules())  # kernels that have once been in `dtype` have lost their digits
    for module in network.modules():
        if module not in own and isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            module.to(dtype)
    network.segmentation_head = _Float32Head(head)
    return network


def _turned(window: torch.Tensor, turns: int, is_flipped: bool) -> torch.Tensor:
    """The window (..., h, w), flipped from left to right or not, then turned so many quarters."""
    flipped = window.flip(-1) if is_flipped else window
    return torch.rot90(flipped, turns, (-2, -1)) if turns else flipped


def _turned_back(window: torch.Tensor, turns: int, is_flipped: bool) -> torch.Tensor:
    """What `_turned` has turned, as it was."""
    back = torch.rot90(window, -turns, (-2, -1)) if turns else window
    return back.flip(-1) if is_flipped else back
