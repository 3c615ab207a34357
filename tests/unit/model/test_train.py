from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy import ndimage

from rts_track.errors import InputError, UsageError
from rts_track.model.augment import NOTHING, Augmentation, augmented, turned
from rts_track.model.bundle import ensemble_of, read_bundle, write_bundle
from rts_track.model.calibrate import Judged, best_threshold, fit_calibration, object_recall
from rts_track.model.epochs import training_loader
from rts_track.model.learner import Learned, Learner
from rts_track.model.manifest import Architecture
from rts_track.model.network import verify
from rts_track.model.objective import LOSSES, Objective
from rts_track.model.params import NETWORKS, TrainParams
from rts_track.model.ranges import inputs_of
from rts_track.model.train import _weights, train_ensemble
from rts_track.model.training_windows import GROUND, IGNORED, SLUMP, TrainingWindows, split

TINY = Architecture(
    name="Unet",
    arguments={"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [8, 8, 8]},
)


def drawn_windows(n=24, size=32, seed=0):
    """Windows of noise; in every second one a disc that is redder and less green."""
    chance = np.random.default_rng(seed)
    layers = 0.15 + 0.2 * ndimage.gaussian_filter(
        chance.normal(size=(n, 3, size, size)), (0, 0, 2, 2)
    )
    labels = np.zeros((n, size, size), dtype=np.uint8)
    for at in range(0, n, 2):
        row, col = chance.integers(8, size - 8, 2)
        rows, cols = np.mgrid[:size, :size]
        disc = np.hypot(rows - row, cols - col) < chance.uniform(4, 8)
        labels[at][disc] = SLUMP
        layers[at, 1][disc] += 0.2
        layers[at, 2][disc] -= 0.3
    return TrainingWindows(
        names=("green", "red", "ndvi"),
        layers=layers.astype(np.float32),
        labels=labels,
        regions=np.array([f"r{at // 4}" for at in range(n)]),
        extents=None,
        sensors=("planetscope",),
        gsd_range_m=(3.0, 4.0),
        inputs_sha256="0" * 64,
    )


def params(**given):
    plain = {"architecture": TINY, "members": 1, "max_epochs": 3, "batch": 4, "n_folds": 3}
    return TrainParams(**{**plain, "augmentation": NOTHING, **given})


@pytest.mark.parametrize("loss", LOSSES)
def test_being_surely_right_costs_nothing(loss):
    # a peer's network had a sigmoid of its own before a loss that has one: a sure and right
    # answer still cost 0.173, as much as a wrong one
    objective = Objective(loss, gamma=2.0, alpha=None)
    labels = torch.tensor([[[GROUND, SLUMP], [SLUMP, GROUND]]], dtype=torch.uint8)
    logits = torch.where(labels == SLUMP, 20.0, -20.0)
    assert objective(logits, labels) < 1e-6
    assert objective(-logits, labels) > 0.9


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_a_network_says_logits_and_no_probabilities(network):
    windows = drawn_windows(4, 64)
    learner = Learner(windows, split(windows, {"r0"}), _inputs(windows), params(), seed=0)
    learner.network.segmentation_head[0].bias.data.fill_(-30.0)
    with torch.no_grad():
        assert learner(torch.from_numpy(windows.layers)).max() < -1.0


@pytest.mark.parametrize("loss", LOSSES)
def test_ignored_pixels_cost_nothing(loss):
    objective = Objective(loss, gamma=2.0, alpha=0.25)
    labels = torch.tensor([[[SLUMP, GROUND, IGNORED, IGNORED]]], dtype=torch.uint8)
    logits = torch.tensor([[[0.3, -0.2, 50.0, -50.0]]], requires_grad=True)
    cost = objective(logits, labels)
    torch.testing.assert_close(cost, objective(logits[:, :, :2], labels[:, :, :2]))
    cost.backward()
    assert (logits.grad[0, 0, 2:] == 0).all()
    assert (logits.grad[0, 0, :2] != 0).all()


def test_the_eight_symmetries_of_a_square_are_eight():
    layers = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    labels = layers[0].astype(np.uint8)
    seen = set()
    for symmetry in range(8):
        moved, marked = turned(layers, labels, symmetry)
        np.testing.assert_array_equal(moved[0], marked)
        seen.add(marked.tobytes())
    assert len(seen) == 8


def test_changed_light_leaves_labels_ground_and_unknown_pixels():
    names = ("blue", "red", "nir", "ndvi", "slope")
    chance = np.random.default_rng(0)
    layers = chance.uniform(0.05, 0.4, (5, 16, 16)).astype(np.float32)
    layers[:3, 2, 3] = np.nan
    labels = chance.integers(0, 2, (16, 16)).astype(np.uint8)
    how = Augmentation(is_turned=False, haze_frac=1.0)
    changed, marked = augmented(names, layers, labels, how, chance)
    np.testing.assert_array_equal(marked, labels)
    np.testing.assert_array_equal(changed[4], layers[4])
    np.testing.assert_array_equal(np.isnan(changed[:3]), np.isnan(layers[:3]))
    assert np.nanmean(np.abs(changed[:3] - layers[:3])) > 0.001
    red, nir = np.clip(changed[1], 0, 1), np.clip(changed[2], 0, 1)
    np.testing.assert_allclose(changed[3], (nir - red) / (nir + red), rtol=1e-4, equal_nan=True)


def test_nothing_augmented_is_nothing_changed():
    layers = np.random.default_rng(0).uniform(0, 1, (2, 8, 8)).astype(np.float32)
    labels = np.zeros((8, 8), np.uint8)
    changed, _ = augmented(("red", "nir"), layers, labels, NOTHING, np.random.default_rng(1))
    np.testing.assert_array_equal(changed, layers)


def test_an_epoch_shows_each_window_once_and_the_next_in_another_order():
    windows = drawn_windows(12)
    numbers = np.arange(12)
    options = {"batch": 4, "seed": 3}
    epochs = [
        torch.cat([labels for _, labels in loader])
        for loader in (
            training_loader(windows, numbers, NOTHING, epoch=epoch, **options)
            for epoch in (0, 0, 1)
        )
    ]
    torch.testing.assert_close(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], epochs[2])
    sums = [sorted(epoch.flatten(1).sum(dim=1).tolist()) for epoch in epochs]
    assert sums[0] == sums[2] == sorted(windows.slump_px().tolist())


