"""`detect`: a scene becomes a look and footprints, once, whole or not at all."""

from __future__ import annotations

import datetime as dt
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
import shapely.affinity

from rts_track import grid
from rts_track.errors import UsageError
from rts_track.model.bundle import Architecture, Bundle, Calibration, Input, ensemble_of
from rts_track.source.auxiliary import Auxiliary
from rts_track.steps import validating
from rts_track.steps.detecting import DetectRequest, detect
from rts_track.steps.exporting import export
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.steps.linking import link
from rts_track.steps.status import status_lines
from rts_track.steps.validating import ValidateRequest, validate_stored, write_recall
from rts_track.store.base import open_store

SIZE = (60, 80)
SLUMP, OTHER, EDGE = (20, 20, 10, 12), (40, 60, 8, 6), (50, 0, 6, 8)
"""Row, column, height and width in pixels."""


def bundle(name="first", layers=("red",), **facts):
    return Bundle(
        **{
            "name": name,
            "architecture": Architecture(name="Unet"),
            "inputs": tuple(Input(name=each, low=0.0, high=0.5) for each in layers),
            "fill": 0.0,
            "sensors": ("planetscope",),
            "gsd_range_m": (3.0, 5.0),
            "threshold": 0.5,
            "min_area_m2": 100.0,
            "calibration": Calibration(),
            "delineation_sigma_m": 2.0,
            "recall": 0.8,
            "kind": "landform",
            "licence": "MIT",
            "citation": None,
            "training": {},
            "weights_sha256": name,
            "weights": b"",
            **facts,
        }
    )


FIRST, SECOND = ensemble_of([bundle()]), ensemble_of([bundle("second")])


class Finder:
    """Stands for an ensemble's networks: bright pixels of the first layer are slumps."""

    def __init__(self, least=0.3):
        self.least = least
        self.n_scenes = 0

    def predict(self, stack, progress=None):
        del progress
        self.n_scenes += 1
        values, is_clear = stack.read(stack.grid.whole)
        probability = np.where(np.nan_to_num(values[0]) > self.least, 200, 10).astype(np.uint8)
        probability[~is_clear] = 255
        spread = np.where(is_clear, 25, 255).astype(np.uint8)
        return SimpleNamespace(probability=probability, spread=spread, n_windows=1, n_skipped=0)


def image(*slumps, size=SIZE):
    values = np.full((4, *size), 1000, dtype=np.uint16)
    for row, col, height, width in slumps:
        values[:, row : row + height, col : col + width] = 4000
    return values


def name_of(season, number=92):
    return f"{season}0722_210957_{number}_2212"


def id_of(season, number=92):
    return f"planetscope:{name_of(season, number)}"


@pytest.fixture
def add(store, tmp_path, products):
    """Lays a scene down and registers it."""

    def add_(season, *slumps, number=92, mask=None, **place):
        name = name_of(season, number)
        path = products.psscene(
            tmp_path / "scenes", name, values=image(*slumps), mask=mask, metadata=False, **place
        )
        report = ingest(store, [path], IngestRequest())
        assert report.faults == ()
        return path

    return add_


def search(store, ensemble=FIRST, finder=None, **asked):
    return detect(store, ensemble, DetectRequest(**asked), predictor=finder or Finder())


def rows(store, table, **scope):
    return store.read(table, scope=scope or None).to_pylist()


TABLES = ("source", "scene", "look", "footprint", "superseded_footprint")


def contents(store):
    return {table: rows(store, table) for table in TABLES}


def reason(report):
    (failure,) = report.failures
    assert "\n" not in failure.reason
    return failure.reason


