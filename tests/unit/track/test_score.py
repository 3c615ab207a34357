"""Small stories with a hand count, and a simulated history with a perfect and a damaged record."""

import numpy as np
import pyarrow as pa
import pytest

from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.track.score import EVENT_KINDS, score_tracking
from rts_track.track.truth import Tracked, Truth

FOOTPRINT = pa.schema(
    [
        ("source_feature_id", pa.string()),
        ("outline_id", pa.string()),
        ("season_year", pa.int32()),
        ("area_m2", pa.float64()),
    ]
)
OUTLINE = pa.schema(
    [
        ("outline_id", pa.string()),
        ("track_id", pa.string()),
        ("season_year", pa.int32()),
        ("area_m2", pa.float64()),
    ]
)
LINK = pa.schema([(name, pa.string()) for name in ("from_outline_id", "to_outline_id", "kind")])
EVENT = pa.schema(
    [
        ("track_id", pa.string()),
        ("related_track_id", pa.string()),
        ("season_year", pa.int32()),
        ("kind", pa.string()),
    ]
)
TRACK = pa.schema([("track_id", pa.string()), ("lineage_id", pa.string())])
TRUE_FOOTPRINT = pa.schema([("source_feature_id", pa.string()), ("object_id", pa.string())])
TRUE_LINK = pa.schema(
    [(name, pa.string()) for name in ("from_source_feature_id", "to_source_feature_id", "kind")]
)
TRUE_EVENT = pa.schema(
    [
        ("object_id", pa.string()),
        ("related_object_id", pa.string()),
        ("season_year", pa.int32()),
        ("kind", pa.string()),
    ]
)


def rows(schema, *lines):
    """A table from lines of words; `-` is null, numbers are numbers."""
    cells = [line.split() for line in lines]
    columns = []
    for number, field in enumerate(schema):
        values = [None if row[number] == "-" else row[number] for row in cells]
        if not pa.types.is_string(field.type):
            values = [float(value) for value in values]
        columns.append(pa.array(values).cast(field.type))
    return pa.table(columns, schema=schema)


def story(
    *,
    footprints,
    tracks,
    links=(),
    events=(),
    true_links=(),
    true_events=(),
    lineages=None,
    confidences=None,
):
    """The score of a story.

    Args:
        footprints: `feature object outline season area`.
        tracks: `outline track`.
        links: `outline outline kind`.
        events: `track related season kind`.
        true_links: `feature feature kind`.
        true_events: `object related season kind`.
        lineages: `track lineage`, if lineages were kept.
        confidences: of the events, if they are known.
    """
    cells = [line.split() for line in footprints]
    track_of = dict(line.split() for line in tracks)
    areas = {}
    for _, _, outline, season, area in cells:
        if outline != "-":
            areas.setdefault((outline, season), []).append(float(area))
    event = rows(EVENT, *events)
    if confidences is not None:
        event = event.append_column("confidence", pa.array(confidences))
    tracked = Tracked(
        footprint=rows(FOOTPRINT, *(f"{f} {o} {s} {a}" for f, _, o, s, a in cells)),
        outline=rows(
            OUTLINE, *(f"{o} {track_of.get(o, '-')} {s} {max(a)}" for (o, s), a in areas.items())
        ),
        link=rows(LINK, *links),
        event=event,
        track=None if lineages is None else rows(TRACK, *lineages),
    )
    truth = Truth(
        footprint=rows(TRUE_FOOTPRINT, *(f"{f} {o}" for f, o, *_ in cells if o != "?")),
        link=rows(TRUE_LINK, *true_links),
        event=rows(TRUE_EVENT, *true_events),
    )
    return score_tracking(tracked, truth)


def counts(tally):
    return tally.n_true, tally.n_found, tally.n_right


TWO_SLUMPS = {
    "footprints": [
        "a18 A A18 2018 500", "a19 A A19 2019 600", "a20 A A20 2020 700",
        "b18 B B18 2018 500", "b19 B B19 2019 600", "b20 B B20 2020 700",
    ],
    "tracks": ["A18 1", "A19 1", "A20 1", "B18 2", "B19 2", "B20 2"],
    "true_links": ["a18 a19 main", "a19 a20 main", "b18 b19 main", "b19 b20 main"],
}  # fmt: skip


def test_links_found_as_they_are_score_one():
    score = story(
        **TWO_SLUMPS, links=["A18 A19 main", "A19 A20 main", "B18 B19 main", "B19 B20 main"]
    )
    assert counts(score.consecutive) == (4, 4, 4)
    assert score.links.f1 == score.consecutive.precision == score.consecutive.recall == 1.0
    assert score.n_id_switches == 0


