"""A wheel carries the SQL, so that an installed rts-track needs no checkout."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

_LISTS = """
import json, pathlib, sys
import rts_track
from rts_track.resources import resource_folder
assert pathlib.Path(rts_track.__file__).is_relative_to(sys.prefix), rts_track.__file__
print(json.dumps({
    name: {str(file.relative_to(folder)): file.read_text("utf-8") for file in folder.rglob("*.sql")}
    for name in ("schema", "sql") for folder in [resource_folder(name)]
}))
"""


@pytest.mark.slow
def test_an_installed_wheel_holds_the_sql_of_the_repository(tmp_path: Path):
    if importlib.util.find_spec("pip") is None:
        pytest.skip("no pip in this environment to build and install a wheel with")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    call([*pip, "wheel", "--no-deps", *here, "--wheel-dir", tmp_path, REPOSITORY])
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    call([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel])
    listed = json.loads(call([python, "-c", _LISTS], cwd=tmp_path))
    for name, files in listed.items():
        folder = REPOSITORY / name
        assert files == {
            str(file.relative_to(folder)): file.read_text("utf-8") for file in folder.rglob("*.sql")
        }
    assert "0001_contract.sql" in listed["schema"]


def call(command: list[object], cwd: Path | None = None) -> str:
    """Run it; what it printed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
