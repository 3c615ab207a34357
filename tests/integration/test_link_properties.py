"""What holds of linking whatever is imported in whatever order, on drawn-by-lot small worlds."""

import datetime as dt
import random
import shutil
from collections import defaultdict
from contextlib import contextmanager

import networkx as nx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rts_track.steps.linking import link
from rts_track.steps.measuring import measure
from rts_track.store.base import open_store

SEASONS = (2015, 2016, 2017, 2018)
EVERYWHERE = (-2000, -2000, 2000, 2000)


def rows(story, table, **scope):
    return story.store.read(table, scope=scope or None).to_pylist()


def supersede(story, footprint_id):
    gone = pa.table({"footprint_id": [footprint_id], "run_id": ["story"]})
    story.store.upsert("superseded_footprint", gone)


def drawn_world(rng):
    """Things to import, each a season, a method of Story and its arguments."""
    world = []
    slumps = [[rng.uniform(0, 250), rng.uniform(0, 150), 60.0, 50.0] for _ in range(5)]
    for season in SEASONS:
        scene = rng.choice([None, f"scene {season}"])
        if rng.random() < 0.7:
            west = rng.choice([-50, 100])
            basis = rng.choice(["measured", "measured", "assumed"])
            box = (west, -50, west + 400, 300)
            world.append((season, "look", (season, box), {"scene": scene, "basis": basis}))
        for number, slump in enumerate(slumps):
            west, south, width, height = slump
            slump[2] += rng.uniform(0, 12)
            half, north = west + 0.47 * width, south + height
            is_in_two = rng.random() < 0.2
            boxes = [(west, south, west + width, north)]
            if is_in_two:
                boxes = [(west, south, half - 2, north), (half + 2, south, west + width, north)]
            for part, box in enumerate(boxes if rng.random() > 0.2 else []):
                named = f"{number}.{part}"
                more = {"scene": scene, "is_clipped": rng.random() < 0.1}
                world.append((season, "slump", (season, named, box), more))
    rng.shuffle(world)
    return world


def write_all(story, things):
    """What was written, by its id."""
    with story.store.transaction():
        for season in SEASONS:
            story.scene(f"scene {season}", season)
        return [getattr(story, method)(*given, **more) for _, method, given, more in things]


def without_names(story):
    """What linking found, each track named by its first outline."""
    outlines = rows(story, "outline")
    name = {}
    for outline in sorted(outlines, key=lambda o: (o["season_year"], o["outline_id"])):
        name.setdefault(outline["track_id"], outline["outline_id"])
    found = {}
    for table in ("outline", "link", "track", "track_state", "event"):
        found[table] = sorted(
            str(
                {
                    column: name.get(value, value)
                    for column, value in row.items()
                    if column not in ("run_id", "event_id", "lineage_id", "geometry")
                }
            )
            for row in rows(story, table)
        )
    return found


def check_consistent(story):
    """Every table says the same of every track."""
    outlines = {row["outline_id"]: row for row in rows(story, "outline")}
    tracks = {row["track_id"]: row for row in rows(story, "track")}
    superseded = {row["footprint_id"] for row in rows(story, "superseded_footprint")}
    hits = defaultdict(int)
    for footprint in rows(story, "footprint"):
        is_gone = footprint["footprint_id"] in superseded
        assert (footprint["outline_id"] is None) == is_gone
        hits[footprint["outline_id"]] += not is_gone
    hits.pop(None, None)
    assert hits == {outline: row["n_hits"] for outline, row in outlines.items()}
    states = defaultdict(dict)
    for row in rows(story, "track_state"):
        states[row["track_id"]][row["season_year"]] = row
    events = rows(story, "event")
    merged = {row["track_id"]: row["season_year"] for row in events if row["kind"] == "merge"}
    newest = max(row["season_year"] for row in rows(story, "track_state"))
    for track_id, track in tracks.items():
        own = {row["season_year"]: row for row in outlines.values() if row["track_id"] == track_id}
        of_track = states[track_id]
        seen = sorted(s for s, row in of_track.items() if row["n_outlines"])
        assert sorted(own) == seen
        assert (track["first_year"], track["last_year"]) == (seen[0], seen[-1])
        assert track["n_seasons_observed"] == len(seen)
        assert track["area_m2"] == own[seen[-1]]["area_m2"]
        assert sorted(of_track) == list(range(seen[0], merged.get(track_id, newest + 1)))
        for season, row in of_track.items():
            frac = row["coverage_frac"]
            is_covered = frac is not None and frac >= 0.9
            if season in own:
                is_cut = own[season]["is_clipped"] or (frac is not None and not is_covered)
                assert row["state"] == ("partial" if is_cut else "observed")
            else:
                assert row["state"] == ("absent" if is_covered else "unobserved")
    for row in events:
        assert row["after_on"] is None or row["after_on"] <= row["before_on"]
    check_links(story, outlines, events)
    return set(tracks)


