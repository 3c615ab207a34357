"""Picture of a validation: how alike found and true are, beside how alike annotators are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rts_track.report.figures import INK, require_matplotlib, save
from rts_track.track.score_objects import OVERLAP
from rts_track.track.score_validation import FOUND, OTHERS
from rts_track.track.score_validation_estimates import AREAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from rts_track.track.score_validation import Compared, ValidationParams
    from rts_track.track.score_validation_estimates import AnnotatorScores, Estimate, Of, Score

_FOUND = "#0b6fa4"
_FOUND_EACH = "#6bb1d6"
_PEOPLE = "#8a8a8a"
_PEOPLE_DARK = "#4d4d4d"
_PRECISION = "#c2571a"
_RECALL = "#2f7d4f"
_GRID = "#e6e6e6"
_MOST_ROWS = 24
"""Regions or annotators that one panel holds; of more, those with most true objects."""

_WIDE = 50.0
"""Areas that differ by more are marked by powers of ten alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationPicture:
    """What is drawn: `scores`, of which the first is what was found as a whole; see their modules.

    `name` is how what was found is called.
    """

    name: str
    scores: Sequence[Score]
    annotators: AnnotatorScores | None
    compared: Compared
    params: ValidationParams

    @property
    def main(self) -> Score:
        """What was found as a whole."""
        return self.scores[0]


def plot_validation(picture: ValidationPicture, path: Path) -> Path:
    """Draw it into a picture (.png, .pdf, .svg); its path. Raises as `figures.save` does."""
    require_matplotlib()
    save(validation_figure(picture), path)
    return path


def validation_figure(picture: ValidationPicture) -> Figure:
    """Three panels: scores beside annotators', areas of matches, scores part by part."""
    from matplotlib.figure import Figure

    n_rows = len(_parts(picture))
    height = max(4.6, 1.7 + 0.27 * min(n_rows, _MOST_ROWS))
    figure = Figure(figsize=(15.0, height), layout="constrained")
    alike, areas, parts = figure.subplots(1, 3, width_ratios=[1.25, 1.0, 1.15])
    _draw_alike(alike, picture)
    _draw_areas(areas, picture)
    _draw_parts(parts, picture)
    figure.suptitle(_title(picture), fontsize=12.5, fontweight="bold", color=INK, ha="left", x=0.01)
    figure.supxlabel(_foot(picture), fontsize=8, color=_PEOPLE_DARK, ha="left", x=0.01)
    return figure


def _title(picture: ValidationPicture) -> str:
    names = picture.compared.annotators
    by = f"the consensus of {len(names)} annotators" if len(names) > 1 else names[0]
    return f"{picture.name} beside {by}"


def _foot(picture: ValidationPicture) -> str:
    main, params = picture.main, picture.params
    tally = main.tallies[OVERLAP]
    counted = f"{tally.n_true:,} true objects, {tally.n_found:,} found"
    if params.n_replicates == 0:
        return f"{counted}. No intervals were asked for."
    if main.resampled == "nothing":
        return f"{counted}. No intervals: too few places."
    n = main.n_blocks if main.resampled == "blocks" else main.n_places
    unit = f"blocks of {params.block_m / 1000:g} km" if main.resampled == "blocks" else "places"
    return f"{counted}. Bars: 95 %, {n:,} {unit} drawn {params.n_replicates:,} times."


def _draw_alike(axes: Axes, picture: ValidationPicture) -> None:
    """F1 of objects and areas, and areas' IoU: of what was found, and of annotators two by two."""
    rows: list[tuple[str, Of]] = [
        (f"objects\n{name}", (name, "F1")) for name in picture.params.criteria
    ]
    rows += [("areas\nF1", (AREAS, "F1")), ("areas\nIoU", (AREAS, "IoU"))]
    for level, (_, of) in enumerate(rows):
        if picture.annotators is not None:
            _draw_annotators(axes, picture.annotators, of, level)
        at = level if picture.annotators is None else level - 0.26
        _draw_estimate(axes, picture.main.measures[of], at, _FOUND, "o", 7.5)
    _tidy(axes, [name for name, _ in rows], "F1 or IoU")
    axes.set_title("How alike: 1 is the same", loc="left", fontsize=10, color=INK)
    handles = _alike_legend(picture)
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.45, -0.13),
        ncols=1 if len(handles) == 1 else 2,
        fontsize=8,
        frameon=False,
    )


