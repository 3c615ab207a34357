"""Which files are meant by paths, and what is in them as one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rts_track.errors import InputError, UsageError

_SUFFIXES = (".shp", ".gpkg", ".geojson", ".fgb", ".kml", ".gml", ".parquet", ".geoparquet")


def find_files(paths: Sequence[str | Path]) -> list[Path]:
    """The files meant by paths: folders stand for every file of polygons below them.

    InputError for a path that is not there or a folder without such files; UsageError where two
    files have the same name, so that their features' ids would be the same.
    """
    found = [file for path in paths for file in _files_at(Path(path))]
    unique = list({file.resolve(): file for file in found}.values())
    for one, other in pairwise(sorted(unique, key=lambda file: (file.stem, str(file)))):
        if one.stem == other.stem:
            raise UsageError(
                f"{one} and {other} have the same name, which their features' ids begin with:"
                " rename one, or import them apart as two sources"
            )
    return unique


def files_digest(files: Sequence[Path]) -> str:
    """SHA-256 over the files' names and contents, parts such as a shapefile's .dbf included."""
    sha = hashlib.sha256()
    for part in (part for file in files for part in _parts(file)):
        sha.update(part.name.encode() + b"\0")
        with part.open("rb") as stream:
            while block := stream.read(1 << 20):
                sha.update(block)
    return sha.hexdigest()


def _files_at(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_dir() or path.suffix.lower() == ".gdb":
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not files:
        raise InputError(f"{path}: no file of polygons in this folder ({', '.join(_SUFFIXES)})")
    return files


def _parts(file: Path) -> list[Path]:
    if file.is_dir():
        return sorted(part for part in file.rglob("*") if part.is_file())
    if file.suffix.lower() == ".shp":
        return sorted(part for part in file.parent.glob(f"{file.stem}.*") if part.is_file())
    return [file]