def test_a_link_not_found_costs_recall_and_a_wrong_one_precision():
    score = story(**TWO_SLUMPS, links=["A18 A19 main", "A19 B20 main", "B18 B19 main"])
    assert counts(score.consecutive) == (4, 3, 2)
    assert score.consecutive.recall == 0.5
    assert score.consecutive.precision == pytest.approx(2 / 3)
    assert score.consecutive.f1 == pytest.approx(4 / 7)


def test_a_link_to_something_that_is_no_slump_is_wrong():
    score = story(
        footprints=["a18 A A18 2018 500", "x19 - X19 2019 100"],
        tracks=[],
        links=["A18 X19 main"],
    )
    assert counts(score.consecutive) == (0, 1, 0)


def test_footprints_that_truth_does_not_name_take_no_part():
    score = story(
        footprints=["a18 A A18 2018 500", "u19 ? U19 2019 100"],
        tracks=["A18 1", "U19 1"],
        links=["A18 U19 main"],
        events=["1 - 2018 first_seen"],
        true_events=["A - 2018 first_seen"],
    )
    assert counts(score.footprints) == (1, 2, 1)
    assert counts(score.links) == (0, 0, 0)
    assert counts(score.all_events) == (1, 1, 1)


def test_footprints_that_the_store_does_not_hold_are_counted_and_their_links_missed():
    tracked_part = [line for line in TWO_SLUMPS["footprints"] if not line.startswith("b20")]
    score = story(
        footprints=[*tracked_part, "b20 B - 2020 700"],
        tracks=TWO_SLUMPS["tracks"],
        true_links=TWO_SLUMPS["true_links"],
        links=["A18 A19 main", "A19 A20 main", "B18 B19 main"],
    )
    assert counts(score.footprints) == (6, 5, 5)
    assert counts(score.links) == (4, 3, 3)


def test_two_scenes_of_a_season_count_once():
    score = story(
        footprints=["a18 A A18 2018 500", "c18 A A18 2018 510",
                    "a19 A A19 2019 600", "c19 A A19 2019 590"],
        tracks=["A18 1", "A19 1"],
        links=["A18 A19 main"],
        true_links=["a18 a19 main", "a18 c19 main", "c18 a19 main", "c18 c19 main"],
    )  # fmt: skip
    assert counts(score.consecutive) == (1, 1, 1)


def test_the_pieces_of_a_fragmented_slump_count_once():
    score = story(
        footprints=["a18 A A18 2018 500", "a19 A A19 2019 400", "p19 A P19 2019 90"],
        tracks=["A18 1", "A19 1", "P19 1"],
        links=["A18 A19 main", "A18 P19 fragment"],
        true_links=["a18 a19 main", "a18 p19 fragment"],
    )
    assert counts(score.consecutive) == (1, 1, 1)


def test_an_outline_is_of_the_slump_that_most_of_its_area_belongs_to():
    score = story(
        footprints=["a18 A A18 2018 500", "a19 A M19 2019 600", "b19 B M19 2019 200",
                    "x19 - M19 2019 100"],
        tracks=["A18 1", "M19 1"],
        links=["A18 M19 main"],
        true_links=["a18 a19 main"],
    )  # fmt: skip
    assert counts(score.links) == (1, 1, 1)


GAPPED = {
    "footprints": ["a18 A A18 2018 500", "a20 A A20 2020 600", "b18 B B18 2018 500",
                   "b19 B B19 2019 500", "b20 B B20 2020 500"],
    "tracks": ["A18 1", "A20 2", "B18 3", "B19 3", "B20 3"],
    "true_links": ["a18 a20 gap", "b18 b19 main", "b19 b20 main"],
}  # fmt: skip


def test_gaps_are_told_apart_from_consecutive_links():
    score = story(**GAPPED, links=["B18 B19 main", "B19 B20 main"])
    assert counts(score.consecutive) == (2, 2, 2)
    assert counts(score.gap) == (1, 0, 0)
    assert score.gap.precision is None
    assert score.gap.recall == 0.0


def test_a_right_link_belongs_where_truth_puts_it_and_a_wrong_one_where_its_kind_does():
    score = story(**GAPPED, links=["A18 A20 main", "B18 A20 gap"])
    assert counts(score.gap) == (1, 2, 1)
    assert counts(score.consecutive) == (2, 0, 0)


