"""What happened to chains: how they began, what they are related to, how they ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.steps.chains import NOBODY, ChainEvents, Live
from rts_track.steps.found import Found
from rts_track.steps.looks import LooksOver, SeasonLooks, ask_looks
from rts_track.steps.tiles import runs
from rts_track.track.assign import MAIN, MERGE, REACTIVATE, REINITIATE, SPLIT
from rts_track.track.confidence import event_confidence
from rts_track.track.facing import facing_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.outlines import Outlines
    from rts_track.track.params import LinkParams

Features = dict[str, "NDArray[np.generic]"]
LooksOf = Callable[[int], SeasonLooks]
"""The current looks of a season."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transition:
    """One season's linking: the chains before it, its outlines, and what links them.

    `chain_of_live` and `chain` are the chains of the live rows and of the outlines, fragments
    being of their slumps.
    """

    season_year: int
    live: Live
    after: Outlines
    found: Found
    chain_of_live: NDArray[np.int64]
    chain: NDArray[np.int64]


def relations(turn: Transition, looks_of: LooksOf, params: LinkParams) -> list[ChainEvents]:
    """Splits, merges, and slumps that are active again or begin on another's scar."""
    events = []
    for role in (SPLIT, MERGE, REACTIVATE, REINITIATE):
        rows = turn.found.rows(role)
        if role == REACTIVATE:
            rows = rows[turn.live.stable_year[turn.found.live[rows]] > 0]
        is_told = turn.found.is_told[rows]
        if not is_told.all():
            events.append(_relation(role, turn, rows[~is_told], looks_of, params))
        if is_told.any():
            events.append(_by_person(_relation(role, turn, rows[is_told], looks_of, params)))
    return events


def foundations(
    turn: Transition,
    rows: NDArray[np.int64],
    look_seasons: list[int],
    looks_of: LooksOf,
    params: LinkParams,
) -> list[ChainEvents]:
    """Each new slump, in `rows` of the season's outlines.

    Initiated if the season before was looked at, else first seen.
    """
    after, season_year = turn.after, turn.season_year
    n_before = np.zeros(len(rows), dtype=np.int64)
    looked_before = np.zeros(len(rows), dtype=bool)
    last_look = np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[D]")
    recall = np.full(len(rows), np.nan)
    for season in reversed([s for s in look_seasons if s < season_year]):
        looks = looks_of(season).measured()
        frac, latest, best = ask_looks(looks, after, rows, _coverage_dates_recall)
        covered = frac >= params.coverage_min_frac
        n_before += covered
        if season == season_year - 1:
            looked_before = covered
        last_look = np.where(covered & np.isnat(last_look), latest, last_look)
        recall = np.where(covered, np.fmax(recall, best), recall)
    features: Features = {
        "seasons_looked_at_before": n_before,
        "recall": recall,
        "next_season": np.full(len(rows), "", dtype=object),
        "area_m2": np.round(after.area_m2[rows], 1),
    }
    events = []
    for kind, of_kind in (("initiate", looked_before), ("first_seen", ~looked_before)):
        own = {name: column[of_kind] for name, column in features.items()}
        events.append(
            ChainEvents(
                kind=kind,
                season_year=season_year,
                chain=turn.chain[rows[of_kind]],
                related=np.full(int(of_kind.sum()), NOBODY),
                after_on=last_look[of_kind],
                before_on=after.observed_to[rows[of_kind]],
                confidence=event_confidence(kind, own, params),
                decided_in=season_year,
                features=own,
            )
        )
    return events


def settle_foundation(
    events: ChainEvents, live: Live, season_year: int, params: LinkParams
) -> None:
    """What the next season says of slumps that began: seen again, missed, or not looked at."""
    is_seen = live.outlines.season_year == season_year
    seen = np.isin(events.chain, live.chain[is_seen])
    missed = np.isin(events.chain, live.chain[(live.missed > 0) & ~is_seen])
    said = np.where(seen, "seen", np.where(missed, "missed", "not looked at"))
    events.features["next_season"] = said.astype(object)
    events.confidence = event_confidence(events.kind, events.features, params)


def stabilisations(
    live: Live, due: NDArray[np.int64], season_year: int, looks: SeasonLooks, params: LinkParams
) -> list[ChainEvents]:
    """The live chains in `due` have been missed for long enough; a batch a season they ended in."""
    (recall,) = ask_looks(looks.measured(), live.outlines, due, lambda over: (over.best_recall(),))
    events = []
    for since in np.unique(live.missed_from[due]).tolist():
        of_season = live.missed_from[due] == since
        rows = due[of_season]
        features: Features = {
            "seasons_missed": live.missed[rows],
            "recall": recall[of_season],
            "seasons_seen": live.n_seen[rows],
            "is_candidate_for_review": np.isnan(recall[of_season]) | (live.n_seen[rows] == 1),
        }
        events.append(
            ChainEvents(
                kind="stabilise",
                season_year=since,
                chain=live.chain[rows],
                related=np.full(len(rows), NOBODY),
                after_on=live.outlines.observed_from[rows],
                before_on=live.missed_on[rows],
                confidence=event_confidence("stabilise", features, params),
                decided_in=season_year,
                features=features,
            )
        )
    return events


