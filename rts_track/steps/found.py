"""What links a season's outlines to the chains before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rts_track.steps.season_links import (
    ScenePair,
    estimate_shifts,
    expected_drift_m,
    link_drifting,
    link_rows,
    may_be_landforms,
    season_pairs,
)
from rts_track.track.assign import FRAGMENT, MAIN, REINITIATE, SPLIT, Links, link_seasons, renewals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.chains import Live
    from rts_track.steps.outlines import Outlines
    from rts_track.steps.tiles import Workers
    from rts_track.track.params import LinkParams
    from rts_track.track.shift import Shift


@dataclass(slots=True, kw_only=True, eq=False)
class Found:
    """What links a season's outlines to live chains, row by row.

    `live` is the row of the chain, `is_earlier` says that the link is from the outline before its
    latest; `role` is main, split, merge, fragment, reactivate or reinitiate (which is no link);
    `cover` how much of the piece, or of what was before, the other covers.
    """

    live: NDArray[np.int64]
    child: NDArray[np.int64]
    role: NDArray[np.object_]
    is_earlier: NDArray[np.bool_]
    cover: NDArray[np.float64]
    links: pa.Table

    def rows(self, *roles: str) -> NDArray[np.int64]:
        """The rows of those roles."""
        return np.flatnonzero(np.isin(self.role, roles))

    def link_rows(self) -> pa.Table:
        """The links as rows of the contract."""
        kind = np.asarray(self.links["kind"].to_numpy(zero_copy_only=False), dtype=object)
        kind[self.role == FRAGMENT] = FRAGMENT
        rows = with_kind(self.links, kind)
        return rows.filter(pa.array(self.role != REINITIATE))


def with_kind(links: pa.Table, kind: NDArray[np.object_]) -> pa.Table:
    """The links with another kind each."""
    column = links.schema.get_field_index("kind")
    return links.set_column(column, links.schema.field("kind"), pa.array(kind, pa.string()))


@dataclass(slots=True, kw_only=True, eq=False)
class Linker:
    """Finds what links seasons; `known_shifts` gains the shifts that it estimates, `fresh` too."""

    kind: str
    params: LinkParams
    run_id: str
    known_shifts: dict[ScenePair, Shift]
    workers: Workers
    fresh_shifts: dict[ScenePair, Shift] = field(default_factory=dict)

    def links(self, live: Live, after: Outlines, season_year: int) -> Found:
        """All that links the season's outlines to live chains."""
        parts = [self._near(live, after, season_year)]
        parts.append(self._gap_splits(live, after, _free(after, parts)))
        parts.append(self._renewals(live, after, _free(after, parts)))
        return _joined(parts)

    def _near(self, live: Live, after: Outlines, season_year: int) -> Found:
        """Links to the chains that fewer than `stabilise_seasons` looked-at seasons missed."""
        kind, params, shifts = self.kind, self.params, self.known_shifts
        rows = np.flatnonzero(live.n_absent < params.stabilise_seasons)
        before, n_absent = live.outlines.take(rows), live.n_absent[rows]
        if kind == "active_zone":
            earlier, has_earlier = live.earlier.take(rows), live.has_earlier[rows]
            drift_m = expected_drift_m(before, earlier, has_earlier, season_year, shifts)
            links = link_drifting(before, after, drift_m, n_absent, shifts, params, self.workers)
        else:
            seen = before.take(np.flatnonzero(n_absent == 0))
            fresh = estimate_shifts(seen, after, shifts, params, self.workers)
            self.known_shifts |= fresh
            self.fresh_shifts |= fresh
            pairs = season_pairs(before, after, shifts, params.reach_m(kind), self.workers)
            pairs = pairs.take(may_be_landforms(before, after, pairs, shifts))
            links = link_seasons(pairs, params, n_absent[pairs.parent])
        return self._found(before, rows, after, links, n_absent[links.pairs.parent] > 0)

    def _gap_splits(self, live: Live, after: Outlines, free: NDArray[np.int64]) -> Found:
        """Free outlines that lie in what a chain was before its latest outline.

        The piece split from it then, and was missed in the season between.
        """
        is_fresh = live.has_earlier & (live.n_absent == 0) & (self.kind == "landform")
        rows = np.flatnonzero(is_fresh)
        before, pieces = live.earlier.take(rows), after.take(free)
        pairs = season_pairs(before, pieces, self.known_shifts, 0.0, self.workers)
        pairs = pairs.take(pairs.cover_child >= self.params.gap_split_min_cover)
        order = np.lexsort((pairs.parent, -pairs.cover_child, pairs.child))
        best = order[np.unique(pairs.child[order], return_index=True)[1]]
        cover = pairs.cover_child[best]
        links = Links(
            pairs=pairs.take(best), role=np.full(len(best), SPLIT), weight=cover, share=cover
        )
        found = self._found(before, rows, pieces, links, np.ones(len(best), dtype=bool))
        found.child = free[found.child]
        found.is_earlier[:] = True
        return found

    def _renewals(self, live: Live, after: Outlines, free: NDArray[np.int64]) -> Found:
        """Free outlines on slumps that seasons of looks had missed: active again, or new on it."""
        rows = np.flatnonzero(live.n_absent >= self.params.stabilise_seasons)
        before, candidates = live.outlines.take(rows), after.take(free)
        pairs = season_pairs(before, candidates, self.known_shifts, 0.0, self.workers)
        links = renewals(pairs, live.stable_year[rows[pairs.parent]] > 0, self.params)
        found = self._found(before, rows, candidates, links, np.ones(len(links.role), dtype=bool))
        found.child = free[found.child]
        return found

    def _found(
        self,
        before: Outlines,
        rows: NDArray[np.int64],
        after: Outlines,
        links: Links,
        is_gap: NDArray[np.bool_],
    ) -> Found:
        pairs = links.pairs
        return Found(
            live=rows[pairs.parent],
            child=pairs.child,
            role=links.role.astype(object),
            is_earlier=np.zeros(len(pairs.parent), dtype=bool),
            cover=np.where(links.role == SPLIT, pairs.cover_child, pairs.cover_parent),
            links=link_rows(before, after, links, is_gap, self.run_id, self.params),
        )


def _free(after: Outlines, parts: list[Found]) -> NDArray[np.int64]:
    """Rows of the outlines that nothing explains yet."""
    taken = np.concatenate([part.child[part.rows(MAIN, SPLIT)] for part in parts])
    return np.setdiff1d(np.arange(len(after)), taken)


def _joined(parts: list[Found]) -> Found:
    """All of them."""
    return Found(
        live=np.concatenate([part.live for part in parts]),
        child=np.concatenate([part.child for part in parts]),
        role=np.concatenate([part.role for part in parts]),
        is_earlier=np.concatenate([part.is_earlier for part in parts]),
        cover=np.concatenate([part.cover for part in parts]),
        links=pa.concat_tables([part.links for part in parts]),
    )
