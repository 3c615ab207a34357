import threading

import numpy as np
import pytest
import torch

from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import Architecture, Calibration, Input, ensemble_of
from rts_track.model.folding import folded
from rts_track.model.forward import (
    SYMMETRIES,
    Channel,
    EnsembleForward,
    channels_of,
    normalise,
)
from rts_track.model.network import Member, build_network, new_network, weights_bytes

CPU = torch.device("cpu")
WIDE = (Input(name="ndvi", low=-1.0, high=3.0), Input(name="nir", low=0.1, high=0.7))


class Centred(torch.nn.Module):
    """A network that treats all directions alike: the logit is that of the pixels around."""

    def forward(self, seen):
        total = seen.sum(dim=1, keepdim=True)
        return torch.nn.functional.avg_pool2d(total, 3, 1, 1, count_include_pad=False) - 1.0


class Leaning(torch.nn.Module):
    """A network that knows left from right and up from down."""

    def forward(self, seen):
        return seen.cumsum(dim=3).cumsum(dim=2).sum(dim=1, keepdim=True) / 50 - 1.0


class Broken(torch.nn.Module):
    def forward(self, seen):
        return seen[:, :1] * torch.nan


def unsettled(bundle_of, seed, **facts):
    """A bundle whose batch normalisation has seen something, as that of trained ones has."""
    torch.manual_seed(seed)
    bundle = bundle_of(seed, **facts)
    network = new_network(bundle.architecture, len(bundle.inputs)).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 3.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    content, sha256 = weights_bytes(network.state_dict(), dtype=torch.float32)
    return bundle_of(seed, **facts, weights=content, weights_sha256=sha256)


@pytest.fixture
def ensemble(make_bundle):
    """Three members: of equal inputs, of others, and of those in another order and range."""
    calibration = Calibration(temperature=1.7, bias=-0.4)
    turned = (
        Input(name="nir", low=0.0, high=0.5),
        Input(name="ndvi", low=-1.0, high=1.0),
        Input(name="green", low=0.0, high=0.5),
    )
    return ensemble_of(
        [
            unsettled(make_bundle, 0),
            unsettled(make_bundle, 1, inputs=WIDE, fill=0.25, calibration=calibration),
            unsettled(make_bundle, 2, inputs=turned, fill=0.25),
        ]
    )


def noise(names, shape=(2, 64, 96), seed=0):
    chance = torch.Generator().manual_seed(seed)
    n, height, width = shape
    layers = torch.rand((n, len(names), height, width), generator=chance) * 1.4 - 0.4
    layers[:, :, 3:9, 5:20] = torch.nan
    return layers


def probabilities(ensemble, layers, network=None, **options):
    forward = EnsembleForward(ensemble, CPU, **options)
    if network is not None:
        for member in forward.members:
            member.network = network
    return forward(normalise(layers, ensemble.layers, forward.channels))


def test_members_that_normalise_a_layer_alike_share_its_channel(ensemble):
    channels = channels_of(ensemble)
    assert len(set(channels)) == len(channels) == 3 + 2 + 3  # fill counts, too
    names = {(each.name, each.low, each.high, each.fill) for each in channels}
    assert {("ndvi", -1.0, 1.0, 0.0), ("ndvi", -1.0, 3.0, 0.25)} <= names


def test_equal_inputs_are_normalised_once(make_bundle):
    channels = channels_of(ensemble_of([make_bundle(0), make_bundle(1)]))
    assert [each.name for each in channels] == ["green", "red", "ndvi"]


def test_a_channel_is_scaled_clipped_and_then_filled():
    channel = Channel(name="slope", low=10.0, high=30.0, fill=0.25)
    given = torch.tensor([-5.0, 10.0, 15.0, 30.0, 90.0, torch.nan])
    assert channel.of(given).tolist() == [0.0, 0.0, 0.25, 1.0, 1.0, 0.25]
    assert torch.isnan(given[-1]), "what was given is left as it is"


