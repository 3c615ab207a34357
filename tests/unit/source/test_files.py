"""Which files are meant, and when they are the same as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from rts_track.errors import InputError, UsageError
from rts_track.source.files import files_digest, find_files

ROWS = [{"id": 1, "year": 2019, "name": "first"}, {"id": 2, "year": 2020, "name": "second"}]


def test_a_folder_stands_for_the_files_below_it(write_vector, tmp_path: Path) -> None:
    write_vector("sites/b.shp", ROWS)
    write_vector("sites/a.gpkg", ROWS)
    (tmp_path / "sites/readme.txt").write_text("no polygons")

    assert [path.name for path in find_files([tmp_path / "sites"])] == ["a.gpkg", "b.shp"]


def test_a_folder_without_polygons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file of polygons in this folder"):
        find_files([tmp_path])


def test_the_same_file_named_twice_is_read_once(write_vector, tmp_path: Path) -> None:
    path = write_vector("a.gpkg", ROWS)

    assert find_files([path, tmp_path, tmp_path / "." / "a.gpkg"]) == [path]


def test_two_files_of_one_name_are_refused(write_vector, tmp_path: Path) -> None:
    write_vector("2019/slumps.gpkg", ROWS)
    write_vector("2020/slumps.gpkg", ROWS)

    with pytest.raises(UsageError, match="have the same name"):
        find_files([tmp_path])


def test_the_digest_follows_the_content_of_every_part(write_vector) -> None:
    path = write_vector("slumps.shp", ROWS)
    before = files_digest([path])

    assert files_digest([path]) == before
    write_vector("slumps.shp", [{**ROWS[0], "name": "another"}, ROWS[1]])
    assert files_digest([path]) != before
