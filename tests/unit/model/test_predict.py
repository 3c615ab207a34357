from contextlib import contextmanager

import numpy as np
import pytest
import torch

from rts_track.errors import InputError, UsageError
from rts_track.model import predict
from rts_track.model.bundle import Calibration, Input, ensemble_of
from rts_track.model.canvas import Canvas
from rts_track.model.predict import Predictor
from rts_track.model.resident import ResidentPredictor, TooLargeError
from rts_track.raster.grid import Window
from rts_track.raster.probability import as_bytes, as_probability
from rts_track.raster.raw import RawBand, RawScene
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
    for member, network in zip(predictor.forward.members, networks or [], strict=False):
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
    "options",
    [
        {"overlap_px": 48},
        {"overlap_px": -1},
        {"overlap_px": 2000, "window_px": None},
        {"window_px": 0},
        {"batch": 0},
        {"device": "abacus"},
        {"tta": "turns"},
        {"precision": "int4"},
        {"engine": "steam"},
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(make_bundle, options):
    with pytest.raises(UsageError) as refused:
        predictor_of([make_bundle()], **options)
    line = str(refused.value)
    assert "\n" not in line
    assert str(next(iter(options.values()))) in line


def test_a_small_scene_is_one_window_of_our_own_choice_and_the_same_as_a_larger_one(
    make_bundle, noise_stack
):
    stack = noise_stack((70, 130))
    own = predictor_of([make_bundle()], window_px=None, overlap_px=None).predict(stack)
    given = predictor_of([make_bundle()], window_px=512, overlap_px=64).predict(stack)
    assert own.n_windows == given.n_windows == 1
    np.testing.assert_array_equal(own.probability, given.probability)


def test_a_larger_scene_is_divided_evenly_into_windows_of_our_own_choice(make_bundle, noise_stack):
    stack = noise_stack((40, 1200))
    made = predictor_of([make_bundle()], [Flat()], window_px=None, overlap_px=None).predict(stack)
    assert [window[1:] for window in stack.asked] == [(0, 40, 640), (560, 40, 640)]
    np.testing.assert_allclose(as_probability(made.probability), expected(stack), atol=0.0021)


class Wide(Flat):
    """A network that runs out of memory over windows wider than so many pixels."""

    def __init__(self, most_px):
        super().__init__()
        self.most_px = most_px

    def forward(self, seen):
        if seen.shape[3] > self.most_px:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
        return super().forward(seen)


def test_windows_of_our_own_choice_are_halved_for_lack_of_memory(make_bundle, noise_stack):
    stack = noise_stack((40, 1200))
    own = {"window_px": None, "overlap_px": None}
    predictor = predictor_of([make_bundle()], [Wide(300)], **own)
    made = predictor.predict(stack)
    assert 4 < made.n_windows == predictor.predict(stack).n_windows
    np.testing.assert_allclose(as_probability(made.probability), expected(stack), atol=0.0021)
    with pytest.raises(InputError, match=r"256 px on cpu.* a larger machine"):
        predictor_of([make_bundle()], [Wide(32)], **own).predict(stack)


def shown(stored):
    return as_probability(stored).astype(np.float64)


def test_members_count_by_their_weights(make_bundle, noise_stack):
    stack = noise_stack((70, 90))
    bundles = [make_bundle(seed, weight=weight) for seed, weight in enumerate((1.0, 2.5, 0.5))]
    predictor = predictor_of(bundles)
    made = predictor.predict(stack, keeps_members=True)
    shares = np.array([each.weight for each in predictor.ensemble.bundles]) / 4.0
    members = shown(made.members)
    mean = np.tensordot(shares, members, axes=1)
    spread = np.sqrt(np.tensordot(shares, (members - mean) ** 2, axes=1))
    np.testing.assert_allclose(shown(made.probability), mean, atol=0.0041)
    np.testing.assert_allclose(shown(made.spread), spread, atol=0.0041)
    assert np.abs(members.mean(axis=0) - mean).max() > 0.02


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_members_of_equal_weight_give_the_bytes_of_plain_mean_and_deviation(
    make_bundle, noise_stack, weight
):
    stack = noise_stack((50, 60))
    bundles = [make_bundle(seed, weight=weight) for seed in range(3)]
    predictor = predictor_of(bundles, window_px=64)
    seen = np.pad(stack.layers, ((0, 0), (0, 14), (0, 4)), mode="symmetric")
    members = predictor._forward(seen[None])[0, :, :50, :60]
    made = predictor.predict(stack)
    clear = np.ones((50, 60), dtype=bool)
    np.testing.assert_array_equal(made.probability, as_bytes(members.mean(axis=0), clear))
    np.testing.assert_array_equal(made.spread, as_bytes(members.std(axis=0), clear))


def test_the_curve_changes_the_mean_and_nothing_else(make_bundle, noise_stack):
    stack = noise_stack((50, 60))
    stack.clear[:9] = False
    curve = ((0.1, 0.0), (0.5, 0.2), (0.8, 1.0))
    plain, curved = (
        predictor_of([make_bundle(seed, curve=each) for seed in range(2)]).predict(
            stack, keeps_members=True
        )
        for each in ((), curve)
    )
    expected = np.interp(shown(plain.probability), *zip(*curve, strict=True))
    expected[~stack.clear] = np.nan
    np.testing.assert_allclose(shown(curved.probability), expected, atol=0.0021)
    np.testing.assert_array_equal(curved.spread, plain.spread)
    np.testing.assert_array_equal(curved.members, plain.members)
    assert (curved.probability[:9] == 255).all()


def test_members_are_kept_as_each_alone_would_be_if_they_are_asked_for(make_bundle, noise_stack):
    stack = noise_stack((97, 131))
    stack.clear[20:60, 10:90] = False
    predictor = predictor_of([make_bundle(seed) for seed in range(3)])
    made = predictor.predict(stack, keeps_members=True)
    assert predictor.predict(stack).members is None
    assert made.members.dtype == np.uint8
    for bundle, member in zip(predictor.ensemble.bundles, made.members, strict=True):
        alone = predictor_of([bundle]).predict(stack)
        np.testing.assert_array_equal(member, alone.probability)


class Leaning(torch.nn.Module):
    """A network that knows left from right."""

    def forward(self, seen):
        return seen.sum(dim=1, keepdim=True) + torch.linspace(-4, 2, seen.shape[3])


def test_the_augmentation_is_the_ensembles_unless_another_is_asked_for(make_bundle, noise_stack):
    stack = noise_stack((32, 32))

    def predicted(meant, asked):
        bundle = make_bundle(tta=meant)
        return predictor_of([bundle], [Leaning()], tta=asked).predict(stack).probability

    plain, flipped = predicted("none", None), predicted("flips", None)
    assert np.abs(plain.astype(int) - flipped).max() > 10
    np.testing.assert_array_equal(predicted("none", "flips"), flipped)
    np.testing.assert_array_equal(predicted("flips", "none"), plain)


def test_the_precision_is_that_of_the_device_and_not_of_the_current_one(monkeypatch):
    current = [torch.device("cuda:0")]

    @contextmanager
    def device(other):
        current.append(other)
        yield
        current.pop()

    def is_bf16_supported(including_emulation):
        return current[-1].index == 1 and not including_emulation

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    names = ("cpu", "cuda:0", "cuda:1")
    found = [predict._precision(torch.device(name)) for name in names]
    assert found == ["float32", "float32", "bf16"]


def test_in_bf16_the_windowed_way_differs_little(make_bundle, noise_stack):
    stack = noise_stack((70, 90))
    exact, half = (
        shown(predictor_of([make_bundle()], precision=each).predict(stack).probability)
        for each in (None, "bf16")
    )
    assert 0 < np.abs(exact - half).max() < 0.05


class RawStack:
    """A stack that can be had whole, too."""

    def __init__(self, stack):
        self.stack, self.names, self.grid = stack, stack.names, stack.grid

    def read(self, window):
        return self.stack.read(window)

    def raw(self):
        bands = tuple(
            RawBand(name=name, stored=layer, scale=1.0, offset=0.0, nodata=None)
            for name, layer in zip(self.names, self.stack.layers, strict=True)
        )
        return RawScene(grid=self.grid, names=self.names, bands=bands, is_clear=self.stack.clear)


def test_the_resident_engine_takes_the_scene_whole_and_finds_the_same(make_bundle, noise_stack):
    bundles = [
        make_bundle(seed, weight=1.0 + seed, curve=((0.0, 0.1), (1.0, 1.0))) for seed in (0, 1)
    ]
    stack = noise_stack((97, 131))
    windowed = predictor_of(bundles).predict(stack, keeps_members=True)
    stack.asked.clear()
    predictor = predictor_of(bundles, engine="resident")
    found = predictor.predict(RawStack(stack), keeps_members=True)
    assert predictor.is_resident
    assert stack.asked == []
    for name in ("probability", "spread", "members"):
        one, other = (getattr(each, name).astype(int) for each in (found, windowed))
        assert np.abs(one - other).max() <= 1, name
    assert found.n_windows == windowed.n_windows


def test_what_cannot_be_had_whole_is_read_window_by_window(make_bundle, noise_stack):
    stack = noise_stack((60, 60))
    found = predictor_of([make_bundle()], engine="resident").predict(stack)
    windowed = predictor_of([make_bundle()]).predict(stack)
    np.testing.assert_array_equal(found.probability, windowed.probability)


def test_a_scene_too_large_for_the_device_is_read_window_by_window_and_that_is_said(
    make_bundle, noise_stack, monkeypatch, caplog
):
    def refuse(self, *given, **options):
        raise TooLargeError(60, 60)

    monkeypatch.setattr(ResidentPredictor, "predict", refuse)
    stack = noise_stack((60, 60))
    found = predictor_of([make_bundle()], engine="resident").predict(RawStack(stack))
    windowed = predictor_of([make_bundle()]).predict(stack)
    np.testing.assert_array_equal(found.probability, windowed.probability)
    (record,) = caplog.records
    assert "window by window" in record.getMessage()


def test_weights_of_a_member_shift_what_a_canvas_makes_of_it():
    canvas = Canvas((32, 32), 2, (32, 32), 8, shares=(0.75, 0.25), keeps_members=True)
    probabilities = np.stack([np.full((32, 32), value, np.float32) for value in (0.8, 0.4)])
    canvas.add(Window(0, 0, 32, 32), probabilities, np.ones((32, 32), bool))
    canvas.finish()
    assert (canvas.probability == 175).all()  # 0.7
    assert (canvas.spread == 43).all()  # sqrt(0.75 * 0.01 + 0.25 * 0.09) = 0.1732
    assert canvas.members[:, 0, 0].tolist() == [200, 100]


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
