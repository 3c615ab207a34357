"""A season's footprints into its outlines, some thousands at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from rts_track.polygon.consolidate import rows_by_group, same_place_groups
from rts_track.steps.columns import numbered
from rts_track.steps.outline_rows import OutlineRows, Season, outlines_of_groups
from rts_track.steps.outlines import Outlines, SeasonOutlines, SeasonRows
from rts_track.steps.season_footprints import read_footprints
from rts_track.steps.tiles import runs_of_groups, tile_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.looks import SeasonLooks
    from rts_track.steps.shapes import Shapes
    from rts_track.steps.spool import Drawer, Spool
    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams


def consolidate_season(
    store: Store,
    kind: str,
    season_year: int,
    looks: SeasonLooks,
    params: LinkParams,
    spool: Spool,
) -> SeasonOutlines:
    """The outlines of that kind and season; their rows wait in the spool."""
    footprints = read_footprints(store, kind, season_year, looks, params, spool)
    season = Season(kind=kind, season_year=season_year, looks=looks, params=params, spool=spool)
    group = _groups(footprints.shapes, footprints.scene, params)
    made = _Made.nothing(spool)
    for batch in runs_of_groups(group):
        made.add(outlines_of_groups(footprints.take(batch), group[batch], season))
        spool.let_go()
    return made.whole(params)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The outlines made so far, their rows on disk."""

    rows: Drawer
    members: Drawer
    outlines: list[Outlines] = field(default_factory=list)
    founder: list[pa.Array] = field(default_factory=list)
    gsd_m: list[NDArray[np.float64]] = field(default_factory=list)
    coverage_frac: list[NDArray[np.float64]] = field(default_factory=list)

    @classmethod
    def nothing(cls, spool: Spool) -> _Made:
        return cls(rows=spool.open_drawer(), members=spool.open_drawer())

    def add(self, part: OutlineRows) -> None:
        self.rows.add(part.rows)
        self.members.add(part.members)
        self.outlines.append(part.outlines)
        self.founder.append(part.founder)
        self.gsd_m.append(part.gsd_m)
        self.coverage_frac.append(part.coverage_frac)

    def whole(self, params: LinkParams) -> SeasonOutlines:
        """All of them."""
        outlines = self.outlines[0].followed_by(*self.outlines[1:])
        members = self.members.close()
        return SeasonOutlines(
            outlines=outlines,
            written=SeasonRows(
                rows=self.rows.close(),
                footprint_id=members["footprint_id"],
                outline_of_footprint=members["outline_id"],
            ),
            companion_of=_companions(outlines, np.concatenate(self.gsd_m), params),
            founder=pa.chunked_array(self.founder, pa.string()),
            coverage_frac=np.concatenate(self.coverage_frac),
        )


def _groups(shapes: Shapes, part: NDArray[np.int64], params: LinkParams) -> NDArray[np.int64]:
    """A group number for each: those of different parts that share a place share one."""
    return same_place_groups(
        shapes.bounds,
        part,
        params.same_place_iomin,
        shapes.metric.polygons,
        tile_rows(shapes.bounds, shapes.bounds, 0.0),
    )


def _companions(
    outlines: Outlines, gsd_m: NDArray[np.float64], params: LinkParams
) -> NDArray[np.int64]:
    """For each outline the one that speaks for its place, if that is of another source, else -1.

    Where outlines of several sources share a place, the finest source speaks; of equals, the
    first by name.
    """
    companion_of = np.full(len(outlines), -1, dtype=np.int64)
    number = numbered(pa.chunked_array([pa.array(outlines.source, pa.string())]))
    group = _groups(outlines.shapes, number, params)
    for members in rows_by_group(group)[1]:
        fineness = np.nan_to_num(gsd_m[members], nan=np.inf)
        speaker = min(zip(fineness, outlines.source[members], strict=True))[1]
        is_own = outlines.source[members] == speaker
        own, others = members[is_own], members[~is_own]
        geometry = outlines.polygons(own)
        for other, polygon in zip(others, outlines.polygons(others), strict=True):
            overlap = shapely.area(shapely.intersection(geometry, polygon))
            companion_of[other] = own[int(np.argmax(overlap))]
    return companion_of
