"""GeoParquet files: what other readers make of them, and in which order rows lie."""

from __future__ import annotations

import datetime as dt
import json

import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from rts_track.contract import CONTRACT, arrow_schema
from rts_track.release import geoparquet, ordering
from rts_track.release.geoparquet import write_geoparquet, write_table
from rts_track.release.ordering import hilbert_distance

REGION = CONTRACT["region"]


def region_rows(lon, lat, *, size_deg=0.1):
    """Rows of `region`: boxes with these middles, coded by their number."""
    lon, lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
    half = size_deg / 2
    boxes = shapely.box(lon - half, lat - half, lon + half, lat + half)
    count = len(lon)
    columns = {
        "region_set": ["test"] * count,
        "region_code": [f"{number:06d}" for number in range(count)],
        "name": [f"region {number}" for number in range(count)],
        "parent_code": [None] * count,
        "area_m2": np.arange(count, dtype=float),
        "geometry": shapely.to_wkb(shapely.multipolygons(boxes[:, None])).tolist(),
    }
    return pa.table(columns, schema=arrow_schema("region"))


@pytest.fixture
def scattered(tmp_path):
    """A file of 3,000 regions in row groups of 100, and its rows in the order of their keys."""
    rng = np.random.default_rng(7)
    rows = region_rows(rng.uniform(-170, 170, 3000), rng.uniform(50, 80, 3000))
    path = tmp_path / "region.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geoparquet, "ROW_GROUP_ROWS", 100)
        assert write_table(path, REGION, rows.to_batches(700)) == 3000
    return path, rows


def test_every_row_is_there_once_with_the_contracts_schema(scattered):
    path, rows = scattered
    read = pq.read_table(path)
    assert read.schema.names == [*REGION.column_names, "bbox"]
    for field in arrow_schema("region"):
        written = read.schema.field(field.name)
        assert written.equals(field, check_metadata=True)
    assert read.sort_by("region_code").select(REGION.column_names).equals(rows)


def test_geopandas_reads_places_and_crs_and_filters_by_box(scattered):
    path, rows = scattered
    frame = geopandas.read_parquet(path)
    assert frame.crs == pyproj.CRS("OGC:CRS84")
    assert len(frame) == 3000
    filtered = geopandas.read_parquet(path, bbox=(100.0, 60.0, 130.0, 70.0))
    boxes = shapely.from_wkb(rows["geometry"].to_pylist())
    expected = shapely.intersects(boxes, shapely.box(100.0, 60.0, 130.0, 70.0)).sum()
    assert len(filtered) == expected > 50


def test_duckdb_skips_by_the_bbox_column_and_sees_the_same_rows(scattered):
    path, rows = scattered
    connection = duckdb.connect()
    connection.execute("set enable_geoparquet_conversion = false")
    found = connection.execute(
        "select region_code, area_m2, geometry from read_parquet($path)"
        " where bbox.xmin <= 130 and bbox.xmax >= 100 order by region_code",
        {"path": str(path)},
    ).fetchall()
    bounds = shapely.bounds(shapely.from_wkb(rows["geometry"].to_pylist()))
    expected = np.flatnonzero((bounds[:, 0] <= 130) & (bounds[:, 2] >= 100))
    assert [row[0] for row in found] == [f"{number:06d}" for number in expected]
    assert [row[2] for row in found] == rows["geometry"].take(expected).to_pylist()


def test_the_metadata_are_those_of_the_specification(scattered):
    path, rows = scattered
    geo = json.loads(pq.read_schema(path).metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    column = geo["columns"]["geometry"]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["MultiPolygon"]
    assert column["crs"]["id"] == {"authority": "OGC", "code": "CRS84"}
    total = shapely.total_bounds(shapely.from_wkb(rows["geometry"].to_pylist()))
    assert column["bbox"] == pytest.approx(total.tolist())
    assert column["covering"]["bbox"]["ymax"] == ["bbox", "ymax"]


def test_an_independent_validator_finds_no_fault(scattered, tmp_path):
    validator = pytest.importorskip(
        "geoparquet_validator", reason="geoparquet-validator is not installed"
    )
    empty = tmp_path / "empty.parquet"
    write_table(empty, CONTRACT["scene"], [])
    full_report, empty_report = validator.check(str(scattered[0])), validator.check(str(empty))
    assert full_report["outcomes"]
    assert validator.failed(full_report) == []
    assert validator.failed(empty_report, "core") == []
    assert validator.failed(empty_report, "covering") == []


def test_a_reader_of_a_box_skips_most_row_groups(scattered):
    path, _ = scattered
    file = pq.ParquetFile(path)
    leaves = file.schema.names
    west, east = leaves.index("xmin"), leaves.index("xmax")
    south, north = leaves.index("ymin"), leaves.index("ymax")
    touched = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        touched += (
            group.column(west).statistics.min <= 110.0
            and group.column(east).statistics.max >= 100.0
            and group.column(south).statistics.min <= 65.0
            and group.column(north).statistics.max >= 60.0
        )
    assert file.num_row_groups == 30
    assert 1 <= touched <= 6


def test_the_curve_visits_every_cell_once_in_unit_steps():
    column, row = np.meshgrid(np.arange(16), np.arange(16))
    lon = (column.ravel() + 0.5) * 360 / 16 - 180
    lat = (row.ravel() + 0.5) * 180 / 16 - 90
    distance = hilbert_distance(lon, lat, bits=4)
    assert sorted(distance.tolist()) == list(range(256))
    path = np.argsort(distance)
    steps = np.abs(np.diff(column.ravel()[path])) + np.abs(np.diff(row.ravel()[path]))
    assert (steps == 1).all()


def test_the_corners_of_the_world_lie_on_the_curve():
    distance = hilbert_distance(np.array([-180.0, 180.0]), np.array([-90.0, 90.0]))
    assert distance[0] == 0
    assert 0 < distance[1] < 2**32


def test_rows_of_one_place_keep_the_order_they_came_in(tmp_path):
    rows = region_rows([100.0] * 50, [70.0] * 50)
    path = tmp_path / "region.parquet"
    write_table(path, REGION, rows.to_batches(7))
    assert pq.read_table(path)["region_code"].to_pylist() == rows["region_code"].to_pylist()


def test_however_the_rows_come_and_wait_the_file_is_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    rows = region_rows(rng.uniform(-170, 170, 500), rng.uniform(50, 80, 500))
    monkeypatch.setattr(geoparquet, "ROW_GROUP_ROWS", 60)
    in_memory, on_disk = tmp_path / "in_memory.parquet", tmp_path / "on_disk.parquet"
    write_table(in_memory, REGION, rows.to_batches())
    monkeypatch.setattr(ordering, "HELD_ROWS", 100)
    write_table(on_disk, REGION, rows.to_batches(37))
    assert on_disk.read_bytes() == in_memory.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in_memory.parquet",
        "on_disk.parquet",
    ]


