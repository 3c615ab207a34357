from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from rts_track.errors import DeviceError, InputError
from rts_track.model import predict, resident
from rts_track.model.bundle import Input, ensemble_of
from rts_track.model.device_copies import Copies
from rts_track.model.forward import EnsembleForward
from rts_track.model.predict import Predictor
from rts_track.model.resident import ResidentPredictor, TooLargeError
from rts_track.raster.probability import as_probability
from rts_track.raster.raw import RawBand, RawScene

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device, and torch finds none"
)


def raw_of(stack):
    """The layers of a stack in memory as bands of a scene, to be read as they are."""
    bands = tuple(
        RawBand(name=name, stored=layer, scale=1.0, offset=0.0, nodata=None)
        for name, layer in zip(stack.names, stack.layers, strict=True)
    )
    return RawScene(grid=stack.grid, names=stack.names, bands=bands, is_clear=stack.clear)


def resident_of(bundles, *, forward=None, device=CPU, precision="float32", **options):
    ensemble = ensemble_of(bundles)
    options = {"window_px": 48, "overlap_px": 16, **options}
    forward = forward or EnsembleForward(ensemble, device, precision=precision)
    return ResidentPredictor(ensemble, forward, **options)


def windowed(bundles, stack):
    predictor = Predictor(ensemble_of(bundles), device="cpu", window_px=48, overlap_px=16)
    return predictor.predict(stack)


def assert_same(found, expected):
    """Equal but for bytes that rounding may carry to the next step."""
    for name in ("probability", "spread"):
        one, other = (getattr(each, name).astype(int) for each in (found, expected))
        assert np.abs(one - other).max() <= 1
        assert (one != other).mean() < 0.01
    assert (found.n_windows, found.n_skipped) == (expected.n_windows, expected.n_skipped)


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (7, 33), (48, 48), (97, 131)])
def test_a_scene_of_any_size_comes_out_as_window_by_window(make_bundle, noise_stack, shape):
    stack, bundles = noise_stack(shape), [make_bundle(seed) for seed in range(2)]
    found = resident_of(bundles).predict(raw_of(stack))
    assert_same(found, windowed(bundles, stack))
    assert found.probability.dtype == found.spread.dtype == np.uint8
    assert len(np.unique(found.probability)) > min(shape[0] * shape[1], 5) / 2


def test_what_is_not_clear_is_not_looked_at_and_windows_of_it_are_skipped(make_bundle, noise_stack):
    stack, bundles = noise_stack((60, 300)), [make_bundle()]
    stack.clear[:, 100:] = False
    stack.clear[20:40, 30:50] = False
    found = resident_of(bundles).predict(raw_of(stack))
    np.testing.assert_array_equal(found.probability == 255, ~stack.clear)
    np.testing.assert_array_equal(found.spread == 255, ~stack.clear)
    assert found.n_skipped > 0
    assert_same(found, windowed(bundles, stack))


def test_a_scene_without_a_clear_pixel_needs_no_network(make_bundle, noise_stack):
    stack = noise_stack((50, 60))
    stack.clear[:] = False
    predictor = resident_of([make_bundle()])
    predictor._forward.forward = None
    found = predictor.predict(raw_of(stack))
    assert (found.probability == 255).all()
    assert found.n_skipped == found.n_windows


def test_unknown_pixels_are_filled_after_scaling(make_bundle, noise_stack):
    stack, bundles = noise_stack((40, 40)), [make_bundle(fill=0.25)]
    stack.layers[:, 5:9, 5:30] = np.nan
    assert_same(resident_of(bundles).predict(raw_of(stack)), windowed(bundles, stack))


def test_members_that_normalise_differently_see_what_they_should(make_bundle, noise_stack):
    wide = (Input(name="ndvi", low=-1.0, high=3.0), Input(name="red", low=-1.0, high=1.0))
    bundles = [make_bundle(0), make_bundle(1, inputs=wide, fill=0.5)]
    stack = noise_stack((70, 90))
    stack.layers[1, 10:20] = np.nan
    assert_same(resident_of(bundles).predict(raw_of(stack)), windowed(bundles, stack))


@pytest.mark.parametrize(("batch", "size"), [(1, 1), (4, 4), (64, 12)])
def test_batches_are_of_one_shape_and_change_nothing(make_bundle, noise_stack, batch, size):
    stack, bundles = noise_stack((100, 140)), [make_bundle()]
    predictor = resident_of(bundles, batch=batch)
    shapes = set()
    predictor._forward.register_forward_pre_hook(lambda _, given: shapes.add(given[0].shape))
    assert_same(predictor.predict(raw_of(stack)), windowed(bundles, stack))
    assert shapes == {(size, 3, 64, 64)}