def test_a_scene_becomes_a_look_and_footprints(store, add, tmp_path):
    add(2021, SLUMP, OTHER, EDGE)
    report = search(store, out=tmp_path / "out")
    assert [one.n_footprints for one in report.searched] == [3]
    assert report.failures == ()
    (look,) = rows(store, "look")
    assert (look["status"], look["basis"], look["is_current"]) == ("done", "measured", True)
    assert look["failure"] is None
    assert look["scene_id"] == id_of(2021)
    assert look["season_year"] == 2021
    assert look["from_on"] == look["to_on"] == dt.date(2021, 7, 22)
    assert look["looked_area_m2"] == pytest.approx(60 * 80 * 9, rel=0.01)
    (run,) = rows(store, "run", step="detect")
    assert run["bundle_sha256"] == FIRST.sha256
    assert look["run_id"] == run["run_id"]
    found = sorted(rows(store, "footprint"), key=lambda row: -row["area_m2"])
    assert [row["area_m2"] for row in found] == pytest.approx([1080, 432, 432], rel=0.01)
    assert sorted(row["is_clipped"] for row in found) == [False, False, True]
    for row in found:
        assert row["look_id"] == look["look_id"]
        assert row["scene_id"] == id_of(2021)
        assert row["date_basis"] == "exact"
        assert row["prob_mean"] == row["prob_max"] == pytest.approx(0.8)
        assert row["spread_mean"] == pytest.approx(0.1)
        polygon = grid.to_metric(np.array([shapely.from_wkb(row["geometry"])], dtype=object))[0]
        assert polygon.area == pytest.approx(row["area_m2"], rel=1e-5)
        assert shapely.from_wkb(row["geometry"]).covers(shapely.Point(row["lon"], row["lat"]))


def test_the_source_is_what_the_ensemble_says(store, add):
    add(2021, SLUMP)
    search(store)
    (source,) = rows(store, "source")
    assert source["delineation_sigma_m"] == 2.0
    assert source["min_area_m2"] == 100.0
    assert source["recall"] == 0.8
    assert source["gsd_m"] == 3.0
    search(store, threshold=0.6)
    (source,) = rows(store, "source")
    assert source["recall"] is None


def test_a_validated_recall_stays_while_the_same_ensemble_searches_on(
    store, add, tmp_path, monkeypatch
):
    monkeypatch.setattr(validating, "LEAST_TRUE", 1)
    add(2021, SLUMP)
    search(store)
    (found,) = (shapely.from_wkb(row["geometry"]) for row in rows(store, "footprint"))
    missed = shapely.affinity.translate(found, 0.002)
    truth = np.array([found, missed], dtype=object)
    pyogrio.raw.write(
        tmp_path / "truth.gpkg",
        shapely.to_wkb(truth),
        [np.arange(2)],
        ["number"],
        crs="EPSG:4326",
        geometry_type="MultiPolygon",
    )
    request = ValidateRequest(truths=(tmp_path / "truth.gpkg",))
    write_recall(store, validate_stored(store, request), request)
    recall = rows(store, "source")[0]["recall"]
    assert recall == 0.5
    add(2022, SLUMP)
    search(store)
    assert rows(store, "source")[0]["recall"] == recall
    search(store, threshold=0.6)
    assert rows(store, "source")[0]["recall"] is None, "those are other searches"
    add(2023, SLUMP)
    search(store, season_year=2023)
    assert rows(store, "source")[0]["recall"] == recall
    search(store, SECOND)
    assert rows(store, "source")[0]["recall"] == SECOND.recall


def test_probability_and_spread_are_kept_as_a_raster_of_the_run(store, add, tmp_path):
    add(2021, SLUMP)
    (searched,) = search(store, out=tmp_path / "out").searched
    (run,) = rows(store, "run", step="detect")
    folder = tmp_path / "out" / "scene_planetscope_20210722_210957_92_2212"
    assert searched.raster == folder / f"{run['run_id']}.tif"
    with rasterio.open(searched.raster) as dataset:
        assert dataset.descriptions == ("probability", "spread")
        assert (dataset.read(1) == 200).sum() == 120
        assert dataset.tags()["RTS_TRACK_SCENE"] == id_of(2021)
        assert dataset.tags()["RTS_TRACK_MODEL"] == FIRST.sha256


def test_without_a_folder_no_raster_is_kept(store, add):
    add(2021, SLUMP)
    assert search(store).searched[0].raster is None