def test_channels_are_made_by_name_in_the_order_asked_for_and_lie_channels_last():
    layers = noise(("red", "green", "slope"))
    channels = [Channel(name=name, low=0.0, high=1.0, fill=0.5) for name in ("slope", "red")]
    made = normalise(layers, ("red", "green", "slope"), channels)
    assert made.is_contiguous(memory_format=torch.channels_last)
    expected = layers[:, [2, 0]].clamp(0, 1).nan_to_num(0.5)
    torch.testing.assert_close(made, expected)


def test_probabilities_are_those_of_the_members_as_they_are_trained(ensemble):
    layers = noise(ensemble.layers)
    with torch.inference_mode():
        expected = torch.stack(
            [
                Member(bundle, build_network(bundle), ensemble.layers).eval()(layers)
                for bundle in ensemble.bundles
            ],
            dim=1,
        )
    made = probabilities(ensemble, layers)
    assert made.dtype is torch.float32
    assert expected.std() > 0.01
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)


def test_batch_normalisation_is_folded_away(ensemble):
    forward = EnsembleForward(ensemble, CPU)
    assert not [each for each in forward.modules() if isinstance(each, torch.nn.BatchNorm2d)]


def test_in_bf16_probabilities_differ_little_and_are_still_float32(ensemble):
    layers = noise(ensemble.layers)
    exact, made = (probabilities(ensemble, layers, precision=each) for each in ("float32", "bf16"))
    assert made.dtype is torch.float32
    assert 0 < (made - exact).abs().mean() < 0.005
    assert len(made.unique()) > 2000, "the head is computed in float32"


def test_in_bf16_the_head_keeps_every_digit_of_its_weights(ensemble):
    exact, made = (EnsembleForward(ensemble, CPU, precision=each) for each in ("float32", "bf16"))
    for one, other in zip(exact.members, made.members, strict=True):
        heads = one.network.segmentation_head, other.network.segmentation_head
        for kept, weight in zip(*(head.parameters() for head in heads), strict=True):
            assert torch.equal(kept, weight)
    kernels = [each for each in made.modules() if isinstance(each, torch.nn.Conv2d)]
    n_heads = len(made.members)
    assert sum(each.weight.dtype is torch.float32 for each in kernels) == n_heads
    assert sum(each.weight.dtype is torch.bfloat16 for each in kernels) == len(kernels) - n_heads


def cudnn():
    """Whether cuDNN is used, tries its ways out, and may round float32 to fewer digits."""
    flags = torch.backends.cudnn
    return flags.enabled, flags.benchmark, flags.allow_tf32


class Noting(torch.nn.Module):
    """A network that notes cuDNN's settings, and asks others to go on meanwhile."""

    def __init__(self, *meanwhile):
        super().__init__()
        self.meanwhile, self.noted = meanwhile, []

    def forward(self, seen):
        for others in (lambda: None, *self.meanwhile):
            others()
            self.noted.append(cudnn())
        return seen[:, :1]


def as_on_cuda(ensemble, network):
    """A forward on the processor which is set up as on a CUDA device."""
    forward = EnsembleForward(ensemble, CPU)
    forward.device = torch.device("cuda")
    for member in forward.members:
        member.network = network
    channels = torch.zeros((1, len(forward.channels), 32, 32))
    return lambda: forward(channels)


def test_on_cuda_cudnn_computes_in_float32_as_such_and_is_left_as_it_was(ensemble):
    before, network = cudnn(), Noting()
    as_on_cuda(ensemble, network)()
    assert set(network.noted) == {(True, True, False)}
    assert cudnn() == before == (True, False, True)


