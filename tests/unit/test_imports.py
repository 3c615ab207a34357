"""Who imports whom, and what a command loads before it needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from rts_track.contract import arrow_schema
from rts_track.store.base import open_store

ROOT = Path(__file__).parents[2]
HEAVY = {
    "affine",
    "dask",
    "distributed",
    "duckdb",
    "geopandas",
    "lightning",
    "llvmlite",
    "matplotlib",
    "movingpandas",
    "numba",
    "numpy",
    "pandas",
    "prefect",
    "psycopg",
    "pyarrow",
    "pyogrio",
    "pyproj",
    "rasterio",
    "safetensors",
    "scipy",
    "segmentation_models_pytorch",
    "shapely",
    "skimage",
    "torch",
    "torchvision",
}
RUN = """
import sys
from rts_track.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*(name for name, module in sys.modules.items() if module), file=sys.stderr)
"""


def loaded_by(code, *arguments):
    """The top-level packages that a fresh interpreter has loaded after the code."""
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return {name.partition(".")[0] for name in ended.stderr.split()}


WITHOUT = """
import sys
sys.modules["torch"] = sys.modules["rasterio"] = sys.modules["affine"] = None
from rts_track.cli import main
main()
"""


@pytest.mark.parametrize(
    "arguments", [["ingest", "nothing.tif"], ["detect", "--model", "nothing"], ["demo", "nothing"]]
)
def test_a_command_without_its_extra_names_it_in_one_line(tmp_path, arguments):
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 2
    assert "pip install 'rts-track[detect]'" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_imports_run_only_downwards():
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout
    assert "0 broken" in ended.stdout


def test_the_command_line_is_imported_without_anything_heavy():
    loaded = loaded_by("import sys, rts_track.cli; print(*sys.modules, file=sys.stderr)")
    assert "rts_track" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["import", "--help"],
        ["link", "--help"],
        *([command, "--help"] for command in ("ingest", "detect", "train", "model", "simulate")),
        ["query"],
    ],
)
def test_help_and_the_list_of_questions_load_nothing_heavy(arguments):
    loaded = loaded_by(RUN, *arguments)
    assert "typer" in loaded
    assert not loaded & HEAVY


@pytest.fixture
def store_of_a_slump(duckdb_url):
    """The address of a store that holds a slump of which nothing else is known."""
    around = shapely.box(130.0, 72.0, 130.001, 72.001)
    slump = {"track_id": "slump-1", "kind": "landform", "lineage_id": "family-1"}
    slump |= {"activity": "active", "activity_year": 2020, "validity": "tentative"}
    slump |= {"first_year": 2020, "last_year": 2020, "n_seasons_observed": 1, "area_m2": 100.0}
    slump |= {"lon": 130.0, "lat": 72.0, "is_provisional": False}
    slump |= {"geometry": shapely.to_wkb(shapely.MultiPolygon([around]))}
    with open_store(duckdb_url) as store:
        store.upsert("track", pa.Table.from_pylist([slump], schema=arrow_schema("track")))
    return duckdb_url


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["query", "tracks"], ["query", "review-queue"], ["history", "slump-1"]],
)
def test_status_questions_and_stories_load_nothing_of_geometry_or_linking(
    store_of_a_slump, arguments
):
    loaded = loaded_by(RUN, *arguments, "--store", store_of_a_slump)
    assert "duckdb" in loaded
    assert not loaded & (HEAVY - {"duckdb", "numpy", "pyarrow"})