def test_windows_are_in_the_forwards_precision_and_channels_last(make_bundle, noise_stack):
    predictor = resident_of([make_bundle()], precision="bf16", window_px=32)
    seen = []
    predictor._forward.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    predictor.predict(raw_of(noise_stack((70, 60))))
    assert all(each.dtype is torch.bfloat16 for each in seen)
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in seen)


def test_in_bf16_probabilities_are_near_those_in_float32(make_bundle, noise_stack):
    stack, bundles = noise_stack((97, 131)), [make_bundle(seed) for seed in range(2)]
    found = resident_of(bundles, precision="bf16").predict(raw_of(stack))
    expected = windowed(bundles, stack)
    off = np.abs(as_probability(found.probability) - as_probability(expected.probability))
    assert 0 < off.max() < 0.03
    assert off.mean() < 0.003


def test_members_weigh_as_the_ensemble_says_and_the_curve_is_applied(make_bundle, noise_stack):
    stack = noise_stack((60, 70))
    bundles = [make_bundle(seed, weight=weight) for seed, weight in ((0, 3.0), (1, 1.0))]
    found = resident_of(bundles).predict(raw_of(stack), keeps_members=True)
    first, second = (as_probability(each) for each in found.members)
    shares = ensemble_of(bundles).weights
    mean = shares[0] * first + shares[1] * second
    spread = np.sqrt(shares[0] * (first - mean) ** 2 + shares[1] * (second - mean) ** 2)
    np.testing.assert_allclose(as_probability(found.probability), mean, atol=0.0041)
    np.testing.assert_allclose(as_probability(found.spread), spread, atol=0.0041)
    curve = ((0.0, 0.1), (1.0, 0.6))
    bent = resident_of([replace(each, curve=curve) for each in bundles]).predict(raw_of(stack))
    np.testing.assert_allclose(
        as_probability(bent.probability), 0.1 + 0.5 * as_probability(found.probability), atol=0.0021
    )
    np.testing.assert_array_equal(bent.spread, found.spread)


def test_members_are_kept_only_where_they_are_wanted(make_bundle, noise_stack):
    stack = noise_stack((40, 50))
    stack.clear[3] = False
    predictor = resident_of([make_bundle(seed) for seed in range(3)])
    assert predictor.predict(raw_of(stack)).members is None
    members = predictor.predict(raw_of(stack), keeps_members=True).members
    assert members.shape == (3, 40, 50)
    assert (members[:, 3] == 255).all()
    assert (members[:, 4:] < 251).all()


class Hungry(torch.nn.Module):
    """Runs out of memory over more than so many windows."""

    def __init__(self, forward, most, error):
        super().__init__()
        self.inner, self.most, self.error = forward, most, error
        self.device, self.dtype, self.channels = forward.device, forward.dtype, forward.channels
        self.n_members, self.check = forward.n_members, forward.check

    def forward(self, channels):
        if len(channels) > self.most:
            raise self.error
        return self.inner(channels)


def hungry(bundles, most, error, **options):
    inner = EnsembleForward(ensemble_of(bundles), CPU)
    return resident_of(bundles, forward=Hungry(inner, most, error), **options)


def test_lack_of_memory_halves_the_batch_from_then_on(make_bundle, noise_stack):
    stack, bundles = noise_stack((100, 300)), [make_bundle()]
    predictor = hungry(bundles, 3, torch.OutOfMemoryError("CUDA out of memory"), batch=16)
    assert_same(predictor.predict(raw_of(stack)), windowed(bundles, stack))
    assert predictor.batch == 2


def test_memory_that_does_not_suffice_for_one_window_is_too_large_a_scene(make_bundle, noise_stack):
    predictor = hungry([make_bundle()], 0, torch.OutOfMemoryError("no"), batch=4)
    with pytest.raises(TooLargeError):
        predictor.predict(raw_of(noise_stack((60, 60))))


