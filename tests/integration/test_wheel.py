"""What is shipped carries all that an installed rts-track needs: no checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from hashlib import sha256
from pathlib import Path

import pytest

from rts_track.model.bundle import read_ensemble

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("schema", "sql", "bundles")
SHIPPED = "demo-sentinel2"

_LISTS = """
import hashlib, json, pathlib, sys
import rts_track
from rts_track.resources import resource_folder
assert pathlib.Path(rts_track.__file__).is_relative_to(sys.prefix), rts_track.__file__
print(json.dumps({
    name: {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*") if file.is_file()
    }
    for name in sys.argv[1:] for folder in [resource_folder(name)]
}))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that a wheel of the repository was installed into."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("no pip in this environment to build and install a wheel with")
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    call([*pip, "wheel", "--no-deps", *here, "--wheel-dir", folder, REPOSITORY])
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    installed = folder / "venv" / "bin" / "python"
    call([*pip, "--python", installed, "install", "--no-deps", "--no-index", wheel])
    return installed


def test_an_installed_wheel_holds_the_sql_and_the_bundles_of_the_repository(
    python: Path, tmp_path: Path
):
    listed = json.loads(call([python, "-c", _LISTS, *FOLDERS], cwd=tmp_path))
    for name, files in listed.items():
        folder = next(each for each in source_folders(name) if each.is_dir())
        there = [file for file in folder.rglob("*") if file.is_file()]
        assert files == {str(file.relative_to(folder)): digest(file) for file in there}
    assert "0001_contract.sql" in listed["schema"]
    assert any(file.startswith(f"{SHIPPED}/") for file in listed["bundles"])


def test_an_installed_command_finds_the_ensemble_that_it_came_with(
    python: Path, tmp_path: Path, products
):
    products.safe(tmp_path / "scenes", NAME)
    store = ["--store", f"duckdb:///{tmp_path / 'store.duckdb'}"]
    command = python.with_name("rts-track")
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    ensemble = read_ensemble([REPOSITORY / "rts_track" / "bundles" / SHIPPED])

    shown = call([command, "model", "show", SHIPPED], tmp_path, environment)
    call([command, "ingest", "scenes", *store], tmp_path, environment)
    ended = subprocess.run(
        [command, "detect", "--model", SHIPPED, *store],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert all(bundle.name in shown for bundle in ensemble.bundles)
    told = ended.stdout + ended.stderr
    assert "no such model bundle" not in told
    assert "--dem" in told or "1 scenes searched" in told


def test_a_source_archive_holds_the_flow_its_deployment_and_the_bundles(tmp_path: Path):
    call([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path], REPOSITORY)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        held = {name.partition("/")[2] for name in opened.getnames()}
    assert {"flows/season.py", "prefect.yaml", "schema/0001_contract.sql", "README.md"} <= held
    bundles = REPOSITORY / "rts_track" / "bundles"
    weights = {str(file.relative_to(REPOSITORY)) for file in bundles.rglob("*.safetensors")}
    assert weights
    assert weights <= held


NAME = "S2A_MSIL2A_20210722T210029_N0301_R057_T08WMA_20210722T223000"


def source_folders(name: str) -> list[Path]:
    """Where the repository may hold what is shipped under that name."""
    return [REPOSITORY / name, REPOSITORY / "rts_track" / name]


def digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def call(
    command: list[object], cwd: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """Run it; what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
