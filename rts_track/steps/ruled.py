"""Verdicts on links as linking meets them: season by season, about outlines and chains."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rts_track.steps.outlines import outlines_of
from rts_track.steps.verdicts import (
    PairRuling,
    ResolvedPair,
    Rulings,
    outline_finder,
    resolve_pairs,
    stored_outlines,
)
from rts_track.store.statements import statement
from rts_track.track.assign import MAIN, MERGE, SPLIT, Settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.chains import Live
    from rts_track.steps.outlines import Outlines, SeasonOutlines
    from rts_track.steps.spool import Spool
    from rts_track.store.base import Store

log = logging.getLogger(__name__)

OutlinePair = tuple[str, str]
ChainOf = Callable[["NDArray[np.int64]"], "NDArray[np.int64]"]
"""The chains, each fragment's that of the slump that it is of."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ruled:
    """What persons said of links into one season.

    Row by row of the links that they want: `live` is the row of the chain, `child` that of the
    outline, `start` the outline it leads from (`is_latest`: of the season the chain was last seen
    in), `role` main, split or merge; or "" where any link will do. `barred` are pairs of outlines
    that are no links; `family` is the chain of each live row, fragments being of their slumps.
    """

    live: NDArray[np.int64]
    child: NDArray[np.int64]
    role: NDArray[np.object_]
    start: Outlines
    is_latest: NDArray[np.bool_]
    family: NDArray[np.int64]
    barred: frozenset[OutlinePair]

    def drawn(self) -> NDArray[np.int64]:
        """The rows of links whose role is told."""
        return np.flatnonzero(self.role != "")

    def insisting(self, linked: Collection[OutlinePair], after: Outlines) -> Ruled | None:
        """The same, links that are not among those found being main ones; None: all are found."""
        role = self.role.copy()
        ends = zip(self.start.outline_id, after.outline_id[self.child], strict=True)
        is_linked = np.array([pair in linked for pair in ends], dtype=bool)
        missing = (role == "") & ~is_linked
        role[missing] = MAIN
        return replace(self, role=role) if missing.any() else None

    def any_role(self, after: Outlines) -> set[OutlinePair]:
        """The outlines of links of which any will do."""
        rows = np.flatnonzero(self.role == "")
        ends = zip(self.start.outline_id[rows], after.outline_id[self.child[rows]], strict=True)
        return set(ends)

    def settled(self, rows: NDArray[np.int64], before: Outlines, after: Outlines) -> Settled:
        """What is settled between `before`, outlines of these live rows, and `after`."""
        drawn = self.drawn()
        family, role = self.family[self.live[drawn]], self.role[drawn]
        return Settled(
            family=self.family[rows],
            ended=family[role != SPLIT],
            begun=self.child[drawn][role != MERGE],
            told=np.column_stack([family, self.child[drawn]]),
            barred=self._rows_of(self.barred, before, after),
        )

    def _rows_of(
        self, pairs: Iterable[OutlinePair], before: Outlines, after: Outlines
    ) -> NDArray[np.int64]:
        """(n, 2) rows of the pairs that are among these outlines."""
        pairs = sorted(pairs)
        parents = _rows_by_id(before, {one for one, _ in pairs})
        children = _rows_by_id(after, {other for _, other in pairs})
        rows = [
            (parent, children[other][0])
            for one, other in pairs
            if other in children
            for parent in parents.get(one, ())
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 2)