def test_identity_switches_are_changes_of_track_between_appearances():
    score = story(
        footprints=["a18 A A18 2018 5", "a19 A A19 2019 5", "a20 A A20 2020 5", "a22 A A22 2022 5",
                    "x19 - X19 2019 5"],
        tracks=["A18 1", "A19 1", "A20 2", "A22 1", "X19 1"],
    )  # fmt: skip
    assert (score.n_appearances, score.n_id_switches) == (4, 2)
    assert score.id_switches_per_100 == 50.0


def test_identity_does_not_switch_while_a_piece_carries_it_on():
    score = story(
        footprints=["a18 A A18 2018 500", "a19 A A19 2019 300", "p19 A P19 2019 100",
                    "a20 A A20 2020 500"],
        tracks=["A18 1", "A19 2", "P19 1", "A20 1"],
    )  # fmt: skip
    assert (score.n_appearances, score.n_id_switches) == (3, 0)


MERGED = {
    "footprints": ["a18 A A18 2018 500", "b18 B B18 2018 490", "a19 A A19 2019 1000"],
    "true_events": ["B A 2019 merge"],
}


def test_a_merge_is_right_whoever_goes_on():
    as_it_was = story(**MERGED, tracks=["A18 1", "B18 2", "A19 1"], events=["2 1 2019 merge"])
    other_way = story(**MERGED, tracks=["A18 1", "B18 2", "A19 2"], events=["1 2 2019 merge"])
    assert counts(as_it_was.events["merge"]) == (1, 1, 1)
    assert counts(other_way.events["merge"]) == (1, 1, 1)
    assert (as_it_was.n_id_switches, other_way.n_id_switches) == (0, 1)


@pytest.mark.parametrize("parent", ["1", "2"])
def test_a_split_is_right_whichever_piece_keeps_the_id(parent):
    child = {"1": "2", "2": "1"}[parent]
    score = story(
        footprints=["a18 A A18 2018 900", "a19 A A19 2019 500", "b19 B B19 2019 400"],
        tracks=[f"A18 {parent}", "A19 1", "B19 2"],
        events=[f"{child} {parent} 2019 split"],
        true_events=["B A 2019 split"],
    )
    assert counts(score.events["split"]) == (1, 1, 1)


@pytest.mark.parametrize(("season", "n_right"), [(2018, 1), (2019, 1), (2020, 1), (2021, 0)])
def test_an_event_may_be_a_year_off(season, n_right):
    score = story(
        footprints=[f"a{y} A A{y} {y} 500" for y in range(2018, 2022)],
        tracks=[f"A{y} 1" for y in range(2018, 2022)],
        events=[f"1 - {season} initiate"],
        true_events=["A - 2019 initiate"],
    )
    assert counts(score.events["initiate"]) == (1, 1, n_right)


def test_an_event_of_another_kind_or_slump_is_wrong_and_one_true_event_is_found_once():
    score = story(
        footprints=["a18 A A18 2018 500", "b18 B B18 2018 500", "x18 - X18 2018 50",
                    "a19 A A19 2019 500"],
        tracks=["A18 1", "B18 2", "X18 3", "A19 4"],
        events=["1 - 2018 first_seen", "4 - 2019 first_seen", "2 - 2018 initiate",
                "3 - 2018 first_seen"],
        true_events=["A - 2018 first_seen", "B - 2018 first_seen"],
    )  # fmt: skip
    assert counts(score.events["first_seen"]) == (2, 3, 1)
    assert counts(score.events["initiate"]) == (0, 1, 0)
    assert counts(score.all_events) == (2, 4, 1)


def test_a_slump_stabilises_as_what_it_last_was():
    score = story(
        footprints=["a18 A A18 2018 500", "a19 B A19 2019 500", "c22 C C22 2022 500"],
        tracks=["A18 1", "A19 1", "C22 1"],
        events=["1 - 2020 stabilise"],
        true_events=["B - 2020 stabilise"],
    )
    assert counts(score.events["stabilise"]) == (1, 1, 1)


A_SPLIT = {
    "footprints": ["a18 A A18 2018 900", "a19 A A19 2019 500", "b19 B B19 2019 400",
                   "a20 A A20 2020 500", "b20 B B20 2020 400", "c18 C C18 2018 500"],
    "tracks": ["A18 1", "A19 1", "B19 2", "A20 1", "B20 2", "C18 3"],
    "true_links": ["a18 a19 main", "a18 b19 split", "a19 a20 main", "b19 b20 main"],
}  # fmt: skip


def test_a_split_that_was_linked_is_found_in_the_graph_and_makes_a_family():
    links = ["A18 A19 main", "A18 B19 split", "A19 A20 main", "B19 B20 main"]
    score = story(**A_SPLIT, links=links)
    assert counts(score.splits) == counts(score.lineages.whole_families) == (1, 1, 1)
    assert counts(score.lineages.whole_lineages) == (2, 2, 2)
    assert score.lnk == score.stretches.f1 == score.lineages.families.f1 == 1.0