def check_links(story, outlines, events):
    links = rows(story, "link")
    ends = {
        kind: [
            (outlines[row["from_outline_id"]]["track_id"], outlines[row["to_outline_id"]])
            for row in links
            if row["kind"] == kind
        ]
        for kind in ("main", "split", "merge", "gap")
    }
    for end in ("from_outline_id", "to_outline_id"):
        mains = [row[end] for row in links if row["kind"] == "main"]
        assert len(mains) == len(set(mains))
    assert all(track == to["track_id"] for track, to in ends["main"])
    between = {
        kind: {(track, to["track_id"], to["season_year"]) for track, to in pairs}
        for kind, pairs in ends.items()
    }
    for kind in ("merge", "split"):
        told = {
            (r["track_id"], r["related_track_id"], r["season_year"])
            for r in events
            if r["kind"] == kind
        }
        if kind == "split":  # told of the child, linked from the parent
            told = {(parent, child, season) for child, parent, season in told}
        assert between[kind] <= told <= between[kind] | between["gap"]


@pytest.fixture
def scratch(story, duckdb_template, tmp_path):
    """The same kind of story in an embedded store of its own, whichever the other is in."""
    file = shutil.copy(duckdb_template, tmp_path / "scratch.duckdb")
    with open_store(f"duckdb:///{file}") as store:
        yield type(story)(store)


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_comes_in_whatever_order_the_same_is_found_and_no_id_comes_back(
    story, scratch, seed
):
    rng = random.Random(seed)
    world = drawn_world(rng)
    known, written, gone = set(), [], []
    while world:
        is_whole_season = rng.random() < 0.3
        season = world[0][0]
        part = [t for t in world if t[0] == season] if is_whole_season else world[:9]
        world = [thing for thing in world if thing not in part]
        if written and rng.random() < 0.5:
            edited, footprint_id = rng.choice(written)
            if edited[1] == "slump" and footprint_id not in gone:
                supersede(story, footprint_id)
                gone.append(footprint_id)
                when, method, (of, named, (west, *rest)), more = edited
                part.append((when, method, (of, named + " edited", (west - 4, *rest)), more))
        written += zip(part, write_all(story, part), strict=True)
        link(story.store)
        tracks = check_consistent(story)
        aliases = {row["old_track_id"] for row in rows(story, "track_alias")}
        assert known - tracks <= aliases
        assert not aliases & tracks
        known |= tracks
    assert link(story.store).first_season is None
    write_all(scratch, [thing for thing, _ in written])
    for footprint_id in gone:
        supersede(scratch, footprint_id)
    link(scratch.store)
    assert without_names(story) == without_names(scratch)


@pytest.mark.parametrize("seed", [3])
def test_season_by_season_gives_every_id_that_all_at_once_does(story, scratch, seed):
    world = drawn_world(random.Random(seed))
    write_all(scratch, world[::-1])
    link(scratch.store)
    for season in SEASONS:
        write_all(story, [thing for thing in world if thing[0] == season])
        link(story.store)
    assert story.everything() == scratch.everything()


