"""The registry at work: chains get the tracks they had, and new ones where they had none."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from rts_track.domain import SEASON_YEARS, mint_each
from rts_track.steps.shapes import StoredShapes, metric_polygons
from rts_track.store.base import BATCH_ROWS, Scalar
from rts_track.track.identity import Claim, identify, join_lineages
from rts_track.track.shift import mutual_best

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rts_track.steps.chains import ChainHistory
    from rts_track.store.base import Store, Where

SAME_OUTLINE_IOMIN = 0.5
"""An outline that replaces another of the same season carries on its track from this overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The track of each chain and its lineage, and what moved.

    `moved_lineage` has the lineage of tracks that had another before. `removed` are tracks that
    no chain carries on; `alias` says which id stands for them, and for absorbed lineages, now
    (None: retracted). `retracted` are tracks that no chain carries on, but that stay: a person
    rejected them.
    """

    track_of_chain: tuple[str, ...]
    lineage_of_chain: tuple[str, ...]
    moved_lineage: dict[str, str]
    removed: list[str]
    alias: dict[str, str | None]
    retracted: list[str]


def name_chains(store: Store, history: ChainHistory, first_season: int) -> Names:
    """The names of a kind's chains; `first_season` is the earliest that was worked off again."""
    registered = _Registered.read(store, history.kind, first_season)
    retired = dict.fromkeys(store.read("track_alias", ["old_track_id"])["old_track_id"].to_pylist())
    settled = registered.settled()
    claims = itertools.chain(
        _claims(store, history, settled), _claims_back(history, registered.retracted)
    )
    unusable = retired | dict.fromkeys(registered.retracted)
    identities = identify(history.prior, history.founder, claims, settled, unusable)
    tracks = identities.track_of_chain
    gone = registered.without(tracks)
    rejected = history.rulings.retracted_tracks
    retracted = [old for old in gone if old in rejected and old not in identities.alias]
    removed = sorted(set(gone).difference(retracted))
    alias: dict[str, str | None] = {old: identities.alias.get(old) for old in removed}
    lineages = _Lineages.of(registered, tracks)
    lineages.join(history, alias, registered.retracted.union(gone).difference(tracks))
    return Names(
        track_of_chain=tracks,
        lineage_of_chain=tuple(lineages.of_chain),
        moved_lineage=lineages.moved(removed),
        removed=removed,
        alias={**alias, **lineages.absorbed(), **lineages.lost(removed)},
        retracted=retracted,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Registered:
    """The kind's tracks as they were: their lineages, and which lie in untouched seasons.

    A retracted track, which a person rejected, lies in none.
    """

    track_id: pa.ChunkedArray
    lineage_id: pa.ChunkedArray
    first_year: pa.ChunkedArray
    is_settled: pa.ChunkedArray
    retracted: frozenset[str]

    @classmethod
    def read(cls, store: Store, kind: str, first_season: int) -> _Registered:
        rows = store.read("track", ["track_id", "lineage_id", "first_year"], {"kind": kind})
        is_retracted: Where = {"kind": kind, "validity": "retracted"}
        retracted = store.read("track", ["track_id"], is_retracted)["track_id"]
        is_settled = pc.less(rows["first_year"], first_season)
        if len(retracted):
            is_live = pc.invert(pc.is_in(rows["track_id"], retracted.combine_chunks()))
            is_settled = pc.and_(is_settled, is_live)
        return cls(
            track_id=rows["track_id"],
            lineage_id=rows["lineage_id"],
            first_year=rows["first_year"],
            is_settled=is_settled,
            retracted=frozenset(retracted.to_pylist()),
        )

    def settled(self) -> set[str]:
        return set(self.track_id.filter(self.is_settled).to_pylist())

    def without(self, tracks: Sequence[str]) -> list[str]:
        """Those of no untouched season that are not among the tracks, by their ids."""
        touched = self.track_id.filter(pc.invert(self.is_settled)).to_pylist()
        kept = set(tracks) if touched else set()
        return sorted(track for track in touched if track not in kept)

    def lineages_of(self, tracks: pa.Array) -> pa.Array:
        """The lineage of each track; null where it is not registered."""
        if len(self.track_id) == 0:
            return pa.nulls(len(tracks), pa.string())
        return self.lineage_id.combine_chunks().take(pc.index_in(tracks, self.track_id))


@dataclass(slots=True, kw_only=True)
class _Lineages:
    """The lineage of each chain; `into` says which absorbed it, of those that were absorbed."""

    registered: _Registered
    track_of_chain: tuple[str, ...]
    of_chain: list[str]
    into: dict[str, str]

    @classmethod
    def of(cls, registered: _Registered, tracks: tuple[str, ...]) -> _Lineages:
        """The lineages that the tracks had; one of its own for each new track."""
        known = registered.lineages_of(pa.array(tracks, pa.string()))
        of_chain = known.to_pylist()
        fresh = np.flatnonzero(pc.is_null(known).to_numpy(zero_copy_only=False)).tolist()
        minted = mint_each((tracks[chain] for chain in fresh), "lineage")
        for chain, lineage in zip(fresh, minted, strict=True):
            of_chain[chain] = lineage
        return cls(registered=registered, track_of_chain=tracks, of_chain=of_chain, into={})

    def join(
        self, history: ChainHistory, alias: Mapping[str, str | None], gone: Collection[str]
    ) -> None:
        """Let relatives share the oldest of their lineages; `gone`: tracks without a chain."""
        tracks = self.track_of_chain
        lineage_of = {
            tracks[chain]: self.of_chain[chain] for pair in history.relatives for chain in pair
        }
        relatives = [(tracks[one], tracks[other]) for one, other in history.relatives]
        relatives += [(old, new) for old, new in alias.items() if new is not None]
        unknown = sorted({track for pair in relatives for track in pair} - lineage_of.keys())
        lineage_of |= self._of_tracks(unknown)
        ages = self._ages(history, lineage_of.values(), gone)
        joined = join_lineages(lineage_of, relatives, ages)
        self.into = {
            lineage_of[track]: lineage
            for track, lineage in joined.items()
            if lineage_of[track] != lineage
        }
        if self.into:
            self.of_chain = [self.into.get(lineage, lineage) for lineage in self.of_chain]

    def moved(self, removed: Iterable[str]) -> dict[str, str]:
        """The lineage of each registered track that had another, of those that are kept."""
        gone = set(removed)
        track_id, lineage_id = self._registered_in(self.into)
        return {
            track: self.into[lineage]
            for track, lineage in zip(track_id, lineage_id, strict=True)
            if track not in gone
        }

    def absorbed(self) -> dict[str, str]:
        """Which lineage each registered one became, of those that are no longer."""
        _, lineage_id = self._registered_in(self.into)
        return {lineage: self.into[lineage] for lineage in lineage_id}

    def lost(self, removed: Sequence[str]) -> dict[str, str | None]:
        """The registered lineages that have no track any more: nothing stands for them."""
        if not removed:
            return {}
        registered = self.registered
        is_gone = pc.is_in(registered.track_id, pa.array(removed, pa.string()))
        kept = set(registered.lineage_id.filter(pc.invert(is_gone)).to_pylist())
        kept |= set(self.of_chain) | self.into.keys()
        gone = registered.lineage_id.filter(is_gone).to_pylist()
        return dict.fromkeys(sorted(set(gone) - kept))

    def _registered_in(self, lineages: Iterable[str]) -> tuple[list[str], list[str]]:
        """The registered tracks of some lineages, and the lineage of each."""
        of, registered = pa.array(sorted(lineages), pa.string()), self.registered
        is_in = pc.is_in(registered.lineage_id, of)
        return (
            registered.track_id.filter(is_in).to_pylist(),
            registered.lineage_id.filter(is_in).to_pylist(),
        )

    def _of_tracks(self, tracks: list[str]) -> dict[str, str]:
        """The lineages of tracks that no chain with relatives carries on."""
        known = self.registered.lineages_of(pa.array(tracks, pa.string())).to_pylist()
        lineage_of = dict(zip(tracks, known, strict=True))
        unregistered = {track for track, lineage in lineage_of.items() if lineage is None}
        if unregistered:
            chains = zip(self.track_of_chain, self.of_chain, strict=True)
            lineage_of |= {track: own for track, own in chains if track in unregistered}
        return lineage_of

    def _ages(
        self, history: ChainHistory, lineages: Iterable[str], gone: Collection[str]
    ) -> dict[str, tuple[int, str]]:
        """First season and id of each of the lineages, as they were and as they are now.

        One that has none but tracks that are gone is younger than all: it would not be there had
        all seasons been linked at once.
        """
        age: dict[str, tuple[int, str]] = {}

        def take_in(lineage: str, year: int) -> None:
            age[lineage] = min(age.get(lineage, (year, lineage)), (year, lineage))

        asked = pa.array(sorted(set(lineages)), pa.string())
        if len(asked) == 0:
            return age
        is_in = pc.is_in(self.registered.lineage_id, asked)
        for track, lineage, year in zip(
            self.registered.track_id.filter(is_in).to_pylist(),
            self.registered.lineage_id.filter(is_in).to_pylist(),
            self.registered.first_year.filter(is_in).to_pylist(),
            strict=True,
        ):
            take_in(lineage, SEASON_YEARS.stop if track in gone else year)
        is_asked = pc.is_in(pa.array(self.of_chain, pa.string()), asked).to_numpy(
            zero_copy_only=False
        )
        for last in history.last:
            own = is_asked[last.chain]
            years = last.first_year[own].tolist()
            for chain, year in zip(last.chain[own].tolist(), years, strict=True):
                take_in(self.of_chain[chain], year)
        return age


def _claims(store: Store, history: ChainHistory, settled: set[str]) -> Iterator[Claim]:
    """What the chains' outlines were registered under before, but for settled tracks."""
    for season, found in sorted(history.seasons.items()):
        scope: Where = {"kind": history.kind, "season_year": season}
        rows = store.read("outline", ["outline_id", "track_id"], scope)
        if rows.num_rows == 0:
            continue
        present = found.outline_id.combine_chunks()
        at = pc.index_in(present, rows["outline_id"]).to_numpy(zero_copy_only=False)
        is_known = ~np.isnan(at)
        track_of = rows["track_id"].to_pylist()
        chain_of = history.chain_of[season]
        known = np.flatnonzero(is_known)
        outlines = present.take(pa.array(known)).to_pylist()
        for row, outline in zip(known.tolist(), outlines, strict=True):
            track = track_of[int(at[row])]
            if track is not None and track not in settled:
                yield Claim(
                    is_fragment=outline in history.fragments,
                    season_year=season,
                    outline_id=outline,
                    track_id=track,
                    chain=int(chain_of[row]),
                )
        gone = rows.filter(pc.invert(pc.is_in(rows["outline_id"], present)))
        fresh = np.flatnonzero(~is_known)
        if gone.num_rows and len(fresh):
            yield from _replaced(store, gone, history, season, fresh)


def _claims_back(history: ChainHistory, retracted: frozenset[str]) -> Iterator[Claim]:
    """Claims of footprints that a person accepts again, for the retracted tracks they were in."""
    rulings = history.rulings
    track_of = {
        footprint: rulings.track_of_footprint[footprint]
        for footprint in rulings.accepted_footprints & rulings.track_of_footprint.keys()
        if rulings.track_of_footprint[footprint] in retracted
    }
    if not track_of:
        return
    asked = pa.array(sorted(track_of), pa.string())
    for season, found in sorted(history.seasons.items()):
        is_asked = pc.is_in(found.footprint_id, asked)
        members = found.footprint_id.filter(is_asked).to_pylist()
        outlines = found.outline_of_footprint.filter(is_asked)
        rows = pc.index_in(outlines, found.outline_id.combine_chunks())
        for footprint, outline, row in zip(
            members, outlines.to_pylist(), rows.to_pylist(), strict=True
        ):
            yield Claim(
                is_fragment=outline in history.fragments,
                season_year=season,
                outline_id=outline,
                track_id=track_of[footprint],
                chain=int(history.chain_of[season][row]),
            )


def _replaced(
    store: Store,
    gone: pa.Table,
    history: ChainHistory,
    season: int,
    fresh: NDArray[np.int64],
) -> Iterator[Claim]:
    """Claims of outlines that took the place of others of the same season.

    `gone`: the others' outline_id and track_id, by outline_id; `fresh`: rows of the outlines
    that were not there.
    """
    former = _polygons(store, gone["outline_id"])
    found = history.seasons[season]
    wkb = StoredShapes.of(found.rows["geometry"]).take(fresh).wkb(slice(None))
    present = metric_polygons(pa.chunked_array([wkb]))
    now, then = shapely.STRtree(former).query(present, predicate="intersects")
    shared = shapely.area(shapely.intersection(present[now], former[then]))
    area_now, area_then = shapely.area(present[now]), shapely.area(former[then])
    is_same = shared >= SAME_OUTLINE_IOMIN * np.minimum(area_now, area_then)
    is_same &= mutual_best(now, then, shared / (area_now + area_then - shared))
    outline_of, track_of = gone["outline_id"].to_pylist(), gone["track_id"].to_pylist()
    present_id = found.outline_id.take(pa.array(fresh)).to_pylist()
    for row, old in zip(now[is_same].tolist(), then[is_same].tolist(), strict=True):
        if track_of[old] is not None:
            outline = present_id[row]
            yield Claim(
                is_fragment=outline in history.fragments,
                season_year=season,
                outline_id=outline_of[old],
                track_id=track_of[old],
                chain=int(history.chain_of[season][fresh[row]]),
            )


def _polygons(store: Store, outline_id: pa.ChunkedArray) -> NDArray[np.object_]:
    """The EPSG:6931 polygons of registered outlines, in the order of their ids."""
    polygons = []
    for start in range(0, len(outline_id), BATCH_ROWS):
        ids: list[Scalar] = outline_id.slice(start, BATCH_ROWS).to_pylist()
        rows = store.read("outline", ["outline_id", "geometry"], {"outline_id": ids})
        polygons.append(metric_polygons(rows["geometry"]))
    return np.concatenate(polygons)
