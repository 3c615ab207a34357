"""From the features of files to footprints: described, cleaned, placed in scene and look, named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.growth.sigma import area_sigma_m2
from rts_track.polygon.clean import Cleaned, clean, read_wkb
from rts_track.polygon.measure import touches_border
from rts_track.source.inventory import (
    Description,
    Fault,
    FeatureNames,
    Inventory,
    LeftOut,
    all_notes,
    look_id_of,
)
from rts_track.source.looks import Groups, StatedArea
from rts_track.source.rows import Found, footprint_ids, footprint_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from rts_track.source.vector import FeatureBatch, Row, VectorFile


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """How looks are found that no file of the inventory tells of.

    Either each file's hull of a season stands for one, or what the user states, or none.
    """

    is_hull: bool = False
    stated: StatedArea | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feature:
    """A feature of which its file says enough: its name, words and geometry as it came."""

    name: str
    row: Row
    description: Description
    notes: tuple[str, ...]
    wkb: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlines:
    """The outlines of some features: in EPSG:6931 and in WGS 84."""

    metric: NDArray[np.object_]
    lonlat: NDArray[np.object_]

    def take(self, numbers: list[int]) -> _Outlines:
        """Some of them."""
        return _Outlines(metric=self.metric[numbers], lonlat=self.lonlat[numbers])


class FootprintReading:
    """One pass over the files of an inventory, and what it finds beside the footprints.

    Complete once all footprints have gone by: `scenes` by id; `hulls` by file and season, of the
    footprints that no known look covers; `seasons` of each file; counts, and the faults.
    `identities` are the footprints' ids met so far, over all inventories of an import.
    """

    def __init__(
        self, inventory: Inventory, looked_at: LookedAt, identities: dict[bytes, str]
    ) -> None:
        """An inventory that has not been read yet."""
        self._inventory = inventory
        self._looked_at = looked_at
        self._identities = identities
        self._looks = {look.scene_id: look for look in inventory.looks}
        self.scenes: Groups[str] = Groups()
        self.hulls: Groups[tuple[str, int]] = Groups()
        self.seasons: Groups[tuple[str, int]] = Groups()
        self.gsd_m: Counter[float] = Counter()
        self.repaired: list[Fault] = list(inventory.repaired)
        self.skipped: list[Fault] = list(inventory.skipped)
        self.left_out: Counter[str] = Counter()
        self.n_read = 0

    def footprints(self, file: VectorFile) -> Iterator[pa.RecordBatch]:
        """The file's footprints, a batch of rows at a time; InputError if the file breaks off."""
        names = FeatureNames(file.stem, self._inventory.id_field)
        for batch in file.batches():
            features = list(self._described(file, batch, names))
            kept, outlines = self._cleaned(file, features)
            yield self._rows(file, self._found(file, kept, outlines.metric), outlines)

    def _described(
        self, file: VectorFile, batch: FeatureBatch, names: FeatureNames
    ) -> Iterator[_Feature]:
        """The features of which the file says enough."""
        self.n_read += len(batch.rows)
        for at, (row, wkb) in enumerate(zip(batch.rows, batch.wkb, strict=True)):
            name, mended = names.name(row, batch.first_row + at)
            try:
                description = self._inventory.describe(row, file)
            except LeftOut as reason:
                self.left_out[str(reason)] += 1
                continue
            except ValueError as error:
                self.skipped.append(Fault(name, str(error)))
                continue
            notes = (mended, *description.notes)
            yield _Feature(name=name, row=row, description=description, notes=notes, wkb=wkb)

    def _cleaned(
        self, file: VectorFile, features: list[_Feature]
    ) -> tuple[list[_Feature], _Outlines]:
        """The features whose outline can be used, and their outlines."""
        geometries, was_open = read_wkb([feature.wkb for feature in features])
        cleaned = clean(geometries, file.crs)
        lonlat = np.full(len(features), None, dtype=object)
        is_whole = ~shapely.is_missing(cleaned.geometry)
        lonlat[is_whole] = grid.to_lonlat(cleaned.geometry[is_whole])
        sigma_m2 = self._repair_sigma_m2(features, cleaned)
        kept = []
        for at, feature in enumerate(features):
            fault = _fault(cleaned, at, feature.wkb, geometries[at], lonlat[at])
            if fault:
                self.skipped.append(Fault(feature.name, fault))
                continue
            kept.append(at)
            mended = _geometry_notes(cleaned, at, bool(was_open[at]), float(sigma_m2[at]))
            if notes := all_notes(feature.notes, mended):
                self.repaired.append(Fault(feature.name, notes))
        outlines = _Outlines(metric=cleaned.geometry, lonlat=lonlat)
        return [features[at] for at in kept], outlines.take(kept)

    def _repair_sigma_m2(
        self, features: Sequence[_Feature], cleaned: Cleaned
    ) -> NDArray[np.float64]:
        """1 sigma of the area of each outline that was repaired, 0 for others."""
        sigma_m2 = np.zeros(len(features))
        mended = np.flatnonzero(cleaned.was_invalid)
        if len(mended) == 0:
            return sigma_m2
        facts = self._inventory.facts
        known_m = [features[int(at)].description.gsd_m or facts.gsd_m for at in mended]
        gsd_m = np.array(known_m, dtype=np.float64)
        offset_m = facts.delineation_sigma_m or np.nan_to_num(gsd_m / 2)
        perimeter_m = grid.perimeter_m(cleaned.geometry[mended])
        sigma_m2[mended] = area_sigma_m2(perimeter_m, gsd_m, offset_m)
        return sigma_m2

    def _found(
        self, file: VectorFile, features: list[_Feature], polygons: NDArray[np.object_]
    ) -> list[Found]:
        """The features with their scenes and looks; the border of a measured look clips them."""
        scene_ids = [self._scene_id(feature) for feature in features]
        is_clipped = np.zeros(len(features), dtype=bool)
        for scene_id in set(scene_ids) & self._looks.keys() - {None}:
            look = self._looks[scene_id]
            members = [at for at, other in enumerate(scene_ids) if other == scene_id]
            pixel_m = look.gsd_m or 0.0
            is_clipped[members] = touches_border(polygons[members], look.geometry, pixel_m)
        return [
            Found(
                name=feature.name,
                row=feature.row,
                description=feature.description,
                scene_id=scene_id,
                look_id=self._look_id(file, feature, scene_id, polygons[at]),
                is_clipped=bool(is_clipped[at]),
            )
            for at, (feature, scene_id) in enumerate(zip(features, scene_ids, strict=True))
        ]

    def _scene_id(self, feature: _Feature) -> str | None:
        scene = feature.description.scene
        return f"{self._inventory.facts.source}:{scene}" if scene else None

    def _look_id(
        self,
        file: VectorFile,
        feature: _Feature,
        scene_id: str | None,
        polygon: shapely.Geometry,
    ) -> str | None:
        """The look that a footprint falls to: its scene's, else the assumed one."""
        if scene_id is not None and scene_id in self._looks:
            return self._looks[scene_id].look_id
        source = self._inventory.facts.source
        season = feature.description.seen.season_year
        if self._looked_at.is_hull:
            return look_id_of(source, file.stem, season, "assumed")
        stated = self._looked_at.stated
        area = stated.of(season) if stated else None
        if stated is None or area is None or not shapely.intersects(area, polygon):
            return None
        return stated.look_id(source, season)

    def _rows(self, file: VectorFile, found: list[Found], outlines: _Outlines) -> pa.RecordBatch:
        """The rows of the footprints that were not met before; scenes, hulls, seasons grow."""
        source = self._inventory.facts.source
        ids = footprint_ids(source, found, outlines.metric)
        fresh = [at for at in range(len(ids)) if self._is_fresh(ids[at], found[at].name)]
        found, outlines = [found[at] for at in fresh], outlines.take(fresh)
        self._count(file, found, outlines.metric)
        return footprint_rows(
            source,
            [ids[at] for at in fresh],
            found,
            outlines.metric,
            outlines.lonlat,
            self._inventory.used_fields,
        )

    def _is_fresh(self, footprint_id: str, name: str) -> bool:
        """Whether it is new to this import; the same again in one look is a fault."""
        key = bytes.fromhex(footprint_id.replace("-", ""))
        first = self._identities.setdefault(key, name)
        if first is not name:
            self.skipped.append(Fault(name, f"the same outline as {first}"))
        return first is name

    def _count(self, file: VectorFile, found: list[Found], polygons: NDArray[np.object_]) -> None:
        seen = [each.description.seen for each in found]
        gsd_m = [each.description.gsd_m for each in found]
        keys = [(file.stem, when.season_year) for when in seen]
        self.gsd_m.update(value for value in gsd_m if value is not None)
        self.seasons.add(keys, seen, gsd_m)
        self.scenes.add([each.scene_id for each in found], seen, gsd_m, polygons)
        if self._looked_at.is_hull:
            unknown = [
                None if each.scene_id in self._looks and each.scene_id else key
                for each, key in zip(found, keys, strict=True)
            ]
            self.hulls.add(unknown, seen, gsd_m, polygons)