def test_what_was_searched_is_left_alone(store, add):
    add(2021, SLUMP)
    finder = Finder()
    search(store, finder=finder)
    before = contents(store)
    report = search(store, finder=finder)
    assert (report.searched, report.n_done, finder.n_scenes) == ((), 1, 1)
    assert contents(store) == before
    add(2022, SLUMP)
    report = search(store, finder=finder)
    assert [one.scene_id for one in report.searched] == [id_of(2022)]


def test_searching_again_changes_nothing(store, add):
    add(2021, SLUMP, OTHER)
    search(store)
    before = contents(store)
    search(store, is_redo=True)
    assert contents(store) == before


def test_other_parameters_are_another_search(store, add):
    add(2021, SLUMP, OTHER)
    search(store)
    report = search(store, min_area_m2=500.0)
    assert [one.n_footprints for one in report.searched] == [1]
    assert sorted(row["is_current"] for row in rows(store, "look")) == [False, True]


def test_only_what_is_asked_for_is_searched(store, add):
    for season in (2020, 2021):
        for number in (92, 93):
            add(season, SLUMP, number=number)
    assert len(search(store, season_year=2021).searched) == 2
    assert [one.scene_id for one in search(store, scene_ids=(id_of(2020),)).searched] == [
        id_of(2020)
    ]
    assert len(search(store, source="planetscope").searched) == 1
    for asked in ({"season_year": 1999}, {"scene_ids": ("nothing",)}, {"source": "nobody"}):
        with pytest.raises(UsageError, match="ingest"):
            search(store, **asked)


def test_footprints_of_a_superseded_look_stay_and_are_not_linked(store, add):
    add(2021, SLUMP, OTHER)
    search(store)
    search(store, SECOND, min_area_m2=500.0)
    assert len(rows(store, "footprint")) == 3
    link(store)
    (outline,) = rows(store, "outline")
    assert outline["area_m2"] == pytest.approx(1080, rel=0.01)
    assert outline["n_looks"] == 1
    linked = [row["look_id"] for row in rows(store, "footprint") if row["outline_id"]]
    (current,) = rows(store, "look", is_current=True)
    assert linked == [current["look_id"]]
    assert not any("in no outline" in line for line in status_lines(store))


def test_a_track_keeps_its_id_when_its_looks_are_superseded(store, add):
    for season in (2019, 2020, 2021):
        add(season, SLUMP, OTHER)
    search(store)
    link(store)
    before = {(row["track_id"], row["first_year"]) for row in rows(store, "track")}
    assert len(before) == 2
    search(store, SECOND)
    assert len(rows(store, "footprint")) == 12
    link(store)
    assert {(row["track_id"], row["first_year"]) for row in rows(store, "track")} == before
    looks = {row["look_id"] for row in rows(store, "look", is_current=True)}
    in_outlines = {row["look_id"] for row in rows(store, "footprint") if row["outline_id"]}
    assert in_outlines == looks
    assert rows(store, "track_alias") == []


def test_a_former_model_that_searches_again_counts_again(store, add):
    add(2021, SLUMP)
    search(store)
    first = contents(store)
    search(store, SECOND)
    search(store, FIRST)
    now = contents(store)
    (look,) = rows(store, "look", is_current=True)
    assert [look] == first["look"]
    assert all(row in now["footprint"] for row in first["footprint"])


def test_what_the_same_search_does_not_find_again_counts_no_longer(store, add):
    add(2021, SLUMP, OTHER)
    search(store)
    link(store)

    class Blind(Finder):
        def predict(self, stack, progress=None):
            made = super().predict(stack, progress)
            made.probability[40:48, 60:66] = 10
            return made

    search(store, finder=Blind(), is_redo=True)
    link(store)
    assert len(rows(store, "footprint")) == 2
    assert len(rows(store, "outline")) == 1
    search(store, is_redo=True)
    link(store)
    assert len(rows(store, "footprint")) == 2
    assert len(rows(store, "outline")) == 2


