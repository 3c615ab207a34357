import numpy as np
import shapely
from affine import Affine

from rts_track.raster.labels import label_mask


def test_a_pixel_is_a_slump_if_its_centre_is():
    drawn = label_mask([shapely.box(0.6, 0.0, 3.4, 1.6)], (3, 5), Affine.identity())
    np.testing.assert_array_equal(
        drawn.astype(int), [[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
    )


def test_a_hole_is_ground():
    ring = shapely.box(0, 0, 5, 5) - shapely.box(1, 1, 4, 4)
    assert label_mask([ring], (5, 5), Affine.identity()).sum() == 16


def test_a_window_shows_its_part_of_a_polygon():
    slump = shapely.Point(20, 17).buffer(9)
    whole = label_mask([slump], (40, 40), Affine.identity())
    part = label_mask([slump], (12, 10), Affine.translation(15, 8))
    np.testing.assert_array_equal(part, whole[8:20, 15:25])


def test_no_polygon_is_no_slump():
    assert not label_mask([], (2, 3), Affine.identity()).any()