def test_an_ensemble_learns_what_is_drawn(tmp_path):
    asked = params(members=2, max_epochs=12, learning_rate=0.02)
    bundles = train_ensemble(drawn_windows(), asked)
    assert [each.name for each in bundles] == ["rts-1", "rts-2"]
    ensemble = ensemble_of(bundles)
    assert ensemble.recall > 0.5
    assert ensemble.min_area_m2 == 160.0  # ten pixels of 4 m
    assert ensemble.delineation_sigma_m == 2.0
    for bundle in bundles:
        assert bundle.training["val_iou"] > 0.3
        assert bundle.training["n_windows"] + bundle.training["n_validation_windows"] == 24
        assert read_bundle(write_bundle(bundle, tmp_path)) == bundle
        verify(bundle)
    assert bundles[0].training["fold"] != bundles[1].training["fold"]
    assert bundles[0].weights_sha256 != bundles[1].weights_sha256


def test_the_same_training_gives_the_same_bundle():
    first, second = (train_ensemble(drawn_windows(12), params())[0] for _ in range(2))
    assert first.sha256 == second.sha256
    other = train_ensemble(drawn_windows(12), params(seed=1))[0]
    assert other.weights_sha256 != first.weights_sha256


class Broken(Exception):
    """Power was cut."""


def test_training_that_was_broken_off_ends_as_if_it_had_not_been(tmp_path):
    windows, asked = drawn_windows(12), params(max_epochs=4, members=2)
    whole = train_ensemble(windows, asked)

    def cut_power(name, score):
        if (name, score.epoch) in at:
            raise Broken

    at = {("rts-1", 2), ("rts-2", 1)}
    for _ in range(2):
        with pytest.raises(Broken):
            train_ensemble(windows, asked, folder=tmp_path, on_epoch=cut_power)
        at.discard(("rts-1", 2))
    resumed = train_ensemble(windows, asked, folder=tmp_path)
    assert [each.sha256 for each in resumed] == [each.sha256 for each in whole]


def test_training_leaves_logs(tmp_path):
    train_ensemble(drawn_windows(12), params(), folder=tmp_path)
    table = (tmp_path / "rts-1" / "metrics.csv").read_text().splitlines()
    assert {"train_loss", "val_loss", "val_iou", "val_f1"} <= set(table[0].split(","))
    assert len(table) == 4
    assert list((tmp_path / "rts-1").glob("events.out.tfevents.*"))