def test_a_scene_without_a_clear_pixel_is_searched_and_covers_nothing(
    store, add, products, tmp_path
):
    clouded = products.udm2(SIZE)
    clouded[0], clouded[5] = 0, 1
    add(2021, SLUMP, mask=clouded)
    add(2020, SLUMP)
    report = search(store)
    assert sorted(one.n_footprints for one in report.searched) == [0, 1]
    assert "nothing clear, so nothing looked at: " + id_of(2021) in list(report.lines())
    assert search(store).n_done == 2
    link(store)
    (look,) = rows(store, "look", season_year=2021)
    assert (look["status"], look["looked_area_m2"]) == ("done", 0.0)
    assert [row["season_year"] for row in rows(store, "coverage")] == [2020]
    assert [row["season_year"] for row in rows(store, "track_state")] == [2020]
    export(store, tmp_path / "exported")


def test_a_cloud_beside_a_slump_clips_it_and_is_not_looked_at(store, add, products):
    mask = products.udm2(SIZE)
    mask[0, 18:34, 26:45], mask[5, 18:34, 26:45] = 0, 1
    add(2021, SLUMP, mask=mask)
    search(store)
    (found,) = rows(store, "footprint")
    assert found["is_clipped"]
    assert found["area_m2"] == pytest.approx(10 * 6 * 9, rel=0.01)
    (look,) = rows(store, "look")
    assert look["looked_area_m2"] < (60 * 80 - 16 * 19) * 9 * 1.01


def around(lon, lat, epsg):
    """The place of a scene in whose middle that point lies."""
    middle = pyproj.Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    height, width = SIZE
    origin = (middle[0] - width / 2 * 3.0, middle[1] + height / 2 * 3.0)
    return {"crs": f"EPSG:{epsg}", "origin": origin}


MIDDLE = (25, 34, 10, 12)
"""A slump in a scene's middle."""


@pytest.mark.parametrize("epsg", [32660, 32601])
def test_a_slump_across_180_degrees_is_one_footprint_of_a_look_on_both_sides(store, add, epsg):
    for season in (2020, 2021):
        add(season, MIDDLE, **around(180.0, 68.0, epsg))
    search(store)
    link(store)
    for row in rows(store, "footprint"):
        assert row["area_m2"] == pytest.approx(1080, rel=0.01)
        assert not row["is_clipped"]
        halves = shapely.from_wkb(row["geometry"])
        assert halves.bounds[::2] == (-180.0, 180.0)
        assert max(east - west for west, _, east, _ in map(shapely.bounds, halves.geoms)) < 0.01
    for row in rows(store, "look"):
        assert row["looked_area_m2"] == pytest.approx(60 * 80 * 9, rel=0.01)
        assert shapely.from_wkb(row["geometry"]).bounds[::2] == (-180.0, 180.0)
    (track,) = rows(store, "track")
    assert track["n_seasons_observed"] == 2
    assert {row["state"] for row in rows(store, "track_state")} == {"observed"}


def test_a_slump_in_scenes_of_two_utm_zones_is_counted_once(store, add):
    add(2021, MIDDLE, number=92, **around(-132.0, 68.0, 32608))
    add(2021, MIDDLE, number=93, **around(-132.0, 68.0, 32609))
    search(store)
    link(store)
    assert len(rows(store, "footprint")) == 2
    (outline,) = rows(store, "outline")
    assert (outline["n_looks"], outline["n_hits"]) == (2, 2)
    assert outline["area_m2"] == pytest.approx(1080, rel=0.05)
    assert len(rows(store, "track")) == 1


def test_more_images_of_a_season_make_no_slump_larger(store, add):
    for number, (row, col) in enumerate([(20, 20), (21, 19), (19, 21)], start=91):
        add(2021, (row, col, 10, 12), number=number)
    search(store)
    link(store)
    (outline,) = rows(store, "outline")
    assert outline["n_looks"] == 3
    assert outline["area_m2"] == pytest.approx(1080, rel=0.05)


def test_statistics_do_not_depend_on_what_is_kept(store, add, tmp_path):
    add(2021, SLUMP, OTHER)
    search(store)
    without = rows(store, "footprint")
    search(store, is_redo=True, out=tmp_path / "out")
    assert rows(store, "footprint") == without
    assert all(row["prob_mean"] == pytest.approx(0.8) for row in without)


