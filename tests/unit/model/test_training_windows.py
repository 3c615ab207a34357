import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from rts_track.errors import InputError, UsageError
from rts_track.model.cutting import Cutting, cut_windows, gather
from rts_track.model.ranges import inputs_of
from rts_track.model.training_windows import IGNORED, SLUMP, TrainingWindows, folds, split
from rts_track.model.window_file import has_windows, read_windows, write_windows


def windows_at(corners, regions, slump_px=None, size=100.0):
    n = len(corners)
    labels = np.zeros((n, 4, 4), dtype=np.uint8)
    for at, count in enumerate(slump_px if slump_px is not None else [1] * n):
        labels[at].flat[:count] = SLUMP
    return TrainingWindows(
        names=("red",),
        layers=np.zeros((n, 1, 4, 4), dtype=np.float32),
        labels=labels,
        regions=np.array(regions),
        extents=np.array([shapely.box(x, y, x + size, y + size) for x, y in corners], dtype=object),
        sensors=("planetscope",),
        gsd_range_m=(3.0, 3.0),
        inputs_sha256="0" * 64,
    )


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), min_size=4, max_size=30),
    st.integers(2, 4),
)
def test_no_window_of_validation_overlaps_one_of_training(corners, n_folds):
    # whatever scene or season they are of: regions are squares of the plane
    regions = [f"{(x + 50) // 300} {(y + 50) // 300}" for x, y in corners]
    windows = windows_at(corners, regions)
    if len(set(regions)) < 2:
        with pytest.raises(InputError, match="two are needed"):
            folds(windows, n_folds, np.random.default_rng(0))
        return
    fold_of = folds(windows, n_folds, np.random.default_rng(0))
    for fold in set(fold_of.values()):
        parts = split(windows, {region for region, its in fold_of.items() if its == fold})
        assert len(parts.validation) > 0
        for one in parts.validation:
            for other in parts.training:
                assert not windows.extents[one].intersects(windows.extents[other])
        n_known = len(parts.training) + len(parts.validation) + parts.n_left_out
        assert n_known == len(windows)


def test_each_region_is_held_out_once():
    windows = windows_at([(i * 200, 0) for i in range(10)], [str(i) for i in range(10)])
    fold_of = folds(windows, 5, np.random.default_rng(1))
    assert sorted(fold_of) == sorted(windows.regions)
    assert sorted(np.bincount(list(fold_of.values()))) == [2] * 5


def test_folds_hold_about_as_many_slumps():
    windows = windows_at([(i * 200, 0) for i in range(6)], list("abcdef"), [8, 4, 4, 0, 0, 0])
    fold_of = folds(windows, 2, np.random.default_rng(0))
    assert fold_of["a"] != fold_of["b"] == fold_of["c"]


def test_every_fold_has_slumps_to_be_judged_by():
    windows = windows_at([(i * 200, 0) for i in range(9)], list("abcdefghi"), [3, 2, 4] + 6 * [0])
    fold_of = folds(windows, 5, np.random.default_rng(0))
    assert sorted(fold_of[region] for region in "abc") == [0, 1, 2]
    assert set(fold_of.values()) == {0, 1, 2}


def test_one_region_with_slumps_cannot_be_judged():
    windows = windows_at([(0, 0), (200, 0)], ["a", "b"], [3, 0])
    with pytest.raises(InputError, match="1 of 2 regions"):
        folds(windows, 3, np.random.default_rng(0))


def slumps_in(stack, *discs):
    return stack.grid.to_metric(
        np.array([shapely.Point(x, y).buffer(r) for x, y, r in discs], dtype=object)
    )


NOTHING = np.empty(0, dtype=object)


def test_windows_are_cut_around_slumps_and_elsewhere(noise_stack):
    stack = noise_stack((300, 400))
    slumps = slumps_in(stack, (50, 60, 8), (390, 290, 12), (200, 150, 5))
    cutting = Cutting(window_px=64, least_ground=0)
    cuts = list(cut_windows(stack, slumps, NOTHING, cutting, np.random.default_rng(0)))
    assert len(cuts) == 6
    assert all((cut.labels[:] == SLUMP).any() for cut in cuts[:3])
    for cut in cuts:
        assert cut.layers.shape == (3, 64, 64)
        assert cut.extent.area == pytest.approx((64 * 3) ** 2, rel=0.01)


