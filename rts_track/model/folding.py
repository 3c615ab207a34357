"""Batch normalisation folded into the convolutions before it: the same network, fewer steps."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PROBE_PX = 64
"""Side of the noise that a network is looked at with: two strides of the deepest encoder."""

_TOLERANCE = 1e-4
"""Of the network's largest logit over the probe, or of 1: more is no rounding in float32, so
something was folded that ought not to be."""


_UNSUITED = (RuntimeError, ValueError, AssertionError)
"""What comes of a network that takes no windows of the probe's size."""


def folded(network: nn.Module, n_inputs: int) -> nn.Module:
    """A copy of the network in which convolutions have taken in the normalisation after them.

    In a trained network, batch normalisation is a factor and a term for each channel; where its
    input is a convolution's output and nothing else, they go into the convolution's weights
    (Markuš 2018, https://nenadmarkus.com/p/fusing-batchnorm-and-conv). Which those are is seen in
    a forward pass over noise, not told by names. A second pass over the copy has to give the same;
    where it does not, or the network cannot be looked at so, it comes back as it is.

    Args:
        network: in evaluation, float32, on the processor; left as it is.
        n_inputs: its number of channels.
    """
    chance = torch.Generator().manual_seed(0)
    noise = torch.rand((1, n_inputs, PROBE_PX, PROBE_PX), generator=chance)
    noise = noise.contiguous(memory_format=torch.channels_last)
    lighter = copy.deepcopy(network)
    try:
        with torch.inference_mode():
            pairs = _pairs(lighter, noise)
            before = network(noise)
    except _UNSUITED:
        return network
    for convolution, normalisation in pairs:
        _fold(lighter, convolution, normalisation)
    lighter.requires_grad_(False)
    with torch.inference_mode():
        after = lighter(noise)
    most = max(float(before.abs().max()), 1.0)
    is_same = torch.allclose(before, after, rtol=0.0, atol=_TOLERANCE * most)
    return lighter if is_same else network


def _pairs(network: nn.Module, noise: torch.Tensor) -> list[tuple[str, str]]:
    """Names of the convolutions and normalisations that follow on each other in a forward pass.

    Each is called once, and each convolution's output goes to one normalisation.
    """
    outputs: dict[int, str] = {}
    calls: dict[str, int] = {}
    pairs: dict[str, str] = {}
    kept: list[torch.Tensor] = []  # else another tensor might come to have the same id
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):

            def note(
                module: nn.Module, given: object, made: torch.Tensor, name: str = name
            ) -> None:
                calls[name] = calls.get(name, 0) + 1
                outputs[id(made)] = name
                kept.append(made)

            hooks.append(module.register_forward_hook(note))
        elif isinstance(module, nn.BatchNorm2d) and module.track_running_stats:

            def look(module: nn.Module, given: tuple[torch.Tensor], name: str = name) -> None:
                calls[name] = calls.get(name, 0) + 1
                if id(given[0]) in outputs:
                    pairs[name] = outputs[id(given[0])]

            hooks.append(module.register_forward_pre_hook(look))
    try:
        network(noise)
    finally:
        for hook in hooks:
            hook.remove()
    followed = list(pairs.values())
    return [
        (convolution, normalisation)
        for normalisation, convolution in pairs.items()
        if calls[normalisation] == calls[convolution] == followed.count(convolution) == 1
    ]


def _fold(network: nn.Module, convolution: str, normalisation: str) -> None:
    """Put the normalisation into the convolution, and what it does besides into its place."""
    folding, rest = network.get_submodule(convolution), network.get_submodule(normalisation)
    assert isinstance(folding, nn.Conv2d) and isinstance(rest, nn.BatchNorm2d)
    _replace(network, convolution, fuse_conv_bn_eval(folding, rest))
    # timm's have an activation of their own
    activation = getattr(rest, "act", None)
    _replace(
        network, normalisation, activation if isinstance(activation, nn.Module) else nn.Identity()
    )


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