def test_other_faults_of_a_network_are_not_taken_for_lack_of_memory(make_bundle, noise_stack):
    predictor = hungry([make_bundle()], 0, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        predictor.predict(raw_of(noise_stack((60, 60))))


def test_a_scene_too_large_for_the_device_is_told_before_it_is_prepared(
    make_bundle, noise_stack, monkeypatch
):
    raw = raw_of(noise_stack((60, 60)))
    monkeypatch.setattr(Copies, "free_bytes", lambda self: 10_000)
    with pytest.raises(TooLargeError):
        resident_of([make_bundle()]).predict(raw)
    monkeypatch.setattr(Copies, "free_bytes", lambda self: 10**12)
    resident_of([make_bundle()]).predict(raw)


def test_lack_of_memory_for_the_scene_itself_is_too_large_a_scene(
    make_bundle, noise_stack, monkeypatch
):
    def no_memory(self, array):
        raise torch.OutOfMemoryError("CUDA out of memory")

    predictor = resident_of([make_bundle()])
    raw = raw_of(noise_stack((60, 60)))
    monkeypatch.setattr(Copies, "put", no_memory)
    assert not predictor.load(raw)
    with pytest.raises(TooLargeError):
        predictor.predict(raw)


def test_a_member_that_predicts_no_number_is_named_and_the_next_scene_goes_on(
    make_bundle, noise_stack
):
    class Broken(torch.nn.Module):
        is_broken = True

        def forward(self, seen):
            made = seen.sum(dim=1, keepdim=True).float()
            return made * float("nan") if self.is_broken else made

    predictor = resident_of([make_bundle(0), make_bundle(1)])
    broken = Broken()
    predictor._forward.members[1].network = broken
    raw = raw_of(noise_stack((60, 60)))
    with pytest.raises(InputError, match=predictor._forward.members[1].name):
        predictor.predict(raw)
    broken.is_broken = False
    assert (predictor.predict(raw).probability < 251).all()


def test_without_a_size_windows_divide_a_scene_as_on_the_cpu(make_bundle, noise_stack, monkeypatch):
    for module in (predict, resident):
        monkeypatch.setattr(module, "MOST_WINDOW_PX", 96)
    stack, bundles = noise_stack((200, 130)), [make_bundle()]
    found = resident_of(bundles, window_px=None, overlap_px=16).predict(raw_of(stack))
    assert found.n_windows == 6
    expected = Predictor(ensemble_of(bundles), device="cpu", overlap_px=16).predict(stack)
    assert_same(found, expected)


@pytest.mark.parametrize(
    ("said", "is_lack"),
    [
        ("CUDA error: out of memory\nCUDA kernel errors might be reported later", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("CUDA error: an illegal memory access was encountered", False),
        ("CUDA error: device-side assert triggered", False),
    ],
)
def test_what_cudas_libraries_say_of_memory_is_understood(said, is_lack):
    assert predict.is_lack_of_memory(RuntimeError(said)) == is_lack


def as_on_cuda(ensemble, monkeypatch, awaited):
    """A predictor as on a CUDA device, where waiting for that does what is given."""
    options = {"engine": "resident", "window_px": 48, "overlap_px": 16}
    predictor = Predictor(ensemble, device="cpu", **options)
    predictor.device = torch.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "synchronize", awaited)
    return predictor


@pytest.mark.parametrize("way", ["load", "predict"])
def test_a_device_that_has_failed_is_told_from_a_scene_that_fails(
    make_bundle, noise_stack, monkeypatch, way
):
    asked = []

    def failed(device):
        asked.append(device)
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def put(self, array):
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore of it")

    ensemble, raw = ensemble_of([make_bundle()]), raw_of(noise_stack((60, 60)))
    monkeypatch.setattr(Copies, "put", put)
    with pytest.raises(DeviceError, match=r"cuda:1 .*\(CUDA error: an illegal[^\n]*\)") as told:
        getattr(as_on_cuda(ensemble, monkeypatch, failed), way)(raw)
    assert "\n" not in str(told.value)
    assert asked == [torch.device("cuda:1")]
    with pytest.raises(RuntimeError, match="illegal"):
        getattr(as_on_cuda(ensemble, monkeypatch, lambda device: None), way)(raw)


@dataclass
class RawStack:
    """A stack that can be had as its files hold it, and counts how it was read."""

    stack: object
    how: list

    def __getattr__(self, name):
        return getattr(self.stack, name)

    def raw(self):
        self.how.append("raw")
        return raw_of(self.stack)

    def read(self, window):
        self.how.append("window")
        return self.stack.read(window)


def test_a_predictor_hands_scenes_over_that_can_be_had_raw(make_bundle, noise_stack):
    stack, bundles = noise_stack((97, 131)), [make_bundle(seed) for seed in range(2)]
    options = {"device": "cpu", "engine": "resident", "window_px": 48, "overlap_px": 16}
    predictor = Predictor(ensemble_of(bundles), **options)
    how = []
    assert_same(predictor.predict(RawStack(stack, how)), windowed(bundles, stack))
    assert_same(predictor.predict(raw_of(stack)), windowed(bundles, stack))
    assert_same(predictor.predict(stack), windowed(bundles, stack))
    assert how == ["raw"]


def test_a_predictor_finds_the_scene_that_was_loaded_ahead_of_its_turn(
    make_bundle, noise_stack, monkeypatch
):
    stack, bundles = noise_stack((60, 70)), [make_bundle()]
    options = {"device": "cpu", "window_px": 48, "overlap_px": 16}
    predictor = Predictor(ensemble_of(bundles), engine="resident", **options)
    raw = raw_of(stack)
    assert predictor.load(raw)
    monkeypatch.setattr(Copies, "put", None)  # nothing is brought any more
    assert_same(predictor.predict(raw), windowed(bundles, stack))
    assert not predictor.load(stack)
    assert not Predictor(ensemble_of(bundles), engine="windows", **options).load(raw)


def test_a_predictor_reads_a_scene_window_by_window_that_the_device_has_no_memory_for(
    make_bundle, noise_stack, monkeypatch, caplog
):
    stack, bundles = noise_stack((97, 131)), [make_bundle()]
    options = {"device": "cpu", "engine": "resident", "window_px": 48, "overlap_px": 16}
    predictor = Predictor(ensemble_of(bundles), **options)
    monkeypatch.setattr(Copies, "free_bytes", lambda self: 10_000)
    how = []
    assert_same(predictor.predict(RawStack(stack, how)), windowed(bundles, stack))
    assert how[:2] == ["raw", "window"]
    assert len(caplog.records) == 1
    assert "window by window" in caplog.text


def test_a_missing_layer_is_told(make_bundle, noise_stack):
    raw = raw_of(noise_stack((40, 40)))
    with pytest.raises(InputError, match="ndvi"):
        resident_of([make_bundle()]).predict(replace(raw, names=("green", "red", "nir")))


def test_scenes_that_were_loaded_ahead_come_out_as_without(make_bundle, noise_stack):
    predictor = resident_of([make_bundle()])
    raws = [raw_of(noise_stack((50, 40 + 10 * seed), seed)) for seed in range(4)]
    alone = [predictor.predict(raw) for raw in raws]
    together = list(predictor.predict_all(iter(raws)))
    assert len(together) == 4
    for found, expected in zip(together, alone, strict=True):
        assert_same(found, expected)


def test_the_next_scene_is_brought_before_one_is_predicted_and_no_more_than_it(
    make_bundle, noise_stack, monkeypatch
):
    steps = []
    predictor = resident_of([make_bundle()])
    raws = [raw_of(noise_stack((40, 40), seed)) for seed in range(3)]
    put = Copies.mark
    monkeypatch.setattr(Copies, "mark", lambda self: steps.append("brought") or put(self))
    predictor._forward.register_forward_pre_hook(lambda *_: steps.append("predicted"))
    list(predictor.predict_all(raws))
    assert steps == ["brought", "brought", "predicted", "brought", "predicted", "predicted"]


def test_no_more_than_two_scenes_wait_and_those_that_were_passed_over_are_let_go(
    make_bundle, noise_stack
):
    predictor = resident_of([make_bundle()])
    raws = [raw_of(noise_stack((40, 40), seed)) for seed in range(3)]
    assert [predictor.load(raw) for raw in raws] == [True, True, False]
    predictor.predict(raws[1])
    assert predictor.load(raws[2])
    assert len(predictor._ahead) == 1


def test_progress_is_shown_the_windows(make_bundle, noise_stack):
    shown = []

    def progress(items, *, label, total=None):
        for item in items:
            shown.append((label, total))
            yield item

    found = resident_of([make_bundle()]).predict(raw_of(noise_stack((100, 100))), progress)
    assert shown == [("windows", found.n_windows)] * found.n_windows


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_on_a_cuda_device_scenes_come_out_as_on_the_cpu(make_bundle, noise_stack, precision):
    bundles = [make_bundle(seed) for seed in range(2)]
    stacks = [noise_stack((200, 230), seed) for seed in range(3)]
    predictor = resident_of(bundles, device=torch.device("cuda"), precision=precision, batch=5)
    most = 1 if precision == "float32" else 8
    for stack, found in zip(stacks, predictor.predict_all(map(raw_of, stacks)), strict=True):
        expected = windowed(bundles, stack)
        off = np.abs(found.probability.astype(int) - expected.probability.astype(int))
        assert np.quantile(off, 0.999) <= most
