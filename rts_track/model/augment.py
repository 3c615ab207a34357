"""Windows as they might have been: turned, mirrored, in other light and through other air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rts_track.raster.indices import ndvi
from rts_track.source.bands import BAND_NAMES

_HAZE_COLOUR = {
    "coastal": 1.0,
    "blue": 1.0,
    "green_i": 0.85,
    "green": 0.8,
    "yellow": 0.7,
    "red": 0.65,
}
"""How much haze brightens a band beside blue, roughly the inverse of wavelength; infrared less."""
_HAZE_INFRARED = 0.4
_HAZE_REFLECTANCE = 0.35
"""What thick haze reflects in blue light."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far a window may be changed; all are 1 sigma or largest values of what chance draws.

    Attributes:
        is_turned: whether it is turned and mirrored (the eight symmetries of a square, D4).
        gain_sigma: of a factor to all bands together; a third of it to each alone.
        offset_sigma: reflectance added to all bands together; a third of it to each alone.
        noise_sigma: largest standard deviation of noise in reflectance.
        haze_frac: chance of haze, of a thickness up to a third.
        ground_sigma_m: of an offset to relative elevation.
        missing_frac: chance that a layer that is no band is unknown throughout.
    """

    is_turned: bool = True
    gain_sigma: float = 0.1
    offset_sigma: float = 0.01
    noise_sigma: float = 0.01
    haze_frac: float = 0.15
    ground_sigma_m: float = 0.3
    missing_frac: float = 0.0


NOTHING = Augmentation(
    is_turned=False,
    gain_sigma=0.0,
    offset_sigma=0.0,
    noise_sigma=0.0,
    haze_frac=0.0,
    ground_sigma_m=0.0,
)
"""Changes nothing."""


def augmented(
    names: tuple[str, ...],
    layers: NDArray[np.float32],
    labels: NDArray[np.uint8],
    how: Augmentation,
    chance: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A window's layers (layers, size, size) and labels (size, size), changed by chance.

    Layers are in their units; NaN stays NaN. NDVI follows from the changed bands, where both are
    among the layers.
    """
    changed = layers.astype(np.float32, copy=True)
    _relight(names, changed, how, chance)
    _unsettle_ground(names, changed, how, chance)
    if not how.is_turned:
        return changed, labels
    return turned(changed, labels, int(chance.integers(8)))


def turned(
    layers: NDArray[np.float32], labels: NDArray[np.uint8], symmetry: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The window under one of the eight symmetries of a square: quarter turns, then mirrored."""
    quarters, is_mirrored = symmetry % 4, symmetry >= 4
    layers, labels = np.rot90(layers, quarters, axes=(1, 2)), np.rot90(labels, quarters)
    if is_mirrored:
        layers, labels = layers[:, :, ::-1], labels[:, ::-1]
    return np.ascontiguousarray(layers), np.ascontiguousarray(labels)


def _relight(
    names: tuple[str, ...],
    layers: NDArray[np.float32],
    how: Augmentation,
    chance: np.random.Generator,
) -> None:
    """Gain, offset, haze and noise of the bands, and the NDVI that follows."""
    bands = [at for at, name in enumerate(names) if name in BAND_NAMES]
    if not bands:
        return
    alone = (len(bands), 1, 1)
    gain = 1 + how.gain_sigma * (chance.normal() + chance.normal(size=alone) / 3)
    offset = how.offset_sigma * (chance.normal() + chance.normal(size=alone) / 3)
    seen = layers[bands] * np.maximum(gain, 0.1).astype(np.float32) + offset.astype(np.float32)
    if chance.random() < how.haze_frac:
        colours = [_HAZE_COLOUR.get(names[at], _HAZE_INFRARED) for at in bands]
        thickness = chance.uniform(0, 1 / 3) * np.reshape(colours, alone).astype(np.float32)
        seen = (1 - thickness) * seen + thickness * np.float32(_HAZE_REFLECTANCE)
    if how.noise_sigma > 0:
        sigma = np.float32(chance.uniform(0, how.noise_sigma))
        seen += sigma * chance.standard_normal(seen.shape, dtype=np.float32)
    layers[bands] = seen
    if {"ndvi", "nir", "red"} <= set(names):
        nir, red = (layers[names.index(name)] for name in ("nir", "red"))
        layers[names.index("ndvi")] = ndvi(nir, red)


def _unsettle_ground(
    names: tuple[str, ...],
    layers: NDArray[np.float32],
    how: Augmentation,
    chance: np.random.Generator,
) -> None:
    """An elevation error, and layers beside the bands that may be missing."""
    for at, name in enumerate(names):
        if name == "relative_elevation":
            layers[at] += np.float32(how.ground_sigma_m * chance.normal())
        if name not in BAND_NAMES and name != "ndvi" and chance.random() < how.missing_frac:
            layers[at] = np.nan
