"""Every question, on every engine: the rows worked out by hand, and the same rows from each."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest

from rts_track.query import ask, question, questions

_FOLDER = Path(__file__).parent / "questions"
_FILES = sorted(_FOLDER.glob("*/*.txt"))
_NAMES = [asked.name for asked in questions()]


@pytest.mark.parametrize("file", _FILES, ids=[f"{f.parent.name}/{f.stem}" for f in _FILES])
def test_every_engine_gives_the_rows_worked_out_by_hand(file: Path, words, engines) -> None:
    spec = words.read_spec(file)
    assert spec.asks
    readers = engines(spec.rows)
    for asked in spec.asks:
        types = {column.name: column.type for column in question(asked.question).columns}
        for engine, reader in readers.items():
            answer = ask(reader, asked.question, asked.given)
            wrong = words.differences(answer.to_pylist(), asked.expected(types))
            assert not wrong, f"{engine}, {asked.question} {asked.given}: {wrong}"


@pytest.mark.parametrize("name", _NAMES)
def test_every_column_of_a_question_has_a_value_worked_out_by_hand(name: str, words) -> None:
    asks = [
        asked
        for file in (_FOLDER / name).glob("*.txt")
        for asked in words.read_spec(file).asks
        if asked.question == name and asked.lines
    ]
    shown = {column for asked in asks for column in asked.columns}
    assert shown == {column.name for column in question(name).columns}
    given = {param for asked in asks for param in asked.given} | {
        param
        for file in (_FOLDER / name).glob("*.txt")
        for asked in words.read_spec(file).asks
        for param in asked.given
    }
    assert given == {param.name for param in question(name).params}


def test_an_empty_store_answers_every_question_with_no_rows(engines) -> None:
    for engine, reader in engines({}).items():
        for asked in questions():
            given = {param.name: "nobody" for param in asked.params if param.is_required}
            answer = ask(reader, asked.name, given)
            assert answer.num_rows == 0, (engine, asked.name)
            assert answer.schema.equals(asked.answer_schema), (engine, asked.name)


def test_engines_agree_on_a_history_full_of_ties_nulls_and_groups(words, engines) -> None:
    history = _history(random.Random(7))
    readers = engines(history)
    for asked in questions():
        given = {param.name: "t03" for param in asked.params if param.is_required}
        answers = {name: ask(reader, asked.name, given) for name, reader in readers.items()}
        reference = answers.pop("duckdb")
        assert reference.num_rows > 0, asked.name
        for engine, answer in answers.items():
            assert answer.schema.equals(reference.schema), (engine, asked.name)
            wrong = words.differences(answer.to_pylist(), reference.to_pylist())
            assert not wrong, (engine, asked.name, wrong[:3])


def _history(dice: random.Random) -> dict[str, list[dict[str, Any]]]:
    """Tracks of few distinct areas, dates and rates, so that most order is decided by ties."""
    years = range(2016, 2022)
    tracks = [f"{dice.choice('tT')}{n:02}" for n in range(24)] + ["t03"]
    ids = sorted(set(tracks))
    rows: dict[str, list[dict[str, Any]]] = {
        "track": [
            {
                "track_id": track,
                "kind": dice.choice(["landform", "active_zone"]),
                "validity": dice.choice(["confirmed", "confirmed", "tentative", "retracted"]),
                "first_year": 2016,
                "area_m2": dice.choice([0.0, 99.5, 1000.0]),
                "lon": dice.choice([-180.0, -0.25, 10.0, 180.0]),
                "lat": dice.choice([60.25, 70.0]),
            }
            for track in ids
        ],
        "track_state": [
            {
                "track_id": track,
                "season_year": year,
                "state": dice.choice(["observed", "observed", "partial", "absent"]),
                "coverage_frac": dice.choice([None, 0.0, 0.5, 1.0]),
                "area_m2": dice.choice([None, 0.0, 10.0, 333.25, 1000.0]),
                "is_clipped": dice.random() < 0.2,
            }
            for track in ids
            for year in years
        ],
        "growth": [
            {
                "track_id": track,
                "basis": basis,
                "group_id": dice.choice(["g1", "g2"]) if basis == "group" else None,
                "from_year": start,
                "to_year": end,
                "area_change_m2": dice.choice([-5.0, 0.0, 12.5]),
                "area_rate_m2_yr": dice.choice([-5.0, 0.0, 12.5, 12.5]),
                "area_rate_sigma_m2_yr": dice.choice([0.0, 1.5]),
                "retreat_rate_m_yr": dice.choice([None, 0.5, 2.0]),
                "is_significant": dice.random() < 0.5,
                "is_cross_source": dice.random() < 0.2,
            }
            for track in ids
            for start in years
            for end in years
            if start < end
            for basis in [dice.choice(["track", "track", "group"])]
        ],
        "trend": [
            {
                "track_id": track,
                "method": method,
                "time_basis": "calendar",
                "area_rate_m2_yr": dice.choice([1.0, 2.0]),
                "growth_pct_yr": dice.choice([None, 3.0]),
            }
            for track in ids
            for method in dice.sample(["interval", "wls", "theil_sen"], 2)
        ],
        "event": [
            {
                "event_id": f"{dice.choice('eE')}{number:03}",
                "track_id": dice.choice(ids),
                "related_track_id": dice.choice([None, *ids]),
                "season_year": dice.choice(years),
                "kind": dice.choice(
                    ["initiate", "first_seen", "merge", "split", "stabilise", "reactivate"]
                ),
                "after_on": dice.choice([None, dt.date(2018, 7, 1)]),
                "is_provisional": dice.random() < 0.3,
                "confidence": dice.choice([0.25, 0.55, 0.9]),
                "evidence": dice.choice(
                    ["{}", '{"b": 1.5, "a": [1, null]}', '{"is_candidate_for_review": true}']
                ),
            }
            for number in range(80)
        ],
        "coverage": [
            {"season_year": y, "kind": k, "basis": b, "n_looks": n, "area_m2": 1e8 / 3}
            for y in years
            for k in ["landform", "active_zone"]
            for b in ["measured", "assumed"]
            for n in [1, 2]
            if dice.random() < 0.8
        ],
        "coverage_cell": [
            {
                "season_year": year,
                "kind": kind,
                "cell_lon": lon,
                "cell_lat": lat,
                "cell_area_m2": 9e8,
                "looked_area_m2": dice.choice([0.0, 1e8, 3e8, 9e8]),
            }
            for year in years
            for kind in ["landform", "active_zone"]
            for lon in [-180.0, -0.5, 10.0]
            for lat in [60.0, 70.0]
            if dice.random() < 0.8
        ],
        "region": [
            {"region_set": s, "region_code": c, "name": f"{s} {c}"}
            for s in ["Parts", "parts"]
            for c in ["N", "n"]
        ],
        "region_coverage": [
            {
                "region_set": "parts",
                "region_code": code,
                "season_year": year,
                "kind": "landform",
                "looked_area_m2": dice.choice([0.0, 7e8]),
            }
            for code in ["N", "n"]
            for year in years
        ],
        "track_region": [
            {"track_id": track, "region_set": s, "region_code": dice.choice(["N", "n"])}
            for track in ids
            for s in ["Parts", "parts"]
            if dice.random() < 0.8
        ],
        "track_alias": [
            {"old_track_id": old, "track_id": new, "reason": "redo"}
            for old, new in [("o1", "t03"), ("O1", "t03"), ("o2", None), (ids[0], "t03")]
        ],
        "outline": [
            {
                "outline_id": f"{dice.choice('oO')}{track}{year}",
                "track_id": dice.choice([None, track, track, track]),
                "season_year": year,
                "area_m2": dice.choice([0.0, 100.0]),
                "n_looks": dice.choice([None, 2]),
            }
            for track in ids
            for year in years
        ],
    }
    ends = [row["outline_id"] for row in rows["outline"]]
    rows["link"] = [
        {
            "link_id": f"{dice.choice('lL')}{number:03}",
            "from_outline_id": dice.choice(ends),
            "to_outline_id": dice.choice(ends),
            "to_year": dice.choice(years),
            "kind": dice.choice(["main", "split", "merge"]),
            "origin": dice.choice(["computed", "person"]),
            "overlap_m2": dice.choice([10.0, 20.0]),
            "confidence": dice.choice([0.41, 0.49, 0.5]),
            "is_ambiguous": dice.random() < 0.3,
        }
        for number in range(400)
    ]
    return rows
