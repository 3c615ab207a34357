"""Rows that an ingest writes: the source where it is new, and the scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import shapely

from rts_track.contract import arrow_schema
from rts_track.domain import digest
from rts_track.errors import InputError
from rts_track.source.dates import Period, seen
from rts_track.source.files import files_digest
from rts_track.source.inventory import SourceFacts
from rts_track.source.looks import areas_lonlat
from rts_track.source.uri import reading_of
from rts_track.steps.import_rows import source_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rts_track.source.scene import Scene
    from rts_track.source.survey import Survey


def content_sha256(scene: Scene) -> str:
    """A digest of the scene's files and of how they are read: what a search depends on."""
    try:
        return digest(files_digest(scene.files), reading_of(scene.uri))
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error


def files_state(scene: Scene) -> str:
    """A digest of where the scene's files lie, how long they are and when they last changed.

    InputError where one is gone.
    """
    try:
        states = [(path, path.stat()) for path in scene.files]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return digest(scene.uri, *((path, state.st_size, state.st_mtime_ns) for path, state in states))


def season_of(scene: Scene, season_year: int | None) -> int:
    """The season that is asked for, else that of the scene's date; InputError where they clash."""
    period = Period(from_on=scene.observed_from, to_on=scene.observed_to)
    try:
        return seen(season_year, period).season_year
    except ValueError as error:
        raise InputError(f"{scene.files[0]}: {error}; is --season or --date right?") from error


def new_source(name: str, scene: Scene) -> pa.Table:
    """The row of a source that is to search such scenes; what finds slumps may say more."""
    facts = SourceFacts(
        source=name,
        kind="landform",
        mapper="model",
        sensor=scene.sensor,
        gsd_m=scene.grid.gsd_m,
    )
    return source_row(facts, None)


def check_source(stored: Mapping[str, Any], scene: Scene) -> None:
    """InputError where a stored source is not one that searches scenes of that sensor."""
    name = stored["source"]
    if stored["mapper"] != "model":
        raise InputError(
            f"{scene.files[0]}: source {name!r} is outlines that people drew; name another --source"
        )
    if stored["sensor"] not in (None, scene.sensor):
        raise InputError(
            f"{scene.files[0]}: source {name!r} is on {stored['sensor']}, not {scene.sensor}; name"
            " another --source"
        )


def scene_row(
    scene_id: str, source: str, season_year: int, scene: Scene, survey: Survey, sha256: str
) -> pa.Table:
    """The scene as one row; its clear geometry is null where nothing is clear."""
    row = {
        "scene_id": scene_id,
        "source": source,
        "season_year": season_year,
        "observed_from": scene.observed_from,
        "observed_to": scene.observed_to,
        "acquired_at": scene.acquired_at,
        "gsd_m": scene.grid.gsd_m,
        "cloud_frac": survey.cloud_frac,
        "uri": scene.uri,
        "content_sha256": sha256,
        "geometry": _wkb(scene.grid.extent()),
        "clear_geometry": None if survey.clear.is_empty else _wkb(survey.clear),
    }
    return pa.Table.from_pylist([row], schema=arrow_schema("scene"))


def _wkb(area: shapely.Geometry) -> bytes:
    """The EPSG:6931 area as WKB of a lon/lat MultiPolygon."""
    wkb: bytes = shapely.to_wkb(areas_lonlat([area])[0], byte_order=1)
    return wkb
