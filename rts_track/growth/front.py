"""How far, and which way, the active front of a slump moved between two outlines.

A *landform* keeps its toe while its headwall retreats: its front is where the later outline lies
outside the earlier one. A piece ds of the later outline with outward normal n, d outside the
earlier one, gained about d ds of ground. The front moved by the displacement a that explains in
least squares how far each piece advanced, d = a . n, pieces weighted by the ground they gained:

    (M + RIDGE tr M) a = b,    M = integral of d n n^T ds,    b = integral of d^2 n ds.

It is exact for an outline swept along a, however long and bent it is. The weighted mean direction
of advance, V = integral of d n ds (the vector mean of Mardia and Jupp 2000, Directional
Statistics, doi 10.1002/9780470316979, ch. 2, with the ground gained as weights; by the gradient
theorem this sum over the outline is that over the gained ground), is not: a slump of 200 x 60 m
swept across its corner to 45 degrees has its mean advance at 17, for a straight front shows only
the part of a motion across it (the aperture problem). RIDGE keeps what a straight front cannot
show from being made up. The distance is then the one along a's direction u that explains the
pieces that face there, d = a (n . u).

V decides whether anything is claimed, because its error is known: an outline drawn too wide all
round adds nothing to it, pixels no more than they add to the area, and an outline that lies off
by s about s P / 4, P the perimeter (exact for a circle).

An *active zone* moves as a whole: its front is its centroid.

Geometries are EPSG:6931 polygons; directions and lengths are those of the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, log, sqrt
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.grid import from_ground, to_ground
from rts_track.growth.sums import total_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECES = 64
"""The front is taken in pieces of at most this part of the outline's perimeter."""
RIDGE = 0.02
"""Share of tr M added to M. Between 0 and 0.1 the median error of the direction differs by less
than a degree on simulated slumps whose headwall moved 10 m or more; above, long slumps are pulled
towards the mean direction of advance."""
TOLERANCE_M = 0.25
"""Outlines are simplified so far first, an eighth of what a scene lies off: some have thousands of
vertices, and the time grows with their square."""
_NOTHING = 1e-9
"""Below any length or area; keeps what is nothing from being divided by."""
_ROUNDING_M = 1e-6
"""Nearer to the earlier outline is on it: coordinates are no more exact."""
_BLOCK_ROWS = 1_000
"""Outlines whose pieces are held at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Movement:
    """How fronts moved; columns of equal length, NaN where nothing can be claimed."""

    east_m: NDArray[np.float64]
    """Metres east on the ground."""
    north_m: NDArray[np.float64]
    from_x: NDArray[np.float64]
    """Where the front was at the start, EPSG:6931."""
    from_y: NDArray[np.float64]

    @property
    def is_claimed(self) -> NDArray[np.bool_]:
        """Whether the front can be said to have moved."""
        return np.isfinite(self.east_m)

    @property
    def azimuth_deg(self) -> NDArray[np.float64]:
        """Where to, clockwise from true north in [0, 360); NaN where nothing is claimed."""
        return azimuth_deg(self.east_m, self.north_m)


def azimuth_deg(east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction of each vector in degrees clockwise from north, in [0, 360)."""
    degrees = np.degrees(np.arctan2(east, north)) % 360.0
    return np.where(degrees == 360.0, 0.0, degrees)  # what is barely west of north rounds up


def least_claimed_sigma(significant_sigma: float) -> float:
    """How many sigma (of one component) a vector must be long to be no error.

    Errors of two equal, independent components have a Rayleigh length: 1.96 sigma of a number
    (5 %) are 2.45 sigma of a vector, whose direction is then known within 22 degrees, 1 sigma.
    """
    return sqrt(-2.0 * log(erfc(significant_sigma / sqrt(2.0))))


def landform_movement(
    before: NDArray[np.object_],
    after: NDArray[np.object_],
    random_sigma_m2: NDArray[np.float64],
    placement_sigma_m: NDArray[np.float64],
    significant_sigma: float,
) -> Movement:
    """How the front of each landform moved, as the module says.

    NaN where V is not longer than its error alone would make it. Whether the slump grew at all
    is for the caller to ask: a whole outline that lies off has a V of its own, but no growth.

    Args:
        before: outlines at the start.
        after: outlines at the end, after the scenes' shift.
        random_sigma_m2: random part of the sigma of the area gained: pixels of both outlines.
        placement_sigma_m: sigma of what is left of the shift, east and north.
        significant_sigma: what makes a number significant.
    """
    blocks = [
        _landform_block(
            before[rows], after[rows], random_sigma_m2[rows], placement_sigma_m[rows], limit
        )
        for limit in [least_claimed_sigma(significant_sigma)]
        for rows in (slice(k, k + _BLOCK_ROWS) for k in range(0, len(before), _BLOCK_ROWS))
    ]
    return joined(blocks)


