"""Networks: built as a bundle says, with its weights and nothing else's."""

from __future__ import annotations

import hashlib
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import segmentation_models_pytorch as smp
import torch
from torch import nn

from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import weights_content

if TYPE_CHECKING:
    from rts_track.model.manifest import Architecture, Bundle

STRIDE_PX = 32
"""Sides of what a network sees are multiples of this: no encoder halves more than five times."""

_UNBUILDABLE = (
    *(TypeError, ValueError, LookupError, AttributeError, AssertionError),
    *(RuntimeError, ZeroDivisionError),
)
"""What comes of arguments that make no network."""

_FORMER_ARGUMENTS = {"decoder_use_batchnorm"}
"""What classes of networks took once, and still understand."""

_LONGEST_TOLD = 160
"""Characters of others' words in a fault: some list all that they know."""

_COUNTER = "num_batches_tracked"
"""What batch normalisation counts in training and nobody needs after it."""


class Member(nn.Module):
    """A member of an ensemble: what it makes of layers as they are read."""

    _channels: torch.Tensor
    _low: torch.Tensor
    _high: torch.Tensor

    def __init__(self, bundle: Bundle, network: nn.Module, layers: Sequence[str]) -> None:
        """The bundle and its network, for inputs whose channels are `layers`."""
        super().__init__()
        self.network = network
        self.name = bundle.name
        self._fill = bundle.fill
        self._calibration = bundle.calibration
        self.register_buffer("_channels", torch.tensor([layers.index(n) for n in bundle.layers]))
        self.register_buffer("_low", _per_channel([each.low for each in bundle.inputs]))
        self.register_buffer("_high", _per_channel([each.high for each in bundle.inputs]))

    def forward(self, layers: torch.Tensor) -> torch.Tensor:
        """Probabilities (B, H, W), float32, of layers (B, C, H, W) in their units with NaN."""
        return torch.sigmoid(self.logits(layers))

    def logits(self, layers: torch.Tensor) -> torch.Tensor:
        """Calibrated logits (B, H, W), float32, of such layers."""
        chosen = layers.index_select(1, self._channels)
        seen = normalised(chosen, self._low, self._high, self._fill)
        logits: torch.Tensor = self.network(seen)[:, 0].float()
        return logits / self._calibration.temperature + self._calibration.bias


def normalised(
    layers: torch.Tensor, low: torch.Tensor, high: torch.Tensor, fill: float
) -> torch.Tensor:
    """The layers (B, C, H, W) from `low` to `high` as 0 to 1; `fill` where they are NaN."""
    scaled = ((layers - low) / (high - low)).clamp(0.0, 1.0)
    filled = torch.nan_to_num(scaled, nan=fill)
    return filled.contiguous(memory_format=torch.channels_last)


def new_network(architecture: Architecture, n_inputs: int) -> nn.Module:
    """A network of that architecture with weights by chance; InputError where there is none."""
    known: Mapping[str, type[nn.Module]] = smp.MODEL_ARCHITECTURES_MAPPING
    made = known.get(architecture.name.lower())
    if made is None:
        names = ", ".join(sorted(each.__name__ for each in known.values()))
        raise InputError(f"architecture {architecture.name} is unknown: {names}")
    fixed: dict[str, Any] = {"encoder_weights": None, "in_channels": n_inputs, "classes": 1}
    unknown = sorted(map(str, architecture.arguments.keys() - _arguments_of(made)))
    if unknown:  # the rest would go to the encoder's makers, who take files and addresses
        raise InputError(
            f"architecture {architecture.name} cannot be made of {', '.join(unknown):.120}: it has"
            " no such argument"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return made(**{**architecture.arguments, **fixed})
    except _UNBUILDABLE as error:
        raise InputError(
            f"architecture {architecture.name} cannot be made of"
            f" {_told(dict(architecture.arguments))}: {_told(error)}"
        ) from error


def _arguments_of(made: type[nn.Module]) -> set[str]:
    """The arguments that a class of networks names itself."""
    named = inspect.signature(made).parameters.values()
    return {each.name for each in named if each.kind is not each.VAR_KEYWORD} | _FORMER_ARGUMENTS


def _told(words: object) -> str:
    text = " ".join(str(words).split())
    return text if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]} ..."


def build_network(bundle: Bundle) -> nn.Module:
    """The bundle's network with its weights in float32, ready to predict.

    Raises:
        InputError: the weights are not its own, no safetensors, or do not fit its architecture
            and inputs.
    """
    weights = read_weights(bundle)
    network = new_network(bundle.architecture, len(bundle.inputs))
    _check_fit(bundle, weights, network.state_dict())
    network.load_state_dict(weights, strict=False)  # all but the counters, as was just checked
    network.requires_grad_(False)
    return network.eval().to(memory_format=torch.channels_last)


