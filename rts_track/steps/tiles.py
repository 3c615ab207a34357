"""Space in tiles: pairs of outlines found tile by tile, by threads or on a cluster.

A pair belongs to the tile of its later outline, and that tile's earlier outlines are all that lie
near enough, whatever tile they are of themselves. So each pair is found exactly once, measured
from its two polygons alone, and the pairs of all tiles together are those of no tiles at all.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import shapely

from rts_track.errors import UsageError
from rts_track.growth.overlay import shifted_back
from rts_track.track.candidates import Candidates, measure_pairs, neighbours, shifts_of_pairs

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.track.shift import Shift

Task = TypeVar("Task")
Result = TypeVar("Result")

TILE_OUTLINES = 20_000
"""Outlines of either season that a tile may hold: bounds the memory that their polygons take."""


class Workers(Protocol):
    """Does work on tasks, and brings what comes of it in the order of the tasks."""

    def map(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """What the work makes of each task."""


class Serial:
    """No workers but the caller."""

    def map(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """What the work makes of each task."""
        return map(work, tasks)


class Threads:
    """Threads of this process: GEOS and the compiled overlap release the interpreter's lock."""

    def __init__(self, n: int, pool: ThreadPoolExecutor) -> None:  # noqa: D107
        self._n, self._pool = n, pool

    def map(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """What the work makes of each task; few tasks wait at a time, so that memory is bounded."""
        return _in_turn(lambda task: self._pool.submit(work, task), tasks, self._n + 1)


class DaskWorkers:
    """The workers of a Dask cluster."""

    def __init__(self, client: object) -> None:  # noqa: D107
        self._client = client

    def map(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """What the work makes of each task."""
        client = self._client
        n = 2 * max(1, len(client.scheduler_info()["workers"]))  # type: ignore[attr-defined]
        submit = lambda task: client.submit(work, task, pure=False)  # type: ignore[attr-defined] # noqa: E731
        return _in_turn(submit, tasks, n)


@contextmanager
def open_workers(n: int = 1, dask: str | None = None) -> Iterator[Workers]:
    """`n` threads, or the cluster whose scheduler has that address (`local`: one started here).

    UsageError where `n` is below one, Dask is not installed, or nobody answers.
    """
    if n < 1:
        raise UsageError(f"{n} workers: at least one is needed")
    if dask is not None:
        with _cluster(dask, n) as client:
            yield DaskWorkers(client)
    elif n == 1:
        yield Serial()
    else:
        with ThreadPoolExecutor(n) as pool:
            yield Threads(n, pool)


@contextmanager
def _cluster(address: str, n: int) -> Iterator[object]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UsageError(
            "Dask is not installed; `pip install 'rts-track[dask]'` brings it"
        ) from error
    # Importing it sets this to INFO: thirty lines on sockets around the one that matters.
    logging.getLogger("distributed").setLevel(logging.WARNING)
    if address == "local":
        with (
            LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(f"{address}: no Dask scheduler answers there ({error})") from error
    with client:
        yield client


def _in_turn(
    submit: Callable[[Task], object], tasks: Iterable[Task], at_most: int
) -> Iterator[Result]:
    """The results of futures in the order of their tasks, no more than `at_most` under way."""
    waiting: deque[object] = deque()
    coming = iter(tasks)
    waiting.extend(submit(task) for task in islice(coming, at_most))
    while waiting:
        result: Result = waiting.popleft().result()  # type: ignore[attr-defined]
        waiting.extend(submit(task) for task in islice(coming, 1))
        yield result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """The outlines of one tile: WKB of EPSG:6931, the scenes they follow, and scenes' shifts.

    `drift_m`: (n, 2) metres east and north by which the earlier ones are thought to have moved
    since; None: not at all.
    """

    parents: pa.Array
    children: pa.Array
    parent_scene: NDArray[np.object_]
    child_scene: NDArray[np.object_]
    drift_m: NDArray[np.float64] | None
    shifts: dict[tuple[str, str], Shift]
    within_m: float


def measured_tile(tile: Tile) -> Candidates:
    """The pairs of a tile, by their rows in it."""
    parents, children = from_wkb(tile.parents), from_wkb(tile.children)
    if tile.drift_m is not None:
        parents = shifted_back(parents, *-tile.drift_m.T)
    parent, child = neighbours(parents, children, tile.within_m)
    shift_m = shifts_of_pairs(tile.parent_scene[parent], tile.child_scene[child], tile.shifts)
    return measure_pairs(parents, children, parent, child, shift_m)


def from_wkb(wkb: pa.Array) -> NDArray[np.object_]:
    """The polygons."""
    return np.asarray(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)), dtype=object)


def runs(n: int) -> Iterator[slice]:
    """Successive rows, as many as a tile may hold at a time; of none, one run without any."""
    for start in range(0, max(n, 1), TILE_OUTLINES):
        yield slice(start, min(start + TILE_OUTLINES, n))


def runs_of_groups(group: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows of whole groups in the order of their numbers, as many as a tile may hold at a time.

    A group that is larger comes alone; of no rows, one run without any.
    """
    order = np.argsort(group, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(group[order])) + 1, len(order))
    begin = 0
    while True:
        furthest = int(np.searchsorted(ends, begin + TILE_OUTLINES, side="right")) - 1
        own = int(np.searchsorted(ends, begin, side="right"))
        end = int(ends[min(max(furthest, own), len(ends) - 1)])
        yield order[begin:end]
        begin = end
        if begin == len(order):
            return


def near_rows(points: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    """All rows of (n, 2) points, tile by tile: no more than a tile may hold, near each other."""
    return _parts(np.empty((0, 2)), points, TILE_OUTLINES)


def tile_rows(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    within_m: float,
    at_most: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows of earlier and of later outlines, tile by tile.

    Every later row is in one tile; with it are all earlier ones whose bounds lie within that
    distance of the tile's.

    Args:
        before: (n, 4) bounds of the earlier outlines.
        after: (n, 4) bounds of the later ones.
        within_m: the distance.
        at_most: outlines of either season in a tile, unless they lie on each other.
    """
    at_most = TILE_OUTLINES if at_most is None else at_most
    for rows in _parts(_centre(before), _centre(after), at_most):
        low, high = after[rows, :2].min(axis=0) - within_m, after[rows, 2:].max(axis=0) + within_m
        is_near = (before[:, :2] <= high).all(axis=1) & (before[:, 2:] >= low).all(axis=1)
        yield np.flatnonzero(is_near), rows


def _centre(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    return (bounds[:, :2] + bounds[:, 2:]) / 2.0


def _parts(
    before: NDArray[np.float64], after: NDArray[np.float64], at_most: int
) -> Iterator[NDArray[np.int64]]:
    """Rows of the later centres, in parts with at most so many centres of either season."""
    waiting = [(np.arange(len(before)), np.arange(len(after)))]
    while waiting:
        earlier, later = waiting.pop()
        if len(later) == 0:
            continue
        both = np.concatenate([before[earlier], after[later]])
        extent = both.max(axis=0) - both.min(axis=0)
        axis = int(np.argmax(extent))
        if max(len(earlier), len(later)) <= at_most or extent[axis] == 0:
            yield later
            continue
        middle = float(np.median(both[:, axis]))
        middle = middle if (both[:, axis] < middle).any() else float(both[:, axis].max())
        first, second = before[earlier, axis] < middle, after[later, axis] < middle
        waiting.append((earlier[~first], later[~second]))
        waiting.append((earlier[first], later[second]))
