"""A lineage through the seasons."""

import numpy as np
import pytest

from rts_track.growth.lineage import Turns, lineage_areas, lineage_seasons


def series_of(history, states, turns=()):
    """(lineage, season) -> (area, members, measured, complete)."""
    number = np.array(states, dtype=np.int64).reshape(-1, 2)
    seasons = lineage_seasons(
        history,
        number[:, 0],
        number[:, 1],
        Turns(
            track=np.array([turn[0] for turn in turns], dtype=np.int64),
            season_year=np.array([turn[1] for turn in turns], dtype=np.int64),
            is_stable=np.array([turn[2] for turn in turns], dtype=bool),
        ),
    )
    areas = lineage_areas(history.appearances, seasons, np.zeros(len(seasons)))
    return {
        (int(seasons.lineage[row]), int(seasons.season_year[row])): (
            areas.area_m2[row],
            int(seasons.n_members[row]),
            int(areas.n_measured[row]),
            bool(areas.is_complete[row]),
        )
        for row in range(len(seasons))
    }


def merger(history):
    return history(
        [(0, 2018, 1e4), (0, 2019, 3e4), (1, 2018, 2e4)],
        [(0, 1, 1e4, "main"), (2, 1, 2e4, "merge")],
    )


def test_a_merged_track_is_counted_until_it_merged(history):
    found = series_of(merger(history), [(0, 2018), (0, 2019), (1, 2018)])
    assert found == {(0, 2018): (3e4, 2, 2, True), (0, 2019): (3e4, 1, 1, True)}


def test_a_member_without_a_whole_outline_leaves_the_season_incomplete(history):
    rows = [(0, 2018, 1e4), (1, 2018, 2e4)]
    found = series_of(history(rows, is_whole=[True, False]), [(0, 2018), (1, 2018)])
    assert found == {(0, 2018): (1e4, 2, 1, False)}


def test_a_track_is_no_member_before_it_was_founded(history):
    rows = [(0, 2018, 1e4), (0, 2019, 1e4), (1, 2019, 2e4)]
    found = series_of(history(rows, [(0, 1, 1e4, "main")]), [(0, 2018), (0, 2019), (1, 2019)])
    assert found[0, 2018] == (1e4, 1, 1, True)
    assert found[0, 2019] == (3e4, 2, 2, True)


def test_an_absent_slump_lives_a_stable_one_does_not_until_it_is_active_again(history):
    rows = [(0, 2018, 1e4), (0, 2022, 1e4), (1, 2018, 1e4)]
    states = [(0, year) for year in range(2018, 2023)]
    turns = [(0, 2020, True), (0, 2022, False)]
    found = series_of(history(rows, lineage=[0, 1]), states, turns)
    assert {season: row[1] for (_, season), row in found.items()} == {2018: 1, 2019: 1, 2022: 1}


def test_members_of_one_source_err_together_and_pixels_do_not(history):
    rows = [(0, 2018, 1e4), (1, 2018, 1e4)]
    drawn = history(rows, random_sigma_m2=[30.0, 40.0], coherent_sigma_m2=[100.0, 200.0])
    mixed = history(
        rows, random_sigma_m2=[30.0, 40.0], coherent_sigma_m2=[100.0, 200.0], source=[0, 1]
    )
    nobody = Turns(
        *[], track=np.zeros(0, int), season_year=np.zeros(0, int), is_stable=np.zeros(0, bool)
    )
    year = np.full(2, 2018)

    def sigma(found):
        seasons = lineage_seasons(found, np.arange(2), year, nobody)
        return lineage_areas(found.appearances, seasons, np.zeros(1)).area_sigma_m2[0]

    assert sigma(drawn) == pytest.approx(np.sqrt(30**2 + 40**2 + 300**2))
    assert sigma(mixed) == pytest.approx(np.sqrt(30**2 + 40**2 + 100**2 + 200**2))


def test_lineages_do_not_mix(history):
    rows = [(0, 2018, 1e4), (1, 2018, 2e4), (2, 2018, 4e4)]
    states = [(track, 2018) for track in range(3)]
    found = series_of(history(rows, lineage=[5, 7, 5]), states)
    assert found == {(5, 2018): (5e4, 2, 2, True), (7, 2018): (2e4, 1, 1, True)}