def _relation(
    role: str, turn: Transition, rows: NDArray[np.int64], looks_of: LooksOf, params: LinkParams
) -> ChainEvents:
    live, found = turn.live, turn.found
    live_rows, child, is_earlier = found.live[rows], found.child[rows], found.is_earlier[rows]
    earlier, later = turn.chain_of_live[live_rows], turn.chain[child]
    if role in (REACTIVATE, REINITIATE):
        after_on = _last_missed(live, live_rows, looks_of)
    else:
        was_on = live.outlines.observed_from[live_rows]
        after_on = np.where(is_earlier, live.earlier.observed_from[live_rows], was_on)
        after_on = np.where(found.is_told[rows], found.from_on[rows], after_on)
    from_year = found.links["from_year"].to_numpy().astype(np.int64)[rows]
    features: Features = {
        "cover": found.cover[rows],
        "from_year": from_year,
        "seasons_seen": live.n_seen[live_rows],
        "seasons_missed": live.n_absent[live_rows] + is_earlier,
    }
    if role in (SPLIT, MERGE):
        features |= _company(role, turn, rows)
    nobody = np.full(len(rows), NOBODY)
    return ChainEvents(
        kind=role,
        season_year=turn.season_year,
        chain=earlier if role in (MERGE, REACTIVATE) else later,
        related={MERGE: later, REACTIVATE: nobody}.get(role, earlier),
        after_on=after_on,
        before_on=turn.after.observed_to[child],
        confidence=event_confidence(role, features, params),
        decided_in=turn.season_year,
        features=features,
    )


def _by_person(events: ChainEvents) -> ChainEvents:
    """The events, which a person told: certain."""
    events.confidence = np.ones(len(events))
    events.features["told_by"] = np.full(len(events), "a person", dtype=object)
    events.is_told = True
    return events


def _company(role: str, turn: Transition, rows: NDArray[np.int64]) -> Features:
    """What pieces of a split, or slumps that merge, are beside those they are seen with."""
    live, found = turn.live, turn.found
    whole, part = (found.child, found.live) if role == MERGE else (found.live, found.child)
    parts = live.outlines if role == MERGE else turn.after
    related = found.rows(MAIN, role)
    related = related[~found.is_earlier[related]]
    one, other = _rows_that_say_the_same(whole[rows], whole[related])
    keep = rows[one] != related[other]
    one, other = one[keep], part[related[other[keep]]]
    facing = np.zeros(len(rows))
    np.maximum.at(facing, one, _facing(parts, part[rows[one]], other))
    mains = found.rows(MAIN)
    main_of = np.full(int(whole.max(initial=0)) + 1, NOBODY)
    main_of[whole[mains]] = part[mains]
    alone, main = main_of[whole[rows]] == NOBODY, np.maximum(main_of[whole[rows]], 0)
    area_m2 = parts.area_m2[part[rows]]
    features: Features = {
        "share": np.where(alone, np.nan, area_m2 / (area_m2 + parts.area_m2[main])),
        "area_m2": np.round(area_m2, 1),
        "facing": facing,
        "pieces": 1 + np.bincount(one, minlength=len(rows)),
    }
    if role == MERGE:
        features["seasons_seen_into"] = np.where(alone, 0, live.n_seen[main])
    return features


def _facing(
    outlines: Outlines, one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How the outlines in those rows face each other, some thousands of pairs at a time."""
    facing = np.zeros(len(one))
    for some in runs(len(one)):
        facing[some] = facing_share(outlines.polygons(one[some]), outlines.polygons(other[some]))
    return facing


def _coverage_dates_recall(
    over: LooksOver,
) -> tuple[NDArray[np.float64], NDArray[np.datetime64], NDArray[np.float64]]:
    return over.covered_frac(), over.latest_from_on(), over.best_recall()


def _last_missed(live: Live, rows: NDArray[np.int64], looks_of: LooksOf) -> NDArray[np.datetime64]:
    """First day of the last look that missed each live slump."""
    last = np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[D]")
    missed_year = live.missed_year[rows]
    for season in np.unique(missed_year[missed_year > 0]).tolist():
        at = np.flatnonzero(missed_year == season)
        (last[at],) = ask_looks(
            looks_of(season), live.outlines, rows[at], lambda over: (over.latest_from_on(),)
        )
    return last


def _rows_that_say_the_same(
    group: NDArray[np.int64], others: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `group` and of `others` that hold the same number."""
    order = np.argsort(others, kind="stable")
    start = np.searchsorted(others[order], group, side="left")
    count = np.searchsorted(others[order], group, side="right") - start
    one = np.repeat(np.arange(len(group)), count)
    rank = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    return one, order[np.repeat(start, count) + rank]
