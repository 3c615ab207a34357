"""One slump's story: the same words from every engine."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from rts_track.errors import InputError, StoreError, UsageError
from rts_track.steps.evidence_words import evidence_words
from rts_track.steps.story_lines import WIDTH, story_lines
from rts_track.steps.telling import story_record, tell

_ROWS = Path(__file__).parent / "stories" / "a-slump-with-a-past.txt"

_STORY = """\
slump     alpha-1
kind      landform
validity  confirmed: seen in 3 seasons, 2018-2021
activity  active, as of 2021
size      1,500 m² in 2021, at 70.25000, -120.12500 (lat, lon)
trend     +80 m² a year (95 %: -4 to +164; least squares over 3 seasons)
lineage   alpha-1: 3 slumps
formerly  founder-0 (found to be the same slump)
formerly  older-00 (redo of a season)

season  state     seen                  area m²  drawn  change m²  m² a year
2018    observed  2018-07-01..03     1,000 ± 50      1
        event  began; 2017-08-01 to 2018-07-03; confidence 0.80; 2 seasons looked here before;
               recall 0.55
2019    absent    2019-07-01..08-12
        looks  cover 97% of it
2020    partial   2020-07-20          ≥700 ± 40      2
        looks  cover 50% of it
        link   fragment from 2018; confidence 0.45; AMBIGUOUS
        link   gap from 2018; confidence 0.71
        event  charlie split off; 2018-07-01 to 2020-07-20; confidence 0.62; decided in 2021
2021    observed  2021-07-20         1,500 ± 60      1       +260   +86 ± 31  * g
        link   main from 2020; drawn by a person
        link   merge from 2020, an outline of bravo-1; confidence 0.99; may yet be settled
        event  swallowed bravo-1; 2020-07-20 to 2021-07-20; confidence 0.90; may yet be settled

relative  charlie split off (2020)
relative  swallowed bravo-1 (2021)

verdict   link rejected by Ada on 2020-07-01 (superseded since)
verdict   split link 2017 to 2018 drawn by Ada on 2020-07-01: seen again from ship
verdict   track accepted by Ben on 2020-07-01

Areas and rates ± 1 sigma; changes since the last whole look, * beyond 1.96 sigma. g: of its group,
all that merges and splits connect, measured as one. Confidence is calibrated on simulated
histories."""


@pytest.fixture
def told(words, engines):
    """Each engine's story of an id, found to be the same: its lines."""
    readers = engines(words.read_spec(_ROWS).rows)

    def lines(asked):
        stories = [list(story_lines(tell(reader, asked))) for reader in readers.values()]
        records = [story_record(tell(reader, asked)) for reader in readers.values()]
        assert all(story == stories[0] for story in stories)
        assert all(record == records[0] for record in records)
        assert json.loads(json.dumps(records[0], allow_nan=False)) == records[0]
        return stories[0]

    lines.readers = readers
    lines.record = lambda asked: story_record(tell(readers["duckdb"], asked))
    return lines


def test_a_story_tells_each_season_with_its_links_events_growth_and_verdicts(told):
    assert "\n".join(told("alpha-1")) == _STORY


def test_an_id_that_moved_or_is_cut_short_leads_to_the_slump_that_it_stands_for(told):
    head = "older-00 is now alpha-1 (redo of a season)"
    lines = told("older-00")
    assert lines[:2] == [head, "slump     alpha-1"]
    assert not any(line.startswith("formerly  older-00") for line in lines)
    assert told("founde")[0] == "founder-0 is now alpha-1 (found to be the same slump)"
    assert told("  charlie ")[0] == "slump     charlie"


def test_the_former_id_of_a_lineage_may_be_that_of_a_slump_still_in_use(told):
    lines = told("bravo-1")
    assert lines[0] == "slump     bravo-1"
    assert "relative  merged into alpha-1 (2021)" in lines
    assert "verdict   track rejected by Ben on 2020-07-01" in lines


def test_a_retracted_id_says_so_and_tells_what_is_left(told):
    assert told("gone-99") == ["gone-99 was retracted: its outlines are gone"]
    lines = told("ghost-7")
    assert lines[0] == "ghost-7 was retracted: a shadow, no slump"
    assert "validity  retracted: seen in 1 season, 2018" in lines
    assert told.record("gone-99")["track"] is None


