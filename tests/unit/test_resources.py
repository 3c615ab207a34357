"""The SQL that travels with the package is found wherever the package lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from rts_track import resources
from rts_track.resources import resource_folder


@pytest.mark.parametrize("name", ["schema", "sql"])
def test_a_checkout_reads_the_repositorys_own_folder(name: str):
    assert resource_folder(name) == Path(__file__).resolve().parents[2] / name


def test_an_installed_package_reads_the_folder_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "rts_track")
    (tmp_path / "schema").mkdir()
    assert resource_folder("schema") == tmp_path / "schema"
    (tmp_path / "rts_track" / "schema").mkdir(parents=True)
    assert resource_folder("schema") == tmp_path / "rts_track" / "schema"


def test_a_broken_installation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "rts_track")
    with pytest.raises(FileNotFoundError, match="without its folder sql"):
        resource_folder("sql")
