"""Truths of a validation: what annotators drew, in files or as sources of the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.errors import InputError, UsageError
from rts_track.source.looks import read_areas
from rts_track.source.vector import open_vector
from rts_track.steps.runs import rows_digest
from rts_track.steps.training_labels import LabelFields, Labels, labels_in
from rts_track.steps.validating_report import is_reserved

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.store.base import Reader

_FOOTPRINTS = ("footprint_id", "look_id", "scene_id", "season_year", "is_clipped", "geometry")
_LOOKS = ("look_id", "scene_id", "season_year", "looked_area_m2", "geometry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Of what a truth is asked: a scene by the names that it has, and its season.

    Without names, any scene; without a season, any season.
    """

    names: frozenset[str]
    season_year: int | None

    def is_meant(
        self, scenes: NDArray[np.object_], seasons: NDArray[np.object_]
    ) -> NDArray[np.bool_]:
        """Which things belong there: None of a thing's scene or season means any, (n,)."""
        return np.array(
            [
                (name is None or not self.names or name in self.names)
                and (season is None or self.season_year is None or season == self.season_year)
                for name, season in zip(scenes, seasons, strict=True)
            ],
            dtype=bool,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLooks:
    """Where a source has looked: areas in EPSG:6931, and look, scene and season of each, (n,)."""

    area: NDArray[np.object_]
    look_id: NDArray[np.object_]
    scene_id: NDArray[np.object_]
    season: NDArray[np.object_]
    digest: str

    @property
    def product(self) -> NDArray[np.object_]:
        """The products' names, None of a look at no scene."""
        return np.array([product_of(each) for each in self.scene_id], dtype=object)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotator:
    """Who drew what: polygons with scene and season (`Labels`), and where that is complete.

    `looks` are of a source of the store, which says where it looked; a file does not.
    """

    name: str
    labels: Labels
    looks: StoredLooks | None = None

    def drawn(self, where: Where) -> NDArray[np.object_]:
        """What was drawn there, (n,)."""
        of, labels = self._narrowed(where), self.labels
        return labels.polygons[of.is_meant(labels.scenes, labels.seasons)]

    def complete(self, where: Where) -> shapely.Geometry | None:
        """The area in which all was drawn; None where nothing tells of one."""
        if self.looks is None:
            return None
        is_meant = self._narrowed(where).is_meant(self.looks.product, self.looks.season)
        return shapely.union_all(self.looks.area[is_meant])

    def tells_of(self, where: Where) -> bool:
        """Whether it says anything of that scene and season."""
        if self.looks is not None:
            is_meant = self._narrowed(where).is_meant(self.looks.product, self.looks.season)
        else:
            is_meant = where.is_meant(self.labels.scenes, self.labels.seasons)
        return bool(is_meant.any())

    def _narrowed(self, where: Where) -> Where:
        """A source of the store may have drawn on another scene of the season: then any will do."""
        if self.looks is None:
            return where
        of_product = where.is_meant(self.looks.product, self.looks.season)
        is_named = np.array([each is not None for each in self.looks.product], dtype=bool)
        return where if (of_product & is_named).any() else replace(where, names=frozenset())


def annotators_in(
    files: Sequence[Path], names: Sequence[str], fields: LabelFields
) -> list[Annotator]:
    """One annotator a file, called so; InputError and UsageError as `labels_in` has them."""
    return [
        Annotator(name=name, labels=labels_in(file, fields))
        for name, file in zip(names, files, strict=True)
    ]


def names_of(truths: Sequence[Path], found: Path | None = None) -> list[str]:
    """What the files are called, what was found first: each after itself, else after its folder.

    The folder where a file's own name tells no two apart, or means something else here; both where
    the folder does not, either.
    """
    files = [*([found] if found else []), *truths]
    stems = [file.stem for file in files]
    folders = [file.resolve().parent.name for file in files]
    both = [f"{folder}/{stem}" for folder, stem in zip(folders, stems, strict=True)]
    for names in (stems, folders):
        is_clear = not any(map(is_reserved, names[len(files) - len(truths) :]))
        if is_clear and len(set(names)) == len(names):
            return names
    return both


def check_names(names: Collection[str]) -> None:
    """UsageError where two annotators are called the same, or one as a comparison is."""
    for name in names:
        if is_reserved(name):
            raise UsageError(f"truth {name!r}: that word means something else here; rename it")
        if list(names).count(name) > 1:
            raise UsageError(f"truth {name!r} stands twice; each annotator is one file or source")


def stored_annotator(store: Reader, source: str) -> Annotator:
    """What a source of the store drew, in all seasons.

    Footprints that it has drawn anew since do not count, nor those of looks that are past.

    Raises:
        InputError: it has not looked anywhere.
    """
    looks = stored_looks(store, source)
    rows, polygons = stored_footprints(store, source, looks)
    return Annotator(
        name=source,
        labels=Labels(
            polygons=polygons,
            scenes=np.array([product_of(each) for each in rows["scene_id"].to_pylist()], object),
            seasons=np.array(rows["season_year"].to_pylist(), dtype=object),
            n_skipped=0,
            inputs_sha256=rows_digest(rows),
        ),
        looks=looks,
    )


def stored_looks(store: Reader, source: str) -> StoredLooks:
    """The current looks of a source that saw anything, by their ids.

    InputError where there are none.
    """
    rows = store.read("look", _LOOKS, {"source": source, "is_current": True, "status": "done"})
    rows = rows.filter(_mask(area > 0.0 for area in rows["looked_area_m2"].to_pylist()))
    if rows.num_rows == 0:
        raise InputError(f"{store.url}: {source} has not looked anywhere")
    drawn = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    return StoredLooks(
        area=_valid(grid.to_metric(grid.densify(drawn))),
        look_id=_column(rows, "look_id"),
        scene_id=_column(rows, "scene_id"),
        season=_column(rows, "season_year"),
        digest=rows_digest(rows),
    )


def stored_footprints(
    store: Reader, source: str, looks: StoredLooks
) -> tuple[pa.Table, NDArray[np.object_]]:
    """The footprints of a source's looks, and those of no look: rows, and EPSG:6931 polygons."""
    rows = store.read("footprint", _FOOTPRINTS, {"source": source})
    superseded = set(store.read("superseded_footprint", ["footprint_id"])[0].to_pylist())
    known = {None, *looks.look_id.tolist()}
    ids = zip(rows["footprint_id"].to_pylist(), rows["look_id"].to_pylist(), strict=True)
    rows = rows.filter(_mask(of in known and each not in superseded for each, of in ids))
    drawn = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    return rows, _valid(grid.to_metric(np.asarray(drawn, dtype=object)))


def area_in(file: Path) -> shapely.Geometry:
    """The polygons of a file as one area in EPSG:6931; InputError where one cannot be used."""
    areas, _, skipped = read_areas(open_vector(file))
    if skipped:
        raise InputError(f"{skipped[0].source_feature_id}: {skipped[0].reason}")
    return shapely.union_all([area.geometry for area in areas])


def product_of(scene_id: str | None) -> str | None:
    """The product's name in a scene's id, which may begin with its source."""
    if scene_id is None:
        return None
    source, colon, product = scene_id.partition(":")
    return product if colon else source


def _mask(is_kept: Iterable[bool]) -> pa.Array:
    import pyarrow as pa

    return pa.array(is_kept, pa.bool_())


def _column(rows: pa.Table, name: str) -> NDArray[np.object_]:
    return np.array(rows[name].to_pylist(), dtype=object)


def _valid(polygons: NDArray[np.object_]) -> NDArray[np.object_]:
    """The polygons, mended where carrying them over has broken one."""
    is_bad = ~shapely.is_valid(polygons)
    polygons[is_bad] = shapely.make_valid(polygons[is_bad], method="structure")
    return polygons
