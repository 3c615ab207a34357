"""What links a season's outlines to the chains before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rts_track.steps.season_links import (
    ScenePair,
    estimate_shifts,
    expected_drift_m,
    link_drifting,
    link_rows,
    may_be_landforms,
    measured_pairs,
    season_pairs,
)
from rts_track.steps.tiles import runs
from rts_track.track.assign import (
    FRAGMENT,
    MAIN,
    REACTIVATE,
    REINITIATE,
    SPLIT,
    Links,
    Settled,
    link_seasons,
    renewals,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.chains import Live
    from rts_track.steps.outlines import Outlines
    from rts_track.steps.ruled import OutlinePair, Ruled
    from rts_track.steps.spool import Spool
    from rts_track.steps.tiles import Workers
    from rts_track.track.candidates import Candidates
    from rts_track.track.params import LinkParams
    from rts_track.track.shift import Shift


@dataclass(slots=True, kw_only=True, eq=False)
class Found:
    """What links a season's outlines to live chains, row by row.

    `live` is the row of the chain, `is_earlier` says that the link is from an outline before its
    latest, `from_on` the first day on which the outline it is from was observed; `role` is main,
    split, merge, fragment, reactivate or reinitiate (which is no link); `cover` how much of the
    piece, or of what was before, the other covers. `is_told`: a person told the role, and no more
    is made of it. `links` are rows of the contract, and wait on disk.
    """

    live: NDArray[np.int64]
    child: NDArray[np.int64]
    role: NDArray[np.object_]
    is_earlier: NDArray[np.bool_]
    is_told: NDArray[np.bool_]
    from_on: NDArray[np.datetime64]
    cover: NDArray[np.float64]
    links: pa.Table

    def rows(self, *roles: str) -> NDArray[np.int64]:
        """The rows of those roles."""
        return np.flatnonzero(np.isin(self.role, roles))

    def outline_pairs(self) -> list[OutlinePair]:
        """The ids of the outlines that each of them links."""
        ends = (self.links[end].to_pylist() for end in ("from_outline_id", "to_outline_id"))
        return list(zip(*ends, strict=True))

    def link_rows(self) -> Iterator[pa.Table]:
        """The links as rows of the contract, some thousands at a time."""
        kind = np.asarray(self.links["kind"].to_numpy(zero_copy_only=False), dtype=object)
        kind[self.role == FRAGMENT] = FRAGMENT
        rows, is_link = with_kind(self.links, kind), self.role != REINITIATE
        for some in runs(len(is_link)):
            of_run = rows.slice(some.start, some.stop - some.start)
            yield of_run.filter(pa.array(is_link[some]))


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
    spool: Spool
    fresh_shifts: dict[ScenePair, Shift] = field(default_factory=dict)

    def links(
        self, live: Live, after: Outlines, season_year: int, ruled: Ruled | None = None
    ) -> Found:
        """All that links the season's outlines to live chains; a person's word before all."""
        found = self._links(live, after, season_year, ruled)
        if ruled is None:
            return found
        insisting = ruled.insisting(set(found.outline_pairs()), after)
        if insisting is not None:
            found = self._links(live, after, season_year, insisting)
        accepted = ruled.any_role(after)
        is_accepted = [pair in accepted for pair in found.outline_pairs()]
        found.links = _by_person(found.links, found.is_told | np.array(is_accepted, dtype=bool))
        return found

    def _links(self, live: Live, after: Outlines, season_year: int, ruled: Ruled | None) -> Found:
        parts = [] if ruled is None else [self._told(live, after, ruled)]
        parts.append(self._near(live, after, season_year, ruled))
        parts.append(self._gap_splits(live, after, _free(after, parts), ruled))
        parts.append(self._renewals(live, after, _free(after, parts), ruled))
        return _joined(parts)

    def _told(self, live: Live, after: Outlines, ruled: Ruled) -> Found:
        """Links that a person drew or accepted; they need not be near, or of successive seasons."""
        drawn = ruled.drawn()
        before, rows, role = ruled.start.take(drawn), ruled.live[drawn], ruled.role[drawn]
        is_latest, n_absent = ruled.is_latest[drawn], live.n_absent[rows]
        n = np.arange(len(drawn))
        pairs = measured_pairs(before, after, n, ruled.child[drawn], self.known_shifts)
        is_renewed = is_latest & (n_absent >= self.params.stabilise_seasons) & (role == MAIN)
        roles = np.where(is_renewed, REACTIVATE, role).astype(str)
        sure = np.ones(len(drawn))
        links = Links(pairs=pairs, role=roles, weight=sure, share=sure)
        found = self._found(before, rows, after, links, (n_absent > 0) | ~is_latest)
        found.is_earlier, found.is_told = ~is_latest, np.ones(len(drawn), dtype=bool)
        return found

    def _near(self, live: Live, after: Outlines, season_year: int, ruled: Ruled | None) -> Found:
        """Links to the chains that fewer than `stabilise_seasons` looked-at seasons missed."""
        kind, params, shifts = self.kind, self.params, self.known_shifts
        rows = np.flatnonzero(live.n_absent < params.stabilise_seasons)
        before, n_absent = live.outlines.take(rows), live.n_absent[rows]
        settled = None if ruled is None else ruled.settled(rows, before, after)
        if kind == "active_zone":
            earlier, has_earlier = live.earlier.take(rows), live.has_earlier[rows]
            drift_m = expected_drift_m(before, earlier, has_earlier, season_year, shifts)
            links = link_drifting(
                before, after, drift_m, n_absent, shifts, params, self.workers, settled
            )
        else:
            seen = before.take(np.flatnonzero(n_absent == 0))
            fresh = estimate_shifts(seen, after, shifts, params, self.workers)
            self.known_shifts |= fresh
            self.fresh_shifts |= fresh
            pairs = season_pairs(before, after, shifts, params.reach_m(kind), self.workers)
            pairs = pairs.take(may_be_landforms(before, after, pairs, shifts))
            links = link_seasons(pairs, params, n_absent[pairs.parent], settled)
        return self._found(before, rows, after, links, n_absent[links.pairs.parent] > 0)

    def _gap_splits(
        self, live: Live, after: Outlines, free: NDArray[np.int64], ruled: Ruled | None
    ) -> Found:
        """Free outlines that lie in what a chain was before its latest outline.

        The piece split from it then, and was missed in the season between.
        """
        is_fresh = live.has_earlier & (live.n_absent == 0) & (self.kind == "landform")
        rows = np.flatnonzero(is_fresh)
        before, pieces = live.earlier.take(rows), after.take(free)
        pairs = season_pairs(before, pieces, self.known_shifts, 0.0, self.workers)
        if ruled is not None:
            pairs = _left_open(pairs, free, ruled.settled(rows, before, after))
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

    def _renewals(
        self, live: Live, after: Outlines, free: NDArray[np.int64], ruled: Ruled | None
    ) -> Found:
        """Free outlines on slumps that seasons of looks had missed: active again, or new on it."""
        rows = np.flatnonzero(live.n_absent >= self.params.stabilise_seasons)
        before, candidates = live.outlines.take(rows), after.take(free)
        pairs = season_pairs(before, candidates, self.known_shifts, 0.0, self.workers)
        if ruled is not None:
            settled = ruled.settled(rows, before, after)
            pairs = _left_open(pairs.take(~settled.is_ended(pairs)), free, settled)
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
            is_told=np.zeros(len(pairs.parent), dtype=bool),
            from_on=before.observed_from[pairs.parent],
            cover=np.where(links.role == SPLIT, pairs.cover_child, pairs.cover_parent),
            links=self.spool.keep_parts(
                link_rows(before, after, links, is_gap, self.run_id, self.params)
            ),
        )


def _free(after: Outlines, parts: list[Found]) -> NDArray[np.int64]:
    """Rows of the outlines that nothing explains yet."""
    taken = np.concatenate([part.child[part.rows(MAIN, SPLIT, REACTIVATE)] for part in parts])
    return np.setdiff1d(np.arange(len(after)), taken)


def _left_open(pairs: Candidates, free: NDArray[np.int64], settled: Settled) -> Candidates:
    """The pairs of earlier and of `free` outlines that no person said anything of."""
    of_season = replace(pairs, child=free[pairs.child])
    return pairs.take(~(settled.is_barred(of_season) | settled.is_told(of_season)))


def _by_person(links: pa.Table, is_theirs: NDArray[np.bool_]) -> pa.Table:
    """The links, some of them a person's: certain."""
    theirs = pa.array(is_theirs)
    for name, value in (("origin", "person"), ("confidence", 1.0), ("is_ambiguous", False)):
        column = links.schema.get_field_index(name)
        values = pc.if_else(theirs, value, links[name])
        links = links.set_column(column, links.schema.field(name), values)
    return links


def _joined(parts: list[Found]) -> Found:
    """All of them."""
    return Found(
        live=np.concatenate([part.live for part in parts]),
        child=np.concatenate([part.child for part in parts]),
        role=np.concatenate([part.role for part in parts]),
        is_earlier=np.concatenate([part.is_earlier for part in parts]),
        is_told=np.concatenate([part.is_told for part in parts]),
        from_on=np.concatenate([part.from_on for part in parts]),
        cover=np.concatenate([part.cover for part in parts]),
        links=pa.concat_tables([part.links for part in parts]),
    )
