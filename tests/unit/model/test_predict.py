import numpy as np
import pytest
import torch

from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import Calibration, Input, ensemble_of
from rts_track.model.canvas import Canvas
from rts_track.model.predict import Predictor
from rts_track.raster.grid import Window
from rts_track.raster.probability import as_probability
from rts_track.raster.windows import plan_windows


class Flat(torch.nn.Module):
    """A network that only looks at a pixel itself: the logit is a sum of its inputs."""

    def __init__(self, slope=4.0, asked=None):
        super().__init__()
        self.slope, self.asked = slope, asked if asked is not None else []

    def forward(self, seen):
        self.asked.append(tuple(seen.shape))
        return self.slope * (seen.sum(dim=1, keepdim=True) - 1.0)


class Hungry(Flat):
    """A network that runs out of memory over more than so many windows."""

    def __init__(self, most, error):
        super().__init__()
        self.most, self.error = most, error

    def forward(self, seen):
        if len(seen) > self.most:
            raise self.error
        return super().forward(seen)


def predictor_of(bundles, networks=None, **options):
    options = {"window_px": 48, "overlap_px": 16, "device": "cpu", **options}
    predictor = Predictor(ensemble_of(bundles), **options)
    for member, network in zip(predictor.members, networks or [], strict=False):
        member.network = network
    return predictor


def expected(stack, slope=4.0, fill=0.0):
    """What `Flat` makes of a stack, without windows."""
    low, high = np.array([[0, 0, -1], [0.5, 0.5, 1]], dtype=np.float32)[:, :, None, None]
    seen = np.nan_to_num(np.clip((stack.layers - low) / (high - low), 0, 1), nan=fill)
    return 1 / (1 + np.exp(-slope * (seen.sum(axis=0) - 1)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (7, 33), (48, 48), (97, 131)])
def test_a_scene_of_any_size_is_predicted_everywhere(make_bundle, noise_stack, shape):
    stack = noise_stack(shape)
    made = predictor_of([make_bundle()], [Flat()]).predict(stack)
    assert made.probability.shape == made.spread.shape == shape
    np.testing.assert_allclose(as_probability(made.probability), expected(stack), atol=0.0021)
    assert (made.spread == 0).all()


def test_networks_see_only_multiples_of_their_stride(make_bundle, noise_stack):
    flat = Flat()
    predictor_of([make_bundle()], [flat]).predict(noise_stack((37, 131)))
    assert flat.asked
    assert all(size % 32 == 0 for shape in flat.asked for size in shape[2:])


def test_a_scene_is_read_once_however_many_members_there_are(make_bundle, noise_stack):
    stack = noise_stack((97, 131))
    predictor_of([make_bundle(seed) for seed in range(3)]).predict(stack)
    assert stack.asked == plan_windows((97, 131), 48, 16)


def test_the_edge_of_a_scene_is_predicted_as_the_rest(make_bundle, noise_stack):
    stack = noise_stack((96, 96))
    stack.layers[:] = 0.4
    made = predictor_of([make_bundle()], [Flat()]).predict(stack)
    assert len(np.unique(made.probability)) == 1
    assert made.probability[0, 0] > 0


def test_members_order_changes_nothing(make_bundle, noise_stack):
    bundles = [make_bundle(seed) for seed in range(3)]
    stack = noise_stack((70, 90))
    first = predictor_of(bundles).predict(stack)
    second = predictor_of(bundles[::-1]).predict(stack)
    np.testing.assert_array_equal(first.probability, second.probability)
    np.testing.assert_array_equal(first.spread, second.spread)
    assert first.spread.max() > 0


def test_mean_and_spread_are_those_of_the_members(make_bundle, noise_stack):
    bundles = [make_bundle(seed) for seed in range(3)]
    stack = noise_stack((70, 90))
    made = predictor_of(bundles).predict(stack)
    alone = [as_probability(predictor_of([each]).predict(stack).probability) for each in bundles]
    mean, spread = np.mean(alone, axis=0), np.std(alone, axis=0)
    np.testing.assert_allclose(as_probability(made.probability), mean, atol=0.0041)
    np.testing.assert_allclose(as_probability(made.spread), spread, atol=0.0041)