def test_a_season_in_which_nothing_is_left_leaves_nothing_behind(story):
    kept = story.slump(2018, "a", (0, 0, 60, 50))
    moved = story.slump(2019, "a", (0, 0, 64, 50))
    link(story.store)
    supersede(story, moved)
    assert link(story.store).first_season == 2019
    check_consistent(story)
    assert story.store.count("outline") == 1
    assert story.store.count("link") == 0
    assert story.states_of(kept) == {2018: "observed"}
    assert link(story.store).first_season is None


def test_years_without_any_look_are_unobserved_however_the_seasons_came(story):
    first = story.slump(2015, "a", (0, 0, 60, 50))
    link(story.store)
    story.slump(2018, "a", (0, 0, 64, 50))
    link(story.store)
    assert story.states_of(first) == {
        2015: "observed",
        2016: "unobserved",
        2017: "unobserved",
        2018: "observed",
    }


def test_a_split_stays_provisional_while_only_looks_follow(story):
    story.slump(2018, "whole", (0, 0, 160, 60))
    story.slump(2019, "big", (0, 0, 90, 60))
    small = story.slump(2019, "small", (105, 0, 160, 60))
    link(story.store)
    story.look(2020, EVERYWHERE)
    link(story.store)
    for table in ("track", "event", "link"):
        assert sum(row["is_provisional"] for row in rows(story, table)) == 1
    (track,) = (row for row in rows(story, "track") if row["is_provisional"])
    assert track["track_id"] == story.track_of(small)


def test_pieces_that_join_without_the_whole_stay_split_from_it(story):
    story.slump(2018, "whole", (0, 0, 150, 70))
    first = story.slump(2019, "west", (0, 0, 50, 70))
    pieces = [story.slump(2019, "middle", (56, 0, 104, 70))]
    pieces += [story.slump(2019, "east", (110, 0, 150, 70))]
    joined = story.slump(2020, "both", (56, 0, 150, 70))
    link(story.store)
    assert {story.track_of(each) for each in pieces} == {story.track_of(joined)}
    assert story.track_of(first) != story.track_of(joined)
    assert [row["kind"] for row in rows(story, "link", from_year=2018)].count("split") == 2
    assert story.events_of(joined) == [("split", 2019)]


def test_a_season_filled_in_settles_anew_what_began_before_it(story):
    for season in (2018, 2019, 2020):
        story.look(season, EVERYWHERE)
    first = story.slump(2018, "a", (0, 0, 60, 50))
    story.slump(2018, "b", (400, 0, 460, 50))
    story.slump(2020, "b", (400, 0, 460, 50))
    link(story.store)
    (before,) = rows(story, "event", track_id=story.track_of(first), season_year=2018)
    assert '"next_season": "missed"' in before["evidence"]
    story.slump(2019, "a", (0, 0, 60, 50))
    link(story.store)
    now = rows(story, "event", track_id=story.track_of(first), season_year=2018)
    assert [
        '"next_season": "seen"' in row["evidence"] for row in now if row["kind"] == "first_seen"
    ] == [True]


def test_a_corrected_pixel_size_reaches_the_outline(story):
    story.scene("s", 2018, gsd_m=3.0)
    story.slump(2018, "a", (0, 0, 60, 50), scene="s")
    link(story.store)
    story.scene("s", 2018, gsd_m=10.0)
    link(story.store)
    assert [row["gsd_m"] for row in rows(story, "outline")] == [10.0]


def test_an_outline_copied_from_a_finer_scene_is_the_finer_ones(story):
    for number in range(4):  # ids are by lot: one of the orders would be wrong
        fine, coarse = f"fine {number}", f"coarse {number}"
        box = (500 * number, 0, 500 * number + 60, 50)
        story.scene(fine, 2018, gsd_m=3.0)
        story.scene(coarse, 2018, gsd_m=10.0)
        story.slump(2018, "a", box, scene=fine)
        story.slump(2018, "a", box, scene=coarse)
    link(story.store)
    assert [row["gsd_m"] for row in rows(story, "outline")] == [3.0] * 4


