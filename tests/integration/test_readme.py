"""The README's worked example runs as it is printed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rts_track.store.base import open_store

ROOT = Path(__file__).resolve().parents[2]
ENTERING = ("source .venv", "cd docs/example")
"""Lines that bring a reader into the environment and folder in which the test already is."""

OF_ONES_OWN = (
    *("rts-track train my-scenes", "rts-track tune other-scenes", "rts-track model show my-tuned"),
    *("rts-track detect --model my-tuned", "rts-track validate --truth third-place"),
)
"""Commands on a reader's own files."""


def run(commands, folder):
    """What came of the commands, typed in a folder."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("RTS_TRACK_STORE", None)
    return subprocess.run(
        ["bash", "-euo", "pipefail"],
        input="\n".join(commands),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def shell_blocks(heading):
    """The shell commands printed under a heading."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    blocks = re.findall(r"```sh\n(.*?)```", section.split("\n## ")[0], flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if not line.startswith(ENTERING)]


@pytest.mark.slow
def test_the_worked_example_runs_as_printed(tmp_path):
    shutil.copytree(ROOT / "docs" / "example", tmp_path / "example")
    commands = shell_blocks("Your own outlines") + shell_blocks("What comes out")
    assert any(line.startswith("rts-track import slumps.shp") for line in commands)
    ended = run(commands, tmp_path / "example")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "example" / "outlines.parquet").is_file()
    assert (tmp_path / "example" / "everything" / "track.parquet").is_file()
    assert "fastest-growers" in ended.stdout


@pytest.mark.slow
def test_the_way_from_scenes_runs_as_printed(tmp_path):
    commands = [
        line for line in shell_blocks("Your own scenes") if not line.startswith(OF_ONES_OWN)
    ]
    assert any(line.startswith("rts-track detect --model demo-sentinel2") for line in commands)
    ended = run(commands, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "3 scenes searched" in ended.stdout
    (objects,) = [
        line for line in ended.stdout.splitlines() if line.startswith("objects, IoU 0.3")
    ][:1]
    n_true, n_found, n_right = (int(cell) for cell in re.findall(r" (\d+)(?= )", objects)[:3])
    assert n_right > 0.7 * max(n_true, n_found)
    assert "beside truth_label" in ended.stdout


def test_the_spatial_example_runs_as_printed(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    with open_store(f"duckdb:///{tmp_path}/rts-track.duckdb") as store:
        store.init()
    ended = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "vertices" in ended.stdout
