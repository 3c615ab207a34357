"""Regions: what a file makes of them, which track lies in which, what was looked at there."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely

from rts_track import grid
from rts_track.errors import InputError, UsageError
from rts_track.steps.linking import link
from rts_track.steps.regions import assign_regions, load_regions

ORIGIN = (-1_500_000.0, 1_200_000.0)
"""Where the stories take place, in EPSG:6931."""


def region_file(path, features, crs="EPSG:6931"):
    """A GeoJSON file of (properties, geometry) with its coordinates in `crs`."""
    collection = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": crs}},
        "features": [
            {"type": "Feature", "properties": properties, "geometry": geometry.__geo_interface__}
            for properties, geometry in features
        ],
    }
    path.write_text(json.dumps(collection))
    return path


def place(west, south, east, north):
    """A box in metres from the origin of the stories."""
    return shapely.transform(shapely.box(west, south, east, north), lambda xy: xy + ORIGIN)


@pytest.fixture
def halves(tmp_path):
    """Two regions that meet at x = 500 m."""
    return region_file(
        tmp_path / "halves.geojson",
        [
            ({"code": "W", "name": "West", "of": "A"}, place(-50_000, -50_000, 500, 50_000)),
            ({"code": "E", "name": "East", "of": "A"}, place(500, -50_000, 50_000, 50_000)),
        ],
    )


def regions_of(store):
    return {row["region_code"]: row for row in store.read("region").to_pylist()}


def codes_by_track(store):
    rows = store.read("track_region").to_pylist()
    return {row["track_id"]: row["region_code"] for row in rows}


def test_a_region_has_its_code_name_parent_and_area(store, halves):
    report = load_regions(store, halves, "halves", "code", "name", "of")
    assert report.n_regions == 2
    regions = regions_of(store)
    assert regions["W"]["name"] == "West"
    assert regions["W"]["parent_code"] == "A"
    assert regions["W"]["area_m2"] == pytest.approx(50_500 * 100_000, rel=1e-9)
    stored = grid.to_metric(np.array([shapely.from_wkb(regions["W"]["geometry"])]))
    assert shapely.area(stored)[0] == pytest.approx(50_500 * 100_000, rel=1e-6)


def test_a_track_is_of_the_region_of_its_first_outline_even_once_it_has_moved(story, halves):
    store = story.store
    first = story.slump(2018, "a", (300, 0, 460, 100))
    other = story.slump(2018, "b", (3000, 0, 3100, 100))
    link(store)
    report = load_regions(store, halves, "halves", "code")
    assert report.n_assigned == 2
    for season in (2019, 2020, 2021):
        story.slump(season, "a", (300 + 60 * (season - 2018), 0, 660, 100))
    link(store)
    assert codes_by_track(store) == {story.track_of(first): "W", story.track_of(other): "E"}
    assert load_regions(store, halves, "halves", "code").n_assigned == 0


def test_tracks_founded_after_the_regions_are_assigned_by_linking(story, halves):
    load_regions(story.store, halves, "halves", "code")
    slump = story.slump(2018, "a", (300, 0, 400, 100))
    outside = story.slump(2018, "far", (200_000, 0, 200_100, 100))
    link(story.store)
    assert codes_by_track(story.store) == {story.track_of(slump): "W"}
    assert story.track_of(outside)
    assert assign_regions(story.store) == 0


def test_of_overlapping_regions_the_smaller_code_has_the_track_and_the_report_says_so(
    story, tmp_path
):
    slump = story.slump(2018, "a", (0, 0, 100, 100))
    link(story.store)
    big, small = place(-5000, -5000, 5000, 5000), place(-1000, -1000, 1000, 1000)
    file = region_file(tmp_path / "r.geojson", [({"c": "b"}, big), ({"c": "a"}, small)])
    report = load_regions(story.store, file, "nested", "c")
    assert codes_by_track(story.store) == {story.track_of(slump): "a"}
    (overlap,) = report.overlaps
    assert (overlap.code, overlap.other_code) == ("a", "b")
    assert overlap.area_m2 == pytest.approx(4e6, rel=1e-6)
    assert any("a and b share 4.00 km²" in line for line in report.lines())


def test_regions_that_meet_at_a_border_do_not_overlap(store, halves):
    assert load_regions(store, halves, "halves", "code").overlaps == ()


def test_a_set_that_comes_again_changes_nothing(store, halves):
    load_regions(store, halves, "halves", "code", "name", "of")
    names = ("region", "region_coverage", "track_region", "run")
    before = [store.read(name) for name in names]
    report = load_regions(store, halves, "halves", "code", "name", "of")
    assert report.written.is_empty
    assert all(store.read(name).equals(table) for name, table in zip(names, before, strict=True))
    assert next(report.lines()) == "halves: 2 regions (unchanged), 0 tracks assigned"


def test_a_set_that_comes_changed_replaces_the_former_and_assigns_anew(story, halves, tmp_path):
    slump = story.slump(2018, "a", (0, 0, 100, 100))
    link(story.store)
    load_regions(story.store, halves, "halves", "code")
    assert codes_by_track(story.store) == {story.track_of(slump): "W"}
    whole = region_file(
        tmp_path / "whole.geojson", [({"code": "ALL"}, place(-50_000, -50_000, 50_000, 50_000))]
    )
    report = load_regions(story.store, whole, "halves", "code")
    assert (report.written.added, report.written.removed) == (1, 2)
    assert set(regions_of(story.store)) == {"ALL"}
    assert codes_by_track(story.store) == {story.track_of(slump): "ALL"}


def test_two_sets_stand_side_by_side(story, halves, tmp_path):
    slump = story.slump(2018, "a", (0, 0, 100, 100))
    link(story.store)
    load_regions(story.store, halves, "halves", "code")
    other = region_file(tmp_path / "o.geojson", [({"n": 7}, place(-900, -900, 900, 900))])
    load_regions(story.store, other, "numbers", "n")
    rows = story.store.read("track_region").to_pylist()
    track = story.track_of(slump)
    assert [(row["region_set"], row["region_code"], row["track_id"]) for row in rows] == [
        ("halves", "W", track),
        ("numbers", "7", track),
    ]


def test_features_of_one_code_are_one_region(store, tmp_path):
    islands = [
        ({"code": 1.0, "name": "isles"}, place(0, 0, 1000, 1000)),
        ({"code": 1.0, "name": "isles"}, place(5000, 0, 6000, 1000)),
    ]
    load_regions(store, region_file(tmp_path / "i.geojson", islands), "isles", "code", "name")
    (region,) = store.read("region").to_pylist()
    assert (region["region_code"], region["name"]) == ("1", "isles")
    assert region["area_m2"] == pytest.approx(2e6, rel=1e-9)


def test_one_code_for_two_names_is_refused_and_nothing_stored(store, tmp_path):
    features = [
        ({"code": "x", "name": "here"}, place(0, 0, 1000, 1000)),
        ({"code": "x", "name": "there"}, place(5000, 0, 6000, 1000)),
    ]
    file = region_file(tmp_path / "r.geojson", features)
    with pytest.raises(InputError, match=r"'x' stands for 'here'.* and for 'there'"):
        load_regions(store, file, "r", "code", "name")
    assert store.count("region") == 0


def test_a_feature_without_a_code_is_skipped_and_listed(store, tmp_path):
    features = [
        ({"code": None}, place(0, 0, 1000, 1000)),
        ({"code": "x"}, place(5000, 0, 6000, 1000)),
    ]
    report = load_regions(store, region_file(tmp_path / "r.geojson", features), "r", "code")
    assert [fault.source_feature_id for fault in report.skipped] == ["r:1"]
    assert "  skipped r:1: no code" in list(report.lines())
    assert set(regions_of(store)) == {"x"}


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ({"code_field": "kode"}, "kode.*--code-field.*code, name, of"),
        ({"code_field": "code", "name_field": "nome"}, "nome.*--name-field"),
        ({"code_field": "code", "parent_field": "up"}, "up.*--parent-field"),
    ],
)
def test_a_field_that_is_not_there_is_named_beside_those_that_are(
    duckdb_store, halves, fields, option
):
    with pytest.raises(UsageError, match=option):
        load_regions(duckdb_store, halves, "halves", **fields)


def test_a_file_that_is_missing_or_no_file_of_polygons_is_one_clear_line(duckdb_store, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_regions(duckdb_store, tmp_path / "gone.shp", "r", "code")
    (tmp_path / "letter.shp").write_text("Dear all")
    with pytest.raises(InputError, match=r"letter\.shp"):
        load_regions(duckdb_store, tmp_path / "letter.shp", "r", "code")
    with pytest.raises(UsageError, match="needs a name"):
        load_regions(duckdb_store, tmp_path / "gone.shp", " ", "code")


def test_a_region_across_the_date_line_holds_the_tracks_on_both_sides(story, tmp_path):
    features = [({"code": "chukotka"}, shapely.box(177.0, 65.0, 183.0, 69.0))]
    file = region_file(tmp_path / "c.geojson", features, "EPSG:4326")
    wrangel = []
    for lon in (179.5, -179.5):
        x, y = grid.transformer(grid.LONLAT_CRS, grid.METRIC_CRS).transform(lon, 67.0)
        x, y = x - ORIGIN[0], y - ORIGIN[1]
        wrangel.append(story.slump(2018, f"{lon}", (x, y, x + 100, y + 100)))
    link(story.store)
    load_regions(story.store, file, "c", "code")
    assert set(codes_by_track(story.store)) == {story.track_of(slump) for slump in wrangel}
    (region,) = story.store.read("region").to_pylist()
    whole = grid.to_metric(grid.densify(np.array([shapely.box(-3.0, 65.0, 3.0, 69.0)])))
    assert region["area_m2"] == pytest.approx(shapely.area(whole)[0], rel=1e-6)
    west, _, east, _ = shapely.from_wkb(region["geometry"]).bounds
    assert (west, east) == (-180.0, 180.0)


def test_what_was_looked_at_in_a_region_is_the_same_whichever_came_first(story, halves):
    store = story.store
    story.look(2018, (0, 0, 2000, 1000))
    story.look(2018, (1000, 0, 3000, 1000), basis="assumed")
    link(store)
    load_regions(store, halves, "halves", "code")
    before = store.read("region_coverage")
    looked_m2 = {row["region_code"]: row["looked_area_m2"] for row in before.to_pylist()}
    assert looked_m2 == pytest.approx({"W": 500_000.0, "E": 2_500_000.0}, rel=1e-3)
    story.look(2019, (0, 0, 300, 100))
    link(store)
    rows = store.read("region_coverage").to_pylist()
    assert [(row["region_code"], row["season_year"]) for row in rows] == [
        ("E", 2018),
        ("W", 2018),
        ("W", 2019),
    ]
    assert store.read("region_coverage", scope={"season_year": 2018}).equals(before)
