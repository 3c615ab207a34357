"""Real outlines as what a simulated history starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track import grid
from rts_track.errors import UsageError
from rts_track.simulate.region import Plane
from rts_track.simulate.shape import largest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.simulate.params import HistoryParams

MAX_EXTENT_M = 60_000.0
"""Beyond this the plane's lengths are off by more than a percent."""
_MARGIN_M = 300.0
"""Ground about the outlines that belongs to the area: they grow."""
_TOLERANCE_M = 0.5


def settled(params: HistoryParams, base: NDArray[np.object_]) -> HistoryParams:
    """The parameters with the area, and the number of slumps, of those WGS 84 lon/lat outlines.

    UsageError where there are none, or where they lie too far apart for one area.
    """
    if len(base) == 0:
        raise UsageError("base: holds no outline")
    near = _lonlat(_middle(grid.to_metric(base)))
    around = Plane.at(*near)
    centre = _lonlat(around.centre_xy + around.to_plane @ _middle(around.from_lonlat(base)))
    low, high = np.array(shapely.total_bounds(Plane.at(*centre).from_lonlat(base))).reshape(2, 2)
    extent_m = 2.0 * (np.maximum(-low, high) + _MARGIN_M)
    if extent_m.max() > MAX_EXTENT_M:
        raise UsageError(
            f"base: its outlines reach over {extent_m.max():,.0f} m, more than {MAX_EXTENT_M:,.0f};"
            " simulate each site by itself"
        )
    return replace(
        params,
        n_slumps=len(base),
        centre_lonlat=centre,
        extent_m=(float(extent_m[0]), float(extent_m[1])),
    )


def _middle(geometries: NDArray[np.object_]) -> NDArray[np.float64]:
    """The middle of what they span."""
    return np.asarray(np.reshape(shapely.total_bounds(geometries), (2, 2)).mean(axis=0))


def _lonlat(metric_xy: NDArray[np.float64]) -> tuple[float, float]:
    """Longitude and latitude of a place in EPSG:6931."""
    x, y = metric_xy.tolist()
    lon, lat = grid.transformer(grid.METRIC_CRS, grid.LONLAT_CRS).transform(x, y)
    return float(lon), float(lat)


def on_plane(params: HistoryParams, base: NDArray[np.object_]) -> list[shapely.Polygon]:
    """The outlines in metres about the area's centre: valid, each its largest polygon, no holes.

    Those below `min_area_m2` are left out.
    """
    plane = Plane.at(*params.centre_lonlat)
    valid = shapely.make_valid(plane.from_lonlat(base))
    outlines = [largest(shapely.simplify(largest(each), _TOLERANCE_M)) for each in valid]
    return [each for each in outlines if shapely.area(each) >= params.min_area_m2]
