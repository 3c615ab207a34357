"""The outlines that linking works on, column by column; their polygons wait in the spool."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from rts_track.steps.columns import days, doubles, flags, names, texts
from rts_track.steps.shapes import Shapes, keep_shapes

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.steps.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlines:
    """What linking knows of outlines.

    `scene_id` is that of the footprint the outline follows, "" where it is of none.
    """

    outline_id: NDArray[np.object_]
    source: NDArray[np.object_]
    scene_id: NDArray[np.object_]
    season_year: NDArray[np.int64]
    observed_on: NDArray[np.datetime64]
    observed_from: NDArray[np.datetime64]
    observed_to: NDArray[np.datetime64]
    area_m2: NDArray[np.float64]
    area_sigma_m2: NDArray[np.float64]
    is_clipped: NDArray[np.bool_]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    shapes: Shapes

    def __len__(self) -> int:
        """How many outlines."""
        return len(self.outline_id)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Outlines:
        """Some of them; all of them in their order are these themselves."""
        if _are_all(rows, len(self)):
            return self
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Outlines(**columns, shapes=self.shapes.take(rows))

    def followed_by(self, *others: Outlines) -> Outlines:
        """These, then the others."""
        columns = {
            name: np.concatenate([getattr(each, name) for each in (self, *others)])
            for name in _COLUMNS
        }
        shapes = self.shapes.followed_by(*(other.shapes for other in others))
        return Outlines(**columns, shapes=shapes)

    def polygons(
        self, rows: NDArray[np.int64] | NDArray[np.bool_] | None = None
    ) -> NDArray[np.object_]:
        """The EPSG:6931 polygons of some of them, or all: made anew each time, not kept."""
        return self.shapes.metric.polygons(rows)


_COLUMNS = [f.name for f in fields(Outlines) if f.name != "shapes"]


def _are_all(rows: NDArray[np.int64] | NDArray[np.bool_], n: int) -> bool:
    if len(rows) != n:
        return False
    return bool(rows.all() if rows.dtype == bool else (rows == np.arange(n)).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonRows:
    """What of a season's outlines waits on disk to be written.

    `rows` are those of the contract but for `track_id`; `outline_of_footprint` is the outline of
    each footprint.
    """

    rows: pa.Table
    footprint_id: pa.ChunkedArray
    outline_of_footprint: pa.ChunkedArray

    def __len__(self) -> int:
        """How many outlines."""
        n: int = self.rows.num_rows
        return n

    @property
    def outline_id(self) -> pa.ChunkedArray:
        """The id of each outline."""
        return self.rows["outline_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonOutlines:
    """A season's outlines while it is linked.

    `companion_of` is the row of the outline that speaks for the place, where that is one of
    another source, else -1. `founder` is the footprint that would found a track. `coverage_frac`
    is the share of each that the season's looks cover; NaN where none touches it.
    """

    outlines: Outlines
    written: SeasonRows
    companion_of: NDArray[np.int64]
    founder: pa.ChunkedArray
    coverage_frac: NDArray[np.float64]

    @property
    def footprint_id(self) -> pa.ChunkedArray:
        """The footprints, outline by outline."""
        return self.written.footprint_id

    @property
    def outline_of_footprint(self) -> pa.ChunkedArray:
        """The id of each footprint's outline."""
        return self.written.outline_of_footprint


def outlines_of(rows: pa.Table, spool: Spool) -> Outlines:
    """The outlines in rows that have every column of `Outlines`; their polygons wait in the spool.

    `geometry` holds these, as WKB of lon/lat.
    """
    lon, lat = doubles(rows, "lon"), doubles(rows, "lat")
    return outlines_with(rows, keep_shapes(rows["geometry"], lon, lat, spool))


def outlines_with(rows: pa.Table, shapes: Shapes) -> Outlines:
    """The outlines in rows that have every column of `Outlines` but their polygons."""
    return Outlines(
        outline_id=texts(rows["outline_id"]),
        source=names(rows, "source"),
        scene_id=names(rows, "scene_id"),
        season_year=rows["season_year"].to_numpy().astype(np.int64),
        observed_on=days(rows, "observed_on"),
        observed_from=days(rows, "observed_from"),
        observed_to=days(rows, "observed_to"),
        area_m2=doubles(rows, "area_m2"),
        area_sigma_m2=doubles(rows, "area_sigma_m2"),
        is_clipped=flags(rows, "is_clipped"),
        lon=doubles(rows, "lon"),
        lat=doubles(rows, "lat"),
        shapes=shapes,
    )
