"""One kind's history from a season on: chains of outlines, their states and their events.

Nothing is named here: chains are numbers. Which track each of them is, `steps.linking` settles.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rts_track.steps.chain_events import (
    Transition,
    foundations,
    relations,
    settle_foundation,
)
from rts_track.steps.chains import NOBODY, ChainEvents, ChainHistory, LastSeen, Live
from rts_track.steps.consolidating import consolidate_season
from rts_track.steps.found import Linker
from rts_track.steps.fragments import Fragments, larger_pieces
from rts_track.steps.looks import SeasonLooks, read_looks
from rts_track.steps.outlines import Outlines, SeasonOutlines, outlines_of
from rts_track.steps.ruled import RuledPairs
from rts_track.steps.season_links import PLANE_MARGIN, ScenePair
from rts_track.steps.season_states import SeasonStates
from rts_track.steps.spool import SparingWorkers
from rts_track.steps.tiles import Workers, tile_rows
from rts_track.store.statements import statement
from rts_track.track.assign import MAIN, MERGE, REACTIVATE, SPLIT
from rts_track.track.facing import FACING_M, facing_pairs, pieces_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.spool import Spool
    from rts_track.steps.verdicts import Rulings
    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams
    from rts_track.track.shift import Shift

Scope = dict[str, "str | int | float | bool | None"]


class KindHistory:
    """Works one kind off, season by season; `shifts` gains the shifts that it estimates."""

    def __init__(  # noqa: D107
        self,
        store: Store,
        rulings: Rulings,
        params: LinkParams,
        run_id: str,
        shifts: dict[ScenePair, Shift],
        workers: Workers,
        spool: Spool,
    ) -> None:
        params = params.of_kind(rulings.kind)
        self._store, self._params = store, params
        self._workers, self._spool = SparingWorkers(workers, spool), spool
        self._looks: dict[int, SeasonLooks] = {}
        self._begun: list[ChainEvents] = []
        self._newest = 0
        self.history = ChainHistory(kind=rulings.kind, rulings=rulings)
        self._ruled = RuledPairs(store, rulings, spool)
        self._fragments = Fragments(self.history)
        self._states = SeasonStates(self.history, params, self._season_looks, spool)
        self._linker = Linker(
            kind=rulings.kind,
            params=params,
            run_id=run_id,
            known_shifts=shifts,
            workers=self._workers,
            spool=spool,
        )

    def begin(self, first_season: int, look_seasons: list[int]) -> None:
        """Take up the chains that were live before that season."""
        self._look_seasons = sorted(look_seasons)
        scope: Scope = {"kind": self.history.kind, "season": first_season}
        rows = self._store.query(statement("live_outlines"), scope)
        outlines = outlines_of(rows, self._spool)
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
        self._ruled.begin(first_season, self.live, number)
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
                    self._states.count_missed(self.live, season, np.flatnonzero(was_missed & later))

    def advance(self, season_year: int) -> None:
        """Work one season off."""
        looks = self._season_looks(season_year)
        kind = self.history.kind
        found = consolidate_season(self._store, kind, season_year, looks, self._params, self._spool)
        own = np.flatnonzero(found.companion_of < 0)
        chain = self._link(season_year, found, own)
        whole = np.empty(len(found.outlines), dtype=np.int64)
        whole[own] = chain
        is_companion = found.companion_of >= 0
        whole[is_companion] = whole[found.companion_of[is_companion]]
        self.history.seasons[season_year] = found.written
        self.history.chain_of[season_year] = whole
        self._ruled.passed(season_year, found, whole)
        n_outlines = np.bincount(whole, minlength=len(self.history.prior))
        self._states.note_seen(self.live, season_year, n_outlines, found.coverage_frac[own])
        self._states.note_unseen(self.live, season_year)
        if len(found.outlines):
            self._settle_begun(season_year)

    def finish(self) -> ChainHistory:
        """What became of the kind."""
        self.live = self.live.take(~self.live.is_piece)
        self.history.last.append(LastSeen.of(self.live))
        self.history.shifts = self._linker.fresh_shifts
        self._fragments.finish(self.live, self._params)
        for events in self._begun:
            events.is_provisional = np.ones(len(events), dtype=bool)
        self.history.renumber(self._fragments.joined)
        return self.history

    def _earlier(
        self, rows: pa.Table, outlines: Outlines, scope: Scope
    ) -> tuple[Outlines, NDArray[np.bool_]]:
        """The outline before the latest of each track, or the latest where there is none."""
        found = self._store.query(statement("earlier_outlines"), scope)
        row_of = {track: row for row, track in enumerate(found["track_id"].to_pylist())}
        at = np.array([row_of.get(track, -1) for track in rows["track_id"].to_pylist()], int)
        both = outlines.followed_by(outlines_of(found, self._spool))
        n = len(outlines)
        return both.take(np.where(at < 0, np.arange(n), n + at)), at >= 0

    def _link(
        self, season_year: int, season: SeasonOutlines, own: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Link the season's own outlines; the chain of each."""
        history, live, after = self.history, self.live, season.outlines.take(own)
        ruled = self._ruled.into(season_year, season, own, live, self._fragments.chain_of)
        found = self._linker.links(live, after, season_year, ruled)
        self._fragments.settle(live, found)
        chain_of_live = self._fragments.chain_of(live.chain)
        chain = np.full(len(after), NOBODY)
        goes_on = found.rows(MAIN, REACTIVATE)
        chain[found.child[goes_on]] = chain_of_live[found.live[goes_on]]
        new = np.flatnonzero(chain == NOBODY)
        chain[new] = len(history.prior) + np.arange(len(new))
        history.prior += [None] * len(new)
        history.founder += season.founder.take(pa.array(own[new])).to_pylist()
        history.links[season_year] = self._spool.keep_parts(found.link_rows())
        turn = Transition(
            season_year=season_year,
            live=live,
            after=after,
            found=found,
            chain_of_live=chain_of_live,
            chain=chain,
        )
        founded = new[~np.isin(new, found.child[found.role != MAIN])]
        self._note_events(turn, founded)
        self._take_over(turn, founded)
        return chain

    def _note_events(self, turn: Transition, founded: NDArray[np.int64]) -> None:
        history, params = self.history, self._params
        for events in relations(turn, self._season_looks, params):
            history.events.append(events)
            pairs = zip(events.chain.tolist(), events.related.tolist(), strict=True)
            if events.kind in (SPLIT, MERGE):
                history.relatives += pairs
            if events.kind == MERGE:
                history.merged_in |= dict.fromkeys(events.chain.tolist(), turn.season_year)
        begun = foundations(turn, founded, self._look_seasons, self._season_looks, params)
        history.events += begun
        self._begun += begun

    def _take_over(self, turn: Transition, founded: NDArray[np.int64]) -> None:
        """Let the season's outlines be the latest of their chains; drop what merged away."""
        live, found, n = self.live, turn.found, len(turn.after)
        latest, old = self._latest(turn)
        splits = found.rows(SPLIT)
        splits = splits[~(found.is_earlier[splits] | found.is_told[splits])]
        latest.split_of[found.child[splits]] = turn.chain_of_live[found.live[splits]]
        piece, rest = self._pieces_apart(turn.after.take(founded))
        latest.split_of[founded[piece]] = turn.chain[founded[rest]]
        is_gone = np.zeros(len(live.chain), dtype=bool)
        is_gone[found.live[found.rows(MERGE)]] = True
        self.history.last.append(LastSeen.of(live.take(is_gone)))
        is_gone[old[old >= 0]] = True
        self._fragments.note_after_split("seen", live, is_gone)
        is_gone |= turn.chain_of_live != live.chain
        is_gone |= live.is_piece & np.isin(live.chain, live.chain[is_gone])
        if n:
            is_gone |= live.is_piece & (live.outlines.season_year < self._newest)
        waiting = live.take(~is_gone)
        if n:
            is_over = waiting.outlines.season_year < self._newest
            self._fragments.note_after_split("missed", waiting, is_over)
            waiting.split_of[is_over] = NOBODY
            self._newest = turn.season_year
        self.live = waiting.followed_by(latest)

    def _pieces_apart(self, founded: Outlines) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of new outlines that may be pieces of one slump, and of its largest."""
        within_m = FACING_M * PLANE_MARGIN
        bounds = founded.shapes.bounds
        # Who is of a tile is near it, too.
        tasks = (
            (near, founded.polygons(near), np.searchsorted(near, own))
            for near, own in tile_rows(bounds, bounds, within_m)
        )
        facing = partial(_facing_in_tile, self._params.fragment_facing)
        pairs = np.concatenate([np.empty((2, 0), int), *self._workers.map(facing, tasks)], axis=1)
        return pieces_apart(pairs[0], pairs[1], founded.area_m2)

    def _latest(self, turn: Transition) -> tuple[Live, NDArray[np.int64]]:
        """The season's outlines as the latest of their chains, and the live rows they go on."""
        live, after, chain = self.live, turn.after, turn.chain
        n = len(after)
        row_of = np.full(len(self.history.prior), -1)
        whole = np.flatnonzero(~live.is_piece)
        row_of[live.chain[whole]] = whole
        old = row_of[chain]
        goes_on = old >= 0
        n_seen, first_year = np.ones(n, dtype=np.int64), after.season_year.copy()
        n_seen[goes_on] += live.n_seen[old[goes_on]]
        first_year[goes_on] = live.first_year[old[goes_on]]
        pieces = larger_pieces(live, old, turn.found, self._fragments)
        both = after.followed_by(live.outlines)
        earlier = both.take(np.where(goes_on, n + pieces, np.arange(n)))
        return Live.seen(after, earlier, goes_on, chain, n_seen, first_year), old

    def _settle_begun(self, season_year: int) -> None:
        waiting = [events for events in self._begun if events.season_year < season_year]
        self._begun = [events for events in self._begun if events.season_year == season_year]
        for events in waiting:
            settle_foundation(events, self.live, season_year, self._params)

    def _season_looks(self, season_year: int) -> SeasonLooks:
        if season_year not in self._looks:
            self._looks[season_year] = read_looks(self._store, self.history.kind, season_year)
        return self._looks[season_year]


def _facing_in_tile(
    min_facing: float, tile: tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """(2, n) rows of outlines of the tile that face each other, the second of its own ones.

    `tile`: the rows of all that are near it, their polygons, and which of these are its own.
    """
    rows, polygons, own = tile
    one, other = facing_pairs(polygons, polygons[own], min_facing, rows, rows[own])
    return np.stack([rows[one], rows[own[other]]])


def _whole(rows: pa.Table, name: str) -> NDArray[np.int64]:
    """The column as whole numbers, null as 0."""
    return np.array([value or 0 for value in rows[name].to_pylist()], dtype=np.int64)
