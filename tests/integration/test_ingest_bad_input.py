"""Scenes at fault: one line each, nothing of them is stored, and the others come in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from rts_track.commands.ingest import ingest as ingest_command
from rts_track.errors import UsageError
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.store.base import Store, open_store

PLAIN = "S2_20210821T210019_T08WMA.tif"


@pytest.fixture
def store(duckdb_store: Store) -> Store:
    return duckdb_store


def line_beside_a_good_scene(store: Store, folder: Path, products, **asked) -> str:
    """The fault of the one bad product in the folder, to which a good one is added."""
    good = products.psscene(folder / "good")
    report = ingest(store, [folder], IngestRequest(**asked))
    (fault,) = report.faults
    assert [row.scene_id for row in report.registered] == [f"planetscope:{good.parent.name}"]
    assert store.count("scene") == store.count("source") == store.count("run") == 1
    assert "\n" not in fault.reason
    return fault.reason


def test_a_truncated_image(store: Store, tmp_path: Path, products) -> None:
    image = products.psscene(tmp_path, "20210723_210957_92_2212")
    image.write_bytes(image.read_bytes()[:-50])
    line = line_beside_a_good_scene(store, tmp_path, products)
    assert line.startswith(f"{image}: cut short")


def test_a_truncated_mask(store: Store, tmp_path: Path, products) -> None:
    image = products.psscene(tmp_path, "20210723_210957_92_2212")
    mask = image.with_name("20210723_210957_92_2212_3B_udm2.tif")
    mask.write_bytes(mask.read_bytes()[:-50])
    line = line_beside_a_good_scene(store, tmp_path, products)
    assert line.startswith(f"{mask}: cut short")


def test_a_truncated_jp2(store: Store, tmp_path: Path, products) -> None:
    rng = np.random.default_rng(7)
    bands = rng.integers(1, 9000, (5, 64, 64)).astype(np.uint16)
    scl = np.full((32, 32), 4, dtype=np.uint8)
    folder = products.safe(tmp_path, bands=bands, scl=scl, suffix=".jp2")
    (image,) = folder.glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2")
    image.write_bytes(image.read_bytes()[:3000])
    line = line_beside_a_good_scene(store, tmp_path, products)
    assert line.startswith(f"{image}: cannot be read")


def test_an_image_of_zeros(store: Store, tmp_path: Path, products) -> None:
    values = np.zeros((4, 6, 8), dtype=np.uint16)
    image = products.psscene(tmp_path, "20210723_210957_92_2212", values=values)
    line = line_beside_a_good_scene(store, tmp_path, products)
    assert line == f"{image}: no valid pixel: all are nodata; fetch it again"


def test_an_image_of_zeros_that_it_does_not_call_nodata(
    store: Store, tmp_path: Path, products
) -> None:
    values = np.zeros((1, 6, 8), dtype=np.int16)
    image = products.write_tiff(tmp_path / PLAIN, values, nodata=-9999)
    report = ingest(store, [image], IngestRequest(bands=("B2",)))
    (fault,) = report.faults
    assert fault.reason == f"{image}: its band blue is 0 everywhere; fetch it again"
    assert store.count("scene") == 0


def test_an_image_of_nan(store: Store, tmp_path: Path, products) -> None:
    values = np.full((1, 6, 8), np.nan, dtype=np.float32)
    image = products.write_tiff(tmp_path / PLAIN, values)
    products.psscene(tmp_path)
    report = ingest(store, [image], IngestRequest(bands=("B2",)))
    (fault,) = report.faults
    assert fault.reason.startswith(f"{image}: no valid pixel")
    assert store.count("scene") == 0


@pytest.mark.parametrize(
    ("value", "options", "word"),
    [(3000.0, {}, "above"), (0.02, {"offset": -0.1}, "below")],
)
def test_an_image_that_is_not_reflectance(
    store: Store, tmp_path: Path, products, value: float, options: dict, word: str
) -> None:
    values = np.full((1, 6, 8), value, dtype=np.float32)
    image = products.write_tiff(tmp_path / PLAIN, values)
    report = ingest(store, [image], IngestRequest(bands=("B2",), **options))
    (fault,) = report.faults
    assert fault.reason.startswith(f"{image}: half of its band blue is {word} a reflectance of")
    assert fault.reason.endswith("are --scale and --offset right?")
    assert store.count("scene") == 0


def test_an_image_without_a_crs(store: Store, tmp_path: Path, products) -> None:
    image = products.psscene(tmp_path, "20210723_210957_92_2212")
    products.write_tiff(image, products.image(), crs=None)
    line = line_beside_a_good_scene(store, tmp_path, products)
    assert line.startswith(f"{image}: no CRS")


def run(*words: str | Path) -> Result:
    """The command alone, as the command line runs it."""
    app = typer.Typer()
    app.command()(ingest_command)
    return CliRunner().invoke(app, [*map(str, words)])


def test_the_command_tells_each_fault_in_a_line_and_ends_non_zero(tmp_path: Path, products) -> None:
    products.psscene(tmp_path / "scenes")
    image = products.psscene(tmp_path / "scenes", "20210723_210957_92_2212")
    image.write_bytes(image.read_bytes()[:-50])
    url = f"duckdb:///{tmp_path / 'store.duckdb'}"

    ended = run(tmp_path / "scenes", "--store", url)

    assert ended.exit_code == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"rts-track: {image}: cut short")
    assert ended.stdout.startswith("1 scenes added")
    with open_store(url) as store:
        assert store.count("scene") == 1


def test_the_command_leaves_no_store_where_nothing_came_in(tmp_path: Path) -> None:
    file = tmp_path / "store.duckdb"
    ended = run(tmp_path, "--store", f"duckdb:///{file}")
    assert ended.exit_code == 1
    assert not file.exists()
    assert "no scene in this folder" in ended.stderr


def test_the_command_takes_bands_a_date_and_how_numbers_are_stored(
    tmp_path: Path, products
) -> None:
    image = products.write_tiff(tmp_path / "flight.tif", products.image(3))
    url = f"duckdb:///{tmp_path / 'store.duckdb'}"
    told = ["--reader", "raster", "--sensor", "drone", "--bands", "red, -, nir"]
    stored = ["--scale", "0.0001", "--offset", "-0.01"]

    ended = run(image, *told, "--date", "2021-08-01..2021-08-03", *stored, "--store", url)

    assert ended.exit_code == 0
    assert "reflectance = 0.0001 x stored -0.01: drone:flight" in ended.stdout
    with open_store(url) as store:
        (row,) = store.read("scene", ["scene_id", "observed_to"]).to_pylist()
    assert row == {"scene_id": "drone:flight", "observed_to": dt.date(2021, 8, 3)}


def test_a_date_that_is_none_is_told(tmp_path: Path) -> None:
    ended = run(tmp_path, "--date", "noon")
    assert isinstance(ended.exception, UsageError)
    assert str(ended.exception).startswith("--date: 'noon' is no date; expected 2021-08-21")
