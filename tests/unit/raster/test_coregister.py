import numpy as np
import pytest
from scipy import ndimage

from rts_track.raster.coregister import (
    CoregisterParams,
    agreed_shift,
    between,
    is_usable,
    shift_of,
    window_offset,
)

PARAMS = CoregisterParams()
SIZE = 64


def tundra(rng, *, down=0.0, right=0.0, size=SIZE):
    """Two images of one ground: the later one's content lies so far down and right."""
    spectrum = np.fft.rfft2(rng.normal(size=(4 * size, 4 * size)))
    rows, cols = np.fft.fftfreq(4 * size)[:, None], np.fft.rfftfreq(4 * size)[None]
    far = np.hypot(rows, cols)
    far[0, 0] = np.inf
    spectrum *= far**-1.5 * np.exp(-2 * (np.pi * 0.5) ** 2 * (rows**2 + cols**2))
    images = []
    for y, x in ((0.0, 0.0), (down, right)):
        whole = np.fft.irfft2(spectrum * np.exp(-2j * np.pi * (rows * y + cols * x)))
        images.append((0.25 + 0.05 * whole / whole.std())[:size, :size].astype(np.float32))
    return images


@pytest.mark.parametrize(("down", "right"), [(0.0, 0.0), (0.4, -0.3), (-3.0, 5.0), (2.6, -4.7)])
def test_a_window_tells_how_far_down_and_right_the_later_image_lies(down, right):
    offset = window_offset(*tundra(np.random.default_rng(1), down=down, right=right))
    assert offset.row_px == pytest.approx(down, abs=0.12)
    assert offset.col_px == pytest.approx(right, abs=0.12)
    assert offset.correlation > 0.7


def test_level_and_contrast_change_nothing():
    before, after = tundra(np.random.default_rng(2), down=1.3, right=-0.8)
    plain = window_offset(before, after)
    hazy = window_offset(before, 0.6 * after + 0.1)
    assert hazy == pytest.approx(plain, abs=1e-3)


def test_a_cloud_in_one_image_does_not_pull_the_offset():
    before, after = tundra(np.random.default_rng(3), down=0.7, right=0.9)
    plain = window_offset(before, after)
    after[5:20, 8:24] = np.nan
    clouded = window_offset(before, after)
    assert clouded[:2] == pytest.approx(plain[:2], abs=0.15)


def test_a_window_of_one_level_tells_nothing():
    level = np.full((SIZE, SIZE), 0.02, dtype=np.float32)
    assert window_offset(level, tundra(np.random.default_rng(4))[1]) is None


def test_images_of_different_grounds_are_not_alike():
    one, other = (tundra(np.random.default_rng(seed))[0] for seed in (5, 6))
    assert window_offset(one, other).correlation < PARAMS.min_correlation


def test_a_window_is_usable_if_nine_tenths_are_clear_in_both():
    before, after = tundra(np.random.default_rng(7))
    before[:3], after[-3:] = np.nan, np.nan
    assert is_usable(before, after, PARAMS)
    after[:, :8] = np.nan
    assert not is_usable(before, after, PARAMS)


def test_windows_that_are_wrong_do_not_change_the_shift():
    rng = np.random.default_rng(8)
    offset_m = np.array([4.0, -2.5]) + 0.3 * rng.normal(size=(60, 2))
    shift = agreed_shift(offset_m, np.arange(60) % 16, 3.0, PARAMS)
    wrong = np.concatenate([offset_m, rng.uniform(-90.0, 90.0, (20, 2))])
    with_wrong = agreed_shift(wrong, np.arange(80) % 16, 3.0, PARAMS)
    assert (shift.dx_m, shift.dy_m) == pytest.approx((4.0, -2.5), abs=0.15)
    assert (with_wrong.dx_m, with_wrong.dy_m) == pytest.approx((shift.dx_m, shift.dy_m), abs=0.1)
    assert with_wrong.n == pytest.approx(shift.n, abs=3)
    assert shift.is_applied


@pytest.mark.parametrize("block_m", [0.0, 0.8])
def test_the_standard_error_is_how_far_shifts_scatter(block_m):
    """Also where windows of a block err together: a mean of their errors knows of few blocks."""
    rng = np.random.default_rng(9)
    block = np.arange(96) // 6
    shifts = [
        agreed_shift(
            block_m * rng.normal(size=(16, 2))[block] + 1.2 * rng.normal(size=(96, 2)),
            block,
            3.0,
            PARAMS,
        )
        for _ in range(200)
    ]
    z = np.array([(shift.dx_m / shift.se_m, shift.dy_m / shift.se_m) for shift in shifts])
    assert 0.75 < np.sqrt((z**2).mean()) < 1.15


@pytest.mark.parametrize(
    "offset_m",
    [
        np.zeros((5, 2)),
        np.random.default_rng(10).uniform(-60.0, 60.0, (50, 2)),
        np.repeat([[0.0, 0.0], [30.0, 0.0], [0.0, 40.0], [-50.0, -20.0]], 8, axis=0),
    ],
    ids=["too few", "all over the place", "of several minds"],
)
def test_windows_that_do_not_agree_tell_no_shift(offset_m):
    assert agreed_shift(offset_m, np.arange(len(offset_m)), 3.0, PARAMS) is None


def test_no_shift_is_surer_than_resampling_allows():
    shift = agreed_shift(np.zeros((100, 2)), np.arange(100) % 16, 10.0, PARAMS)
    assert shift.se_m == pytest.approx(10.0 * PARAMS.floor_px)
    assert not shift.is_applied


def test_a_shift_is_applied_from_two_standard_errors_to_fifty_metres():
    sizes_m = [0.9, 1.1, 49.0, 51.0]
    assert [shift_of(0.0, size_m, 0.5, 9, PARAMS).is_applied for size_m in sizes_m] == [
        False, True, True, False,
    ]  # fmt: skip


def test_between_two_scenes_lies_the_difference_of_their_shifts():
    to_a, to_b = shift_of(3.0, 1.0, 0.3, 40, PARAMS), shift_of(-1.0, 2.0, 0.4, 25, PARAMS)
    shift = between(to_a, to_b, PARAMS)
    assert (shift.dx_m, shift.dy_m, shift.se_m, shift.n) == pytest.approx((-4.0, 1.0, 0.5, 25))
    assert shift.is_applied


def test_once_moved_back_nothing_pulls_the_offset_to_whole_pixels():
    """Whitened spectra (phase correlation) would tell up to 0.08 px too little."""
    rng = np.random.default_rng(11)
    errors = []
    for _ in range(12):
        before, after = tundra(rng, down=0.3, right=-0.45)
        before, after = (
            (image + 0.004 * rng.normal(size=image.shape)).astype(np.float32)
            for image in (before, after)
        )
        back = ndimage.shift(after, (-0.3, 0.45), order=3, mode="nearest")
        offset = window_offset(before, back.astype(np.float32))
        errors.append((offset.row_px, offset.col_px))
    errors = np.array(errors)
    assert np.abs(errors.mean(axis=0)).max() < 0.03
