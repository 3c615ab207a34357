"""The picture of `peel.py`: outlines on the scene, and F1 with intervals beside the experts'."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import peel_blocks
import shapely
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from shapely.plotting import patch_from_polygon

from rts_track.report.detections import stretched
from rts_track.report.figures import INK, save
from rts_track.source.pixels import ScenePixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rts_track.source.scene import Scene
    from rts_track.track.score_validation_estimates import Estimate

SHOWN = ("nir", "red", "green")
CONSENSUS, SIMULATED, TUNED, EXPERTS = "#00e5ff", "#ffd400", "#ff5ad0", "#5a5a5a"
DOTS = ("#b98900", "#c2188f", EXPERTS)
"""Colours of the dots: those of the outlines, dark enough for white."""

_STEP = 0.22


def draw(
    scene: Scene,
    consensus: np.ndarray,
    simulated: np.ndarray,
    tuned: np.ndarray,
    rows: Mapping[str, Mapping[str, tuple[Estimate, tuple[float, ...]]]],
    path: Path,
) -> None:
    """Two maps and a panel of scores, written to `path`."""
    figure = Figure(figsize=(14.5, 5.2), layout="constrained")
    one, other, scores = figure.subplots(1, 3, width_ratios=[1.0, 1.0, 1.05])
    with ScenePixels(scene) as pixels:
        image = pixels.read(SHOWN, scene.grid.whole)
        shown = stretched(image, pixels.clear(scene.grid.whole))
    _map(one, scene, shown, consensus, simulated, SIMULATED, "knows simulated slumps only")
    _map(other, scene, shown, consensus, tuned, TUNED, "fine-tuned without the block")
    _blocks(other, scene)
    _scores(scores, rows)
    handles = [
        Line2D([], [], color=colour, linewidth=2.5, label=label)
        for colour, label in (
            (CONSENSUS, "drawn by more than half of twelve experts"),
            (SIMULATED, "found, simulated alone"),
            (TUNED, "found, fine-tuned"),
        )
    ]
    handles.append(Line2D([], [], color="white", linestyle="--", label="blocks, held out in turn"))
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=4,
        fontsize=8.5,
        facecolor="#9a9a9a",
        edgecolor="none",
    )
    figure.suptitle(
        "Peel Plateau, Sentinel-2, 21 August 2021 (near infrared, red, green)",
        fontsize=12.5,
        fontweight="bold",
        color=INK,
        ha="left",
        x=0.01,
    )
    save(figure, path)


def _map(
    axes: Axes,
    scene: Scene,
    shown: np.ndarray,
    consensus: np.ndarray,
    found: np.ndarray,
    colour: str,
    title: str,
) -> None:
    height, width = scene.grid.shape
    axes.imshow(shown, extent=(0, width, height, 0), interpolation="nearest")
    for polygons, edge, width_pt in ((consensus, CONSENSUS, 2.2), (found, colour, 1.1)):
        for polygon in shapely.get_parts(scene.grid.to_pixels(polygons)):
            axes.add_patch(
                patch_from_polygon(polygon, fill=False, edgecolor=edge, linewidth=width_pt)
            )
    bar_px = 500.0 / scene.grid.gsd_m
    axes.plot([8, 8 + bar_px], [height - 9] * 2, color="white", linewidth=2.5)
    axes.text(8, height - 13, "500 m", color="white", fontsize=8, va="bottom")
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_title(title, loc="left", fontsize=10, color=INK, pad=3)


def _blocks(axes: Axes, scene: Scene) -> None:
    """The borders of the blocks."""
    height, width = scene.grid.shape
    axes.plot([peel_blocks.COLUMN] * 2, [0, height], "--", color="white", linewidth=1.0)
    axes.plot([0, width], [peel_blocks.ROW] * 2, "--", color="white", linewidth=1.0)


def _scores(
    axes: Axes, rows: Mapping[str, Mapping[str, tuple[Estimate, tuple[float, ...]]]]
) -> None:
    for level, of_way in enumerate(rows.values()):
        for number, (estimate, each) in enumerate(of_way.values()):
            at, colour = level + (number - 1) * _STEP, DOTS[number]
            spread = np.linspace(-0.05, 0.05, 5)[np.arange(len(each)) % 5]
            axes.plot(each, at + spread, ".", color=colour, alpha=0.3, markersize=4, zorder=1)
            if estimate.low is not None:
                axes.plot([estimate.low, estimate.high], [at] * 2, color=colour, linewidth=2.0)
            axes.plot([estimate.value], [at], "o", color=colour, markersize=7, mec="white")
    axes.set(xlim=(0, 1.02), ylim=(len(rows) - 0.45, -0.55), xlabel="F1 or IoU")
    axes.set_yticks(range(len(rows)), [label.replace(", ", ",\n") for label in rows], fontsize=9)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(
        "Beside the consensus, and experts; bars: 95 %", loc="left", fontsize=10, color=INK
    )
    ways = list(next(iter(rows.values())))
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle="none", label=way)
        for colour, way in zip(DOTS, ways, strict=True)
    ]
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.4, -0.1),
        ncols=3,
        fontsize=8.5,
        frameon=False,
    )
