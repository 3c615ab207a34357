"""Polygons as flat arrays, for compiled loops: every ring closed, its polygon on the left."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import numba
import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Function = TypeVar("Function", bound=Callable[..., object])

BLOCK_EDGES = 8
"""Edges that share a box: successive edges lie together, so most boxes are passed by unread."""


class Rings(NamedTuple):
    """The rings of some polygons, in their plane.

    A named tuple, since that is what compiled loops take as an argument. Edge `i` runs from
    vertex `i` to vertex `i + 1`; shells run counterclockwise and holes clockwise. An empty
    polygon has no blocks and a box that is infinitely inside out.
    """

    x: NDArray[np.float64]
    """Vertices, (n,); the last of a ring is its first."""
    y: NDArray[np.float64]
    ring_start: NDArray[np.int64]
    """The first vertex of each ring; at last the number of vertices."""
    polygon_ring: NDArray[np.int64]
    """The first ring of each polygon; at last the number of rings."""
    polygon_block: NDArray[np.int64]
    """The first block of each polygon; at last the number of blocks."""
    block_edge: NDArray[np.int64]
    """(blocks, 2): the first edge of each block, and the first edge after it."""
    block_box: NDArray[np.float64]
    """(blocks, 4): least x, least y, greatest x, greatest y."""
    box: NDArray[np.float64]
    """(polygons, 4): as `block_box`."""


def compiled(function: Function) -> Function:
    """The function, compiled when it is first called; it lets other threads run meanwhile.

    The machine code is kept on disk where that is possible: beside the package or in the user's
    cache. No `fastmath`: rounding must be what the source says.
    """
    compile_it = partial(numba.njit, nogil=True, forceinline=True, error_model="numpy")
    try:
        return cast("Function", compile_it(cache=True)(function))
    except RuntimeError:  # neither folder can be written to
        return cast("Function", compile_it()(function))


def rings_of(polygons: NDArray[np.object_]) -> Rings:
    """The rings of the polygons and multipolygons.

    Whichever way rings run, they are turned to run as they should.

    Raises:
        ValueError: a geometry is missing, or no polygon.
    """
    xy, ring_start, polygon_ring, is_shell = _ragged(polygons)
    most_blocks = len(xy) // BLOCK_EDGES + len(ring_start)
    rings = Rings(
        x=xy[:, 0].copy(),
        y=xy[:, 1].copy(),
        ring_start=ring_start,
        polygon_ring=polygon_ring,
        polygon_block=np.zeros(len(polygon_ring), dtype=np.int64),
        block_edge=np.empty((most_blocks, 2), dtype=np.int64),
        block_box=np.empty((most_blocks, 4)),
        box=np.empty((len(polygons), 4)),
    )
    _prepare(rings, is_shell)
    return rings


def _ragged(
    polygons: NDArray[np.object_],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """All vertices, where each ring and each polygon's rings start, and which rings are shells."""
    if len(polygons) == 0:
        start = np.zeros(1, dtype=np.int64)
        return np.empty((0, 2)), start, start, np.empty(0, dtype=bool)
    kind, xy, offsets = shapely.to_ragged_array(polygons, include_z=False)
    if kind not in (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON):
        raise ValueError(f"only polygons have an area in common, not a {kind.name.lower()}")
    ring_start, part_ring = offsets[0].astype(np.int64), offsets[1].astype(np.int64)
    polygon_ring = part_ring[offsets[2]] if len(offsets) > 2 else part_ring
    is_shell = np.zeros(len(ring_start) - 1, dtype=bool)
    is_shell[part_ring[:-1][np.diff(part_ring) > 0]] = True
    return xy, ring_start, polygon_ring, is_shell


@compiled
def _prepare(rings: Rings, is_shell: NDArray[np.bool_]) -> None:
    """Turn the rings that run the wrong way, and write the blocks and boxes."""
    block = 0
    for polygon in range(len(rings.box)):
        first_block = block
        for ring in range(rings.polygon_ring[polygon], rings.polygon_ring[polygon + 1]):
            first, end = rings.ring_start[ring], rings.ring_start[ring + 1]
            if (_signed_area(rings, first, end) > 0.0) != is_shell[ring]:
                _turn(rings, first, end)
            block = _divide(rings, block, first, end)
        rings.polygon_block[polygon + 1] = block
        _envelop(rings.block_box[first_block:block], rings.box[polygon])


@compiled
def _signed_area(rings: Rings, first: int, end: int) -> float:
    """Twice the area of a ring; negative where it runs clockwise."""
    x, y = rings.x[first], rings.y[first]
    total = 0.0
    for edge in range(first, end - 1):
        total += (rings.x[edge] - x) * (rings.y[edge + 1] - y)
        total -= (rings.x[edge + 1] - x) * (rings.y[edge] - y)
    return total


@compiled
def _turn(rings: Rings, first: int, end: int) -> None:
    """Let the ring run the other way."""
    for step in range((end - first) // 2):
        left, right = first + step, end - 1 - step
        rings.x[left], rings.x[right] = rings.x[right], rings.x[left]
        rings.y[left], rings.y[right] = rings.y[right], rings.y[left]


@compiled
def _divide(rings: Rings, block: int, first: int, end: int) -> int:
    """Write the blocks of a ring's edges; the first block after them."""
    for edge in range(first, end - 1, BLOCK_EDGES):
        after = min(edge + BLOCK_EDGES, end - 1)
        left, low, right, high = np.inf, np.inf, -np.inf, -np.inf
        for vertex in range(edge, after + 1):
            x, y = rings.x[vertex], rings.y[vertex]
            left, low, right, high = min(left, x), min(low, y), max(right, x), max(high, y)
        box = rings.block_box[block]
        box[0], box[1], box[2], box[3] = left, low, right, high
        rings.block_edge[block, 0], rings.block_edge[block, 1] = edge, after
        block += 1
    return block


@compiled
def _envelop(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> None:
    """Write the box around the boxes."""
    box[0], box[1], box[2], box[3] = np.inf, np.inf, -np.inf, -np.inf
    for inner in boxes:
        box[0], box[1] = min(box[0], inner[0]), min(box[1], inner[1])
        box[2], box[3] = max(box[2], inner[2]), max(box[3], inner[3])
