"""The registry at work: chains get the tracks they had, and new ones where they had none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.domain import mint
from rts_track.track.identity import Claim, identify, join_lineages
from rts_track.track.shift import mutual_best

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.steps.chains import ChainHistory
    from rts_track.store.base import Store

SAME_OUTLINE_IOMIN = 0.5
"""An outline that replaces another of the same season carries on its track from this overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The track of each chain, the lineage of each track of the kind, and what moved.

    `removed` are tracks that no chain carries on; `alias` says which id stands for them, and for
    absorbed lineages, now (None: retracted).
    """

    track_of_chain: tuple[str, ...]
    lineage_of: dict[str, str]
    moved_lineage: dict[str, str]
    removed: list[str]
    alias: dict[str, str | None]


def name_chains(store: Store, history: ChainHistory, first_season: int) -> Names:
    """The names of a kind's chains; `first_season` is the earliest that was worked off again."""
    registered = store.read("track", ["track_id", "lineage_id", "first_year"], _of(history))
    first_year = dict(
        zip(registered["track_id"].to_pylist(), registered["first_year"].to_pylist(), strict=True)
    )
    settled = {track for track, year in first_year.items() if year < first_season}
    retired = dict.fromkeys(store.read("track_alias", ["old_track_id"])["old_track_id"].to_pylist())
    identities = identify(history.prior, history.founder, _claims(store, history), settled, retired)
    tracks = identities.track_of_chain
    kept = settled | set(tracks)
    removed = sorted(track for track in first_year if track not in kept)
    alias: dict[str, str | None] = {old: identities.alias.get(old) for old in removed}
    lineage_of, moved, absorbed = _lineages(registered, history, tracks, alias, kept)
    return Names(
        track_of_chain=tracks,
        lineage_of=lineage_of,
        moved_lineage=moved,
        removed=removed,
        alias={**alias, **absorbed},
    )


def _of(history: ChainHistory) -> dict[str, str]:
    return {"kind": history.kind}


def _claims(store: Store, history: ChainHistory) -> Iterator[Claim]:
    """What the chains' outlines were registered under before."""
    for season, found in sorted(history.seasons.items()):
        rows = store.read(
            "outline",
            ["outline_id", "track_id", "geometry"],
            {"kind": history.kind, "season_year": season},
        )
        track_of = dict(
            zip(rows["outline_id"].to_pylist(), rows["track_id"].to_pylist(), strict=True)
        )
        present = found.outlines.outline_id
        is_known = np.array([outline in track_of for outline in present], dtype=bool)
        for row in np.flatnonzero(is_known).tolist():
            track = track_of[present[row]]
            if track is not None:
                yield Claim(
                    season_year=season,
                    outline_id=present[row],
                    track_id=track,
                    chain=int(history.chain_of[season][row]),
                )
        gone = sorted(set(track_of) - set(present.tolist()))
        fresh = np.flatnonzero(~is_known)
        if gone and len(fresh):
            yield from _replaced(rows, gone, track_of, history, season, fresh)


def _replaced(
    rows: pa.Table,
    gone: list[str],
    track_of: dict[str, str | None],
    history: ChainHistory,
    season: int,
    fresh: NDArray[np.int64],
) -> Iterator[Claim]:
    """Claims of outlines that took the place of others of the same season."""
    order = {outline: row for row, outline in enumerate(rows["outline_id"].to_pylist())}
    wkb = rows["geometry"].take([order[outline] for outline in gone])
    former = grid.to_metric(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)))
    present = history.seasons[season].outlines.geometry[fresh]
    now, then = shapely.STRtree(former).query(present, predicate="intersects")
    shared = shapely.area(shapely.intersection(present[now], former[then]))
    area_now, area_then = shapely.area(present[now]), shapely.area(former[then])
    is_same = shared >= SAME_OUTLINE_IOMIN * np.minimum(area_now, area_then)
    is_same &= mutual_best(now, then, shared / (area_now + area_then - shared))
    for row, old in zip(now[is_same], then[is_same], strict=True):
        track = track_of[gone[old]]
        if track is not None:
            yield Claim(
                season_year=season,
                outline_id=gone[old],
                track_id=track,
                chain=int(history.chain_of[season][fresh[row]]),
            )


def _lineages(
    registered: pa.Table,
    history: ChainHistory,
    tracks: tuple[str, ...],
    alias: dict[str, str | None],
    kept: set[str],
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The lineage of each kept track, those that changed, and what absorbed lineages became."""
    before = dict(
        zip(registered["track_id"].to_pylist(), registered["lineage_id"].to_pylist(), strict=True)
    )
    lineage_of = dict(before)
    age: dict[str, tuple[int, str]] = {}
    for lineage, year in zip(
        registered["lineage_id"].to_pylist(), registered["first_year"].to_pylist(), strict=True
    ):
        age[lineage] = min(age.get(lineage, (year, lineage)), (year, lineage))
    for live in history.last:
        for chain, year in zip(live.chain.tolist(), live.first_year.tolist(), strict=True):
            track = tracks[chain]
            lineage = lineage_of.setdefault(track, mint("lineage", track))
            age[lineage] = min(age.get(lineage, (year, lineage)), (year, lineage))
    relatives = [(tracks[one], tracks[other]) for one, other in history.relatives]
    relatives += [(old, new) for old, new in alias.items() if new is not None]
    joined = join_lineages(lineage_of, relatives, age)
    absorbed = {
        before[track]: lineage
        for track, lineage in joined.items()
        if track in before and before[track] != lineage
    }
    final = {track: lineage for track, lineage in joined.items() if track in kept}
    moved = {track: new for track, new in final.items() if before.get(track, new) != new}
    return final, moved, absorbed