def test_each_member_normalises_for_itself(make_bundle, noise_stack):
    wide = (Input(name="ndvi", low=-1.0, high=3.0), Input(name="red", low=-1.0, high=1.0))
    bundles = [make_bundle(0), make_bundle(1, inputs=wide)]
    stack = noise_stack((40, 40))
    together = predictor_of(bundles).predict(stack)
    alone = [as_probability(predictor_of([each]).predict(stack).probability) for each in bundles]
    found = as_probability(together.probability)
    np.testing.assert_allclose(found, np.mean(alone, axis=0), atol=0.0041)


def test_batches_change_nothing(make_bundle, noise_stack):
    stack, bundles = noise_stack((150, 170)), [make_bundle(seed) for seed in range(2)]
    one, some, many = (
        predictor_of(bundles, batch=batch).predict(stack).probability.astype(int)
        for batch in (1, 3, 64)
    )
    assert np.abs(one - some).max() <= 1
    assert np.abs(one - many).max() <= 1
    assert (one != many).mean() < 0.001


def test_larger_windows_make_little_difference_for_a_network_that_looks_around(
    make_bundle, noise_stack
):
    # windows cut off what lies beyond them; blending leaves little of it. Measured: the mean
    # difference is 0.001 of a probability for this network, which sees 30 pixels around.
    stack = noise_stack((128, 128))
    made = [
        as_probability(
            predictor_of([make_bundle()], window_px=size, overlap_px=32).predict(stack).probability
        )
        for size in (64, 128)
    ]
    assert np.abs(made[0] - made[1]).mean() < 0.01


def test_what_is_not_clear_is_not_looked_at(make_bundle, noise_stack):
    stack = noise_stack((97, 131))
    stack.clear[20:60, 10:90] = False
    made = predictor_of([make_bundle()], [Flat()]).predict(stack)
    np.testing.assert_array_equal(made.probability == 255, ~stack.clear)
    np.testing.assert_array_equal(made.spread == 255, ~stack.clear)
    found = as_probability(made.probability)[stack.clear]
    np.testing.assert_allclose(found, expected(stack)[stack.clear], atol=0.0021)


def test_windows_without_a_clear_pixel_are_skipped(make_bundle, noise_stack):
    stack = noise_stack((48, 300))
    stack.clear[:, 100:] = False
    flat = Flat()
    made = predictor_of([make_bundle()], [flat]).predict(stack)
    assert made.n_windows == 9
    assert made.n_skipped == 9 - len(flat.asked) == 5
    stack.clear[:] = False
    made = predictor_of([make_bundle()], [flat]).predict(stack)
    assert made.n_skipped == made.n_windows
    assert (made.probability == 255).all()


def test_one_unknown_pixel_does_not_hide_its_window(make_bundle, noise_stack):
    # a peer's check for windows of nothing would have blanked the whole batch
    stack = noise_stack((40, 40))
    stack.layers[:, 5, 5] = np.nan
    made = predictor_of([make_bundle(fill=0.25)], [Flat()]).predict(stack)
    np.testing.assert_allclose(
        as_probability(made.probability), expected(stack, fill=0.25), atol=0.0021
    )


def test_nodata_is_filled_after_scaling_not_before(make_bundle, noise_stack):
    stack = noise_stack((32, 32))
    stack.layers[:] = np.nan
    made = predictor_of([make_bundle(fill=0.0)], [Flat()]).predict(stack)
    # filled with 0 before scaling, ndvi would be 0.5 and the logit -2
    np.testing.assert_allclose(as_probability(made.probability), 1 / (1 + np.exp(4.0)), atol=0.002)


