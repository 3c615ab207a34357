"""The current looks of one kind and season, and what they say of polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.polygon.coverage import covered_frac
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.store.base import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonLooks:
    """Looks as EPSG:6931 polygons with basis, days and their source's recall (NaN: unknown)."""

    geometry: NDArray[np.object_]
    is_measured: NDArray[np.bool_]
    from_on: NDArray[np.datetime64]
    to_on: NDArray[np.datetime64]
    recall: NDArray[np.float64]

    def measured(self) -> SeasonLooks:
        """Only what is known to have been looked at."""
        keep = self.is_measured
        return SeasonLooks(
            geometry=self.geometry[keep],
            is_measured=keep[keep],
            from_on=self.from_on[keep],
            to_on=self.to_on[keep],
            recall=self.recall[keep],
        )

    def covered_frac(self, geometry: NDArray[np.object_]) -> NDArray[np.float64]:
        """Share of each polygon that the looks cover; NaN where none touches it."""
        if len(geometry) == 0 or len(self.geometry) == 0:
            return np.full(len(geometry), np.nan)
        return covered_frac(geometry, self.geometry)

    def days(
        self, geometry: NDArray[np.object_]
    ) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
        """First and last day on which looks touched each polygon; NaT where none did."""
        first = np.full(len(geometry), np.datetime64("NaT"), dtype="datetime64[D]")
        last = first.copy()
        polygon, look = self._touching(geometry)
        np.fmin.at(first, polygon, self.from_on[look])
        np.fmax.at(last, polygon, self.to_on[look])
        return first, last

    def latest_from_on(self, geometry: NDArray[np.object_]) -> NDArray[np.datetime64]:
        """First day of the latest look that touched each polygon; NaT where none did.

        What a look of several days did not see may have begun after the first of them.
        """
        latest = np.full(len(geometry), np.datetime64("NaT"), dtype="datetime64[D]")
        polygon, look = self._touching(geometry)
        np.fmax.at(latest, polygon, self.from_on[look])
        return latest

    def best_recall(self, geometry: NDArray[np.object_]) -> NDArray[np.float64]:
        """The highest stated recall of the looks that touch each polygon; NaN where unknown."""
        recall = np.full(len(geometry), np.nan)
        polygon, look = self._touching(geometry)
        np.fmax.at(recall, polygon, self.recall[look])
        return recall

    def _touching(
        self, geometry: NDArray[np.object_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if len(geometry) == 0 or len(self.geometry) == 0:
            none = np.empty(0, dtype=np.int64)
            return none, none
        polygon, look = shapely.STRtree(self.geometry).query(geometry, predicate="intersects")
        return polygon.astype(np.int64), look.astype(np.int64)


def read_looks(store: Store, kind: str, season_year: int) -> SeasonLooks:
    """The current looks of that kind and season."""
    rows = store.query(statement("season_looks"), {"kind": kind, "season": season_year})
    geometry = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    return SeasonLooks(
        geometry=grid.to_metric(grid.densify(geometry)),
        is_measured=np.array([basis == "measured" for basis in rows["basis"].to_pylist()], bool),
        from_on=rows["from_on"].to_numpy().astype("datetime64[D]"),
        to_on=rows["to_on"].to_numpy().astype("datetime64[D]"),
        recall=rows["recall"].to_numpy(zero_copy_only=False).astype(np.float64),
    )
