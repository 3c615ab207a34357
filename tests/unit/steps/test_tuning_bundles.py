import numpy as np
import pytest
import shapely

from rts_track import grid
from rts_track.steps.tuning_bundles import lonlat_bounds


def area(west, south, east, north):
    """A box of lon/lat in EPSG:6931; `east` may lie beyond 180."""
    drawn = shapely.segmentize(shapely.box(west, south, east, north), 0.1)
    x, y = grid.transformer("EPSG:4326", "EPSG:6931").transform(*shapely.get_coordinates(drawn).T)
    return shapely.Polygon(np.column_stack([x, y]))


@pytest.mark.parametrize(
    ("areas", "bounds"),
    [
        ([(-136, 67, -135, 68)], (-136, 67, -135, 68)),
        ([(-136, 67, -135, 68), (80, 70, 82, 71)], (80, 67, -135, 71)),
        ([(-136, 67, -135, 68), (20, 70, 22, 71)], (-136, 67, 22, 71)),
        ([(179, 70, 181, 71)], (179, 70, -179, 71)),
        ([(170, 70, 172, 71), (-175, 69, -170, 70)], (170, 69, -170, 71)),
        ([(-5, 70, 5, 71)], (-5, 70, 5, 71)),
    ],
)
def test_bounds_are_the_narrower_ones_about_the_antimeridian_too(areas, bounds):
    made = lonlat_bounds([area(*each) for each in areas])
    np.testing.assert_allclose(made, bounds, atol=1e-6)
