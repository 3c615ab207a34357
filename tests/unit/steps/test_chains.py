"""Chains while linking works: what happened to them, and how they were last."""

import json

import numpy as np
import pyarrow as pa
import pytest

from rts_track.contract import arrow_schema
from rts_track.domain import canonical_json
from rts_track.steps.chain_states import ChainStates
from rts_track.steps.chains import NOBODY, ChainEvents, LastSeen
from rts_track.steps.shapes import StoredShapes
from rts_track.steps.spool import open_spool
from rts_track.steps.track_rows import _latest_of_each

DAY = np.datetime64("2020-08-01")


def splits(n=3):
    return ChainEvents(
        kind="split",
        season_year=2020,
        chain=np.arange(n),
        related=np.full(n, NOBODY),
        after_on=np.full(n, DAY),
        before_on=np.full(n, DAY + 365),
        confidence=np.linspace(0.1, 0.9, n),
        decided_in=2021,
        features={
            "share": np.array([0.25, np.nan, 1e-7])[:n],
            "pieces": np.array([2, 3, 2])[:n],
            "is_candidate_for_review": np.array([True, False, True])[:n],
            "next_season": np.array(["seen", 'a "word", 100 %', "ø"], dtype=object)[:n],
        },
    )


def test_evidence_is_json_with_sorted_keys_and_null_for_what_is_unknown():
    expected = [
        {"decided_in": 2021, "is_candidate_for_review": True, "next_season": "seen"},
        {"decided_in": 2021, "is_candidate_for_review": False, "next_season": 'a "word", 100 %'},
        {"decided_in": 2021, "is_candidate_for_review": True, "next_season": "ø"},
    ]
    for known, share, pieces in zip(expected, [0.25, None, 1e-7], [2, 3, 2], strict=True):
        known |= {"share": share, "pieces": pieces}
    evidence = list(splits().evidence())
    assert evidence == [canonical_json(known) for known in expected]
    assert [json.loads(text) for text in evidence] == expected


@pytest.mark.parametrize("marked", [None, np.array([True, False, True])])
def test_parts_of_events_are_these_events(marked):
    whole = splits()
    whole.is_provisional = marked
    parts = [whole.part(slice(start, start + 2)) for start in (0, 2)]
    assert [len(part) for part in parts] == [2, 1]
    assert [text for part in parts for text in part.evidence()] == list(whole.evidence())
    if marked is not None:
        assert np.concatenate([part.is_provisional for part in parts]).tolist() == marked.tolist()


def states(spool):
    n = 3
    columns = {
        "state": np.array(["observed", "partial", "observed"]),
        "coverage_frac": np.array([1.0, 0.5, np.nan]),
        "observed_from": DAY + np.arange(n),
        "observed_to": DAY + np.arange(n),
        "source": np.array(["coarse", "fine", "coarse"], dtype=object),
        "area_m2": np.array([300.0, 400.0, 50.0]),
        "area_sigma_m2": np.array([3.0, 4.0, 1.0]),
        "n_outlines": np.array([1, 1, 1]),
        "is_clipped": np.array([False, True, False]),
    }
    return ChainStates(2020, np.array([5, 6, 7]), columns, spool)


def rows_of(states, tracks="abcdefgh"):
    return states.rows(np.array(list(tracks), dtype=object)).to_pylist()


def test_states_are_rows_of_the_contract_once_chains_have_names():
    with open_spool() as spool:
        rows = states(spool).rows(np.array(list("abcdefgh"), dtype=object))
        assert rows.schema == arrow_schema("track_state")
        assert rows["track_id"].to_pylist() == ["f", "g", "h"]
        assert rows["coverage_frac"].to_pylist() == [1.0, 0.5, None]
        assert rows["season_year"].to_pylist() == [2020] * 3


def test_a_fragments_area_counts_for_its_slump():
    with open_spool() as spool:
        found = states(spool)
        found.join_fragments(np.array([6]), {6: 5})
        slump, other = rows_of(found)
        assert (slump["area_m2"], slump["area_sigma_m2"], slump["n_outlines"]) == (700.0, 5.0, 2)
        assert (slump["state"], slump["is_clipped"], slump["coverage_frac"]) == (
            "partial",
            True,
            0.5,
        )
        # The larger piece says when and by whom.
        assert (slump["source"], slump["observed_from"]) == ("fine", (DAY + 1).item())
        assert other["track_id"] == "h"


def test_states_of_others_stay_when_fragments_join():
    with open_spool() as spool:
        found = states(spool)
        before = rows_of(found)
        found.join_fragments(np.array([0, 99]), {0: 5, 99: 6})
        assert rows_of(found) == before


def last_seen(chains, first_year):
    n = len(chains)
    years, zeros = np.full(n, first_year), np.zeros(n)
    return LastSeen(
        chain=np.array(chains, dtype=np.int64),
        n_seen=np.ones(n, dtype=np.int64),
        first_year=years,
        missed_year=years,
        stable_year=years,
        season_year=years,
        area_m2=zeros,
        lon=zeros,
        lat=zeros,
        stored=StoredShapes.of(pa.chunked_array([[b"x"] * n], pa.binary())),
    )


def test_of_a_chain_that_comes_twice_what_was_last_is_written():
    parts = _latest_of_each([last_seen([0, 3], 2019), last_seen([3, 1], 2020)], 4)
    assert [part.chain.tolist() for part in parts] == [[0], [3, 1]]
    assert [len(part.stored) for part in parts] == [1, 2]
