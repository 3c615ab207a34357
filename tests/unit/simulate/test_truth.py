"""What is told of small lives that were thought out by hand: slumps that pause, and return."""

import datetime as dt

import numpy as np
import pytest
import shapely

from rts_track.simulate import truth
from rts_track.simulate.life import Lives, Turn
from rts_track.simulate.meeting import Slump
from rts_track.simulate.params import HistoryParams
from rts_track.simulate.scenes import Drawing, Scene

SEASONS = range(2018, 2025)
PLACE = {"A": shapely.box(0, 0, 100, 100), "B": shapely.box(40, 40, 60, 60)}
"""B lies inside A."""


def evidence(lived, turns, mapped, looked=SEASONS):
    """The evidence of slumps that lived and were mapped in those seasons, on one scene each."""
    slumps = {
        season: {
            each: Slump(
                object_id=each, polygon=PLACE[each], heading=np.array([0.0, 1.0]), growth_m_yr=4.0
            )
            for each, seasons in lived.items()
            if season in seasons
        }
        for season in SEASONS
    }
    scenes = {
        season: Scene(
            scene_id=f"scene {season}",
            season_year=season,
            observed_on=dt.date(season, 8, 1),
            extent=shapely.box(-500, -500, 500, 500),
            shift_m=np.zeros(2),
        )
        for season in looked
    }
    drawings = [
        (
            f"{each}{season}",
            Drawing(
                scene=scenes[season],
                object_id=each,
                polygon=PLACE[each],
                is_clipped=False,
                is_foremost=True,
            ),
        )
        for season in SEASONS
        for each, seasons in mapped.items()
        if season in seasons
    ]
    return truth.gather(
        HistoryParams(n_seasons=len(SEASONS), first_year=SEASONS.start),
        Lives(slumps=slumps, turns=tuple(turns)),
        list(scenes.values()),
        drawings,
    )


def turn(kind, object_id, season_year, related=None):
    return Turn(kind=kind, object_id=object_id, related_object_id=related, season_year=season_year)


def events(found):
    """Kind, object, season and related object of each event."""
    return [
        (row["kind"], row["object_id"], row["season_year"], row["related_object_id"])
        for row in truth.event_rows(found)
    ]


def links(found):
    return [
        (row["from_source_feature_id"], row["to_source_feature_id"], row["kind"])
        for row in truth.link_rows(found)
    ]


PAUSE = [turn("stabilise", "A", 2020), turn("reactivate", "A", 2022)]
PAUSED = {"A": (2018, 2019, 2022, 2023, 2024)}


def test_a_slump_that_pauses_stabilises_and_goes_on_as_the_same_slump():
    found = evidence(PAUSED, PAUSE, PAUSED)
    assert events(found) == [
        ("first_seen", "A", 2018, None),
        ("stabilise", "A", 2020, None),
        ("reactivate", "A", 2022, None),
    ]
    assert links(found) == [
        ("A2018", "A2019", "main"),
        ("A2019", "A2022", "gap"),
        ("A2022", "A2023", "main"),
        ("A2023", "A2024", "main"),
    ]


def test_a_return_is_dated_by_the_season_in_which_it_was_first_mapped_again():
    found = evidence(PAUSED, PAUSE, {"A": (2018, 2019, 2023, 2024)})
    assert ("reactivate", "A", 2023, None) in events(found)
    assert ("A2019", "A2023", "gap") in links(found)


def test_a_pause_that_too_few_seasons_looked_at_is_no_event_but_a_gap():
    looked = [season for season in SEASONS if season != 2020]
    found = evidence(PAUSED, PAUSE, PAUSED, looked)
    assert events(found) == [("first_seen", "A", 2018, None)]
    assert ("A2019", "A2022", "gap") in links(found)


def test_a_pause_that_nobody_looked_at_is_nothing():
    looked = [season for season in SEASONS if season not in (2020, 2021)]
    found = evidence(PAUSED, PAUSE, PAUSED, looked)
    assert events(found) == [("first_seen", "A", 2018, None)]
    assert ("A2019", "A2022", "main") in links(found)


@pytest.mark.parametrize("mapped", [(2022, 2023), ()])
def test_a_return_of_a_slump_that_was_never_mapped_before_is_none(mapped):
    found = evidence(PAUSED, PAUSE, {"A": mapped})
    assert events(found) == ([("first_seen", "A", 2022, None)] if mapped else [])


def test_a_return_that_was_never_mapped_is_none():
    found = evidence(PAUSED, PAUSE, {"A": (2018, 2019)})
    assert events(found) == [("first_seen", "A", 2018, None), ("stabilise", "A", 2020, None)]


def test_of_two_pauses_between_which_the_slump_was_never_mapped_one_can_be_known():
    lived = {"A": (2018, 2021, 2024)}
    turns = [
        turn("stabilise", "A", 2019),
        turn("reactivate", "A", 2021),
        turn("stabilise", "A", 2022),
        turn("reactivate", "A", 2024),
    ]
    found = evidence(lived, turns, {"A": (2018, 2024)})
    assert events(found) == [
        ("first_seen", "A", 2018, None),
        ("stabilise", "A", 2019, None),
        ("reactivate", "A", 2024, None),
    ]


NEW_INSIDE = [turn("stabilise", "A", 2020), turn("reinitiate", "B", 2022, "A")]
OLD_AND_NEW = {"A": (2018, 2019), "B": (2022, 2023, 2024)}


def test_a_new_slump_inside_a_stabilised_one_is_another_and_no_link_leads_to_it():
    found = evidence(OLD_AND_NEW, NEW_INSIDE, OLD_AND_NEW)
    assert events(found) == [
        ("first_seen", "A", 2018, None),
        ("stabilise", "A", 2020, None),
        ("reinitiate", "B", 2022, "A"),
    ]
    assert {(a[0], b[0]) for a, b, _ in links(found)} == {("A", "A"), ("B", "B")}


def test_a_new_slump_in_one_that_was_not_yet_known_to_lie_still_merely_initiates():
    looked = [season for season in SEASONS if season != 2020]
    found = evidence(OLD_AND_NEW, NEW_INSIDE, OLD_AND_NEW, looked)
    assert ("initiate", "B", 2022, None) in events(found)
    assert ("stabilise", "A", 2020, None) in events(found), "later seasons looked there as well"


def test_a_new_slump_in_one_that_nobody_ever_mapped_is_like_any_other():
    found = evidence(OLD_AND_NEW, NEW_INSIDE, {"B": (2022, 2023)})
    assert events(found) == [("initiate", "B", 2022, None)]
