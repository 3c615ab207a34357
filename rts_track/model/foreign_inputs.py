"""How other projects scale what their networks read, as ranges in our units.

thaw-slump-segmentation divides each layer, as it lies in the file, by a number: its
`norm_factors`. darts-nextgen did so first, with the inverse numbers, and scales ranges now. A
network sees right only what it was trained on: what is not known is refused and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rts_track.errors import InputError
from rts_track.model.manifest import Input
from rts_track.model.ranges import RANGES
from rts_track.source.bands import BAND_NAMES

_TREND = ("tc_brightness", "tc_greenness", "tc_wetness")

TSS_SOURCES: Mapping[str, tuple[str, ...]] = {
    "ndvi": ("ndvi",),
    "planet": ("blue", "green", "red", "nir"),
    "relative_elevation": ("relative_elevation",),
    "slope": ("slope",),
    "tcvis": _TREND,
}
"""The layers of thaw-slump-segmentation's data sources; channels go by the sources' names."""

TSS_DIVISORS: Mapping[str, float] = {
    **dict.fromkeys(TSS_SOURCES["planet"], 3_000.0),
    "ndvi": 20_000.0,
    "relative_elevation": 30_000.0,
    "slope": 90.0,
    **dict.fromkeys(_TREND, 255.0),
}
"""What thaw-slump-segmentation divides by since 2021 (version 0.5 and later)."""

DN_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("blue", "green", "red", "nir"), (-0.1, 0.5)),
    "ndvi": (-1.0, 1.0),
    "relative_elevation": (-50.0, 50.0),
    "slope": (0.0, 90.0),
    **dict.fromkeys(_TREND, (0.0, 255.0)),
}
"""Ranges of darts-nextgen since bands went without factors."""

_STORED: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(BAND_NAMES, (10_000.0, 0.0)),
    "ndvi": (10_000.0, 10_000.0),
    "relative_elevation": (300.0, 9_000.0),
}
"""Slope and offset from our unit to what both projects store: reflectance and NDVI in steps of
0.0001, NDVI from -1 on, elevations in steps of 1/300 m from -30 m on. The others as they are."""

_LARGEST = 1e30
"""Beyond it are no numbers by which anything is scaled."""

_LONGEST_SHOWN = 120

_WIDEST = 5.0
"""Ranges are wider or narrower than ours by less than this; beyond, other units were meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignInputs:
    """What a network reads, and whose way of scaling that is.

    Attributes:
        inputs: the layers in the order of its channels, with their ranges.
        scaling: where the ranges come from, in words.
        is_clipped: whether they clip what lies beyond the ranges, as we do.
        sensor: what it was trained for, where the configuration says so.
    """

    inputs: tuple[Input, ...]
    scaling: str
    is_clipped: bool
    sensor: str | None = None


def foreign_inputs(config: Mapping[str, Any], asked: Sequence[str], origin: str) -> ForeignInputs:
    """What a network of that configuration reads.

    Args:
        config: with `ranges` (in our units), `input_combination` and `norm_factors`, `bands`, or
            `data_sources`.
        asked: the layers in their order, as a user says; empty: as the configuration does.
        origin: what to call it in faults.

    Raises:
        InputError: layers or their scaling are not said, are unknown to us, or cannot be.
    """
    names = _names(config, asked, origin)
    scaling, is_clipped, ranges = _ranges(config, names, origin)
    inputs = tuple(Input(name=name, low=low, high=high) for name, (low, high) in ranges.items())
    sources = config.get("data_sources")
    is_planet = isinstance(sources, list | tuple) and "planet" in sources
    sensor = "planetscope" if is_planet else None
    return ForeignInputs(inputs=inputs, scaling=scaling, is_clipped=is_clipped, sensor=sensor)


def _names(config: Mapping[str, Any], asked: Sequence[str], origin: str) -> tuple[str, ...]:
    said = _said_names(config, origin)
    if asked and said and tuple(asked) != said:
        raise InputError(
            f"{origin}: reads {_shown(', '.join(said))}, not {', '.join(asked)}: leave --layers out"
        )
    names = said or tuple(asked)
    if not names:
        raise InputError(
            f"{origin}: which layers it reads, in which order, is not said: name the run's"
            " configuration (--config) or the layers (--layers)"
        )
    unknown = [name for name in names if name not in RANGES]
    if unknown:
        raise InputError(
            f"{origin}: {_shown(', '.join(unknown))}: no layer of rts-track, which has"
            f" {', '.join(RANGES)}"
        )
    if len(set(names)) < len(names):
        raise InputError(f"{origin}: a layer is there twice in {', '.join(names)}")
    return names


def _said_names(config: Mapping[str, Any], origin: str) -> tuple[str, ...]:
    """The layers that the configuration names; none where it does not."""
    bands = config.get("bands")
    listed = config.get("input_combination", bands)
    if isinstance(listed, Mapping):  # of a deprecated class
        listed = listed.get("bands", list(listed))
    if listed is not None:
        return _texts(listed, "layers", origin)
    sources = sorted(_texts(config.get("data_sources", []), "data_sources", origin))
    unknown = [source for source in sources if source not in TSS_SOURCES]
    if unknown:
        raise InputError(
            f"{origin}: how data_sources {_shown(', '.join(unknown))} are scaled is not known; give"
            " input_combination and ranges in --config"
        )
    return tuple(name for source in sources for name in TSS_SOURCES[source])


