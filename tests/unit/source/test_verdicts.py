"""Rows of a table are understood as the verdicts that people mean."""

from __future__ import annotations

import datetime as dt

import pytest

from rts_track.errors import InputError, UsageError
from rts_track.source.arts import decider, related_uids, uid_of
from rts_track.source.verdicts import instant, read_verdicts


def read(tmp_path, header, *lines):
    path = tmp_path / "verdicts.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return read_verdicts(path)


@pytest.mark.parametrize(
    ("header", "line", "kind", "target"),
    [
        ("footprint_id", "f", "footprint", ("f",)),
        ("outline_id", "o", "footprint", ("o",)),
        ("outline_id,track_id", "o,t", "footprint", ("o",)),
        ("track_id", "t", "track", ("t",)),
        ("link_id", "l", "link", ("l",)),
        ("outline_id,to", "o,p", "link", ("o", "p")),
        ("footprint_id,target_kind,track_id", "f,track,t", "track", ("t",)),
        ("target_kind,target_id", "Link,l", "link", ("l",)),
    ],
)
def test_a_row_is_about_what_its_ids_are_of(tmp_path, header, line, kind, target):
    found = read(tmp_path, f"verdict,by,at,{header}", f"Reject,Ada,2026-03-01,{line}")
    ((number, decision),) = found.decisions
    assert (number, decision.target_kind, decision.target) == (1, kind, target)
    assert decision.verdict == "reject"


def test_rows_without_a_verdict_are_passed_over_and_numbers_are_those_of_the_file(tmp_path):
    found = read(
        tmp_path,
        "footprint_id,verdict,by,at",
        "f,,,",
        "g,accept,Ada,2026-03-01",
        "h,NULL,,",
        "i,accept,,",
    )
    assert [number for number, _ in found.decisions] == [2]
    assert [fault[0] for fault in found.faults] == ["row 4"]


def test_a_kind_of_target_that_there_is_not_is_told(tmp_path):
    header = "footprint_id,target_kind,verdict,by,at"
    found = read(tmp_path, header, "f,slump,reject,Ada,2026-03-01")
    ((_, reason),) = found.faults
    assert reason == "target_kind 'slump': expected footprint or link or track"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01", dt.datetime(2026, 3, 1, tzinfo=dt.UTC)),
        ("2026/03/01", dt.datetime(2026, 3, 1, tzinfo=dt.UTC)),
        ("2026-03-01T10:30:00Z", dt.datetime(2026, 3, 1, 10, 30, tzinfo=dt.UTC)),
        ("2026-03-01T10:30:00+02:00", dt.datetime(2026, 3, 1, 8, 30, tzinfo=dt.UTC)),
        (dt.date(2026, 3, 1), dt.datetime(2026, 3, 1, tzinfo=dt.UTC)),
    ],
)
def test_an_instant_without_a_zone_is_utc(value, expected):
    assert instant(value) == expected
    assert instant(value).utcoffset() == dt.timedelta(0)


def test_a_file_that_is_no_table_of_verdicts_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no column 'at'"):
        read(tmp_path, "footprint_id,verdict,by", "f,accept,Ada")
    with pytest.raises(InputError, match="no such file"):
        read_verdicts(tmp_path / "nothing.gpkg")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("verdict,by,at,footprint_id\nreject,Jürgen,2026-03-01,f\n".encode("latin-1"))
    with pytest.raises(InputError, match="no CSV in UTF-8"):
        read_verdicts(latin)


@pytest.mark.parametrize("value", ["u1,u2", "u1; u2", "['u1', 'u2']", ["u1", "u2"], "u1|u2"])
def test_uids_are_read_however_they_are_listed(value):
    assert list(related_uids({"MergedRTS": value})) == [("MergedRTS", "u1"), ("MergedRTS", "u2")]


@pytest.mark.parametrize("value", [None, "", "None", "nan", "NA", []])
def test_nothing_is_no_uid(value):
    assert list(related_uids({"MergedRTS": value})) == []


def test_who_found_relations_comes_before_who_drew_the_polygon():
    assert decider({"CreatorLab": "Lab", "RelationshipBy": "rts-track, computed"}) == (
        "rts-track, computed"
    )
    assert decider({"CreatorLab": " "}) == "ARTS"


def test_a_name_that_was_made_for_a_row_without_one_is_no_uid():
    assert uid_of("arts:6aff1955") == "6aff1955"
    assert uid_of("arts:#5") is None
    assert uid_of("arts:6aff1955#7") is None
