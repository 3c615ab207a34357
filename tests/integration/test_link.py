"""Four-season stories: what happened on the ground is what the store says."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.steps.linking import link
from rts_track.track.params import LinkParams

EVERYWHERE = (-2000, -2000, 2000, 2000)


def looks_everywhere(story, *seasons, **more):
    for season in seasons:
        story.look(season, EVERYWHERE, **more)


def test_a_slump_that_grows_is_one_track_through_all_seasons(story):
    found = [story.slump(2018 + n, "a", (0, 0, 60 + 10 * n, 50)) for n in range(4)]
    link(story.store)
    assert len({story.track_of(footprint) for footprint in found}) == 1
    (track,) = story.store.read("track").to_pylist()
    assert (track["first_year"], track["last_year"], track["n_seasons_observed"]) == (2018, 2021, 4)
    assert track["validity"] == "confirmed"
    assert track["activity"] == "active"
    kinds = {row["kind"] for row in story.store.read("link").to_pylist()}
    assert kinds == {"main"}


def test_a_season_hidden_by_cloud_is_not_a_vanished_slump(story):
    looks_everywhere(story, 2018, 2020)
    story.look(2019, (500, 500, 900, 900))
    first = story.slump(2018, "a", (0, 0, 60, 50))
    last = story.slump(2020, "a", (0, 0, 70, 50))
    link(story.store)
    assert story.track_of(first) == story.track_of(last)
    assert story.states_of(first) == {2018: "observed", 2019: "unobserved", 2020: "observed"}


def test_a_slump_missed_by_a_look_is_absent_and_stabilises_only_after_two(story):
    looks_everywhere(story, 2018, 2019)
    slump = story.slump(2018, "a", (0, 0, 60, 50))
    link(story.store)
    assert story.states_of(slump) == {2018: "observed", 2019: "absent"}
    assert story.events_of(slump) == [("first_seen", 2018)]
    (track,) = story.store.read("track").to_pylist()
    assert track["activity"] == "unknown"
    looks_everywhere(story, 2020)
    link(story.store)
    assert story.events_of(slump) == [("first_seen", 2018), ("stabilise", 2019)]
    (track,) = story.store.read("track").to_pylist()
    assert (track["activity"], track["activity_year"]) == ("stable", 2019)


def test_an_end_is_surer_the_more_often_a_slump_was_seen_and_the_better_the_source(story):
    story.source("survey", recall=0.8)
    looks_everywhere(story, 2018, 2019, 2020, 2021)
    once = story.slump(2018, "once", (500, 500, 560, 550))
    often = [story.slump(year, "often", (0, 0, 60, 50)) for year in (2018, 2019)]
    link(story.store)
    sure = {
        row["track_id"]: row["confidence"]
        for row in story.store.read("event", scope={"kind": "stabilise"}).to_pylist()
    }
    assert sure[story.track_of(often[0])] > 2 * sure[story.track_of(once)]
    story.source("survey", recall=0.3)
    link(story.store)
    (less,) = [
        row["confidence"]
        for row in story.store.read("event", scope={"kind": "stabilise"}).to_pylist()
        if row["track_id"] == story.track_of(often[0])
    ]
    assert less < sure[story.track_of(often[0])]


def test_assumed_looks_make_absent_but_neither_initiate_nor_stabilise(story):
    looks_everywhere(story, 2017, 2018, 2019, 2020, basis="assumed")
    slump = story.slump(2018, "a", (0, 0, 60, 50))
    link(story.store)
    assert story.states_of(slump) == {2018: "observed", 2019: "absent", 2020: "absent"}
    assert story.events_of(slump) == [("first_seen", 2018)]


def test_a_new_slump_where_the_season_before_was_looked_at_has_initiated(story):
    looks_everywhere(story, 2018, 2019)
    story.slump(2018, "old", (500, 500, 560, 550))
    new = story.slump(2019, "new", (0, 0, 60, 50))
    link(story.store)
    (event,) = [
        row
        for row in story.store.read("event").to_pylist()
        if row["track_id"] == story.track_of(new)
    ]
    assert event["kind"] == "initiate"
    assert event["after_on"] == dt.date(2018, 8, 1)
    assert event["before_on"] == dt.date(2019, 8, 1)


def test_at_a_merge_the_parent_that_shares_most_area_keeps_its_id(story):
    big = story.slump(2018, "big", (0, 0, 100, 60))
    small = story.slump(2018, "small", (110, 0, 160, 60))
    both = story.slump(2019, "both", (0, 0, 165, 60))
    link(story.store)
    assert story.track_of(both) == story.track_of(big) != story.track_of(small)
    assert ("merge", 2019) in story.events_of(small)
    tracks = {row["track_id"]: row for row in story.store.read("track").to_pylist()}
    assert tracks[story.track_of(small)]["activity"] == "merged"
    assert len({row["lineage_id"] for row in tracks.values()}) == 1
    assert 2019 not in story.states_of(small)


def test_at_a_split_the_child_that_shares_most_area_keeps_the_id(story):
    whole = story.slump(2018, "whole", (0, 0, 160, 60))
    big = story.slump(2019, "big", (0, 0, 90, 60))
    small = story.slump(2019, "small", (105, 0, 160, 60))
    link(story.store)
    assert story.track_of(big) == story.track_of(whole)
    assert story.events_of(small) == [("split", 2019)]
    kinds = sorted(row["kind"] for row in story.store.read("link").to_pylist())
    assert kinds == ["main", "split"]


def test_the_newest_seasons_split_is_provisional_until_the_next_season_is_in(story):
    story.slump(2018, "whole", (0, 0, 160, 60))
    story.slump(2019, "big", (0, 0, 90, 60))
    small = story.slump(2019, "small", (105, 0, 160, 60))
    link(story.store)
    provisional = {
        row["track_id"] for row in story.store.read("track").to_pylist() if row["is_provisional"]
    }
    assert provisional == {story.track_of(small)}
    story.slump(2020, "small", (105, 0, 160, 60))
    link(story.store)
    for table in ("track", "event", "link"):
        assert not any(row["is_provisional"] for row in story.store.read(table).to_pylist())


def test_neighbours_that_touch_are_not_relatives(story):
    left = [story.slump(y, "l", (0, 0, 60, 50)) for y in (2018, 2019)]
    right = [story.slump(y, "r", (58, 0, 120, 50)) for y in (2018, 2019)]
    link(story.store)
    assert {story.track_of(f) for f in left} != {story.track_of(f) for f in right}
    assert story.store.count("link") == 2


def test_a_link_with_a_rival_nearly_as_good_is_ambiguous_and_one_without_is_not(story):
    story.slump(2018, "a", (0, 0, 100, 100))
    story.slump(2019, "a", (0, 0, 52, 100))
    story.slump(2019, "b", (52, 0, 100, 100))
    story.slump(2018, "c", (500, 0, 600, 100))
    story.slump(2019, "c", (500, 0, 610, 100))
    link(story.store)
    links = story.store.read("link").to_pylist()
    of_halves = [row for row in links if row["overlap_m2"] < 8_000.0]
    assert [row["is_ambiguous"] for row in of_halves if row["kind"] == "main"] == [True]
    assert [row["is_ambiguous"] for row in links if row not in of_halves] == [False]


def test_the_same_slump_in_two_scenes_of_a_season_is_one_outline(story):
    story.scene("coarse", 2018, gsd_m=10.0)
    story.scene("fine", 2018, gsd_m=3.0)
    one = story.slump(2018, "a", (0, 0, 60, 50), scene="coarse")
    other = story.slump(2018, "a", (2, 0, 62, 50), scene="fine")
    link(story.store)
    (outline,) = story.store.read("outline").to_pylist()
    assert outline["n_hits"] == 2
    assert story.track_of(one) == story.track_of(other)
    assert outline["gsd_m"] == 3.0
    assert outline["area_m2"] == pytest.approx(3000, rel=1e-6)


def test_an_assumed_look_is_no_third_vote(story):
    looks_everywhere(story, 2018, basis="assumed")
    story.scene("coarse", 2018, gsd_m=10.0)
    story.scene("fine", 2018, gsd_m=3.0)
    story.slump(2018, "a", (0, 0, 60, 50), scene="coarse")
    story.slump(2018, "a", (2, 0, 80, 50), scene="fine")
    link(story.store)
    (outline,) = story.store.read("outline").to_pylist()
    assert outline["area_m2"] == pytest.approx(78 * 50, rel=1e-6)


def test_two_footprints_of_one_scene_are_two_outlines(story):
    story.scene("s", 2018)
    story.slump(2018, "a", (0, 0, 60, 50), scene="s")
    story.slump(2018, "b", (5, 0, 62, 50), scene="s")
    link(story.store)
    assert story.store.count("outline") == 2


def test_landform_and_active_zone_at_one_place_are_two_tracks(story):
    story.source("change", kind="active_zone")
    scar = [story.slump(y, "a", (0, 0, 60, 50)) for y in (2018, 2019)]
    zone = [story.slump(y, "z", (0, 0, 60, 50), source="change") for y in (2018, 2019)]
    link(story.store)
    assert len({story.track_of(f) for f in scar}) == len({story.track_of(f) for f in zone}) == 1
    assert story.track_of(scar[0]) != story.track_of(zone[0])
    assert story.store.count("link") == 2


def test_another_sources_outline_of_the_place_rides_along_without_links(story):
    story.source("coarse survey", gsd_m=10.0)
    fine = [story.slump(y, "a", (0, 0, 60, 50)) for y in (2018, 2019)]
    rider = story.slump(2019, "a", (1, 0, 63, 50), source="coarse survey")
    link(story.store)
    assert story.track_of(rider) == story.track_of(fine[0])
    assert story.store.count("link") == 1
    states = story.store.read("track_state", scope={"season_year": 2019}).to_pylist()
    assert [(row["source"], row["n_outlines"]) for row in states] == [("survey", 2)]
    later = story.slump(2020, "a", (0, 0, 64, 50))
    link(story.store)
    assert story.track_of(later) == story.track_of(fine[0])
    assert story.store.count("link") == 2


def test_a_clipped_slump_is_partial(story):
    slump = story.slump(2018, "a", (0, 0, 60, 50), is_clipped=True)
    link(story.store)
    assert story.states_of(slump) == {2018: "partial"}


def test_linking_twice_changes_nothing(story):
    looks_everywhere(story, 2018, 2019, 2020)
    for season in (2018, 2019):
        story.slump(season, "a", (0, 0, 60, 50))
        story.slump(season, "b", (200, 0, 260, 50))
    assert link(story.store).first_season == 2018
    before = story.everything()
    runs = story.store.read("run").to_pylist()
    assert link(story.store).first_season is None
    assert story.everything() == before
    assert story.store.read("run").to_pylist() == runs


def grown(story, seasons):
    """A row of slumps that grow, one that splits in 2019 and two that merge in 2020."""
    for season in seasons:
        age = season - 2017
        for number in range(12):
            west = 300 * number
            story.slump(season, f"n{number}", (west, 0, west + 60 + 5 * age, 50))
        if season < 2019:
            story.slump(season, "s", (0, 500, 160, 560))
        else:
            story.slump(season, "s1", (0, 500, 90, 560))
            story.slump(season, "s2", (105, 500, 160, 560))
        if season < 2020:
            story.slump(season, "m1", (500, 500, 600, 560))
            story.slump(season, "m2", (605, 500, 660, 560))
        else:
            story.slump(season, "m", (500, 500, 665, 560))


def test_appending_seasons_gives_the_same_as_linking_all_at_once(story):
    for season in (2018, 2019, 2020, 2021):
        grown(story, [season])
        report = link(story.store)
        assert (report.first_season, report.last_season) == (season, season)
    appended = story.everything()
    relinked = link(story.store, LinkParams(ambiguous_below=0.6000001))
    assert relinked.first_season == 2018
    again = story.everything()
    assert again == appended


def test_a_season_filled_in_later_keeps_every_track(story):
    grown(story, [2018, 2020, 2021])
    link(story.store)
    before = {row["track_id"] for row in story.store.read("track").to_pylist()}
    looks = story.everything()["track"]
    grown(story, [2019])
    link(story.store)
    after = {row["track_id"] for row in story.store.read("track").to_pylist()}
    assert before <= after
    assert len(looks) == len(before)


def test_an_earlier_season_added_later_takes_up_the_tracks_it_founds(story):
    later = story.slump(2019, "a", (0, 0, 60, 50))
    link(story.store)
    track = story.track_of(later)
    earlier = story.slump(2018, "a", (0, 0, 55, 50))
    link(story.store)
    assert story.track_of(earlier) == story.track_of(later) == track


def test_a_slump_that_a_look_missed_goes_on_over_a_gap(story):
    looks_everywhere(story, 2018, 2019, 2020)
    first = story.slump(2018, "a", (0, 0, 60, 50))
    last = story.slump(2020, "a", (0, 0, 64, 50))
    link(story.store)
    assert story.track_of(last) == story.track_of(first)
    assert story.states_of(first) == {2018: "observed", 2019: "absent", 2020: "observed"}
    (found,) = story.store.read("link").to_pylist()
    assert (found["kind"], found["from_year"], found["to_year"]) == ("gap", 2018, 2020)
    assert story.events_of(first) == [("first_seen", 2018)]


def test_a_neighbour_missed_before_a_merge_is_merged_all_the_same(story):
    looks_everywhere(story, 2018, 2019, 2020)
    survivor = story.slump(2018, "a", (0, 0, 100, 60))
    missed = story.slump(2018, "b", (130, 0, 190, 60))
    story.slump(2019, "a", (0, 0, 104, 60))
    story.slump(2020, "ab", (0, 0, 192, 62))
    link(story.store)
    assert ("merge", 2020) in story.events_of(missed)
    assert story.track_of(missed) != story.track_of(survivor)
    kinds = {(row["kind"], row["from_year"]) for row in story.store.read("link").to_pylist()}
    assert ("gap", 2018) in kinds


def test_a_piece_missed_when_it_split_is_known_for_one(story):
    looks_everywhere(story, 2018, 2019, 2020)
    whole = story.slump(2018, "a", (0, 0, 160, 60))
    story.slump(2019, "a1", (0, 0, 90, 60))
    story.slump(2020, "a1", (0, 0, 92, 60))
    piece = story.slump(2020, "a2", (105, 0, 160, 60))
    link(story.store)
    assert story.track_of(piece) != story.track_of(whole)
    assert story.events_of(piece) == [("split", 2020)]
    (found,) = [
        row
        for row in story.store.read("link").to_pylist()
        if row["from_year"] == 2018 and row["to_year"] == 2020
    ]
    assert found["kind"] == "gap"


def test_pieces_that_are_one_again_were_fragments(story):
    looks_everywhere(story, 2018, 2019)
    whole = story.slump(2018, "a", (0, 0, 160, 60))
    larger = story.slump(2019, "a1", (0, 0, 90, 60))
    smaller = story.slump(2019, "a2", (96, 0, 160, 60))
    link(story.store)
    provisional = story.track_of(smaller)
    assert provisional != story.track_of(whole) == story.track_of(larger)
    (row,) = story.store.read("track", scope={"track_id": provisional}).to_pylist()
    assert row["is_provisional"]
    looks_everywhere(story, 2020)
    again = story.slump(2020, "a", (0, 0, 162, 60))
    link(story.store)
    assert story.track_of(again) == story.track_of(smaller) == story.track_of(whole)
    assert story.events_of(whole) == [("first_seen", 2018)]
    kinds = sorted(row["kind"] for row in story.store.read("link").to_pylist())
    assert kinds == ["fragment", "fragment", "main", "main"]
    (alias,) = story.store.read("track_alias", scope={"old_track_id": provisional}).to_pylist()
    assert alias["track_id"] == story.track_of(whole)
    (state,) = story.store.read("track_state", scope={"season_year": 2019}).to_pylist()
    assert state["n_outlines"] == 2
    assert state["area_m2"] == pytest.approx(90 * 60 + 64 * 60, rel=1e-3)


def test_pieces_that_stay_apart_have_split(story):
    looks_everywhere(story, 2018, 2019, 2020)
    whole = story.slump(2018, "a", (0, 0, 160, 60))
    for season in (2019, 2020):
        story.slump(season, "a1", (0, 0, 90, 60))
        piece = story.slump(season, "a2", (96, 0, 160, 60))
    link(story.store)
    assert story.track_of(piece) != story.track_of(whole)
    (event,) = story.store.read("event", scope={"kind": "split"}).to_pylist()
    assert not event["is_provisional"]
    assert event["confidence"] > 0.7


def test_pieces_of_a_first_season_that_are_one_soon_after_were_fragments(story):
    looks_everywhere(story, 2018, 2019)
    pieces = [story.slump(2018, "a1", (0, 0, 50, 90)), story.slump(2018, "a2", (56, 0, 100, 90))]
    whole = story.slump(2019, "a", (0, 0, 102, 90))
    link(story.store)
    assert {story.track_of(piece) for piece in pieces} == {story.track_of(whole)}
    assert story.events_of(whole) == [("first_seen", 2018)]


def test_a_stable_slump_that_is_found_again_whole_is_active_again(story):
    looks_everywhere(story, 2018, 2019, 2020, 2021, 2022)
    first, _ = (story.slump(year, "a", (0, 0, 100, 60)) for year in (2018, 2019))
    again = story.slump(2022, "a", (0, 0, 104, 62))
    link(story.store)
    assert story.track_of(again) == story.track_of(first)
    events = story.store.read("event", scope={"track_id": story.track_of(first)}).to_pylist()
    (event,) = [row for row in events if row["kind"] == "reactivate"]
    assert (event["after_on"].year, event["before_on"].year) == (2021, 2022)
    assert ("stabilise", 2020) in story.events_of(first)
    (track,) = story.store.read("track").to_pylist()
    assert track["activity"] == "active"


def test_a_new_slump_inside_a_stable_one_is_another_tied_to_it(story):
    looks_everywhere(story, 2018, 2019, 2020, 2021, 2022)
    scar, _ = (story.slump(year, "a", (0, 0, 100, 60)) for year in (2018, 2019))
    new = story.slump(2022, "b", (70, 20, 100, 50))
    link(story.store)
    assert story.track_of(new) != story.track_of(scar)
    (event,) = story.store.read("event", scope={"track_id": story.track_of(new)}).to_pylist()
    assert event["kind"] == "reinitiate"
    assert event["related_track_id"] == story.track_of(scar)
    assert event["after_on"].year == 2021
    lineages = {row["lineage_id"] for row in story.store.read("track").to_pylist()}
    assert len(lineages) == 2


def test_a_look_that_nobody_knows_of_makes_no_gap(story):
    first = story.slump(2018, "a", (0, 0, 60, 50))
    last = story.slump(2021, "a", (0, 0, 64, 50))
    link(story.store)
    assert story.track_of(last) == story.track_of(first)
    (found,) = story.store.read("link").to_pylist()
    assert found["kind"] == "main"


def test_tracks_found_to_be_one_slump_leave_an_alias(story):
    for season in (2019, 2020, 2021):
        story.look(season, EVERYWHERE, basis="assumed")
    first = story.slump(2018, "a", (0, 0, 60, 50))
    last = story.slump(2022, "a", (60, 0, 130, 50))
    link(story.store)
    gone = story.track_of(last)
    assert gone != story.track_of(first)
    story.slump(2020, "a", (0, 0, 100, 50))
    link(story.store)
    assert story.track_of(last) == story.track_of(first)
    (alias,) = [
        row for row in story.store.read("track_alias").to_pylist() if row["old_track_id"] == gone
    ]
    assert alias["track_id"] == story.track_of(first)
    assert story.store.read("track", scope={"track_id": gone}).num_rows == 0


def test_a_killed_link_leaves_the_store_as_it_was(story, monkeypatch):
    story.slump(2018, "a", (0, 0, 60, 50))
    story.slump(2019, "a", (0, 0, 64, 50))

    def killed(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rts_track.steps.linking.write_events", killed)
        with pytest.raises(KeyboardInterrupt):
            link(story.store)
    assert story.store.count("outline") == story.store.count("track") == 0
    link(story.store)
    assert story.store.count("track") == 1


def test_the_shift_between_two_scenes_is_estimated_and_corrected_for(story):
    story.scene("s18", 2018)
    story.scene("s19", 2019)
    for number in range(10):
        west, south = 300 * number, 40 * (number % 3)
        story.slump(2018, f"{number}", (west, south, west + 80, south + 60), scene="s18")
        box = (west + 9, south - 6, west + 89, south + 54)
        story.slump(2019, f"{number}", box, scene="s19")
    link(story.store)
    (shift,) = story.store.read("scene_shift").to_pylist()
    assert shift["is_applied"]
    assert shift["n"] == 10
    assert (shift["dx_m"] ** 2 + shift["dy_m"] ** 2) ** 0.5 == pytest.approx(117**0.5, rel=0.03)
    for row in story.store.read("link").to_pylist():
        assert row["iou"] == pytest.approx(1.0, abs=0.02)


def test_a_shift_that_the_images_told_goes_before_what_outlines_tell(story):
    for season, scene in ((2018, "a"), (2019, "b")):
        story.scene(scene, season)
    here = np.array([-1_500_000.0]), np.array([1_200_000.0])
    (east,), (north,) = grid.to_ground(np.array([38.0]), np.array([0.0]), *here)
    row = {
        "scene_a": "a", "scene_b": "b", "dx_m": float(east), "dy_m": float(north), "se_m": 0.4,
        "n": 900, "method": "coregistration", "is_applied": True,
    }  # fmt: skip
    schema = arrow_schema("scene_shift")
    story.store.upsert("scene_shift", pa.Table.from_pylist([row], schema=schema))
    first = story.slump(2018, "s", (0, 0, 40, 40), scene="a")
    neighbour = story.slump(2018, "n", (41, 0, 81, 40), scene="a")
    moved = story.slump(2019, "s", (38, 0, 78, 40), scene="b")
    link(story.store)
    assert story.track_of(moved) == story.track_of(first) != story.track_of(neighbour)
    (kept,) = story.store.read("scene_shift").to_pylist()
    assert kept == row


def test_a_lineage_whose_tracks_are_gone_stays_resolvable(story):
    story.slump(2018, "stays", (500, 500, 560, 550))
    gone = story.slump(2018, "gone", (0, 0, 60, 50))
    link(story.store)
    track = story.track_of(gone)
    (row,) = story.store.read("track", ["lineage_id"], {"track_id": track}).to_pylist()
    story.store.upsert(
        "superseded_footprint", pa.table({"footprint_id": [gone], "run_id": ["story"]})
    )
    link(story.store)
    aliases = {
        each["old_track_id"]: each["track_id"]
        for each in story.store.read("track_alias").to_pylist()
    }
    assert aliases == {track: None, row["lineage_id"]: None}
