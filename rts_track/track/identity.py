"""Which track an outline belongs to: minted once, then looked up, never recomputed.

A chain is a run of outlines joined by main links. It carries on the track that any of its
outlines already had; where two chains lay claim to one track, the earlier outline decides, and a
whole slump's before a fragment's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rts_track.domain import mint, mint_each


class Claim(NamedTuple):
    """An outline of a chain that was registered under a track before.

    A tuple, since a redone season makes a claim of every outline, and all are put in order: the
    earliest outline's comes first, but that of a fragment after those of whole slumps.
    """

    is_fragment: bool
    season_year: int
    outline_id: str
    track_id: str
    chain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """The track of every chain; and which former ids now stand for which."""

    track_of_chain: tuple[str, ...]
    alias: Mapping[str, str]


def identify(
    prior: Sequence[str | None],
    founders: Sequence[str],
    claims: Iterable[Claim],
    settled: frozenset[str] | set[str],
    retired: Mapping[str, object],
) -> Identities:
    """The track of each chain, and the ids that chains absorbed.

    Args:
        prior: for each chain the track it carries on from seasons that are not touched, if any.
        founders: for each chain the footprint that would found a track.
        claims: registered tracks of the chains' outlines, in any order.
        settled: tracks with outlines in untouched seasons; only their own chain may have them.
        retired: ids that were retired and may never be minted again.
    """
    tracks = list(prior)
    taken = set(settled)
    taken.update(track for track in prior if track is not None)
    alias: dict[str, str] = {}
    for claim in sorted(claims):
        if claim.track_id in taken:
            continue
        taken.add(claim.track_id)
        kept = tracks[claim.chain]
        if kept is None:
            tracks[claim.chain] = claim.track_id
        else:
            alias[claim.track_id] = kept
    return Identities(
        track_of_chain=tuple(_with_founded(tracks, founders, taken, retired)), alias=alias
    )


def _with_founded(
    tracks: Sequence[str | None],
    founders: Sequence[str],
    taken: set[str],
    retired: Mapping[str, object],
) -> Iterator[str]:
    """The tracks in the chains' order, with a new one for each chain that has none."""
    new = (founder for track, founder in zip(tracks, founders, strict=True) if track is None)
    # As `mint("track", founder, None)`: a first id has no count.
    fresh = iter(mint_each((f"{founder}|" for founder in new), "track"))
    for chain, track in enumerate(tracks):
        if track is None:
            track = next(fresh)
            if track in taken or track in retired:
                track = _counted(founders[chain], taken, retired)
            taken.add(track)
        yield track


def flattened(alias: Mapping[str, str | None]) -> dict[str, str | None]:
    """The same aliases, each pointing at an id that is in use, or None."""
    flat: dict[str, str | None] = {}
    for old in alias:
        target = alias[old]
        seen = {old}
        while target is not None and target in alias and target not in seen:
            seen.add(target)
            target = alias[target]
        flat[old] = target
    return flat


def join_lineages(
    lineage_of: Mapping[str, str],
    relatives: Iterable[tuple[str, str]],
    age: Mapping[str, tuple[int, str]],
) -> dict[str, str]:
    """The lineage of each track once relatives share one: the oldest of those they had.

    Args:
        lineage_of: lineage of each track now.
        relatives: pairs of tracks that a split or merge connects.
        age: for each lineage its first season and id; the smallest absorbs the others.
    """
    parent = {lineage: lineage for lineage in lineage_of.values()}

    def root(lineage: str) -> str:
        while parent[lineage] != lineage:
            parent[lineage] = parent[parent[lineage]]
            lineage = parent[lineage]
        return lineage

    for one, other in relatives:
        a, b = root(lineage_of[one]), root(lineage_of[other])
        if a != b:
            older, younger = sorted((a, b), key=lambda lineage: age[lineage])
            parent[younger] = older
    return {track: root(lineage) for track, lineage in lineage_of.items()}


def _counted(founder: str, taken: set[str], retired: Mapping[str, object]) -> str:
    """An id that was never used: from the founding footprint, counting on where it was."""
    for count in range(1, len(taken) + len(retired) + 1):
        track = mint("track", founder, count)
        if track not in taken and track not in retired:
            return track
    raise AssertionError("more ids were tried than exist")
