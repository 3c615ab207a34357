"""How well tracking recovered a known truth: links, events, identities, lineages.

Both are brought to one graph of appearances (object, season) first; see `track.truth`. Truth is
taken to be dense: what it does not say of a footprint that it names is not so.

Links: a link is right if truth has an edge between its ends' nodes, whatever its kind. These are
traccuracy's basic edge measures (https://github.com/live-image-tracking-tools/traccuracy) with
this one-to-one matching of nodes. Consecutive links and those over a gap (its skip edges) are
also told apart: a right link belongs where truth puts it, a wrong one where its own kind does.
Splits and merges in the graph, LNK and stretches: see `track.score_graph`.

Events: an event is right if truth has one of the same kind for the same objects, at most
`SEASON_TOLERANCE_YR` years off (traccuracy's frame buffer, for divisions); each true one is found
once. A merge or split is of two objects, in either order: which one keeps the id is identity's
affair. So it is where several slumps become one, or one several, in a season: of such a group
any pairs are right, as many as it takes to connect those that they are of. The object of a track
is that of its outline in the season of the event or next after it; for merge and stabilise, that
of its last outline before. So an event may be right where the graph has no split, and the other
way round: one asks what was told, the other what was linked. An event that is less sure than
`TOLD_FROM` is kept for review, and counts as not told.

Identity: a switch is a change of track between successive appearances of an object; as in the
CLEAR MOT mismatch (Bernardin & Stiefelhagen 2008, doi 10.1155/2008/246309) there is none while
the former track is still among those that the object's outlines belong to.

Lineages, and whole tracks: see `track.score_lineages`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rts_track.track.score_graph import Ways, linking_measure, score_splits, score_stretches
from rts_track.track.score_lineages import LineageScore, memberships, score_lineages
from rts_track.track.tally import Agreement, Tally
from rts_track.track.truth import (
    GAP,
    Edge,
    Outlines,
    Tracked,
    Truth,
    columns_of,
    components,
    found_edges,
    true_edges,
)

if TYPE_CHECKING:
    import pyarrow as pa

SEASON_TOLERANCE_YR = 1
"""An event so many years off is still right: one missed outline delays what can be seen by one."""

TOLD_FROM = 0.5
"""Confidence from which an event is told: less sure ones are more probably wrong than right."""

EVENT_KINDS = (
    "initiate",
    "first_seen",
    "merge",
    "split",
    "stabilise",
    "reactivate",
    "reinitiate",
)
LINK_KINDS = ("main", "split", "merge", GAP, "fragment")
_WHOLE_NUMBERS = ("n_true", "n_found", "n_right")
COLUMNS = ("measure", *_WHOLE_NUMBERS, "precision", "recall", "f1", "lnk", "per_100")
"""What a row of a score holds."""

_OF_GROUPS = ("merge", "split")
"""Events that may befall several slumps at once."""
_OF_LAST_OUTLINE = ("merge", "stabilise")
"""Events that end a track: their object is that of its last outline before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The measures; what each means says the head of this module.

    `footprints`: those that truth names, those in outlines of the store, and those that are both;
    the rest takes no part. `lnk` is None where truth has no link. `events` holds every kind of
    EVENT_KINDS.
    """

    footprints: Tally
    consecutive: Tally
    gap: Tally
    splits: Tally
    merges: Tally
    stretches: Agreement
    lnk: float | None
    events: Mapping[str, Tally]
    lineages: LineageScore
    n_appearances: int
    n_id_switches: int

    @property
    def links(self) -> Tally:
        """All links."""
        return self.consecutive + self.gap

    @property
    def all_events(self) -> Tally:
        """Events of every kind."""
        return sum(self.events.values(), Tally())

    @property
    def id_switches_per_100(self) -> float | None:
        """Identity switches per 100 appearances; None if no object appears."""
        return 100.0 * self.n_id_switches / self.n_appearances if self.n_appearances else None

    def rows(self) -> list[dict[str, object]]:
        """The measures, one a row: measure, n_true, n_found, n_right, precision, recall, f1, ...

        ... lnk and per_100. Where precision and recall are means, there is no n_right; n_true and
        n_found are what they are means over. The row of all links has their LNK. That of the
        identity switches has appearances as n_true, switches as n_found, and per_100. What cannot
        be told is None.
        """
        lineages = self.lineages
        measures: dict[str, Tally | Agreement] = {
            "footprints": self.footprints,
            "links": self.links,
            "links, consecutive": self.consecutive,
            "links, gap": self.gap,
            "links, splits": self.splits,
            "links, merges": self.merges,
            "links, stretches": self.stretches,
            "events": self.all_events,
            **{f"events, {kind}": self.events[kind] for kind in EVENT_KINDS},
            "lineages": lineages.lineages,
            "lineages, families": lineages.families,
            "lineages, whole": lineages.whole_lineages,
            "lineages, whole families": lineages.whole_families,
            "tracks, whole": lineages.whole_tracks,
        }
        rows = [_row(measure, of) for measure, of in measures.items()]
        rows[list(measures).index("links")]["lnk"] = self.lnk
        switches = dict.fromkeys(COLUMNS) | {
            "measure": "identity switches",
            "n_true": self.n_appearances,
            "n_found": self.n_id_switches,
            "per_100": self.id_switches_per_100,
        }
        return [*rows, switches]

    def table(self) -> pa.Table:
        """The rows as an Arrow table."""
        import pyarrow as pa

        types = {"measure": pa.string(), **dict.fromkeys(_WHOLE_NUMBERS, pa.int64())}
        schema = pa.schema([(name, types.get(name, pa.float64())) for name in COLUMNS])
        return pa.Table.from_pylist(self.rows(), schema=schema)


def _row(measure: str, of: Tally | Agreement) -> dict[str, object]:
    return dict.fromkeys(COLUMNS) | {
        "measure": measure,
        "n_true": of.n_true,
        "n_found": of.n_found,
        "n_right": of.n_right if isinstance(of, Tally) else None,
        "precision": of.precision,
        "recall": of.recall,
        "f1": of.f1,
    }


def score_tracking(
    tracked: Tracked,
    truth: Truth,
    season_tolerance_yr: int = SEASON_TOLERANCE_YR,
    told_from: float = TOLD_FROM,
) -> Score:
    """How well what was tracked agrees with what is true; the order of rows means nothing."""
    object_of = dict(columns_of(truth.footprint, "source_feature_id", "object_id"))
    outlines = Outlines.of(tracked, object_of)
    found, true = found_edges(tracked.link, outlines), true_edges(truth, tracked, object_of)
    consecutive, gap = _score_links(found, true)
    of_found, of_true = Ways.of(found), Ways.of(true)
    known = {
        feature
        for feature, outline in columns_of(tracked.footprint, "source_feature_id", "outline_id")
        if outline is not None and feature is not None
    }
    lineage_of = (
        None if tracked.track is None else dict(columns_of(tracked.track, "track_id", "lineage_id"))
    )
    n_appearances, n_id_switches = _count_switches(outlines)
    return Score(
        footprints=Tally(
            n_true=len(object_of), n_found=len(known), n_right=len(known & object_of.keys())
        ),
        consecutive=consecutive,
        gap=gap,
        splits=score_splits(of_found, of_true, season_tolerance_yr),
        merges=score_splits(of_found.in_reverse, of_true.in_reverse, season_tolerance_yr),
        stretches=score_stretches(found, true),
        lnk=linking_measure(found, true),
        events=_score_events(
            _told(tracked.event, told_from), truth.event, outlines, season_tolerance_yr
        ),
        lineages=score_lineages(memberships(outlines, truth, true, found, lineage_of)),
        n_appearances=n_appearances,
        n_id_switches=n_id_switches,
    )


def _score_links(found: Mapping[Edge, bool], true: Mapping[Edge, bool]) -> tuple[Tally, Tally]:
    """The tallies of consecutive links and of those over a gap."""
    n_true = Counter(true.values())
    n_right = Counter(true[edge] for edge in found if edge in true)
    n_wrong = Counter(is_gap for edge, is_gap in found.items() if edge not in true)
    consecutive, gap = (
        Tally(
            n_true=n_true[is_gap],
            n_found=n_right[is_gap] + n_wrong[is_gap],
            n_right=n_right[is_gap],
        )
        for is_gap in (False, True)
    )
    return consecutive, gap


def _told(events: pa.Table, told_from: float) -> pa.Table:
    """The events that are sure enough to be told; all where nothing says how sure they are."""
    if "confidence" not in events.column_names:
        return events
    return events.filter([sure >= told_from for sure in events["confidence"].to_pylist()])


def _score_events(
    found: pa.Table, true: pa.Table, outlines: Outlines, season_tolerance_yr: int
) -> dict[str, Tally]:
    true_years: dict[tuple[str, frozenset[str]], list[int]] = defaultdict(list)
    found_years: dict[tuple[str, frozenset[str]], list[int]] = defaultdict(list)
    n_true, n_found, n_right = Counter[str](), Counter[str](), Counter[str]()
    columns = ("object_id", "related_object_id", "season_year", "kind")
    for object_id, related, season_year, kind in columns_of(true, *columns):
        n_true[kind] += 1
        slumps = frozenset(each for each in (object_id, related) if each is not None)
        true_years[kind, slumps].append(season_year)
    for kind, season_year, objects in _found_events(found, outlines):
        n_found[kind] += 1
        if objects is not None:
            found_years[kind, objects].append(season_year)
    for (kind, slumps), years in true_years.items():
        if kind not in _OF_GROUPS:
            n_right[kind] += _n_paired(years, found_years[kind, slumps], season_tolerance_yr)
    for kind in _OF_GROUPS:
        n_right[kind] = _n_connected(kind, true_years, found_years, season_tolerance_yr)
    return {
        kind: Tally(n_true=n_true[kind], n_found=n_found[kind], n_right=n_right[kind])
        for kind in EVENT_KINDS
    }


def _n_connected(
    kind: str,
    true_years: Mapping[tuple[str, frozenset[str]], list[int]],
    found_years: Mapping[tuple[str, frozenset[str]], list[int]],
    tolerance_yr: int,
) -> int:
    """How many found pairs connect objects that truth connects in about the same season."""
    true_pairs: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for (of, slumps), years in true_years.items():
        if of == kind and len(slumps) == 2:
            one, other = sorted(slumps)
            for year in years:
                true_pairs[year].append((one, other))
    waiting: list[tuple[int, str, str]] = []
    for (of, slumps), years in found_years.items():
        if of == kind and len(slumps) == 2:
            one, other = sorted(slumps)
            waiting += [(year, one, other) for year in years]
    n = 0
    for year, pairs in sorted(true_pairs.items()):
        group = components({each for pair in pairs for each in pair}, pairs)
        joined: list[tuple[str, str]] = []
        left: list[tuple[int, str, str]] = []
        for found_year, one, other in sorted(waiting):
            is_near = abs(found_year - year) <= tolerance_yr
            is_same = one in group and other in group and group[one] == group[other]
            now = components({*group}, joined) if is_near and is_same else {}
            if now and now[one] != now[other]:
                joined.append((one, other))
            else:
                left.append((found_year, one, other))
        waiting, n = left, n + len(joined)
    return n


def _found_events(
    found: pa.Table, outlines: Outlines
) -> Iterator[tuple[str, int, frozenset[str] | None]]:
    """Kind, season and objects of each event whose tracks truth speaks of; None: of no slump."""
    columns = ("track_id", "related_track_id", "season_year", "kind")
    for track, related, season_year, kind in columns_of(found, *columns):
        tracks = [each for each in (track, related) if each is not None]
        if not all(outlines.has(each) for each in tracks):
            continue
        is_before = kind in _OF_LAST_OUTLINE
        objects = [outlines.object_at(each, season_year, is_before=is_before) for each in tracks]
        slumps = frozenset(each for each in objects if each is not None)
        yield kind, season_year, slumps if None not in objects else None


def _n_paired(true_years: list[int], found_years: list[int], tolerance_yr: int) -> int:
    """The most pairs that lie no further apart, each year in one pair at most."""
    waiting, n = sorted(found_years), 0
    for year in sorted(true_years):
        near = next((each for each in waiting if abs(each - year) <= tolerance_yr), None)
        if near is not None:
            waiting.remove(near)
            n += 1
    return n


def _count_switches(outlines: Outlines) -> tuple[int, int]:
    """How often objects appear with a track, and how often their track changes."""
    seasons_of: dict[str, list[int]] = defaultdict(list)
    for object_id, season_year in outlines.tracks_of:
        if object_id is not None and isinstance(season_year, int):
            seasons_of[object_id].append(season_year)
    return (
        sum(len(seasons) for seasons in seasons_of.values()),
        sum(_switches(outlines, each, sorted(seasons)) for each, seasons in seasons_of.items()),
    )


def _switches(outlines: Outlines, object_id: str, seasons: list[int]) -> int:
    carried = [outlines.largest_of[object_id, seasons[0]]]
    for season_year in seasons[1:]:
        node = (object_id, season_year)
        is_still = carried[-1] in outlines.tracks_of[node]
        carried.append(carried[-1] if is_still else outlines.largest_of[node])
    return sum(before != after for before, after in pairwise(carried))
