import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rts_track.raster.grid import Window
from rts_track.raster.windows import blend_ramp, blend_weights, plan_even_windows, plan_windows

lengths = st.integers(1, 70)


@given(lengths, lengths, st.integers(1, 32), st.data())
def test_windows_cover_every_pixel_and_never_reach_beyond_the_raster(height, width, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    seen = np.zeros((height, width), dtype=int)
    windows = plan_windows((height, width), size, overlap)
    for window in windows:
        assert window.row >= 0 and window.row + window.height <= height
        assert window.col >= 0 and window.col + window.width <= width
        assert window[2:] == (min(height, size), min(width, size))
        seen[window.slices] += 1
    assert seen.min() >= 1
    assert len(set(windows)) == len(windows)


def test_the_last_window_is_shifted_inward():
    assert plan_windows((4, 10), 4, 1) == [Window(0, c, 4, 4) for c in (0, 3, 6)]
    assert plan_windows((4, 11), 4, 1) == [Window(0, c, 4, 4) for c in (0, 3, 6, 7)]


def test_a_raster_smaller_than_a_window_is_one_window():
    assert plan_windows((3, 1), 512, 64) == [Window(0, 0, 3, 1)]


@pytest.mark.parametrize(("shape", "size", "overlap"), [((0, 5), 4, 1), ((5, 5), 4, 4)])
def test_windows_that_cannot_be_are_refused(shape, size, overlap):
    with pytest.raises(ValueError, match="no windows"):
        plan_windows(shape, size, overlap)


@given(lengths, lengths, st.integers(1, 8), st.integers(1, 6), st.data())
def test_even_windows_cover_every_pixel_overlap_and_divide_the_raster_evenly(
    height, width, n_steps, step, data
):
    most = n_steps * step
    overlap = data.draw(st.integers(0, most - 1))
    seen = np.zeros((height, width), dtype=int)
    windows = plan_even_windows((height, width), most, overlap, step)
    for window in windows:
        assert window.row >= 0 and window.row + window.height <= height
        assert window.col >= 0 and window.col + window.width <= width
        seen[window.slices] += 1
    assert seen.min() >= 1
    assert len({window[2:] for window in windows}) == 1
    assert windows == sorted(windows)
    for length, size, starts in (
        (height, windows[0].height, sorted({window.row for window in windows})),
        (width, windows[0].width, sorted({window.col for window in windows})),
    ):
        if length <= most:
            assert (size, starts) == (length, [0])
            continue
        assert size <= most and size % step == 0
        steps = np.diff(starts)
        assert steps.max() <= size - overlap
        assert steps.max() - steps.min() <= 1
        n = len(starts)
        assert (n - 1) * (most - overlap) + overlap < length, "as few as can be"
        assert size - step < (length + (n - 1) * overlap) / n, "as small as so few can be"


def test_two_thousand_pixels_are_two_windows_that_share_what_they_must():
    windows = plan_even_windows((2048, 900), 1088, 64, 32)
    assert windows == [Window(0, 0, 1056, 900), Window(992, 0, 1056, 900)]


@pytest.mark.parametrize(
    ("shape", "most", "overlap", "step"),
    [((0, 5), 4, 1, 1), ((5, 5), 4, 4, 1), ((5, 5), 4, -1, 1), ((5, 5), 33, 4, 32)],
)
def test_even_windows_that_cannot_be_are_refused(shape, most, overlap, step):
    with pytest.raises(ValueError, match="no windows"):
        plan_even_windows(shape, most, overlap, step)


@given(st.integers(1, 64), st.data())
def test_no_pixel_of_a_window_has_no_weight(size, data):
    weights = blend_weights(size, data.draw(st.integers(0, size - 1)))
    assert weights.shape == (size, size)
    assert weights.dtype == np.float32
    assert weights.min() > 0
    assert weights.max() <= 1


def test_weights_of_two_neighbours_add_up_to_one_over_their_overlap():
    ramp = blend_ramp(12, 4)
    np.testing.assert_allclose(ramp[-4:] + ramp[:4], 1.0, rtol=1e-6)
    np.testing.assert_array_equal(ramp[4:-4], 1.0)
