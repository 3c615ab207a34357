"""The Sentinel-2 and Landsat 8 scenes of the Peel site: both come in, and show what is there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from rasterio.features import rasterize

from rts_track import grid
from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import open_scene
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.store.base import Store

pytestmark = pytest.mark.real_data

SENTINEL2 = "S2_20210821T210019_20210821T210020_T08WMA"
LANDSAT = "L8_LC08_139232_20210721"


@pytest.fixture
def store(duckdb_store: Store) -> Store:
    return duckdb_store


@pytest.fixture
def site(real_data: Path) -> Path:
    folder = real_data / "rts_digitization_peel"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


def ingested(store: Store, path: Path, bands: str) -> dict:
    """The row of the scene, ingested."""
    report = ingest(store, [path], IngestRequest(bands=tuple(bands.split(","))))
    assert report.faults == ()
    (row,) = store.read("scene").to_pylist()
    return row


def medians(uri: str, names: list[str]) -> dict[str, float]:
    with ScenePixels(open_scene(uri)) as pixels:
        values = pixels.read(names, pixels.scene.grid.whole)
        assert pixels.clear(pixels.scene.grid.whole).all()
    return dict(zip(names, np.nanmedian(values, axis=(1, 2)).tolist(), strict=True))


def test_the_sentinel_2_scene_is_green_tundra_of_2_5_km(store: Store, site: Path) -> None:
    row = ingested(store, site / f"{SENTINEL2}.tif", "B2,B3,B4,B5,B6,B7,B8")

    assert row["scene_id"] == f"sentinel2:{SENTINEL2}"
    assert (row["season_year"], row["gsd_m"]) == (2021, 10.0)
    assert row["acquired_at"] == dt.datetime(2021, 8, 21, 21, 0, 19, tzinfo=dt.UTC)
    extent = grid.to_metric(np.array([shapely.from_wkb(row["geometry"])], dtype=object))[0]
    assert extent.area == pytest.approx(2510**2, rel=2e-3)
    assert "mask=none" in row["uri"]
    # top of the atmosphere: the file is of Earth Engine's COPERNICUS/S2, whatever its name
    seen = medians(row["uri"], ["blue", "red", "nir"])
    assert 0.08 < seen["blue"] < 0.11
    assert 0.05 < seen["red"] < 0.09
    assert 0.20 < seen["nir"] < 0.32


def test_the_landsat_scene_is_read_as_the_reflectance_that_it_stores(
    store: Store, site: Path
) -> None:
    row = ingested(store, site / f"{LANDSAT}.tif", "B2,B3,B4,B5,B6,B7,-")

    assert row["scene_id"] == f"landsat:{LANDSAT}"
    assert row["observed_from"] == row["observed_to"] == dt.date(2021, 7, 21)
    assert row["gsd_m"] == 15.0
    # acquired at night, under a sun of a few degrees: the air is bright in blue, slopes in NIR
    seen = medians(row["uri"], ["blue", "green", "red", "nir"])
    assert 0.20 > seen["green"] > seen["red"] > 0.10
    assert seen["blue"] > seen["green"]
    assert seen["nir"] > seen["red"]


def test_experts_slumps_are_barer_than_what_is_round_them(store: Store, site: Path) -> None:
    row = ingested(store, site / f"{SENTINEL2}.tif", "B2,B3,B4,B5,B6,B7,B8")
    scene = open_scene(row["uri"])
    frame = pyogrio.raw.read(site / "experts" / "01" / "Peel_digitized.shp")
    outlines = grid.to_metric(shapely.from_wkb(frame[2]), frame[0]["crs"])
    is_slump = rasterize(scene.grid.to_pixels(outlines), scene.grid.shape).astype(bool)
    with ScenePixels(scene) as pixels:
        red, nir = pixels.read(["red", "nir"], scene.grid.whole)

    ndvi = (nir - red) / (nir + red)
    assert is_slump.sum() > 100
    assert np.median(ndvi[is_slump]) < np.median(ndvi[~is_slump]) - 0.15
