"""Chains of outlines while linking works: those that live, and what has become of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import repeat
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.steps.chain_states import ChainStates
    from rts_track.steps.outlines import Outlines, SeasonRows
    from rts_track.steps.season_links import ScenePair
    from rts_track.steps.shapes import StoredShapes
    from rts_track.steps.verdicts import Rulings
    from rts_track.track.shift import Shift

NOBODY = -1
"""No chain."""


@dataclass(slots=True, kw_only=True)
class Live:
    """The chains that have not merged away, each with its latest outline.

    `earlier` is the outline before that, where `has_earlier`. `n_absent` counts the successive
    seasons since the latest that any looks covered it and found nothing, `missed` those of
    measured looks (from `missed_from` on, `missed_on` the last day looked then); `missed_year` is
    the last season that any looks did (0: none), `stable_year` the season it stabilised in (0: it
    has not). `split_of` is the chain it split from when its latest outline was its first, if the
    next season may still prove it a fragment, else NOBODY. `is_piece` marks the further pieces of
    a chain that was in fragments when it was last seen: they are rows, but no chains, of their own.
    """

    outlines: Outlines
    earlier: Outlines
    has_earlier: NDArray[np.bool_]
    chain: NDArray[np.int64]
    n_seen: NDArray[np.int64]
    first_year: NDArray[np.int64]
    n_absent: NDArray[np.int64]
    missed: NDArray[np.int64]
    missed_from: NDArray[np.int64]
    missed_on: NDArray[np.datetime64]
    missed_year: NDArray[np.int64]
    stable_year: NDArray[np.int64]
    split_of: NDArray[np.int64]
    is_piece: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Live:
        """Some of them."""
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Live(outlines=self.outlines.take(rows), earlier=self.earlier.take(rows), **columns)

    def followed_by(self, other: Live) -> Live:
        """These, then the others."""
        columns = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _COLUMNS
        }
        return Live(
            outlines=self.outlines.followed_by(other.outlines),
            earlier=self.earlier.followed_by(other.earlier),
            **columns,
        )

    @classmethod
    def seen(
        cls,
        outlines: Outlines,
        earlier: Outlines,
        has_earlier: NDArray[np.bool_],
        chain: NDArray[np.int64],
        n_seen: NDArray[np.int64],
        first_year: NDArray[np.int64],
    ) -> Live:
        """Chains that nothing has missed since their latest outline."""
        n = len(chain)
        return cls(
            outlines=outlines,
            earlier=earlier,
            has_earlier=has_earlier,
            chain=chain,
            n_seen=n_seen,
            first_year=first_year,
            n_absent=np.zeros(n, dtype=np.int64),
            missed=np.zeros(n, dtype=np.int64),
            missed_from=np.zeros(n, dtype=np.int64),
            missed_on=np.full(n, np.datetime64("NaT"), dtype="datetime64[D]"),
            missed_year=np.zeros(n, dtype=np.int64),
            stable_year=np.zeros(n, dtype=np.int64),
            split_of=np.full(n, NOBODY),
            is_piece=np.zeros(n, dtype=bool),
        )


_COLUMNS = [f.name for f in fields(Live) if f.name not in ("outlines", "earlier")]


@dataclass(slots=True, kw_only=True)
class LastSeen:
    """Chains as they were last: what is written of their tracks, and no more.

    Columns are those of `Live` and of its latest outlines.
    """

    chain: NDArray[np.int64]
    n_seen: NDArray[np.int64]
    first_year: NDArray[np.int64]
    missed_year: NDArray[np.int64]
    stable_year: NDArray[np.int64]
    season_year: NDArray[np.int64]
    area_m2: NDArray[np.float64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    stored: StoredShapes

    @classmethod
    def of(cls, live: Live) -> LastSeen:
        """What is written of these."""
        outlines = live.outlines
        return cls(
            chain=live.chain,
            n_seen=live.n_seen,
            first_year=live.first_year,
            missed_year=live.missed_year,
            stable_year=live.stable_year,
            season_year=outlines.season_year,
            area_m2=outlines.area_m2,
            lon=outlines.lon,
            lat=outlines.lat,
            stored=outlines.shapes.stored,
        )

    def __len__(self) -> int:
        """How many chains."""
        return len(self.chain)

    def take(self, rows: NDArray[np.bool_]) -> LastSeen:
        """Some of them."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "stored"}
        taken = {name: column[rows] for name, column in columns.items()}
        return LastSeen(**taken, stored=self.stored.take(rows))