def test_a_split_that_was_not_linked_breaks_the_family():
    score = story(**A_SPLIT, links=["A18 A19 main", "A19 A20 main", "B19 B20 main"])
    assert counts(score.splits) == (1, 0, 0)
    assert counts(score.lineages.whole_families) == (1, 0, 0)
    assert counts(score.lineages.whole_lineages) == (2, 3, 1)
    assert score.lineages.families.recall == pytest.approx((3 * 3 / 5 + 2 * 2 / 5) / 5)
    # one edge missed, one that is no part of a split any more
    assert score.lnk == pytest.approx(1 - (1.5 + 1) / 6)
    assert counts(score.lineages.whole_tracks) == (3, 3, 3)


def test_a_merge_that_was_linked_is_found_in_the_graph():
    score = story(
        **MERGED,
        tracks=["A18 1", "B18 2", "A19 1"],
        true_links=["a18 a19 main", "b18 a19 merge"],
        links=["A18 A19 main", "B18 A19 merge"],
    )
    assert counts(score.merges) == (1, 1, 1)
    assert counts(score.splits) == (0, 0, 0)
    assert counts(score.lineages.whole_families) == (1, 1, 1)


def test_lineages_that_the_store_keeps_count_before_those_that_links_make():
    links = ["A18 A19 main", "A19 A20 main", "B19 B20 main"]
    kept = story(**A_SPLIT, links=links, lineages=["1 L", "2 L", "3 M"])
    assert kept.lineages.lineages.f1 == kept.lineages.whole_families.f1 == 1.0
    apart = story(**A_SPLIT, links=links, lineages=["1 L", "2 K", "3 M"])
    assert counts(apart.lineages.whole_families) == (1, 0, 0)


def test_a_merge_that_only_an_event_tells_is_a_family_in_truth():
    score = story(**MERGED, tracks=["A18 1", "B18 2", "A19 1"], links=["A18 A19 main"])
    assert counts(score.lineages.whole_families) == (1, 0, 0)
    assert score.lineages.families.n_true == 3


def test_what_cannot_be_told_is_none_and_not_zero():
    score = story(footprints=["u18 ? U18 2018 5"], tracks=[])
    assert score.links.precision is score.links.recall is score.links.f1 is score.lnk is None
    assert score.lineages.lineages.f1 is score.stretches.f1 is None
    assert score.id_switches_per_100 is None
    assert {row["measure"] for row in score.rows() if row["f1"] is not None} == {"footprints"}


def test_the_table_has_a_row_for_each_measure():
    score = story(
        **TWO_SLUMPS, links=["A18 A19 main", "A19 A20 main", "B18 B19 main", "A18 B20 main"]
    )
    table = {row["measure"]: row for row in score.table().to_pylist()}
    assert table["links"]["f1"] == table["links, consecutive"]["f1"] == 0.75
    assert table["links, gap"]["f1"] is None
    assert {name for name, row in table.items() if row["lnk"] is not None} == {"links"}
    assert {f"events, {kind}" for kind in EVENT_KINDS} < set(table)
    assert table["lineages, whole"]["n_true"] == table["tracks, whole"]["n_right"] == 2
    assert table["lineages"]["n_right"] is None
    assert table["identity switches"]["n_true"] == 6
    assert table["identity switches"]["per_100"] == 0.0


@pytest.fixture(scope="module")
def history():
    params = HistoryParams(n_slumps=40, n_seasons=5, extent_m=(7_000.0, 5_000.0))
    return simulate_history(np.random.default_rng(5), params)


@pytest.fixture(scope="module")
def truth(history):
    return Truth(
        footprint=history.truth_footprint, link=history.truth_link, event=history.truth_event
    )


