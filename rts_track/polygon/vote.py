"""What several annotators agree on: the parts that more than half of them drew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.grid import SEAM_GRID_M

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_PART_M2 = 100.0
"""Smaller parts of a consensus are slivers between outlines: a pixel of Sentinel-2."""

_NODING_GRID_M = SEAM_GRID_M
"""The outlines meet on this grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """The ground that anybody drew on, cut into faces that each drew as a whole or not at all.

    Attributes:
        faces: polygons in EPSG:6931 that share no area, (f,).
        is_drawn: who drew which, (f, n annotators).
    """

    faces: NDArray[np.object_]
    is_drawn: NDArray[np.bool_]

    def consensus(
        self, voters: Sequence[int] | None = None, *, min_part_m2: float = MIN_PART_M2
    ) -> NDArray[np.object_]:
        """The parts that more than half of the voters drew, as single polygons, (k,).

        Parts that share an edge are one polygon, those that meet in a point are several: so
        neighbours whose outlines touch become one. Of two voters both must have drawn it.

        Args:
            voters: the annotators that count, by their number; None: all of them.
            min_part_m2: polygons that are smaller are left out.
        """
        drawn = self.is_drawn if voters is None else self.is_drawn[:, list(voters)]
        is_agreed = 2 * drawn.sum(axis=1) > drawn.shape[1]
        parts = shapely.get_parts(shapely.union_all(self.faces[is_agreed]))
        return np.asarray(parts[shapely.area(parts) >= max(min_part_m2, 0.0)], dtype=object)


def ballot(drawn: Sequence[NDArray[np.object_]]) -> Ballot:
    """The faces of what annotators drew: one array of EPSG:6931 polygons each, (n_i,).

    Polygons of one annotator may overlap: that annotator still has one vote.
    """
    n = len(drawn)
    polygons = np.concatenate([np.empty(0, dtype=object), *drawn])
    if len(polygons) == 0:
        none = np.empty(0, dtype=object)
        return Ballot(faces=none, is_drawn=np.zeros((0, n), dtype=bool))
    owner = np.repeat(np.arange(n), [len(each) for each in drawn])
    edges = shapely.union_all(shapely.boundary(polygons), grid_size=_NODING_GRID_M)
    faces = np.asarray(shapely.get_parts(shapely.polygonize([edges])), dtype=object)
    is_drawn = np.zeros((len(faces), n), dtype=bool)
    if len(faces):
        inside = shapely.STRtree(shapely.point_on_surface(faces))
        polygon, face = inside.query(polygons, predicate="intersects")
        is_drawn[face, owner[polygon]] = True
    return Ballot(faces=faces, is_drawn=is_drawn)
