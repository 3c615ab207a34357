"""Outlines of things in a landscape, in its CRS: blobs, bands along lines, roughened polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.simulate.landscape.noise import fractal
from rts_track.simulate.shape import largest

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

_ROUGH_STEP_M = 4.0
_ROUGH_M = 3.0
_ROUGH_WAVE_M = 55.0
_BLOB_VERTEX_M = 8.0


def blob(
    rng: Generator,
    middle: NDArray[np.float64],
    radius_m: float,
    *,
    stretch: float = 1.0,
    along: NDArray[np.float64] | None = None,
    roughness: float = 0.15,
) -> shapely.Polygon:
    """A wobbly disc about a point, `stretch` times as long as wide in that direction."""
    n = max(24, int(2.0 * np.pi * radius_m / _BLOB_VERTEX_M))
    turn = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    wobble = np.ones(n)
    for wave in (2, 3, 5, 8, 13):
        wobble += rng.normal(0.0, roughness / wave**0.7) * np.cos(wave * turn + rng.uniform(0, 6.3))
    wobble = np.clip(wobble, 0.35, None) * radius_m
    way = np.array([1.0, 0.0]) if along is None else along
    side = np.array([-way[1], way[0]])
    length, width = np.sqrt(stretch), 1.0 / np.sqrt(stretch)
    xy = (
        middle
        + (wobble * np.cos(turn) * length)[:, None] * way
        + (wobble * np.sin(turn) * width)[:, None] * side
    )
    return largest(shapely.make_valid(shapely.Polygon(xy)))


def roughened(seed: int, polygon: shapely.Polygon) -> shapely.Polygon:
    """The polygon with every point moved some metres, by where it lies.

    What lies in another polygon does so afterwards: the plane as a whole is bent.
    """
    if polygon.is_empty:
        return polygon
    bent = shapely.transform(
        shapely.segmentize(polygon, _ROUGH_STEP_M), lambda xy: xy + _ROUGH_M * _bend(seed, xy)
    )
    return bent if shapely.is_valid(bent) else largest(shapely.make_valid(bent))


def band(line: NDArray[np.float64], width_m: NDArray[np.float64]) -> shapely.Polygon:
    """What lies within half the width of a line (n, 2) whose width is given at its vertices."""
    discs = shapely.buffer(shapely.points(line), width_m / 2.0, quad_segs=4)
    pairs = shapely.union(discs[:-1], discs[1:])
    return largest(shapely.union_all(shapely.convex_hull(pairs)))


def ring_of(polygon: shapely.Polygon) -> NDArray[np.float64]:
    """The outer ring's vertices, (n, 2), first and last the same."""
    return np.ascontiguousarray(shapely.get_coordinates(shapely.get_exterior_ring(polygon)))


def bounds_of(polygon: shapely.Polygon, within_m: float = 0.0) -> tuple[float, float, float, float]:
    """Least x and y, greatest x and y, of what lies so near the polygon."""
    west, south, east, north = shapely.bounds(polygon).tolist()
    return west - within_m, south - within_m, east + within_m, north + within_m


def _bend(seed: int, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = np.ascontiguousarray(xy[:, :1]), np.ascontiguousarray(xy[:, 1:])
    return np.column_stack(
        [
            fractal(x, y, seed=seed + part, wavelength_m=_ROUGH_WAVE_M, n_octaves=3, gain=0.45)
            for part in (51, 61)
        ]
    ).astype(np.float64)
