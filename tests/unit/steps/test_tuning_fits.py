import numpy as np
import pytest
from scipy import special

from rts_track.model.reliability import equal_width, joint_histogram
from rts_track.model.weighting import pixel_sample
from rts_track.steps.tuning_fits import calibrated, weighted

N = 100_000


def scene(temperature, seed, n=N):
    """Pixels of a scene that tells logits `temperature` times as large as they truly are."""
    chance = np.random.default_rng(seed)
    true = chance.normal(-0.5, 0.6, n)
    said = np.rint(special.expit(true * temperature) * 250).astype(np.uint8)
    return joint_histogram(said[None], chance.random((1, n)) < special.expit(true))


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_the_error_after_calibration_is_that_on_places_left_out(method):
    alike = [scene(3.0, seed) for seed in range(3)]
    made = calibrated(alike, np.arange(3), method)
    assert made.is_kept
    assert made.n_folds == 3
    assert made.errors_before["width"] > 0.15
    assert made.errors_after["width"] < 0.01
    assert made.after.n_pixels == made.before.n_pixels == 3 * N
    odd = [*alike, scene(1.0, 3)]
    among = calibrated(odd, np.arange(4), method)
    # The odd one is judged by the others' curve, which makes it too shy.
    assert among.errors_after["width"] > 3 * made.errors_after["width"]


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_a_calibration_is_left_where_it_does_not_carry_over(method):
    made = calibrated([scene(3.0, 0), scene(0.3, 1)], np.arange(2), method)
    assert not made.is_kept
    assert made.curve == ()
    assert made.after == made.before
    assert made.errors_after == made.errors_before


def test_what_is_calibrated_already_changes_little():
    made = calibrated([scene(1.0, seed) for seed in range(3)], np.arange(3), "temperature")
    assert made.errors_after["width"] < 0.01
    assert not made.is_kept or made.after.log_loss() < made.before.log_loss()


def test_scenes_of_one_place_are_calibrated_together():
    scenes = [scene(3.0, 0), scene(3.0, 1), scene(3.0, 2)]
    made = calibrated(scenes, np.array([0, 0, 1]), "temperature")
    assert made.n_folds == 2
    alone = calibrated(scenes[:1], np.array([0]), "temperature")
    assert alone.n_folds == 1
    assert alone.is_kept
    assert equal_width(alone.after).ece < 0.01


def test_without_a_method_nothing_changes():
    made = calibrated([scene(3.0, 0), scene(3.0, 1)], np.arange(2), "none")
    assert not made.is_kept
    assert made.errors_after == made.errors_before


def members(noise, seed, size=120):
    chance = np.random.default_rng(seed)
    logit = chance.normal(-2, 2, (size, size))
    is_slump = chance.random((size, size)) < special.expit(logit)
    said = [special.expit(logit + chance.normal(0, each, (size, size))) for each in noise]
    return pixel_sample(np.rint(np.array(said) * 250).astype(np.uint8), is_slump, chance)


def test_weights_are_kept_where_they_help_on_places_left_out():
    made = weighted([members((0.1, 2.0), seed) for seed in range(3)], np.arange(3))
    assert made.is_kept
    assert made.weights[0] > 0.9
    assert sum(made.weights) == pytest.approx(1.0)
    assert made.loss_weighted < made.loss_equal


def test_weights_that_hold_in_one_place_only_are_not_kept():
    made = weighted([members((0.1, 3.0), 0), members((3.0, 0.1), 1)], np.arange(2))
    assert not made.is_kept
    assert made.weights == (0.5, 0.5)
    assert made.loss_weighted > made.loss_equal


def test_a_member_that_adds_nothing_is_left_out():
    made = weighted([members((0.05, 0.8, 4.0), seed) for seed in range(3)], np.arange(3))
    assert made.is_kept
    assert made.weights[2] == 0.0
    assert sum(made.weights) == pytest.approx(1.0)
