"""One kind's history from a season on: chains of outlines, their states and their events.

Nothing is named here: chains are numbers. Which track each of them is, `steps.linking` settles.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rts_track.steps.chains import NOBODY, ChainEvents, ChainHistory, Live
from rts_track.steps.looks import SeasonLooks, read_looks
from rts_track.steps.outlines import Outlines, SeasonOutlines, consolidate_season, outlines_of
from rts_track.steps.season_links import (
    ScenePair,
    estimate_shifts,
    expected_drift_m,
    link_drifting,
    link_rows,
    may_be_landforms,
    season_pairs,
)
from rts_track.store.statements import statement
from rts_track.track.assign import (
    FRAGMENT,
    MAIN,
    MERGE,
    REACTIVATE,
    REINITIATE,
    SPLIT,
    Links,
    link_seasons,
    renewals,
)
from rts_track.track.confidence import event_confidence
from rts_track.track.facing import facing_share, pieces_apart
from rts_track.track.life import seen_state, unseen_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams
    from rts_track.track.shift import Shift


@dataclass(slots=True, kw_only=True)
class _Found:
    """What links a season's outlines to live chains, row by row.

    `live` is the row of the chain, `is_earlier` says that the link is from the outline before its
    latest; `role` is main, split, merge, fragment, reactivate or reinitiate (which is no link).
    """

    live: NDArray[np.int64]
    child: NDArray[np.int64]
    role: NDArray[np.object_]
    is_earlier: NDArray[np.bool_]
    cover: NDArray[np.float64]
    links: pa.Table

    def rows(self, role: str) -> NDArray[np.int64]:
        return np.flatnonzero(self.role == role)

    def link_rows(self) -> pa.Table:
        """The links as rows of the contract."""
        kind = np.asarray(self.links["kind"].to_numpy(zero_copy_only=False), dtype=object)
        kind[self.role == FRAGMENT] = FRAGMENT
        column = self.links.schema.get_field_index("kind")
        rows = self.links.set_column(column, "kind", pa.array(kind, pa.string()))
        return rows.filter(pa.array(self.role != REINITIATE))


class KindHistory:
    """Works one kind off, season by season; `shifts` gains the shifts that it estimates."""

    def __init__(  # noqa: D107
        self,
        store: Store,
        kind: str,
        params: LinkParams,
        run_id: str,
        shifts: dict[ScenePair, Shift],
    ) -> None:
        self._store, self._params, self._run_id = store, params, run_id
        self._known_shifts = shifts
        self._looks: dict[int, SeasonLooks] = {}
        self._joined: dict[int, int] = {}
        self._begun: list[ChainEvents] = []
        self._newest = 0
        self._after_split: dict[int, str] = {}
        self.history = ChainHistory(kind=kind)

    def begin(self, first_season: int, look_seasons: list[int]) -> None:
        """Take up the chains that were live before that season."""
        self._look_seasons = sorted(look_seasons)
        scope = {"kind": self.history.kind, "season": first_season}
        rows = self._store.query(statement("live_outlines"), scope)
        outlines = outlines_of(rows)
        earlier, has_earlier = self._earlier(rows, outlines, scope)
        is_piece = _whole(rows, "rank") > 1
        tracks = rows["track_id"].to_pylist()
        n = int((~is_piece).sum())
        self.history.prior = list(tracks[:n])
        self.history.founder = [""] * n
        number = {track: chain for chain, track in enumerate(tracks[:n])}
        self.live = Live.seen(
            outlines,
            earlier,
            has_earlier,
            np.array([number[track] for track in tracks], dtype=np.int64),
            _whole(rows, "n_seen"),
            _whole(rows, "first_year"),
        )
        self.live.is_piece = is_piece
        self.live.split_of = np.where(is_piece, self.live.chain, NOBODY)
        self.live.n_absent = _whole(rows, "n_absent")
        self.live.missed_year = _whole(rows, "missed_year")
        self.live.stable_year = _whole(rows, "stable_year")
        was_missed = self.live.missed_year > 0
        if was_missed.any():
            since = int(outlines.season_year[was_missed].min())
            for season in self._look_seasons:
                if since < season < first_season:
                    later = self.live.outlines.season_year < season
                    self._count_missed(season, np.flatnonzero(was_missed & later))

    def advance(self, season_year: int) -> None:
        """Work one season off."""
        found = consolidate_season(
            self._store,
            self.history.kind,
            season_year,
            self._season_looks(season_year),
            self._params,
        )
        own = np.flatnonzero(found.companion_of < 0)
        chain = self._link(season_year, found, own)
        whole = np.empty(len(found.outlines), dtype=np.int64)
        whole[own] = chain
        is_companion = found.companion_of >= 0
        whole[is_companion] = whole[found.companion_of[is_companion]]
        self.history.seasons[season_year], self.history.chain_of[season_year] = found, whole
        n_outlines = np.bincount(whole, minlength=len(self.history.prior))
        self._note_seen(season_year, n_outlines)
        self._note_unseen(season_year)
        self._settle_begun(season_year)

    def finish(self) -> ChainHistory:
        """What became of the kind."""
        self.live = self.live.take(~self.live.is_piece)
        self.history.last.append(self.live)
        self._settle_splits()
        self.history.renumber(self._joined)
        return self.history

    def _earlier(
        self, rows: pa.Table, outlines: Outlines, scope: dict[str, object]
    ) -> tuple[Outlines, NDArray[np.bool_]]:
        """The outline before the latest of each track, or the latest where there is none."""
        found = self._store.query(statement("earlier_outlines"), scope)
        row_of = {track: row for row, track in enumerate(found["track_id"].to_pylist())}
        at = np.array([row_of.get(track, -1) for track in rows["track_id"].to_pylist()], int)
        both = outlines.followed_by(outlines_of(found))
        n = len(outlines)
        return both.take(np.where(at < 0, np.arange(n), n + at)), at >= 0

    def _link(
        self, season_year: int, found: SeasonOutlines, own: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Link the season's own outlines; the chain of each."""
        after = found.outlines.take(own)
        parts = [self._near_links(season_year, after)]
        parts.append(self._gap_splits(after, _free(after, parts)))
        parts.append(self._renewals(after, _free(after, parts)))
        together = _joined(parts)
        self._settle_fragments(together)
        self._settle_pieces(together)
        chain = np.full(len(after), NOBODY)
        for role in (MAIN, REACTIVATE):
            rows = together.rows(role)
            chain[together.child[rows]] = self._chain_of_live(together.live[rows])
        new = np.flatnonzero(chain == NOBODY)
        chain[new] = len(self.history.prior) + np.arange(len(new))
        self.history.prior += [None] * len(new)
        self.history.founder += [found.founder[own[row]] for row in new]
        self.history.links.append(together.link_rows().cast(together.links.schema))
        self._note_relatives(season_year, after, together, chain)
        is_explained = np.isin(new, together.child[together.role != MAIN])
        self._note_founded(season_year, after, new[~is_explained], chain)
        self._take_over(after, chain, together, new[~is_explained])
        return chain

    def _near_links(self, season_year: int, after: Outlines) -> _Found:
        """Links to the chains that fewer than `stabilise_seasons` looked-at seasons missed."""
        live, kind, params = self.live, self.history.kind, self._params
        rows = np.flatnonzero(live.n_absent < params.stabilise_seasons)
        before, n_absent = live.outlines.take(rows), live.n_absent[rows]
        if kind == "active_zone":
            drift_m = expected_drift_m(
                before,
                live.earlier.take(rows),
                live.has_earlier[rows],
                season_year,
                self._known_shifts,
            )
            links = link_drifting(before, after, drift_m, n_absent, self._known_shifts, params)
        else:
            fresh = estimate_shifts(
                before.take(np.flatnonzero(n_absent == 0)), after, self._known_shifts, params
            )
            self._known_shifts.update(fresh)
            self.history.shifts.update(fresh)
            pairs = season_pairs(before, after, self._known_shifts, params.reach_m(kind))
            pairs = pairs.take(may_be_landforms(before, after, pairs, self._known_shifts))
            links = link_seasons(pairs, params, n_absent[pairs.parent])
        return self._found(before, rows, after, links, n_absent[links.pairs.parent] > 0)

    def _gap_splits(self, after: Outlines, free: NDArray[np.int64]) -> _Found:
        """Free outlines that lie in what a chain was before its latest outline.

        The piece split from it then, and was missed in the season between.
        """
        live, params = self.live, self._params
        is_fresh = live.has_earlier & (live.n_absent == 0)
        rows = np.flatnonzero(is_fresh if self.history.kind == "landform" else is_fresh[:0])
        before, pieces = live.earlier.take(rows), after.take(free)
        pairs = season_pairs(before, pieces, self._known_shifts, 0.0)
        pairs = pairs.take(pairs.cover_child >= params.gap_split_min_cover)
        order = np.lexsort((pairs.parent, -pairs.cover_child, pairs.child))
        best = order[np.unique(pairs.child[order], return_index=True)[1]]
        n = len(best)
        links = Links(
            pairs=pairs.take(best),
            role=np.full(n, SPLIT),
            weight=pairs.cover_child[best],
            share=pairs.cover_child[best],
        )
        found = self._found(before, rows, pieces, links, np.ones(n, dtype=bool))
        found.child = free[found.child]
        found.is_earlier[:] = True
        return found

    def _renewals(self, after: Outlines, free: NDArray[np.int64]) -> _Found:
        """Free outlines on slumps that seasons of looks had missed: active again, or new on it."""
        live, params = self.live, self._params
        rows = np.flatnonzero(live.n_absent >= params.stabilise_seasons)
        before, candidates = live.outlines.take(rows), after.take(free)
        pairs = season_pairs(before, candidates, self._known_shifts, 0.0)
        links = renewals(pairs, live.stable_year[rows[pairs.parent]] > 0, params)
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
    ) -> _Found:
        pairs = links.pairs
        is_split = links.role == SPLIT
        return _Found(
            live=rows[pairs.parent],
            child=pairs.child,
            role=links.role.astype(object),
            is_earlier=np.zeros(len(pairs.parent), dtype=bool),
            cover=np.where(is_split, pairs.cover_child, pairs.cover_parent),
            links=link_rows(before, after, links, is_gap, self._run_id, self._params),
        )

    def _chain_of_live(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The chain of each live row, once chains that proved one are one."""
        chain = self.live.chain[rows].copy()
        for place in np.flatnonzero(np.isin(chain, list(self._joined))).tolist():
            chain[place] = self._standing_for(int(chain[place]))
        return chain

    def _standing_for(self, chain: int) -> int:
        while chain in self._joined:
            chain = self._joined[chain]
        return chain

    def _settle_fragments(self, found: _Found) -> None:
        """Where pieces of a split are one again soon after, they were fragments of it."""
        live = self.live
        family = np.where(live.split_of == NOBODY, live.chain, live.split_of)
        rows = np.flatnonzero(np.isin(found.role, (MAIN, MERGE)) & ~found.is_earlier)
        for together in _sharing(found.child[rows], family[found.live[rows]]):
            pieces = sorted(rows[together].tolist(), key=lambda row: found.role[row] != MAIN)
            if (live.split_of[found.live[pieces]] == NOBODY).all():
                continue
            found.role[pieces[1:]] = FRAGMENT
            chains = [self._standing_for(int(live.chain[found.live[row]])) for row in pieces]
            root = int(family[found.live[pieces[0]]])
            kept = root if root in chains else chains[0]
            for gone in dict.fromkeys(chains):
                if gone != kept:
                    self._join(gone, kept)

    def _settle_pieces(self, found: _Found) -> None:
        """Where a slump is in pieces still, the first goes on and the others split from it."""
        live = self.live
        if not live.is_piece.any():
            return
        whole = {int(live.chain[row]): row for row in np.flatnonzero(~live.is_piece).tolist()}
        ends = np.flatnonzero(np.isin(found.role, (MAIN, MERGE)))
        goes_on = set(live.chain[found.live[ends[~live.is_piece[found.live[ends]]]]].tolist())
        for row in np.flatnonzero(live.is_piece[found.live] & (found.role != FRAGMENT)).tolist():
            chain = int(live.chain[found.live[row]])
            if chain in goes_on and found.role[row] in (MAIN, MERGE):
                found.role[row] = SPLIT if found.role[row] == MAIN else FRAGMENT
            elif found.role[row] in (MAIN, MERGE):
                goes_on.add(chain)
            found.live[row] = whole[chain]

    def _join(self, gone: int, kept: int) -> None:
        """Let a chain that split the season before be a fragment of another."""
        live = self.live
        self._joined[gone] = kept
        (row,) = np.flatnonzero(live.chain == gone)
        self.history.fragments.add(live.outlines.outline_id[row])
        self._make_fragment_link(str(live.outlines.outline_id[row]))
        for events in self.history.events:
            events.drop(gone)
        self.history.relatives = [pair for pair in self.history.relatives if pair[0] != gone]
        for states in self.history.states:
            _add_fragment(states, gone, kept)

    def _make_fragment_link(self, outline_id: str) -> None:
        """Let the latest split link to that outline be a fragment's."""
        for number in range(len(self.history.links) - 1, -1, -1):
            links = self.history.links[number]
            is_it = np.asarray(links["to_outline_id"].to_numpy(zero_copy_only=False) == outline_id)
            if is_it.any():
                kind = np.asarray(links["kind"].to_numpy(zero_copy_only=False), dtype=object)
                kind[is_it] = FRAGMENT
                column = links.schema.get_field_index("kind")
                field = links.schema.field("kind")
                self.history.links[number] = links.set_column(
                    column, field, pa.array(kind, pa.string())
                )
                return

    def _note_relatives(
        self, season_year: int, after: Outlines, found: _Found, chain: NDArray[np.int64]
    ) -> None:
        """Splits, merges, and slumps that are active again or begin on another's scar."""
        for role in (SPLIT, MERGE, REACTIVATE, REINITIATE):
            rows = found.rows(role)
            if role == REACTIVATE:
                rows = rows[self.live.stable_year[found.live[rows]] > 0]
            if not len(rows):
                continue
            events = self._relation(role, season_year, after, found, rows, chain)
            self.history.events.append(events)
            if role in (SPLIT, MERGE):
                pairs = zip(events.chain.tolist(), events.related.tolist(), strict=True)
                self.history.relatives += pairs
            if role == MERGE:
                self.history.merged_in |= dict.fromkeys(events.chain.tolist(), season_year)

    def _relation(
        self,
        role: str,
        season_year: int,
        after: Outlines,
        found: _Found,
        rows: NDArray[np.int64],
        chain: NDArray[np.int64],
    ) -> ChainEvents:
        live, live_rows, child = self.live, found.live[rows], found.child[rows]
        earlier, later = self._chain_of_live(live_rows), chain[child]
        is_earlier = found.is_earlier[rows]
        before_from = np.where(
            is_earlier,
            live.earlier.observed_from[live_rows],
            live.outlines.observed_from[live_rows],
        )
        if role in (REACTIVATE, REINITIATE):
            before_from = self._last_missed(live_rows)
        features: dict[str, NDArray[np.generic]] = {
            "cover": found.cover[rows],
            "from_year": np.where(
                is_earlier,
                live.earlier.season_year[live_rows],
                live.outlines.season_year[live_rows],
            ),
            "seasons_seen": live.n_seen[live_rows],
            "seasons_missed": live.n_absent[live_rows] + is_earlier,
        }
        features |= self._company(role, after, found, rows)
        is_of_earlier = role in (MERGE, REACTIVATE)
        nobody = np.full(len(rows), NOBODY)
        related = {MERGE: later, REACTIVATE: nobody}.get(role, earlier)
        return ChainEvents(
            kind=role,
            season_year=season_year,
            chain=earlier if is_of_earlier else later,
            related=related,
            after_on=before_from,
            before_on=after.observed_to[child],
            confidence=event_confidence(role, features, self._params),
            decided_in=season_year,
            features=features,
        )

    def _company(
        self, role: str, after: Outlines, found: _Found, rows: NDArray[np.int64]
    ) -> dict[str, NDArray[np.generic]]:
        """What pieces of a split, or slumps that merge, are beside those they are seen with."""
        if role not in (SPLIT, MERGE):
            return {}
        live = self.live
        whole, part = (found.child, found.live) if role == MERGE else (found.live, found.child)
        parts = live.outlines if role == MERGE else after
        related = np.flatnonzero(np.isin(found.role, (MAIN, role)) & ~found.is_earlier)
        one, other = _company(whole[rows], whole[related])
        keep = rows[one] != related[other]
        one, other = one[keep], part[related[other[keep]]]
        facing = facing_share(parts.geometry[part[rows[one]]], parts.geometry[other])
        main_of = {int(whole[row]): int(part[row]) for row in found.rows(MAIN)}
        main = np.array([main_of.get(int(each), -1) for each in whole[rows]], dtype=np.int64)
        alone, main = main < 0, np.maximum(main, 0)
        area_m2 = parts.area_m2[part[rows]]
        features: dict[str, NDArray[np.generic]] = {
            "share": np.where(alone, np.nan, area_m2 / (area_m2 + parts.area_m2[main])),
            "facing": _largest(one, facing, len(rows)),
            "pieces": 1 + np.bincount(one, minlength=len(rows)),
        }
        if role == MERGE:
            features["seasons_seen_into"] = np.where(alone, 0, live.n_seen[main])
            begun = live.first_year[part[rows]]
            features["is_of_one_age"] = ~alone & (live.first_year[main] == begun)
        return features

    def _last_missed(self, rows: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """First day of the last look that missed each live slump."""
        last = np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[D]")
        missed_year = self.live.missed_year[rows]
        for season in np.unique(missed_year[missed_year > 0]).tolist():
            at = np.flatnonzero(missed_year == season)
            geometry = self.live.outlines.geometry[rows[at]]
            last[at] = self._season_looks(season).latest_from_on(geometry)
        return last

    def _take_over(
        self,
        after: Outlines,
        chain: NDArray[np.int64],
        found: _Found,
        founded: NDArray[np.int64],
    ) -> None:
        """Let the season's outlines be the latest of their chains; drop what merged away."""
        live, n = self.live, len(after)
        row_of = {int(live.chain[row]): row for row in np.flatnonzero(~live.is_piece).tolist()}
        old = np.array([row_of.get(int(number), -1) for number in chain], dtype=np.int64)
        carried = old >= 0
        n_seen, first_year = np.ones(n, dtype=np.int64), after.season_year.copy()
        n_seen[carried] += live.n_seen[old[carried]]
        first_year[carried] = live.first_year[old[carried]]
        both = after.followed_by(live.outlines)
        earlier = both.take(np.where(carried, n + self._larger_piece(old, found), np.arange(n)))
        latest = Live.seen(after, earlier, carried, chain, n_seen, first_year)
        splits = found.rows(SPLIT)
        splits = splits[~found.is_earlier[splits]]
        latest.split_of[found.child[splits]] = self._chain_of_live(found.live[splits])
        piece, rest = pieces_apart(after.geometry[founded], self._params.fragment_facing)
        latest.split_of[founded[piece]] = chain[founded[rest]]
        merged = found.live[found.rows(MERGE)]
        is_gone = np.zeros(len(live.chain), dtype=bool)
        is_gone[merged] = True
        self.history.last.append(live.take(is_gone))
        is_gone[old[carried]] = True
        self._note_after_split("seen", is_gone)
        is_gone |= np.isin(live.chain, list(self._joined))
        is_gone |= live.is_piece & np.isin(live.chain, live.chain[is_gone])
        rest = live.take(~is_gone)
        if n:
            is_over = rest.outlines.season_year < self._newest
            rest, is_over = (
                rest.take(~(rest.is_piece & is_over)),
                is_over[~(rest.is_piece & is_over)],
            )
            self._note_after_split("missed", is_over, rest)
            rest.split_of[is_over] = NOBODY
            self._newest = int(after.season_year[0])
        self.live = rest.followed_by(latest)

    def _note_after_split(
        self, what: str, rows: NDArray[np.bool_], live: Live | None = None
    ) -> None:
        """Note of pieces of splits whether they were seen again."""
        live = live or self.live
        of_split = live.chain[rows & (live.split_of != NOBODY)]
        self._after_split |= dict.fromkeys(of_split.tolist(), what)

    def _settle_splits(self) -> None:
        """Say of each split whether its piece was seen again, and if that may still happen."""
        live, history = self.live, self.history
        history.unsettled = set(live.chain[live.split_of != NOBODY].tolist())
        outlines = live.outlines.outline_id[live.split_of != NOBODY]
        for number, links in enumerate(history.links):
            history.links[number] = _provisional(links, outlines)
        for events in history.events:
            if events.kind == SPLIT:
                said = [self._after_split.get(chain, "") for chain in events.chain.tolist()]
                events.features["next_season"] = np.array(said, dtype=object)
                events.is_provisional = np.isin(events.chain, list(history.unsettled))
                events.confidence = event_confidence(SPLIT, events.features, self._params)
        for events in history.events:
            if events.kind in ("initiate", "first_seen"):
                events.is_provisional = np.isin(events.chain, list(history.unsettled))
        for events in self._begun:
            events.is_provisional = np.ones(len(events), dtype=bool)

    def _larger_piece(self, old: NDArray[np.int64], found: _Found) -> NDArray[np.int64]:
        """For each chain's live row that of its largest fragment, if it was in fragments."""
        largest, live = old.copy(), self.live
        pieces_of: dict[int, list[int]] = {}
        for row in found.live[found.rows(FRAGMENT)].tolist():
            kept = self._standing_for(int(live.chain[row]))
            pieces_of.setdefault(kept, []).append(row)
        for child, row in enumerate(old.tolist()):
            pieces = {row, *pieces_of.get(int(live.chain[row]), [])} if row >= 0 else set()
            if len(pieces) > 1:
                area, name = live.outlines.area_m2, live.outlines.outline_id
                largest[child] = min(pieces, key=lambda each: (-area[each], name[each]))
        return largest

    def _note_founded(
        self,
        season_year: int,
        after: Outlines,
        rows: NDArray[np.int64],
        chain: NDArray[np.int64],
    ) -> None:
        """Each new slump: initiated if the season before was looked at, else first seen."""
        geometry = after.geometry[rows]
        n_before = np.zeros(len(rows), dtype=np.int64)
        looked_before = np.zeros(len(rows), dtype=bool)
        last_look = np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[D]")
        recall = np.full(len(rows), np.nan)
        for season in reversed([s for s in self._look_seasons if s < season_year]):
            looks = self._season_looks(season).measured()
            covered = looks.covered_frac(geometry) >= self._params.coverage_min_frac
            if not covered.any():
                continue
            n_before += covered
            if season == season_year - 1:
                looked_before = covered
            latest = looks.latest_from_on(geometry)
            last_look = np.where(covered & np.isnat(last_look), latest, last_look)
            recall = np.where(covered, np.fmax(recall, looks.best_recall(geometry)), recall)
        features: dict[str, NDArray[np.generic]] = {
            "seasons_looked_at_before": n_before,
            "recall": recall,
            "next_season": np.full(len(rows), "", dtype=object),
            "area_m2": np.round(after.area_m2[rows], 1),
        }
        for kind, of_kind in (("initiate", looked_before), ("first_seen", ~looked_before)):
            own = {name: column[of_kind] for name, column in features.items()}
            events = ChainEvents(
                kind=kind,
                season_year=season_year,
                chain=chain[rows[of_kind]],
                related=np.full(int(of_kind.sum()), NOBODY),
                after_on=last_look[of_kind],
                before_on=after.observed_to[rows[of_kind]],
                confidence=event_confidence(kind, own, self._params),
                decided_in=season_year,
                features=own,
            )
            self.history.events.append(events)
            self._begun.append(events)

    def _settle_begun(self, season_year: int) -> None:
        """What the next season says of slumps that began: seen again, missed, or not looked at."""
        waiting = [events for events in self._begun if events.season_year < season_year]
        if not len(self.history.seasons[season_year].outlines):
            return
        self._begun = [events for events in self._begun if events.season_year == season_year]
        live = self.live
        is_seen = live.outlines.season_year == season_year
        is_missed = (live.missed > 0) & ~is_seen
        for events in waiting:
            seen = np.isin(events.chain, live.chain[is_seen])
            missed = np.isin(events.chain, live.chain[is_missed])
            said = np.where(seen, "seen", np.where(missed, "missed", "not looked at"))
            events.features["next_season"] = said.astype(object)
            events.confidence = event_confidence(events.kind, events.features, self._params)

    def _note_seen(self, season_year: int, n_outlines: NDArray[np.int64]) -> None:
        rows = np.flatnonzero(self.live.outlines.season_year == season_year)
        outlines = self.live.outlines.take(rows)
        frac = self._season_looks(season_year).covered_frac(outlines.geometry)
        states: dict[str, NDArray[np.generic]] = {
            "chain": self.live.chain[rows],
            "season_year": outlines.season_year,
            "state": seen_state(outlines.is_clipped, frac, self._params),
            "coverage_frac": frac,
            "observed_from": outlines.observed_from,
            "observed_to": outlines.observed_to,
            "source": outlines.source,
            "area_m2": outlines.area_m2,
            "area_sigma_m2": outlines.area_sigma_m2,
            "n_outlines": n_outlines[self.live.chain[rows]],
            "is_clipped": outlines.is_clipped,
        }
        self.history.states.append(states)

    def _note_unseen(self, season_year: int) -> None:
        is_before = self.live.outlines.season_year < season_year
        rows = np.flatnonzero(is_before & ~self.live.is_piece)
        geometry = self.live.outlines.geometry[rows]
        looks = self._season_looks(season_year)
        frac = looks.covered_frac(geometry)
        state = unseen_state(frac, self._params)
        first, last = looks.days(geometry)
        n = len(rows)
        self.history.states.append(
            {
                "chain": self.live.chain[rows],
                "season_year": np.full(n, season_year),
                "state": state,
                "coverage_frac": frac,
                "observed_from": first,
                "observed_to": last,
                "source": np.full(n, None, dtype=object),
                "area_m2": np.full(n, np.nan),
                "area_sigma_m2": np.full(n, np.nan),
                "n_outlines": np.zeros(n, dtype=np.int64),
                "is_clipped": np.zeros(n, dtype=bool),
            }
        )
        absent = rows[state == "absent"]
        self.live.missed_year[absent] = season_year
        self.live.n_absent[absent] += 1
        absent_chains = self.live.chain[absent]
        of_piece = self.live.is_piece & np.isin(self.live.chain, absent_chains)
        self.live.n_absent[of_piece] += 1
        self._count_missed(season_year, absent)
        self._note_stabilised(season_year)

    def _count_missed(self, season_year: int, rows: NDArray[np.int64]) -> None:
        """Count the season for those that its measured looks cover."""
        looks = self._season_looks(season_year).measured()
        geometry = self.live.outlines.geometry[rows]
        covered = looks.covered_frac(geometry) >= self._params.coverage_min_frac
        _, last = looks.days(geometry)
        is_first = covered & (self.live.missed[rows] == 0)
        self.live.missed[rows[covered]] += 1
        self.live.missed_from[rows[is_first]] = season_year
        self.live.missed_on[rows[is_first]] = last[is_first]

    def _note_stabilised(self, season_year: int) -> None:
        live = self.live
        is_due = (live.missed >= self._params.stabilise_seasons) & (live.stable_year == 0)
        due = np.flatnonzero(is_due)
        recall = self._season_looks(season_year).measured().best_recall(live.outlines.geometry[due])
        for since in np.unique(live.missed_from[due]).tolist():
            of_season = live.missed_from[due] == since
            rows = due[of_season]
            features: dict[str, NDArray[np.generic]] = {
                "seasons_missed": live.missed[rows],
                "recall": recall[of_season],
                "seasons_seen": live.n_seen[rows],
                "is_candidate_for_review": np.isnan(recall[of_season]) | (live.n_seen[rows] == 1),
            }
            self.history.events.append(
                ChainEvents(
                    kind="stabilise",
                    season_year=since,
                    chain=live.chain[rows],
                    related=np.full(len(rows), NOBODY),
                    after_on=live.outlines.observed_from[rows],
                    before_on=live.missed_on[rows],
                    confidence=event_confidence("stabilise", features, self._params),
                    decided_in=season_year,
                    features=features,
                )
            )
        live.stable_year[due] = live.missed_from[due]

    def _season_looks(self, season_year: int) -> SeasonLooks:
        if season_year not in self._looks:
            self._looks[season_year] = read_looks(self._store, self.history.kind, season_year)
        return self._looks[season_year]


def _free(after: Outlines, parts: list[_Found]) -> NDArray[np.int64]:
    """Rows of the outlines that nothing explains yet."""
    taken = np.concatenate([part.child[np.isin(part.role, (MAIN, SPLIT))] for part in parts])
    return np.setdiff1d(np.arange(len(after)), taken)


def _sharing(child: NDArray[np.int64], family: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows of each group of several that share both."""
    order = np.lexsort((np.arange(len(child)), family, child))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(child[order]) != 0) | (np.diff(family[order]) != 0)
    edges = np.r_[np.flatnonzero(is_first), len(order)]
    for start, end in pairwise(edges.tolist()):
        if end - start > 1:
            yield order[start:end]


def _company(
    group: NDArray[np.int64], others: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `group` and of `others` that say the same."""
    order = np.argsort(others, kind="stable")
    start = np.searchsorted(others[order], group, side="left")
    count = np.searchsorted(others[order], group, side="right") - start
    one = np.repeat(np.arange(len(group)), count)
    rank = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    return one, order[np.repeat(start, count) + rank]


def _largest(row: NDArray[np.int64], value: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The largest value of each of `n` rows; 0 for one without any."""
    largest = np.zeros(n)
    np.maximum.at(largest, row, value)
    return largest


def _joined(parts: list[_Found]) -> _Found:
    """All of them."""
    return _Found(
        live=np.concatenate([part.live for part in parts]),
        child=np.concatenate([part.child for part in parts]),
        role=np.concatenate([part.role for part in parts]),
        is_earlier=np.concatenate([part.is_earlier for part in parts]),
        cover=np.concatenate([part.cover for part in parts]),
        links=pa.concat_tables([part.links for part in parts]),
    )


def _add_fragment(states: dict[str, NDArray[np.generic]], gone: int, kept: int) -> None:
    """Let one chain's state in a season be part of another's: areas add up."""
    for at in np.flatnonzero(states["chain"] == gone).tolist():
        if not np.isnan(states["area_m2"][at]):
            (to,) = np.flatnonzero(states["chain"] == kept)
            _add_state(states, at, int(to))
        for name in states:
            states[name] = np.delete(states[name], at)


def _add_state(states: dict[str, NDArray[Any]], at: int, to: int) -> None:
    if states["area_m2"][at] > states["area_m2"][to]:
        for name in ("observed_from", "observed_to", "source"):
            states[name][to] = states[name][at]
    states["area_m2"][to] += states["area_m2"][at]
    sigma = states["area_sigma_m2"]
    sigma[to] = np.hypot(sigma[to], sigma[at])
    states["n_outlines"][to] += states["n_outlines"][at]
    states["is_clipped"][to] |= states["is_clipped"][at]
    states["coverage_frac"][to] = np.fmin(states["coverage_frac"][to], states["coverage_frac"][at])
    if states["state"][at] == "partial":
        states["state"][to] = "partial"


def _provisional(links: pa.Table, outlines: NDArray[np.object_]) -> pa.Table:
    """The links, those that lead to one of the outlines marked as provisional."""
    if not len(outlines):
        return links
    known = pa.array(outlines.tolist(), pa.string())
    is_provisional = pc.is_in(links["to_outline_id"], value_set=known)
    column = links.schema.get_field_index("is_provisional")
    return links.set_column(column, links.schema.field("is_provisional"), is_provisional)


def _whole(rows: pa.Table, name: str) -> NDArray[np.int64]:
    """The column as whole numbers, null as 0."""
    return np.array([value or 0 for value in rows[name].to_pylist()], dtype=np.int64)