def test_cudnn_is_set_up_until_the_last_thread_has_computed(ensemble):
    before = cudnn()
    one_computes, other_computes, one_is_done = (threading.Event() for _ in range(3))
    one = Noting(one_computes.set, lambda: other_computes.wait(30))
    other = Noting(other_computes.set, lambda: one_is_done.wait(30))
    run_one, run_other = as_on_cuda(ensemble, one), as_on_cuda(ensemble, other)
    thread = threading.Thread(target=lambda: one_computes.wait(30) and run_other())
    thread.start()
    run_one()
    one_is_done.set()
    thread.join(30)
    for network in (one, other):
        assert len(network.noted) == 3 * 3
        assert set(network.noted) == {(True, True, False)}
    assert cudnn() == before


def test_a_batch_of_one_shape_makes_of_a_window_what_it_makes_of_it_alone(ensemble):
    layers = noise(ensemble.layers)
    together, alone = (probabilities(ensemble, some) for some in (layers, layers[1:]))
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("tta", ["flips", "d4"])
def test_augmentation_changes_nothing_for_a_network_that_knows_no_direction(ensemble, tta):
    layers = noise(ensemble.layers)
    plain, augmented = (
        probabilities(ensemble, layers, Centred(), tta=way) for way in ("none", tta)
    )
    torch.testing.assert_close(augmented, plain, rtol=0, atol=1e-6)


def test_an_augmented_window_turned_gives_the_augmented_result_turned(make_bundle):
    ensemble = ensemble_of([unsettled(make_bundle, 0)])
    forward = EnsembleForward(ensemble, CPU, tta="d4")
    seen = normalise(noise(ensemble.layers, (1, 64, 64)), ensemble.layers, forward.channels)
    whole = forward(seen)
    forward.tta = "none"
    plain = forward(seen)
    for turns, is_flipped in SYMMETRIES["d4"][1:]:

        def turned(window, turns=turns, is_flipped=is_flipped):
            return torch.rot90(window.flip(-1) if is_flipped else window, turns, (-2, -1))

        forward.tta = "d4"
        torch.testing.assert_close(forward(turned(seen)), turned(whole), rtol=0, atol=2e-6)
        forward.tta = "none"
        assert (forward(turned(seen)) - turned(plain)).abs().max() > 1e-3


@pytest.mark.parametrize("flipped", [(-1,), (-2,), (-1, -2)])
def test_flips_are_the_four_that_keep_a_windows_shape(ensemble, flipped):
    layers = noise(ensemble.layers)
    made = probabilities(ensemble, layers, Leaning(), tta="flips")
    of_flipped = probabilities(ensemble, layers.flip(flipped), Leaning(), tta="flips")
    torch.testing.assert_close(of_flipped, made.flip(flipped), rtol=0, atol=2e-6)


def test_augmentation_is_the_mean_of_each_members_probabilities(ensemble):
    layers = noise(ensemble.layers)
    shown = [probabilities(ensemble, layers.flip(f), Leaning()).flip(f) for f in ((), -1, -2)]
    shown.append(probabilities(ensemble, layers.flip(-1, -2), Leaning()).flip(-1, -2))
    made = probabilities(ensemble, layers, Leaning(), tta="flips")
    torch.testing.assert_close(made, torch.stack(shown).mean(dim=0), rtol=0, atol=1e-6)


def test_there_are_as_many_ways_to_show_a_window_as_its_square_has_symmetries():
    window = torch.arange(16.0).reshape(4, 4)
    for tta, n_ways in {"none": 1, "flips": 4, "d4": 8}.items():
        shown = {
            tuple(torch.rot90(window.flip(-1) if flip else window, turns).flatten().tolist())
            for turns, flip in SYMMETRIES[tta]
        }
        assert len(shown) == len(SYMMETRIES[tta]) == n_ways


def test_a_member_that_predicts_no_number_is_told_once_it_is_asked_and_then_forgotten(ensemble):
    forward = EnsembleForward(ensemble, CPU)
    channels = normalise(noise(ensemble.layers), ensemble.layers, forward.channels)
    sound, forward.members[1].network = forward.members[1].network, Broken()
    forward(channels)
    forward.members[1].network = sound
    forward(channels)
    with pytest.raises(InputError, match=f"{ensemble.bundles[1].name} predicts what is no number"):
        forward.check()
    forward(channels)
    forward.check()


