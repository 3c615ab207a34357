"""Pictures of what was found on scenes, over the images it was found on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely.plotting import patch_from_polygon

from rts_track.report.figures import INK, require_matplotlib, save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid

COLOURS = ("#00e5ff", "#ffd400", "#ff5ad0", "#ffffff")
WIDTHS = (1.8, 0.9, 0.9, 0.9)
"""Of the sets of outlines, in their order; the first lies below the others."""

_STRETCH_PERCENT = (1.0, 99.0)
_PANEL_IN = 4.4
_MAX_COLUMNS = 3
_SCALE_BAR_SHARE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One image and the polygons drawn over it.

    Attributes:
        title: what stands above it.
        image: three bands as they are shown red, green and blue, (3, H, W), NaN where nothing is.
        is_clear: the pixels that brightness is stretched by, (H, W); without clouds, the ground
            between them shows.
        grid: the image's grid.
        outlines: what is drawn over it, by what the legend calls it: EPSG:6931 polygons.
    """

    title: str
    image: NDArray[np.float32]
    is_clear: NDArray[np.bool_]
    grid: Grid
    outlines: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)


def plot_panels(panels: Sequence[Panel], title: str, path: Path) -> Path:
    """Draw the panels side by side into a picture (.png, .pdf, .svg); its path.

    Every panel has its scale bar; all share the legend. Raises as `figures.save` does.
    """
    require_matplotlib()
    save(panel_figure(panels, title), path)
    return path


def panel_figure(panels: Sequence[Panel], title: str) -> Figure:
    """The figure of `plot_panels`."""
    from matplotlib.figure import Figure

    n_columns = min(len(panels), _MAX_COLUMNS)
    n_rows = -(-len(panels) // n_columns)
    aspect = max(panel.grid.height / panel.grid.width for panel in panels)
    size = (_PANEL_IN * n_columns, (_PANEL_IN * aspect + 0.35) * n_rows + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, panel in zip(all_axes, panels, strict=False):
        _draw_panel(axes, panel)
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=12.5, fontweight="bold", color=INK, ha="left", x=0.01)
    _legend(figure, panels)
    return figure


def stretched(image: NDArray[np.float32], is_clear: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The image (3, H, W) as (H, W, 3) in [0, 1]: each band by its percentiles of clear pixels.

    Where nothing is (NaN) it is mid-grey; without a clear pixel all pixels tell.
    """
    shown = np.full((*image.shape[1:], 3), 0.5, dtype=np.float32)
    for number, band in enumerate(image):
        known = np.isfinite(band)
        if not known.any():
            continue
        told = known & is_clear if (known & is_clear).any() else known
        low, high = np.percentile(band[told], _STRETCH_PERCENT)
        share = (band - low) / max(high - low, 1e-6)
        shown[..., number] = np.where(known, np.clip(share, 0.0, 1.0), 0.5)
    return shown


def _draw_panel(axes: Axes, panel: Panel) -> None:
    height, width = panel.grid.shape
    axes.imshow(
        stretched(panel.image, panel.is_clear),
        extent=(0, width, height, 0),
        interpolation="nearest",
    )
    for colour, width_pt, polygons in zip(COLOURS, WIDTHS, panel.outlines.values(), strict=False):
        for polygon in shapely.get_parts(panel.grid.to_pixels(polygons)):
            patch = patch_from_polygon(polygon, fill=False, edgecolor=colour, linewidth=width_pt)
            axes.add_patch(patch)
    _scale_bar(axes, panel.grid)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_title(panel.title, loc="left", fontsize=9.5, color=INK, pad=3)


def _scale_bar(axes: Axes, grid: Grid) -> None:
    """A bar of a round length in the lower left corner, with its length beside it."""
    longest_m = _SCALE_BAR_SHARE * grid.width * grid.gsd_m
    power = 10.0 ** np.floor(np.log10(longest_m))
    length_m = max(power * step for step in (1, 2, 5) if power * step <= longest_m)
    start, level = 0.03 * grid.width, 0.96 * grid.height
    axes.plot([start, start + length_m / grid.gsd_m], [level, level], color="white", linewidth=2.5)
    told = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    axes.text(start, level - 0.02 * grid.height, told, color="white", fontsize=8, va="bottom")


def _legend(figure: Figure, panels: Sequence[Panel]) -> None:
    from matplotlib.lines import Line2D

    names = max((list(panel.outlines) for panel in panels), key=len)
    if not names:
        return
    handles = [
        Line2D([], [], color=colour, linewidth=2.5, label=name)
        for colour, name in zip(COLOURS, names, strict=False)
    ]
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=len(handles),
        fontsize=8.5,
        facecolor="#9a9a9a",
        edgecolor="none",
    )
