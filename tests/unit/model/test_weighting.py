import numpy as np
import pytest
from scipy import special

from rts_track.model.weighting import (
    fit_weights,
    log_loss,
    pixel_sample,
    together,
    weighted_mean,
)


def members_of(noise, size=200, seed=0):
    """Labels, and members' stored probabilities: the truth, each with so much noise."""
    chance = np.random.default_rng(seed)
    logit = chance.normal(-2, 2, (size, size))
    is_slump = chance.random((size, size)) < special.expit(logit)
    said = [special.expit(logit + chance.normal(0, each, (size, size))) for each in noise]
    return np.rint(np.array(said) * 250).astype(np.uint8), is_slump


def sample_of(noise, seed=0):
    return pixel_sample(*members_of(noise, seed=seed), np.random.default_rng(seed))


def test_the_member_that_knows_more_weighs_more():
    weights = fit_weights(sample_of((0.1, 3.0)))
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] > 0.9
    swapped = fit_weights(sample_of((3.0, 0.1)))
    assert swapped[1] > 0.9


def test_members_that_know_alike_weigh_alike():
    np.testing.assert_allclose(fit_weights(sample_of((1.0, 1.0, 1.0))), 1 / 3, atol=0.06)


def test_fitted_weights_have_the_least_log_loss():
    sample = sample_of((0.5, 1.5, 2.5))
    best = fit_weights(sample)
    assert (best >= 0).all()
    for other in np.random.default_rng(0).dirichlet([1, 1, 1], 50):
        assert log_loss(sample, best) <= log_loss(sample, other) + 1e-7


def test_a_sample_stands_for_all_clear_pixels():
    members, is_slump = members_of((0.5, 1.0), size=300)
    members[:, :30] = 255
    sample = pixel_sample(members, is_slump, np.random.default_rng(3))
    is_clear = members[0] != 255
    assert sample.mass[sample.is_slump].sum() == pytest.approx((is_slump & is_clear).sum())
    assert sample.mass[~sample.is_slump].sum() == pytest.approx((~is_slump & is_clear).sum())
    assert sample.members.max() < 1.0
    assert sample.members.min() > 0.0
    assert len(sample.mass) < is_clear.sum()
    whole = np.clip(members[:, is_clear].T / 250, 0.002, 0.998)
    every = np.where(is_slump[is_clear][:, None], whole, 1 - whole).mean(axis=1)
    assert log_loss(sample, [0.5, 0.5]) == pytest.approx(-np.log(every).mean(), rel=0.03)


def test_a_scene_without_slumps_gives_a_sample_too():
    members, _ = members_of((0.5, 1.0), size=50)
    nothing = pixel_sample(members, np.zeros((50, 50), dtype=bool), np.random.default_rng(0))
    assert not nothing.is_slump.any()
    both = together([nothing, sample_of((0.1, 3.0))])
    assert len(both.mass) == len(both.members) == len(both.is_slump)
    assert fit_weights(both).sum() == pytest.approx(1.0)


def test_the_weighted_mean_and_spread_are_those_of_the_members():
    members, _ = members_of((0.2, 1.0, 2.0), size=40)
    members[:, 5, :7] = 255
    weights = (0.5, 0.3, 0.2)
    probability, spread = weighted_mean(members, weights)
    is_clear = members[0] != 255
    assert (probability[~is_clear] == 255).all()
    assert (spread[~is_clear] == 255).all()
    given = members[:, is_clear].astype(float)
    mean = np.average(given, axis=0, weights=weights)
    deviation = np.sqrt(np.average((given - mean) ** 2, axis=0, weights=weights))
    np.testing.assert_allclose(probability[is_clear], mean, atol=0.51)
    np.testing.assert_allclose(spread[is_clear], deviation, atol=0.51)
