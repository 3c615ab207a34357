import numpy as np
import pytest

from rts_track.simulate.landscape.noise import fractal, white

Y, X = np.mgrid[7_545_990.0:7_547_490.0:3.0, 468_000.0:469_500.0:3.0]


@pytest.mark.parametrize(("wavelength_m", "n_octaves"), [(20.0, 1), (35.0, 4), (12.0, 2)])
def test_noise_has_mean_zero_and_standard_deviation_one(wavelength_m, n_octaves):
    values = fractal(X, Y, seed=3, wavelength_m=wavelength_m, n_octaves=n_octaves)
    assert values.mean() == pytest.approx(0.0, abs=0.05)
    assert values.std() == pytest.approx(1.0, abs=0.05)


def test_a_window_of_noise_is_that_part_of_the_whole():
    whole = fractal(X, Y, seed=3, wavelength_m=90.0, n_octaves=5)
    part = fractal(X[40:90, 7:300], Y[40:90, 7:300], seed=3, wavelength_m=90.0, n_octaves=5)
    assert np.array_equal(part, whole[40:90, 7:300])


def test_noise_is_smooth_over_a_fraction_of_its_wavelength_and_unrelated_beyond_it():
    values = fractal(X, Y, seed=3, wavelength_m=60.0)
    near = np.corrcoef(values[:, 2:].ravel(), values[:, :-2].ravel())[0, 1]
    far = np.corrcoef(values[:, 40:].ravel(), values[:, :-40].ravel())[0, 1]
    assert near > 0.95
    assert abs(far) < 0.1


def test_another_seed_makes_other_noise():
    one, other = (fractal(X, Y, seed=seed, wavelength_m=60.0).ravel() for seed in (1, 2))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_white_noise_of_neighbours_is_unrelated():
    values = white(X, Y, seed=3, step_m=3.0)
    assert values.mean() == pytest.approx(0.0, abs=0.01)
    assert values.std() == pytest.approx(1.0, abs=0.01)
    assert abs(np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]) < 0.01