def test_a_slump_may_have_begun_while_the_look_that_missed_it_lasted(story):
    story.look(2017, EVERYWHERE)
    ids = story.store.read("look", ["look_id"])
    ends = pa.array([dt.date(2018, 9, 1)], pa.date32())
    story.store.update("look", ids.append_column("to_on", ends))
    story.slump(2018, "a", (0, 0, 60, 50), day=dt.date(2018, 7, 1))
    link(story.store)
    (event,) = rows(story, "event")
    assert event["kind"] == "initiate"
    assert (event["after_on"], event["before_on"]) == (dt.date(2017, 8, 1), dt.date(2018, 7, 1))


seeds = st.integers(0, 2**32 - 1)
embedded = pytest.mark.parametrize("store_url", ["duckdb"], indirect=True)
a_few_worlds = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def fresh(story, duckdb_template, tmp_path_factory):
    """Stories of the same kind, each in an embedded store of its own."""

    @contextmanager
    def begin():
        file = shutil.copy(duckdb_template, tmp_path_factory.mktemp("world") / "store.duckdb")
        with open_store(f"duckdb:///{file}") as store:
            yield type(story)(store)

    return begin


def write_at_once(story, world):
    """The world, each table in one piece: quicker than row by row."""
    pending, write = defaultdict(list), story._write
    story._write = lambda table, rows: pending[table].extend(rows)
    write_all(story, world)
    for table, table_rows in pending.items():
        write(table, table_rows)


def linked(fresh, world):
    """What linking makes of the world in a store of its own; then that is gone."""
    with fresh() as story:
        write_at_once(story, world)
        link(story.store)
        return story.everything(), named_links(story), named_events(story)


def names_of_outlines(story):
    names = defaultdict(set)
    for row in rows(story, "footprint"):
        names[row["outline_id"]].add(row["source_feature_id"])
    return {outline: "+".join(sorted(of)) for outline, of in names.items()}


def named_links(story):
    """(from, to) -> (kind, confidence), by the names of footprints."""
    name = names_of_outlines(story)
    return {
        (name[row["from_outline_id"]], name[row["to_outline_id"]]): (row["kind"], row["confidence"])
        for row in rows(story, "link")
    }


def named_events(story):
    """(kind, season, track, related track), a track by the names of its outlines."""
    name, outlines_of = names_of_outlines(story), defaultdict(set)
    for row in rows(story, "outline"):
        outlines_of[row["track_id"]].add(name[row["outline_id"]])
    track = {track_id: "|".join(sorted(names)) for track_id, names in outlines_of.items()}
    return sorted(
        (
            row["kind"],
            row["season_year"],
            track[row["track_id"]],
            track.get(row["related_track_id"]),
        )
        for row in rows(story, "event")
    )


def drawn_land(rng):
    """Several worlds side by side, none in reach of another: a store costs more than a world."""
    land = [
        (season, method, renamed(number, given), more)
        for number in range(5)
        for season, method, given, more in moved(drawn_world(rng), 800.0 * number, 0.0)
    ]
    rng.shuffle(land)
    return land


def renamed(number, given):
    """A slump's name with its world's number; a look has none."""
    return (given[0], f"{number}.{given[1]}", given[2]) if len(given) == 3 else given


def moved(world, east_m, north_m):
    def box_moved(given):
        *more, (west, south, east, north) = given
        return (*more, (west + east_m, south + north_m, east + east_m, north + north_m))

    return [(season, method, box_moved(given), more) for season, method, given, more in world]


