"""What we score as traccuracy does gives traccuracy's numbers, on drawn and on random graphs.

Both are given the same story: nodes (object, season), true and found edges. We read it from
tables, as `rts-track score` does; for traccuracy it is made into two graphs and a matching.
"""

import random
import warnings
from dataclasses import dataclass

import networkx as nx
import pyarrow as pa
import pytest

from rts_track.track.score import score_tracking
from rts_track.track.truth import Tracked, Truth

pytest.importorskip("traccuracy", reason="a development extra")

from traccuracy import TrackingGraph
from traccuracy.matchers import Matched
from traccuracy.metrics import BasicMetrics, CTCMetrics, DivisionMetrics, TrackOverlapMetrics

FIRST, N_SEASONS = 2015, 6


@dataclass(frozen=True)
class Graphs:
    """Appearances by name, each (object or None, season); edges are pairs of names.

    `unmapped`: true appearances that no outline shows.
    """

    nodes: dict[str, tuple[str | None, int]]
    true: set[tuple[str, str]]
    found: set[tuple[str, str]]
    unmapped: frozenset[str] = frozenset()

    def season(self, name):
        return self.nodes[name][1]

    def is_skip(self, edge):
        return self.season(edge[1]) - self.season(edge[0]) > 1

    def only(self, *, skips):
        """The same nodes with the edges that skip a season, or with the others."""
        kept = [{e for e in edges if self.is_skip(e) == skips} for edges in (self.true, self.found)]
        return Graphs(self.nodes, *kept, self.unmapped)


def ours(graphs):
    """The story as tables: a footprint and an outline a node, a gap where a season is skipped."""

    def links(edges, start, end):
        rows = sorted(edges)
        return pa.table(
            {
                start: pa.array([earlier for earlier, _ in rows], pa.string()),
                end: pa.array([later for _, later in rows], pa.string()),
                "kind": pa.array(
                    ["gap" if graphs.is_skip(e) else "main" for e in rows], pa.string()
                ),
            }
        )

    names = sorted(graphs.nodes)
    seasons = [graphs.season(name) for name in names]
    outline = [None if name in graphs.unmapped else name for name in names]
    ones = [1.0] * len(names)
    no_event = pa.table({c: pa.nulls(0, pa.string()) for c in ("object_id", "related_object_id")})
    no_event = no_event.append_column("season_year", pa.nulls(0, pa.int32()))
    no_event = no_event.append_column("kind", pa.nulls(0, pa.string()))
    tracked = Tracked(
        footprint=pa.table(
            {
                "source_feature_id": names,
                "outline_id": pa.array(outline, pa.string()),
                "season_year": seasons,
                "area_m2": ones,
            }
        ),
        outline=pa.table(
            {
                "outline_id": names,
                "track_id": pa.nulls(len(names), pa.string()),
                "season_year": seasons,
                "area_m2": ones,
            }
        ),
        link=links(graphs.found, "from_outline_id", "to_outline_id"),
        event=no_event.rename_columns(["track_id", "related_track_id", "season_year", "kind"]),
    )
    truth = Truth(
        footprint=pa.table(
            {
                "source_feature_id": names,
                "object_id": pa.array([graphs.nodes[name][0] for name in names], pa.string()),
                "season_year": seasons,
            }
        ),
        link=links(graphs.true, "from_source_feature_id", "to_source_feature_id"),
        event=no_event,
    )
    return score_tracking(tracked, truth)


def theirs(graphs, metric):
    """The metric's results; NaN is None. It counts what is not there, and warns of it."""
    matched = matching(graphs)
    with warnings.catch_warnings():
        for message in (
            "No (ground truth|predicted) (node|edge)s present",
            "No (nodes|edges) in the GT graph",
            "AOGM0 is 0",
            "Mapping is empty",
        ):
            warnings.filterwarnings("ignore", message=message)
        results = metric.compute(matched).results
    return {name: none_for_nan(value) for name, value in results.items()}


def none_for_nan(value):
    return None if value != value else value  # NaN alone is unequal to itself