@dataclass(slots=True, kw_only=True, eq=False)
class ChainEvents:
    """Things of one kind that happened to chains in one season, column by column.

    `related` is another chain or NOBODY; `after_on` NaT where nobody looked before. `features`
    are what confidence rests on and what the event's evidence says; NaN is unknown.
    """

    kind: str
    season_year: int
    chain: NDArray[np.int64]
    related: NDArray[np.int64]
    after_on: NDArray[np.datetime64]
    before_on: NDArray[np.datetime64]
    confidence: NDArray[np.float64]
    decided_in: int
    features: dict[str, NDArray[np.generic]]
    is_provisional: NDArray[np.bool_] | None = None
    """Which of them a later season may settle; None: none."""
    is_told: bool = False
    """A person said so."""

    def __len__(self) -> int:
        """How many."""
        return len(self.chain)

    def drop(self, chains: NDArray[np.int64]) -> None:
        """Forget what happened to those chains."""
        keep = ~np.isin(self.chain, chains)
        if not keep.all():
            for name in ("chain", "related", "after_on", "before_on", "confidence"):
                setattr(self, name, getattr(self, name)[keep])
            self.features = {name: column[keep] for name, column in self.features.items()}

    def part(self, rows: slice) -> ChainEvents:
        """Successive ones of them."""
        marked = self.is_provisional
        return replace(
            self,
            chain=self.chain[rows],
            related=self.related[rows],
            after_on=self.after_on[rows],
            before_on=self.before_on[rows],
            confidence=self.confidence[rows],
            features={name: column[rows] for name, column in self.features.items()},
            is_provisional=None if marked is None else marked[rows],
        )

    def evidence(self) -> Iterator[str]:
        """What is known of each, as JSON with sorted keys."""
        known: dict[str, Iterator[str]] = {"decided_in": repeat(str(self.decided_in), len(self))}
        known |= {name: _as_json(column.tolist()) for name, column in self.features.items()}
        keys = sorted(known)
        pattern = ", ".join(f'"{key}": %s' for key in keys)
        for values in zip(*(known[key] for key in keys), strict=True):
            yield f"{{{pattern % values}}}"


def _as_json(values: list[Any]) -> Iterator[str]:
    """Each value as JSON, null for NaN; few of those that are no numbers are different."""
    texts: dict[object, str] = {}
    for value in values:
        if isinstance(value, float):
            yield "null" if isnan(value) else repr(value)
        elif (text := texts.get(value)) is not None:
            yield text
        else:
            yield texts.setdefault(value, json.dumps(value, ensure_ascii=False))


@dataclass(slots=True, kw_only=True)
class ChainHistory:
    """What became of one kind from `first_season` on; rows of whole seasons wait on disk."""

    kind: str
    rulings: Rulings
    """What persons said of the kind's footprints, links and tracks."""
    seasons: dict[int, SeasonRows] = field(default_factory=dict)
    chain_of: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    prior: list[str | None] = field(default_factory=list)
    founder: list[str] = field(default_factory=list)
    links: dict[int, pa.Table] = field(default_factory=dict)
    """Links into each season, as rows of the contract."""
    states: list[ChainStates] = field(default_factory=list)
    events: list[ChainEvents] = field(default_factory=list)
    relatives: list[tuple[int, int]] = field(default_factory=list)
    shifts: dict[ScenePair, Shift] = field(default_factory=dict)
    last: list[LastSeen] = field(default_factory=list)
    """The chains as they were last: those still live, and those that merged away."""
    merged_in: dict[int, int] = field(default_factory=dict)
    fragments: set[str] = field(default_factory=set)
    """Outlines of chains that proved fragments of others."""
    unsettled: set[int] = field(default_factory=set)
    """Chains whose split another season may yet prove a fragment."""
    emptied: list[int] = field(default_factory=list)
    """Later seasons that had footprints or looks and have none any more."""

    def renumber(self, joined: Mapping[int, int]) -> None:
        """Let chains that proved one with another be that one, and number those that are left."""
        n = len(self.prior)
        target = np.arange(n)
        for one, other in joined.items():
            target[one] = other
        while (target[target] != target).any():
            target = target[target]
        kept = np.flatnonzero(target == np.arange(n))
        number = np.full(n, NOBODY)
        number[kept] = np.arange(len(kept))
        number = number[target]
        self.prior = [self.prior[each] for each in kept.tolist()]
        self.founder = [self.founder[each] for each in kept.tolist()]
        self.chain_of = {season: number[chain] for season, chain in self.chain_of.items()}
        for states in self.states:
            states.chain = number[states.chain]
        for events in self.events:
            events.chain = number[events.chain]
            is_some = events.related != NOBODY
            events.related[is_some] = number[events.related[is_some]]
        self.relatives = [(int(number[one]), int(number[two])) for one, two in self.relatives]
        for last in self.last:
            last.chain = number[last.chain]
        self.unsettled = {int(number[one]) for one in self.unsettled}
        self.merged_in = {int(number[one]): season for one, season in self.merged_in.items()}
