"""Checkpoints and configurations of other projects, read without executing anything in them."""

from __future__ import annotations

import datetime as dt
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]

from rts_track.errors import InputError

_HARMLESS: list[Any] = [dict, dt.datetime]
"""What darts-nextgen's checkpoints hold beside tensors, numbers and texts: when training began, and
a list of bands that was pickled as the mapping it says. Making either does nothing else."""

_UNREADABLE = (EOFError, KeyError, RuntimeError, ValueError, pickle.UnpicklingError, OSError)
"""What comes of files that are no checkpoints, or that were cut short."""

_FORBIDDEN = re.compile(r"GLOBAL (\S+)")

_STATES = ("statedict", "state_dict", "model_state_dict", "model")
"""Where checkpoints keep the weights, if not right at the top."""

_WRAPPED = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning modules put before the name of each weight."""

CONFIG_BYTES = 1_000_000
"""No run's configuration is larger."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint of torch holds, on the CPU.

    Only tensors, numbers, texts and their collections are read; nothing is executed.

    Raises:
        InputError: there is no such file, it is none or was cut short, or it holds what would have
            to be executed.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name the checkpoint itself (.pt, .ckpt)")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_HARMLESS):
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        forbidden = _FORBIDDEN.search(str(error))
        if forbidden:
            raise InputError(
                f"{path}: refused, for loading it would execute code ({forbidden[1]}): have its"
                " makers save the state dict alone"
            ) from error
        raise InputError(f"{path}: no checkpoint of torch that holds weights alone") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds a {type(content).__name__}, not weights by their names")
    return dict(content)


def network_state(content: Mapping[str, Any], path: Path) -> dict[str, torch.Tensor]:
    """The network's weights in a checkpoint, by the names that the network itself has for them.

    InputError where it has none.
    """
    state = content
    if not _is_state(content):
        state = next((content[key] for key in _STATES if _is_state(content.get(key))), {})
    if not state:
        raise InputError(
            f"{path}: no weights in it, at the top or as {', '.join(_STATES)}; it has"
            f" {', '.join(sorted(map(str, content))[:8]) or 'nothing'}"
        )
    return _unwrapped(dict(state))


def read_config(path: Path) -> dict[str, Any]:
    """What a run's configuration in YAML or JSON says; InputError where it cannot be read."""
    if not path.is_file():
        raise InputError(f"{path}: no such configuration")
    if path.stat().st_size > CONFIG_BYTES:
        raise InputError(f"{path}: too large for a run's configuration")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = str(error).replace("\n", " ")
        raise InputError(f"{path}: neither YAML nor JSON ({reason[:120]})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: no configuration: it is no mapping")
    return content


def _is_state(content: object) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(each, torch.Tensor) for each in content.values())
    )


def _unwrapped(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights by the network's own names; what lies beside a Lightning `model.` is dropped."""
    for prefix in _WRAPPED:
        inside = {name: each for name, each in state.items() if name.startswith(prefix)}
        if inside and (prefix == "model." or len(inside) == len(state)):
            return _unwrapped({name.removeprefix(prefix): each for name, each in inside.items()})
    return state