def _fault(
    cleaned: Cleaned,
    at: int,
    wkb: bytes | None,
    geometry: shapely.Geometry | None,
    lonlat: shapely.Geometry | None,
) -> str | None:
    """Why an outline cannot be used; None where it can."""
    if wkb is not None and geometry is None:
        return "geometry cannot be read (curves cannot)"
    if cleaned.fault[at] is not None:
        return str(cleaned.fault[at])
    return "zero area" if lonlat is None or lonlat.is_empty else None


def _geometry_notes(cleaned: Cleaned, at: int, was_open: bool, sigma_m2: float) -> tuple[str, ...]:
    """What was mended in an outline, with both areas where they may differ."""
    notes = []
    if was_open:
        notes.append("ring closed")
    if cleaned.had_z[at]:
        notes.append("Z dropped")
    if cleaned.had_other_parts[at]:
        notes.append("points and lines beside the polygon left out")
    if cleaned.was_invalid[at]:
        before_m2, after_m2 = cleaned.area_before_m2[at], shapely.area(cleaned.geometry[at])
        note = f"self-intersection repaired: {before_m2:,.1f} -> {after_m2:,.1f} m2"
        if abs(after_m2 - before_m2) > sigma_m2:
            note += f", more than its sigma of {sigma_m2:,.1f} m2: check its outline"
        notes.append(note)
    return tuple(notes)