def test_a_scar_and_what_began_in_it_tell_of_each_other(told):
    lines = told("delta-1")
    assert "relative  began in the scar of echo-11 (2021)" in lines
    event = next(line for line in lines if line.startswith("        event"))
    assert event.split("event  ")[1] == (
        "began in the scar of echo-11; 2018-07-01 to 2021-07-20; confidence 0.50; A PERSON"
    )
    assert "relative  delta-1 began in its scar (2021)" in told("echo-11")
    assert told.record("echo-11")["relatives"] == [
        {"track_id": "delta-1", "event": "reinitiate", "whose": "other", "season_year": 2021}
    ]


@pytest.mark.parametrize(
    ("asked", "error", "words_of_it"),
    [
        ("alp", UsageError, "at least 6 characters"),
        ("", UsageError, "at least 6 characters"),
        ("alpha-", UsageError, "alpha-1, alpha-2; give more"),
        ("nobody", InputError, "nobody: no slump"),
        ("al%ha-", InputError, "no slump"),
    ],
)
def test_an_id_that_stands_for_no_one_slump_is_one_clear_line(told, asked, error, words_of_it):
    for reader in told.readers.values():
        with pytest.raises(error, match=words_of_it) as raised:
            tell(reader, asked)
        assert "\n" not in str(raised.value)


def test_a_store_that_holds_no_slumps_says_what_to_do(duckdb_store):
    with pytest.raises(StoreError, match="rts-track link"):
        tell(duckdb_store, "nobody-1")


def test_no_line_is_wider_than_a_hundred_columns(told):
    for asked in ("alpha-1", "bravo-1", "charlie", "delta-1", "echo-11", "ghost-7", "older-00"):
        assert all(len(line) <= WIDTH for line in told(asked))


def test_even_the_largest_slump_there_is_fits_a_hundred_columns(words, duckdb_store, engines):
    rows = words.read_spec(_ROWS).rows
    for row in rows["track_state"]:
        row.update(area_m2=1_234_567.0, area_sigma_m2=12_345.0, state="unobserved")
    for row in rows["growth"]:
        row.update(area_change_m2=-2e5, area_rate_m2_yr=-1e5, area_rate_sigma_m2_yr=12_345.0)
    for row in rows["verdict"]:
        row.update(decided_by="a long name " * 20)
    engines(rows)
    lines = list(story_lines(tell(duckdb_store, "alpha-1")))
    assert max(map(len, lines)) <= WIDTH


def test_evidence_is_told_in_words_and_unknown_figures_by_their_names():
    event = {
        "kind": "stabilise",
        "season_year": 2019,
        "after_on": None,
        "evidence": {
            "decided_in": 2020,
            "from_year": 2016,
            "seasons_missed": 1,
            "seasons_seen": 3,
            "seasons_seen_into": 0,
            "cover": 0.7777,
            "share": 0.9999,
            "next_season": "missed",
            "pieces": 2,
            "recall": None,
            "seasons_looked_at_before": 0,
            "is_candidate_for_review": False,
            "is_new": True,
            "scar_share": 0.8123,
            "years": [2016, 2018],
            "nothing": None,
        },
    }
    assert list(evidence_words(event)) == [
        "decided in 2020",
        "since 2016",
        "missed in 1 season that looked",
        "known for 3 seasons before",
        "0.78 of it lies within the other",
        "0.99 of both together",
        "missed in the next season",
        "one of 2 pieces",
        "recall of its source unknown",
        "no look before",
        "new yes",
        "scar share 0.812",
        "years 2016, 2018",
    ]


def test_what_goes_without_saying_is_not_said():
    event = {
        "kind": "first_seen",
        "season_year": 2019,
        "after_on": dt.date(2018, 8, 1),
        "evidence": {"decided_in": 2019, "from_year": 2018, "recall": None, "next_season": ""},
    }
    assert list(evidence_words(event)) == []


def test_the_seasons_of_a_splits_evidence_are_those_of_the_parent():
    event = {
        "kind": "split",
        "season_year": 2019,
        "after_on": None,
        "evidence": {"seasons_seen": 1, "seasons_missed": 0},
    }
    assert list(evidence_words(event)) == ["its parent known for 1 season before"]
