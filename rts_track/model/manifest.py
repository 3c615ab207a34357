"""What a model bundle says of itself: its manifest, as records and as JSON."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from rts_track.domain import Kind, canonical_json, digest
from rts_track.errors import InputError

FORMAT_VERSION = 2
"""Newest version of the manifest's format; bundles of a newer one are refused. What version 1 can
say is written as version 1, and keeps its digest: version 2 has entries more, all with defaults."""

Tta = Literal["none", "flips", "d4"]
TTA: tuple[Tta, ...] = ("none", "flips", "d4")
"""Test-time augmentations: none, the four flips, or all eight symmetries of the square."""

MOST_KNOTS = 1_000
"""Knots of a curve: more than a probability has steps as it is stored."""

_LARGEST_WEIGHT = 1e6

_LARGEST = sys.float_info.max
"""Whole numbers of JSON have no end; larger ones are no floating-point numbers."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""Names of bundles and encoders: one part of a path, no address."""

_LONGEST_NAME = 200

_FORBIDDEN_ARGUMENTS = (
    *("encoder_weights", "pretrained", "in_channels", "classes", "activation"),
    *("aux_params", "checkpoint_path", "cache_dir", "pretrained_cfg", "pretrained_cfg_overlay"),
)
"""Arguments of networks that follow from the bundle, or would let weights be taken from elsewhere:
from an address, or from a pickle of this machine."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The least probability of a slump's pixel in scenes of a sensor, in a region, or both.

    `region` is written `<region_set>/<region_code>`; None: of any sensor, in any region.
    """

    sensor: str | None
    region: str | None
    threshold: float


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
        weight: how much its probabilities count among those of an ensemble's members; more than 0.
        curve: what makes the ensemble's mean probability a calibrated one: knots (p, q), p rising
            and q not falling, linear between them and constant beyond. Empty: it stays as it is.
        thresholds: where another threshold than `threshold` holds.
        max_spread: footprints whose members disagree by more, on average, are left out; None: none.
        tta: the test-time augmentation that is meant.
        validation: what it was tuned on, and how it did: names and plain values.
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
    weight: float = 1.0
    curve: tuple[tuple[float, float], ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    max_spread: float | None = None
    tta: Tta = "none"
    validation: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the manifest, which holds that of the weights, in hex."""
        return digest("bundle", canonical_json(to_json(self)))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of its inputs in the order of its channels."""
        return tuple(each.name for each in self.inputs)


def to_json(bundle: Bundle) -> dict[str, Any]:
    """The manifest's content, in the order in which it is written.

    Entries of version 2 that are as they are by default are left out; without any it is version 1.
    """
    added = _added(bundle)
    return {
        "format_version": FORMAT_VERSION if added else 1,
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
        **added,
    }


def _added(bundle: Bundle) -> dict[str, Any]:
    """The entries that version 2 added, but for those that are as they are by default."""
    entries: dict[str, tuple[Any, Any]] = {
        "weight": (bundle.weight, 1.0),
        "curve": ([list(knot) for knot in bundle.curve], []),
        "thresholds": ([_threshold_json(each) for each in bundle.thresholds], []),
        "max_spread": (bundle.max_spread, None),
        "tta": (bundle.tta, "none"),
        "validation": (dict(bundle.validation), {}),
    }
    return {name: value for name, (value, default) in entries.items() if value != default}


def _threshold_json(threshold: Threshold) -> dict[str, Any]:
    where = {"sensor": threshold.sensor, "region": threshold.region}
    return {**where, "threshold": threshold.threshold}


def from_json(text: str, *, origin: str, weights: Path | bytes) -> Bundle:
    """The bundle of such a manifest; InputError where it says what cannot be.

    Args:
        text: the manifest's text.
        origin: what to call it in faults.
        weights: the safetensors file, or its content.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(content, ensure_ascii=False).encode()  # half a character is none
    except (ValueError, RecursionError) as error:
        raise InputError(f"{origin}: no JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{origin}: no manifest of a bundle: it is no mapping")
    version = _checked_version(content.pop("format_version", None), origin)
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
        **(_taken_of_version_2(entries) if version > 1 else {}),
    )
    entries.refuse_rest()
    return bundle


def _taken_of_version_2(entries: _Entries) -> dict[str, Any]:
    """The entries that version 2 added, those that are there."""
    readings: dict[str, _Reading] = {
        "weight": _number(0.0, _LARGEST_WEIGHT, is_open=True),
        "curve": _curve,
        "thresholds": _thresholds,
        "max_spread": _or_null(_number(0.0, 1.0)),
        "tta": _one_of(*TTA),
        "validation": _mapping,
    }
    return {name: entries.take(name, how) for name, how in readings.items() if name in entries}


def check(bundle: Bundle) -> Bundle:
    """The bundle, if its manifest can be read back; InputError where it says what cannot be."""
    try:
        text = json.dumps(to_json(bundle))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"bundle {bundle.name}: its manifest is no JSON ({error})") from error
    return from_json(text, origin=f"bundle {bundle.name}", weights=bundle.weights)


def check_architecture(architecture: Architecture, origin: str) -> Architecture:
    """The architecture, if a manifest may name it; InputError otherwise.

    To be asked before a network is made: some arguments would let others' files be fetched.
    """
    try:
        content = json.loads(json.dumps(dict(architecture.arguments)))
        _architecture({**content, "name": architecture.name})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{origin}: architecture: expected {error!s:.120}") from error
    return architecture


class _Reading(Protocol):
    """Makes a value of what JSON holds; ValueError says what was expected instead."""

    def __call__(self, value: Any, /) -> Any: ...  # noqa: ANN401 - JSON holds anything


class _Entries:
    """The entries of a manifest, each taken once."""

    def __init__(self, content: dict[str, Any], origin: str) -> None:
        self._content = content
        self._origin = origin

    def __contains__(self, key: str) -> bool:
        return key in self._content

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


def _checked_version(version: object, origin: str) -> int:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{origin}: no manifest of a bundle: format_version is missing")
    if version > FORMAT_VERSION:
        raise InputError(
            f"{origin}: format_version {version!s:.20} is newer than {FORMAT_VERSION}, the newest"
            " that this rts-track reads: upgrade rts-track"
        )
    return version


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
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or NAME.fullmatch(value) is None:
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


def _curve(value: object) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list) or len(value) == 1 or len(value) > MOST_KNOTS:
        raise ValueError(f"a list of 2 to {MOST_KNOTS:,} knots, or none")
    knots = tuple(_knot(each) for each in value)
    for (p, q), (next_p, next_q) in pairwise(knots):
        if p >= next_p or q > next_q:
            raise ValueError(
                f"rising knots, but ({p:g}, {q:g}) comes before ({next_p:g}, {next_q:g})"
            )
    return knots


def _knot(value: object) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("knots of two numbers")
    p, q = (_number(0.0, 1.0)(each) for each in value)
    return p, q


def _thresholds(value: object) -> tuple[Threshold, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of thresholds")
    thresholds = tuple(_threshold(each) for each in value)
    if len({(each.sensor, each.region) for each in thresholds}) < len(thresholds):
        raise ValueError("one threshold for each sensor and region")
    return thresholds


def _threshold(value: object) -> Threshold:
    content = _mapping(value)
    if set(content) != {"sensor", "region", "threshold"}:
        raise ValueError("thresholds with sensor, region and threshold")
    read = Threshold(
        sensor=_or_null(_name)(content["sensor"]),
        region=_or_null(_region)(content["region"]),
        threshold=_number(0.0, 1.0, is_open=True)(content["threshold"]),
    )
    if read.sensor is None and read.region is None:
        raise ValueError("a sensor, a region or both for each of the thresholds")
    return read


def _region(value: object) -> str:
    region_set, slash, code = _text(value).partition("/")
    if not slash or not region_set.strip() or not code.strip():
        raise ValueError("regions as set/code")
    return _text(value)


def _architecture(value: object) -> Architecture:
    content = dict(_mapping(value))
    name = _name(content.pop("name", None))
    for key in _FORBIDDEN_ARGUMENTS:
        if key in content:
            raise ValueError(f"no {key}: it follows from the bundle")
    if "encoder_name" in content:  # a name with a colon or slash would be fetched from elsewhere
        _name(content["encoder_name"])
    return Architecture(name=name, arguments=content)


def _sha256(value: object) -> str:
    if not isinstance(value, str) or re.fullmatch(r"[0-9a-f]{64}", value) is None:
        raise ValueError("a SHA-256 in hex")
    return value
