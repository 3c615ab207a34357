"""Reader of DARTS (Nitze et al. 2025, doi:10.1038/s41597-025-05810-2): slumps found by networks.

Level 1 holds one polygon per image, level 2 the union of a year's images: a source of its own,
whose footprints have no scene, so that it is never made one with level 1. From a folder with both
only level 1 is read; of levels named one by one, each is. Coverage files say what was searched in
which years.

The list of columns is published with the data, which were not at hand: geometry and a year or a
date are required, the usual names of the others are looked for, and all the rest is kept among
the attributes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import shapely

from rts_track.domain import SEASON_YEARS, THAW_SEASON
from rts_track.errors import InputError
from rts_track.source.fields import Fields, asked_facts, asked_fields, by_fields
from rts_track.source.inventory import Fault, Inventory, LookArea, SourceFacts
from rts_track.source.looks import Area, checked_area, read_areas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rts_track.source.request import ImportRequest
    from rts_track.source.vector import VectorFile

LEVEL1 = SourceFacts(
    source="darts",
    kind="active_zone",
    mapper="model",
    sensor="PlanetScope",
    gsd_m=3.0,
    delineation_sigma_m=1.5,
    citation="Nitze et al. 2025: DARTS, Scientific Data 12, 1512,"
    " doi:10.1038/s41597-025-05810-2; data doi:10.18739/A22B8VD7C",
    licence="CC-BY-4.0",
)
LEVEL2_SOURCE = "darts-level2"

_COVERAGE = "coverage_period"
_LEVEL = re.compile(r"level[ _-]?([12])", re.IGNORECASE)
_YEARS = ("year", "season", "season_year")
_DATES = ("date", "image_date", "acquisition_date", "acquired", "datetime", "date_min")
_SCENES = ("image_id", "scene_id", "image", "scene", "take_id")
_IDS = ("id", "uid", "fid")


def darts_inventories(files: list[VectorFile], request: ImportRequest) -> list[Inventory]:
    """One inventory a level, each with the looks that the coverage files tell of.

    Coverage alone is level 1's, unless the request names the source.
    """
    coverage = [file for file in files if _COVERAGE in file.fields]
    levels: dict[int, list[VectorFile]] = {}
    for file in files:
        if file not in coverage:
            levels.setdefault(level_of(file), []).append(file)
    return [
        _inventory(level, len(levels), levels.get(level, []), coverage, request)
        for level in sorted(levels) or [1]
    ]


def preferred(files: list[VectorFile]) -> list[VectorFile]:
    """The files of a folder less those of level 2, where it has level 1."""
    features = [file for file in files if _COVERAGE not in file.fields]
    if not any(level_of(file) == 1 for file in features):
        return files
    return [file for file in files if file not in features or level_of(file) == 1]


def level_of(file: VectorFile) -> int:
    """1 or 2: as the file's name says, else 1 where its features know their image."""
    named = _LEVEL.search(file.stem)
    if named:
        return int(named[1])
    return 1 if _field(file, _SCENES) or _field(file, _DATES) else 2


def coverage_looks(file: VectorFile, source: str) -> tuple[list[LookArea], list[Fault]]:
    """One measured look a year, and what was repaired; the areas of a year are one search.

    InputError where the years of an area cannot be told.
    """
    areas, repaired, skipped = read_areas(file)
    if skipped:
        raise InputError(f"{skipped[0].source_feature_id}: {skipped[0].reason}")
    by_year: dict[int, list[shapely.Geometry]] = {}
    for area in areas:
        for year in _years(area):
            by_year.setdefault(year, []).append(area.geometry)
    looks = []
    for year in sorted(by_year):
        begins_on, ends_on = THAW_SEASON.of(year)
        whole = shapely.union_all(by_year[year])
        looks.append(
            LookArea(
                source=source,
                unit=file.stem,
                season_year=year,
                from_on=begins_on,
                to_on=ends_on,
                basis="measured",
                geometry=checked_area(whole, file.stem, "cut a hole round it"),
                gsd_m=LEVEL1.gsd_m,
            )
        )
    return looks, repaired


def _inventory(
    level: int,
    n_levels: int,
    files: list[VectorFile],
    coverage: list[VectorFile],
    request: ImportRequest,
) -> Inventory:
    facts = asked_facts(request, LEVEL1)
    if level == 2 and request.source is None:
        facts = replace(facts, source=LEVEL2_SOURCE)
    elif level == 2 and n_levels == 2:
        facts = replace(facts, source=f"{request.source}-level2")
    fields = _level_fields(files, level, request)
    fields.check(files)
    looks: list[LookArea] = []
    repaired: list[Fault] = []
    for file in coverage:
        found, mended = coverage_looks(file, facts.source)
        looks += found
        repaired += mended
    return replace(by_fields(files, fields, facts), looks=tuple(looks), repaired=tuple(repaired))


def _level_fields(files: list[VectorFile], level: int, request: ImportRequest) -> Fields:
    """The usual fields that all files of the level have, after those that the user names."""
    usual = Fields(
        season=_common(files, _YEARS),
        date=_common(files, _DATES),
        scene=_common(files, _SCENES) if level == 1 else None,
        id=_common(files, _IDS),
    )
    return asked_fields(request, usual)


def _common(files: list[VectorFile], names: Iterable[str]) -> str | None:
    found = {_field(file, names) for file in files}
    return found.pop() if len(found) == 1 else None


def _field(file: VectorFile, names: Iterable[str]) -> str | None:
    """The file's first field of these names, in whatever case."""
    by_name = {field.lower(): field for field in file.fields}
    return next((by_name[name] for name in names if name in by_name), None)


def _years(area: Area) -> list[int]:
    text = str(area.row[_COVERAGE] or "")
    years = [int(word) for word in re.findall(r"\d{4}", text)]
    if not years or any(year not in SEASON_YEARS for year in years):
        raise InputError(f"{area.name}: {_COVERAGE} {text!r} holds no years")
    return sorted(set(years))
