"""`score` on stores and on folders of truth, as a user would have them."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rts_track.answer import write_answer
from rts_track.errors import InputError, StoreError
from rts_track.simulate.files import write_history
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.steps.importing import ImportRequest, import_footprints
from rts_track.steps.linking import link
from rts_track.steps.scoring import read_truth, score
from rts_track.store.base import open_store

PARAMS = HistoryParams(n_slumps=40, n_seasons=4, extent_m=(7_000.0, 5_000.0))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    history = simulate_history(np.random.default_rng(2), PARAMS)
    return write_history(history, tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="module")
def linked(files, tmp_path_factory):
    """A store with the simulated history imported and linked."""
    url = f"duckdb:///{tmp_path_factory.mktemp('store') / 'store.duckdb'}"
    request = ImportRequest(
        source="simulated",
        season_field=files.season_field,
        date_field=files.date_field,
        scene_field=files.scene_field,
        id_field=files.id_field,
        gsd_field=files.gsd_field,
        looked_at=str(files.looks),
    )
    with open_store(url) as store:
        store.init()
        import_footprints(store, [files.footprints], request)
        link(store)
    with open_store(url, is_read_only=True) as store:
        yield store


def write_csv(table, path):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.fixture
def truth_dir(tmp_path):
    """A small truth that holds together."""
    tables = {
        "truth_footprint": {"source_feature_id": ["f:1", "f:2"], "object_id": ["007", "007"]},
        "truth_link": {
            "from_source_feature_id": ["f:1"],
            "to_source_feature_id": ["f:2"],
            "kind": ["main"],
        },
        "truth_event": {
            "object_id": ["007"],
            "related_object_id": [None],
            "season_year": [2018],
            "kind": ["first_seen"],
        },
    }
    for name, columns in tables.items():
        write_csv(pa.table(columns), tmp_path / f"{name}.csv")
    return tmp_path


def test_a_simulated_history_is_imported_under_the_names_that_truth_uses(linked, files):
    result = score(linked, files.truth)
    n_footprints = linked.count("footprint")
    assert n_footprints > 100
    assert result.footprints.n_true == result.footprints.n_right == n_footprints


def test_linking_recovers_a_simulated_history(linked, files):
    result = score(linked, files.truth)
    assert result.consecutive.n_true > 80
    assert result.consecutive.f1 > 0.97
    assert result.events["first_seen"].recall > 0.8
    assert result.n_appearances > 120
    assert result.id_switches_per_100 < 10.0
    assert result.lnk > 0.85
    assert result.lineages.lineages.f1 > 0.9
    assert result.lineages.whole_tracks.f1 > 0.6


def test_lineages_are_those_that_the_store_keeps(linked, files):
    lineages = score(linked, files.truth).lineages
    kept = linked.read("track", ["lineage_id"])["lineage_id"].to_pylist()
    assert 0 < lineages.whole_lineages.n_found <= len(set(kept))
    assert lineages.whole_families.n_found <= sum(kept.count(each) > 1 for each in set(kept))
    assert lineages.lineages.n_true == lineages.lineages.n_found > 120


def test_the_score_as_json_has_a_row_for_each_measure(linked, files):
    written = io.StringIO()
    write_answer(score(linked, files.truth).table(), "json", written)
    rows = {row["measure"]: row for row in json.loads(written.getvalue())}
    assert {"links", "links, splits", "links, merges", "links, stretches", "lineages"} < set(rows)
    assert {"lineages, families", "lineages, whole", "tracks, whole"} < set(rows)
    assert rows["links"]["lnk"] == score(linked, files.truth).lnk
    assert rows["lineages"]["n_right"] is None


def test_truth_as_csv_scores_like_truth_as_parquet(linked, files, tmp_path):
    for name in ("truth_footprint", "truth_link", "truth_event"):
        write_csv(pq.read_table(files.truth / f"{name}.parquet"), tmp_path / f"{name}.csv")
    assert score(linked, tmp_path) == score(linked, files.truth)


def test_a_store_that_is_not_linked_says_what_to_do(duckdb_store, files):
    with pytest.raises(StoreError, match="run `rts-track link` first"):
        score(duckdb_store, files.truth)


def test_ids_that_look_like_numbers_stay_what_they_are(truth_dir):
    assert read_truth(truth_dir).footprint["object_id"].to_pylist() == ["007", "007"]


def test_a_footprint_without_object_is_no_slump(truth_dir):
    path = truth_dir / "truth_footprint.csv"
    path.write_text(path.read_text() + "f:3,\n")
    assert read_truth(truth_dir).footprint["object_id"].to_pylist()[-1] is None


@pytest.mark.parametrize("name", ["truth_footprint", "truth_link", "truth_event"])
def test_a_missing_file_is_named(truth_dir, name):
    (truth_dir / f"{name}.csv").unlink()
    with pytest.raises(InputError, match=name):
        read_truth(truth_dir)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        read_truth(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("truth_footprint", "source_feature_id\nf:1\n", "no column 'object_id'"),
        ("truth_footprint", "source_feature_id,object_id\nf:1,a\nf:1,b\n", "'f:1' stands in two"),
        ("truth_footprint", "source_feature_id,object_id\nf:1,a\n,b\n", "missing in a row"),
        ("truth_footprint", "source_feature_id,object_id\nf:1,a\n", "'f:2' has no object"),
        ("truth_footprint", "", "cannot be read"),
        (
            "truth_link",
            "from_source_feature_id,to_source_feature_id,kind\nf:1,f:2,friend\n",
            "kind 'friend': expected main",
        ),
        (
            "truth_event",
            "object_id,related_object_id,season_year,kind\n007,,soon,merge\n",
            "season_year",
        ),
        (
            "truth_event",
            "object_id,related_object_id,season_year,kind\n007,,,merge\n",
            "season_year is missing",
        ),
    ],
)
def test_truth_that_does_not_hold_together_is_one_clear_line(truth_dir, name, text, complaint):
    (truth_dir / f"{name}.csv").write_text(text)
    with pytest.raises(InputError, match=complaint) as raised:
        read_truth(truth_dir)
    assert "\n" not in str(raised.value)
