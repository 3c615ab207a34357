import numpy as np
import pytest

from rts_track.model.pr_curve import PrCurve, longest_best


def test_precision_recall_and_f1_follow_from_counts():
    curve = PrCurve(
        threshold=np.array([0.2, 0.5, 0.9]),
        n_true=np.array([10, 10, 10]),
        n_found=np.array([20, 8, 0]),
        n_right=np.array([9, 6, 0]),
    )
    np.testing.assert_allclose(curve.precision, [0.45, 0.75, np.nan])
    np.testing.assert_allclose(curve.recall, [0.9, 0.6, 0.0])
    np.testing.assert_allclose(curve.f1, [18 / 30, 12 / 18, 0.0])
    assert curve.at(0.55) == 1


@pytest.mark.parametrize(
    ("score", "middle", "length"),
    [
        ([0.1, 0.5, 0.2], 1, 1),
        ([0.5, 0.1, 0.5, 0.5, 0.5, 0.0], 3, 3),
        ([0.5, 0.5, 0.5, 0.5], 2, 4),
        ([np.nan, 0.4, 0.4, np.nan], 2, 2),
        ([0.3, 0.3 + 1e-15, 0.3], 1, 3),
        ([0.0, 0.0], 1, 2),
    ],
)
def test_ties_go_to_the_middle_of_the_longest_run(score, middle, length):
    assert longest_best(np.array(score)) == (middle, length)


def test_nothing_cannot_be_chosen_from():
    with pytest.raises(ValueError, match="nothing to choose"):
        longest_best(np.array([np.nan, np.nan]))
