"""Where slumps can begin: along streams, the river and lakes, where the ground above is steep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rts_track.errors import UsageError
from rts_track.simulate.landscape.water import downstream, smoothed
from rts_track.simulate.region import SHORE_STEP_M, Shore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rts_track.simulate.landscape.params import LandscapeParams
    from rts_track.simulate.landscape.terrain import Terrain
    from rts_track.simulate.landscape.water import Lake, Water

_STREAM_KM2 = 0.10
"""What drains so much cuts a bank that slumps begin at."""
_STREAM_HALF_M = 9.0
_AHEAD_M = 45.0
"""How far above the bank the slope is looked at."""
_LAKE_RISE = 0.5
"""A lake's bank is steeper than the land, which it has cut into: slopes there count as so much
steeper (a share)."""
_LEAST_STATIONS = 4
_EDGE_M = 130.0
"""Slumps keep so far from the landscape's edge."""


def coast(params: LandscapeParams, terrain: Terrain, water: Water) -> list[Shore]:
    """Stretches of bank and shore at which slumps can begin, upslope at each place.

    UsageError where the landscape has none.
    """
    stretches = list[Shore]()
    for line, half_m in _streams(terrain, water):
        stretches += _both_sides(params, terrain, line, half_m)
    for lake in water.lakes:
        stretches += _shore(params, terrain, lake)
    if not stretches:
        raise UsageError(
            f"min_slope_deg = {params.min_slope_deg}: no bank in the landscape is so steep"
        )
    return stretches


def _streams(
    terrain: Terrain, water: Water
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Middle lines of streams and the river, downstream, and half their width."""
    relief = terrain.relief
    yield water.river, water.river_width_m / 2.0
    drained_m2 = relief.drained_m2.reshape(-1)
    is_stream = drained_m2 >= _STREAM_KM2 * 1e6
    is_taken = drained_m2 >= 100.0 * 1e6
    has_source = np.zeros(drained_m2.size, dtype=bool)
    has_source[relief.receiver[is_stream]] = True
    heads = np.flatnonzero(is_stream & ~has_source)
    for head in heads[np.argsort(-relief.height_m.reshape(-1)[heads], kind="stable")].tolist():
        path = downstream(relief, head, is_taken)
        is_taken[path] = True
        if len(path) >= _LEAST_STATIONS:
            line = smoothed(relief.xy_of(path), SHORE_STEP_M, 25.0)
            yield line, np.full(len(line), _STREAM_HALF_M)


def _both_sides(
    params: LandscapeParams,
    terrain: Terrain,
    line: NDArray[np.float64],
    half_m: NDArray[np.float64],
) -> Iterator[Shore]:
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    left = np.column_stack([-along[:, 1], along[:, 0]])
    yield from _steep(params, terrain, line + left * half_m[:, None], left, 0.0)
    yield from _steep(params, terrain, (line - left * half_m[:, None])[::-1], -left[::-1], 0.0)


def _shore(params: LandscapeParams, terrain: Terrain, lake: Lake) -> Iterator[Shore]:
    ring = lake.ring if _is_clockwise(lake.ring) else lake.ring[::-1]
    line = smoothed(ring, SHORE_STEP_M, 15.0)
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    away = np.column_stack([-along[:, 1], along[:, 0]])
    yield from _steep(params, terrain, line, away, _LAKE_RISE)


def _steep(
    params: LandscapeParams,
    terrain: Terrain,
    xy: NDArray[np.float64],
    away: NDArray[np.float64],
    bonus: float,
) -> Iterator[Shore]:
    """The stretches of a bank above which the ground rises steeply enough, away from it."""
    rise = terrain.uphill(xy + _AHEAD_M * away)
    steepness = np.linalg.norm(rise, axis=1)
    ahead = (rise * away).sum(axis=1) / np.maximum(steepness, 1e-9)
    low = np.array(params.south_west_m) + _EDGE_M
    high = low + np.array(params.extent_m) - 2.0 * _EDGE_M
    is_fit = (
        (steepness * (1.0 + bonus) >= np.tan(np.radians(params.min_slope_deg)))
        & (ahead > 0.3)
        & ((xy >= low) & (xy <= high)).all(axis=1)
    )
    upslope = rise / np.maximum(steepness, 1e-9)[:, None] + away
    upslope /= np.maximum(np.linalg.norm(upslope, axis=1, keepdims=True), 1e-9)
    edges = np.flatnonzero(np.diff(np.r_[False, is_fit, False].astype(int)))
    for start, end in edges.reshape(-1, 2).tolist():
        if end - start >= _LEAST_STATIONS:
            yield Shore(xy=xy[start:end], upslope=upslope[start:end])


def _is_clockwise(ring: NDArray[np.float64]) -> bool:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return bool((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() < 0.0)
