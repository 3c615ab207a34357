"""One kind's history from a season on: chains of outlines, their states and their events.

Nothing is named here: chains are numbers. Which track each of them is, `steps.linking` settles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rts_track.steps.chains import ChainEvent, ChainHistory, Live
from rts_track.steps.looks import SeasonLooks, read_looks
from rts_track.steps.outlines import Outlines, SeasonOutlines, consolidate_season, outlines_of
from rts_track.steps.season_links import ScenePair, link_rows, link_to_season
from rts_track.store.statements import statement
from rts_track.track.assign import MAIN, MERGE, SPLIT
from rts_track.track.life import detection_confidence, seen_state, unseen_state

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.store.base import Store
    from rts_track.track.params import LinkParams
    from rts_track.track.shift import Shift


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
        self.history = ChainHistory(kind=kind)

    def begin(self, first_season: int, look_seasons: list[int]) -> None:
        """Take up the chains that were live before that season."""
        self._look_seasons = sorted(look_seasons)
        kind = self.history.kind
        rows = self._store.query(statement("live_outlines"), {"kind": kind, "season": first_season})
        outlines = outlines_of(rows)
        n = len(outlines)
        self.history.prior = rows["track_id"].to_pylist()
        self.history.founder = [""] * n
        self.live = Live(
            outlines=outlines,
            chain=np.arange(n),
            n_seen=_whole(rows, "n_seen"),
            first_year=_whole(rows, "first_year"),
            missed=np.zeros(n, dtype=np.int64),
            missed_from=np.zeros(n, dtype=np.int64),
            missed_on=np.full(n, np.datetime64("NaT"), dtype="datetime64[D]"),
            missed_year=_whole(rows, "missed_year"),
            stable_year=_whole(rows, "stable_year"),
        )
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

    def finish(self) -> ChainHistory:
        """What became of the kind."""
        self.history.last.append(self.live)
        return self.history

    def _link(
        self, season_year: int, found: SeasonOutlines, own: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Link the season's own outlines; the chain of each."""
        after = found.outlines.take(own)
        is_open = self.live.missed_year <= self.live.outlines.season_year
        open_rows = np.flatnonzero(is_open)
        before = self.live.outlines.take(open_rows)
        links, fresh = link_to_season(before, after, self._known_shifts, self._params)
        self._known_shifts.update(fresh)
        self.history.shifts.update(fresh)
        self.history.links.append(link_rows(before, after, links, self._run_id))
        parent, child = open_rows[links.pairs.parent], links.pairs.child
        chain = np.full(len(after), -1, dtype=np.int64)
        is_main = links.kind == MAIN
        chain[child[is_main]] = self.live.chain[parent[is_main]]
        new = np.flatnonzero(chain < 0)
        chain[new] = len(self.history.prior) + np.arange(len(new))
        self.history.prior += [None] * len(new)
        self.history.founder += [found.founder[own[row]] for row in new]
        is_split = (links.kind == SPLIT) & np.isin(child, new)
        is_merge = links.kind == MERGE
        for link in np.flatnonzero(is_split | is_merge).tolist():
            live_row, row = int(parent[link]), int(child[link])
            earlier, later = int(self.live.chain[live_row]), int(chain[row])
            sure = float(links.confidence[link])
            if is_split[link]:
                self._note_relative(SPLIT, later, earlier, live_row, after, row, sure)
            else:
                self._note_relative(MERGE, earlier, later, live_row, after, row, sure)
                self.history.merged_in[earlier] = season_year
        self._note_founded(season_year, after, np.setdiff1d(new, child[is_split]), chain)
        self._take_over(after, chain, parent[is_merge])
        return chain

    def _take_over(
        self, after: Outlines, chain: NDArray[np.int64], merged: NDArray[np.int64]
    ) -> None:
        """Let the season's outlines be the latest of their chains; drop what merged away."""
        n = len(after)
        n_seen = np.ones(n, dtype=np.int64)
        first_year = after.season_year.copy()
        row_of = {int(number): row for row, number in enumerate(self.live.chain)}
        old = np.array([row_of.get(int(number), -1) for number in chain], dtype=np.int64)
        carried = old >= 0
        n_seen[carried] += self.live.n_seen[old[carried]]
        first_year[carried] = self.live.first_year[old[carried]]
        gone = np.zeros(len(self.live.chain), dtype=bool)
        gone[merged] = True
        self.history.last.append(self.live.take(gone))
        gone[old[carried]] = True
        zeros = np.zeros(n, dtype=np.int64)
        latest = Live(
            outlines=after,
            chain=chain,
            n_seen=n_seen,
            first_year=first_year,
            missed=zeros,
            missed_from=zeros.copy(),
            missed_on=np.full(n, np.datetime64("NaT"), dtype="datetime64[D]"),
            missed_year=zeros.copy(),
            stable_year=zeros.copy(),
        )
        self.live = self.live.take(~gone).followed_by(latest)

    def _note_relative(
        self,
        kind: str,
        chain: int,
        related: int,
        live_row: int,
        after: Outlines,
        row: int,
        sure: float,
    ) -> None:
        """A split or merge, between the live outline in `live_row` and the later one in `row`."""
        before, season = self.live.outlines, int(after.season_year[row])
        self.history.relatives.append((chain, related))
        self.history.events.append(
            ChainEvent(
                chain=chain,
                related=related,
                kind=kind,
                season_year=season,
                after_on=before.observed_from[live_row].item(),
                before_on=after.observed_to[row].item(),
                confidence=sure,
                evidence={"decided_in": season, "from_year": int(before.season_year[live_row])},
            )
        )

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
        sure = detection_confidence(recall, n_before, self._params)
        for number, row in enumerate(rows.tolist()):
            is_dated = bool(looked_before[number])
            evidence: dict[str, object] = {
                "decided_in": season_year,
                "seasons_looked_at_before": int(n_before[number]),
                "recall": None if np.isnan(recall[number]) else float(recall[number]),
            }
            self.history.events.append(
                ChainEvent(
                    chain=int(chain[row]),
                    related=None,
                    kind="initiate" if is_dated else "first_seen",
                    season_year=season_year,
                    after_on=last_look[number].item(),
                    before_on=after.observed_to[row].item(),
                    confidence=float(sure[number]) if is_dated else 1.0,
                    evidence=evidence,
                )
            )

    def _note_seen(self, season_year: int, n_outlines: NDArray[np.int64]) -> None:
        rows = np.flatnonzero(self.live.outlines.season_year == season_year)
        outlines = self.live.outlines.take(rows)
        frac = self._season_looks(season_year).covered_frac(outlines.geometry)
        self.history.states.append(
            {
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
        )

    def _note_unseen(self, season_year: int) -> None:
        rows = np.flatnonzero(self.live.outlines.season_year < season_year)
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
        rows = np.flatnonzero(is_due)
        if not len(rows):
            return
        looks = self._season_looks(season_year).measured()
        recall = looks.best_recall(live.outlines.geometry[rows])
        sure = detection_confidence(recall, live.missed[rows], self._params)
        sure = np.where(live.n_seen[rows] == 1, sure * self._params.single_season_trust, sure)
        for number, row in enumerate(rows.tolist()):
            is_known = not np.isnan(recall[number])
            self.history.events.append(
                ChainEvent(
                    chain=int(live.chain[row]),
                    related=None,
                    kind="stabilise",
                    season_year=int(live.missed_from[row]),
                    after_on=live.outlines.observed_from[row].item(),
                    before_on=live.missed_on[row].item(),
                    confidence=float(sure[number]),
                    evidence={
                        "decided_in": season_year,
                        "seasons_missed": int(live.missed[row]),
                        "recall": float(recall[number]) if is_known else None,
                        "seasons_seen": int(live.n_seen[row]),
                        "is_candidate_for_review": not is_known or live.n_seen[row] == 1,
                    },
                )
            )
        live.stable_year[rows] = live.missed_from[rows]

    def _season_looks(self, season_year: int) -> SeasonLooks:
        if season_year not in self._looks:
            self._looks[season_year] = read_looks(self._store, self.history.kind, season_year)
        return self._looks[season_year]


def _whole(rows: pa.Table, name: str) -> NDArray[np.int64]:
    """The column as whole numbers, null as 0."""
    return np.array([value or 0 for value in rows[name].to_pylist()], dtype=np.int64)
