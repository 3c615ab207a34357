from dataclasses import replace

import numpy as np
import pytest

from rts_track.errors import UsageError
from rts_track.model.pr_curve import PrCurve
from rts_track.model.reliability import JointHistogram
from rts_track.report.tuning import Marks, TuningPicture, plot_tuning, tuning_figure
from rts_track.track.tally import Tally


def histogram(scale):
    said = np.arange(251)
    n = np.full(251, 1000)
    n[0] = 1_000_000
    slump = (n * (said / 250) ** scale).astype(np.int64)
    return JointHistogram(counts=np.column_stack([n - slump, slump]))


def curve(top):
    threshold = np.linspace(0.02, 0.98, 49)
    n_right = (top * (1 - threshold**3)).astype(np.int64)
    n_found = n_right + (80 * (1 - threshold) ** 2).astype(np.int64)
    return PrCurve(threshold=threshold, n_true=np.full(49, 100), n_found=n_found, n_right=n_right)


def tally(right, found):
    return Tally(n_true=100, n_found=found, n_right=right)


PICTURE = TuningPicture(
    title="drawn",
    criterion="IoU 0.5",
    objects=curve(90),
    pixels=curve(80),
    object_marks=Marks(half=tally(70, 80), chosen=tally(85, 95), left_out=tally(80, 96)),
    pixel_marks=Marks(half=tally(60, 65), chosen=tally(75, 90), left_out=None),
    threshold=0.38,
    before=histogram(2),
    after=histogram(1),
    doubtful_error=(0.12, 0.03),
    is_out_of_sample=True,
)


def words(figure):
    return [
        text.get_text()
        for axes in figure.axes
        for text in (*axes.texts, *(axes.get_legend().get_texts() if axes.get_legend() else ()))
    ]


def test_curves_choice_and_reliability_are_shown():
    figure = tuning_figure(PICTURE)
    recall_axes, f1_axes, reliability, counts = figure.axes
    shown = words(figure)
    assert "0.38" in shown
    for said in ("objects, IoU 0.5", "pixels", "chosen", "chosen on the others"):
        assert said in shown
    assert any(text.startswith("after, on those left out: error 0.0") for text in shown)
    assert any("0.120 before, 0.030 after" in text for text in shown)
    chosen = [line for line in recall_axes.lines if list(line.get_xdata()) == [0.85]]
    assert len(chosen) == 1
    assert chosen[0].get_ydata()[0] == pytest.approx(85 / 95)
    assert f1_axes.get_ylim()[1] > 1.0
    assert counts.get_yscale() == "log"
    said, observed = reliability.lines[2].get_data()
    np.testing.assert_allclose(said, observed, atol=0.01)


def test_without_calibration_there_is_one_line_of_reliability():
    figure = tuning_figure(replace(PICTURE, after=None))
    assert not any("after" in text for text in words(figure))
    assert len(figure.axes[2].lines) == 2
    assert figure.axes[1].get_xlabel() == "threshold of the mean"


def test_what_is_not_known_is_not_marked():
    marks = Marks(half=None, chosen=tally(0, 0), left_out=None)
    figure = tuning_figure(replace(PICTURE, object_marks=marks, pixel_marks=marks))
    assert "chosen on the others" not in words(figure)
    assert "0.5, uncalibrated" not in words(figure)


def test_where_no_pixel_was_doubtful_nothing_is_told_of_it():
    figure = tuning_figure(replace(PICTURE, doubtful_error=(float("nan"), float("nan"))))
    assert not any("0.02 or more" in text for text in words(figure))


def test_pictures_of_other_kinds_are_refused(tmp_path):
    assert plot_tuning(PICTURE, tmp_path / "a.svg").stat().st_size > 1000
    with pytest.raises(UsageError, match="no picture of that kind"):
        plot_tuning(PICTURE, tmp_path / "a.doc")
    assert [file.name for file in tmp_path.iterdir()] == ["a.svg"]
