"""Verdicts at work: which are in force, what they are about now, and what is told of them.

A link's verdict keeps footprints, season and a point, never an outline: which outlines it is about
is found anew at each linking, so that it survives a redo.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rts_track.store.statements import statement

if TYPE_CHECKING:
    import numpy as np
    import shapely
    from numpy.typing import NDArray

    from rts_track.store.base import Reader

Row = dict[str, Any]
Lonlat = tuple[float, float]
Ruling = Literal["accept", "reject", "relink"]
Find = Callable[[int, Lonlat, str], str | None]
"""The outline of a season that lies at a point, or else best overlaps a former footprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRuling:
    """A verdict in force on a link: by footprints, seasons and a point on each (degrees).

    `link_kind` is main, merge or split: what a relink asks for, or what was accepted; None where
    nothing is said of it.
    """

    verdict_id: str
    ruling: Ruling
    link_kind: str | None
    from_footprint: str
    to_footprint: str
    from_season: int
    to_season: int
    from_lonlat: Lonlat
    to_lonlat: Lonlat
    decided_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulings:
    """All verdicts in force on one kind, by what linking makes of them.

    Attributes:
        pairs: on links, in the order in which they were decided.
        confirmed_tracks: tracks that a person accepted, by the ids in use.
        retracted_tracks: tracks that a person rejected, whole or by a footprint of theirs, by the
            ids in use: retracted once no outline of theirs is left.
        accepted_footprints: footprints that a person accepted.
        rejected_footprints: footprints that a person rejected: they are in no outline.
        track_of_footprint: the track, by the id in use, that a footprint was in when a verdict
            was given on it: the one it comes back to once it is accepted again.
    """

    kind: str
    pairs: tuple[PairRuling, ...] = ()
    confirmed_tracks: frozenset[str] = frozenset()
    retracted_tracks: frozenset[str] = frozenset()
    accepted_footprints: frozenset[str] = frozenset()
    rejected_footprints: frozenset[str] = frozenset()
    track_of_footprint: Mapping[str, str] = field(default_factory=dict)


class ResolvedPair(NamedTuple):
    """A verdict on a link with the two outlines that it is about now."""

    from_outline: str
    to_outline: str
    ruling: Ruling
    link_kind: str | None
    verdict_id: str


def read_rulings(store: Reader, kind: str) -> Rulings:
    """The verdicts in force on footprints, links and tracks of that kind."""
    alias = _aliases(store)
    rows = [row for row in in_force(store) if row["value"].get("kind") == kind]
    if not rows:
        return Rulings(kind=kind)
    by_target: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        by_target.setdefault((row["target_kind"], row["verdict"]), set()).add(row["target_id"])

    def tracks(verdict: str) -> set[str]:
        named = by_target.get(("track", verdict), set())
        return {now for one in named if (now := alias.get(one, one)) is not None}

    rejected = by_target.get(("footprint", "reject"), set())
    track_of = _former_tracks(store, kind, alias)
    return Rulings(
        kind=kind,
        pairs=tuple(_pair(row) for row in rows if row["target_kind"] == "link"),
        confirmed_tracks=frozenset(tracks("accept")),
        retracted_tracks=frozenset(
            tracks("reject") | {track_of[one] for one in rejected if one in track_of}
        ),
        accepted_footprints=frozenset(by_target.get(("footprint", "accept"), ())),
        rejected_footprints=frozenset(rejected),
        track_of_footprint=track_of,
    )


def in_force(store: Reader) -> list[Row]:
    """The verdicts that none supersedes, the latest last, with their value as a mapping."""
    return _opened(store.query(statement("verdicts_in_force")).to_pylist())


def resolve_pairs(
    rulings: Rulings, outline_of_footprint: Mapping[str, str], find: Find
) -> list[ResolvedPair]:
    """The verdicts on links with the outlines they are about now; unresolvable ones are left out.

    Of several about the same two outlines, which happens once their footprints have come to share
    an outline, the latest decides.

    Args:
        rulings: what is in force.
        outline_of_footprint: the outline of each footprint that is in one.
        find: the outline of a season at a point, for footprints that are in none.
    """
    latest: dict[tuple[str, str], ResolvedPair] = {}
    for pair in rulings.pairs:
        start = outline_of_footprint.get(pair.from_footprint) or find(
            pair.from_season, pair.from_lonlat, pair.from_footprint
        )
        end = outline_of_footprint.get(pair.to_footprint) or find(
            pair.to_season, pair.to_lonlat, pair.to_footprint
        )
        if start is not None and end is not None:
            latest.pop((start, end), None)
            latest[start, end] = ResolvedPair(
                start, end, pair.ruling, pair.link_kind, pair.verdict_id
            )
    return list(latest.values())


def outline_finder(
    store: Reader,
    outlines_of: Callable[[int], tuple[NDArray[np.object_], NDArray[np.object_]]],
) -> Find:
    """How the outline at a point is found, failing that the one over a former footprint.

    Where several outlines cover the point, the one that shares most with the footprint.

    Args:
        store: holds the footprints; they are kept when they are superseded.
        outlines_of: ids and EPSG:6931 polygons of a season's outlines.
    """
    import numpy as np
    import shapely

    from rts_track import grid

    trees: dict[int, tuple[NDArray[np.object_], NDArray[np.object_], shapely.STRtree]] = {}

    def find(season: int, lonlat: Lonlat, footprint_id: str) -> str | None:
        if season not in trees:
            ids, polygons = outlines_of(season)
            trees[season] = ids, polygons, shapely.STRtree(polygons)
        ids, polygons, tree = trees[season]
        point = grid.to_metric(np.array([shapely.Point(lonlat)], dtype=object))[0]
        former = _polygon(store, footprint_id)
        near = tree.query(point, predicate="intersects")
        if len(near) == 0 and former is not None:
            near = tree.query(former, predicate="intersects")
        if len(near) == 0:
            return None
        shared = np.zeros(len(near))
        if former is not None:
            shared = shapely.area(shapely.intersection(polygons[near], former))
        return str(min(zip(-shared, ids[near].tolist(), strict=True))[1])

    return find


