"""A simulated landscape written as products: what the rest of the program makes of its files."""

import datetime as dt
import hashlib
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
import typer
from typer.testing import CliRunner

from rts_track import grid as plane
from rts_track.commands.simulate import simulate
from rts_track.errors import InputError
from rts_track.simulate.landscape.files import write_landscape
from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape
from rts_track.simulate.landscape.truth import SCHEMAS
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import find_scenes, open_scene
from rts_track.source.stack import open_stack
from rts_track.steps.place_truth import read_place_truth, tells_places
from rts_track.steps.training_labels import LabelFields, labels_in

PARAMS = LandscapeParams(
    extent_m=(1_200.0, 960.0), n_seasons=2, slumps_per_km2=4.0, dem_gsd_m=4.0, cloud_frac=0.1
)


@pytest.fixture(scope="module")
def landscape():
    return simulate_landscape(5, PARAMS)


@pytest.fixture(scope="module")
def files(landscape, tmp_path_factory):
    return write_landscape(landscape, tmp_path_factory.mktemp("landscape"))


@pytest.fixture(scope="module")
def scenes(files):
    found, faults = find_scenes([files.folder / "scenes"])
    assert not faults
    return found


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_scene_is_found_and_is_what_was_planned(landscape, files, scenes):
    planned = {spec.scene_id: spec for spec in landscape.scenes}
    assert {scene.product for scene in scenes} == set(planned)
    for scene in scenes:
        spec = planned[scene.product]
        assert scene.sensor == spec.sensor
        assert scene.observed_from == spec.acquired_at.date()
        assert scene.acquired_at == spec.acquired_at
        assert scene.grid == spec.grid
        assert scene.band_names == spec.table.bands
        assert open_scene(scene.uri).product == scene.product
    given, faults = find_scenes(files.scenes)
    assert not faults
    assert {scene.product for scene in given} == set(planned)


def test_what_is_read_is_what_was_drawn(landscape, scenes):
    planned = {spec.scene_id: spec for spec in landscape.scenes}
    for scene in scenes:
        spec = planned[scene.product]
        drawn = landscape.scene(spec)
        with ScenePixels(scene) as pixels:
            read = pixels.read(scene.band_names, scene.grid.whole)
            clear = pixels.clear(scene.grid.whole)
        assert np.array_equal(np.isnan(read), np.isnan(drawn.reflectance))
        seen = np.isfinite(read)
        assert np.abs(read - drawn.reflectance)[seen].max() < 4e-3, "but for what is below zero"
        assert not clear[np.isnan(read[0])].any()
        assert 0.05 < clear.mean() <= 1.0


def test_elevation_and_trend_are_layers_of_a_stack(files, scenes):
    scene = next(each for each in scenes if each.sensor == "sentinel2")
    names = ("nir", "ndvi", "relative_elevation", "slope", "tc_greenness")
    auxiliary = Auxiliary(dem=files.dem, trend=files.trend, cache=None)
    with open_stack(scene, names, auxiliary) as stack:
        values, _ = stack.read(scene.grid.whole)
    known = np.isfinite(values).all(axis=(1, 2))
    assert dict(zip(names, known, strict=True)).items() >= {
        ("relative_elevation", True),
        ("slope", True),
        ("tc_greenness", True),
    }
    assert np.abs(np.median(values[2])) < 2.0
    assert 1.0 < np.median(values[3]) < 25.0


def test_strips_are_dated_products_with_holes(files):
    strips = sorted(files.strips.glob("SETSM_s2s041_WV01_*_4m_lsf_seg1_dem.tif"))
    assert len(strips) == 2
    with rasterio.open(strips[0]) as strip:
        assert strip.crs.to_epsg() == 3413
        assert strip.nodata == -9999.0
        assert strip.dtypes == ("float32",)
        heights = strip.read(1)
    assert 0.0 < (heights == -9999.0).mean() < 0.8
    assert 100.0 < np.median(heights[heights != -9999.0]) < 1_000.0


def test_the_truth_has_every_table_with_its_columns(files):
    assert tells_places(files.truth)
    for name, schema in SCHEMAS.items():
        table = pq.read_table(files.truth / f"{name}.parquet")
        assert set(schema.names) <= set(table.column_names), name
        assert table.num_rows > 0 or name == "truth_event", name
    for row in pq.read_table(files.truth / "truth_scene.parquet").to_pylist():
        assert (files.folder / row["path"]).is_file()
    truth = read_place_truth(files.truth)
    assert list(truth.seasons) == [2019, 2020]
    assert shapely.is_valid(truth.seasons[2020].polygon).all()


def test_labels_are_the_active_scars_where_each_scene_shows_them(files):
    labels = labels_in(files.truth / "truth_label.parquet", LabelFields(scene="scene_id"))
    outlines = pq.read_table(files.truth / "truth_outline.parquet").to_pylist()
    scenes = pq.read_table(files.truth / "truth_scene.parquet").to_pylist()
    assert {row["scene_id"] for row in scenes} == set(labels.scenes)
    for scene in scenes:
        scars = [
            shapely.from_wkb(row["geometry"])
            for row in outlines
            if (row["part"], row["is_active"]) == ("scar", True)
            and row["season_year"] == scene["season_year"]
        ]
        true = plane.to_metric(np.array(scars, dtype=object))
        shown = labels.polygons[labels.scenes == scene["scene_id"]]
        shift_m = np.hypot(scene["shift_east_m"], scene["shift_north_m"])
        off_m = shapely.distance(shapely.centroid(true), shapely.centroid(shown))
        assert off_m == pytest.approx(np.full(len(true), shift_m), rel=0.02, abs=0.02)


def test_the_same_seed_writes_the_same_files(landscape, files, tmp_path):
    again = write_landscape(simulate_landscape(5, PARAMS), tmp_path / "again")
    assert digests(again.folder) == digests(files.folder)
    description = json.loads((files.folder / "landscape.json").read_text())
    assert description["seed"] == 5
    assert description["params"]["n_seasons"] == 2


def test_what_fails_half_way_leaves_no_half_file(landscape, tmp_path, monkeypatch):
    calls = []

    def failing(self, spec, window=None):
        calls.append(spec.scene_id)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(landscape), "scene", failing)
    with pytest.raises(InputError, match="No space left on device"):
        write_landscape(landscape, tmp_path)
    assert calls
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def app():
    found = typer.Typer()
    found.command()(simulate)
    return found


def test_the_command_writes_a_landscape_and_says_where(tmp_path):
    folder = tmp_path / "there"
    arguments = ["--size-km", "0.9x0.9", "--seasons", "1", "--sensors", "landsat", "--seed", "3"]
    done = CliRunner().invoke(app(), [str(folder), *arguments, "--slumps-per-km2", "3"])
    assert done.exit_code == 0, done.output
    assert "1 scenes of" in done.output
    scenes, faults = find_scenes([folder])
    assert len(scenes) == 1
    assert not faults
    assert scenes[0].observed_from.year == dt.date(2019, 1, 1).year


@pytest.mark.parametrize("size", ["6", "axb", "6x"])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    done = CliRunner().invoke(app(), [str(tmp_path), "--size-km", size])
    assert done.exit_code != 0
    assert "expected such as 6x4.02" in str(done.exception)
