"""Which scenes are compared with which, so that linking knows how far they lie apart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.domain import digest
from rts_track.errors import UsageError

if TYPE_CHECKING:
    from rts_track.store.base import Store

ScenePair = tuple[str, str]
"""An earlier and a later scene."""

SEASONS_BACK = 5
"""Linking looks from a scene to those of so many seasons before it, of those with scenes there: a
slump that more of them missed is a scar."""
REFERENCE_SHARE = 0.5
"""A reference covers at least so much of a scene's extent."""

_COLUMNS = (
    "scene_id",
    "source",
    "season_year",
    "observed_from",
    "uri",
    "content_sha256",
    "geometry",
    "clear_geometry",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlignScene:
    """A scene that can be opened; areas are in EPSG:6931."""

    scene_id: str
    kind: str
    season_year: int
    observed_from: dt.date
    uri: str
    content_sha256: str
    extent: shapely.Geometry
    clear: shapely.Geometry

    @property
    def order(self) -> tuple[int, dt.date, str]:
        """What sorts earlier scenes before later ones."""
        return self.season_year, self.observed_from, self.scene_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be known.

    Attributes:
        scenes: all scenes by their ids, the earlier first.
        reference_of: the scene that each is compared with; itself, if it is a reference.
        wanted: the pairs that linking may ask for.
    """

    scenes: Mapping[str, AlignScene]
    reference_of: Mapping[str, str]
    wanted: tuple[ScenePair, ...]

    def pair(self, one: str, other: str) -> ScenePair:
        """The two scenes, the earlier first."""
        is_first = self.scenes[one].order <= self.scenes[other].order
        return (one, other) if is_first else (other, one)

    def with_references(self) -> Iterator[ScenePair]:
        """Each scene that has one, and its reference."""
        for scene, reference in self.reference_of.items():
            if scene != reference:
                yield self.pair(reference, scene)

    def common_reference(self, pair: ScenePair) -> str | None:
        """The reference that both were, or are, compared with; None: there is none."""
        one, other = (self.reference_of[scene] for scene in pair)
        return one if one == other else None

    def digest(self) -> str:
        """A digest of the scenes and of what is to be known of them."""
        contents = [(each.scene_id, each.content_sha256) for each in self.scenes.values()]
        return digest(contents, list(self.with_references()), self.wanted)


def read_scenes(store: Store) -> list[AlignScene]:
    """The store's scenes that can be opened, the earlier first."""
    kinds = {row["source"]: row["kind"] for row in store.read("source").to_pylist()}
    rows = [row for row in store.read("scene", _COLUMNS).to_pylist() if row["uri"] is not None]
    extents = _metric([row["geometry"] for row in rows])
    clear = _metric([row["clear_geometry"] or row["geometry"] for row in rows])
    scenes = [
        AlignScene(
            scene_id=row["scene_id"],
            kind=kinds[row["source"]],
            season_year=row["season_year"],
            observed_from=row["observed_from"],
            uri=row["uri"],
            content_sha256=row["content_sha256"] or "",
            extent=extent,
            clear=seen,
        )
        for row, extent, seen in zip(rows, extents, clear, strict=True)
    ]
    return sorted(scenes, key=lambda scene: scene.order)


def plan(scenes: Sequence[AlignScene], reference: str | None = None) -> Plan:
    """Who is compared with whom.

    A scene's reference is, of those that cover most of it in the earliest season that has any, the
    one with which it shares the largest clear area; so scenes of a place mostly have one
    reference, and any two of them are known by their shifts against it.

    Args:
        scenes: the scenes, the earlier first.
        reference: the scene that is to be the reference of all that overlap it; None: as above.

    Raises:
        UsageError: there is no such scene.
    """
    by_id = {scene.scene_id: scene for scene in scenes}
    if reference is not None and reference not in by_id:
        raise UsageError(
            f"reference {reference!r}: no scene that can be opened has this id; `ingest` tells them"
        )
    neighbours = _neighbours(scenes)
    reference_of = {
        scene.scene_id: _reference(scene, near, reference)
        for scene, near in zip(scenes, neighbours, strict=True)
    }
    wanted = [
        (earlier.scene_id, scene.scene_id)
        for scene, near in zip(scenes, neighbours, strict=True)
        for earlier in _looked_back_at(scene, near)
    ]
    return Plan(scenes=by_id, reference_of=reference_of, wanted=tuple(wanted))


def _metric(wkb: list[bytes]) -> list[shapely.Geometry]:
    return list(grid.to_metric(np.array(shapely.from_wkb(wkb), dtype=object)))


def _neighbours(scenes: Sequence[AlignScene]) -> list[list[AlignScene]]:
    """For each scene those whose extents share some area with its own; itself among them."""
    if not scenes:
        return []
    extents = np.array([scene.extent for scene in scenes], dtype=object)
    near: list[list[AlignScene]] = [[] for _ in scenes]
    one, other = shapely.STRtree(extents).query(extents, predicate="intersects")
    for at, beside in sorted(zip(one.tolist(), other.tolist(), strict=True)):
        near[at].append(scenes[beside])
    return near


def _reference(scene: AlignScene, near: list[AlignScene], reference: str | None) -> str:
    if any(other.scene_id == reference for other in near):
        return str(reference)
    least_m2 = REFERENCE_SHARE * scene.extent.area
    covering = [
        other for other in near if shapely.intersection(other.extent, scene.extent).area >= least_m2
    ]
    first = min((other.season_year for other in covering), default=scene.season_year)
    candidates = [other for other in covering if other.season_year == first] or [scene]
    return max(
        candidates, key=lambda other: shapely.intersection(other.clear, scene.clear).area
    ).scene_id


def _looked_back_at(scene: AlignScene, near: list[AlignScene]) -> list[AlignScene]:
    """The earlier scenes that outlines on this one may be linked with."""
    earlier = [
        other
        for other in near
        if other.season_year < scene.season_year and other.kind == scene.kind
    ]
    seasons = sorted({other.season_year for other in earlier})[-SEASONS_BACK:]
    return [other for other in earlier if other.season_year in seasons]