def explain(store: Reader, ids: Iterable[str]) -> list[str]:
    """What people said of these footprints, outlines, links or tracks: who, when and why.

    One line a verdict, the earliest first; superseded ones say so. Links are also found by the
    ids of their outlines and footprints.
    """
    wanted = set(ids)
    rows = sorted(_all(store), key=lambda row: (row["decided_at"], row["verdict_id"]))
    superseded = {row["supersedes"] for row in rows}
    return [
        _line(row, row["verdict_id"] in superseded) for row in rows if wanted & set(_names(row))
    ]


def unresolved(reader: Reader) -> list[str]:
    """The ids of verdicts on links in force with an end in no outline now; none before linking.

    Looks into geometry only where a footprint is in no outline, which is rare.
    """
    links = [row for row in in_force(reader) if row["target_kind"] == "link"]
    if not links or reader.count("outline") == 0:
        return []
    ends = {row["value"][f"{end}_footprint_id"] for row in links for end in ("from", "to")}
    scope = {"footprint_id": sorted(ends)}
    rows = reader.read("footprint", ["footprint_id", "outline_id"], scope).to_pylist()
    outline_of = {row["footprint_id"]: row["outline_id"] for row in rows if row["outline_id"]}
    lost = []
    for kind in sorted({row["value"]["kind"] for row in links}):
        pairs = tuple(_pair(row) for row in links if row["value"]["kind"] == kind)
        find = outline_finder(reader, stored_outlines(reader, kind))
        lost += [
            pair.verdict_id
            for pair in pairs
            if not resolve_pairs(Rulings(kind=kind, pairs=(pair,)), outline_of, find)
        ]
    return lost


def stored_outlines(
    reader: Reader, kind: str
) -> Callable[[int], tuple[NDArray[np.object_], NDArray[np.object_]]]:
    """Ids and EPSG:6931 polygons of a kind's stored outlines, season by season."""

    def outlines_of(season: int) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        import numpy as np
        import shapely

        from rts_track import grid

        rows = reader.read(
            "outline", ["outline_id", "geometry"], {"kind": kind, "season_year": season}
        )
        ids = np.array(rows["outline_id"].to_pylist(), dtype=object)
        return ids, grid.to_metric(shapely.from_wkb(_array(rows["geometry"].to_pylist())))

    return outlines_of


def _pair(row: Row) -> PairRuling:
    value = row["value"]
    return PairRuling(
        verdict_id=row["verdict_id"],
        ruling=row["verdict"],
        link_kind=value.get("link_kind"),
        from_footprint=value["from_footprint_id"],
        to_footprint=value["to_footprint_id"],
        from_season=value["from_season_year"],
        to_season=value["season_year"],
        from_lonlat=(value["from_lon"], value["from_lat"]),
        to_lonlat=(value["to_lon"], value["to_lat"]),
        decided_at=row["decided_at"],
    )


def _former_tracks(store: Reader, kind: str, alias: Mapping[str, str | None]) -> dict[str, str]:
    """The track that each judged footprint was last known to be in, by the id in use."""
    tracks = {}
    for row in sorted(_all(store), key=lambda row: (row["decided_at"], row["verdict_id"])):
        track = row["value"].get("track_id")
        if row["target_kind"] == "footprint" and track and row["value"].get("kind") == kind:
            now = alias.get(track, track)
            if now is not None:
                tracks[row["target_id"]] = now
    return tracks


def _aliases(store: Reader) -> dict[str, str | None]:
    rows = store.read("track_alias", ["old_track_id", "track_id"]).to_pylist()
    return {row["old_track_id"]: row["track_id"] for row in rows}


def _all(store: Reader) -> list[Row]:
    return _opened(store.read("verdict").to_pylist())


def _opened(rows: list[Row]) -> list[Row]:
    return [{**row, "value": json.loads(row["value"] or "{}")} for row in rows]


def _names(row: Row) -> Iterator[str]:
    """The ids by which the verdict's target is known."""
    yield row["target_id"]
    yield from (value for name, value in row["value"].items() if name.endswith("_id"))
    yield from row["value"].get("footprint_ids", ())


def _line(row: Row, is_superseded: bool) -> str:
    """One verdict in words."""
    what = row["target_id"]
    value = row["value"]
    if row["target_kind"] == "link":
        ends = (value.get(f"{e}_outline_id") or value[f"{e}_footprint_id"] for e in ("from", "to"))
        what = " to ".join(ends)
    kind = f" as {value['link_kind']}" if row["verdict"] == "relink" else ""
    reason = f": {row['reason']}" if row["reason"] else ""
    after = " (superseded)" if is_superseded else ""
    carried = " (carried over to a new outline of it)" if "carried_from" in value else ""
    return (
        f"{row['decided_at']:%Y-%m-%d} {row['decided_by']}: {row['verdict']}"
        f" {row['target_kind']} {what}{kind}{carried}{after}{reason}"
    )


def _polygon(store: Reader, footprint_id: str) -> shapely.Geometry | None:
    """The footprint in EPSG:6931; None where there is none."""
    import shapely

    from rts_track import grid

    wkb = store.read("footprint", ["geometry"], {"footprint_id": footprint_id})["geometry"]
    return grid.to_metric(shapely.from_wkb(_array(wkb.to_pylist())))[0] if len(wkb) else None


def _array(values: list[bytes]) -> NDArray[np.object_]:
    import numpy as np

    return np.array(values, dtype=object)
