"""Picture of a tuning: precision against recall, F1 along the threshold, and reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rts_track.model.reliability import equal_width
from rts_track.report.figures import INK, require_matplotlib, save

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rts_track.model.pr_curve import PrCurve
    from rts_track.model.reliability import JointHistogram
    from rts_track.track.tally import Tally

OBJECTS, PIXELS = "#1b6ca8", "#cf6a17"
BEFORE, AFTER = "#8a8a8a", "#1d8a5f"
_FAINT = "#dcdcdc"
_HALF = 0.5
_ISO_F1 = (0.2, 0.4, 0.6, 0.8)
_SIZE_IN = (13.2, 5.0)
_LABEL_PT, _TICK_PT, _NOTE_PT = 9, 8, 7.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is marked on a curve; None is not marked.

    `half`: at 0.5 before calibration. `chosen`: the choice. `left_out`: the choice made without
    each place, on that place.
    """

    half: Tally | None
    chosen: Tally
    left_out: Tally | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningPicture:
    """What a picture of a tuning shows.

    Attributes:
        title: what stands above it.
        criterion: when objects match, in words.
        objects: precision and recall of objects along the threshold.
        pixels: likewise of pixels.
        object_marks: what is marked on the objects' curve.
        pixel_marks: on the pixels' curve.
        threshold: the choice.
        before: clear pixels by the mean before calibration, and label.
        after: by the calibrated mean; None where it is not calibrated.
        doubtful_error: calibration error, before and after, of pixels at 0.02 or more.
        is_out_of_sample: whether `after` is by curves that were fitted on other places.
    """

    title: str
    criterion: str
    objects: PrCurve
    pixels: PrCurve
    object_marks: Marks
    pixel_marks: Marks
    threshold: float
    before: JointHistogram
    after: JointHistogram | None
    doubtful_error: tuple[float, float]
    is_out_of_sample: bool


def plot_tuning(picture: TuningPicture, path: Path) -> Path:
    """Draw the tuning into a picture (.png, .pdf, .svg); its path. Raises as `figures.save`."""
    require_matplotlib()
    save(tuning_figure(picture), path)
    return path


