"""How well lineages were recovered: which appearances belong together.

A true lineage is the objects that true links, merges and splits connect, with all their
appearances. A found one is what shares a `lineage_id` in the store; where that is not at hand,
the appearances that found links and tracks connect. An appearance is of the lineage of its
largest outline; what the store does not hold takes no part.

B-cubed (Bagga & Baldwin 1998, doi 10.3115/980845.980859): for each appearance of a slump the share
of its found lineage that truly belongs with it (precision), and the share of its true lineage that
was found with it (recall), each averaged over appearances. Counting pairs instead (Rand 1971, doi
10.1080/01621459.1971.10482356) would let a family's weight grow with the square of its size, so
that one along a shore outweighs a whole region, and give a slump on its own none; B-cubed alone of
the common measures meets the constraints of Amigó et al. 2009 (doi 10.1007/s10791-008-9066-8).
What is no slump lowers the precision of the lineage it was taken into, and counts no further.

Most lineages are one slump, easy to get right. So the same over *families* alone: recall over true
lineages of several slumps, precision over found ones of several tracks.

Whole: a lineage is right if it has all the appearances of a true one, and nothing else; likewise a
track, of a slump. Of tracks, this F1 is the Cell Tracking Challenge's "complete tracks", CT = 2
T_rc / (T_gt + T_c) (Ulman et al. 2017, doi 10.1038/nmeth.4473), with the track that goes on through
merges and splits for its track between divisions. Found ones without any slump are not counted:
what to map is the mapper's affair.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from rts_track.track.tally import Agreement, Tally
from rts_track.track.truth import Edge, Node, Outlines, Truth, columns_of, components

_Pair = tuple[object, object]
"""What is true of a thing (None: it is no slump), and what was found."""

_SHARED_BY_OBJECTS = ("merge", "split")
"""Events that put two objects into one lineage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageScore:
    """How well lineages, families among them, and tracks were recovered."""

    lineages: Agreement
    families: Agreement
    whole_lineages: Tally
    whole_families: Tally
    whole_tracks: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """An appearance of a slump, or an outline that is none (`object_id` and `true` None).

    `true` and `found` are lineages; `track` is None where it has none.
    """

    object_id: str | None
    track: str | None
    true: object | None
    found: object


def score_lineages(members: Collection[Membership]) -> LineageScore:
    """How well the lineages that all appearances belong to were recovered."""
    objects, tracks = defaultdict[object, set[str]](set), defaultdict[object, set[str]](set)
    for member in members:
        if member.object_id is not None:
            objects[member.true].add(member.object_id)
        if member.track is not None:
            tracks[member.found].add(member.track)
    true_families = {lineage for lineage, each in objects.items() if len(each) > 1}
    found_families = {lineage for lineage, each in tracks.items() if len(each) > 1}
    pairs = Counter[_Pair]((member.true, member.found) for member in members)
    everything = set(objects), {member.found for member in members}
    of_tracks = Counter[_Pair]((member.object_id, member.track) for member in members)
    return LineageScore(
        lineages=_b_cubed(pairs, *everything),
        families=_b_cubed(pairs, true_families, found_families),
        whole_lineages=_whole(pairs, *everything),
        whole_families=_whole(pairs, true_families, found_families),
        whole_tracks=_whole(
            of_tracks,
            {object_id for object_id, _ in of_tracks},
            {track for _, track in of_tracks if track is not None},
        ),
    )


def _b_cubed(
    pairs: Mapping[_Pair, int],
    true_wanted: Collection[object],
    found_wanted: Collection[object],
) -> Agreement:
    """Recall over appearances in these true lineages, precision over those in the found ones.

    `pairs` counts appearances by true lineage (None: no slump) and found one.
    """
    n_of_true, n_of_found = _sums(pairs)
    slumps = {pair: n for pair, n in pairs.items() if pair[0] is not None}
    in_true = {pair: n for pair, n in slumps.items() if pair[0] in true_wanted}
    in_found = {pair: n for pair, n in slumps.items() if pair[1] in found_wanted}
    return Agreement(
        n_true=sum(in_true.values()),
        n_found=sum(in_found.values()),
        recall=_mean_share(in_true, {pair: n_of_true[pair[0]] for pair in in_true}),
        precision=_mean_share(in_found, {pair: n_of_found[pair[1]] for pair in in_found}),
    )


def _mean_share(counts: Mapping[_Pair, int], wholes: Mapping[_Pair, int]) -> float | None:
    """Mean over things of count / whole of the pair they are in; None if there are none."""
    n = sum(counts.values())
    if not n:
        return None
    return sum(counts[pair] ** 2 / wholes[pair] for pair in sorted(counts, key=repr)) / n


def _whole(
    pairs: Mapping[_Pair, int],
    true_wanted: Collection[object],
    found_wanted: Collection[object],
) -> Tally:
    """How many are the same in truth and as found; only found ones with a slump are counted."""
    n_of_true, n_of_found = _sums(pairs)
    n_right = sum(
        n == n_of_true[true] == n_of_found[found]
        for (true, found), n in pairs.items()
        if true in true_wanted and found in found_wanted and true is not None
    )
    with_slumps = {found for true, found in pairs if true is not None}
    return Tally(
        n_true=sum(true is not None for true in true_wanted),
        n_found=sum(found in with_slumps for found in found_wanted),
        n_right=n_right,
    )


def _sums(
    pairs: Mapping[_Pair, int],
) -> tuple[Counter[object], Counter[object]]:
    """How many there are of each true, and of each found."""
    of_true, of_found = Counter[object](), Counter[object]()
    for (true, found), n in pairs.items():
        of_true[true] += n
        of_found[found] += n
    return of_true, of_found


def memberships(
    outlines: Outlines,
    truth: Truth,
    true: Iterable[Edge],
    found: Iterable[Edge],
    lineage_of: Mapping[str, str] | None,
) -> list[Membership]:
    """What each node of the outlines belongs to; `lineage_of` is by track, None if not known."""
    nodes = sorted(set(outlines.node_of.values()), key=repr)
    true_lineage = _true_lineages(truth, true)
    found_lineage = _found_lineages(outlines, nodes, found, lineage_of)
    return [
        Membership(
            object_id=node[0],
            track=outlines.largest_of.get(node),
            true=None if node[0] is None else true_lineage[node[0]],
            found=found_lineage[node],
        )
        for node in nodes
    ]


def _true_lineages(truth: Truth, edges: Iterable[Edge]) -> Mapping[object, int]:
    """The lineage of each object."""
    objects = {each for (each,) in columns_of(truth.footprint, "object_id") if each is not None}
    relatives = [(earlier, later) for (earlier, _), (later, _) in edges]
    relatives += [
        (object_id, related)
        for object_id, related, kind in columns_of(
            truth.event, "object_id", "related_object_id", "kind"
        )
        if kind in _SHARED_BY_OBJECTS and related is not None
    ]
    return components([*objects, *(each for pair in relatives for each in pair)], relatives)


def _found_lineages(
    outlines: Outlines,
    nodes: Collection[Node],
    edges: Iterable[Edge],
    lineage_of: Mapping[str, str] | None,
) -> Mapping[Node, object]:
    """The lineage of each node; a node of its own where nothing says one."""
    if lineage_of is not None:
        track_of = outlines.largest_of
        return {
            node: lineage_of.get(track_of[node], node) if node in track_of else node
            for node in nodes
        }
    bearer: dict[str, Node] = {}
    shared = [
        (bearer.setdefault(track, node), node)
        for node in nodes
        for track in sorted(outlines.tracks_of.get(node, ()))
    ]
    return dict(components(nodes, [*shared, *edges]))
