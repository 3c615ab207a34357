"""Chains of outlines while linking works: those that live, and what has become of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.steps.outlines import Outlines, SeasonOutlines
    from rts_track.steps.season_links import ScenePair
    from rts_track.track.shift import Shift


@dataclass(slots=True, kw_only=True)
class Live:
    """The chains that have not merged away, each with its latest outline.

    `missed` counts the successive seasons since then that measured looks covered it and found
    nothing; `missed_year` is the last season that any looks did (0: none), `stable_year` the
    season it stabilised in (0: it has not).
    """

    outlines: Outlines
    chain: NDArray[np.int64]
    n_seen: NDArray[np.int64]
    first_year: NDArray[np.int64]
    missed: NDArray[np.int64]
    missed_from: NDArray[np.int64]
    missed_on: NDArray[np.datetime64]
    missed_year: NDArray[np.int64]
    stable_year: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Live:
        """Some of them."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "outlines"}
        return Live(
            outlines=self.outlines.take(rows), **{name: c[rows] for name, c in columns.items()}
        )

    def followed_by(self, other: Live) -> Live:
        """These, then the others."""
        columns = [f.name for f in fields(self) if f.name != "outlines"]
        return Live(
            outlines=self.outlines.followed_by(other.outlines),
            **{n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in columns},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEvent:
    """Something that happened to a chain; `related` is another chain."""

    chain: int
    related: int | None
    kind: str
    season_year: int
    after_on: dt.date | None
    before_on: dt.date
    confidence: float
    evidence: dict[str, object]


@dataclass(slots=True, kw_only=True)
class ChainHistory:
    """What became of one kind from `first_season` on."""

    kind: str
    seasons: dict[int, SeasonOutlines] = field(default_factory=dict)
    chain_of: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    prior: list[str | None] = field(default_factory=list)
    founder: list[str] = field(default_factory=list)
    links: list[pa.Table] = field(default_factory=list)
    states: list[dict[str, NDArray[np.generic]]] = field(default_factory=list)
    events: list[ChainEvent] = field(default_factory=list)
    relatives: list[tuple[int, int]] = field(default_factory=list)
    shifts: dict[ScenePair, Shift] = field(default_factory=dict)
    last: list[Live] = field(default_factory=list)
    """The chains as they were last: those still live, and those that merged away."""
    merged_in: dict[int, int] = field(default_factory=dict)
    emptied: list[int] = field(default_factory=list)
    """Later seasons that had footprints or looks and have none any more."""
