"""A season's footprints as consolidation meets them: columns, polygons on disk, what looks say."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rts_track.steps.columns import days, doubles, numbered
from rts_track.steps.shapes import Shapes, keep_shapes
from rts_track.store.statements import statement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.looks import LooksOver, SeasonLooks
    from rts_track.steps.spool import Spool
    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """What a season's looks say of polygons, one by one.

    How many looks cover each, how many of these are measured, whether any touches it, and the
    share of it that they cover; NaN where none touches it.
    """

    n_looks: NDArray[np.int64]
    n_measured: NDArray[np.int64]
    is_touched: NDArray[np.bool_]
    coverage_frac: NDArray[np.float64]

    @classmethod
    def nothing(cls, n: int) -> LookedAt:
        """Of so many polygons nothing is known yet."""
        return cls(
            n_looks=np.zeros(n, dtype=np.int64),
            n_measured=np.zeros(n, dtype=np.int64),
            is_touched=np.zeros(n, dtype=bool),
            coverage_frac=np.full(n, np.nan),
        )

    def take(self, rows: NDArray[np.int64]) -> LookedAt:
        """What they say of some of them."""
        return LookedAt(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def note(
        self, rows: NDArray[np.int64] | NDArray[np.bool_], over: LooksOver, params: LinkParams
    ) -> None:
        """Put in what the looks say of the polygons in those rows."""
        self.n_looks[rows] = over.n_covering(params.coverage_min_frac)
        self.n_measured[rows] = over.measured().n_covering(params.coverage_min_frac)
        self.is_touched[rows] = over.is_touched()
        self.coverage_frac[rows] = over.covered_frac()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFootprints:
    """Footprints of one season and kind, in the order of their ids.

    `rows` are those of the statement `season_footprints` but for their geometry; `scene` numbers
    the scene of each, NO_SCENE where it is of none.
    """

    rows: pa.Table
    shapes: Shapes
    scene: NDArray[np.int64]
    looked: LookedAt

    def __len__(self) -> int:
        """How many."""
        return len(self.scene)

    def take(self, rows: NDArray[np.int64]) -> FoundFootprints:
        """Some of them."""
        return FoundFootprints(
            rows=self.rows.take(pa.array(rows)),
            shapes=self.shapes.take(rows),
            scene=self.scene[rows],
            looked=self.looked.take(rows),
        )

    def mid_day(self) -> NDArray[np.float64]:
        """The middle of each one's date range, as a proleptic ordinal."""
        first, last = days(self.rows, "observed_from"), days(self.rows, "observed_to")
        middle: NDArray[np.float64] = (first.astype(np.int64) + last.astype(np.int64)) / 2.0
        return middle


def read_footprints(
    store: Store,
    kind: str,
    season_year: int,
    looks: SeasonLooks,
    params: LinkParams,
    spool: Spool,
) -> FoundFootprints:
    """The current footprints of that kind and season; their polygons wait in the spool."""
    found = store.query(statement("season_footprints"), {"kind": kind, "season": season_year})
    geometry, rows = found["geometry"], found.drop_columns(["geometry"]).combine_chunks()
    del found
    looked = LookedAt.nothing(len(rows))

    def note(of: NDArray[np.int64], polygons: NDArray[np.object_]) -> None:
        looked.note(of, looks.over(polygons), params)

    shapes = keep_shapes(geometry, doubles(rows, "lon"), doubles(rows, "lat"), spool, note)
    return FoundFootprints(
        rows=rows, shapes=shapes, scene=numbered(rows["scene_id"]), looked=looked
    )
