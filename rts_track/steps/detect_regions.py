"""In which regions scenes lie, where an ensemble has thresholds of its own for regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from rts_track import grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.model.bundle import Ensemble
    from rts_track.store.base import Reader

Row = dict[str, Any]
Regions = dict[str, tuple[str, ...]]

SCENES_AT_A_TIME = 1_000
"""Clear areas are ragged: as many are in memory at a time."""


def regions_of(store: Reader, ensemble: Ensemble, scenes: Sequence[Row]) -> Regions:
    """By scene_id the regions that the ensemble has thresholds for, as `<region_set>/<code>`.

    A scene lies in the regions that hold a point on the surface of its clear area, or of its
    extent where nothing is clear. Scenes in none of them are left out; nothing is read of an
    ensemble that has none.
    """
    named = {each.region for each in ensemble.thresholds if each.region is not None}
    if not named or not scenes:
        return {}
    names, polygons = _polygons(store, named)
    found: dict[str, list[str]] = {}
    for first in range(0, len(scenes), SCENES_AT_A_TIME):
        ids, points = _points(store, scenes[first : first + SCENES_AT_A_TIME])
        at_scene, at_region = shapely.STRtree(polygons).query(points, predicate="intersects")
        for scene, region in zip(at_scene.tolist(), at_region.tolist(), strict=True):
            found.setdefault(ids[scene], []).append(names[region])
    return {scene_id: tuple(sorted(regions)) for scene_id, regions in found.items()}


def _polygons(store: Reader, named: set[str]) -> tuple[list[str], NDArray[np.object_]]:
    """Those of the named regions that the store has, and their EPSG:6931 polygons."""
    sets = sorted({name.partition("/")[0] for name in named})
    columns = ["region_set", "region_code", "geometry"]
    rows = store.read("region", columns, {"region_set": sets}).to_pylist()
    by_name = {f"{row['region_set']}/{row['region_code']}": row["geometry"] for row in rows}
    names = sorted(named & by_name.keys())
    return names, _metric([by_name[name] for name in names])


def _points(store: Reader, scenes: Sequence[Row]) -> tuple[list[str], NDArray[np.object_]]:
    """The scenes' ids, and the EPSG:6931 points by which regions hold them."""
    columns = ["scene_id", "clear_geometry", "geometry"]
    scope = {"scene_id": [scene["scene_id"] for scene in scenes]}
    rows = store.read("scene", columns, scope).to_pylist()
    areas = _metric([row["clear_geometry"] or row["geometry"] for row in rows])
    return [row["scene_id"] for row in rows], np.asarray(shapely.point_on_surface(areas))


def _metric(wkb: list[bytes]) -> NDArray[np.object_]:
    return grid.to_metric(np.asarray(shapely.from_wkb(wkb), dtype=object))