def test_labels_lie_where_the_slump_lies(noise_stack):
    stack = noise_stack((100, 100))
    stack.layers[0] = 0.0
    rows, cols = np.mgrid[:100, :100] + 0.5
    is_slump = np.hypot(rows - 40, cols - 60) <= 15
    stack.layers[0][is_slump] = 1.0
    slumps = slumps_in(stack, (60, 40, 15))
    cutting = Cutting(window_px=32, windows_per_slump=5)
    for cut in cut_windows(stack, slumps, NOTHING, cutting, np.random.default_rng(2)):
        differs = (cut.layers[0] == 1.0) != (cut.labels == SLUMP)
        assert differs.mean() < 0.01


def test_what_is_not_clear_is_neither_slump_nor_ground(noise_stack):
    stack = noise_stack((64, 64))
    stack.clear[:, :20] = False
    stack.layers[:, 50:] = np.nan
    slumps = slumps_in(stack, (20, 30, 10))
    cuts = cut_windows(stack, slumps, NOTHING, Cutting(window_px=64), np.random.default_rng(0))
    for cut in cuts:
        assert (cut.labels[:, :20] == IGNORED).all()
        assert (cut.labels[50:] == IGNORED).all()
        assert (cut.labels[:50, 20:] != IGNORED).all()


def test_windows_with_little_clear_are_left_out(noise_stack):
    stack = noise_stack((64, 64))
    stack.clear[5:] = False
    slumps = slumps_in(stack, (20, 30, 10))
    assert not list(
        cut_windows(stack, slumps, NOTHING, Cutting(window_px=64), np.random.default_rng(0))
    )


def test_lookalikes_get_windows_of_their_own(noise_stack):
    stack = noise_stack((400, 400))
    alike = slumps_in(stack, (300, 300, 10))
    cutting = Cutting(window_px=64, least_ground=0, windows_per_lookalike=4)
    cuts = list(cut_windows(stack, NOTHING, alike, cutting, np.random.default_rng(0)))
    assert len(cuts) == 4
    assert all(cut.extent.intersects(alike[0]) for cut in cuts)
    assert not any((cut.labels == SLUMP).any() for cut in cuts)


@pytest.mark.parametrize("cutting", [Cutting(window_px=100), Cutting(block_m=0)])
def test_windows_that_cannot_be_are_refused(cutting):
    with pytest.raises(UsageError):
        cutting.check()


def test_windows_on_disk_are_those_that_were_cut(noise_stack, tmp_path):
    stack = noise_stack((100, 100))
    slumps = slumps_in(stack, (60, 40, 15))
    cuts = list(
        cut_windows(stack, slumps, NOTHING, Cutting(window_px=32), np.random.default_rng(2))
    )
    facts = {"inputs_sha256": "0" * 64}
    here = gather(cuts, stack.names, sensors=["b", "a"], gsd_m=[3.0, 10.0], **facts)
    assert not has_windows(tmp_path)
    assert write_windows(tmp_path, cuts, stack.names) == len(cuts)
    there = read_windows(
        tmp_path, window_px=32, sensors=("a", "b"), gsd_range_m=(3.0, 10.0), **facts
    )
    np.testing.assert_array_equal(here.layers, there.layers)
    np.testing.assert_array_equal(here.labels, there.labels)
    np.testing.assert_array_equal(here.regions, there.regions)
    assert shapely.equals(here.extents, there.extents).all()
    assert (here.names, here.sensors, here.gsd_range_m) == (
        there.names,
        there.sensors,
        there.gsd_range_m,
    )


def test_cutting_that_was_broken_off_leaves_no_windows(noise_stack, tmp_path):
    stack = noise_stack((100, 100))

    def breaking():
        yield from cut_windows(
            stack, NOTHING, NOTHING, Cutting(window_px=32), np.random.default_rng(0)
        )
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_windows(tmp_path, breaking(), stack.names)
    assert not has_windows(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_nobody_knows_is_scaled_as_training_shows_it():
    layers = np.random.default_rng(0).uniform(0, 1000, (2, 1, 64, 64)).astype(np.float32)
    known, unknown = inputs_of(("ndvi", "thermal"), np.repeat(layers, 2, axis=1))
    assert (known.low, known.high) == (-1.0, 1.0)
    assert 0 <= unknown.low < 20
    assert 980 < unknown.high <= 1000
    with pytest.raises(ValueError, match="no range"):
        inputs_of(("thermal",), layers * 0)