def test_every_scene_of_a_season_is_searched_however_many(store, add):
    for number in range(10, 22):
        add(2021, SLUMP, number=number)
    assert len(search(store).searched) == 12
    assert len({row["look_id"] for row in rows(store, "footprint")}) == 12


def test_a_model_that_changed_under_its_name_searches_again(store, add):
    add(2021, SLUMP)
    search(store)
    retrained = ensemble_of([replace(FIRST.bundles[0], weights_sha256="retrained")])
    renormalised = ensemble_of([bundle(inputs=(Input(name="red", low=0.0, high=0.3),))])
    for changed in (retrained, renormalised):
        assert len(search(store, changed).searched) == 1
    assert len(rows(store, "look", is_current=True)) == 1


def test_a_scene_that_is_gone_or_changed_or_cut_short_fails_and_the_others_go_on(store, add):
    gone, changed, cut, _ = (add(2021, SLUMP, number=number) for number in (90, 91, 92, 93))
    shutil.rmtree(gone.parent)
    with rasterio.open(changed, "r+") as dataset:
        dataset.write(image(OTHER))
    cut.write_bytes(cut.read_bytes()[:-20_000])
    report = search(store)
    assert [one.scene_id for one in report.searched] == [id_of(2021, 93)]
    reasons = {one.scene_id: one.reason for one in report.failures}
    assert "gone; bring it back, or ingest" in reasons[id_of(2021, 90)]
    assert "not the content that was registered; ingest" in reasons[id_of(2021, 91)]
    assert "cut short" in reasons[id_of(2021, 92)]
    failed = rows(store, "look", status="failed")
    assert {row["scene_id"]: row["failure"] for row in failed} == reasons
    assert {row["looked_area_m2"] for row in failed} == {0.0}
    link(store)
    assert len(rows(store, "outline")) == 1
    lines = list(status_lines(store))
    assert "scenes    planetscope: 4 registered, 1 searched, 3 failed, 2021" in lines
    assert f"failed    {id_of(2021, 90)}: {reasons[id_of(2021, 90)]}" in lines


def test_what_failed_is_left_alone_until_it_is_to_be_tried_again(store, add, tmp_path):
    path = add(2021, SLUMP)
    shutil.move(path, tmp_path / "away.tif")
    search(store)
    shutil.move(tmp_path / "away.tif", path)
    report = search(store)
    assert (report.searched, report.failures, report.n_failed_before) == ((), (), 1)
    assert any("--retry-failed" in line for line in report.lines())
    report = search(store, is_retrying=True)
    assert len(report.searched) == 1
    assert sorted((row["status"], row["is_current"]) for row in rows(store, "look")) == [
        ("done", True),
        ("failed", False),
    ]
    assert not any(line.startswith("failed") for line in status_lines(store))


def test_a_search_that_fails_later_takes_nothing_from_what_was_found(store, add, tmp_path):
    path = add(2021, SLUMP)
    search(store)
    link(store)
    before = rows(store, "footprint")
    shutil.move(path, tmp_path / "away.tif")
    assert "gone" in reason(search(store, is_redo=True))
    assert "gone" in reason(search(store, SECOND))
    link(store)
    assert rows(store, "footprint") == before
    assert len(rows(store, "outline")) == 1
    assert search(store).n_done == 1


def test_a_scene_whose_content_changed_is_searched_again_once_it_is_ingested(store, add):
    path = add(2021, SLUMP)
    search(store)
    with rasterio.open(path, "r+") as dataset:
        dataset.write(image(OTHER))
    ingest(store, [path], IngestRequest())
    report = search(store)
    assert len(report.searched) == 1
    link(store)
    (outline,) = rows(store, "outline")
    assert outline["area_m2"] == pytest.approx(432, rel=0.01)