@embedded
@a_few_worlds
@given(seeds, st.floats(-3_000, 3_000), st.floats(-3_000, 3_000))
def test_moving_everything_changes_no_link_and_no_event(fresh, seed, east_m, north_m):
    world = drawn_land(random.Random(seed))
    _, links, events = linked(fresh, world)
    _, links_there, events_there = linked(fresh, moved(world, east_m, north_m))
    assert events_there == events
    assert {ends: kind for ends, (kind, _) in links_there.items()} == {
        ends: kind for ends, (kind, _) in links.items()
    }
    for ends, (_, confidence) in links.items():
        assert links_there[ends][1] == pytest.approx(confidence, abs=5e-3)


@embedded
@a_few_worlds
@given(seeds)
def test_the_order_of_footprints_looks_and_seasons_changes_no_row(fresh, seed):
    world = drawn_land(random.Random(seed))
    everything, _, _ = linked(fresh, world)
    shuffled = random.Random(seed + 1).sample(world, len(world))
    assert linked(fresh, shuffled)[0] == everything


def apart(rng, n):
    """Boxes, none nearer than 12 m to another."""
    return [
        (
            200.0 * number + rng.uniform(0, 60),
            rng.uniform(0, 40),
            200.0 * number + rng.uniform(90, 180),
            rng.uniform(60, 150),
        )
        for number in range(n)
    ]


@embedded
@a_few_worlds
@given(seeds, st.booleans())
def test_seasons_that_are_the_same_link_each_slump_to_itself_and_nothing_happens(
    fresh, seed, is_looked_at
):
    rng = random.Random(seed)
    boxes = apart(rng, rng.randint(1, 9))
    world = [
        (season, "slump", (season, f"{n}", box), {})
        for season in SEASONS
        for n, box in enumerate(boxes)
    ]
    if is_looked_at:
        world += [(season, "look", (season, EVERYWHERE), {}) for season in SEASONS]
    _, links, events = linked(fresh, world)
    assert set(links) == {
        (f"{season}:{n}:None", f"{season + 1}:{n}:None")
        for season in SEASONS[:-1]
        for n in range(len(boxes))
    }
    assert {kind for kind, _ in links.values()} == {"main"}
    assert min(confidence for _, confidence in links.values()) >= 0.9
    assert [(kind, season) for kind, season, *_ in events] == [("first_seen", SEASONS[0])] * len(
        boxes
    )


def told_apart(rng):
    """Families far from each other, none overlapping: slumps grow, are missed, merge, split."""
    world = [(season, "look", (season, (-900, -900, 3_000, 900)), {}) for season in SEASONS]
    for number in range(5):
        west, width, height = 400.0 * number, rng.uniform(60, 90), rng.uniform(50, 90)
        merges_in, splits_in = rng.choice([*SEASONS[1:], 9_999]), rng.choice([*SEASONS[1:], 9_999])
        for season in SEASONS:
            width += rng.uniform(0, 6)
            middle, east = west + 0.6 * width, west + width
            parts = {"whole": (west, 0.0, east, height)}
            if season >= splits_in:
                parts = {
                    "west": (west, 0.0, middle - 2, height),
                    "east": (middle + 2, 0.0, east, height),
                }
            beside = (west + 110.0, 0.0, west + 160.0, height)
            if season < merges_in:
                parts["beside"] = beside
            else:
                widest = max(parts, key=lambda part: parts[part][2])
                parts[widest] = (*parts[widest][:2], beside[2], height)
            world += [
                (season, "slump", (season, f"{number}.{part}", box), {})
                for part, box in parts.items()
                if rng.random() > 0.1
            ]
    return world


def lineages(story):
    return {row["track_id"]: row["lineage_id"] for row in rows(story, "track")}


