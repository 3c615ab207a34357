import numpy as np
import pytest

from rts_track.raster.indices import ndvi


def bands(*pairs):
    nir, red = np.array(pairs, dtype=np.float32).T
    return nir, red


def test_ndvi_is_the_normalised_difference_in_float32():
    index = ndvi(*bands((0.4, 0.1), (0.1, 0.4), (0.2, 0.2)))
    assert index.dtype == np.float32
    assert index == pytest.approx([0.6, -0.6, 0.0])


def test_no_light_has_no_ndvi_and_is_not_bare_ground():
    assert np.isnan(ndvi(*bands((0.0, 0.0)))).all()


def test_reflectances_beyond_0_and_1_leave_ndvi_within_its_range():
    index = ndvi(*bands((-0.02, 0.01), (0.3, -0.1), (1.4, 0.5), (-0.1, -0.2)))
    assert index[:3] == pytest.approx([-1.0, 1.0, 1 / 3])
    assert np.isnan(index[3])


def test_a_band_that_is_unknown_leaves_ndvi_unknown():
    assert np.isnan(ndvi(*bands((np.nan, 0.1), (0.1, np.nan)))).all()


def test_the_bands_are_left_as_they_were():
    nir, red = bands((1.5, -0.5))
    ndvi(nir, red)
    assert (nir[0], red[0]) == (np.float32(1.5), np.float32(-0.5))
