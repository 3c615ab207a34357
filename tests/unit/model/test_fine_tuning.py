"""Training that starts from a bundle's weights."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from rts_track.errors import UsageError
from rts_track.model.augment import NOTHING
from rts_track.model.bundle import Architecture, ensemble_of
from rts_track.model.learner import Learner, learn
from rts_track.model.network import Member, build_network, read_weights
from rts_track.model.params import FINE_TUNING_RATE, LEARNING_RATE, STANDARD, TrainParams
from rts_track.model.train import train_ensemble
from rts_track.model.training_windows import SLUMP, TrainingWindows, split


def drawn_windows(n=12, size=32, seed=0):
    """Windows of noise; in every second one a square that is redder and less green."""
    chance = np.random.default_rng(seed)
    layers = chance.normal(0.15, 0.02, (n, 3, size, size)).astype(np.float32)
    labels = np.zeros((n, size, size), dtype=np.uint8)
    for at in range(0, n, 2):
        row, col = chance.integers(2, size - 14, 2)
        there = at, slice(row, row + 12), slice(col, col + 12)
        labels[there] = SLUMP
        layers[:, 1][there] += 0.2
        layers[:, 2][there] -= 0.3
    return TrainingWindows(
        names=("green", "red", "ndvi"),
        layers=layers,
        labels=labels,
        regions=np.array([f"r{at // 4}" for at in range(n)]),
        extents=None,
        sensors=("sentinel2",),
        gsd_range_m=(10.0, 10.0),
        inputs_sha256="0" * 64,
    )


def params(start, **given):
    plain = {"members": 1, "max_epochs": 2, "batch": 4, "n_folds": 3, "augmentation": NOTHING}
    return TrainParams(**{**plain, "start": start, **given})


def probabilities(bundle, windows):
    member = Member(bundle, build_network(bundle), windows.names)
    with torch.inference_mode():
        return member(torch.from_numpy(windows.layers))


def apart(one, other):
    """The largest difference between two states, by the names of their weights."""
    return {name: float((one[name].float() - other[name].float()).abs().max()) for name in one}


def test_a_learner_begins_with_the_weights_and_the_scaling_of_its_start(make_bundle):
    start = make_bundle(seed=5, fill=0.5)
    windows = drawn_windows(4)
    windows.layers[:, :, :8] = np.nan
    learner = Learner(windows, split(windows, {"r0"}), start.inputs, params((start,)), 0, start)
    learner.eval()
    with torch.no_grad():
        logits = learner(torch.from_numpy(windows.layers))
    torch.testing.assert_close(torch.sigmoid(logits), probabilities(start, windows))


def after_learning(start, **given):
    """The state in which the last epoch leaves the network, whether it is kept or not."""
    windows, asked = drawn_windows(), params((start,), **given)
    learner = Learner(windows, split(windows, {"r0"}), start.inputs, asked, 0, start)
    learn(learner, asked)
    state = learner.network.state_dict()
    return {name: state[name] for name in read_weights(start)}


def moved(start, **given):
    """How far learning moves weights, and statistics of batch normalisation, at most."""
    apart_by = apart(read_weights(start), after_learning(start, **given))
    weights = max(value for name, value in apart_by.items() if "running" not in name)
    return weights, max(value for name, value in apart_by.items() if "running" in name)


def test_tiny_steps_with_kept_statistics_change_next_to_nothing(make_bundle):
    weights, statistics = moved(make_bundle(seed=1), learning_rate=1e-9, statistics="kept")
    assert 0.0 < weights < 1e-6
    assert statistics == 0.0


def test_statistics_follow_the_new_windows_unless_they_are_kept(make_bundle):
    weights, statistics = moved(make_bundle(seed=1), learning_rate=1e-9)
    assert weights < 1e-6
    assert statistics > 0.01


def test_kept_statistics_are_kept_while_weights_learn(make_bundle):
    weights, statistics = moved(make_bundle(seed=1), learning_rate=0.01, statistics="kept")
    assert weights > 0.01
    assert statistics == 0.0


def test_fine_tuning_goes_on_learning_what_the_start_began(make_bundle):
    windows = drawn_windows(24)
    start = train_ensemble(
        windows,
        params((), max_epochs=8, learning_rate=0.02, architecture=make_bundle().architecture),
    )[0]
    by_chance = train_ensemble(windows, params((), architecture=start.architecture))[0]
    tuned = train_ensemble(windows, params((start,)))[0]
    assert tuned.training["val_iou"] > by_chance.training["val_iou"] + 0.2
    assert tuned.weights_sha256 != start.weights_sha256


def test_a_start_that_is_not_bettered_remains(make_bundle):
    windows = drawn_windows(24)
    start = train_ensemble(
        windows,
        params((), max_epochs=8, learning_rate=0.02, architecture=make_bundle().architecture),
    )[0]
    spoilt = train_ensemble(windows, params((start,), learning_rate=30.0, members=4, max_epochs=1))
    assert [each.name for each in spoilt] == ["rts-1"]  # the same network counts once
    assert spoilt[0].weights_sha256 == start.weights_sha256
    assert spoilt[0].training["best_epoch"] == -1
    assert spoilt[0].training["train_loss"] is None
    assert spoilt[0].training["val_iou"] == start.training["val_iou"]


def test_members_start_from_the_bundles_in_turn_and_take_over_what_they_say(make_bundle):
    ranges = tuple(replace(each, high=each.high / 2) for each in make_bundle().inputs)
    starts = make_bundle(seed=1, fill=0.25), make_bundle(seed=2, inputs=ranges)
    tuned = train_ensemble(drawn_windows(), params(starts, members=3, max_epochs=1))
    assert [each.training["start"] for each in tuned] == ["tiny-1", "tiny-2", "tiny-1"]
    assert [each.training["start_sha256"] for each in tuned] == [
        starts[member % 2].sha256 for member in range(3)
    ]
    assert [each.fill for each in tuned] == [0.25, 0.0, 0.25]
    assert [each.inputs for each in tuned] == [starts[0].inputs, ranges, starts[0].inputs]
    assert all(each.architecture == starts[0].architecture for each in tuned)
    assert all(each.sensors == ("sentinel2",) for each in tuned)  # what they were tuned on
    assert tuned[0].training["learning_rate"] == FINE_TUNING_RATE
    ensemble_of(tuned)


class Broken(Exception):
    """Power was cut."""


@pytest.mark.parametrize("statistics", ["learned", "kept"])
def test_fine_tuning_that_was_broken_off_ends_as_if_it_had_not_been(
    make_bundle, tmp_path, statistics
):
    windows = drawn_windows()
    asked = params((make_bundle(seed=1),), max_epochs=3, statistics=statistics)
    whole = train_ensemble(windows, asked)

    def cut_power(_name, score):
        if score.epoch == 1:
            raise Broken

    with pytest.raises(Broken):
        train_ensemble(windows, asked, folder=tmp_path, on_epoch=cut_power)
    resumed = train_ensemble(windows, asked, folder=tmp_path)
    assert [each.sha256 for each in resumed] == [each.sha256 for each in whole]


def test_the_learning_rate_is_lower_where_weights_know_something(make_bundle):
    assert params(()).largest_rate == LEARNING_RATE
    assert params((make_bundle(),)).largest_rate == FINE_TUNING_RATE < LEARNING_RATE
    assert params((make_bundle(),), learning_rate=0.01).largest_rate == 0.01


def test_what_training_is_known_by_holds_its_start_and_nothing_new_without_one(make_bundle):
    first, second = make_bundle(seed=1), make_bundle(seed=2)
    plain = params(()).to_json()
    assert not {"start", "statistics"} & set(plain)
    assert set(plain) == set(asdict(params(()))) - {"start", "statistics"}
    assert plain["learning_rate"] == LEARNING_RATE
    assert plain["architecture"]["name"] == STANDARD.name
    assert params((first,)).to_json()["start"] == [first.sha256]
    assert params((first,)).to_json() != params((second,)).to_json()
    assert params((first, second)).to_json() != params((second, first)).to_json()
    assert params((first,)).to_json() != params((first,), statistics="kept").to_json()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"architecture": STANDARD}, r"is a Unet\(.*not a UnetPlusPlus\(encoder_name=resnet18\)"),
        ({"learning_rate": -1.0}, "more than 0"),
        ({"start": (), "statistics": "kept"}, "name the bundles"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(make_bundle, given, said):
    with pytest.raises(UsageError, match=said) as refused:
        train_ensemble(drawn_windows(), params(**{"start": (make_bundle(),), **given}))
    assert "\n" not in str(refused.value)


def test_starts_of_different_layers_or_networks_are_refused_together(make_bundle):
    first = make_bundle(seed=1)
    fewer = make_bundle(seed=2, inputs=first.inputs[:2])
    with pytest.raises(UsageError, match="tiny-2 reads green, red, tiny-1 reads green, red, ndvi"):
        params((first, fewer)).check()
    deeper = Architecture(
        name="Unet", arguments={**first.architecture.arguments, "decoder_channels": [8, 8, 4]}
    )
    other = make_bundle(seed=3, architecture=deeper)
    with pytest.raises(UsageError, match="tiny-3 is a Unet"):
        params((first, other)).check()


def test_windows_of_other_layers_than_the_start_reads_are_refused(make_bundle):
    start = make_bundle(seed=1)
    windows = replace(drawn_windows(), names=("red", "green", "ndvi"))
    with pytest.raises(UsageError, match="tiny-1 reads green, red, ndvi; the windows hold red"):
        train_ensemble(windows, params((start,)))
