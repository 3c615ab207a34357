"""Files of polygons: opened, refused in one line, read in batches."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from rts_track.errors import InputError, UsageError
from rts_track.source import vector
from rts_track.source.files import find_files
from rts_track.source.vector import VectorFile, open_vector

ROWS = [{"id": 1, "year": 2019, "name": "Süd"}, {"id": 2, "year": 2020, "name": "Оползень"}]


def all_rows(file: VectorFile) -> list[vector.Row]:
    return [row for batch in file.batches() for row in batch.rows]


def all_wkb(file: VectorFile) -> list[bytes | None]:
    return [wkb for batch in file.batches() for wkb in batch.wkb]


def write_geoparquet(path: Path, column: dict[str, object] | None, **more: list[object]) -> Path:
    """One square and the `geo` metadata to try, or none."""
    table = pa.table(
        {"year": [2019], "geometry": [shapely.to_wkb(shapely.box(1, 70, 2, 71))], **more}
    )
    if column is not None:
        geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
        table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("suffix", ["shp", "gpkg", "geojson", "fgb", "parquet"])
def test_every_usual_format_is_read_alike(write_vector, suffix: str) -> None:
    path = write_vector(f"slumps.{suffix}", ROWS)

    file = open_vector(path)

    assert (file.stem, file.crs, file.n_features) == ("slumps", "EPSG:32608", 2)
    assert file.fields == ("id", "year", "name")
    assert sorted(all_rows(file), key=lambda row: row["id"]) == ROWS
    squares = shapely.from_wkb(all_wkb(file))
    assert sorted(shapely.area(squares)) == pytest.approx([10_000, 10_000])


def test_a_shapefile_of_another_alphabet_is_read_as_meant(write_vector) -> None:
    path = write_vector("slumps.shp", [{"n°": "Süd"}], encoding="ISO-8859-1")
    path.with_suffix(".cpg").unlink()  # GDAL then takes it for Latin-1, too

    assert all_rows(open_vector(path)) == [{"n°": "Süd"}]


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
def test_batches_follow_one_another_and_know_their_rows(
    write_vector, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(vector, "READ_ROWS", 3)
    file = open_vector(write_vector(f"many.{suffix}", [{"id": at} for at in range(8)]))

    batches = list(file.batches())

    assert [batch.first_row for batch in batches] == [1, 4, 7]
    assert file.n_batches == 3
    assert [row["id"] for batch in batches for row in batch.rows] == list(range(8))


def test_nan_in_a_field_is_nothing(write_vector) -> None:
    path = write_vector("slumps.parquet", [{"f": 1.5}, {"f": float("nan")}, {"f": float("inf")}])

    assert [row["f"] for row in all_rows(open_vector(path))] == [1.5, None, None]


def test_a_geometry_that_is_not_there_is_none(write_vector) -> None:
    path = write_vector("slumps.gpkg", ROWS, [None, shapely.box(0, 0, 1, 1)])

    assert [wkb is None for wkb in all_wkb(open_vector(path))] == [True, False]


def test_geoparquet_without_a_word_on_its_crs_is_lonlat(tmp_path: Path) -> None:
    path = write_geoparquet(tmp_path / "a.parquet", {"encoding": "WKB"})

    assert open_vector(path).crs == "OGC:CRS84"


def test_a_bbox_column_is_no_attribute(tmp_path: Path) -> None:
    corners = {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}
    column = {"encoding": "WKB", "covering": {"bbox": corners}}
    path = write_geoparquet(tmp_path / "a.parquet", column, bbox=[{"xmin": 1.0}])

    assert open_vector(path).fields == ("year",)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ({"encoding": "WKB", "crs": None}, "no CRS"),
        ({"encoding": "WKB", "crs": None, "bbox": [1, 70, 2, 71]}, "look like degrees"),
        ({"encoding": "multipolygon"}, "write it as WKB"),
        ({"encoding": "WKB", "crs": "EPSG:999999"}, "CRS is unknown to PROJ"),
        (None, "so no GeoParquet"),
    ],
)
def test_parquet_that_says_too_little_is_refused(
    tmp_path: Path, column: dict[str, object] | None, reason: str
) -> None:
    path = write_geoparquet(tmp_path / "a.parquet", column)

    with pytest.raises(InputError, match=reason) as error:
        open_vector(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for opened in (open_vector, lambda path: find_files([path])):
        with pytest.raises(InputError, match="no such file"):
            opened(tmp_path / "none.shp")


@pytest.mark.parametrize("name", ["a.txt", "a.gpkg", "a.shp", "a.parquet", "a.geojson"])
@pytest.mark.parametrize("content", [b"", b"no polygons here\n" * 20])
def test_a_file_of_something_else_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(InputError, match="not a file of polygons") as error:
        open_vector(path)
    assert "\n" not in str(error.value)


def test_a_table_without_geometry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,year\n1,2019\n")

    with pytest.raises(InputError, match="no layer with geometry"):
        open_vector(path)


def test_a_file_of_points_is_refused(write_vector) -> None:
    path = write_vector("points.gpkg", ROWS, [shapely.Point(0, 0)] * 2)

    with pytest.raises(InputError, match=r"holds no polygons \(points: Point\)"):
        open_vector(path)


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
def test_a_file_without_features_is_refused(write_vector, suffix: str) -> None:
    path = write_vector(f"empty.{suffix}", ROWS)
    import geopandas

    empty = geopandas.GeoDataFrame({"year": [0]}, geometry=[shapely.box(0, 0, 1, 1)], crs=3413)[:0]
    empty.to_parquet(path) if suffix == "parquet" else empty.to_file(path)

    with pytest.raises(InputError, match="holds no features"):
        open_vector(path)


def test_a_file_without_a_crs_is_refused(write_vector) -> None:
    metres = write_vector("metres.shp", ROWS, crs=None)
    degrees = write_vector("degrees.shp", [{"a": 1}], [shapely.box(100, 70, 101, 71)], crs=None)

    with pytest.raises(InputError, match=r"no CRS; set it \(for a shapefile, put its .prj"):
        open_vector(metres)
    with pytest.raises(InputError, match="look like degrees: if they are, set EPSG:4326"):
        open_vector(degrees)


def test_of_several_layers_one_must_be_named(write_vector) -> None:
    path = write_vector("both.gpkg", ROWS, layer="slumps")
    write_vector("both.gpkg", ROWS[:1], layer="lakes")

    with pytest.raises(UsageError, match="say which with --layer: slumps, lakes"):
        open_vector(path)
    assert open_vector(path, "lakes").n_features == 1
    with pytest.raises(UsageError, match="no layer 'rivers'; its layers are slumps, lakes"):
        open_vector(path, "rivers")


def test_the_one_layer_of_polygons_is_chosen(write_vector) -> None:
    path = write_vector("both.gpkg", ROWS, layer="slumps")
    write_vector("both.gpkg", ROWS[:1], [shapely.Point(0, 0)], layer="notes")

    assert open_vector(path).layer == "slumps"


def test_a_field_that_is_not_there_is_answered_with_those_that_are(write_vector) -> None:
    file = open_vector(write_vector("slumps.shp", ROWS))

    file.require("id", None)
    with pytest.raises(UsageError, match="no field 'jahr'; its fields are id, year, name"):
        file.require("id", "jahr")


def test_a_file_that_breaks_off_is_told_in_one_line(write_vector) -> None:
    path = write_vector("slumps.parquet", [{"id": at} for at in range(50)])
    file = open_vector(path)
    path.write_bytes(path.read_bytes()[:200])

    with pytest.raises(InputError, match="not a file of polygons that can be read") as error:
        list(file.batches())
    assert "\n" not in str(error.value)