@pytest.fixture(scope="module")
def perfect(history):
    """What a tracker that knows the truth would make of it."""
    outline_of, season_of = {}, {}
    for row in history.truth_footprint.to_pylist():
        feature, object_id = row["source_feature_id"], row["object_id"]
        season_of[feature] = row["season_year"]
        outline_of[feature] = f"{object_id or feature}@{row['season_year']}"
    outlines = {outline: season_of[feature] for feature, outline in outline_of.items()}
    known = {row["object_id"] for row in history.truth_footprint.to_pylist()}
    links = {
        (outline_of[row["from_source_feature_id"]], outline_of[row["to_source_feature_id"]]): row
        for row in history.truth_link.to_pylist()
    }
    return Tracked(
        footprint=pa.Table.from_pylist(
            [
                {
                    "source_feature_id": f,
                    "outline_id": o,
                    "season_year": season_of[f],
                    "area_m2": 9.0,
                }
                for f, o in outline_of.items()
            ],
            schema=FOOTPRINT,
        ),
        outline=pa.Table.from_pylist(
            [
                {"outline_id": o, "track_id": o.split("@")[0], "season_year": s, "area_m2": 9.0}
                for o, s in outlines.items()
            ],
            schema=OUTLINE,
        ),
        link=pa.Table.from_pylist(
            [
                {"from_outline_id": a, "to_outline_id": b, "kind": row["kind"]}
                for (a, b), row in links.items()
            ],
            schema=LINK,
        ),
        event=pa.Table.from_pylist(
            [
                {
                    "track_id": row["object_id"],
                    "related_track_id": row["related_object_id"],
                    "season_year": row["season_year"],
                    "kind": row["kind"],
                }
                for row in history.truth_event.to_pylist()
                if row["object_id"] in known
            ],
            schema=EVENT,
        ),
        track=pa.Table.from_pylist(lineages_of(history, known), schema=TRACK),
    )


def lineages_of(history, known):
    """Each object in the lineage that merges and splits put it in, named by any of it."""
    lineage = {object_id: object_id for object_id in known if object_id is not None}
    object_of = {
        row["source_feature_id"]: row["object_id"] for row in history.truth_footprint.to_pylist()
    }
    for row in history.truth_link.to_pylist():
        one, other = (object_of[row[end]] for end in TRUE_LINK.names[:2])
        former, latter = lineage[one], lineage[other]
        lineage = {each: latter if of == former else of for each, of in lineage.items()}
    return [{"track_id": each, "lineage_id": of} for each, of in lineage.items()]


def test_a_perfect_record_of_a_simulated_history_scores_one(perfect, truth):
    score = score_tracking(perfect, truth)
    graph = (score.splits, score.merges, score.stretches)
    tallies = (score.footprints, score.consecutive, score.gap, *graph, *score.events.values())
    assert all(tally.f1 in (1.0, None) for tally in tallies)
    assert score.gap.n_true > 0
    assert score.splits.n_true > 0
    assert score.merges.n_true > 0
    assert score.lnk == 1.0
    of_lineages = [getattr(score.lineages, name) for name in score.lineages.__slots__]
    assert [each.f1 for each in of_lineages] == [pytest.approx(1.0)] * 5
    assert score.lineages.whole_families.n_true > 3
    assert {k for k, t in score.events.items() if t.n_true} >= {"merge", "split", "first_seen"}
    assert score.n_id_switches == 0


def test_the_order_of_rows_means_nothing(perfect, truth):
    rng = np.random.default_rng(0)
    damaged = Tracked(
        footprint=perfect.footprint,
        outline=perfect.outline,
        link=perfect.link.take(np.arange(0, perfect.link.num_rows, 2)),
        event=perfect.event.take(np.arange(0, perfect.event.num_rows, 3)),
        track=perfect.track,
    )
    former = score_tracking(damaged, truth)
    assert former.links.f1 < 1.0

    def shuffled(table):
        return table.take(rng.permutation(table.num_rows))

    def all_shuffled(tables):
        return type(tables)(**{n: shuffled(getattr(tables, n)) for n in tables.__slots__})

    assert score_tracking(all_shuffled(damaged), all_shuffled(truth)) == former


def test_an_event_that_is_more_probably_wrong_than_right_is_not_told():
    tracks, events = ["A18 1", "B18 2", "A19 1"], ["2 1 2019 merge"]
    for sure, n_found in ((0.7, 1), (0.4, 0)):
        score = story(**MERGED, tracks=tracks, events=events, confidences=[sure])
        assert counts(score.events["merge"]) == (1, n_found, n_found)


def test_where_several_slumps_become_one_any_pairs_that_connect_them_are_right():
    known = {
        "footprints": [
            "a18 A A18 2018 500", "b18 B B18 2018 500", "c18 C C18 2018 500",
            "a19 A A19 2019 1600",
        ],
        "true_events": ["B A 2019 merge", "C A 2019 merge"],
    }  # fmt: skip
    tracks = ["A18 1", "B18 2", "C18 3", "A19 2"]
    star = story(**known, tracks=tracks, events=["1 2 2019 merge", "3 2 2019 merge"])
    assert counts(star.events["merge"]) == (2, 2, 2)
    twice = story(**known, tracks=tracks, events=["3 2 2019 merge", "2 3 2019 merge"])
    assert counts(twice.events["merge"]) == (2, 2, 1)