class RuledPairs:
    """Verdicts on the links of one kind, and the outlines they are about, as seasons pass.

    A companion stands for the outline that speaks for its place. Where no verdict touches a
    season, nothing is done for it.
    """

    def __init__(self, store: Store, rulings: Rulings, spool: Spool) -> None:  # noqa: D107
        self._store, self._rulings, self._spool = store, rulings, spool
        self._outline_of: dict[str, str] = {}
        self._starts: Outlines | None = None
        self._row_of: dict[str, int] = {}
        self._chain: list[int] = []

    def begin(self, first_season: int, live: Live, chain_of_track: Mapping[str, int]) -> None:
        """Find the earlier ends in seasons before the first that is worked off."""
        pairs = [
            pair
            for pair in self._rulings.pairs
            if pair.from_season < first_season <= pair.to_season
        ]
        if not pairs:
            return
        outline_of = self._stored_ends(pairs)
        own = _rows_by_id(live.outlines, set(outline_of.values()))
        rows = np.array(sorted(row for each in own.values() for row in each), dtype=np.int64)
        self._keep(live.outlines.take(rows), live.chain[rows].tolist())
        for footprint, outline in sorted(outline_of.items()):
            speaker = outline if outline in own else self._speaker_of(outline, chain_of_track)
            if speaker is not None:
                self._outline_of[footprint] = speaker

    def _speaker_of(self, outline: str, chain_of_track: Mapping[str, int]) -> str | None:
        """The stored outline that speaks for the place of one that is no chain's latest."""
        rows = self._store.query(statement("speaking_outline"), {"outline_id": outline})
        if rows.num_rows == 0:
            return None
        speaker = str(rows["outline_id"][0].as_py())
        if speaker not in self._row_of:
            # A track that merged away is live no more.
            chain = chain_of_track.get(rows["track_id"][0].as_py(), -1)
            self._keep(outlines_of(rows, self._spool), [chain])
        return speaker

    def into(
        self,
        season_year: int,
        season: SeasonOutlines,
        own: NDArray[np.int64],
        live: Live,
        chain_of: ChainOf,
    ) -> Ruled | None:
        """What was said of links into the season's `own` outlines; None: nothing."""
        pairs = tuple(pair for pair in self._rulings.pairs if pair.to_season == season_year)
        if not pairs:
            return None
        row_of = self._rows_in(season_year, season)
        here = {one: str(season.outlines.outline_id[row]) for one, row in row_of.items()}
        ends = {**self._outline_of, **here}
        resolved = resolve_pairs(replace(self._rulings, pairs=pairs), ends, lambda *_: None)
        if not resolved:
            return None
        child_of = {here[one]: int(np.searchsorted(own, row)) for one, row in row_of.items()}
        family = chain_of(live.chain)
        wanted = list(self._wanted(resolved, child_of, live, family, chain_of))
        rows = [self._row_of[each.pair.from_outline] for each in wanted]
        assert self._starts is not None
        start = self._starts.take(np.array(rows, dtype=np.int64))
        of_chain = np.array([each.live for each in wanted], dtype=np.int64)
        return Ruled(
            live=of_chain,
            child=np.array([each.child for each in wanted], dtype=np.int64),
            role=np.array([each.role for each in wanted], dtype=object),
            start=start,
            is_latest=start.season_year == live.outlines.season_year[of_chain],
            family=family,
            barred=frozenset(
                (each.from_outline, each.to_outline) for each in resolved if each.ruling == "reject"
            ),
        )

    def passed(self, season_year: int, season: SeasonOutlines, chain: NDArray[np.int64]) -> None:
        """Keep the season's outlines that verdicts on later links are about, and their chains."""
        wanted = {
            pair.from_footprint for pair in self._rulings.pairs if pair.from_season == season_year
        }
        if not wanted:
            return
        row_of = {
            one: row for one, row in self._rows_in(season_year, season).items() if one in wanted
        }
        rows = np.array(sorted(set(row_of.values())), dtype=np.int64)
        for one, row in row_of.items():
            self._outline_of[one] = str(season.outlines.outline_id[row])
        if len(rows):
            self._keep(season.outlines.take(rows), chain[rows].tolist())

    def _wanted(
        self,
        resolved: list[ResolvedPair],
        child_of: Mapping[str, int],
        live: Live,
        family: NDArray[np.int64],
        chain_of: ChainOf,
    ) -> Iterator[_Wanted]:
        """The links that persons want, the latest decided first; what contradicts it gives way.

        Of two slumps that are said to go on as one outline, the earlier said merges into it; of
        two outlines that one slump is said to go on as, the earlier said splits off.
        """
        chains = chain_of(np.array(self._chain, dtype=np.int64))
        whole = np.flatnonzero(~live.is_piece)
        starts = chains[[self._row_of[each.from_outline] for each in resolved]]
        asked = whole[np.isin(family[whole], starts)]
        row_of = {int(family[row]): int(row) for row in asked[live.chain[asked] == family[asked]]}
        ended: set[int] = set()
        begun: set[int] = set()
        mains: set[tuple[int, int]] = set()
        for pair in reversed(resolved):
            if pair.ruling == "reject":
                continue
            chain = int(chains[self._row_of[pair.from_outline]])
            child = child_of[pair.to_outline]
            if chain not in row_of:
                log.warning("verdict %s: the slump it is about merged away before", pair.verdict_id)
                continue
            role = pair.link_kind or (MAIN if pair.ruling == "relink" else "")
            if role and (role != MAIN or (chain, child) not in mains):
                role = _without_contradiction(role, chain in ended, child in begun)
                if not role:
                    log.warning("verdict %s: a later one contradicts it", pair.verdict_id)
                    continue
            if role in (MAIN, MERGE):
                ended.add(chain)
            if role in (MAIN, SPLIT):
                begun.add(child)
            if role == MAIN:
                mains.add((chain, child))
            yield _Wanted(live=row_of[chain], child=child, role=role, pair=pair)

    def _rows_in(self, season_year: int, season: SeasonOutlines) -> dict[str, int]:
        """The row of the outline that speaks for each footprint that verdicts name, if any."""
        named = dict(_ends_in(self._rulings.pairs, season_year))
        wanted = pa.array(sorted(named), pa.string())
        at = pc.index_in(wanted, season.footprint_id.combine_chunks())
        found = season.outline_of_footprint.combine_chunks().take(at).to_pylist()
        ids = season.outlines.outline_id
        find = outline_finder(self._store, lambda _: (ids, season.outlines.polygons()))
        outline_of = {
            one: outline or find(season_year, named[one], one)
            for one, outline in zip(wanted.to_pylist(), found, strict=True)
        }
        rows = _rows_by_id(season.outlines, {one for one in outline_of.values() if one})
        row_of = {one: rows[outline][0] for one, outline in outline_of.items() if outline}
        speaker = season.companion_of
        return {one: int(speaker[row]) if speaker[row] >= 0 else row for one, row in row_of.items()}

    def _stored_ends(self, pairs: list[PairRuling]) -> dict[str, str]:
        """The stored outline of each earlier footprint, or the one in its place, if any."""
        named = sorted({pair.from_footprint for pair in pairs})
        columns = ["footprint_id", "outline_id"]
        rows = self._store.read("footprint", columns, {"footprint_id": named}).to_pylist()
        outline_of = {row["footprint_id"]: row["outline_id"] for row in rows if row["outline_id"]}
        find = outline_finder(self._store, stored_outlines(self._store, self._rulings.kind))
        for pair in pairs:
            if pair.from_footprint not in outline_of:
                found = find(pair.from_season, pair.from_lonlat, pair.from_footprint)
                if found is not None:
                    outline_of[pair.from_footprint] = found
        return outline_of

    def _keep(self, starts: Outlines, chain: list[int]) -> None:
        n = len(self._chain)
        self._row_of |= {one: n + row for row, one in enumerate(starts.outline_id.tolist())}
        self._chain += chain
        self._starts = starts if self._starts is None else self._starts.followed_by(starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A link that a person wants: rows of its chain and outline, its role, what it rests on."""

    live: int
    child: int
    role: str
    pair: ResolvedPair


def _without_contradiction(role: str, is_ended: bool, is_begun: bool) -> str:
    """The role that is left beside later verdicts; "": none.

    `is_ended`: the slump goes on or merges elsewhere; `is_begun`: the outline is of another one,
    or split off.
    """
    if role == MAIN and is_ended != is_begun:
        return SPLIT if is_ended else MERGE
    may_end = role == SPLIT or not is_ended
    may_begin = role == MERGE or not is_begun
    return role if may_end and may_begin else ""


def _ends_in(
    pairs: Iterable[PairRuling], season_year: int
) -> Iterator[tuple[str, tuple[float, float]]]:
    """The footprints of a season that verdicts name, with the point they keep of each."""
    for pair in pairs:
        if pair.from_season == season_year:
            yield pair.from_footprint, pair.from_lonlat
        if pair.to_season == season_year:
            yield pair.to_footprint, pair.to_lonlat


def _rows_by_id(outlines: Outlines, wanted: Collection[str]) -> dict[str, list[int]]:
    """The rows of these outlines, by their ids."""
    rows: dict[str, list[int]] = {}
    if wanted:
        for row, outline in enumerate(outlines.outline_id.tolist()):
            if outline in wanted:
                rows.setdefault(outline, []).append(row)
    return rows
