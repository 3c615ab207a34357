"""The main job on the real inventories, in both stores."""

import collections

import pyarrow.parquet as pq
import pytest

from rts_track.query import ask
from rts_track.source.request import ImportRequest
from rts_track.steps.exporting import export
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.steps.measuring import measure

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

RUN_TIMES = ("started_at", "finished_at")


def main_job(store, data, folder):
    barth = ImportRequest(reader="barth2023", looked_at="hull")
    import_footprints(store, [data / "barth2023"], barth)
    import_footprints(store, [data / "nitze_labels"], ImportRequest(reader="nitze-labels"))
    link(store)
    measure(store)
    export(store, folder)


def rows(folder, name):
    table = pq.read_table(folder / f"{name}.parquet")
    keep = [column for column in table.schema.names if column not in RUN_TIMES]
    return table.select(keep).to_pylist()


def test_the_main_job_gives_the_same_from_both_stores(
    duckdb_store, postgis_store, real_data, tmp_path
):
    for name, store in (("duckdb", duckdb_store), ("postgis", postgis_store)):
        main_job(store, real_data, tmp_path / name)
    exported = sorted(file.stem for file in (tmp_path / "duckdb").glob("*.parquet"))
    assert exported == sorted(file.stem for file in (tmp_path / "postgis").glob("*.parquet"))
    for name in exported:
        assert rows(tmp_path / "duckdb", name) == rows(tmp_path / "postgis", name), name


def test_every_footprint_is_in_a_track_and_areas_are_the_sources(duckdb_store, real_data, tmp_path):
    main_job(duckdb_store, real_data, tmp_path / "export")
    footprints = duckdb_store.read("footprint", ["source", "outline_id", "season_year"]).to_pylist()
    by_source = collections.Counter(row["source"] for row in footprints)
    assert by_source == {"barth2023": 1811, "nitze-labels": 3747}
    assert all(row["outline_id"] for row in footprints)
    stated = duckdb_store.query(
        "select sum(area_m2) as ours, sum(cast(json_extract_path_text(attributes, 'area_m²')"
        " as double precision)) as theirs from footprint where source = 'barth2023'"
    ).to_pylist()[0]
    # Their areas are planar in UTM, whose areal scale is 0.9992 on the central meridian.
    assert stated["ours"] / stated["theirs"] == pytest.approx(1.0007, abs=3e-4)
    shifts = duckdb_store.read("scene_shift").to_pylist()
    largest = max(
        (row["dx_m"] ** 2 + row["dy_m"] ** 2) ** 0.5
        for row in shifts
        if row["scene_a"].startswith("barth2023")
    )
    assert largest == pytest.approx(17.0, abs=2.7), "BL 2019-2020 lies 17.0 +- 2.7 m off"
    grown = ask(duckdb_store, "growth-rate", {"kind": "landform"}).to_pylist()
    assert len(grown) > 300


def test_importing_linking_and_measuring_again_changes_nothing(duckdb_store, real_data, tmp_path):
    main_job(duckdb_store, real_data, tmp_path / "first")
    main_job(duckdb_store, real_data, tmp_path / "second")
    for file in (tmp_path / "first").glob("*.parquet"):
        if file.stem != "run":
            again = pq.read_table(tmp_path / "second" / file.name)
            assert pq.read_table(file).equals(again), file.stem
