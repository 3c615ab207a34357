"""Pieces of slumps: fragments, if they are one again soon; else they have split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rts_track.steps.chains import NOBODY, ChainHistory, Live
from rts_track.steps.found import Found, with_kind
from rts_track.track.assign import FRAGMENT, MAIN, MERGE, SPLIT
from rts_track.track.confidence import event_confidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from rts_track.track.params import LinkParams


class Fragments:
    """Chains of a history that proved fragments of others, and what became of splits."""

    def __init__(self, history: ChainHistory) -> None:  # noqa: D107
        self._history = history
        self._after_split: dict[int, str] = {}
        self.joined: dict[int, int] = {}

    def chain_of(self, chain: NDArray[np.int64]) -> NDArray[np.int64]:
        """The chains, each fragment's that of the slump that it is of."""
        chain = chain.copy()
        if self.joined:
            for place in np.flatnonzero(np.isin(chain, list(self.joined))).tolist():
                chain[place] = self._standing_for(int(chain[place]))
        return chain

    def settle(self, live: Live, found: Found) -> None:
        """Join pieces of a split, or of one founded in pieces, that an outline covers together."""
        family = np.where(live.split_of == NOBODY, live.chain, live.split_of)
        rows = found.rows(MAIN, MERGE)
        rows = rows[~found.is_earlier[rows]]
        rows = rows[~(found.is_told[rows] & (found.role[rows] == MERGE))]
        fresh: dict[int, int] = {}
        of_others: set[int] = set()
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
                    self.joined[gone] = fresh[gone] = kept
                    of_others |= {gone} if kept != root else set()
        if fresh:
            self._rewrite(live, fresh, of_others)
        _settle_pieces(live, found)

    def note_after_split(self, what: str, live: Live, rows: NDArray[np.bool_]) -> None:
        """Note of pieces of splits whether they were seen again."""
        of_split = live.chain[rows & (live.split_of != NOBODY)]
        self._after_split |= dict.fromkeys(of_split.tolist(), what)

    def finish(self, live: Live, params: LinkParams) -> None:
        """Say of each split whether its piece was seen again, and if that may still happen."""
        history, is_open = self._history, live.split_of != NOBODY
        history.unsettled = set(live.chain[is_open].tolist())
        outlines = pa.array(live.outlines.outline_id[is_open].tolist(), pa.string())
        for season, links in history.links.items():
            history.links[season] = _provisional(links, outlines)
        open_chains = np.array(sorted(history.unsettled), dtype=np.int64)
        for events in history.events:
            if events.kind in (SPLIT, "initiate", "first_seen"):
                events.is_provisional = np.isin(events.chain, open_chains)
            if events.kind == SPLIT and not events.is_told:
                said = [self._after_split.get(chain, "") for chain in events.chain.tolist()]
                events.features["next_season"] = np.array(said, dtype=object)
                events.confidence = event_confidence(SPLIT, events.features, params)

    def _standing_for(self, chain: int) -> int:
        while chain in self.joined:
            chain = self.joined[chain]
        return chain

    def _rewrite(self, live: Live, joined: Mapping[int, int], of_others: set[int]) -> None:
        """Let what was told of chains that split soon before be told of whom they are of.

        `of_others` are those that are not of the slump that they split from, but of another that
        did: what leads to them still is a split.
        """
        history, gone = self._history, np.array(sorted(joined), dtype=np.int64)
        outlines = live.outlines.outline_id[np.isin(live.chain, gone)]
        history.fragments |= set(outlines.tolist())
        is_of_root = np.isin(live.chain, gone) & ~np.isin(live.chain, list(of_others))
        of_fragments = pa.array(live.outlines.outline_id[is_of_root].tolist(), pa.string())
        for season, links in history.links.items():
            history.links[season] = _as_fragments(links, of_fragments)
        for events in history.events:
            events.drop(gone)
        history.relatives = [pair for pair in history.relatives if pair[0] not in joined]
        kept = {one: self._standing_for(one) for one in joined}
        for states in history.states:
            states.join_fragments(gone, kept)


def larger_pieces(
    live: Live, old: NDArray[np.int64], found: Found, fragments: Fragments
) -> NDArray[np.int64]:
    """For each live row that of its slump's largest piece, where it was in pieces."""
    largest = old.copy()
    rows = found.live[found.rows(FRAGMENT)]
    pieces_of: dict[int, list[int]] = {}
    for row, chain in zip(
        rows.tolist(), fragments.chain_of(live.chain[rows]).tolist(), strict=True
    ):
        pieces_of.setdefault(chain, []).append(row)
    if not pieces_of:
        return largest
    area, name = live.outlines.area_m2, live.outlines.outline_id
    is_piecewise = (old >= 0) & np.isin(live.chain[old], list(pieces_of))
    for child in np.flatnonzero(is_piecewise).tolist():
        row = int(old[child])
        pieces = {row, *pieces_of[int(live.chain[row])]}
        largest[child] = min(pieces, key=lambda each: (-area[each], name[each]))
    return largest


def _settle_pieces(live: Live, found: Found) -> None:
    """Where a slump is in pieces still, the first goes on and the others split from it."""
    if not live.is_piece.any():
        return
    whole = {int(live.chain[row]): row for row in np.flatnonzero(~live.is_piece).tolist()}
    ends = found.rows(MAIN, MERGE)
    goes_on = set(live.chain[found.live[ends[~live.is_piece[found.live[ends]]]]].tolist())
    for row in np.flatnonzero(live.is_piece[found.live] & (found.role != FRAGMENT)).tolist():
        chain = int(live.chain[found.live[row]])
        if found.role[row] in (MAIN, MERGE):
            if chain in goes_on:
                found.role[row] = SPLIT if found.role[row] == MAIN else FRAGMENT
            goes_on.add(chain)
        found.live[row] = whole[chain]


def _sharing(child: NDArray[np.int64], family: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows of each group of several that share both."""
    order = np.lexsort((np.arange(len(child)), family, child))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(child[order]) != 0) | (np.diff(family[order]) != 0)
    edges = np.r_[np.flatnonzero(is_first), len(order)]
    several = np.flatnonzero(np.diff(edges) > 1)
    for start, end in zip(edges[several].tolist(), edges[several + 1].tolist(), strict=True):
        yield order[start:end]


def _as_fragments(links: pa.Table, outlines: pa.Array) -> pa.Table:
    """The links, those that lead to one of the outlines as a split made a fragment's."""
    is_it = pc.is_in(links["to_outline_id"], value_set=outlines)
    if not _flags(is_it).any():
        return links
    kind = np.asarray(links["kind"].to_numpy(zero_copy_only=False), dtype=object)
    is_persons_merge = (kind == MERGE) & _flags(pc.equal(links["origin"], "person"))
    kind[_flags(is_it) & ~is_persons_merge] = FRAGMENT
    return with_kind(links, kind)


def _provisional(links: pa.Table, outlines: pa.Array) -> pa.Table:
    """The links, those that lead to one of the outlines marked as provisional; no person's is."""
    is_provisional = pc.and_(
        pc.is_in(links["to_outline_id"], value_set=outlines),
        pc.not_equal(links["origin"], "person"),
    )
    column = links.schema.get_field_index("is_provisional")
    return links.set_column(column, links.schema.field("is_provisional"), is_provisional)


def _flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)