def zone_movement(
    before: NDArray[np.object_],
    after: NDArray[np.object_],
    area_sigma_m2: NDArray[np.float64],
    placement_sigma_m: NDArray[np.float64],
    significant_sigma: float,
) -> Movement:
    """How the centroid of each active zone moved.

    NaN where it moved no farther than its error alone would make it. An error of the boundary
    that makes sigma_A of the area A moves the centroid of a circle by sigma_A / sqrt(2 pi A) in
    each component.

    Args:
        before: outlines at the start.
        after: outlines at the end, after the scenes' shift.
        area_sigma_m2: (n, 2), sigma of the area at the start and at the end.
        placement_sigma_m: sigma of what is left of the shift, east and north.
        significant_sigma: what makes a number significant.
    """
    start, end = _centroids(before), _centroids(after)
    moved = np.column_stack(to_ground(*(end - start).T, *start.T))
    area_m2 = np.column_stack([shapely.area(before), shapely.area(after)])
    variance = (area_sigma_m2**2 / (2.0 * np.pi * area_m2)).sum(axis=1) + placement_sigma_m**2
    limit_m = least_claimed_sigma(significant_sigma) * np.sqrt(variance)
    return _claimed(np.hypot(*moved.T) > limit_m, moved, start)


def joined(parts: list[Movement]) -> Movement:
    """The parts one after the other."""

    def column(name: str) -> NDArray[np.float64]:
        return np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)])

    return Movement(
        east_m=column("east_m"),
        north_m=column("north_m"),
        from_x=column("from_x"),
        from_y=column("from_y"),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Frame:
    """A plane of ground metres, east and north, about a point of EPSG:6931 for each outline."""

    origin: NDArray[np.float64]
    """(n, 2), EPSG:6931."""
    axes: NDArray[np.float64]
    """(n, 2, 2): metres east and north of one metre along x, and along y."""

    def carry(self, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        """The EPSG:6931 geometries in the plane."""
        xy, owner = shapely.get_coordinates(geometries, return_index=True)
        offset = xy - self.origin[owner]
        ground = np.einsum("ij,ijk->ik", offset, self.axes[owner])
        return np.asarray(shapely.set_coordinates(geometries.copy(), ground))


def _frame(geometries: NDArray[np.object_]) -> _Frame:
    """The plane about each geometry's centroid.

    The ground's north turns by the change of longitude: less than 0.1 degrees in 1 km at 75 N.
    """
    origin = _centroids(geometries)
    one, zero = np.ones(len(origin)), np.zeros(len(origin))
    x_axis, y_axis = to_ground(one, zero, *origin.T), to_ground(zero, one, *origin.T)
    axes = np.stack([np.column_stack(x_axis), np.column_stack(y_axis)], axis=1)
    return _Frame(origin=origin, axes=axes)


def _landform_block(
    before: NDArray[np.object_],
    after: NDArray[np.object_],
    random_sigma_m2: NDArray[np.float64],
    placement_sigma_m: NDArray[np.float64],
    limit: float,
) -> Movement:
    frame, n = _frame(before), len(before)
    outlines = _outline_pieces(shapely.simplify(frame.carry(after), TOLERANCE_M))
    front = outlines.outside(shapely.simplify(frame.carry(before), TOLERANCE_M))
    mean_m2 = np.column_stack([front.total(front.depth_m * side, n) for side in front.normal_m.T])
    off_m2 = placement_sigma_m * outlines.total(outlines.length_m, n) / 4.0
    is_claimed = np.hypot(*mean_m2.T) > limit * np.hypot(random_sigma_m2, off_m2)
    direction = front.direction(n)
    distance_m, reached = front.explained_by(direction)
    moved = direction * distance_m[:, None]
    start = reached - moved
    dx, dy = from_ground(*start.T, *frame.origin.T)
    return _claimed(is_claimed, moved, frame.origin + np.column_stack([dx, dy]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pieces:
    """Short straight pieces of outlines, in ground metres."""

    owner: NDArray[np.int64]
    middle: NDArray[np.float64]
    """(m, 2)."""
    normal_m: NDArray[np.float64]
    """(m, 2): outward normal, as long as the piece."""
    depth_m: NDArray[np.float64]
    """How far outside the earlier outline; 0 before that is asked."""

    @property
    def length_m(self) -> NDArray[np.float64]:
        return np.asarray(np.hypot(*self.normal_m.T))

    def total(self, value: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        """The sum over each of `n` outlines."""
        return total_of(self.owner, value, n)

    def outside(self, before: NDArray[np.object_]) -> _Pieces:
        """Those outside the earlier outlines, with their depth."""
        shapely.prepare(before)
        out = ~shapely.intersects_xy(before[self.owner], self.middle[:, 0], self.middle[:, 1])
        edge = shapely.boundary(before)[self.owner[out]]
        depth_m = np.asarray(shapely.distance(shapely.points(self.middle[out]), edge))
        return _Pieces(
            owner=self.owner[out],
            middle=self.middle[out],
            normal_m=self.normal_m[out],
            depth_m=np.where(depth_m > _ROUNDING_M, depth_m, 0.0),
        )

    def direction(self, n: int) -> NDArray[np.float64]:
        """The unit vector (n, 2) along which each of `n` fronts moved; 0 where there is none."""
        east, north = self._unit_normal.T
        gained_m2 = self.depth_m * self.length_m
        ee, nn, en = (
            self.total(gained_m2 * each, n) for each in (east * east, north * north, east * north)
        )
        b_east, b_north = (self.total(gained_m2 * self.depth_m * side, n) for side in (east, north))
        ridge = RIDGE * (ee + nn)
        # the inverse of a symmetric 2 x 2 matrix but for its determinant, which is positive
        vector = np.column_stack(
            [(nn + ridge) * b_east - en * b_north, (ee + ridge) * b_north - en * b_east]
        )
        length = np.hypot(*vector.T)[:, None]
        return np.asarray(vector / np.where(length > 0.0, length, 1.0))

    def explained_by(
        self, direction: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The displacement along each direction that explains the depths, and where it led.

        That is the middle (n, 2) of the pieces that face there, by the ground they gained; 0
        where none does.
        """
        n = len(direction)
        cosine = np.einsum("ij,ij->i", self._unit_normal, direction[self.owner])
        cosine = np.maximum(cosine, 0.0)
        gained_m2 = np.where(cosine > 0.0, self.depth_m * self.length_m, 0.0)
        explained_m2 = self.total(gained_m2 * cosine**2, n)
        distance_m = self.total(gained_m2 * self.depth_m * cosine, n)
        weight_m2 = np.maximum(self.total(gained_m2, n), _NOTHING)
        middle = [self.total(gained_m2 * side, n) / weight_m2 for side in self.middle.T]
        return distance_m / np.maximum(explained_m2, _NOTHING), np.column_stack(middle)

    @property
    def _unit_normal(self) -> NDArray[np.float64]:
        return np.asarray(self.normal_m / np.maximum(self.length_m, _NOTHING)[:, None])


def _outline_pieces(outlines: NDArray[np.object_]) -> _Pieces:
    """The pieces of each outline, none longer than its perimeter / PIECES."""
    step_m = np.maximum(shapely.length(outlines) / PIECES, 1e-3)
    oriented = shapely.orient_polygons(shapely.segmentize(outlines, step_m))
    parts, part_owner = shapely.get_parts(oriented, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    goes_on = ring[1:] == ring[:-1]
    along = np.diff(xy, axis=0)[goes_on]
    return _Pieces(
        owner=part_owner[ring_part[ring[:-1][goes_on]]].astype(np.int64),
        middle=((xy[:-1] + xy[1:]) / 2.0)[goes_on],
        normal_m=np.column_stack([along[:, 1], -along[:, 0]]),
        depth_m=np.zeros(len(along)),
    )


def _centroids(geometries: NDArray[np.object_]) -> NDArray[np.float64]:
    """(n, 2), EPSG:6931."""
    return np.asarray(shapely.get_coordinates(shapely.centroid(geometries)))


def _claimed(
    is_claimed: NDArray[np.bool_], moved: NDArray[np.float64], start: NDArray[np.float64]
) -> Movement:
    return Movement(
        east_m=np.where(is_claimed, moved[:, 0], np.nan),
        north_m=np.where(is_claimed, moved[:, 1], np.nan),
        from_x=np.where(is_claimed, start[:, 0], np.nan),
        from_y=np.where(is_claimed, start[:, 1], np.nan),
    )
