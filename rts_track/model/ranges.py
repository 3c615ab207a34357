"""Ranges to which layers are scaled, unless they are told otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rts_track.model.manifest import Input
from rts_track.source.bands import BAND_NAMES

_VISIBLE = ("coastal", "blue", "green_i", "green", "yellow", "red")

RANGES: dict[str, tuple[float, float]] = {
    **{name: (0.0, 0.3 if name in _VISIBLE else 0.6) for name in BAND_NAMES},
    "ndvi": (-1.0, 1.0),
    "relative_elevation": (-25.0, 25.0),
    "slope": (0.0, 45.0),
    "tc_brightness": (0.0, 255.0),
    "tc_greenness": (0.0, 255.0),
    "tc_wetness": (0.0, 255.0),
}
"""Range of each known layer in its unit. Tundra and bare ground reflect less than 0.3 of visible
light and 0.6 of near and shortwave infrared; what is brighter is snow, ice or cloud. Headwalls are
metres to tens of metres high (relative elevation over 100 m), and steeper than 45 degrees only
where no elevation model shows it."""

_TAIL_PERCENT = 0.5
"""Of layers that are not known, so much is cut off at either end of what training shows."""


def inputs_of(names: tuple[str, ...], layers: NDArray[np.floating]) -> tuple[Input, ...]:
    """The inputs of these names; `layers` (n, layers, height, width) tell the unknown ones' range.

    ValueError where an unknown layer has one value only.
    """
    return tuple(_input(name, layers[:, at]) for at, name in enumerate(names))


def _input(name: str, values: NDArray[np.floating]) -> Input:
    if name in RANGES:
        low, high = RANGES[name]
        return Input(name=name, low=low, high=high)
    thinned = np.asarray(values[:, ::4, ::4], dtype=np.float64)
    low, high = np.nanpercentile(thinned, [_TAIL_PERCENT, 100 - _TAIL_PERCENT])
    if not low < high:
        raise ValueError(f"layer {name} has no range: it is {low:g} everywhere")
    return Input(name=name, low=float(low), high=float(high))
