"""`import` on both stores: what comes in, and what does not when it comes again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest
import shapely

from rts_track.errors import UsageError
from rts_track.source import vector
from rts_track.steps.importing import ImportReport, ImportRequest, import_footprints
from rts_track.store.base import Store

GEOD = pyproj.Geod(ellps="WGS84")
EAST, NORTH = 500_000.0, 7_500_000.0  # in UTM zone 8: 135 W, 67.6 N

REQUEST = ImportRequest(
    source="mine", season_field="year", id_field="id", scene_field="image", gsd_m=3.0
)
ROWS: list[dict[str, Any]] = [
    {"id": 1, "year": 2019, "image": "a", "note": "first"},
    {"id": 2, "year": 2019, "image": "a", "note": "second"},
    {"id": 3, "year": 2020, "image": "b", "note": "third"},
]


def square(column: int, row: int = 0, side_m: float = 100.0) -> shapely.Polygon:
    x, y = EAST + 300.0 * column, NORTH + 300.0 * row
    return shapely.box(x, y, x + side_m, y + side_m)


def write(
    path: Path,
    rows: Iterable[dict[str, Any]] = ROWS,
    geometries: Iterable[shapely.Geometry] | None = None,
    crs: str = "EPSG:32608",
) -> Path:
    rows = list(rows)
    shapes = [square(at) for at in range(len(rows))] if geometries is None else list(geometries)
    frame = geopandas.GeoDataFrame(rows, geometry=shapes, crs=crs)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_file(path)
    return path


def imported(store: Store, path: Path, **changes: Any) -> ImportReport:
    request = {name: getattr(REQUEST, name) for name in REQUEST.__slots__}
    return import_footprints(store, [path], ImportRequest(**{**request, **changes}))


def rows_of(store: Store, table: str, *columns: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.read(table, columns or None).to_pylist()
    return rows


def by_name(store: Store) -> dict[str, dict[str, Any]]:
    return {row["source_feature_id"]: row for row in rows_of(store, "footprint")}


def superseded(store: Store) -> set[str]:
    return {row["footprint_id"] for row in rows_of(store, "superseded_footprint")}


def test_a_file_becomes_footprints_with_their_source_scenes_and_run(
    store: Store, tmp_path: Path
) -> None:
    report = imported(store, write(tmp_path / "slumps.gpkg"))

    assert (report.n_read, report.added, report.skipped, report.repaired) == (3, 3, (), ())
    assert report.scenes.added == 2
    first = by_name(store)["slumps:1"]
    assert first["area_m2"] == pytest.approx(10_000, rel=2e-3)  # UTM's own scale, squared
    assert first["perimeter_m"] == pytest.approx(400, rel=1e-3)
    assert (first["season_year"], first["date_basis"]) == (2019, "season")
    assert (first["observed_from"], first["observed_to"]) == (
        dt.date(2019, 6, 15),
        dt.date(2019, 9, 15),
    )
    assert (first["scene_id"], first["look_id"], first["outline_id"]) == ("mine:a", None, None)
    assert (first["is_clipped"], first["run_id"]) == (False, report.run_id)
    assert json.loads(first["attributes"]) == {"note": "first"}
    outline = shapely.from_wkb(first["geometry"])
    assert shapely.contains_xy(outline, first["lon"], first["lat"])
    (source,) = rows_of(store, "source", "source", "kind", "gsd_m", "delineation_sigma_m")
    assert source == {
        "source": "mine",
        "kind": "landform",
        "gsd_m": 3.0,
        "delineation_sigma_m": 1.5,
    }
    (run,) = rows_of(store, "run")
    assert (run["run_id"], run["step"]) == (report.run_id, "import")
    assert json.loads(run["params"])["files"] == ["slumps.gpkg"]
    assert run["finished_at"] >= run["started_at"]


def test_a_scenes_extent_is_the_hull_of_its_footprints(store: Store, tmp_path: Path) -> None:
    imported(store, write(tmp_path / "slumps.gpkg"))

    scene = rows_of(store, "scene")[0]

    assert (scene["scene_id"], scene["season_year"], scene["gsd_m"]) == ("mine:a", 2019, None)
    hull = shapely.from_wkb(scene["geometry"])
    for name in ("slumps:1", "slumps:2"):
        outline = shapely.from_wkb(by_name(store)[name]["geometry"])
        assert hull.buffer(1e-6).covers(outline)
    assert not hull.intersects(shapely.from_wkb(by_name(store)["slumps:3"]["geometry"]))


def test_the_same_import_again_adds_nothing(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "slumps.gpkg")
    imported(store, path, looked_at="hull")
    tables = ("source", "scene", "look", "footprint")
    before = [store.read(table) for table in tables]

    again = imported(store, path, looked_at="hull")

    assert (again.added, again.updated, again.unchanged, again.superseded) == (0, 0, 3, 0)
    assert again.scenes.is_empty
    assert again.looks.is_empty
    assert [store.read(table) for table in tables] == before


def test_another_run_over_the_same_footprints_is_no_change(store: Store, tmp_path: Path) -> None:
    first = imported(store, write(tmp_path / "slumps.gpkg"), looked_at="hull")
    before = store.read("footprint"), store.read("look")

    again = imported(
        store,
        write(tmp_path / "slumps.gpkg", [*ROWS[:2], {**ROWS[2], "id": 3}]),
        looked_at="hull",
        citation="me",
    )

    assert again.run_id != first.run_id
    assert (again.added, again.updated, again.unchanged) == (0, 0, 3)
    assert (store.read("footprint"), store.read("look")) == before
    assert rows_of(store, "source", "citation") == [{"citation": "me"}]


def test_changed_attributes_update_their_row_alone(store: Store, tmp_path: Path) -> None:
    imported(store, write(tmp_path / "slumps.gpkg"))
    before = by_name(store)

    report = imported(
        store, write(tmp_path / "slumps.gpkg", [{**ROWS[0], "note": "checked"}, *ROWS[1:]])
    )

    assert (report.added, report.updated, report.unchanged) == (0, 1, 2)
    after = by_name(store)
    assert json.loads(after["slumps:1"]["attributes"]) == {"note": "checked"}
    assert after["slumps:1"]["run_id"] == report.run_id
    assert after["slumps:2"] == before["slumps:2"]


def test_an_edited_outline_supersedes_the_former_and_gives_way_when_that_comes_back(
    store: Store, tmp_path: Path
) -> None:
    path = write(tmp_path / "slumps.gpkg")
    imported(store, path)
    former = by_name(store)["slumps:1"]["footprint_id"]

    edited = [square(0, side_m=120.0), square(1), square(2)]
    report = imported(store, write(tmp_path / "slumps.gpkg", ROWS, edited))

    assert (report.added, report.unchanged, report.superseded) == (1, 2, 1)
    assert superseded(store) == {former}
    assert store.count("footprint") == 4
    assert imported(store, path).superseded == 0

    back = imported(store, write(tmp_path / "slumps.gpkg"))
    assert (back.added, back.unchanged, back.superseded) == (0, 3, 1)
    assert len(superseded(store) - {former}) == 1
    assert former not in superseded(store)


def test_next_years_file_of_the_same_name_supersedes_nothing(store: Store, tmp_path: Path) -> None:
    for year in (2019, 2020):
        (tmp_path / str(year)).mkdir()
        rows = [{**row, "year": year, "image": str(year)} for row in ROWS]
        report = imported(store, write(tmp_path / str(year) / "slumps.gpkg", rows))

    assert (report.added, report.superseded) == (3, 0)
    assert store.count("footprint") == 6


def test_footprints_that_another_file_brought_keep_its_names(store: Store, tmp_path: Path) -> None:
    imported(store, write(tmp_path / "one.gpkg"))

    report = imported(store, write(tmp_path / "other.gpkg"))

    assert (report.added, report.updated, report.unchanged) == (0, 0, 3)
    assert set(by_name(store)) == {"one:1", "one:2", "one:3"}


def test_a_scene_grows_by_what_a_second_file_finds_on_it(store: Store, tmp_path: Path) -> None:
    imported(store, write(tmp_path / "one.gpkg"))
    more = write(tmp_path / "two.gpkg", [{**ROWS[0], "id": 9}], [square(0, 5)])

    report = imported(store, more)
    again = imported(store, more)

    assert (report.scenes.added, report.scenes.updated) == (0, 1)
    assert again.scenes.is_empty
    extent = shapely.from_wkb(rows_of(store, "scene")[0]["geometry"])
    for name in ("one:1", "one:2", "two:9"):
        assert extent.buffer(1e-6).covers(shapely.from_wkb(by_name(store)[name]["geometry"]))


def test_dates_and_pixel_sizes_are_kept_per_footprint_and_scene(
    store: Store, tmp_path: Path
) -> None:
    rows = [
        {"when": "2019-07-01", "image": "a", "res": 3.0},
        {"when": "2019-07-01,2019-07-09", "image": "b", "res": 10.0},
        {"when": "2019-08-01", "image": "c", "res": 3.0},
    ]

    imported(
        store,
        write(tmp_path / "slumps.gpkg", rows),
        season_field=None,
        date_field="when",
        id_field=None,
        gsd_m=None,
        gsd_field="res",
    )

    found = by_name(store)
    assert [found[f"slumps:{row}"]["date_basis"] for row in (1, 2, 3)] == [
        "exact",
        "range",
        "exact",
    ]
    assert found["slumps:2"]["observed_to"] == dt.date(2019, 7, 9)
    scenes = rows_of(store, "scene", "scene_id", "gsd_m", "observed_from")
    assert [scene["gsd_m"] for scene in scenes] == [3.0, 10.0, 3.0]
    assert scenes[2]["observed_from"] == dt.date(2019, 8, 1)
    (source,) = rows_of(store, "source", "gsd_m", "delineation_sigma_m")
    assert source == {"gsd_m": 3.0, "delineation_sigma_m": 1.5}


def test_what_was_said_of_a_source_holds_until_something_else_is_said(
    store: Store, tmp_path: Path
) -> None:
    imported(store, write(tmp_path / "one.gpkg"), delineation_sigma_m=4.0, kind="active_zone")
    later = write(tmp_path / "two.gpkg", [{**ROWS[0], "year": 2021, "image": "d"}])

    imported(store, later, gsd_m=None)
    (source,) = rows_of(store, "source", "kind", "gsd_m", "delineation_sigma_m")

    assert source == {"kind": "active_zone", "gsd_m": 3.0, "delineation_sigma_m": 4.0}
    with pytest.raises(UsageError, match="'mine' is active_zone in this store, not landform"):
        imported(store, later, kind="landform")


def test_a_polygon_across_180_degrees_is_one_footprint_of_the_right_area(
    store: Store, tmp_path: Path
) -> None:
    beyond = shapely.Polygon([(179.99, 68.0), (180.01, 68.0), (180.01, 68.005), (179.99, 68.005)])
    jump = shapely.transform(beyond, lambda xy: np.where(xy > 180.0, xy - 360.0, xy))
    halves = shapely.MultiPolygon(
        [shapely.box(179.99, 68.0, 180.0, 68.005), shapely.box(-180.0, 68.0, -179.99, 68.005)]
    )
    to_utm = pyproj.Transformer.from_crs(4326, 32660, always_xy=True)
    projected = shapely.transform(beyond, lambda xy: np.column_stack(to_utm.transform(*xy.T)))
    rows = [{"year": 2019, "image": at} for at in "abc"]
    write(tmp_path / "lonlat.gpkg", rows, [beyond, jump, halves], "EPSG:4326")
    write(tmp_path / "utm.gpkg", [{"year": 2019, "image": "d"}], [projected], "EPSG:32660")

    for name in ("lonlat.gpkg", "utm.gpkg"):
        report = imported(store, tmp_path / name, id_field=None)
        assert report.repaired == report.skipped == ()

    expected_m2 = abs(GEOD.geometry_area_perimeter(beyond)[0])
    footprints = rows_of(store, "footprint", "area_m2", "lon", "geometry")
    assert [row["area_m2"] for row in footprints] == pytest.approx([expected_m2] * 4, rel=1e-4)
    for row in footprints:
        outline = shapely.from_wkb(row["geometry"])
        assert len(outline.geoms) == 2
        assert max(part.bounds[2] - part.bounds[0] for part in outline.geoms) < 0.02
        assert abs(row["lon"]) > 179.98


def test_no_look_is_assumed_unless_asked_for(store: Store, tmp_path: Path) -> None:
    imported(store, write(tmp_path / "slumps.gpkg"))

    assert store.count("look") == 0


def test_hulls_are_assumed_looks_by_file_and_season(store: Store, tmp_path: Path) -> None:
    report = imported(store, write(tmp_path / "slumps.gpkg"), looked_at="hull")

    looks = {row["season_year"]: row for row in rows_of(store, "look")}
    assert report.looks.added == 2
    assert {(look["basis"], look["status"], look["is_current"]) for look in looks.values()} == {
        ("assumed", "done", True)
    }
    found = by_name(store)
    assert found["slumps:1"]["look_id"] == looks[2019]["look_id"]
    assert found["slumps:3"]["look_id"] == looks[2020]["look_id"]
    # one square of 100 m, 500 m more on every side with round corners
    expected_m2 = 100**2 + 4 * 100 * 500 + np.pi * 500**2
    assert looks[2020]["looked_area_m2"] == pytest.approx(expected_m2, rel=0.02)
    assert shapely.from_wkb(looks[2019]["geometry"]).covers(
        shapely.from_wkb(found["slumps:2"]["geometry"])
    )


def test_a_file_may_say_what_was_looked_at(store: Store, tmp_path: Path) -> None:
    around = shapely.box(EAST - 1000, NORTH - 1000, EAST + 450, NORTH + 1000)
    area = write(tmp_path / "aoi.gpkg", [{"name": "site"}], [around])

    report = imported(store, write(tmp_path / "slumps.gpkg"), looked_at=str(area))

    assert report.looks.added == 2
    looks = {row["season_year"]: row["look_id"] for row in rows_of(store, "look")}
    found = by_name(store)
    assert found["slumps:1"]["look_id"] == looks[2019]
    assert found["slumps:2"]["look_id"] == looks[2019]
    assert found["slumps:3"]["look_id"] is None  # outside: nobody says that it was searched
    assert imported(store, tmp_path / "slumps.gpkg", looked_at=str(area)).unchanged == 3


def test_a_file_with_seasons_says_where_nothing_was_found(store: Store, tmp_path: Path) -> None:
    around = shapely.box(EAST - 1000, NORTH - 1000, EAST + 1000, NORTH + 1000)
    rows = [{"year": year} for year in (2018, 2019)]
    area = write(tmp_path / "aoi.gpkg", rows, [around, around])

    imported(store, write(tmp_path / "slumps.gpkg"), looked_at=str(area))

    assert {row["season_year"] for row in rows_of(store, "look", "season_year")} == {2018, 2019}
    assert by_name(store)["slumps:3"]["look_id"] is None


def test_labels_on_images_come_with_measured_looks(store: Store, tmp_path: Path) -> None:
    image = {"image_date": "2021-07-21", "datasource": "PSOrthotile"}
    images = [
        {"image_id": "471_2021-07-21_2463", **image},
        {"image_id": "472_2021-07-21_2463", **image},
    ]
    extents = [
        shapely.box(EAST, NORTH, EAST + 2_000, NORTH + 2_000),
        shapely.box(EAST + 10_000, NORTH, EAST + 12_000, NORTH + 2_000),
    ]
    labels = [
        {"id": at, "label": label, "image_id": "471_2021-07-21_246", **image}
        for at, label in enumerate((1, 1, 0))
    ]
    shapes = [square(0), square(2, 2), square(3, 3)]
    write(tmp_path / "ImageFootprints.gpkg", images, extents)
    write(tmp_path / "TrainingLabel.gpkg", labels, shapes)

    report = import_footprints(store, [tmp_path], ImportRequest(reader="nitze-labels"))

    assert (report.n_read, report.added, report.left_out) == (
        3,
        2,
        {"label 0: searched, no slump": 1},
    )
    assert (report.scenes.added, report.looks.added) == (2, 2)
    assert {row["basis"] for row in rows_of(store, "look", "basis")} == {"measured"}
    found = by_name(store)
    assert found["TrainingLabel:0"]["scene_id"] == "nitze-labels:471_2021-07-21_2463"
    assert found["TrainingLabel:0"]["look_id"] is not None
    assert found["TrainingLabel:0"]["is_clipped"]  # it touches the image's south-west corner
    assert not found["TrainingLabel:1"]["is_clipped"]
    scene = rows_of(store, "scene")[0]
    assert (scene["observed_from"], scene["gsd_m"]) == (dt.date(2021, 7, 21), 3.125)


def test_both_levels_of_darts_are_sources_with_the_coverage_as_their_looks(
    store: Store, tmp_path: Path
) -> None:
    level1 = [
        {"id": 1, "image_id": "20210701_a", "date": "2021-07-01", "year": 2021, "pval_mean": 0.7},
        {"id": 2, "image_id": "20210801_b", "date": "2021-08-01", "year": 2021, "pval_mean": 0.8},
    ]
    one = write(tmp_path / "DARTS_features_level1.gpkg", level1, [square(0), square(0)])
    two = write(tmp_path / "DARTS_features_level2.gpkg", [{"id": 1, "year": 2021}])
    around = shapely.box(EAST - 1000, NORTH - 1000, EAST + 1000, NORTH + 1000)
    coverage = write(
        tmp_path / "DARTS_coverage.parquet", [{"coverage_period": "2020,2021"}], [around]
    )

    request = ImportRequest(reader="darts")
    report = import_footprints(store, [one, two, coverage], request)

    assert report.sources == ("darts", "darts-level2")
    assert (report.added, report.looks.added) == (3, 4)
    found = {row["source"]: row for row in rows_of(store, "footprint")}
    assert found["darts"]["scene_id"].startswith("darts:2021")
    assert found["darts-level2"]["scene_id"] is None
    assert json.loads(found["darts"]["attributes"])["pval_mean"] in (0.7, 0.8)
    from_folder = import_footprints(store, [tmp_path], request)
    assert [Path(file).name for file in from_folder.files] == [
        "DARTS_coverage.parquet",
        "DARTS_features_level1.gpkg",
    ]


def test_arts_comes_with_its_relations(store: Store, tmp_path: Path) -> None:
    common = {
        "RegionName": "Yamal",
        "CreatorLab": "Lab",
        "BaseMapSource": "WorldView-2",
        "BaseMapResolution": 4.0,
        "LabelType": "Polygon",
    }
    rows = [
        {
            **common,
            "UID": "u1",
            "BaseMapDate": "2022-05-01,2022-9-30",
            "TrainClass": "Positive",
            "MergedRTS": "u7,u8",
        },
        {
            **common,
            "UID": "u2",
            "BaseMapDate": "2023-07-01",
            "TrainClass": "Negative",
            "MergedRTS": None,
        },
    ]
    path = write(tmp_path / "ARTS_main_dataset_v.6.0.0.geojson", rows)

    report = import_footprints(store, [path], ImportRequest(reader="arts"))

    assert (report.added, sum(report.left_out.values())) == (1, 1)
    (row,) = rows_of(store, "footprint")
    assert row["source_feature_id"] == "ARTS_main_dataset_v.6.0.0:u1"
    assert json.loads(row["attributes"])["MergedRTS"] == "u7,u8"
    assert (row["observed_to"], row["date_basis"]) == (dt.date(2022, 9, 30), "range")
    assert rows_of(store, "source", "gsd_m", "delineation_sigma_m") == [
        {"gsd_m": 4.0, "delineation_sigma_m": 2.0}
    ]


def test_many_batches_make_the_same_footprints_as_one(
    duckdb_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": at, "year": 2019 + at % 2, "image": f"{at % 2}"} for at in range(25)]
    path = write(tmp_path / "slumps.gpkg", rows)
    imported(duckdb_store, path, looked_at="hull")
    before = [duckdb_store.read(table) for table in ("footprint", "scene", "look")]
    seen: list[str] = []

    def watch(items: Iterable[Any], *, label: str, total: int | None = None) -> Iterable[Any]:
        for item in items:
            seen.append(f"{label} of {total}")
            yield item

    monkeypatch.setattr(vector, "READ_ROWS", 4)
    request = {name: getattr(REQUEST, name) for name in REQUEST.__slots__}
    report = import_footprints(
        duckdb_store, [path], ImportRequest(**{**request, "looked_at": "hull"}), progress=watch
    )

    assert report.unchanged == 25
    assert [duckdb_store.read(table) for table in ("footprint", "scene", "look")] == before
    assert seen.count("reading slumps.gpkg of 7") == 7
    assert seen.count("storing mine of 2") == 2
