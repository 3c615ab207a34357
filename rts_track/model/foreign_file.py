"""Checkpoints and configurations of other projects, read without executing anything in them."""

from __future__ import annotations

import datetime as dt
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]

from rts_track.errors import InputError

_HARMLESS: list[Any] = [dict, dt.datetime]
"""What darts-nextgen's checkpoints hold beside tensors, numbers and texts: when training began, and
a list of bands that was pickled as the mapping it says. Making either does nothing else."""

_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError)
"""What comes of values that are not of the kind that their YAML tags say."""

_FORBIDDEN = re.compile(r"GLOBAL (\S+)")

_STATES = ("statedict", "state_dict", "model_state_dict", "model")
"""Where checkpoints keep the weights, if not right at the top."""

_WRAPPED = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning modules put before the name of each weight."""

CONFIG_BYTES = 1_000_000
"""No run's configuration is larger."""

_MOST_ENTRIES = 100_000
"""Of a configuration with its references followed: in a few lines they can stand for billions."""

_MOST_UNPACKED = 4
"""Times its size that a checkpoint has unpacked, at most: torch packs nothing."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint of torch holds, on the CPU.

    Only tensors, numbers, texts and their collections are read; nothing is executed.

    Raises:
        InputError: there is no such file, it is none or was cut short, or it holds what would have
            to be executed.
    """
    if not _is_file(path):
        raise InputError(f"{path}: no such file; name the checkpoint itself (.pt, .ckpt)")
    try:
        _check_unpacked(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_HARMLESS):
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # a broken file lets torch fail in any way
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        forbidden = _FORBIDDEN.search(str(error))
        if forbidden:
            raise InputError(
                f"{path}: refused, for loading it would execute code ({forbidden[1]:.80}): have its"
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
    if not _is_file(path):
        raise InputError(f"{path}: no such configuration")
    if path.stat().st_size > CONFIG_BYTES:
        raise InputError(f"{path}: too large for a run's configuration")
    try:
        content = _parsed(path.read_text(encoding="utf-8-sig"), path)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, RecursionError, *_MALFORMED) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: neither YAML nor JSON ({reason[:120]})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: no configuration: it is no mapping")
    return content


def check_size(content: object, origin: str) -> None:
    """InputError where a configuration holds more than one can, its references followed.

    Lists that stand many times in others, or in themselves, would be told without end.
    """
    left, n_entries = [content], 0
    while left:
        each = left.pop()
        inside = (*each, *each.values()) if isinstance(each, Mapping) else each
        if isinstance(inside, list | tuple | set | frozenset):
            left.extend(inside)
        n_entries += 1
        if n_entries > _MOST_ENTRIES or len(left) > _MOST_ENTRIES:
            raise InputError(f"{origin}: too much for a run's configuration, references followed")


def _parsed(text: str, path: Path) -> object:
    """The document, its nodes counted before any is made: merged mappings grow as they are made."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _check_nodes(root, path)
        content: object = loader.construct_document(root)
    finally:
        loader.dispose()
    check_size(content, str(path))
    return content


def _check_nodes(root: yaml.Node, path: Path) -> None:
    left, n_nodes = [root], 0
    while left:
        node = left.pop()
        if isinstance(node, yaml.MappingNode):
            left.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            left.extend(node.value)
        n_nodes += 1
        if n_nodes > _MOST_ENTRIES or len(left) > _MOST_ENTRIES:
            raise InputError(f"{path}: too much for a run's configuration, references followed")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or none
        return False


def _check_unpacked(path: Path) -> None:
    """InputError where the file would unpack to far more than it is."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
    if unpacked > _MOST_UNPACKED * path.stat().st_size:
        raise InputError(
            f"{path}: would unpack to {unpacked:,} bytes, which no checkpoint of torch does"
        )


def _is_state(content: object) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(name, str) for name in content)
        and all(isinstance(each, torch.Tensor) for each in content.values())
    )


def _unwrapped(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights by the network's own names; what lies beside a Lightning `model.` is dropped."""
    for prefix in _WRAPPED:
        inside = {name: each for name, each in state.items() if name.startswith(prefix)}
        if inside and (prefix == "model." or len(inside) == len(state)):
            return _unwrapped({name.removeprefix(prefix): each for name, each in inside.items()})
    return state
