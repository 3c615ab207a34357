"""What a model bundle says of itself: its manifest, as records and as JSON."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, get_args

from rts_track.domain import Kind, canonical_json, digest
from rts_track.errors import InputError

FORMAT_VERSION = 1
"""Version of the manifest's format; bundles of a newer one are refused."""

_LARGEST = sys.float_info.max
"""Whole numbers of JSON have no end; larger ones are no floating-point numbers."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""Names of bundles and encoders: one part of a path, no address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A layer that a model reads, and how it is normalised: clip((x - low) / (high - low), 0, 1).

    `name` is a band's or an auxiliary layer's; `low` and `high` are in its unit.
    """

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network of segmentation-models-pytorch: its class, and that class's keyword arguments.

    The number of inputs and of classes are not among them: they follow from the bundle.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What makes a network's logit a probability: sigmoid(logit / temperature + bias).

    Platt (1999) with the slope written as a temperature, as Guo et al. (2017,
    https://doi.org/10.48550/arXiv.1706.04599) have it.
    """

    temperature: float = 1.0
    bias: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model with all that is needed to use it rightly.

    Attributes:
        name: what it is called.
        architecture: the network.
        inputs: the layers it reads, in the order of its channels.
        fill: normalised value, 0 to 1, where a layer knows nothing.
        sensors: sensors it was trained for; empty: it may be any.
        gsd_range_m: finest and coarsest pixel it was trained for, in metres.
        threshold: least probability of a slump's pixel.
        min_area_m2: smallest polygon that is meant.
        calibration: what makes logits probabilities.
        delineation_sigma_m: how far its outlines tend to lie off as a whole, 1 sigma.
        recall: share of the slumps that it finds, if known.
        kind: what it outlines: landform or active_zone.
        licence: under which it may be used.
        citation: how it is cited, if it is.
        training: summary of its training: names and plain values.
        weights_sha256: SHA-256 of the weights file, in hex.
        weights: the safetensors file, or its content.
    """

    name: str
    architecture: Architecture
    inputs: tuple[Input, ...]
    fill: float
    sensors: tuple[str, ...]
    gsd_range_m: tuple[float, float]
    threshold: float
    min_area_m2: float
    calibration: Calibration
    delineation_sigma_m: float
    recall: float | None
    kind: Kind
    licence: str
    citation: str | None
    training: Mapping[str, Any]
    weights_sha256: str
    weights: Path | bytes = field(repr=False, compare=False)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the manifest, which holds that of the weights, in hex."""
        return digest("bundle", canonical_json(to_json(self)))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of its inputs in the order of its channels."""
        return tuple(each.name for each in self.inputs)


def to_json(bundle: Bundle) -> dict[str, Any]:
    """The manifest's content, in the order in which it is written."""
    return {
        "format_version": FORMAT_VERSION,
        "name": bundle.name,
        "kind": bundle.kind,
        "architecture": {"name": bundle.architecture.name, **bundle.architecture.arguments},
        "inputs": [
            {"name": each.name, "low": each.low, "high": each.high} for each in bundle.inputs
        ],
        "fill": bundle.fill,
        "sensors": list(bundle.sensors),
        "gsd_range_m": list(bundle.gsd_range_m),
        "threshold": bundle.threshold,
        "min_area_m2": bundle.min_area_m2,
        "calibration": {
            "temperature": bundle.calibration.temperature,
            "bias": bundle.calibration.bias,
        },
        "delineation_sigma_m": bundle.delineation_sigma_m,
        "recall": bundle.recall,
        "licence": bundle.licence,
        "citation": bundle.citation,
        "training": dict(bundle.training),
        "weights_sha256": bundle.weights_sha256,
    }


def from_json(text: str, *, origin: str, weights: Path | bytes) -> Bundle:
    """The bundle of such a manifest; InputError where it says what cannot be.

    Args:
        text: the manifest's text.
        origin: what to call it in faults.
        weights: the safetensors file, or its content.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{origin}: no JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{origin}: no manifest of a bundle: it is no mapping")
    _check_version(content.pop("format_version", None), origin)
    entries = _Entries(content, origin)
    bundle = Bundle(
        name=entries.take("name", _name),
        kind=entries.take("kind", _one_of(*get_args(Kind))),
        architecture=entries.take("architecture", _architecture),
        inputs=entries.take("inputs", _inputs),
        fill=entries.take("fill", _number(0.0, 1.0)),
        sensors=entries.take("sensors", _texts),
        gsd_range_m=entries.take("gsd_range_m", _range),
        threshold=entries.take("threshold", _number(0.0, 1.0, is_open=True)),
        min_area_m2=entries.take("min_area_m2", _number(0.0)),
        calibration=entries.take("calibration", _calibration),
        delineation_sigma_m=entries.take("delineation_sigma_m", _number(0.0)),
        recall=entries.take("recall", _or_null(_number(0.0, 1.0))),
        licence=entries.take("licence", _text),
        citation=entries.take("citation", _or_null(_text)),
        training=entries.take("training", _mapping),
        weights_sha256=entries.take("weights_sha256", _sha256),
        weights=weights,
    )
    entries.refuse_rest()
    return bundle


def check(bundle: Bundle) -> Bundle:
    """The bundle, if its manifest can be read back; InputError where it says what cannot be."""
    text = json.dumps(to_json(bundle))
    return from_json(text, origin=f"bundle {bundle.name}", weights=bundle.weights)


class _Reading(Protocol):
    """Makes a value of what JSON holds; ValueError says what was expected instead."""

    def __call__(self, value: Any, /) -> Any: ...  # noqa: ANN401 - JSON holds anything


class _Entries:
    """The entries of a manifest, each taken once."""

    def __init__(self, content: dict[str, Any], origin: str) -> None:
        self._content = content
        self._origin = origin

    def take(self, key: str, reading: _Reading) -> Any:  # noqa: ANN401
        """The entry as `reading` has it; InputError where it is missing or off."""
        if key not in self._content:
            raise InputError(f"{self._origin}: {key} is missing")
        value = self._content.pop(key)
        try:
            return reading(value)
        except (ValueError, KeyError, TypeError) as error:
            shown = json.dumps(value)[:80]
            raise InputError(f"{self._origin}: {key} is {shown}: expected {error}") from error

    def refuse_rest(self) -> None:
        """InputError if an entry was not taken."""
        if self._content:
            raise InputError(f"{self._origin}: unknown entry {', '.join(sorted(self._content))}")


def _check_version(version: object, origin: str) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{origin}: no manifest of a bundle: format_version is missing")
    if version > FORMAT_VERSION:
        raise InputError(
            f"{origin}: format_version {version!s:.20} is newer than {FORMAT_VERSION}, the newest"
            " that this rts-track reads: upgrade rts-track"
        )


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of texts")
    return tuple(_text(each) for each in value)


def _name(value: object) -> str:
    if not isinstance(value, str) or NAME.fullmatch(value) is None:
        raise ValueError("a name of letters, digits, dots, dashes and underscores")
    return value


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(" or ".join(choices))
        return str(value)

    return read


def _number(
    low: float = -math.inf, high: float = math.inf, *, is_open: bool = False
) -> Callable[[object], float]:
    """Reads a finite number from `low` to `high`; neither of them where `is_open`."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("a number")
        number = float(value) if abs(value) <= _LARGEST else math.inf
        if not math.isfinite(number) or not low <= number <= high or (is_open and number == low):
            raise ValueError(f"a number from {low:g} to {high:g}")
        return number

    return read


def _or_null(reading: _Reading) -> _Reading:
    return lambda value: None if value is None else reading(value)


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a mapping")
    return value


def _range(value: object) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("two numbers")
    low, high = (_number(0.0, is_open=True)(each) for each in value)
    if low > high:
        raise ValueError("the smaller number first")
    return low, high


def _calibration(value: object) -> Calibration:
    content = _mapping(value)
    if set(content) != {"temperature", "bias"}:
        raise ValueError("temperature and bias")
    return Calibration(
        temperature=_number(0.0, is_open=True)(content["temperature"]),
        bias=_number()(content["bias"]),
    )


def _inputs(value: object) -> tuple[Input, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("a list of inputs")
    inputs = tuple(_input(each) for each in value)
    if len({each.name for each in inputs}) < len(inputs):
        raise ValueError("each input once")
    return inputs


def _input(value: object) -> Input:
    content = _mapping(value)
    if set(content) != {"name", "low", "high"}:
        raise ValueError("inputs with name, low and high")
    read = Input(
        name=_name(content["name"]), low=_number()(content["low"]), high=_number()(content["high"])
    )
    if read.low >= read.high:
        raise ValueError(f"low < high, {read.name} has {read.low:g} and {read.high:g}")
    return read


def _architecture(value: object) -> Architecture:
    content = dict(_mapping(value))
    name = _name(content.pop("name", None))
    for key in ("encoder_weights", "pretrained", "in_channels", "classes", "activation"):
        if key in content:
            raise ValueError(f"no {key}: it follows from the bundle")
    if "encoder_name" in content:  # a name with a colon or slash would be fetched from elsewhere
        _name(content["encoder_name"])
    return Architecture(name=name, arguments=content)


def _sha256(value: object) -> str:
    if not isinstance(value, str) or re.fullmatch(r"[0-9a-f]{64}", value) is None:
        raise ValueError("a SHA-256 in hex")
    return value
