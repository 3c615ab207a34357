"""The current looks of one kind and season, and what they say of polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from rts_track import grid
from rts_track.polygon.coverage import Touching
from rts_track.steps.tiles import runs
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rts_track.steps.outlines import Outlines
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

    def over(self, geometry: NDArray[np.object_]) -> LooksOver:
        """What they say of EPSG:6931 polygons; worked out once, to be asked several things."""
        return LooksOver(looks=self, touching=Touching.of(geometry, self.geometry))

    def covered_frac(self, geometry: NDArray[np.object_]) -> NDArray[np.float64]:
        """Share of each polygon that the looks cover; NaN where none touches it."""
        return self.over(geometry).covered_frac()

    def days(
        self, geometry: NDArray[np.object_]
    ) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
        """First and last day on which looks touched each polygon; NaT where none did."""
        return self.over(geometry).days()

    def latest_from_on(self, geometry: NDArray[np.object_]) -> NDArray[np.datetime64]:
        """First day of the latest look that touched each polygon; NaT where none did."""
        return self.over(geometry).latest_from_on()

    def best_recall(self, geometry: NDArray[np.object_]) -> NDArray[np.float64]:
        """The highest stated recall of the looks that touch each polygon; NaN where unknown."""
        return self.over(geometry).best_recall()


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksOver:
    """What looks say of polygons: a value each, in the polygons' order."""

    looks: SeasonLooks
    touching: Touching

    def measured(self) -> LooksOver:
        """What measured looks alone say."""
        return LooksOver(looks=self.looks, touching=self.touching.by(self.looks.is_measured))

    def covered_frac(self) -> NDArray[np.float64]:
        """Share of each polygon that the looks cover; NaN where none touches it."""
        return self.touching.covered_frac()

    def n_covering(self, min_frac: float) -> NDArray[np.int64]:
        """How many looks cover each polygon to `min_frac`."""
        return self.touching.n_covering(min_frac)

    def is_touched(self) -> NDArray[np.bool_]:
        """Which polygons any look touches."""
        return self.touching.is_touched()

    def days(self) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
        """First and last day on which looks touched each polygon; NaT where none did."""
        first, last = self._no_days(), self._no_days()
        np.fmin.at(first, self.touching.polygon, self.looks.from_on[self.touching.look])
        np.fmax.at(last, self.touching.polygon, self.looks.to_on[self.touching.look])
        return first, last

    def latest_from_on(self) -> NDArray[np.datetime64]:
        """First day of the latest look that touched each polygon; NaT where none did.

        What a look of several days did not see may have begun after the first of them.
        """
        latest = self._no_days()
        np.fmax.at(latest, self.touching.polygon, self.looks.from_on[self.touching.look])
        return latest

    def best_recall(self) -> NDArray[np.float64]:
        """The highest stated recall of the looks that touch each polygon; NaN where unknown."""
        recall = np.full(len(self.touching.geometries), np.nan)
        np.fmax.at(recall, self.touching.polygon, self.looks.recall[self.touching.look])
        return recall

    def _no_days(self) -> NDArray[np.datetime64]:
        return np.full(len(self.touching.geometries), np.datetime64("NaT"), dtype="datetime64[D]")


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


def ask_looks(
    looks: SeasonLooks,
    outlines: Outlines,
    rows: NDArray[np.int64],
    ask: Callable[[LooksOver], tuple[NDArray[Any], ...]],
) -> tuple[NDArray[Any], ...]:
    """What `ask` tells of the outlines in `rows`, some thousands of polygons at a time."""
    parts = []
    for some in runs(len(rows)):
        parts.append(ask(looks.over(outlines.polygons(rows[some]))))
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