@pytest.mark.parametrize("options", [{"precision": "float16"}, {"tta": "turns"}])
def test_options_that_are_unknown_are_refused_in_one_line(ensemble, options):
    with pytest.raises(UsageError) as refused:
        EnsembleForward(ensemble, CPU, **options)
    assert "\n" not in str(refused.value)
    assert next(iter(options.values())) in str(refused.value)


class Before(torch.nn.Module):
    """A network whose convolution's output goes to more than its normalisation."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(2, 1, 3, padding=1)
        self.normalisation = torch.nn.BatchNorm2d(1)

    def forward(self, seen):
        made = self.convolution(seen)
        return made + self.normalisation(made)


class Shared(torch.nn.Module):
    """A network that uses a convolution twice."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(2, 2, 3, padding=1)
        self.normalisation = torch.nn.BatchNorm2d(2)

    def forward(self, seen):
        return self.convolution(self.normalisation(self.convolution(seen)))


@pytest.mark.parametrize("kind", [Before, Shared])
def test_what_cannot_be_folded_is_left(kind):
    torch.manual_seed(0)
    network = kind()
    network.normalisation.running_var.fill_(4.0)
    network.normalisation.running_mean.fill_(0.7)
    seen = torch.rand(1, 2, 32, 32)
    network.eval()
    made = folded(network, 2)
    assert isinstance(made.normalisation, torch.nn.BatchNorm2d)
    with torch.inference_mode():
        torch.testing.assert_close(made(seen), network(seen))


@pytest.mark.parametrize("encoder", ["tu-test_resnet", "timm-mobilenetv3_small_minimal_100"])
def test_a_folded_network_is_the_same_network(encoder):
    torch.manual_seed(1)
    architecture = Architecture(name="Unet", arguments={"encoder_name": encoder})
    network = new_network(architecture, 2).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    lighter = folded(network, 2)
    assert not [each for each in lighter.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    assert [each for each in network.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    seen = torch.rand(1, 2, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(lighter(seen), network(seen), rtol=1e-4, atol=1e-4)


def test_a_network_that_takes_no_window_of_the_probe_is_left_as_it_is():
    class Picky(torch.nn.Module):
        def forward(self, seen):
            raise RuntimeError("only 224 x 224")

    picky = Picky().eval()
    assert folded(picky, 3) is picky


def test_channels_are_float32_though_bounds_are_not(make_bundle):
    inputs = (Input(name="red", low=0.1, high=0.30000000000000004),)
    bundle = make_bundle(inputs=inputs)
    (channel,) = channels_of(ensemble_of([bundle]))
    given = torch.rand(1000, generator=torch.Generator().manual_seed(2))
    low, high = np.float32(0.1), np.float32(0.30000000000000004)
    expected = np.clip((given.numpy() - low) / (high - low), 0, 1)
    made = channel.of(given)
    assert made.dtype is torch.float32
    np.testing.assert_allclose(made.numpy(), expected, rtol=2e-7)


def test_compiled_members_predict_the_same_in_as_many_graphs_as_there_are_shapes(
    ensemble, monkeypatch
):
    graphs, precision = [], "bf16"

    def traced(graph, example):
        graphs.append(graph)
        return graph.forward

    compiled = torch.nn.Module.compile
    how = {"backend": traced, "fullgraph": True}
    monkeypatch.setattr(torch.nn.Module, "compile", lambda m, **more: compiled(m, **how, **more))
    layers = noise(ensemble.layers, (1, 32, 64))
    made = probabilities(ensemble, layers, precision=precision, is_compiled=True)
    assert len(graphs) == 2  # of two and three channels; one member has another calibration
    plain = probabilities(ensemble, layers, precision=precision)
    torch.testing.assert_close(made, plain, rtol=0, atol=1e-6)
    torch.compiler.reset()
