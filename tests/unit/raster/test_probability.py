import numpy as np
import pytest

from rts_track.raster.probability import as_bytes, as_probability, threshold_byte


def test_a_probability_comes_back_within_half_a_step():
    probability = np.linspace(0.0, 1.0, 1001, dtype=np.float32).reshape(7, 143)
    back = as_probability(as_bytes(probability, np.ones(probability.shape, dtype=bool)))
    assert np.abs(back - probability).max() <= 0.5 / 250 + 1e-6


def test_what_was_not_looked_at_has_no_probability():
    stored = as_bytes(np.full((2, 2), np.nan, dtype=np.float32), np.zeros((2, 2), dtype=bool))
    assert (stored == 255).all()
    assert np.isnan(as_probability(stored)).all()


def test_a_looked_at_pixel_without_a_probability_is_refused():
    with pytest.raises(ValueError, match="no probability"):
        as_bytes(np.full((1, 1), np.nan, dtype=np.float32), np.ones((1, 1), dtype=bool))


@pytest.mark.parametrize(("threshold", "least"), [(0.5, 125), (0.501, 126), (0.004, 1), (1.0, 250)])
def test_a_threshold_is_the_least_stored_value_at_or_above_it(threshold, least):
    assert threshold_byte(threshold) == least
