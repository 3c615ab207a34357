"""The real inventories, into the embedded store: what is in them, and what had to be mended."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rts_track.steps.importing import ImportRequest, import_footprints
from rts_track.store.base import Store

pytestmark = pytest.mark.real_data

SITES = {"BL": 80, "ET": 876, "NK": 199, "SK": 31, "WT": 625}


def test_all_of_barth_2023_comes_in(duckdb_store: Store, real_data: Path) -> None:
    request = ImportRequest(reader="barth2023")

    report = import_footprints(duckdb_store, [real_data / "barth2023"], request)

    footprints = duckdb_store.read(
        "footprint", ["source_feature_id", "area_m2", "attributes", "scene_id"]
    ).to_pylist()
    sites = Counter(row["source_feature_id"].split("_")[0] for row in footprints)
    assert sites == SITES
    assert report.skipped == ()
    assert report.added == sum(SITES.values())
    rings = Counter(
        fault.source_feature_id.split("_")[0]
        for fault in report.repaired
        if "self-intersection" in fault.reason
    )
    assert rings == {"ET": 6, "NK": 2, "WT": 1}
    assert not any("more than its sigma" in fault.reason for fault in report.repaired)
    dates = [fault for fault in report.repaired if fault.reason.startswith("date_")]
    assert {fault.reason for fault in dates} == {
        "date_ 2016-08-30 is no day of its images: 2016-08-03 is used"
    }
    assert len(dates) == 14  # all of BL in 2016
    assert report.scenes.added == 31  # a site and mosaic each
    # UTM stretches areas by up to 0.1 %; the source measured in it
    for row in footprints:
        stated_m2 = json.loads(row["attributes"])["area_m²"]
        assert row["area_m2"] == pytest.approx(stated_m2, rel=1.5e-3, abs=2.0)

    again = import_footprints(duckdb_store, [real_data / "barth2023"], request)
    assert (again.added, again.updated, again.superseded) == (0, 0, 0)
    assert again.scenes.is_empty


def test_all_of_nitzes_labels_come_in(duckdb_store: Store, real_data: Path) -> None:
    request = ImportRequest(reader="nitze-labels")

    report = import_footprints(duckdb_store, [real_data / "nitze_labels"], request)

    assert report.n_read == 3749
    assert report.added == 3747
    assert [fault.reason.split(" as ")[0] for fault in report.skipped] == ["the same outline"] * 2
    assert all("iteration005" in fault.source_feature_id for fault in report.skipped)
    broken = [fault for fault in report.repaired if "is no date" in fault.reason]
    assert len(broken) == 5
    assert all("ImageFootprints" in fault.source_feature_id for fault in broken)
    looks = duckdb_store.read("look", ["look_id", "scene_id", "season_year", "basis"]).to_pylist()
    assert {look["basis"] for look in looks} == {"measured"}
    assert Counter(look["season_year"] for look in looks) == {2020: 6, 2021: 12, 2022: 11}
    footprints = duckdb_store.read(
        "footprint", ["source_feature_id", "look_id", "scene_id", "is_clipped"]
    ).to_pylist()
    known = {look["look_id"] for look in looks}
    for row in footprints:
        is_first = "iteration001" in row["source_feature_id"]  # its image footprints are lacking
        assert (row["look_id"] is None) == is_first
        assert is_first or row["look_id"] in known
    found_nothing = known - {row["look_id"] for row in footprints}
    assert len(found_nothing) == 9
    assert 0 < sum(row["is_clipped"] for row in footprints) < 60
    assert len({row["scene_id"] for row in footprints} | {x["scene_id"] for x in looks}) == 171

    again = import_footprints(duckdb_store, [real_data / "nitze_labels"], request)
    assert (again.added, again.updated, again.superseded) == (0, 0, 0)
    assert again.looks.is_empty


def test_darts_coverage_is_one_look_a_year(duckdb_store: Store, real_data: Path) -> None:
    report = import_footprints(
        duckdb_store, [real_data / "darts_coverage"], ImportRequest(reader="darts")
    )

    looks = duckdb_store.read("look", ["season_year", "looked_area_m2", "source"]).to_pylist()
    assert report.looks.added == 6
    assert sorted(look["season_year"] for look in looks) == list(range(2018, 2024))
    assert {look["source"] for look in looks} == {"darts"}
    stated_m2 = 1_636_692e6  # the sum of its own area_km2
    assert [look["looked_area_m2"] for look in looks] == pytest.approx([stated_m2] * 6, rel=1e-4)
