"""The path of each track's active front through the seasons, and the same for movingpandas.

A path leads through all whole seasons of a track since it last merged with another or split. From
each season in which the front is known the next is sought in which it has moved farther than its
error (`rts_track.growth.front`); until then it stays. So what is too slow for one year shows over
several, and errors do not add up to a path. The path begins where the front first was and goes on
by its displacements: the middle of the ground gained would jump along the headwall with whichever
part was active, at many times the speed of any front.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.errors import UsageError
from rts_track.growth.front import azimuth_deg
from rts_track.growth.migration import Steps, movement
from rts_track.growth.sums import total_of
from rts_track.growth.thaw import DAYS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from movingpandas import TrajectoryCollection
    from numpy.typing import NDArray

    from rts_track.growth.history import History
    from rts_track.growth.params import GrowthParams

_DATE_LINE = 180.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """Paths of fronts, one a track, and the points on them; NaN where the front did not move."""

    track: NDArray[np.int64]
    """Number of the track."""
    from_year: NDArray[np.int64]
    to_year: NDArray[np.int64]
    n_seasons: NDArray[np.int64]
    azimuth_deg: NDArray[np.float64]
    """From the first to the last point, degrees clockwise from true north."""
    speed_m_yr: NDArray[np.float64]
    """Length over the years between the first and the last season, standstill included."""
    length_m: NDArray[np.float64]
    """Along the path, on the ground."""
    straightness: NDArray[np.float64]
    """Distance from the first to the last point over the length; 1 for a straight path."""
    point_path: NDArray[np.int64]
    """Number of the path of every point, one a season of the paths that moved, in their order."""
    point_day: NDArray[np.float64]
    """Days since 1970-01-01."""
    point_x: NDArray[np.float64]
    """EPSG:6931."""
    point_y: NDArray[np.float64]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.track)


def path_seasons(history: History) -> NDArray[np.int64]:
    """Rows of the appearances that paths lead through: two or more of a track, a day apart."""
    appearances = history.appearances
    since = history.tracks.joined_last[appearances.track]
    row = np.flatnonzero(appearances.is_whole & (appearances.season_year >= since))
    track, day = appearances.track[row], np.round(appearances.day[row])
    goes_on = np.concatenate([[False], track[1:] == track[:-1]])[: len(row)]
    is_later = np.concatenate([[True], day[1:] - day[:-1] >= 1.0])[: len(row)]
    row = row[~goes_on | is_later]
    number = np.bincount(appearances.track[row], minlength=len(history.tracks))
    return np.asarray(row[number[appearances.track[row]] >= 2])


def front_paths(
    history: History,
    is_zone: NDArray[np.bool_],
    geometry: NDArray[np.object_],
    params: GrowthParams,
) -> Paths:
    """The path of the front of every track that has two whole seasons, in the tracks' order.

    Args:
        history: tracks, their appearances and links.
        is_zone: for each track, whether it is an active zone.
        geometry: EPSG:6931 polygon of each appearance in `path_seasons`.
        params: assumptions.
    """
    row = path_seasons(history)
    track, first, path = np.unique(
        history.appearances.track[row], return_index=True, return_inverse=True
    )
    at_m, foot = _walk(history, is_zone, geometry, params, row, first, path)
    return _described(history, row, track, first, path, at_m, foot)


def _walk(
    history: History,
    is_zone: NDArray[np.bool_],
    geometry: NDArray[np.object_],
    params: GrowthParams,
    row: NDArray[np.int64],
    first: NDArray[np.int64],
    path: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each season's front lies, (m, 2) metres on the ground from where its path begins.

    And where that is, (n, 2) in EPSG:6931, NaN where the front did not move.
    """
    offsets = _Offsets.of(history)
    at_m, foot = np.zeros((len(row), 2)), np.full((len(first), 2), np.nan)
    known, rank = first.copy(), np.arange(len(row)) - first[path]
    for number in range(1, int(rank.max(initial=0)) + 1):
        now = np.flatnonzero(rank == number)
        of_path = path[now]
        steps = offsets.steps(row[known[of_path]], row[now])
        found = movement(history.appearances, is_zone, steps, geometry, params)
        at_m[now] = at_m[known[of_path]]
        claimed = found.is_claimed
        now, of_path = now[claimed], of_path[claimed]
        at_m[now] += np.column_stack([found.east_m, found.north_m])[claimed]
        begins = np.isnan(foot[of_path, 0])
        start = np.column_stack([found.from_x, found.from_y])[claimed]
        foot[of_path[begins]] = start[begins]
        known[of_path] = now
    return at_m, foot


