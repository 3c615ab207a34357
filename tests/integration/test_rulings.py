"""A person's word wins over what linking computes, and stays when seasons are done anew."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from rts_track.errors import UsageError
from rts_track.source.verdicts import Decision
from rts_track.steps.deciding import decide
from rts_track.steps.linking import link
from rts_track.steps.story_lines import story_lines
from rts_track.steps.telling import tell
from rts_track.track.params import LinkParams

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
BOX = (0, 0, 60, 50)


def say(story, verdict, target_kind, *target, hours=0, **more):
    decision = Decision(
        verdict=verdict,
        target_kind=target_kind,
        target=target,
        decided_by="Ada",
        decided_at=AT + dt.timedelta(hours=hours),
        **more,
    )
    return decide(story.store, decision)


def links(story):
    return {(row["from_year"], row["to_year"]): row for row in story.store.read("link").to_pylist()}


def tracks(story):
    return {row["track_id"]: row for row in story.store.read("track").to_pylist()}


def test_a_rejected_link_parts_two_slumps_and_an_accepted_one_joins_them_again(story):
    one, other = (story.slump(y, "a", BOX) for y in (2018, 2019))
    link(story.store)
    say(story, "reject", "link", one, other)
    link(story.store)
    assert story.track_of(one) != story.track_of(other)
    assert links(story) == {}
    say(story, "relink", "link", one, other, hours=1)
    link(story.store)
    assert story.track_of(one) == story.track_of(other)


def test_a_link_that_a_person_accepts_is_certain(story):
    one, other = (story.slump(y, "a", BOX) for y in (2018, 2019))
    link(story.store)
    say(story, "accept", "link", one, other)
    link(story.store)
    (row,) = links(story).values()
    assert (row["origin"], row["confidence"], row["is_ambiguous"]) == ("person", 1.0, False)


def test_a_person_links_what_lies_apart(story):
    one = story.slump(2018, "a", BOX)
    far = story.slump(2019, "a", (400, 0, 460, 50))
    link(story.store)
    say(story, "relink", "link", one, far)
    link(story.store)
    assert story.track_of(one) == story.track_of(far)
    (row,) = links(story).values()
    assert (row["kind"], row["origin"], row["overlap_m2"]) == ("main", "person", 0.0)
    assert 335 < row["distance_m"] < 345


def test_a_person_says_that_a_slump_split_off_or_merged(story):
    whole = story.slump(2018, "w", BOX)
    story.slump(2019, "w", BOX)
    part = story.slump(2019, "p", (400, 0, 430, 30))
    link(story.store)
    say(story, "relink", "link", whole, part, link_kind="split")
    link(story.store)
    assert story.events_of(part) == [("split", 2019)]
    assert len({row["lineage_id"] for row in tracks(story).values()}) == 1


def test_a_rejected_slump_is_retracted_and_comes_back_under_its_id(story):
    only = [story.slump(y, "a", BOX) for y in (2018, 2019)]
    story.slump(2019, "b", (400, 0, 460, 50))
    link(story.store)
    track = story.track_of(only[0])
    say(story, "reject", "track", track)
    link(story.store)
    assert tracks(story)[track]["validity"] == "retracted"
    assert story.store.read("outline", scope={"track_id": track}).num_rows == 0
    assert story.store.read("track_alias", scope={"old_track_id": track}).num_rows == 0
    say(story, "accept", "track", track, hours=1)
    link(story.store)
    assert {story.track_of(one) for one in only} == {track}
    assert tracks(story)[track]["validity"] == "confirmed"


def test_a_slump_seen_once_is_confirmed_by_a_person(story):
    once = story.slump(2018, "a", BOX)
    link(story.store)
    assert tracks(story)[story.track_of(once)]["validity"] == "tentative"
    say(story, "accept", "track", story.track_of(once))
    link(story.store)
    assert tracks(story)[story.track_of(once)]["validity"] == "confirmed"


def test_a_persons_word_survives_a_redo_of_either_season(story):
    one, other = (story.slump(y, "a", BOX) for y in (2018, 2019))
    link(story.store)
    say(story, "reject", "link", one, other)
    link(story.store)
    for season, former in ((2018, one), (2019, other)):
        rows = pa.table({"footprint_id": [former], "run_id": ["story"]})
        story.store.upsert("superseded_footprint", rows)
        heir = story.slump(season, "a", (0, 0, 60 + season - 2000, 50))
        link(story.store)
        assert links(story) == {}, heir


def test_a_new_season_leaves_what_a_person_said(story):
    one = story.slump(2018, "a", BOX)
    far = story.slump(2019, "a", (400, 0, 460, 50))
    link(story.store)
    say(story, "relink", "link", one, far)
    link(story.store)
    before = links(story)
    story.slump(2020, "a", (400, 0, 465, 50))
    link(story.store)
    after = links(story)
    assert {years: after[years] for years in before} == before
    assert len(after) == 2


def supersede(story, *former):
    """Let the footprints give way, as a new import of their features does."""
    rows = pa.table({"footprint_id": list(former), "run_id": ["story"] * len(former)})
    story.store.upsert("superseded_footprint", rows)


def looks_everywhere(story, *seasons):
    for season in seasons:
        story.look(season, (-2000, -2000, 3000, 2000))


def test_a_drawn_link_survives_a_redo_of_either_season(story):
    one, far = story.slump(2018, "a", BOX), story.slump(2019, "a", (400, 0, 460, 50))
    story.slump(2019, "b", (4, 3, 64, 53))
    link(story.store)
    say(story, "relink", "link", one, far)
    link(story.store)
    track = story.track_of(one)
    for season, former, moved in (
        (2018, one, (3, 0, 63, 50)),
        (2019, far, (403, 0, 463, 50)),
    ):
        supersede(story, former)
        heir = story.slump(season, "a", moved)
        link(story.store)
        assert story.track_of(heir) == track
        (row,) = story.store.read("link", scope={"origin": "person"}).to_pylist()
        assert (row["kind"], row["confidence"], row["is_ambiguous"]) == ("main", 1.0, False)


def test_a_footprint_drawn_anew_stays_rejected_and_its_track_resolvable(story):
    once = story.slump(2018, "a", BOX)
    story.slump(2018, "b", (400, 0, 460, 50))
    link(story.store)
    track = story.track_of(once)
    say(story, "reject", "footprint", once, reason="a river bar")
    supersede(story, once)
    heir = story.slump(2018, "a", (3, 0, 63, 50))
    link(story.store)
    rows = story.store.read("footprint", ["outline_id"], {"footprint_id": heir}).to_pylist()
    assert rows == [{"outline_id": None}]
    assert tracks(story)[track]["validity"] == "retracted"
    told = "\n".join(story_lines(tell(story.store, track)))
    assert "validity  retracted" in told
    assert "Ada" in told
    assert "a river bar" in told
    say(story, "accept", "footprint", heir, hours=1)
    link(story.store)
    assert story.track_of(heir) == track
    assert tracks(story)[track]["validity"] == "tentative"


def test_a_retracted_track_stays_retracted_through_later_seasons(story):
    only = [story.slump(y, "a", BOX) for y in (2018, 2019)]
    story.slump(2019, "b", (400, 0, 460, 50))
    link(story.store)
    track = story.track_of(only[0])
    say(story, "reject", "track", track)
    link(story.store)
    anew = story.slump(2020, "a", BOX)
    link(story.store)
    assert tracks(story)[track]["validity"] == "retracted"
    assert story.track_of(anew) != track
    assert story.store.read("track_state", scope={"track_id": track}).num_rows == 0
    link(story.store, redo=2018)
    assert tracks(story)[track]["validity"] == "retracted"
    assert story.store.read("track_alias", scope={"old_track_id": track}).num_rows == 0


def test_a_track_that_was_rejected_in_one_season_only_goes_on(story):
    grown = [story.slump(y, "a", (0, 0, y - 1958, 50)) for y in (2018, 2019, 2020)]
    link(story.store)
    track = story.track_of(grown[0])
    say(story, "reject", "footprint", grown[0])
    link(story.store)
    assert {story.track_of(one) for one in grown[1:]} == {track}
    assert tracks(story)[track]["first_year"] == 2019
    assert tracks(story)[track]["validity"] == "confirmed"


def test_what_is_drawn_goes_on_over_seasons_that_missed_it(story):
    looks_everywhere(story, *range(2018, 2024))
    one = story.slump(2018, "a", BOX)
    far = story.slump(2023, "a", (400, 0, 460, 50))
    link(story.store)
    assert ("stabilise", 2019) in story.events_of(one)
    say(story, "relink", "link", one, far)
    link(story.store)
    assert story.track_of(one) == story.track_of(far)
    (row,) = links(story).values()
    assert (row["from_year"], row["to_year"], row["kind"]) == (2018, 2023, "gap")
    assert story.events_of(far)[:2] == [("first_seen", 2018), ("reactivate", 2023)]
    (event,) = story.store.read("event", scope={"kind": "reactivate"}).to_pylist()
    assert event["confidence"] == 1.0
    assert tracks(story)[story.track_of(far)]["activity"] == "active"


def test_of_two_that_are_said_to_go_on_as_one_the_earlier_said_merges(story):
    boxes = (BOX, (400, 0, 460, 50))
    first, second = (story.slump(2018, str(n), box) for n, box in enumerate(boxes))
    one = story.slump(2019, "c", (800, 0, 860, 50))
    say(story, "relink", "link", first, one)
    say(story, "relink", "link", second, one, hours=1)
    link(story.store)
    assert story.track_of(second) == story.track_of(one)
    assert ("merge", 2019) in story.events_of(first)
    assert {row["origin"] for row in story.store.read("link").to_pylist()} == {"person"}


def test_what_a_person_calls_a_split_is_no_fragment_later(story):
    whole = story.slump(2018, "s", (0, 0, 160, 60))
    story.slump(2019, "s", (0, 0, 90, 60))
    part = story.slump(2019, "p", (95, 0, 160, 60))
    story.slump(2020, "s", (0, 0, 165, 60))
    link(story.store)
    assert story.track_of(whole) == story.track_of(part)
    say(story, "relink", "link", whole, part, link_kind="split")
    link(story.store)
    assert story.track_of(whole) != story.track_of(part)
    (event,) = story.store.read("event", scope={"kind": "split"}).to_pylist()
    assert (event["confidence"], event["is_provisional"]) == (1.0, False)


def test_an_accepted_fragment_stays_one_and_is_certain(story):
    whole = story.slump(2018, "s", (0, 0, 160, 60))
    story.slump(2019, "s", (0, 0, 90, 60))
    part = story.slump(2019, "p", (95, 0, 160, 60))
    again = story.slump(2020, "s", (0, 0, 165, 60))
    link(story.store)
    say(story, "accept", "link", part, again)
    link(story.store)
    assert story.track_of(whole) == story.track_of(part)
    origins = [
        (row["kind"], row["origin"], row["confidence"] == 1.0)
        for row in story.store.read("link", scope={"from_year": 2019}).to_pylist()
    ]
    assert sorted(origins) == [("fragment", "person", True), ("main", "computed", False)]


def test_an_accepted_link_is_drawn_where_it_is_no_longer_computed(story):
    one, other = story.slump(2018, "a", BOX), story.slump(2019, "a", (30, 0, 90, 50))
    link(story.store)
    say(story, "accept", "link", one, other)
    supersede(story, other)
    heir = story.slump(2019, "a", (58, 0, 118, 50))
    link(story.store)
    assert story.track_of(one) == story.track_of(heir)
    (row,) = links(story).values()
    assert (row["kind"], row["origin"]) == ("main", "person")


def test_a_slump_is_linked_to_what_it_was_before_its_latest_outline(story):
    one = story.slump(2018, "a", BOX)
    story.slump(2019, "a", BOX)
    far = story.slump(2020, "f", (400, 0, 430, 30))
    story.slump(2020, "a", BOX)
    link(story.store)
    say(story, "relink", "link", one, far, link_kind="split")
    link(story.store)
    assert links(story)[2018, 2020]["origin"] == "person"
    assert story.events_of(far) == [("split", 2020)]
    appended = story.everything()
    link(story.store, LinkParams(ambiguous_below=0.6000001))
    assert story.everything() == appended


def test_a_companions_verdict_is_that_of_the_outline_that_speaks_for_the_place(story):
    story.source("coarse", gsd_m=30.0)
    one = story.slump(2018, "a", BOX)
    beside = story.slump(2018, "c", (2, 0, 60, 50), source="coarse")
    later = story.slump(2019, "a", BOX)
    link(story.store)
    assert len(links(story)) == 1
    say(story, "reject", "link", beside, later)
    link(story.store)
    assert links(story) == {}
    assert story.track_of(one) == story.track_of(beside) != story.track_of(later)


def test_verdicts_given_before_linking_hold_in_whatever_portions_seasons_come(story):
    looks_everywhere(story, *range(2018, 2023))
    found = {}

    def season(year):
        for number in range(3):
            found[year, number] = story.slump(
                year, f"n{number}", (300 * number, 0, 300 * number + year - 1958, 50)
            )
        if year == 2022:
            found["late"] = story.slump(year, "late", (0, 700, 50, 750))
        if year == 2018:
            found["early"] = story.slump(year, "early", (0, 500, 50, 550))
            found["fused"] = story.slump(year, "fused", (300, 100, 350, 150))

    def verdicts(year):
        if year == 2019:
            say(story, "reject", "link", found[2018, 0], found[2019, 0])
            say(story, "relink", "link", found["fused"], found[2019, 1], link_kind="merge")
        if year == 2020:
            say(story, "relink", "link", found[2019, 1], found[2020, 2])
            say(story, "relink", "link", found[2018, 2], found[2020, 1], hours=1)
            say(story, "reject", "footprint", found[2020, 0])
        if year == 2022:
            say(story, "relink", "link", found["early"], found["late"])

    for year in range(2018, 2023):
        season(year)
        verdicts(year)
        link(story.store)
    appended = story.everything()
    assert story.track_of(found["early"]) == story.track_of(found["late"])
    assert story.track_of(found[2019, 1]) == story.track_of(found[2020, 2])
    assert story.track_of(found[2018, 2]) == story.track_of(found[2020, 1])
    assert story.track_of(found[2018, 0]) != story.track_of(found[2019, 0])
    link(story.store, redo=2018)
    assert story.everything() == appended
    link(story.store, redo=2020)
    assert story.everything() == appended


def test_linking_a_season_again_changes_nothing_but_the_run(story):
    looks_everywhere(story, 2018, 2019, 2020)
    for season in (2018, 2019, 2020):
        story.scene(f"s{season}", season)
        for number in range(10):
            west = 100 * number + (6 if season == 2019 else 0)
            story.slump(season, f"n{number}", (west, 0, west + 50, 50), scene=f"s{season}")
    link(story.store)
    before = story.everything()
    report = link(story.store, redo=2019)
    assert (report.first_season, report.last_season) == (2019, 2020)
    assert story.everything() == before
    assert before["scene_shift"]
    assert story.store.count("track_alias") == 0
    assert link(story.store).first_season is None


def test_a_season_that_nobody_knows_of_cannot_be_linked_again(story):
    with pytest.raises(UsageError, match=r"season 2018: .* the store is empty"):
        link(story.store, redo=2018)
    story.slump(2018, "a", BOX)
    link(story.store)
    with pytest.raises(UsageError, match=r"season 2019: .* the last season is 2018"):
        link(story.store, redo=2019)
