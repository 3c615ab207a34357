"""Names of features, and ids of looks."""

from __future__ import annotations

import datetime as dt

import shapely

from rts_track.source.inventory import FeatureNames, LookArea, all_notes


def test_an_id_names_a_feature_within_its_file() -> None:
    names = FeatureNames("slumps", "id")

    assert names.name({"id": 12}, 1) == ("slumps:12", "")
    assert names.name({"id": 13.0}, 2) == ("slumps:13", "")
    assert names.name({"id": " a/b "}, 3) == ("slumps:a/b", "")


def test_without_an_id_field_the_row_number_is_the_id() -> None:
    names = FeatureNames("slumps", None)

    assert [names.name({}, number)[0] for number in (1, 2)] == ["slumps:1", "slumps:2"]


def test_a_missing_id_is_replaced_by_the_row_and_told() -> None:
    names = FeatureNames("slumps", "id")

    assert names.name({"id": None}, 7) == ("slumps:#7", "no id")
    assert names.name({"id": "  "}, 8) == ("slumps:#8", "no id")


def test_a_repeated_id_gets_its_row_and_is_told() -> None:
    names = FeatureNames("slumps", "id")
    names.name({"id": 5}, 1)

    assert names.name({"id": 5}, 9) == ("slumps:5#9", "id 5 is repeated")
    assert names.name({"id": 5.0}, 10) == ("slumps:5#10", "id 5 is repeated")


def look(**changes: object) -> LookArea:
    values: dict[str, object] = {
        "source": "s",
        "unit": "s:scene",
        "season_year": 2020,
        "from_on": dt.date(2020, 7, 1),
        "to_on": dt.date(2020, 7, 1),
        "basis": "measured",
        "geometry": shapely.box(0, 0, 1, 1),
    }
    return LookArea(**{**values, **changes})


def test_a_look_keeps_its_id_when_its_area_or_dates_are_corrected() -> None:
    corrected = look(geometry=shapely.box(0, 0, 2, 2), to_on=dt.date(2020, 7, 2))

    assert corrected.look_id == look().look_id


def test_another_source_scene_season_or_basis_is_another_look() -> None:
    others = [look(source="t"), look(unit="u"), look(season_year=2021), look(basis="assumed")]

    assert len({look().look_id, *(other.look_id for other in others)}) == 5


def test_notes_are_joined_without_the_empty_ones() -> None:
    assert all_notes(["", "Z dropped"], [], ["ring closed"]) == "Z dropped; ring closed"