def matching(graphs):
    def graph(nodes, edges):
        drawn = nx.DiGraph()
        drawn.add_nodes_from((name, {"t": graphs.season(name), "x": 0, "y": 0}) for name in nodes)
        drawn.add_edges_from(edges)
        return TrackingGraph(drawn)

    true_nodes = [name for name, (object_id, _) in graphs.nodes.items() if object_id is not None]
    found_nodes = [name for name in graphs.nodes if name not in graphs.unmapped]
    both = [(name, name) for name in true_nodes if name not in graphs.unmapped]
    return Matched(
        graph(true_nodes, graphs.true),
        graph(found_nodes, graphs.found),
        both,
        {"name": "the same names"},
    )


def drawn(true, found, unmapped=""):
    """`a0-a1 a1-b2`: object a in the first season, and so on; x is no slump."""
    edges = [{tuple(word.split("-")) for word in text.split()} for text in (true, found)]
    names = {name for each in edges for edge in each for name in edge} | set(unmapped.split())
    nodes = {name: (None if name[0] == "x" else name[0], FIRST + int(name[1])) for name in names}
    return Graphs(nodes, *edges, frozenset(unmapped.split()))


def random_graphs(seed, *, has_merges, has_skips, is_whole):
    """A story by lot; `is_whole`: every slump is mapped, and nothing else is."""
    rng = random.Random(seed)
    nodes = {
        f"{slump}{season}": (slump, FIRST + season)
        for slump in "abcdef"
        for season in range(N_SEASONS)
        if rng.random() < 0.85
    }
    if not is_whole:
        nodes |= {f"x{season}": (None, FIRST + season) for season in range(N_SEASONS)}
    slumps = [name for name in nodes if name[0] != "x"]
    unmapped = [] if is_whole else [name for name in slumps if rng.random() < 0.1]

    def edges(names):
        made = set()
        for later in names:
            earlier = [
                name
                for name in names
                if 0 < nodes[later][1] - nodes[name][1] <= (2 if has_skips else 1)
            ]
            own = [name for name in earlier if name[0] == later[0]]
            n_parents = rng.choice([0, 1, 1, 1, 2]) if has_merges else rng.choice([0, 1, 1, 1])
            pool = own if own and rng.random() < 0.7 else earlier
            made |= {(name, later) for name in rng.sample(pool, min(n_parents, len(pool)))}
        return made

    true = edges(slumps)
    mapped = [name for name in nodes if name not in unmapped]
    parent_of = {later: earlier for earlier, later in true}
    found = set()
    for earlier, later in edges(mapped):
        parent = parent_of.get(later, earlier)
        is_known = parent in mapped and rng.random() < 0.8
        found.add((parent if is_known else earlier, later))
    return Graphs(nodes, true, found, frozenset(unmapped))


def agree(mine, traccuracys):
    assert mine == (None if traccuracys is None else pytest.approx(traccuracys))


DRAWN = {
    "all found": drawn("a0-a1 a1-a2 a1-b2", "a0-a1 a1-a2 a1-b2"),
    "one missed, one wrong": drawn("a0-a1 a1-a2 b0-b1 b1-b2", "a0-a1 b0-b1 b1-a2 b1-b2"),
    "nothing found": drawn("a0-a1 a1-a2", ""),
    "nothing true": drawn("", "x0-x1"),
    "what is no slump": drawn("a0-a1 a1-a2", "a0-x1 x1-a2 a0-a1 a1-a2", unmapped=""),
    "a slump not mapped": drawn("a0-a1 a1-a2", "a0-a2", unmapped="a1"),
    "a split late": drawn("a0-a1 a0-b1 a1-a2 b1-b2", "a0-a1 a1-a2 a1-b2"),
    "a split early": drawn("a0-a1 a1-a2 a1-b2", "a0-a1 a0-b1 a1-a2 b1-b2"),
    "a split into another": drawn("a0-a1 a0-b1 c0-c1", "a0-a1 a0-c1"),
}
SEEDS = range(12)