def _described(
    history: History,
    row: NDArray[np.int64],
    track: NDArray[np.int64],
    first: NDArray[np.int64],
    path: NDArray[np.int64],
    at_m: NDArray[np.float64],
    foot: NDArray[np.float64],
) -> Paths:
    n, season = len(track), history.appearances.season_year[row]
    day = np.round(history.appearances.day[row])
    last = np.append(first[1:], len(row))[:n] - 1
    step_m = np.diff(at_m, axis=0, prepend=at_m[:1])
    step_m[first] = 0.0
    length_m = total_of(path, np.hypot(*step_m.T), n)
    length_m[np.isnan(foot[:, 0])] = np.nan
    net_m = at_m[last]
    is_point = np.isfinite(foot[path, 0])
    begin = foot[path][is_point]
    dx, dy = grid.from_ground(*at_m[is_point].T, *begin.T)
    return Paths(
        track=track,
        from_year=season[first],
        to_year=season[last],
        n_seasons=last - first + 1,
        azimuth_deg=np.where(np.isnan(length_m), np.nan, azimuth_deg(*net_m.T)),
        speed_m_yr=length_m / ((day[last] - day[first]) / DAYS_PER_YEAR),
        length_m=length_m,
        straightness=np.minimum(np.hypot(*net_m.T) / length_m, 1.0),
        point_path=path[is_point],
        point_day=day[is_point],
        point_x=begin[:, 0] + dx,
        point_y=begin[:, 1] + dy,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Offsets:
    """How far each appearance's scene lies off that of its first forebear, metres on the ground."""

    root: NDArray[np.int64]
    """Row of that forebear; itself for one without."""
    east_m: NDArray[np.float64]
    north_m: NDArray[np.float64]

    @classmethod
    def of(cls, history: History) -> _Offsets:
        """Summed along the links of most overlap."""
        descent, season = history.descent, history.appearances.season_year
        root, offset = np.arange(len(season)), np.zeros((2, len(season)))
        step = np.vstack([descent.east_m, descent.north_m])
        link = np.lexsort((-descent.overlap_m2, descent.later))
        best = link[np.unique(descent.later[link], return_index=True)[1]]
        for year in np.unique(season[descent.later[best]]):
            now = best[season[descent.later[best]] == year]
            later, earlier = descent.later[now], descent.earlier[now]
            root[later] = root[earlier]
            offset[:, later] = offset[:, earlier] + step[:, now]
        return cls(root=root, east_m=offset[0], north_m=offset[1])

    def steps(self, start: NDArray[np.int64], end: NDArray[np.int64]) -> Steps:
        """The steps between these appearances; no shift is known between strangers."""
        is_known = self.root[start] == self.root[end]
        return Steps(
            start=start,
            end=end,
            east_m=np.where(is_known, self.east_m[end] - self.east_m[start], 0.0),
            north_m=np.where(is_known, self.north_m[end] - self.north_m[start], 0.0),
        )


def require_movingpandas() -> Callable[..., TrajectoryCollection]:
    """Its class of collections; UsageError that names the extra where it is not installed."""
    with _quiet():
        try:
            from movingpandas import TrajectoryCollection
        except ImportError as error:
            raise UsageError(
                f"trajectories need movingpandas, which does not load ({error}):"
                " pip install 'rts-track[trajectory]'"
            ) from error
    collection: Callable[..., TrajectoryCollection] = TrajectoryCollection
    return collection


def trajectory_collection(paths: Paths, track_id: Sequence[str]) -> TrajectoryCollection:
    """The paths that moved as a movingpandas.TrajectoryCollection in WGS 84 lon/lat.

    One trajectory a track, one point a season, at midnight of its day. UsageError without
    movingpandas.

    Args:
        paths: the paths.
        track_id: the id of each path's track.
    """
    collection = require_movingpandas()
    import pandas as pd

    to_lonlat = grid.transformer(grid.METRIC_CRS, grid.LONLAT_CRS)
    lon, lat = to_lonlat.transform(paths.point_x, paths.point_y)
    points = pd.DataFrame(
        {
            "track_id": np.asarray(track_id, dtype=object)[paths.point_path],
            "t": paths.point_day.astype("datetime64[D]").astype("datetime64[s]"),
            "lon": lon,
            "lat": lat,
        }
    )
    with _quiet():
        return collection(points, "track_id", t="t", x="lon", y="lat", crs=grid.LONLAT_CRS)


def trajectory_lines(
    collection: TrajectoryCollection,
) -> Iterator[tuple[str, shapely.Geometry]]:
    """Each trajectory's id and its line in WGS 84 lon/lat, split at the antimeridian.

    Points at which the front stood still count once.
    """
    for trajectory in collection:
        with _quiet():
            line = trajectory.to_linestring()
        yield str(trajectory.id), split_at_antimeridian(shapely.remove_repeated_points(line))


def split_at_antimeridian(line: shapely.LineString) -> shapely.Geometry:
    """The lon/lat line, a MultiLineString where it crosses the antimeridian.

    Two points are taken to be joined the shorter way around.
    """
    xy = shapely.get_coordinates(line)
    lon = np.unwrap(xy[:, 0], period=2.0 * _DATE_LINE)
    if np.array_equal(lon, xy[:, 0]):
        return line
    whole = shapely.LineString(np.column_stack([lon, xy[:, 1]]))
    parts = []
    for turn in (-2.0 * _DATE_LINE, 0.0, 2.0 * _DATE_LINE):
        side = shapely.box(turn - _DATE_LINE, -90.0, turn + _DATE_LINE, 90.0)
        for part in shapely.get_parts(shapely.intersection(whole, side)):
            if shapely.length(part) > 0.0:  # a point where it merely touches
                parts.append(shapely.transform(part, lambda xy, turn=turn: xy - [turn, 0.0]))
    return parts[0] if len(parts) == 1 else shapely.MultiLineString(parts)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without movingpandas' warnings: of a package that we do not use, and of what pandas plans."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Missing optional dependencies.*Stone Soup")
        warnings.filterwarnings("ignore", message="The inplace keyword in")
        yield
