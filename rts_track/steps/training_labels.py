"""Labels to learn from: polygons from a file or the store, and the scenes they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.errors import InputError
from rts_track.polygon.clean import clean, read_wkb
from rts_track.source.dates import period_of, season_of
from rts_track.source.files import files_digest
from rts_track.source.vector import open_vector
from rts_track.steps.runs import rows_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.domain import Kind
    from rts_track.source.scene import Scene
    from rts_track.source.vector import Row, VectorFile
    from rts_track.store.base import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFields:
    """Which fields of a labels' file say to which scenes a polygon belongs.

    Attributes:
        scene: the scene's product name; then a polygon belongs to that scene alone.
        season: the season's year; then to all scenes of that season.
        date: the day; its year is the season.
        layer: the file's layer, where it has several.
    """

    scene: str | None = None
    season: str | None = None
    date: str | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Polygons (EPSG:6931), and to which scenes they belong.

    Attributes:
        polygons: (n,) what is labelled.
        scenes: (n,) product names; None where any scene of the season will do.
        seasons: (n,) years; None where any will do.
        n_skipped: polygons that could not be used.
        inputs_sha256: digest of what they were read from.
    """

    polygons: NDArray[np.object_]
    scenes: NDArray[np.object_]
    seasons: NDArray[np.object_]
    n_skipped: int
    inputs_sha256: str

    def of(self, scene: Scene) -> NDArray[np.object_]:
        """The polygons that belong to a scene."""
        names = {scene.product, *(file.stem for file in scene.files)}
        year = scene.observed_from.year
        belongs = [
            (name is None or name in names) and (season is None or season == year)
            for name, season in zip(self.scenes, self.seasons, strict=True)
        ]
        return self.polygons[np.array(belongs, dtype=np.bool_)]


NONE = Labels(
    polygons=np.empty(0, dtype=object),
    scenes=np.empty(0, dtype=object),
    seasons=np.empty(0, dtype=object),
    n_skipped=0,
    inputs_sha256="",
)
"""No polygons."""


def labels_in(path: Path, fields: LabelFields) -> Labels:
    """The polygons of a file.

    Raises:
        InputError: it cannot be read, or a field holds what is no season or date.
        UsageError: it has no such field or layer.
    """
    file = open_vector(path, fields.layer)
    file.require(fields.scene, option=" (--scene-field)")
    file.require(fields.season, option=" (--season-field)")
    file.require(fields.date, option=" (--date-field)")
    values: list[bytes | None] = []
    rows: list[Row] = []
    for batch in file.batches():
        values += batch.wkb
        rows += batch.rows
    cleaned = clean(read_wkb(values)[0], file.crs)
    is_whole = ~shapely.is_missing(cleaned.geometry)
    kept = [row for row, is_kept in zip(rows, is_whole, strict=True) if is_kept]
    scenes = [str(row[fields.scene]) if fields.scene else None for row in kept]
    return Labels(
        polygons=cleaned.geometry[is_whole],
        scenes=np.array(scenes, dtype=object),
        seasons=np.array([_season(file, row, fields) for row in kept], dtype=object),
        n_skipped=int(np.count_nonzero(~is_whole)),
        inputs_sha256=files_digest([path]),
    )


def labels_of_people(store: Store, kind: Kind) -> Labels:
    """The outlines of that kind that people have drawn, of all seasons.

    InputError where the store has none.
    """
    people = [
        row["source"]
        for row in store.read("source", ["source"], {"mapper": "person", "kind": kind}).to_pylist()
    ]
    table = store.read("outline", ["outline_id", "season_year", "geometry"], {"source": people})
    if table.num_rows == 0:
        raise InputError(
            f"{store.url}: no {kind} outlines of people to learn from; import and link some, or"
            " give --labels"
        )
    polygons, _ = read_wkb(table["geometry"].to_pylist())
    return Labels(
        polygons=grid.to_metric(polygons),
        scenes=np.full(table.num_rows, None, dtype=object),
        seasons=np.array(table["season_year"].to_pylist(), dtype=object),
        n_skipped=0,
        inputs_sha256=rows_digest(table),
    )


def _season(file: VectorFile, row: Row, fields: LabelFields) -> int | None:
    try:
        if fields.season is not None:
            return season_of(row[fields.season])
        period = period_of(row[fields.date]) if fields.date else None
    except ValueError as error:
        raise InputError(f"{file.path}: {error}") from error
    return period.from_on.year if period else None
