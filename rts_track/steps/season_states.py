"""Whom a season saw, whom it missed, and who has been missed for long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rts_track.steps.chain_events import LooksOf, stabilisations
from rts_track.steps.chain_states import ChainStates
from rts_track.steps.looks import LooksOver, ask_looks
from rts_track.track.life import seen_state, unseen_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.chains import ChainHistory, Live
    from rts_track.steps.spool import Spool
    from rts_track.track.params import LinkParams


class SeasonStates:
    """Notes the states of live chains season by season, in a history and in the chains."""

    def __init__(  # noqa: D107
        self, history: ChainHistory, params: LinkParams, looks_of: LooksOf, spool: Spool
    ) -> None:
        self._history, self._params = history, params
        self._looks_of, self._spool = looks_of, spool

    def note_seen(
        self,
        live: Live,
        season_year: int,
        n_outlines: NDArray[np.int64],
        frac: NDArray[np.float64],
    ) -> None:
        """The states of those seen; `frac` is the share of each outline that looks cover."""
        rows = np.flatnonzero(live.outlines.season_year == season_year)
        outlines = live.outlines.take(rows)
        chain = live.chain[rows]
        columns = {
            "state": seen_state(outlines.is_clipped, frac, self._params),
            "coverage_frac": frac,
            "observed_from": outlines.observed_from,
            "observed_to": outlines.observed_to,
            "source": outlines.source,
            "area_m2": outlines.area_m2,
            "area_sigma_m2": outlines.area_sigma_m2,
            "n_outlines": n_outlines[chain],
            "is_clipped": outlines.is_clipped,
        }
        self._note_states(season_year, chain, columns)

    def note_unseen(self, live: Live, season_year: int) -> None:
        """The states of those not seen; who was missed for long enough has stabilised."""
        is_before = live.outlines.season_year < season_year
        rows = np.flatnonzero(is_before & ~live.is_piece)
        looks = self._looks_of(season_year)
        frac, first, last = ask_looks(looks, live.outlines, rows, _coverage_and_days)
        state = unseen_state(frac, self._params)
        n = len(rows)
        columns = {
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
        self._note_states(season_year, live.chain[rows], columns)
        absent = rows[state == "absent"]
        live.missed_year[absent] = season_year
        live.n_absent[absent] += 1
        absent_chains = live.chain[absent]
        of_piece = live.is_piece & np.isin(live.chain, absent_chains)
        live.n_absent[of_piece] += 1
        self.count_missed(live, season_year, absent)
        self._note_stabilised(live, season_year)

    def _note_states(
        self, season_year: int, chain: NDArray[np.int64], columns: dict[str, NDArray[Any]]
    ) -> None:
        if len(chain):
            self._history.states.append(ChainStates(season_year, chain, columns, self._spool))

    def count_missed(self, live: Live, season_year: int, rows: NDArray[np.int64]) -> None:
        """Count the season for those that its measured looks cover."""
        looks = self._looks_of(season_year).measured()
        frac, _, last = ask_looks(looks, live.outlines, rows, _coverage_and_days)
        covered = frac >= self._params.coverage_min_frac
        is_first = covered & (live.missed[rows] == 0)
        live.missed[rows[covered]] += 1
        live.missed_from[rows[is_first]] = season_year
        live.missed_on[rows[is_first]] = last[is_first]

    def _note_stabilised(self, live: Live, season_year: int) -> None:
        is_due = (live.missed >= self._params.stabilise_seasons) & (live.stable_year == 0)
        due = np.flatnonzero(is_due & ~live.is_piece)
        looks = self._looks_of(season_year)
        self._history.events += stabilisations(live, due, season_year, looks, self._params)
        live.stable_year[due] = live.missed_from[due]


def _coverage_and_days(
    over: LooksOver,
) -> tuple[NDArray[np.float64], NDArray[np.datetime64], NDArray[np.datetime64]]:
    return over.covered_frac(), *over.days()
