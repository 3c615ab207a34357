"""Noise that is a function of place: any window of it can be made alone, with the same values.

Gradient noise (Perlin 2002, doi 10.1145/566654.566636) on a lattice whose gradients are hashed
from the lattice point and a seed, instead of looked up in a table: it has no period, and nothing
needs to be kept. Octaves are turned against each other, so that no lattice shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rts_track.track.rings import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGMA = 0.2198
"""Standard deviation of one octave of this noise: measured on 16 million values."""
_TURN = 0.6435
"""Radians that each octave is turned against the one before: no multiple of a quarter turn."""
_WHITE_SIGMA = 0.28867513459481287
"""Standard deviation of what is uniform between 0 and 1."""


def fractal(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    seed: int,
    wavelength_m: float,
    n_octaves: int = 1,
    gain: float = 0.5,
) -> NDArray[np.float32]:
    """Noise of mean 0 and standard deviation 1 at each point of two (H, W) arrays, in metres.

    The first octave has that wavelength, each further one half of it and `gain` times the
    amplitude.
    """
    out = np.empty(x.shape, dtype=np.float32)
    _fractal(x, y, np.uint64(seed), wavelength_m, n_octaves, gain, out)
    return out


def white(
    x: NDArray[np.float64], y: NDArray[np.float64], *, seed: int, step_m: float
) -> NDArray[np.float32]:
    """Noise of mean 0 and standard deviation 1, one value for each square of side `step_m`.

    Nearly normal (a sum of four uniform ones). (H, W) as the arrays.
    """
    out = np.empty(x.shape, dtype=np.float32)
    _white(x, y, np.uint64(seed), step_m, out)
    return out


@compiled
def _hash(column: np.int64, row: np.int64, seed: np.uint64) -> np.uint64:
    """64 mixed bits of a lattice point and a seed (the finaliser of splitmix64)."""
    mixed = (
        seed * np.uint64(0x9E3779B97F4A7C15)
        + np.uint64(column) * np.uint64(0xD1B54A32D192ED03)
        + np.uint64(row) * np.uint64(0xABC98388FB8FAC03)
    )
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@compiled
def _corner(column: np.int64, row: np.int64, seed: np.uint64, across: float, along: float) -> float:
    """What the gradient of a lattice point gives at a place so far from it."""
    bits = _hash(column, row, seed)
    east = np.float64(bits & np.uint64(0xFFFF)) / 32767.5 - 1.0
    north = np.float64((bits >> np.uint64(16)) & np.uint64(0xFFFF)) / 32767.5 - 1.0
    return (east * across + north * along) * 1.25


@compiled
def _gradient_noise(x: float, y: float, seed: np.uint64) -> float:
    column, row = np.floor(x), np.floor(y)
    across, along = x - column, y - row
    left, low = np.int64(column), np.int64(row)
    ease_x = across * across * across * (across * (across * 6.0 - 15.0) + 10.0)
    ease_y = along * along * along * (along * (along * 6.0 - 15.0) + 10.0)
    south_west = _corner(left, low, seed, across, along)
    south_east = _corner(left + 1, low, seed, across - 1.0, along)
    north_west = _corner(left, low + 1, seed, across, along - 1.0)
    north_east = _corner(left + 1, low + 1, seed, across - 1.0, along - 1.0)
    south = south_west + ease_x * (south_east - south_west)
    north = north_west + ease_x * (north_east - north_west)
    noise: float = south + ease_y * (north - south)
    return noise


@compiled
def _fractal(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seed: np.uint64,
    wavelength_m: float,
    n_octaves: int,
    gain: float,
    out: NDArray[np.float32],
) -> None:
    power = 0.0
    for octave in range(n_octaves):
        power += gain ** (2 * octave)
    amplitude = 1.0 / (_SIGMA * np.sqrt(power))
    frequency = 1.0 / wavelength_m
    out[:] = 0.0
    for octave in range(n_octaves):
        turn = _TURN * (octave + 1)
        cos, sin = np.cos(turn) * frequency, np.sin(turn) * frequency
        octave_seed = seed + np.uint64(octave)
        for row in range(x.shape[0]):
            for column in range(x.shape[1]):
                east = x[row, column] * cos - y[row, column] * sin
                north = x[row, column] * sin + y[row, column] * cos
                out[row, column] += amplitude * _gradient_noise(east, north, octave_seed)
        amplitude *= gain
        frequency *= 2.0


@compiled
def _white(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seed: np.uint64,
    step_m: float,
    out: NDArray[np.float32],
) -> None:
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            bits = _hash(
                np.int64(np.floor(x[row, column] / step_m)),
                np.int64(np.floor(y[row, column] / step_m)),
                seed,
            )
            total = 0.0
            for part in range(4):
                total += np.float64((bits >> np.uint64(16 * part)) & np.uint64(0xFFFF)) / 65535.0
            out[row, column] = (total - 2.0) / (2.0 * _WHITE_SIGMA)
