"""The coarse form of the land: a plateau that a river and its tributaries have cut into.

A noisy plateau is eroded by streams on a coarse lattice until valleys reach far into it: detachment
limited incision, dz/dt = -K A^m S, solved implicitly from each stream's mouth upwards (Braun and
Willett 2013, doi 10.1016/j.geomorph.2012.10.008, with m = 0.5 and n = 1), then hillslopes creep.
Water is led over lakes and sinks by flooding from the river's mouth (Barnes et al. 2014, doi
10.1016/j.cageo.2013.04.024). The lattice is small beside any scene: one value in 25 m.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from rts_track.simulate.landscape.noise import fractal
from rts_track.track.rings import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.params import LandscapeParams

CELL_M = 25.0
MARGIN_M = 1_000.0
"""Land about the landscape that is eroded with it, so that its edges are no different."""
_N_STEPS = 28
_INCISION = 2.0
"""K A^m dt / dx of a stream that drains one square kilometre."""
_CREEP = 0.06
"""Diffusivity of hillslopes, D dt / dx^2."""
_CREEP_PASSES = 2
_ROUGHNESS_M = 16.0
_ROUGHNESS_WAVE_M = 1_700.0
_TRUNK_DEPTH_FRAC = 0.8
_TRUNK_HALF_M = 260.0
_INFLOW_KM2 = 220.0
"""What the trunk river drains before it enters."""
_TILT = 0.012
_DOWNSTREAM = 1e-4
"""Least fall of water over a flooded sink, metres a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """Heights on the coarse lattice, and how they drain.

    Arrays are (rows, columns) from the south-west, `CELL_M` apart; the first is at `origin_xy`.

    Attributes:
        origin_xy: x and y of the first lattice point.
        height_m: the ground.
        drained_m2: what drains through each point, along the steepest way.
        wetness: log10 of what drains through each point when water spreads over all ways down
            (Freeman 1991, doi 10.1016/0098-3004(91)90048-I), in m2.
        receiver: the flat index of the point that each one drains to; of the mouth, itself.
    """

    origin_xy: tuple[float, float]
    height_m: NDArray[np.float64]
    drained_m2: NDArray[np.float64]
    wetness: NDArray[np.float64]
    receiver: NDArray[np.int64]

    def xy_of(self, flat: NDArray[np.int64]) -> NDArray[np.float64]:
        """Where lattice points of those flat indices lie; (n, 2)."""
        row, column = np.divmod(flat, self.height_m.shape[1])
        return np.column_stack(
            [self.origin_xy[0] + column * CELL_M, self.origin_xy[1] + row * CELL_M]
        )


def erode(seed: int, params: LandscapeParams) -> Relief:
    """The relief that the seed and the parameters make."""
    west, south = (corner - MARGIN_M for corner in params.south_west_m)
    columns, rows = (round((side + 2.0 * MARGIN_M) / CELL_M) + 1 for side in params.extent_m)
    x, y = np.meshgrid(west + CELL_M * np.arange(columns), south + CELL_M * np.arange(rows))
    height_m, inflow_m2 = _plateau(seed, params, x, y)
    mouth = int(np.argmin(height_m[0]))
    order = np.empty(height_m.size, dtype=np.int64)
    receiver = np.empty(height_m.size, dtype=np.int64)
    floor_m = float(height_m[0, mouth])
    for _ in range(_N_STEPS):
        _drain(height_m, mouth, order, receiver)
        drained_m2 = _drained(order, receiver, inflow_m2)
        _incise(height_m.reshape(-1), drained_m2, order, receiver)
        for _ in range(_CREEP_PASSES):
            height_m = height_m + _CREEP * ndimage.laplace(height_m, mode="nearest")
        height_m[0, mouth] = floor_m
    flooded_m = _drain(height_m, mouth, order, receiver)
    shape = height_m.shape
    return Relief(
        origin_xy=(west, south),
        height_m=height_m,
        drained_m2=_drained(order, receiver, inflow_m2).reshape(shape),
        wetness=np.log10(_spread(flooded_m, order)),
        receiver=receiver,
    )


