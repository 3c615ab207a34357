"""Measures on the graph of appearances, as traccuracy 0.3 defines them where it does.

Nodes are appearances, matched one to one; see `track.truth`. An edge over a gap is an edge.

Splits and merges: an appearance that leads to several *splits*. A split is right if truth has one
at the same appearance with the same successors; or some years off, up to the tolerance, where the
only path back from the later one leads to the earlier, and the only paths on from the earlier
one's successors lead to those of the later (traccuracy's division metrics and their frame
buffer). A merge is a split with time reversed. Of merges traccuracy says nothing; where the way
back meets one it gives up, here there is then no only path. Two successors that were not mapped
are the same to it, here they are none.

LNK: the Cell Tracking Challenge's linking measure (Matula et al. 2015, doi
10.1371/journal.pone.0144959): 1 - min(A, A0) / A0, where A = FP + 1.5 FN + WS is what it costs to
mend the found edges and A0 = 1.5 times the true edges what it costs to draw them all. FP are
found edges between slumps that truth does not have, FN true edges not found, WS right edges that
are part of a split or merge in but one of the graphs. Edges to what is no slump go with their
node at no cost. The challenge's TRA would add what nodes cost: that is the mapper's affair.

Stretches: edges in a row between splits and merges (traccuracy's tracklets, with the edges of a
division counted to its daughters). Target effectiveness is the share of true edges that lie in
that found stretch which has most of their own; track purity is the same with truth and found
swapped (Bise et al. 2011, doi 10.1109/ISBI.2011.5872571). traccuracy does not cut at merges; here
the edges into one count to the parents' stretches, and an edge from a split into a merge is a
stretch of its own. Where a part of a split splits at once, traccuracy may count the edge into it
several times, by the order of its edges; here each edge is of one stretch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from rts_track.track.tally import Agreement, Tally
from rts_track.track.truth import Edge, Node, components

FALSE_EDGE_COST = 1.0
MISSED_EDGE_COST = 1.5
WRONG_MEANING_COST = 1.0
"""The Cell Tracking Challenge's weights."""

_Stretch = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Where edges lead: on from each node that has any, and back likewise."""

    onward: Mapping[Node, frozenset[Node]]
    back: Mapping[Node, frozenset[Node]]

    @classmethod
    def of(cls, edges: Iterable[Edge]) -> Ways:
        """The ways that these edges make."""
        onward, back = defaultdict[Node, set[Node]](set), defaultdict[Node, set[Node]](set)
        for earlier, later in edges:
            onward[earlier].add(later)
            back[later].add(earlier)
        return cls(
            onward={node: frozenset(ends) for node, ends in onward.items()},
            back={node: frozenset(ends) for node, ends in back.items()},
        )

    @property
    def in_reverse(self) -> Ways:
        """The ways with time reversed: merges are splits."""
        return Ways(onward=self.back, back=self.onward)

    def splits(self) -> set[Node]:
        """The nodes that lead to several."""
        return {node for node, ends in self.onward.items() if len(ends) > 1}

    def is_split(self, edge: Edge) -> bool:
        """Whether the edge is one of several onward."""
        return len(self.onward[edge[0]]) > 1

    def is_merge(self, edge: Edge) -> bool:
        """Whether the edge is one of several back."""
        return len(self.back[edge[1]]) > 1


def score_splits(found: Ways, true: Ways, season_tolerance_yr: int) -> Tally:
    """How many splits are right, at most so many years off; of ways in reverse: how many merges."""
    of_found, of_true = found.splits(), true.splits()
    n_right = sum(found.onward[node] == true.onward[node] for node in of_found & of_true)
    missed = sorted(of_true - of_found, key=repr)
    for node in sorted(of_found - of_true, key=repr):
        same = next(
            (
                each
                for each in missed
                if _years_apart(node, each) <= season_tolerance_yr
                and (_is_later(each, true, node, found) or _is_later(node, found, each, true))
            ),
            None,
        )
        if same is not None:
            missed.remove(same)
            n_right += 1
    return Tally(n_true=len(of_true), n_found=len(of_found), n_right=n_right)


def _years_apart(one: Node, other: Node) -> float:
    """Years between the nodes' seasons; infinite for what truth cannot place."""
    if isinstance(one[1], int) and isinstance(other[1], int):
        return abs(one[1] - other[1])
    return float("inf")


def _is_later(late: Node, of_late: Ways, early: Node, of_early: Ways) -> bool:
    """Whether the one split is the other, only later: what parts is the same, and what into."""
    if _first_on_path(late, of_late.back, {early}) != early:
        return False
    ends = of_late.onward[late]
    reached = [_first_on_path(each, of_early.onward, ends) for each in of_early.onward[early]]
    return len(reached) == len(ends) and set(reached) == ends


def _first_on_path(
    start: Node, ways: Mapping[Node, frozenset[Node]], wanted: Collection[Node]
) -> Node | None:
    """The first of the wanted nodes on the only path from there; None where it parts or ends."""
    node = start
    while node not in wanted:
        ends = ways.get(node, frozenset())
        if len(ends) != 1:
            return None
        (node,) = ends
    return node


def linking_measure(found: Collection[Edge], true: Collection[Edge]) -> float | None:
    """The Cell Tracking Challenge's LNK, from 0 to 1; None where truth has no edge."""
    if not true:
        return None
    of_found, of_true = Ways.of(found), Ways.of(true)
    right = [edge for edge in found if edge in true]
    n_false = sum(_is_of_slumps(edge) for edge in found) - len(right)
    n_other_meaning = sum(
        (of_found.is_split(edge) or of_found.is_merge(edge))
        != (of_true.is_split(edge) or of_true.is_merge(edge))
        for edge in right
    )
    cost = (
        FALSE_EDGE_COST * n_false
        + MISSED_EDGE_COST * (len(true) - len(right))
        + WRONG_MEANING_COST * n_other_meaning
    )
    of_nothing = MISSED_EDGE_COST * len(true)
    return 1.0 - min(cost, of_nothing) / of_nothing


def _is_of_slumps(edge: Edge) -> bool:
    return all(object_id is not None for object_id, _ in edge)


def score_stretches(found: Collection[Edge], true: Collection[Edge]) -> Agreement:
    """Track purity as precision, target effectiveness as recall; of so many edges."""
    of_found, of_true = _stretches(found), _stretches(true)
    return Agreement(
        n_true=len(of_true),
        n_found=len(of_found),
        precision=_overlap(of_found, of_true),
        recall=_overlap(of_true, of_found),
    )


def _stretches(edges: Collection[Edge]) -> dict[Edge, _Stretch]:
    """The stretch that each edge belongs to."""
    ways = Ways.of(edges)
    plain = [edge for edge in edges if not (ways.is_split(edge) or ways.is_merge(edge))]
    number = components((node for edge in edges for node in edge), plain)

    def stretch(edge: Edge) -> _Stretch:
        if not ways.is_split(edge):
            return (number[edge[0]],)
        return edge if ways.is_merge(edge) else (number[edge[1]],)

    return {edge: stretch(edge) for edge in edges}


def _overlap(one: Mapping[Edge, _Stretch], other: Mapping[Edge, _Stretch]) -> float | None:
    """The share of edges that lie in that stretch of the other which has most of their own."""
    shared: dict[_Stretch, Counter[_Stretch]] = defaultdict(Counter)
    for edge in one.keys() & other.keys():
        shared[one[edge]][other[edge]] += 1
    if not one:
        return None
    return sum(max(counts.values()) for counts in shared.values()) / len(one)