def test_calibration_applies_to_logits(make_bundle, noise_stack):
    stack = noise_stack((32, 32))
    bundle = make_bundle(calibration=Calibration(temperature=2.0, bias=-0.5))
    made = predictor_of([bundle], [Flat()]).predict(stack)
    plain = expected(stack)
    logits = np.log(plain / (1 - plain)) / 2.0 - 0.5
    np.testing.assert_allclose(
        as_probability(made.probability), 1 / (1 + np.exp(-logits)), atol=0.0021
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
        MemoryError(),
    ],
)
def test_lack_of_memory_halves_the_batch_and_goes_on(make_bundle, noise_stack, error):
    stack = noise_stack((100, 300))
    predictor = predictor_of([make_bundle()], [Hungry(3, error)], batch=16)
    made = predictor.predict(stack)
    assert 1 < predictor.batch <= 3
    np.testing.assert_allclose(as_probability(made.probability), expected(stack), atol=0.0021)


def test_memory_that_does_not_suffice_for_one_window_is_told(make_bundle, noise_stack):
    predictor = predictor_of([make_bundle()], [Hungry(0, torch.OutOfMemoryError("no"))], batch=4)
    with pytest.raises(InputError, match="take smaller windows"):
        predictor.predict(noise_stack((100, 100)))


def test_other_faults_of_a_network_are_not_taken_for_lack_of_memory(make_bundle, noise_stack):
    predictor = predictor_of([make_bundle()], [Hungry(0, RuntimeError("shapes differ"))], batch=4)
    with pytest.raises(RuntimeError, match="shapes differ"):
        predictor.predict(noise_stack((100, 100)))


def test_a_member_that_predicts_no_number_is_named(make_bundle, noise_stack):
    predictor = predictor_of([make_bundle()], [Flat(slope=float("nan"))])
    with pytest.raises(InputError, match="tiny-0"):
        predictor.predict(noise_stack((40, 40)))


def test_a_missing_layer_is_told_before_anything_is_read(make_bundle, noise_stack):
    stack = noise_stack((40, 40))
    stack.names = ("green", "red", "nir")
    with pytest.raises(InputError, match="ndvi"):
        predictor_of([make_bundle()]).predict(stack)
    assert stack.asked == []


def test_layers_are_known_by_name_not_by_place(make_bundle, noise_stack):
    stack = noise_stack((40, 40))
    before = predictor_of([make_bundle()]).predict(stack)
    stack.layers, stack.names = stack.layers[[2, 0, 1]], ("ndvi", "green", "red")
    after = predictor_of([make_bundle()]).predict(stack)
    np.testing.assert_array_equal(before.probability, after.probability)


@pytest.mark.parametrize(
    "options", [{"overlap_px": 48}, {"batch": 0}, {"device": "abacus"}, {"window_px": 0}]
)
def test_options_that_cannot_be_are_refused(make_bundle, options):
    with pytest.raises(UsageError):
        predictor_of([make_bundle()], **options)


def test_memory_is_bounded_by_the_rows_of_a_window():
    canvas = Canvas((1000, 40), 3, (32, 32), 8)
    held = []
    for window in plan_windows((1000, 40), 32, 8):
        canvas.advance(window.row)
        canvas.add(window, np.full((3, 32, 32), 0.5, np.float32), np.ones((32, 32), bool))
        held.append(canvas.n_rows_held)
    canvas.finish()
    assert set(held) == {32}
    assert (canvas.probability == 125).all()


def test_windows_that_are_left_out_leave_no_gap_in_what_is_clear():
    canvas = Canvas((64, 32), 1, (32, 32), 16)
    clear = np.zeros((32, 32), bool)
    clear[16:] = True
    canvas.add(Window(0, 0, 32, 32), np.ones((1, 32, 32), np.float32), clear)
    canvas.advance(32)
    canvas.finish()
    assert (canvas.probability[:16] == 255).all()
    assert (canvas.probability[16:32] == 250).all()
    assert (canvas.probability[32:] == 255).all()
