"""`link`, then `measure`: what linking writes is what measuring reads."""

from __future__ import annotations

import pytest

from rts_track.steps.linking import link
from rts_track.steps.measuring import measure

EVERYWHERE = (-900, -900, 900, 900)


def told_in_four_seasons(story):
    """One slump grows, is clouded over, swallows its neighbour, then splits in two."""
    for season in (2018, 2019, 2021, 2022):
        story.scene(f"scene {season}", season)
        story.look(season, EVERYWHERE, scene=f"scene {season}")

    def slump(season, name, box):
        return story.slump(season, name, box, scene=f"scene {season}")

    big = slump(2018, "big", (0, 0, 100, 100))
    small = slump(2018, "small", (130, 0, 180, 100))
    slump(2019, "big", (0, 0, 120, 100))
    slump(2019, "small", (130, 0, 190, 100))
    slump(2021, "both", (0, 0, 200, 100))
    slump(2022, "west", (0, 0, 130, 100))
    part = slump(2022, "east", (140, 0, 210, 100))
    link(story.store)
    return story.track_of(big), story.track_of(small), story.track_of(part)


def growth_of(story, track):
    rows = story.store.read("growth", scope={"track_id": track}).to_pylist()
    return {(row["basis"], row["from_year"], row["to_year"]): row for row in rows}


def test_a_story_of_four_seasons_has_the_growth_that_was_put_into_it(story):
    big, small, part = told_in_four_seasons(story)
    measure(story.store)
    of_big = growth_of(story, big)
    assert of_big["track", 2018, 2019]["area_change_m2"] == pytest.approx(2_000, rel=1e-3)
    assert of_big["track", 2018, 2019]["gained_m2"] == pytest.approx(2_000, rel=1e-2)
    assert of_big["group", 2019, 2021]["area_change_m2"] == pytest.approx(2_000, rel=1e-3)
    assert of_big["group", 2021, 2022]["area_change_m2"] == pytest.approx(0, abs=10)
    assert of_big["group", 2018, 2022]["area_change_m2"] == pytest.approx(5_000, rel=1e-3)
    assert set(growth_of(story, small)) >= {("track", 2018, 2019), ("group", 2019, 2021)}
    assert (
        growth_of(story, part)["group", 2021, 2022]["group_id"]
        == (of_big["group", 2021, 2022]["group_id"])
    )
    assert not any(basis == "track" and year > 2019 for basis, _, year in of_big)


def test_the_lineage_of_the_story_is_complete_in_every_season_that_was_seen(story):
    big, _, _ = told_in_four_seasons(story)
    measure(story.store)
    (track,) = story.store.read("track", ["lineage_id"], {"track_id": big}).to_pylist()
    rows = story.store.read("lineage_state", scope=track).to_pylist()
    seen = {row["season_year"]: row for row in rows if row["is_complete"]}
    assert [seen[season]["n_members"] for season in sorted(seen)] == [2, 2, 1, 2]
    assert seen[2018]["area_m2"] == pytest.approx(15_000, rel=1e-3)
    assert seen[2021]["area_m2"] == pytest.approx(20_000, rel=1e-3)


def test_appending_a_season_measures_again_and_keeps_what_was_measured(story):
    for season in (2018, 2019):
        story.slump(season, "one", (0, 0, 100 + 10 * (season - 2018), 100))
    link(story.store)
    measure(story.store)
    before = story.store.read("growth").to_pylist()
    story.slump(2020, "one", (0, 0, 130, 100))
    link(story.store)
    report = measure(story.store)
    after = story.store.read("growth").to_pylist()
    assert report.written.added > 0
    assert all(row in after for row in before)
    assert {(row["from_year"], row["to_year"]) for row in after} == {
        (2018, 2019),
        (2019, 2020),
        (2018, 2020),
    }


def test_linking_again_without_change_leaves_nothing_to_measure(story):
    told_in_four_seasons(story)
    measure(story.store)
    link(story.store)
    assert measure(story.store).run_id is None
