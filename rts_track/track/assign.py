"""Which candidate pairs are links: one to one first, then splits and merges.

A sparse, two-stage assignment on shift-corrected overlap, exact within each connected component,
after the linear assignment formulation of Jaqaman et al. 2008 (doi 10.1038/nmeth.1237). Unlike
it, splits and merges are decided by directional coverage instead of a second assignment, and
dominated edges are dropped first: neighbours that touch are not relatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.track.candidates import Candidates
    from rts_track.track.params import LinkParams

MAIN, SPLIT, MERGE = "main", "split", "merge"
GAP, FRAGMENT = "gap", "fragment"
REACTIVATE, REINITIATE = "reactivate", "reinitiate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Chosen pairs, with what each means and how clear the choice was.

    `role` is main, split or merge; `share` the weight of the pair beside its strongest rival's,
    from 0 to 1 (1: no rival).
    """

    pairs: Candidates
    role: NDArray[np.str_]
    weight: NDArray[np.float64]
    share: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Links:
        """Some of them."""
        return Links(
            pairs=self.pairs.take(rows),
            role=self.role[rows],
            weight=self.weight[rows],
            share=self.share[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """What a person's word has settled of candidates, before links are chosen among them.

    `family` is a number for each parent, one for all outlines of a slump. `ended` are families
    that go on or merge as a person said, `begun` the rows of children that go on or split off.
    `told`, (n, 2) families and children, are links already; `barred`, (n, 2) parents and
    children, are none.
    """

    family: NDArray[np.int64]
    ended: NDArray[np.int64]
    begun: NDArray[np.int64]
    told: NDArray[np.int64]
    barred: NDArray[np.int64]

    def is_barred(self, pairs: Candidates) -> NDArray[np.bool_]:
        """Which pairs are no links."""
        return _are_among(pairs.parent, pairs.child, self.barred)

    def is_told(self, pairs: Candidates) -> NDArray[np.bool_]:
        """Which pairs a person has told the relation of."""
        return _are_among(self.family[pairs.parent], pairs.child, self.told)

    def is_ended(self, pairs: Candidates) -> NDArray[np.bool_]:
        """Which pairs have a parent that goes on or merges elsewhere."""
        return np.isin(self.family[pairs.parent], self.ended)

    def is_begun(self, pairs: Candidates) -> NDArray[np.bool_]:
        """Which pairs have a child that goes on or split off elsewhere."""
        return np.isin(pairs.child, self.begun)


def link_seasons(
    candidates: Candidates,
    params: LinkParams,
    n_missed: NDArray[np.int64] | None = None,
    settled: Settled | None = None,
) -> Links:
    """The links among the candidate pairs.

    At most one main link per outline; a free child becomes a split, a free parent a merge, where
    directional coverage says so. At a merge the parent that shares most area holds the main
    link, at a split the child that does.

    Args:
        candidates: pairs that overlap, or (of active zones) lie near each other.
        params: the thresholds.
        n_missed: for each pair, how many looked-at seasons have missed its parent; None: none.
        settled: what a person said; of ends that it leaves open, links are chosen. None: nothing.
    """
    if settled is not None:
        is_open = ~settled.is_barred(candidates)
        candidates = candidates.take(is_open)
        n_missed = None if n_missed is None else n_missed[is_open]
    weight = pair_weight(candidates, params)
    if n_missed is not None:
        weight = np.where(n_missed > 0, params.gap_weight * weight, weight)
    is_alike = (candidates.overlap_m2 == 0) | (candidates.iomin >= params.main_min_iomin)
    kept = np.flatnonzero(is_alike & ~is_dominated(candidates, params))
    pairs = candidates.take(kept)
    may_end, may_begin = _open_ends(pairs, settled)
    free = np.flatnonzero(may_end & may_begin)
    is_main = np.zeros(len(kept), dtype=bool)
    is_main[free] = best_one_to_one(pairs.parent[free], pairs.child[free], weight[kept[free]])
    role = _relatives(pairs, is_main, may_end, may_begin, params)
    _give_main_to_largest(pairs, role, params)
    chosen = np.flatnonzero(role != "")
    return Links(
        pairs=pairs.take(chosen),
        role=role[chosen],
        weight=weight[kept[chosen]],
        share=_share(candidates, weight, kept[chosen]),
    )


def pair_weight(candidates: Candidates, params: LinkParams) -> NDArray[np.float64]:
    """How alike each pair is, in (0, 1]: overlap counts most, mere nearness little."""
    overlapping = 0.5 * candidates.iou + 0.5 * candidates.iomin
    near = params.proximity_weight * np.exp(-candidates.distance_m / params.search_m)
    return np.where(candidates.overlap_m2 > 0, overlapping, near)


def is_dominated(candidates: Candidates, params: LinkParams) -> NDArray[np.bool_]:
    """Which pairs merely touch: one end has a far better partner, the other shares little."""
    best_for_child = _best(candidates.child, candidates.cover_child)
    best_for_parent = _best(candidates.parent, candidates.cover_parent)
    child_has_better = candidates.cover_child < params.dominated_frac * best_for_child
    parent_has_better = candidates.cover_parent < params.dominated_frac * best_for_parent
    limit = params.dominated_max_cover
    return np.asarray(
        (child_has_better & (candidates.cover_parent < limit))
        | (parent_has_better & (candidates.cover_child < limit))
    )


def best_one_to_one(
    parent: NDArray[np.int64], child: NDArray[np.int64], weight: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which pairs make the one-to-one assignment of greatest total weight, exactly."""
    chosen = np.zeros(len(parent), dtype=bool)
    if len(parent) == 0:
        return chosen
    n_parents = int(parent.max()) + 1
    n = n_parents + int(child.max()) + 1
    edges = coo_array((np.ones(len(parent)), (parent, child + n_parents)), shape=(n, n))
    component = connected_components(edges, directed=False)[1][parent]
    order = np.argsort(component, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(component[order]) > 0])
    size = np.diff(np.r_[starts, len(order)])
    chosen[order[starts[size == 1]]] = True
    for start, length in zip(starts[size > 1], size[size > 1], strict=True):
        rows = order[start : start + length]
        chosen[rows[_assign(parent[rows], child[rows], weight[rows])]] = True
    return chosen


def _assign(
    parent: NDArray[np.int64], child: NDArray[np.int64], weight: NDArray[np.float64]
) -> NDArray[np.int64]:
    parents, row = np.unique(parent, return_inverse=True)
    children, column = np.unique(child, return_inverse=True)
    table = np.zeros((len(parents), len(children)))
    pair = np.full(table.shape, -1)
    table[row, column] = weight
    pair[row, column] = np.arange(len(parent))
    matched = pair[linear_sum_assignment(table, maximize=True)]
    return np.asarray(matched[matched >= 0], dtype=np.int64)


def _best(end: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each pair the largest value among the pairs with the same end."""
    best = np.zeros(int(end.max()) + 1 if len(end) else 0)
    np.maximum.at(best, end, value)
    return best[end]


def _open_ends(
    pairs: Candidates, settled: Settled | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs have a parent that may yet go on or merge, a child that may go on or split."""
    if settled is None:
        return np.ones(len(pairs.parent), dtype=bool), np.ones(len(pairs.parent), dtype=bool)
    is_told = settled.is_told(pairs)
    return ~(settled.is_ended(pairs) | is_told), ~(settled.is_begun(pairs) | is_told)


def _are_among(
    one: NDArray[np.int64], other: NDArray[np.int64], pairs: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which of the pairs `one`, `other` are rows of (n, 2) `pairs`."""
    if not len(pairs):
        return np.zeros(len(one), dtype=bool)
    n = max(int(other.max(initial=0)), int(pairs[:, 1].max())) + 1
    return np.isin(one * n + other, pairs[:, 0] * n + pairs[:, 1])


def _relatives(
    pairs: Candidates,
    is_main: NDArray[np.bool_],
    may_end: NDArray[np.bool_],
    may_begin: NDArray[np.bool_],
    params: LinkParams,
) -> NDArray[np.str_]:
    """What each pair is: main, split, merge, or nothing."""
    role = np.where(is_main, MAIN, "").astype("U5")
    is_free_child = ~np.isin(pairs.child, pairs.child[is_main])
    is_free_parent = ~np.isin(pairs.parent, pairs.parent[is_main])
    may_split = is_free_child & may_begin & (pairs.cover_child >= params.split_min_cover)
    may_merge = is_free_parent & may_end & (pairs.cover_parent >= params.merge_min_cover)
    role[_foremost(may_split, pairs.child, pairs.cover_child, pairs.overlap_m2)] = SPLIT
    role[_foremost(may_merge, pairs.parent, pairs.cover_parent, pairs.overlap_m2)] = MERGE
    return role


def _foremost(
    eligible: NDArray[np.bool_],
    end: NDArray[np.int64],
    cover: NDArray[np.float64],
    overlap: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Of the eligible pairs of each end, the row of that with most cover, then most overlap."""
    rows = np.flatnonzero(eligible)
    order = rows[np.lexsort((rows, -overlap[rows], -cover[rows]))]
    return order[np.unique(end[order], return_index=True)[1]]


def _give_main_to_largest(pairs: Candidates, role: NDArray[np.str_], params: LinkParams) -> None:
    """Let identity follow most shared area, in place: swap a main link with a larger relative.

    What loses the main link becomes a merge or split itself if it is covered well enough.
    """
    _swap(pairs.child, pairs.overlap_m2, pairs.cover_parent, role, MERGE, params.merge_min_cover)
    _swap(pairs.parent, pairs.overlap_m2, pairs.cover_child, role, SPLIT, params.split_min_cover)


def _swap(
    end: NDArray[np.int64],
    overlap: NDArray[np.float64],
    cover: NDArray[np.float64],
    role: NDArray[np.str_],
    relative: str,
    min_cover: float,
) -> None:
    main_of = {int(end[row]): int(row) for row in np.flatnonzero(role == MAIN)}
    rows = np.flatnonzero(role == relative)
    for row in rows[np.lexsort((rows, -overlap[rows]))]:
        main = main_of.get(int(end[row]))
        if main is not None and overlap[row] > overlap[main]:
            role[row], role[main] = MAIN, relative if cover[main] >= min_cover else ""
            main_of[int(end[row])] = int(row)


def _share(
    candidates: Candidates, weight: NDArray[np.float64], chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    rival = np.maximum(
        _second_best(candidates.parent, weight), _second_best(candidates.child, weight)
    )[chosen]
    return np.asarray(weight[chosen] / (weight[chosen] + rival))


def _second_best(end: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each pair the largest weight among the other pairs with the same end; 0 if alone."""
    order = np.lexsort((-weight, end))
    first = np.r_[True, np.diff(end[order]) > 0] if len(end) else np.zeros(0, dtype=bool)
    n = int(end.max()) + 1 if len(end) else 0
    best, second = np.zeros(n), np.zeros(n)
    best_row = np.full(n, -1)
    best[end[order[first]]], best_row[end[order[first]]] = weight[order[first]], order[first]
    follower = np.flatnonzero(~first & np.r_[False, first][:-1])
    second[end[order[follower]]] = weight[order[follower]]
    return np.where(best_row[end] == np.arange(len(end)), second[end], best[end])


def renewals(pairs: Candidates, is_stable: NDArray[np.bool_], params: LinkParams) -> Links:
    """What happened to slumps that had been missed for long, if anything is found on them.

    An outline that covers enough of one is that slump, active again (`reactivate`, one to one);
    another that lies in one that had stabilised is a new slump on its scar (`reinitiate`).

    Args:
        pairs: pairs of slumps long missed, and outlines that nothing else explains.
        is_stable: for each pair, whether the slump had stabilised.
        params: the thresholds.
    """
    weight = pair_weight(pairs, params)
    may_resume = np.flatnonzero(pairs.cover_parent >= params.reactivate_min_cover)
    resumes = may_resume[
        best_one_to_one(pairs.parent[may_resume], pairs.child[may_resume], weight[may_resume])
    ]
    may_begin = is_stable & (pairs.cover_child >= params.reinitiate_min_cover)
    may_begin &= ~np.isin(pairs.child, pairs.child[resumes])
    may_begin &= ~np.isin(pairs.parent, pairs.parent[resumes])
    begins = _foremost(may_begin, pairs.child, pairs.cover_child, pairs.overlap_m2)
    chosen = np.concatenate([resumes, begins])
    return Links(
        pairs=pairs.take(chosen),
        role=np.repeat([REACTIVATE, REINITIATE], [len(resumes), len(begins)]),
        weight=weight[chosen],
        share=_share(pairs, weight, chosen),
    )
