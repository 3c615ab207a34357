"""What tuning says of areas."""

from rts_track.steps.tuning_report import Scored
from rts_track.steps.tuning_words import _area_lines
from rts_track.track.tally import Tally


def of_pixels(n_found, n_true=100):
    return Scored(objects={}, pixels=Tally(n_true=n_true, n_found=n_found, n_right=0))


def test_a_choice_that_shrinks_areas_is_told():
    ratio, warning = _area_lines(
        {"at 0.5": of_pixels(101), "as given": None, "chosen": of_pixels(84)}
    )
    assert ratio == "area found beside labelled: at 0.5 1.01, chosen 0.84"
    assert "16% too small" in warning
    assert "--score pixels" in warning


def test_a_choice_that_keeps_areas_needs_no_warning():
    assert len(list(_area_lines({"chosen": of_pixels(104)}))) == 1
    assert len(list(_area_lines({"chosen": of_pixels(107)}))) == 2


def test_without_labelled_pixels_there_is_no_ratio():
    assert of_pixels(3, n_true=0).area_ratio is None