def test_a_layer_that_no_scene_can_have_is_told_before_any_work(store, add, tmp_path):
    add(2021, SLUMP)
    before = contents(store)
    deep = ensemble_of([bundle(layers=("red", "slope", "tc_wetness"))])
    with pytest.raises(UsageError, match=r"reads slope, tc_wetness: give --dem and --trend"):
        search(store, deep)
    with pytest.raises(UsageError, match="no such file or folder"):
        search(store, auxiliary=Auxiliary(dem=tmp_path / "nowhere"))
    assert contents(store) == before
    assert rows(store, "run", step="detect") == []


def test_a_band_that_one_scene_lacks_fails_that_scene(store, add):
    add(2021, SLUMP)
    deep = ensemble_of([bundle(layers=("red", "rededge1"))])
    assert "rededge1" in reason(search(store, deep))


def test_a_scene_outside_the_elevation_model_fails_in_one_line(store, add, products, tmp_path):
    add(2021, SLUMP)
    far = products.write_tiff(
        tmp_path / "dem" / "a_dem.tif",
        np.zeros((40, 40), dtype=np.float32),
        origin=(900_000.0, 7_000_000.0),
    )
    deep = ensemble_of([bundle(layers=("red", "slope"))])
    assert str(far.parent) in reason(search(store, deep, auxiliary=Auxiliary(dem=far.parent)))
    (look,) = rows(store, "look")
    assert look["status"] == "failed"


def test_a_disk_without_space_fails_the_scene_and_the_next_goes_on(
    store, add, tmp_path, monkeypatch
):
    add(2020, SLUMP)
    add(2021, SLUMP)
    write = Path.write_bytes

    def full(path, content):
        if name_of(2020) in str(path):
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    report = search(store, out=tmp_path / "out")
    assert "cannot be written (No space left on device)" in reason(report)
    assert [one.scene_id for one in report.searched] == [id_of(2021)]
    assert [path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()] == [".tif"]
    monkeypatch.undo()
    assert len(search(store, out=tmp_path / "out", is_retrying=True).searched) == 1


def test_memory_that_does_not_suffice_fails_the_scene(store, add):
    add(2021, SLUMP)

    class Huge(Finder):
        def predict(self, stack, progress=None):
            raise MemoryError

    assert "memory does not suffice" in reason(search(store, finder=Huge()))


def test_a_network_that_fails_in_torch_fails_the_scene(store, add):
    add(2021, SLUMP)

    class Torn(Finder):
        def predict(self, stack, progress=None):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    assert "CUDA error" in reason(search(store, finder=Torn()))


def test_a_fault_of_ours_is_no_failed_scene(store, add):
    add(2021, SLUMP)

    class Broken(Finder):
        def predict(self, stack, progress=None):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        search(store, finder=Broken())
    assert rows(store, "look") == []


def test_scenes_that_the_model_is_not_for_are_left_alone(store, add, products, tmp_path):
    add(2021, SLUMP)
    scene = products.safe(tmp_path / "s2")
    assert ingest(store, [scene], IngestRequest()).faults == ()
    report = search(store)
    assert (len(report.searched), report.n_unfit) == (1, 1)
    (other,) = rows(store, "scene", source="sentinel2")
    for asked in ({"scene_ids": (other["scene_id"],)}, {"source": "sentinel2"}):
        with pytest.raises(UsageError, match="is for planetscope, not sentinel2"):
            search(store, **asked)


def test_a_model_of_another_kind_needs_a_source_of_its_own(store, add):
    add(2021, SLUMP)
    zones = ensemble_of([replace(bundle("zones"), kind="active_zone")])
    search(store, zones)
    (source,) = rows(store, "source")
    assert source["kind"] == "active_zone"
    with pytest.raises(UsageError, match="is active_zone in this store, the model outlines"):
        search(store, FIRST)


def test_thresholds_that_cannot_be_are_refused(store, add):
    add(2021, SLUMP)
    with pytest.raises(UsageError, match=r"threshold 1\.5"):
        search(store, threshold=1.5)


def test_a_store_without_scenes_says_what_to_do(store):
    with pytest.raises(UsageError, match="`rts-track ingest` registers scenes"):
        search(store)


