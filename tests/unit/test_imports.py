"""Who imports whom, and what a command loads before it needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "duckdb",
    "geopandas",
    "matplotlib",
    "numpy",
    "pandas",
    "prefect",
    "psycopg",
    "pyarrow",
    "pyogrio",
    "pyproj",
    "scipy",
    "shapely",
    "torch",
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


@pytest.mark.parametrize("arguments", [["--help"], ["import", "--help"], ["query"]])
def test_help_and_the_list_of_questions_load_nothing_heavy(arguments):
    loaded = loaded_by(RUN, *arguments)
    assert "typer" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("arguments", [["status"], ["query", "tracks"]])
def test_status_and_questions_load_neither_pandas_nor_geopandas(duckdb_url, arguments):
    loaded = loaded_by(RUN, *arguments, "--store", duckdb_url)
    assert "duckdb" in loaded
    assert not loaded & {"pandas", "geopandas", "torch", "prefect"}