def all_kinds():
    return [*DRAWN.values(), *(random_story(seed) for seed in SEEDS)]


def random_story(seed):
    return random_graphs(seed, has_merges=True, has_skips=True, is_whole=False)


def check_edges(tally, graphs):
    results = theirs(graphs, BasicMetrics())
    assert tally.n_true == results["Total GT Edges"]
    assert tally.n_found == results["Total Pred Edges"]
    assert tally.n_right == results["True Positive Edges"]
    agree(tally.precision, results["Edge Precision"])
    agree(tally.recall, results["Edge Recall"])
    if tally.n_right:  # none right: zero to us, not a number to traccuracy
        agree(tally.f1, results["Edge F1"])


def test_links_are_basic_edges():
    for graphs in all_kinds():
        check_edges(ours(graphs).links, graphs)


def test_consecutive_and_gap_links_are_edges_without_and_with_a_skip():
    for graphs in all_kinds():
        score = ours(graphs)
        check_edges(score.consecutive, graphs.only(skips=False))
        check_edges(score.gap, graphs.only(skips=True))


def test_lnk_is_the_challenges():
    for graphs in all_kinds():
        agree(ours(graphs).lnk, theirs(graphs, CTCMetrics())["LNK"])


def test_splits_are_divisions_with_a_frame_buffer_of_one():
    whole = [
        random_graphs(seed, has_merges=False, has_skips=False, is_whole=True) for seed in SEEDS
    ]
    n_late = 0
    for graphs in [*DRAWN.values(), *whole]:
        splits = ours(graphs).splits
        by_buffer = theirs(graphs, DivisionMetrics(max_frame_buffer=1))
        results = by_buffer["Frame Buffer 1"]
        assert splits.n_true == results["Total GT Divisions"]
        assert splits.n_found == results["Total Predicted Divisions"]
        assert splits.n_right == results["True Positive Divisions"]
        n_late += splits.n_right - by_buffer["Frame Buffer 0"]["True Positive Divisions"]
    assert n_late >= 2


def test_stretches_are_track_overlap_where_nothing_merges_and_no_part_of_a_split_splits_at_once():
    n = 0
    forests = [
        random_graphs(seed, has_merges=False, has_skips=True, is_whole=False) for seed in range(60)
    ]
    for graphs in [*DRAWN.values(), *forests]:
        if not all(edges and is_plain(edges) for edges in (graphs.true, graphs.found)):
            continue
        n += 1
        stretches = ours(graphs).stretches
        results = theirs(graphs, TrackOverlapMetrics())
        agree(stretches.precision, results["track_purity"])
        agree(stretches.recall, results["target_effectiveness"])
    assert n >= 10


def is_plain(edges):
    """Whether nothing merges, and no part of a division is one itself.

    To the edges of such a part traccuracy counts those into it, too, if the edges' order is so.
    """
    graph = nx.DiGraph(edges)
    splits = {name for name in graph if graph.out_degree(name) > 1}
    return all(graph.in_degree(name) < 2 for name in graph) and not any(
        earlier in splits and later in splits for earlier, later in edges
    )


def test_lineages_that_links_make_are_connected_components():
    for graphs in all_kinds():
        if graphs.unmapped or any(name[0] == "x" for name in graphs.nodes):
            continue
        matched = matching(graphs)
        true, found = (
            {frozenset(each.nodes) for each in side.get_connected_components()}
            for side in (matched.gt_graph, matched.pred_graph)
        )
        by_object = with_objects_joined(true, graphs)
        whole = ours(graphs).lineages.whole_lineages
        assert whole.n_found == len(found)
        assert whole.n_true == len(by_object)
        assert whole.n_right == len(by_object & found)


def with_objects_joined(components, graphs):
    """An object is one slump in truth, also where no edge connects its appearances."""
    joined = nx.Graph()
    for each in components:
        for name in each:
            joined.add_edge(("slump", graphs.nodes[name][0]), name)
        nx.add_path(joined, sorted(each))
    return {
        frozenset(name for name in each if isinstance(name, str))
        for each in nx.connected_components(joined)
    }