def read_weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    """The bundle's weights by their names, in float32; InputError where they cannot be read."""
    try:
        stored = safetensors.torch.load(weights_content(bundle))
    except safetensors.SafetensorError as error:
        raise InputError(f"bundle {bundle.name}: weights cannot be read: {error}") from error
    for name, weight in stored.items():
        if not weight.is_floating_point() or not torch.isfinite(weight).all():
            raise InputError(f"bundle {bundle.name}: weight {name} is not of finite numbers")
    return {name: weight.float() for name, weight in stored.items()}


def weights_bytes(
    state: Mapping[str, torch.Tensor], *, dtype: torch.dtype = torch.float16
) -> tuple[bytes, str]:
    """A network's state as the content of a safetensors file, and its SHA-256 in hex.

    Only kernels are kept in `dtype`: biases and what normalisation keeps are few, and of any size.
    OverflowError where a weight is no finite number there.
    """
    kept = {
        name: weight.detach().to("cpu", dtype if weight.ndim > 1 else torch.float32).contiguous()
        for name, weight in state.items()
        if not name.endswith(_COUNTER)
    }
    for name, weight in kept.items():
        if not torch.isfinite(weight).all():
            raise OverflowError(f"weight {name} is no finite {dtype} number")
    content = safetensors.torch.save(kept)
    return content, hashlib.sha256(content).hexdigest()


def torch_device(name: str | None) -> torch.device:
    """The device of that name; None: a CUDA device if there is one. UsageError for others."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device {name!r} is unknown: cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {name}: there is no CUDA device that torch could use")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name}: the last one is cuda:{torch.cuda.device_count() - 1}")
    return device


def torch_devices(names: Sequence[str]) -> tuple[str, ...]:
    """The devices of these names; without any, every CUDA device, or the processor without one.

    UsageError for a device that there is not.
    """
    if names:
        return tuple(str(torch_device(name)) for name in names)
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return tuple(f"cuda:{number}" for number in range(n_cuda)) or ("cpu",)


def verify(bundle: Bundle) -> None:
    """InputError unless the bundle's network can be built and predicts, twice the same.

    The forward pass is over noise within the inputs' ranges.
    """
    member = Member(bundle, build_network(bundle), bundle.layers)
    chance = torch.Generator().manual_seed(0)
    low, high = (_per_channel([getattr(each, end) for each in bundle.inputs]) for end in _ENDS)
    shape = (1, len(bundle.inputs), 2 * STRIDE_PX, 2 * STRIDE_PX)
    layers = low + (high - low) * torch.rand(shape, generator=chance)
    try:
        with torch.inference_mode():
            first, second = member(layers), member(layers)
    except _UNBUILDABLE as error:
        raise InputError(f"bundle {bundle.name}: cannot predict: {_told(error)}") from error
    if first.shape != (1, *shape[2:]):
        raise InputError(f"bundle {bundle.name}: predicts {tuple(first.shape)} of {shape}")
    if not torch.isfinite(first).all():
        raise InputError(f"bundle {bundle.name}: predicts what is no number")
    if not torch.equal(first, second):
        raise InputError(f"bundle {bundle.name}: predicts differently each time")


_ENDS = ("low", "high")


def _check_fit(
    bundle: Bundle, weights: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]
) -> None:
    """InputError where weights are missing, extra, or of other shapes than the network's."""
    wanted = {name for name in state if not name.endswith(_COUNTER)}
    missing, extra = wanted - weights.keys(), weights.keys() - state.keys()
    if missing or extra:
        what = f"{len(missing)} weights are missing, {len(extra)} unknown"
        example = min(missing or extra)
        raise InputError(
            f"bundle {bundle.name}: {what}, such as {example}: its architecture"
            f" {bundle.architecture.name} is not that of its weights"
        )
    for name in sorted(wanted):
        given, asked = tuple(weights[name].shape), tuple(state[name].shape)
        if given != asked:
            raise InputError(
                f"bundle {bundle.name}: weight {name} is {given}, its architecture with its"
                f" {len(bundle.inputs)} inputs wants {asked}"
            )


def _per_channel(values: Sequence[float]) -> torch.Tensor:
    """Values of channels, to be broadcast with (B, C, H, W)."""
    return torch.tensor(values, dtype=torch.float32)[:, None, None]
