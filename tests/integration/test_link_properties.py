"""What holds of linking whatever is imported in whatever order, on drawn-by-lot small worlds."""

import datetime as dt
import random
import shutil
from collections import defaultdict

import pyarrow as pa
import pytest

from rts_track.steps.linking import link
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
            half, north = west + width / 2, south + height
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
        for kind in ("main", "split", "merge")
    }
    for end in ("from_outline_id", "to_outline_id"):
        mains = [row[end] for row in links if row["kind"] == "main"]
        assert len(mains) == len(set(mains))
    assert all(track == to["track_id"] for track, to in ends["main"])
    merges = {(track, to["track_id"], to["season_year"]) for track, to in ends["merge"]}
    splits = {(to["track_id"], track, to["season_year"]) for track, to in ends["split"]}
    for kind, told in (("merge", merges), ("split", splits)):
        assert told == {
            (row["track_id"], row["related_track_id"], row["season_year"])
            for row in events
            if row["kind"] == kind
        }


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