def test_an_empty_table_keeps_its_schema_and_opens_everywhere(tmp_path):
    path = tmp_path / "scene.parquet"
    assert write_table(path, CONTRACT["scene"], []) == 0
    schema = pq.read_schema(path)
    assert schema.names == [*CONTRACT["scene"].column_names, "bbox"]
    columns = json.loads(schema.metadata[b"geo"])["columns"]
    assert set(columns) == {"geometry", "clear_geometry"}
    assert all("bbox" not in column for column in columns.values())
    frame = geopandas.read_parquet(path)
    assert len(frame) == 0
    assert frame.crs == pyproj.CRS("OGC:CRS84")


def test_a_table_without_geometry_is_plain_parquet_in_the_order_given(tmp_path):
    schema = arrow_schema("track_alias")
    rows = pa.table(
        {
            "old_track_id": ["c", "a", "b"],
            "track_id": ["x", None, "y"],
            "run_id": ["r"] * 3,
            "version": pa.nulls(3, pa.string()),
            "reason": ["redone"] * 3,
        },
        schema=schema,
    )
    path = tmp_path / "track_alias.parquet"
    assert write_table(path, CONTRACT["track_alias"], rows.to_batches(2)) == 3
    read = pq.read_table(path)
    assert read.equals(rows)
    assert read.schema.equals(schema, check_metadata=True)


def test_two_geometry_columns_are_both_declared_and_the_second_may_be_missing(tmp_path):
    extent = shapely.to_wkb(shapely.MultiPolygon([shapely.box(10, 60, 11, 61)]))
    clear = shapely.to_wkb(shapely.MultiPolygon([shapely.box(10, 60, 10.5, 60.5)]))
    seen = {"source": "a", "season_year": 2020, "geometry": extent}
    seen |= {"observed_from": dt.date(2020, 8, 1), "observed_to": dt.date(2020, 8, 1)}
    rows = [{"scene_id": "clear", "clear_geometry": clear, **seen}, {"scene_id": "dark", **seen}]
    table = pa.Table.from_pylist(rows, schema=arrow_schema("scene"))
    path = tmp_path / "scene.parquet"
    write_table(path, CONTRACT["scene"], table.to_batches())
    frame = geopandas.read_parquet(path)
    assert [frame["geometry"].crs, frame["clear_geometry"].crs] == [pyproj.CRS("OGC:CRS84")] * 2
    assert frame["clear_geometry"].isna().tolist() == [False, True]
    columns = json.loads(pq.read_schema(path).metadata[b"geo"])["columns"]
    assert columns["clear_geometry"]["bbox"] == [10.0, 60.0, 10.5, 60.5]


def test_an_answer_of_any_columns_can_be_written(tmp_path):
    answer = pa.table(
        {
            "track_id": ["near", "far", "nowhere"],
            "geometry": [
                shapely.to_wkb(shapely.Point(-179, -89)),
                shapely.to_wkb(shapely.box(170, -89, 171, -88)),
                None,
            ],
        }
    )
    path = tmp_path / "answer.parquet"
    assert write_geoparquet(path, answer) == 3
    geo = json.loads(pq.read_schema(path).metadata[b"geo"])
    assert geo["columns"]["geometry"]["geometry_types"] == ["Point", "Polygon"]
    read = pq.read_table(path).to_pylist()
    assert [row["bbox"] is None for row in read if row["track_id"] == "nowhere"] == [True]
    assert len(geopandas.read_parquet(path)) == 3


def test_a_write_that_fails_leaves_the_former_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "region.parquet"
    write_table(path, REGION, region_rows([1.0], [60.0]).to_batches())
    before = path.read_bytes()

    def breaking():
        yield from region_rows([1.0, 2.0], [60.0, 61.0]).to_batches()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_table(path, REGION, breaking())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