def tuning_figure(picture: TuningPicture) -> Figure:
    """The figure of `plot_tuning`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(3.2, 1.0))
    _draw_precision_recall(figure.add_subplot(grid[:, 0]), picture)
    _draw_f1(figure.add_subplot(grid[:, 1]), picture)
    reliability = figure.add_subplot(grid[0, 2])
    _draw_reliability(reliability, picture)
    _draw_counts(figure.add_subplot(grid[1, 2], sharex=reliability), picture)
    figure.suptitle(picture.title, fontsize=12.5, fontweight="bold", color=INK, ha="left", x=0.01)
    return figure


def _draw_precision_recall(axes: Axes, picture: TuningPicture) -> None:
    _draw_iso_f1(axes)
    for curve, marks, colour, name in _curves(picture):
        axes.plot(curve.recall, curve.precision, color=colour, linewidth=1.8, label=name)
        _draw_marks(axes, marks, colour)
    _label(axes, "Precision and recall", "recall", "precision")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    _legend_of_marks(axes, picture)


def _draw_iso_f1(axes: Axes) -> None:
    """Lines of equal F1, each with its value."""
    for f1 in _ISO_F1:
        recall = np.linspace(f1 / (2.0 - f1), 1.0, 100)
        axes.plot(recall, f1 * recall / (2.0 * recall - f1), color=_FAINT, linewidth=0.8, zorder=0)
        axes.annotate(
            f"F1 {f1:g}",
            (1.0, f1 / (2.0 - f1)),
            xytext=(-3, 2),
            textcoords="offset points",
            ha="right",
            fontsize=_NOTE_PT - 0.5,
            color="#a8a8a8",
        )


def _draw_marks(axes: Axes, marks: Marks, colour: str) -> None:
    for tally, marker, face, size in (
        (marks.half, "o", "white", 7),
        (marks.chosen, "o", colour, 9),
        (marks.left_out, "D", "white", 5),  # last: it is what counts, and may lie on the choice
    ):
        if tally is None or tally.recall is None or tally.precision is None:
            continue
        axes.plot(
            tally.recall,
            tally.precision,
            marker,
            color=colour,
            markerfacecolor=face,
            markeredgewidth=1.4,
            markersize=size,
            zorder=4,
        )


def _legend_of_marks(axes: Axes, picture: TuningPicture) -> None:
    from matplotlib.lines import Line2D

    marks = [picture.object_marks, picture.pixel_marks]
    shown = [("o", INK, "chosen")]
    if any(each.left_out for each in marks):
        shown.append(("D", "white", "chosen on the others"))
    if any(each.half for each in marks):
        shown.append(("o", "white", "0.5, uncalibrated"))
    handles, _ = axes.get_legend_handles_labels()
    for marker, face, told in shown:
        handle = Line2D([], [], color=INK, linestyle="none", marker=marker, label=told)
        handle.set(markerfacecolor=face, markeredgewidth=1.4, markersize=6)
        handles.append(handle)
    axes.legend(handles=handles, loc="lower left", fontsize=_NOTE_PT, framealpha=0.9)


def _draw_f1(axes: Axes, picture: TuningPicture) -> None:
    best = max(_curves(picture), key=lambda each: each[1].chosen.f1 or 0.0)[2]
    for curve, marks, colour, name in _curves(picture):
        axes.plot(curve.threshold, curve.f1, color=colour, linewidth=1.8, label=name)
        if marks.chosen.f1 is not None:
            axes.plot(picture.threshold, marks.chosen.f1, "o", color=colour, markersize=8, zorder=4)
            axes.annotate(
                f"{marks.chosen.f1:.2f}",
                (picture.threshold, marks.chosen.f1),
                xytext=(5, 8) if colour == best else (5, -15),
                textcoords="offset points",
                fontsize=_LABEL_PT,
                fontweight="bold",
                color=colour,
            )
    axes.axvline(picture.threshold, color=INK, linewidth=0.9, linestyle=":", zorder=1)
    axes.annotate(
        f"{picture.threshold:g}",
        (picture.threshold, 0.3),
        xytext=(4, 4),
        textcoords="offset points",
        fontsize=_NOTE_PT,
        color=INK,
    )
    what = "mean" if picture.after is None else "calibrated mean"
    _label(axes, "F1 along the threshold", f"threshold of the {what}", "F1")
    axes.set(xlim=(0, 1), ylim=(0, 1.1))  # room for a number above an F1 of 1
    corner = "lower left" if picture.threshold > _HALF else "lower right"
    axes.legend(loc=corner, fontsize=_NOTE_PT, framealpha=0.9)


def _draw_reliability(axes: Axes, picture: TuningPicture) -> None:
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1.0, zorder=0)
    for histogram, colour, name in _histograms(picture):
        diagram = equal_width(histogram)
        told = f"{name}: error {diagram.ece:.4f}"
        axes.plot(
            diagram.said,
            diagram.observed,
            "o-",
            color=colour,
            markersize=4.5,
            linewidth=1.5,
            label=told,
        )
    _label(axes, "Reliability", "", "share of pixels that are slumps")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", fontsize=_NOTE_PT, framealpha=0.9)
    before, after = picture.doubtful_error
    if np.isnan(before):
        return
    told = f"where the mean was 0.02 or more:\nerror {before:.3f}"
    told += f" before, {after:.3f} after" if picture.after else ""
    axes.annotate(
        told,
        (0.98, 0.03),
        xycoords="axes fraction",
        ha="right",
        fontsize=_NOTE_PT,
        color=INK,
    )


def _draw_counts(axes: Axes, picture: TuningPicture) -> None:
    """How many pixels stand behind each point of the diagram."""
    for histogram, colour, _ in _histograms(picture):
        diagram = equal_width(histogram)
        axes.plot(diagram.said, diagram.n, "o-", color=colour, markersize=3, linewidth=1.0)
    axes.set_yscale("log")
    _label(axes, "", "mean probability", "pixels")


def _curves(picture: TuningPicture) -> list[tuple[PrCurve, Marks, str, str]]:
    return [
        (picture.objects, picture.object_marks, OBJECTS, f"objects, {picture.criterion}"),
        (picture.pixels, picture.pixel_marks, PIXELS, "pixels"),
    ]


def _histograms(picture: TuningPicture) -> list[tuple[JointHistogram, str, str]]:
    shown = [(picture.before, BEFORE, "before")]
    if picture.after is not None:
        name = "after, on those left out" if picture.is_out_of_sample else "after, in sample"
        shown.append((picture.after, AFTER, name))
    return shown


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=_LABEL_PT, color=INK)
    axes.set_ylabel(y, fontsize=_LABEL_PT, color=INK)
    axes.tick_params(labelsize=_TICK_PT, colors=INK, length=3)
    axes.grid(color="#efefef", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
