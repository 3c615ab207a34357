"""Confidence is what it says: of events and links as sure as 0.7, about 70 % are right."""

import numpy as np
import pyarrow as pa
import pytest

from rts_track.simulate.files import write_history
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.source.request import ImportRequest
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.steps.scoring import read_truth
from rts_track.store.base import open_store
from rts_track.track.score import score_tracking
from rts_track.track.truth import Tracked

PARAMS = HistoryParams(n_slumps=250, n_seasons=6, shift_m=6.0, missed_frac=0.10)
"""None of the settings that confidences were fitted to."""
TABLES = ("footprint", "outline", "link", "event", "track")
BIN = 200
"""Events in a bin; that many tell a share to within 0.035, 1 sigma."""
MAX_ERROR = 0.07
"""0.05, as measured over many histories, and what few bins of a single one add by chance."""


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """The tables of a linked history, and its truth."""
    folder = tmp_path_factory.mktemp("calibration")
    files = write_history(simulate_history(np.random.default_rng(31), PARAMS), folder)
    wanted = ImportRequest(
        source="simulated",
        kind="landform",
        season_field=files.season_field,
        date_field=files.date_field,
        scene_field=files.scene_field,
        id_field=files.id_field,
        gsd_field=files.gsd_field,
        looked_at=str(files.looks),
    )
    with open_store(f"duckdb:///{folder}/store.duckdb") as store:
        store.init()
        import_footprints(store, [files.footprints], wanted)
        recall = pa.table({"source": ["simulated"], "recall": [1.0 - PARAMS.missed_frac]})
        store.update("source", recall)
        link(store)
        return {name: store.read(name) for name in TABLES}, read_truth(files.truth)


def bins(rows):
    """The rows by confidence, in parts of at least `BIN`."""
    ordered = rows.sort_by("confidence")
    at = np.array_split(np.arange(len(rows)), max(1, len(rows) // BIN))
    return [ordered.take(part) for part in at]


def share_right(linked, **some):
    """The share of these events, or links, that is right."""
    tables, truth = linked
    found = score_tracking(Tracked(**{**tables, **some}), truth, told_from=0.0)
    told = [found.consecutive, found.gap] if "link" in some else list(found.events.values())
    return sum(tally.n_right for tally in told) / sum(tally.n_found for tally in told)


def calibration_error(rows, share):
    """Expected calibration error: mean gap between confidence and share right, over bins."""
    gaps = [abs(np.mean(part["confidence"].to_numpy()) - share(part)) for part in bins(rows)]
    return np.average(gaps, weights=[len(part) for part in bins(rows)])


def test_events_are_right_as_often_as_they_are_sure(linked):
    events = linked[0]["event"]
    assert len(events) > 2 * BIN
    assert calibration_error(events, lambda part: share_right(linked, event=part)) <= MAX_ERROR


def test_links_are_right_as_often_as_they_are_sure(linked):
    links = linked[0]["link"]
    assert len(links) > 4 * BIN
    assert calibration_error(links, lambda part: share_right(linked, link=part)) <= MAX_ERROR