def _plateau(
    seed: int, params: LandscapeParams, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The land before it was eroded, with a shallow trunk valley; and what drains in, by point."""
    rng = np.random.default_rng([seed, 1])
    rough = fractal(
        x, y, seed=seed + 11, wavelength_m=_ROUGHNESS_WAVE_M, n_octaves=5, gain=0.55
    ).astype(np.float64)
    along = (y - y[0, 0]) / (y[-1, 0] - y[0, 0])
    width_m = float(x[0, -1] - x[0, 0])
    waves = rng.uniform(0.5, 1.0, 3) * [0.08, 0.035, 0.015] * width_m
    middle = float(x[0, 0]) + width_m * (rng.uniform(0.35, 0.65) + rng.uniform(-0.2, 0.2) * along)
    for number, amplitude_m in enumerate(waves.tolist()):
        middle = middle + amplitude_m * np.sin(
            (2.3 + 3.1 * number) * np.pi * along + rng.uniform(0.0, 2.0 * np.pi)
        )
    off_m = np.abs(x - middle)
    height_m = params.relief_m + _ROUGHNESS_M * rough + _TILT * off_m
    height_m += 0.15 * params.relief_m * along
    valley = np.exp(-((off_m / _TRUNK_HALF_M) ** 2))
    height_m += 300.0 - _TRUNK_DEPTH_FRAC * (params.relief_m - 0.15 * params.relief_m * along) * (
        valley
    )
    height_m -= 0.2 * params.relief_m * (1.0 - along) * valley
    inflow_m2 = np.full(x.shape, CELL_M**2)
    inflow_m2[-1, int(np.argmin(height_m[-1]))] += _INFLOW_KM2 * 1e6
    return height_m, inflow_m2.reshape(-1)


@compiled
def _drain(
    height_m: NDArray[np.float64],
    mouth: int,
    order: NDArray[np.int64],
    receiver: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Write to which point each one drains, and all points in the order that water climbs them.

    Sinks are flooded on the way; returned is the level of the flooded land.
    """
    rows, columns = height_m.shape
    flat = height_m.reshape(-1)
    level = flat.copy()
    is_seen = np.zeros(flat.size, dtype=np.bool_)
    front = [(flat[mouth], mouth)]
    is_seen[mouth] = True
    receiver[mouth] = mouth
    n_done = 0
    while len(front) > 0:
        here_m, here = heappop(front)
        order[n_done] = here
        n_done += 1
        row, column = here // columns, here % columns
        for down in range(-1, 2):
            for aside in range(-1, 2):
                if not (0 <= row + down < rows and 0 <= column + aside < columns):
                    continue
                there = here + down * columns + aside
                if not is_seen[there]:
                    is_seen[there] = True
                    level[there] = max(flat[there], here_m + _DOWNSTREAM)
                    receiver[there] = here
                    heappush(front, (level[there], there))
    _steepest(level, rows, columns, mouth, receiver)
    return level.reshape(rows, columns)


@compiled
def _steepest(
    level: NDArray[np.float64], rows: int, columns: int, mouth: int, receiver: NDArray[np.int64]
) -> None:
    """Let each point drain along the steepest way down over the flooded land."""
    for here in range(level.size):
        if here == mouth:
            continue
        row, column = here // columns, here % columns
        steepest = 0.0
        for down in range(-1, 2):
            for aside in range(-1, 2):
                is_inside = 0 <= row + down < rows and 0 <= column + aside < columns
                if not is_inside or (down == 0 and aside == 0):
                    continue
                there = here + down * columns + aside
                fall = (level[here] - level[there]) / np.sqrt(float(down * down + aside * aside))
                if fall > steepest:
                    steepest = fall
                    receiver[here] = there


@compiled
def _drained(
    order: NDArray[np.int64], receiver: NDArray[np.int64], inflow_m2: NDArray[np.float64]
) -> NDArray[np.float64]:
    drained_m2 = inflow_m2.copy()
    for position in range(order.size - 1, 0, -1):
        here = order[position]
        drained_m2[receiver[here]] += drained_m2[here]
    return drained_m2


@compiled
def _incise(
    height_m: NDArray[np.float64],
    drained_m2: NDArray[np.float64],
    order: NDArray[np.int64],
    receiver: NDArray[np.int64],
) -> None:
    """Lower every point towards the one that it drains to, from the mouth upwards."""
    for position in range(1, order.size):
        here = order[position]
        there = receiver[here]
        factor = _INCISION * np.sqrt(drained_m2[here] / 1e6)
        if height_m[here] > height_m[there]:
            height_m[here] = (height_m[here] + factor * height_m[there]) / (1.0 + factor)


@compiled
def _spread(height_m: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    """What drains through each point when water spreads over all ways down, in m2."""
    rows, columns = height_m.shape
    drained_m2 = np.full((rows, columns), CELL_M**2)
    share = np.zeros((3, 3))
    for here in order[::-1]:
        row, column = here // columns, here % columns
        total = 0.0
        for down in range(-1, 2):
            for aside in range(-1, 2):
                share[down + 1, aside + 1] = 0.0
                if not (0 <= row + down < rows and 0 <= column + aside < columns):
                    continue
                fall = height_m[row, column] - height_m[row + down, column + aside]
                if fall > 0.0:
                    share[down + 1, aside + 1] = fall**1.1
                    total += fall**1.1
        if total > 0.0:
            for down in range(-1, 2):
                for aside in range(-1, 2):
                    part = share[down + 1, aside + 1]
                    if part > 0.0:
                        drained_m2[row + down, column + aside] += (
                            drained_m2[row, column] * part / total
                        )
    return drained_m2