def test_weights_that_do_not_fit_half_precision_are_kept_in_full():
    learned = Learned(state={"head": torch.full((2, 2), 1e6)}, best=None, n_epochs=1)
    content, _ = _weights("rts-1", learned)
    assert safetensors.torch.load(content)["head"].dtype == torch.float32
    learned.state["head"][0, 0] = torch.inf
    with pytest.raises(InputError, match="smaller learning rate"):
        _weights("rts-1", learned)


def test_training_ends_when_it_gets_no_better():
    windows = drawn_windows(12)
    windows.layers[:] = 0.1  # nothing to be seen
    bundle = train_ensemble(windows, params(max_epochs=30, patience=2))[0]
    assert bundle.training["n_epochs"] < 30


def test_a_checkpoint_that_is_none_is_told(tmp_path):
    folder = tmp_path / "rts-1"
    folder.mkdir()
    (folder / "last.ckpt").write_bytes(b"cut short")
    with pytest.raises(InputError, match=r"last\.ckpt"):
        train_ensemble(drawn_windows(12), params(), folder=tmp_path)


def test_a_checkpoint_that_would_execute_code_is_not_let(tmp_path):
    trap, folder = tmp_path / "sprung", tmp_path / "rts-1"
    folder.mkdir()
    torch.save({"state_dict": Payload(trap)}, folder / "last.ckpt")
    with pytest.raises(InputError, match=r"last\.ckpt"):
        train_ensemble(drawn_windows(12), params(), folder=tmp_path)
    assert not trap.exists()


class Payload:
    """What an attacker would have unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.mark.parametrize(
    "given", [{"name": "../x"}, {"members": 0}, {"n_folds": 1}, {"learning_rate": 0.0}]
)
def test_parameters_that_cannot_be_are_refused(given):
    with pytest.raises(UsageError):
        train_ensemble(drawn_windows(4), params(**given))


def test_calibration_finds_the_scale_of_logits():
    chance = np.random.default_rng(0)
    true = chance.normal(-1, 2, 50_000)
    labels = (chance.random(50_000) < 1 / (1 + np.exp(-true))).astype(np.uint8)
    logits = ((true - 0.5) * 3).astype(np.float32)
    found = fit_calibration(logits, labels)
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    assert found.bias == pytest.approx(0.5, abs=0.05)


def test_calibration_leaves_ignored_pixels_alone():
    logits = np.array([[-2.0, 1.0, 2.0, -1.0] * 50], dtype=np.float32)
    labels = np.array([[0, 0, 1, 1] * 50], dtype=np.uint8)
    more = np.concatenate([logits, np.full_like(logits, 90.0)])
    ignored = np.concatenate([labels, np.full_like(labels, IGNORED)])
    assert fit_calibration(more, ignored) == fit_calibration(logits, labels)
    plain = fit_calibration(logits, np.zeros_like(labels))
    assert (plain.temperature, plain.bias) == (1.0, 0.0)


def test_the_threshold_is_the_one_with_the_best_f1():
    labels = np.array([[[0, 0, 1, 1, IGNORED]]], dtype=np.uint8)
    judged = Judged(
        probability=np.array([[[0.1, 0.32, 0.41, 0.9, 0.99]]], dtype=np.float32), labels=labels
    )
    assert best_threshold([judged]) == 0.4
    nothing = Judged(probability=judged.probability, labels=np.zeros_like(labels))
    assert best_threshold([nothing]) == 0.5


def test_recall_counts_slumps_not_pixels():
    labels = np.zeros((1, 8, 8), dtype=np.uint8)
    labels[0, :4, :4] = SLUMP
    labels[0, 6, 6] = labels[0, 7, 7] = SLUMP  # they touch at a corner: one slump
    probability = np.zeros((1, 8, 8), dtype=np.float32)
    probability[0, 6, 6] = 0.9
    judged = Judged(probability=probability, labels=labels)
    assert object_recall([judged], 0.5) == 0.5
    assert object_recall([Judged(probability=probability, labels=labels * 0)], 0.5) is None


def _inputs(windows):
    return inputs_of(windows.names, windows.layers)