def test_status_says_what_waits_to_be_searched(store, add):
    add(2020, SLUMP)
    add(2021, SLUMP)
    lines = list(status_lines(store))
    assert "scenes    planetscope: 2 registered, 0 searched, 2020-2021" in lines
    assert "to do     2 scenes not searched: `rts-track detect`" in lines
    search(store, season_year=2020)
    lines = list(status_lines(store))
    assert "scenes    planetscope: 2 registered, 1 searched, 2020-2021" in lines
    assert "to do     1 scenes not searched: `rts-track detect`" in lines


_DIES = """
import os, runpy, signal, sys
from importlib import import_module
from pathlib import Path
from rts_track.store.base import open_store

this, url, out, module, names = sys.argv[1:]
story = runpy.run_path(this)
*owners, name = names.split(".")
owner = import_module(module)
for each in owners:
    owner = getattr(owner, each)
setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
with open_store(url) as store:
    story["search"](store, out=Path(out))
"""


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("pathlib", "Path.replace"),
        ("rts_track.steps.detecting", "SearchRecord.done"),
        ("rts_track.steps.detect_writing", "drop_unchanged"),
    ],
    ids=["before the raster is whole", "between raster and store", "while it is stored"],
)
def test_killed_at_any_moment_a_rerun_ends_as_if_never_killed(
    store_url, tmp_path, products, module, names
):
    path = products.psscene(tmp_path / "scenes", name_of(2021), values=image(SLUMP, EDGE))
    with open_store(store_url) as store:
        ingest(store, [path], IngestRequest())
    command = [sys.executable, "-c", _DIES, __file__, store_url, str(tmp_path / "out")]
    dead = subprocess.run([*command, module, names], check=False, capture_output=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    with open_store(store_url) as store:
        assert rows(store, "look") == rows(store, "footprint") == []
        assert rows(store, "run", step="detect") == []
        search(store, out=tmp_path / "out")
        resumed = contents(store)
    with open_store(f"duckdb:///{tmp_path / 'never.duckdb'}") as never_killed:
        never_killed.init()
        ingest(never_killed, [path], IngestRequest())
        search(never_killed, out=tmp_path / "never")
        assert resumed == contents(never_killed)
    for folder in ("out", "never"):
        assert [file.suffix for file in (tmp_path / folder).rglob("*") if file.is_file()] == [
            ".tif"
        ]


def _searched_twice_and_linked(store, paths):
    """Three seasons searched and linked, then all but the last by others; what is in the store."""
    report = ingest(store, paths, IngestRequest())
    assert report.faults == ()
    search(store)
    link(store)
    before = rows(store, "track")
    search(store, SECOND, Finder(0.35), season_year=2020)
    search(store, threshold=0.7, season_year=2021)
    link(store)
    tables = [*TABLES, "outline", "link", "track", "track_state", "event"]
    return before, {table: rows(store, table) for table in tables}


def test_both_stores_hold_the_same_of_searches_and_ids_survive_them(
    duckdb_store, postgis_store, tmp_path, products
):
    paths = [
        products.psscene(
            tmp_path, name_of(season), values=image(SLUMP, OTHER, EDGE), metadata=False
        )
        for season in (2020, 2021, 2022)
    ]
    before, embedded = _searched_twice_and_linked(duckdb_store, paths)
    _, served = _searched_twice_and_linked(postgis_store, paths)

    assert len(before) == 3
    assert {row["track_id"] for row in embedded["track"]} == {row["track_id"] for row in before}
    superseded = {row["look_id"] for row in embedded["look"] if not row["is_current"]}
    assert len(superseded) == 2
    linked = [row["outline_id"] is not None for row in embedded["footprint"]]
    current = [row["look_id"] not in superseded for row in embedded["footprint"]]
    assert linked == current
    for table, found in embedded.items():
        assert [_shown(row) for row in found] == [_shown(row) for row in served[table]], table


def _shown(row):
    """A row without when it was made, figures to a millionth, polygons as their areas."""
    shown = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            value = shapely.from_wkb(value).area
        shown[name] = float(f"{value:.6g}") if isinstance(value, float) else value
    return shown