def _draw_annotators(axes: Axes, scores: AnnotatorScores, of: Of, level: int) -> None:
    """Dots of single pairs, their mean, and the mean of what was found beside one annotator."""
    each = np.array([value for value in scores.pairs[of].each if value is not None])
    spread = np.linspace(-0.06, 0.06, 5)[np.arange(len(each)) % 5]
    axes.plot(each, level + 0.26 + spread, ".", color=_PEOPLE, alpha=0.45, markersize=4, zorder=1)
    _draw_estimate(axes, scores.pairs[of].mean, level + 0.26, _PEOPLE_DARK, "D", 5.5)
    _draw_estimate(axes, scores.found[of].mean, level, _FOUND_EACH, "s", 5.5)


def _alike_legend(picture: ValidationPicture) -> list[object]:
    from matplotlib.lines import Line2D

    def handle(colour: str, marker: str, label: str, size: float = 6.0) -> Line2D:
        return Line2D(
            [], [], color=colour, marker=marker, linestyle="none", markersize=size, label=label
        )

    several = picture.annotators is not None
    reference = "the consensus" if several else picture.compared.annotators[0]
    handles: list[object] = [handle(_FOUND, "o", f"{picture.name} beside {reference}")]
    if several:
        handles += [
            handle(_FOUND_EACH, "s", f"{picture.name} beside an annotator, mean"),
            handle(_PEOPLE_DARK, "D", "annotators two by two, mean"),
            handle(_PEOPLE, ".", "each two annotators"),
        ]
    return handles


def _draw_areas(axes: Axes, picture: ValidationPicture) -> None:
    """Found over true area of each match by overlap that is whole."""
    compared = picture.compared
    matches = compared.comparisons[FOUND, compared.reference].matches
    axes.set_title(
        f"Areas of {len(matches.true_m2):,} whole matches", loc="left", fontsize=10, color=INK
    )
    axes.set(xlabel="true area (m²)", ylabel="found area (m²)")
    if len(matches.true_m2) == 0:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color=_PEOPLE)
        axes.set(xticks=[], yticks=[])
        return
    both = np.concatenate([matches.true_m2, matches.drawn_m2])
    ends = np.array([both.min() / 1.6, both.max() * 1.6])
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    _mark_areas(axes, ends)
    axes.plot(ends, ends, color=INK, linewidth=0.9, zorder=1)
    for factor in (0.5, 2.0):
        axes.plot(ends, ends * factor, color=_PEOPLE, linewidth=0.7, linestyle=":", zorder=1)
    for edge in picture.params.size_edges_m2:
        if ends[0] < edge < ends[1]:
            axes.axvline(edge, color=_GRID, linewidth=1.0, zorder=0)
    axes.plot(
        matches.true_m2,
        matches.drawn_m2,
        "o",
        color=_FOUND,
        alpha=0.75 if len(matches.true_m2) < 200 else 0.3,
        markersize=5,
        markeredgewidth=0,
        zorder=2,
    )
    axes.annotate(
        "dotted: half, twice",
        (0.97, 0.03),
        xycoords="axes fraction",
        ha="right",
        fontsize=7.5,
        color=_PEOPLE_DARK,
    )
    _frame(axes)


