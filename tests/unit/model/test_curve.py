import numpy as np
import pytest
from scipy import special

from rts_track.errors import UsageError
from rts_track.model.curve import curve_bytes, fit_curve, fit_temperature, isotonic_curve
from rts_track.model.manifest import check
from rts_track.model.reliability import JointHistogram, equal_width, joint_histogram

N = 200_000


def world(temperature=1.0, bias=0.0, sigma=0.6, middle=-0.5, seed=0):
    """Pixels whose true logit is what is said, divided by `temperature`, and `bias` more."""
    chance = np.random.default_rng(seed)
    true = chance.normal(middle, sigma, N)
    said = special.expit((true - bias) * temperature)
    is_slump = chance.random(N) < special.expit(true)
    return joint_histogram(np.rint(said * 250).astype(np.uint8)[None], is_slump[None])


def sparse(seed=0):
    """A landscape: nearly all pixels are stored as 0, and slumps are told too shyly."""
    chance = np.random.default_rng(seed)
    logit = np.concatenate([np.full(N, -9.0), chance.normal(-1, 2.0, N // 10)])
    is_slump = chance.random(len(logit)) < special.expit(logit)
    said = special.expit(logit / 1.5 - 0.3)
    said[:N] = 0.0
    return joint_histogram(np.rint(said * 250).astype(np.uint8)[None], is_slump[None])


@pytest.mark.parametrize(("temperature", "bias"), [(3.0, 0.0), (3.0, -0.4), (0.5, 0.3), (1.0, 0.0)])
def test_a_known_miscalibration_comes_back(temperature, bias):
    found = fit_temperature(world(temperature, bias))
    assert found == pytest.approx((temperature, bias), rel=0.03, abs=0.02)


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_calibration_takes_the_error_away_on_other_pixels(method):
    curve = fit_curve(world(3.0, seed=1), method)
    others = world(3.0, seed=2)
    before, after = equal_width(others).ece, equal_width(others.through(curve_bytes(curve))).ece
    assert before > 0.15
    assert after < 0.01


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
@pytest.mark.parametrize("pixels", [world(3.0), world(0.6, 0.5), world(), sparse()])
def test_no_fit_is_worse_than_none_on_what_it_was_fitted_on(method, pixels):
    after = pixels.through(curve_bytes(fit_curve(pixels, method))).log_loss()
    assert after <= pixels.log_loss() + 1e-4


def test_many_pixels_stored_as_0_do_not_bend_the_curve_of_the_others():
    pixels = sparse()
    after = pixels.through(curve_bytes(fit_curve(pixels, "temperature")))
    assert after.log_loss() < 0.99 * pixels.log_loss()
    assert after.counts[0, 0] >= N - 100
    doubtful = pixels.doubtful()
    table = curve_bytes(fit_curve(pixels, "temperature"))
    assert equal_width(doubtful.through(table)).ece < 0.3 * equal_width(doubtful).ece


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
@pytest.mark.parametrize("pixels", [world(3.0), world(0.4, 1.0), sparse()])
def test_a_fitted_curve_can_be_written_and_keeps_the_order_of_pixels(make_bundle, method, pixels):
    curve = fit_curve(pixels, method)
    check(make_bundle(curve=curve))
    assert (np.diff(curve_bytes(curve)[:251].astype(int)) >= 0).all()


def test_adjacent_violators_are_pooled_at_their_middle():
    counts = np.zeros((251, 2), dtype=np.int64)
    counts[50], counts[100], counts[150] = (6, 4), (28, 2), (5, 15)  # 0.4, 0.067, 0.75
    p, q = np.array(isotonic_curve(JointHistogram(counts=counts))).T
    pooled = (10 * 0.2 + 30 * 0.4) / 40
    np.testing.assert_allclose(p, [pooled, 0.6], atol=1e-6)
    np.testing.assert_allclose(q, [6 / 40, 0.75], atol=1e-6)


def test_labels_that_say_nothing_make_a_level_curve():
    counts = np.zeros((251, 2), dtype=np.int64)
    counts[50], counts[200] = (10, 30), (30, 10)
    assert isotonic_curve(JointHistogram(counts=counts)) == ((0.0, 0.5), (1.0, 0.5))


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_nothing_is_fitted_to_pixels_of_one_label(method):
    counts = np.zeros((251, 2), dtype=np.int64)
    counts[50:60, 0] = 7
    assert fit_curve(JointHistogram(counts=counts), method) == ()
    assert fit_curve(JointHistogram(counts=counts[:, ::-1]), method) == ()
    assert fit_curve(JointHistogram(), method) == ()
    assert fit_curve(world(3.0), "none") == ()


def test_an_unknown_calibration_is_refused():
    with pytest.raises(UsageError, match="none, temperature, isotonic"):
        fit_curve(world(), "beta")