@embedded
@a_few_worlds
@given(seeds)
def test_areas_add_up_in_lineages_and_over_intervals(fresh, seed):
    with fresh() as story:
        write_at_once(story, told_apart(random.Random(seed)))
        link(story.store)
        measure(story.store)
        lineage_of, area_m2 = lineages(story), defaultdict(float)
        for row in rows(story, "outline"):
            area_m2[lineage_of[row["track_id"]], row["season_year"]] += row["area_m2"]
        complete = [row for row in rows(story, "lineage_state") if row["is_complete"]]
        assert len(complete) >= 5
        for row in complete:
            drawn_m2 = area_m2[row["lineage_id"], row["season_year"]]
            assert row["area_m2"] == pytest.approx(drawn_m2, rel=1e-6)
        growth = rows(story, "growth")
        assert len(growth) >= 5
        for row in growth:
            assert row["gained_m2"] - row["lost_m2"] == pytest.approx(
                row["area_change_m2"], abs=0.05
            )
            assert min(row["gained_m2"], row["lost_m2"]) >= -0.05


@embedded
@a_few_worlds
@given(seeds, st.sampled_from([drawn_land, told_apart]))
def test_a_lineage_is_conserved_whatever_merges_and_splits(fresh, seed, draw):
    with fresh() as story:
        write_at_once(story, draw(random.Random(seed)))
        link(story.store)
        measure(story.store)
        check_no_outline_is_lost(story)
        check_lineages_are_families(story)
        check_members_add_up(story)


def check_no_outline_is_lost(story):
    """Each footprint has one outline, each outline one track, and states count all of them."""
    tracks = lineages(story)
    outlines = rows(story, "outline")
    assert {row["outline_id"] for row in rows(story, "footprint")} == {
        row["outline_id"] for row in outlines
    }
    n_outlines = defaultdict(int)
    for row in outlines:
        assert row["track_id"] in tracks
        n_outlines[row["track_id"], row["season_year"]] += 1
    assert n_outlines == {
        (row["track_id"], row["season_year"]): row["n_outlines"]
        for row in rows(story, "track_state")
        if row["n_outlines"]
    }


def check_lineages_are_families(story):
    """A lineage is the tracks that splits and merges connect; links never leave one."""
    lineage_of, relatives = lineages(story), nx.Graph()
    relatives.add_nodes_from(lineage_of)
    for row in rows(story, "event"):
        if row["related_track_id"] is not None:
            relatives.add_edge(row["track_id"], row["related_track_id"])
        if row["kind"] in ("merge", "split"):
            assert lineage_of[row["track_id"]] == lineage_of[row["related_track_id"]]
    by_lineage = defaultdict(set)
    for track, lineage in lineage_of.items():
        by_lineage[lineage].add(track)
    for members in by_lineage.values():
        assert nx.is_connected(relatives.subgraph(members))
    track_of = {row["outline_id"]: row["track_id"] for row in rows(story, "outline")}
    for row in rows(story, "link"):
        ends = (track_of[row["from_outline_id"]], track_of[row["to_outline_id"]])
        assert lineage_of[ends[0]] == lineage_of[ends[1]]


def check_members_add_up(story):
    """In each season the members of all lineages are the tracks that live, each counted once."""
    lineage_of, turns = lineages(story), defaultdict(list)
    for row in rows(story, "event"):
        if row["kind"] in ("stabilise", "reactivate"):
            turns[row["track_id"]].append((row["season_year"], row["kind"] == "reactivate"))
    n_living, n_whole = defaultdict(int), defaultdict(int)
    for row in rows(story, "track_state"):
        season, track = row["season_year"], row["track_id"]
        before = [turn for turn in sorted(turns[track]) if turn[0] <= season]
        if row["n_outlines"] or not before or before[-1][1]:
            n_living[lineage_of[track], season] += 1
            n_whole[lineage_of[track], season] += row["state"] == "observed"
    told = {(row["lineage_id"], row["season_year"]): row for row in rows(story, "lineage_state")}
    assert {key: row["n_members"] for key, row in told.items()} == n_living
    for key, row in told.items():
        assert row["n_measured"] <= row["n_members"]
        assert row["is_complete"] == (row["n_measured"] == row["n_members"])
        assert row["n_measured"] >= n_whole[key]
