"""A person's word: taken in, kept, found again after a redo, and told."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import shapely

from rts_track import grid
from rts_track.errors import InputError, UsageError
from rts_track.source.verdicts import Decision
from rts_track.steps.carrying import carry_over
from rts_track.steps.deciding import decide, import_verdicts
from rts_track.steps.linking import link
from rts_track.steps.status import status_lines
from rts_track.steps.verdicts import (
    explain,
    outline_finder,
    read_rulings,
    resolve_pairs,
    unresolved,
)

AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
BOX = (0, 0, 60, 50)


def say(story, verdict, target_kind, *target, by="Ada", at=AT, **more):
    decision = Decision(
        verdict=verdict,
        target_kind=target_kind,
        target=target,
        decided_by=by,
        decided_at=at,
        **more,
    )
    return decide(story.store, decision, now=NOW)


def hours_later(n):
    return AT + dt.timedelta(hours=n)


def outline_of(story, footprint):
    scope = {"footprint_id": footprint}
    return story.store.read("footprint", ["outline_id"], scope)["outline_id"][0].as_py()


def supersede(story, former, run="story"):
    """Let the footprint give way, as a new import of its feature does."""
    rows = pa.table({"footprint_id": [former], "run_id": [run]})
    story.store.upsert("superseded_footprint", rows)


@pytest.fixture
def grown(story):
    """A slump in three seasons, linked; and another one beside it."""
    found = [story.slump(2018 + n, "a", (0, 0, 60 + 10 * n, 50)) for n in range(3)]
    other = [story.slump(2018 + n, "b", (500, 0, 560, 50)) for n in range(3)]
    link(story.store)
    return SimpleNamespace(slump=found, other=other, track=story.track_of(found[0]))


def test_a_rejected_footprint_makes_no_outline_and_an_accepted_one_does_again(story, grown):
    middle = grown.slump[1]
    say(story, "reject", "footprint", middle)
    assert link(story.store).first_season == 2019
    assert outline_of(story, middle) is None
    assert link(story.store).first_season is None
    say(story, "accept", "footprint", middle, at=hours_later(1))
    assert link(story.store).first_season == 2019
    assert outline_of(story, middle) is not None


def test_an_outlines_id_stands_for_all_its_footprints(story):
    story.scene("coarse", 2018, gsd_m=10.0)
    story.scene("fine", 2018)
    both = [story.slump(2018, s, BOX, scene=s) for s in ("coarse", "fine")]
    link(story.store)
    assert outline_of(story, both[0]) == outline_of(story, both[1])
    assert say(story, "reject", "footprint", outline_of(story, both[0])).added == 2
    rulings = read_rulings(story.store, "landform")
    assert rulings.rejected_footprints == set(both)


def test_a_later_verdict_supersedes_the_former_and_nothing_is_deleted(story, grown):
    target = grown.slump[0]
    for n, verdict in enumerate(("reject", "accept", "reject")):
        say(story, verdict, "footprint", target, at=hours_later(n))
    rows = story.store.read("verdict").to_pylist()
    ordered = sorted(rows, key=lambda row: row["decided_at"])
    assert [row["verdict"] for row in ordered] == ["reject", "accept", "reject"]
    assert [row["supersedes"] for row in ordered] == [
        None,
        ordered[0]["verdict_id"],
        ordered[1]["verdict_id"],
    ]
    assert read_rulings(story.store, "landform").rejected_footprints == {target}


def test_a_verdict_that_comes_late_takes_its_place_by_its_date(story, grown):
    target = grown.slump[0]
    say(story, "reject", "footprint", target, at=hours_later(2))
    say(story, "accept", "footprint", target, at=hours_later(1), by="Bo")
    say(story, "accept", "footprint", target, at=hours_later(0), by="Cy")
    rulings = read_rulings(story.store, "landform")
    assert (rulings.rejected_footprints, rulings.accepted_footprints) == ({target}, frozenset())
    rows = {row["verdict_id"]: row for row in story.store.read("verdict").to_pylist()}
    (last,) = rows.keys() - {row["supersedes"] for row in rows.values()}
    chain = []
    while last:
        chain.append(rows[last]["decided_by"])
        last = rows[last]["supersedes"]
    assert chain == ["Ada", "Bo", "Cy"]


def test_the_same_verdict_again_adds_nothing(story, grown):
    first = say(story, "reject", "footprint", grown.slump[0], reason="a rock face")
    again = say(story, "reject", "footprint", grown.slump[0], reason="a rock face")
    assert (first.added, again.added, again.unchanged) == (1, 0, 1)
    assert story.store.count("verdict") == 1


def test_a_rejected_track_loses_its_footprints_and_an_accepted_one_gets_them_back(story, grown):
    assert say(story, "reject", "track", grown.track).added == 4
    rulings = read_rulings(story.store, "landform")
    assert rulings.rejected_footprints == set(grown.slump)
    assert rulings.retracted_tracks == {grown.track}
    assert {rulings.track_of_footprint[one] for one in grown.slump} == {grown.track}
    assert say(story, "accept", "track", grown.track, at=hours_later(1)).added == 4
    rulings = read_rulings(story.store, "landform")
    assert rulings.accepted_footprints == set(grown.slump)
    assert (rulings.confirmed_tracks, rulings.retracted_tracks) == ({grown.track}, frozenset())


def test_a_track_without_outlines_is_accepted_with_the_footprints_it_lost(story, grown):
    say(story, "reject", "track", grown.track)
    nothing = pa.table(
        {"footprint_id": grown.slump, "outline_id": pa.nulls(len(grown.slump), pa.string())}
    )
    outlines = [outline_of(story, one) for one in grown.slump]
    with story.store.transaction():
        story.store.delete("link", {"from_outline_id": outlines})
        story.store.update("footprint", nothing)
        story.store.delete("outline", {"outline_id": outlines})
    assert say(story, "accept", "track", grown.track, at=hours_later(1)).added == 4
    rulings = read_rulings(story.store, "landform")
    assert rulings.accepted_footprints == set(grown.slump)
    assert {rulings.track_of_footprint[one] for one in grown.slump} == {grown.track}


def test_a_former_id_of_a_track_stands_for_the_present_one(story, grown):
    alias = {"old_track_id": "former", "track_id": grown.track, "run_id": "story", "reason": "x"}
    story._write("track_alias", [alias])
    say(story, "accept", "track", "former")
    assert read_rulings(story.store, "landform").confirmed_tracks == {grown.track}


def test_linking_works_off_the_season_that_a_verdict_touches(story, grown):
    say(story, "reject", "link", grown.slump[1], grown.slump[2])
    assert link(story.store).first_season == 2020
    say(story, "relink", "link", grown.other[0], grown.slump[1])
    assert link(story.store).first_season == 2019
    assert link(story.store).first_season is None
    say(story, "reject", "link", grown.slump[1], grown.slump[2], by="Bo")
    assert link(story.store).first_season is None  # the same word by another person


def test_verdicts_on_one_kind_are_no_business_of_the_other(story, grown):
    story.source("change", kind="active_zone")
    zone = [story.slump(y, "z", BOX, source="change") for y in (2018, 2019)]
    link(story.store)
    say(story, "relink", "link", *zone)
    say(story, "reject", "footprint", zone[0])
    landform, active_zone = (read_rulings(story.store, k) for k in ("landform", "active_zone"))
    assert (landform.pairs, landform.rejected_footprints) == ((), frozenset())
    assert len(active_zone.pairs) == 1
    assert active_zone.rejected_footprints == {zone[0]}


@pytest.mark.parametrize("form", ["footprints", "outlines", "link", "later first"])
def test_a_link_is_named_by_outlines_footprints_or_its_id(story, grown, form):
    ends = grown.slump[:2]
    outlines = [outline_of(story, one) for one in ends]
    scope = {"from_outline_id": outlines[0]}
    target = {
        "footprints": ends,
        "outlines": outlines,
        "link": [story.store.read("link", scope=scope)["link_id"][0].as_py()],
        "later first": ends[::-1],
    }[form]
    say(story, "accept", "link", *target)
    (pair,) = read_rulings(story.store, "landform").pairs
    assert (pair.from_footprint, pair.to_footprint) == tuple(ends)
    assert (pair.from_season, pair.to_season) == (2018, 2019)
    assert (pair.ruling, pair.link_kind) == ("accept", "main")
    assert pair.decided_at == AT


def test_a_relink_says_what_the_link_is_and_is_main_by_default(story, grown):
    say(story, "relink", "link", grown.slump[0], grown.other[1], link_kind="split")
    say(story, "relink", "link", grown.other[0], grown.slump[1])
    pairs = read_rulings(story.store, "landform").pairs
    assert sorted(pair.link_kind for pair in pairs) == ["main", "split"]


def finder(story, kind="landform"):
    def outlines_of(season):
        rows = story.store.read("outline", scope={"kind": kind, "season_year": season})
        wkb = np.array(rows["geometry"].to_pylist(), dtype=object)
        ids = np.array(rows["outline_id"].to_pylist(), dtype=object)
        return ids, grid.to_metric(shapely.from_wkb(wkb))

    return outline_finder(story.store, outlines_of)


def outlines_by_footprint(story):
    rows = story.store.read("footprint", ["footprint_id", "outline_id"]).to_pylist()
    return {row["footprint_id"]: row["outline_id"] for row in rows if row["outline_id"]}


def test_a_verdict_on_a_link_finds_its_outlines_by_their_footprints(story, grown):
    say(story, "reject", "link", *grown.slump[:2])
    rulings = read_rulings(story.store, "landform")

    def nothing(*_):
        pytest.fail("looked for a place")

    (pair,) = resolve_pairs(rulings, outlines_by_footprint(story), nothing)
    assert (pair.from_outline, pair.to_outline) == tuple(
        outline_of(story, one) for one in grown.slump[:2]
    )
    assert (pair.ruling, pair.link_kind) == ("reject", None)


@pytest.mark.parametrize(
    ("redrawn", "is_found"),
    [((2, 1, 71, 52), True), ((0, 0, 20, 50), True), ((900, 900, 950, 950), False)],
    ids=["over the point", "over a part of it only", "elsewhere"],
)
def test_a_verdict_on_a_link_survives_a_redo_of_its_season(story, grown, redrawn, is_found):
    first, second = grown.slump[:2]
    say(story, "reject", "link", first, second)
    supersede(story, second)
    heir = story.slump(2019, "a", redrawn)
    link(story.store)
    assert outline_of(story, second) is None
    rulings = read_rulings(story.store, "landform")
    found = resolve_pairs(rulings, outlines_by_footprint(story), finder(story))
    told = "\n".join(status_lines(story.store))
    if is_found:
        assert [pair.to_outline for pair in found] == [outline_of(story, heir)]
        assert unresolved(story.store) == []
        assert "finds no outline" not in told
    else:
        assert found == []
        assert unresolved(story.store) == [rulings.pairs[0].verdict_id]
        assert rulings.pairs[0].verdict_id in told


def test_of_outlines_at_a_point_the_one_that_shares_most_is_meant(story, grown):
    story.scene("s", 2019)
    story.scene("t", 2019)
    supersede(story, grown.slump[1])
    small = story.slump(2019, "small", (30, 20, 45, 30), scene="s")
    large = story.slump(2019, "large", (0, 0, 65, 50), scene="s")
    link(story.store)
    assert outline_of(story, small) != outline_of(story, large)
    scope = {"footprint_id": grown.slump[1]}
    (row,) = story.store.read("footprint", ["lon", "lat"], scope).to_pylist()
    found = finder(story)(2019, (row["lon"], row["lat"]), grown.slump[1])
    assert found == outline_of(story, large)


def test_of_two_verdicts_whose_footprints_came_to_share_an_outline_the_later_decides(story):
    earlier = story.slump(2018, "a", BOX)
    story.scene("s", 2019)
    story.scene("t", 2019)
    one = story.slump(2019, "a", BOX, scene="s")
    link(story.store)
    say(story, "reject", "link", earlier, one)
    other = story.slump(2019, "a", (1, 0, 61, 50), scene="t")
    say(story, "relink", "link", earlier, other, at=hours_later(1), by="Bo")
    link(story.store)
    assert outline_of(story, one) == outline_of(story, other)
    rulings = read_rulings(story.store, "landform")
    assert len(rulings.pairs) == 2
    (pair,) = resolve_pairs(rulings, outlines_by_footprint(story), finder(story))
    assert pair.ruling == "relink"
    say(story, "reject", "link", earlier, outline_of(story, one), at=hours_later(2))
    (pair,) = resolve_pairs(
        read_rulings(story.store, "landform"), outlines_by_footprint(story), finder(story)
    )
    assert pair.ruling == "reject"


def test_an_outline_that_is_gone_is_still_known_by_its_verdict(story, grown):
    former = [outline_of(story, one) for one in grown.slump[:2]]
    say(story, "reject", "link", *former)
    supersede(story, grown.slump[1])
    story.slump(2019, "a", (0, 0, 72, 50))
    link(story.store)
    assert say(story, "reject", "link", *former).unchanged == 1
    say(story, "relink", "link", *former, at=hours_later(1))
    (pair,) = read_rulings(story.store, "landform").pairs
    assert pair.ruling == "relink"


def test_a_rejection_goes_on_to_the_outline_that_its_source_draws_anew(story, grown):
    former = grown.slump[1]
    say(story, "reject", "footprint", former, reason="a road")
    supersede(story, former)
    heir = story.slump(2019, "a", (0, 0, 72, 50))
    assert carry_over(story.store) == 1
    assert carry_over(story.store) == 0
    assert heir in read_rulings(story.store, "landform").rejected_footprints
    link(story.store)
    assert outline_of(story, heir) is None
    (row,) = story.store.read("verdict", scope={"target_id": heir}).to_pylist()
    assert (row["decided_by"], row["decided_at"], row["reason"]) == ("Ada", AT, "a road")
    assert json.loads(row["value"])["track_id"] == grown.track


def test_a_rejection_goes_on_to_what_a_rerun_finds_in_the_same_place(story):
    look = {"season": 2018, "box": (-500, -500, 500, 500)}
    story.look(**look)
    (old,) = story.store.read("look", ["look_id"])["look_id"].to_pylist()
    former = story.slump(2018, "1", BOX)
    story._write("footprint", [_row_of(story, former, look_id=old)])
    say(story, "reject", "footprint", former)
    assert carry_over(story.store) == 0
    stale = {"look_id": [old], "is_current": [False]}
    story.store.update("look", pa.table(stale))
    story.look(2018, (-400, -400, 500, 500))
    (new,) = set(story.store.read("look", ["look_id"])["look_id"].to_pylist()) - {old}
    same, beside = story.slump(2018, "7", (3, 0, 63, 50)), story.slump(2018, "8", (50, 0, 90, 50))
    for one in (same, beside):
        story._write("footprint", [_row_of(story, one, look_id=new)])
    assert carry_over(story.store) == 1
    assert read_rulings(story.store, "landform").rejected_footprints == {former, same}


def _row_of(story, footprint, **changes):
    (row,) = story.store.read("footprint", scope={"footprint_id": footprint}).to_pylist()
    return row | changes


def test_a_footprint_with_a_verdict_of_its_own_inherits_none(story, grown):
    former = grown.slump[1]
    say(story, "reject", "footprint", former)
    heir = story.slump(2019, "a", (0, 0, 72, 50))
    say(story, "accept", "footprint", heir)
    supersede(story, former)
    assert carry_over(story.store) == 0
    assert heir in read_rulings(story.store, "landform").accepted_footprints


def test_a_track_that_lost_a_footprint_to_a_verdict_may_be_retracted(story):
    once = story.slump(2018, "a", BOX)
    link(story.store)
    track = story.track_of(once)
    say(story, "reject", "footprint", once)
    assert read_rulings(story.store, "landform").retracted_tracks == {track}


def test_a_history_tells_who_decided_when_and_why(story, grown):
    say(story, "reject", "footprint", grown.slump[0], reason="a rock face")
    say(story, "accept", "footprint", grown.slump[0], by="Bo", at=hours_later(24))
    say(story, "relink", "link", grown.other[0], grown.slump[1], link_kind="merge")
    lines = explain(story.store, [grown.slump[0]])
    assert lines == [
        f"2026-03-01 Ada: reject footprint {grown.slump[0]} (superseded): a rock face",
        f"2026-03-02 Bo: accept footprint {grown.slump[0]}",
    ]
    by_outline = explain(story.store, [outline_of(story, grown.slump[1])])
    assert len(by_outline) == 1
    assert "relink link" in by_outline[0]
    assert by_outline[0].endswith(" as merge")
    assert len(explain(story.store, [grown.track])) == 2
    assert explain(story.store, ["unknown"]) == []


def test_status_counts_verdicts_and_asks_for_no_link_of_what_was_rejected(story):
    only = story.slump(2018, "a", BOX)
    story.slump(2018, "b", (500, 0, 560, 50))
    link(story.store)
    say(story, "reject", "footprint", only)
    link(story.store)
    told = "\n".join(status_lines(story.store))
    assert "verdicts  1 in force" in told
    assert "in no outline" not in told


@pytest.mark.parametrize(
    ("verdict", "kind", "target", "said"),
    [
        ("reject", "footprint", ["nobody"], "no footprint or outline 'nobody'"),
        ("reject", "track", ["nobody"], "no track 'nobody'"),
        ("accept", "link", ["nobody"], "no link 'nobody'"),
        ("reject", "link", ["a18", "b18"], "both of season 2018"),
        ("relink", "link", ["a18", "z19"], "of active_zone: a track has one kind"),
        ("accept", "link", ["a18", "b19"], "nothing links"),
        ("relink", "link", ["a18"], "relink takes two ids"),
        ("relink", "track", ["a18", "b19"], "relink is about links"),
        ("doubt", "footprint", ["a18"], "verdict 'doubt': expected accept or reject or relink"),
        ("reject", "slump", ["a18"], "target 'slump': expected footprint or link or track"),
        ("reject", "footprint", ["a18", "b18"], "named by one id, not by 2"),
    ],
)
def test_a_verdict_that_cannot_be_meant_is_refused_in_one_line(story, verdict, kind, target, said):
    story.source("change", kind="active_zone")
    known = {
        "a18": story.slump(2018, "a", BOX),
        "b18": story.slump(2018, "b", (500, 0, 560, 50)),
        "b19": story.slump(2019, "b", (500, 0, 560, 50)),
        "z19": story.slump(2019, "z", BOX, source="change"),
    }
    link(story.store)
    with pytest.raises(UsageError) as refused:
        say(story, verdict, kind, *(known.get(one, one) for one in target))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert story.store.count("verdict") == 0


def test_a_verdict_without_a_name_or_from_the_future_is_refused(story, grown):
    with pytest.raises(UsageError, match="who decides"):
        say(story, "reject", "footprint", grown.slump[0], by=" ")
    with pytest.raises(UsageError, match="at 2206-01-01: lies in the future"):
        at = dt.datetime(2206, 1, 1, tzinfo=dt.UTC)
        say(story, "reject", "footprint", grown.slump[0], at=at)


def write(path: Path, rows):
    if path.suffix == ".csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path
    shapes = [shapely.box(n, 60, n + 1, 61) for n in range(len(rows))]
    frame = geopandas.GeoDataFrame(rows, geometry=shapes, crs="EPSG:4326")
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_file(path)
    return path


@pytest.mark.parametrize("name", ["edited.gpkg", "edited.csv", "edited.parquet", "edited.geojson"])
def test_a_file_edited_in_qgis_or_a_spreadsheet_comes_in_once(story, grown, tmp_path, name):
    common = {"by": "Ada", "at": "2026-03-01", "reason": ""}
    rows = [
        {**common, "outline_id": outline_of(story, grown.slump[0]), "verdict": "", "to": ""},
        {**common, "outline_id": outline_of(story, grown.slump[1]), "verdict": "reject", "to": ""},
        {
            **common,
            "outline_id": outline_of(story, grown.other[1]),
            "verdict": "relink",
            "to": outline_of(story, grown.slump[2]),
        },
    ]
    path = write(tmp_path / name, rows)
    report = import_verdicts(story.store, path, now=NOW)
    assert (report.added, report.unchanged, report.faults) == (2, 0, ())
    assert import_verdicts(story.store, path, now=NOW).added == 0
    rulings = read_rulings(story.store, "landform")
    assert rulings.rejected_footprints == {grown.slump[1]}
    (pair,) = rulings.pairs
    assert (pair.from_footprint, pair.to_footprint) == (grown.other[1], grown.slump[2])
    assert pair.decided_at == dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    link(story.store)
    assert import_verdicts(story.store, path, now=NOW).added == 0


def bad_rows(grown):
    good = {"footprint_id": grown.slump[0], "verdict": "reject", "by": "Ada", "at": "2026-03-01"}
    return [
        good,
        {**good, "footprint_id": "nobody"},
        {**good, "verdict": "maybe"},
        {**good, "by": ""},
        {**good, "at": ""},
        {**good, "at": "yesterday"},
        {**good, "footprint_id": ""},
    ]


def test_bad_rows_are_told_one_by_one_and_the_rest_goes_in(story, grown, tmp_path):
    report = import_verdicts(story.store, write(tmp_path / "v.csv", bad_rows(grown)), now=NOW)
    assert report.added == 1
    assert dict(report.faults) == {
        "row 2": "no footprint or outline 'nobody' in this store",
        "row 3": "verdict 'maybe': expected accept or reject or relink",
        "row 4": "no name in `by`: say who decides",
        "row 5": "no date in `at`: say when, as 2026-03-01",
        "row 6": "at 'yesterday' is no date: write it as 2026-03-01",
        "row 7": "no id of a footprint: fill footprint_id or outline_id or target_id",
    }


def test_strictly_a_bad_row_keeps_all_out(story, grown, tmp_path):
    path = write(tmp_path / "v.csv", bad_rows(grown))
    with pytest.raises(InputError, match=r"6 verdicts at fault, nothing stored: row 4: .*1 more$"):
        import_verdicts(story.store, path, is_strict=True, now=NOW)
    assert story.store.count("verdict") == 0
    assert story.store.read("run", scope={"step": "verdict"}).num_rows == 0


def test_a_verdict_leaves_a_run_so_that_an_export_notices(story, grown):
    say(story, "reject", "footprint", grown.slump[0])
    (run,) = story.store.read("run", scope={"step": "verdict"}).to_pylist()
    assert json.loads(run["params"]) == {"target": [grown.slump[0]]}