def _mark_areas(axes: Axes, ends: NDArray[np.float64]) -> None:
    """Ticks with whole numbers, as many as there is room for: 1, 2 and 5, or powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    steps = (1.0, 2.0, 5.0) if ends[1] / ends[0] < _WIDE else (1.0,)
    ticks_m2 = [step * 10.0**power for power in range(12) for step in steps]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks_m2))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda area_m2, _: f"{area_m2:,.0f}"))


def _parts(picture: ValidationPicture) -> list[tuple[str, Mapping[Of, Estimate]]]:
    """What the third panel tells of, part by part: regions, else annotators, else criteria."""
    regions = [score for score in picture.scores if score.region is not None]
    if regions:
        most = sorted(regions, key=lambda each: -each.tallies[OVERLAP].n_true)[:_MOST_ROWS]
        kept = [score for score in regions if score in most]
        return [(_region_name(score), score.measures) for score in kept]
    if picture.annotators is not None:
        of = {(each.subject, each.reference): each for each in picture.scores}
        names = picture.compared.annotators[:_MOST_ROWS]
        return [(name, of[FOUND, name].measures) for name in names]
    main = picture.main
    return [
        (name, {(OVERLAP, of): main.measures[name, of] for of in ("precision", "recall")})
        for name in (*picture.params.criteria, AREAS)
    ]


def _region_name(score: Score) -> str:
    tally = score.tallies[OVERLAP]
    return f"{score.region}  ({tally.n_true:,} true)"


def _draw_parts(axes: Axes, picture: ValidationPicture) -> None:
    from matplotlib.lines import Line2D

    parts = _parts(picture)
    is_people = picture.annotators is not None and parts[0][0] in picture.compared.annotators
    if is_people:
        _draw_people(axes, picture, [name for name, _ in parts])
        return
    for level, (_, measures) in enumerate(parts):
        for shift, of, colour in ((-0.15, "precision", _PRECISION), (0.15, "recall", _RECALL)):
            _draw_estimate(axes, measures[OVERLAP, of], level + shift, colour, "o", 6.0)
    _tidy(axes, [name for name, _ in parts], "precision, recall")
    has_regions = any(score.region is not None for score in picture.scores)
    title = "Objects by region, by overlap" if has_regions else "Precision and recall"
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    handles = [
        Line2D([], [], color=_PRECISION, marker="o", linestyle="none", label="precision"),
        Line2D([], [], color=_RECALL, marker="o", linestyle="none", label="recall"),
    ]
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.45, -0.13),
        ncols=2,
        fontsize=8,
        frameon=False,
    )


def _draw_people(axes: Axes, picture: ValidationPicture, names: Sequence[str]) -> None:
    """Objects' F1 of each annotator: what was found beside it, and it beside the others."""
    from matplotlib.lines import Line2D

    of = {(each.subject, each.reference): each.measures for each in picture.scores}
    for level, name in enumerate(names):
        _draw_estimate(axes, of[FOUND, name][OVERLAP, "F1"], level - 0.15, _FOUND_EACH, "s", 5.5)
        _draw_estimate(axes, of[name, OTHERS][OVERLAP, "F1"], level + 0.15, _PEOPLE_DARK, "D", 5.0)
    _tidy(axes, list(names), "F1")
    axes.set_title("Objects' F1 by overlap, by annotator", loc="left", fontsize=10, color=INK)
    told = f"{picture.name} beside the annotator"
    handles = [
        Line2D([], [], color=_FOUND_EACH, marker="s", linestyle="none", label=told),
        Line2D(
            [],
            [],
            color=_PEOPLE_DARK,
            marker="D",
            linestyle="none",
            label="the annotator beside the consensus of the others",
        ),
    ]
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.4, -0.13), fontsize=8, frameon=False
    )


def _draw_estimate(
    axes: Axes, estimate: Estimate, level: float, colour: str, marker: str, size: float
) -> None:
    """A marker with its interval, if it has one; nothing where the score is not defined."""
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        axes.plot(
            [estimate.low, estimate.high],
            [level, level],
            color=colour,
            linewidth=1.8,
            solid_capstyle="butt",
            zorder=2,
        )
    axes.plot(
        [estimate.value],
        [level],
        marker,
        color=colour,
        markersize=size,
        markeredgecolor="white",
        markeredgewidth=0.7,
        zorder=3,
        clip_on=False,
    )


def _tidy(axes: Axes, names: list[str], label: str) -> None:
    """Scores from 0 to 1 to the right, one name a row downwards."""
    axes.set(xlim=(0.0, 1.02), ylim=(len(names) - 0.45, -0.55), xlabel=label)
    axes.set_yticks(range(len(names)), names)
    for level in range(1, len(names)):
        axes.axhline(level - 0.5, color=_GRID, linewidth=0.6, zorder=0)
    axes.grid(axis="x", color=_GRID, linewidth=0.6)
    _frame(axes)


def _frame(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5, colors=INK, length=3)
    axes.xaxis.label.set(fontsize=9, color=INK)
    axes.yaxis.label.set(fontsize=9, color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