def _ranges(
    config: Mapping[str, Any], names: tuple[str, ...], origin: str
) -> tuple[str, bool, dict[str, tuple[float, float]]]:
    """Where the ranges come from, whether they clip, and the ranges by layer.

    Ranges that a user names count; of the other layers, the scaling of the checkpoint.
    """
    named = _mapping(config.get("ranges", {}), "ranges", origin)
    rest = tuple(name for name in names if name not in named)
    given = {name: _pair(named, name, origin) for name in names if name in named}
    if not rest:
        return "ranges of --config", True, given
    scaling, is_clipped, ranges = _scaled(config, names, rest, origin)
    scaling += " and ranges of --config" if given else ""
    return scaling, is_clipped, {name: (ranges | given)[name] for name in names}


def _scaled(
    config: Mapping[str, Any], names: tuple[str, ...], wanted: tuple[str, ...], origin: str
) -> tuple[str, bool, dict[str, tuple[float, float]]]:
    """Likewise, of the wanted ones among all layers, as the checkpoint itself scales them."""
    bands = config.get("bands")
    if "norm_factors" in config:
        factors = _mapping(config["norm_factors"], "norm_factors", origin)
        return "norm_factors of the checkpoint", False, _of_factors(factors, {}, wanted, origin)
    if isinstance(bands, Mapping):
        factors, offsets = (
            dict(zip(names, _list(bands, f"band_{part}s", len(names), origin), strict=True))
            for part in ("factor", "offset")
        )
        ranges = _of_factors(factors, offsets, wanted, origin)
        return "band factors of the checkpoint", True, ranges
    if "data_sources" in config:
        ranges = _of_factors(TSS_DIVISORS, {}, wanted, origin)
        return "norm factors of thaw-slump-segmentation", False, ranges
    if bands is not None:
        return "ranges of darts-nextgen", True, {name: _of_dn(name, origin) for name in wanted}
    raise InputError(
        f"{origin}: how its inputs were scaled is not said: name the run's configuration, or one"
        " with ranges (--config)"
    )


def _of_factors(
    factors: Mapping[str, Any],
    offsets: Mapping[str, Any],
    names: tuple[str, ...],
    origin: str,
) -> dict[str, tuple[float, float]]:
    return {
        name: _of_factor(
            name,
            _number(factors, name, origin),
            origin,
            _number(offsets, name, origin) if offsets else 0.0,
        )
        for name in names
    }


def _of_factor(name: str, factor: float, origin: str, offset: float = 0.0) -> tuple[float, float]:
    """The range of our unit that stored * factor + offset takes to 0..1.

    A number above 1 is what is divided by: no stored value is that small.
    """
    if factor <= 0.0:
        raise InputError(f"{origin}: norm factor of {name} is {factor:g}: expected more than 0")
    factor = 1 / factor if factor > 1.0 else factor
    slope, stored_at_0 = _STORED.get(name, (1.0, 0.0))
    low = (-offset / factor - stored_at_0) / slope
    high = ((1.0 - offset) / factor - stored_at_0) / slope
    usual = RANGES[name][1] - RANGES[name][0]
    if not usual / _WIDEST <= high - low <= usual * _WIDEST:
        raise InputError(
            f"{origin}: norm factor {factor:g} of {name} would mean {low:g} to {high:g}: of other"
            f" units, then; give the range in --config (ranges: {{{name}: [low, high]}})"
        )
    return _plain(low), _plain(high)


def _of_dn(name: str, origin: str) -> tuple[float, float]:
    if name not in DN_RANGES:
        raise InputError(
            f"{origin}: darts-nextgen has no range for {name}; give it in --config (ranges)"
        )
    return DN_RANGES[name]


def _shown(value: object) -> str:
    """Somebody else's value in one short line."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # a whole number too long to be told
        text = "endless"
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST_SHOWN])


def _plain(value: float) -> float:
    """The number without what floating point adds to it."""
    return float(f"{value:.9g}") + 0.0


def _texts(value: object, what: str, origin: str) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"{origin}: {what}: expected a list of names")
    if not all(isinstance(each, str) for each in value):
        raise InputError(f"{origin}: {what}: expected a list of names")
    return tuple(value)


def _mapping(value: object, what: str, origin: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{origin}: {what}: expected a number for each layer")
    return value


def _list(bands: Mapping[str, Any], what: str, n: int, origin: str) -> list[Any]:
    value = bands.get(what)
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != n:
        raise InputError(f"{origin}: {what}: expected {n} numbers")
    return list(value)


def _number(given: Mapping[str, Any], name: str, origin: str) -> float:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{origin}: how {name} is scaled is {_shown(value)}: expected a number")
    if not abs(value) <= _LARGEST:
        raise InputError(f"{origin}: how {name} is scaled is {_shown(value)}: no finite number")
    return float(value)


def _pair(given: Mapping[str, Any], name: str, origin: str) -> tuple[float, float]:
    value = given.get(name)
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise InputError(f"{origin}: range of {name} is {_shown(value)}: expected [low, high]")
    low, high = (_number({name: end}, name, origin) for end in value)
    if low >= high:
        raise InputError(f"{origin}: range of {name} is {_shown(value)}: expected low < high")
    return low, high
