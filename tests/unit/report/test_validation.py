from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely

from rts_track.errors import UsageError
from rts_track.report.validation import ValidationPicture, plot_validation, validation_figure
from rts_track.track.score_validation import Region, Sample, ValidationParams, compare
from rts_track.track.score_validation_estimates import score_annotators, score_compared

PARAMS = ValidationParams(n_replicates=50, block_m=1_000.0)


def row_of(count, size=60):
    return np.array(
        [shapely.box(500 * n, 0, 500 * n + size, 60) for n in range(count)], dtype=object
    )


LOOKED = shapely.box(-100, -100, 20_000, 200)


def picture(found, *truths, regions=(), looked=LOOKED):
    drawn = {f"person {number}": each for number, each in enumerate(truths)}
    sample = Sample(found=found, truths=drawn, looked=looked)
    compared = compare([sample], PARAMS, regions)
    return ValidationPicture(
        name="model",
        scores=score_compared(compared, PARAMS, regions),
        annotators=score_annotators(compared, PARAMS),
        compared=compared,
        params=PARAMS,
    )


def words(axes):
    legend = [text.get_text() for text in axes.get_legend().get_texts()] if axes.legend_ else []
    ticks = [text.get_text() for text in axes.get_yticklabels()]
    return {*legend, *ticks, axes.get_title(loc="left")}


def markers(axes, marker):
    """The x of all markers of that shape."""
    lines = [line for line in axes.get_lines() if line.get_marker() == marker]
    return np.concatenate([np.empty(0), *(np.asarray(line.get_xdata()) for line in lines)])


def test_one_annotator_is_drawn_by_criterion():
    figure = validation_figure(picture(row_of(20), row_of(25)))
    alike, areas, parts = figure.axes
    assert figure.get_suptitle() == "model beside person 0"
    assert markers(alike, "o") == pytest.approx(alike_of(20, 25))
    assert "Areas of 20 whole matches" in words(areas)
    assert {"objects\noverlap", "model beside person 0"} <= words(alike)
    assert {"precision", "recall", "IoU 0.5"} <= words(parts)


def alike_of(n_found, n_true):
    """F1 of objects three times and of areas, and areas' IoU, where all that is found is right."""
    f1 = 2 * n_found / (n_found + n_true)
    return [f1, f1, f1, f1, n_found / n_true]


def test_annotators_are_drawn_two_by_two_beside_what_was_found():
    drawn = picture(row_of(20), row_of(20), row_of(22), row_of(24))
    alike, _, parts = validation_figure(drawn).axes
    pairs = [value for score in drawn.annotators.pairs.values() for value in score.each]
    assert sorted(markers(alike, ".")) == pytest.approx(sorted(pairs))
    assert len(markers(alike, "D")) == 5
    assert {"person 0", "person 1", "person 2"} <= words(parts)


def test_regions_have_a_row_each_with_their_number_of_true_objects():
    regions = [
        Region(name="west", polygon=shapely.box(-500, -500, 4_900, 500)),
        Region(name="east", polygon=shapely.box(4_900, -500, 30_000, 500)),
    ]
    figure = validation_figure(picture(row_of(20), row_of(25), regions=regions))
    parts = figure.axes[2]
    assert {"west  (10 true)", "east  (15 true)", "Objects by region, by overlap"} <= words(parts)
    assert markers(parts, "o") == pytest.approx([1.0, 1.0, 1.0, 10 / 15])


@pytest.mark.parametrize("largest", [60, 400, 90_000])
def test_areas_are_marked_with_whole_numbers_that_do_not_overlap(largest):
    both = np.concatenate([row_of(20), [shapely.box(0, 1_000, largest, 1_060)]])
    figure = validation_figure(picture(both, both, looked=None))
    axes = figure.axes[1]
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    ticks = [*axes.xaxis.get_major_ticks(), *axes.xaxis.get_minor_ticks()]
    seen = [(each.get_loc(), each.label1) for each in ticks if low <= each.get_loc() <= high]
    seen.sort(key=lambda each: each[0])
    boxes = [label.get_window_extent() for _, label in seen if label.get_text()]
    assert boxes
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
    assert {label.get_text() for _, label in seen} - {""} <= {f"{each:,.0f}" for each, _ in seen}


def test_a_picture_says_why_there_are_no_intervals():
    none_asked = picture(row_of(20), row_of(25))
    none_asked = replace(none_asked, params=replace(PARAMS, n_replicates=0))
    assert "No intervals were asked for." in validation_figure(none_asked).get_supxlabel()
    few = validation_figure(picture(row_of(2), row_of(2)))
    assert "too few places" in few.get_supxlabel()


def test_nothing_found_is_a_picture_too(tmp_path):
    nothing = np.empty(0, dtype=object)
    path = plot_validation(picture(nothing, row_of(3)), tmp_path / "v.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert plot_validation(picture(nothing, nothing), tmp_path / "v.svg").is_file()


def test_a_picture_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no picture of that kind"):
        plot_validation(picture(row_of(3), row_of(3)), tmp_path / "v.txt")
    assert list(tmp_path.iterdir()) == []
