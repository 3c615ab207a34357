"""Polygons as stored: where they lie, and how they are carried over into EPSG:6931."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track import grid
from rts_track.steps.tiles import near_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.spool import Spool

_CARRIED_ROWS = 5_000
"""Polygons that change their CRS at a time: few enough that their copies leave no holes behind."""
_SHAPE = pa.schema([pa.field("stored", pa.binary()), pa.field("metric", pa.binary())])

Note = Callable[["NDArray[np.int64]", "NDArray[np.object_]"], None]
"""Takes note of the EPSG:6931 polygons of some rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShapes:
    """Polygons as WKB, by reference: row `row` of column `column`.

    Outlines are taken apart and put together season by season; their polygons stay where they
    are, in the Arrow arrays that were read or will be written.
    """

    columns: tuple[pa.Array, ...]
    column: NDArray[np.int32]
    row: NDArray[np.int32]

    @classmethod
    def of(cls, wkb: pa.ChunkedArray) -> StoredShapes:
        """All rows of one column."""
        chunks = tuple(wkb.chunks)
        n = [len(chunk) for chunk in chunks]
        return cls(
            columns=chunks,
            column=np.repeat(np.arange(len(chunks), dtype=np.int32), n),
            row=np.concatenate(
                [np.empty(0, dtype=np.int32), *(np.arange(each, dtype=np.int32) for each in n)]
            ),
        )

    def __len__(self) -> int:
        """How many polygons."""
        return len(self.row)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> StoredShapes:
        """Some of them."""
        column = self.column[rows]
        used = np.flatnonzero(np.bincount(column, minlength=len(self.columns)))
        number = np.zeros(len(self.columns), dtype=np.int32)
        number[used] = np.arange(len(used))
        return StoredShapes(
            columns=tuple(self.columns[each] for each in used.tolist()),
            column=number[column],
            row=self.row[rows],
        )

    def followed_by(self, *others: StoredShapes) -> StoredShapes:
        """These, then the others."""
        parts = (self, *others)
        columns = {id(wkb): wkb for part in parts for wkb in part.columns}
        place = {key: at for at, key in enumerate(columns)}
        numbers = [
            np.array([place[id(wkb)] for wkb in part.columns], dtype=np.int32) for part in parts
        ]
        return StoredShapes(
            columns=tuple(columns.values()),
            column=np.concatenate(
                [number[part.column] for number, part in zip(numbers, parts, strict=True)]
            ),
            row=np.concatenate([part.row for part in parts]),
        )

    def wkb(self, rows: slice) -> pa.Array:
        """The WKB of successive polygons."""
        column, row = self.column[rows], self.row[rows]
        order = np.argsort(column, kind="stable")
        edges = np.searchsorted(column[order], np.arange(len(self.columns) + 1))
        chunks = [pa.array([], pa.binary())]
        for number in np.flatnonzero(np.diff(edges)).tolist():
            own = order[edges[number] : edges[number + 1]]
            chunks.append(self.columns[number].take(pa.array(row[own])))
        if len(chunks) <= 2:
            return chunks[-1]
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return pa.concat_arrays(chunks).take(pa.array(back))

    def polygons(
        self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice | None = None
    ) -> NDArray[np.object_]:
        """The polygons of some of them, or all: made anew each time, not kept."""
        asked = self if rows is None else self.take(rows)
        values = asked.wkb(slice(None)).to_numpy(zero_copy_only=False)
        return np.asarray(shapely.from_wkb(values), dtype=object)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Polygons on disk: `stored` in lon/lat, `metric` in EPSG:6931, and (n, 4) bounds of these."""

    stored: StoredShapes
    metric: StoredShapes
    bounds: NDArray[np.float64]

    def __len__(self) -> int:
        """How many polygons."""
        return len(self.bounds)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Shapes:
        """Some of them."""
        return Shapes(
            stored=self.stored.take(rows), metric=self.metric.take(rows), bounds=self.bounds[rows]
        )

    def followed_by(self, *others: Shapes) -> Shapes:
        """These, then the others."""
        return Shapes(
            stored=self.stored.followed_by(*(other.stored for other in others)),
            metric=self.metric.followed_by(*(other.metric for other in others)),
            bounds=np.concatenate([self.bounds, *(other.bounds for other in others)]),
        )


def keep_shapes(
    wkb: pa.ChunkedArray,
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    spool: Spool,
    note: Note | None = None,
) -> Shapes:
    """The stored polygons, and the same in EPSG:6931, in the spool.

    They lie there tile by tile, so that what is near is read together. `note` is shown every
    polygon on the way.

    Args:
        wkb: WKB of lon/lat polygons.
        lon: degrees; a point of each.
        lat: the same.
        spool: where they wait.
        note: takes note of them, tile by tile.
    """
    given = StoredShapes.of(wkb)
    bounds = np.empty((len(given), 4))
    place = np.empty(len(given), dtype=np.int64)
    drawer, n = spool.open_drawer(), 0
    drawer.add(_SHAPE.empty_table())
    xy = np.column_stack(grid.transformer(grid.LONLAT_CRS, grid.METRIC_CRS).transform(lon, lat))
    for rows in near_rows(xy):
        stored = given.take(rows).wkb(slice(None))
        polygons = metric_polygons(pa.chunked_array([stored]))
        bounds[rows] = shapely.bounds(polygons)
        place[rows] = n + np.arange(len(rows))
        n += len(rows)
        drawer.add(_shape_rows(stored, polygons))
        if note is not None:
            note(rows, polygons)
    kept = drawer.close()
    return Shapes(
        stored=StoredShapes.of(kept["stored"]).take(place),
        metric=StoredShapes.of(kept["metric"]).take(place),
        bounds=bounds,
    )


def keep_polygons(stored: NDArray[np.object_], spool: Spool) -> tuple[Shapes, NDArray[np.object_]]:
    """Lon/lat polygons in the spool, and their polygons in EPSG:6931."""
    metric = grid.to_metric(stored)
    rows = _shape_rows(pa.array(shapely.to_wkb(stored), pa.binary()), metric)
    kept = spool.keep(rows)
    shapes = Shapes(
        stored=StoredShapes.of(kept["stored"]),
        metric=StoredShapes.of(kept["metric"]),
        bounds=shapely.bounds(metric).reshape(-1, 4),
    )
    return shapes, metric


def metric_polygons(wkb: pa.ChunkedArray) -> NDArray[np.object_]:
    """The stored polygons in EPSG:6931; some thousands at a time, as each step makes a copy."""
    polygons = np.empty(len(wkb), dtype=object)
    for start in range(0, len(wkb), _CARRIED_ROWS):
        values = wkb.slice(start, _CARRIED_ROWS).to_numpy(zero_copy_only=False)
        polygons[start : start + _CARRIED_ROWS] = grid.to_metric(shapely.from_wkb(values))
    return polygons


def _shape_rows(stored: pa.Array, metric: NDArray[np.object_]) -> pa.Table:
    wkb = pa.array(shapely.to_wkb(metric), pa.binary())
    return pa.table({"stored": stored, "metric": wkb}, schema=_SHAPE)
