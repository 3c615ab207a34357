"""Pictures of tracks through the seasons, on which one can check what links were called.

A panel shows the outlines of a season, filled in their track's colour, over those of the season
before, dashed. Arrows are links that are no mere continuation, from the earlier outline to the
later one; hatched is what carries on a track over a season that missed it. `story_figure` has a
panel for each season of one place, `link_figure` one for each merge, split and fragment of many.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rts_track.report.plots import _patch, _scale_bar
from rts_track.report.views import (
    TOLD_KINDS,
    PlaceTables,
    Row,
    View,
    ends,
    is_carried_on,
    link_groups,
    view_of_links,
    view_of_tracks,
)

if TYPE_CHECKING:
    import shapely
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILES = 30
"""Panels of a `link_figure` at most: more would be too small to be read."""

_WIDTH_IN = 10.0
_TILE_COLUMNS = 6
_INK = "#222222"
_GREY = "#c9c9c9"
_WIDE_ASPECT = 0.62
"""Panels flatter than this stand in two columns."""
_PALETTE = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377",
    "#ee7733", "#009988", "#bb9977", "#8877cc", "#99bb33", "#775544",
    "#ff99cc", "#556677", "#cc9900", "#335522",
)  # fmt: skip
"""Tol's qualitative colours (bright and vibrant), then some more: the letters tell the rest."""
_ARROWS: dict[str, tuple[str, str]] = {
    "merge": ("#b00020", "-"),
    "split": ("#0038a8", "-"),
    "fragment": ("#b35900", ":"),
    "gap": ("#5b2a86", "--"),
}
_GAP_HATCH = "////"
"""Of outlines that carry on a track over a season that missed it: no arrow, they lie in place."""


def story_figure(tables: PlaceTables, title: str, outline_ids: set[str]) -> Figure:
    """The tracks of these outlines through the seasons, a panel each, in metres, north up.

    Tracks keep their colour and letter; grey are others that happen to lie there.
    """
    view = view_of_tracks(tables, outline_ids)
    seasons = sorted(set(tables.outline["season_year"].to_pylist()))
    west, south, east, north = view.bounds
    aspect = (north - south) / (east - west)
    n_columns = _n_columns(len(seasons), aspect)
    n_rows = -(-len(seasons) // n_columns)
    height_in = _WIDTH_IN / n_columns * aspect
    figure = _figure(n_rows * (height_in + 0.22) + 0.6)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    before = None
    for panel, season in zip(panels, seasons, strict=False):
        _draw_season(panel, view, season, before)
        before = season
    _scale_bar(panels[0], east - west)
    for panel in panels[len(seasons) :]:
        panel.set_axis_off()
    figure.suptitle(title, fontsize=12.5, fontweight="bold", color=_INK, ha="left", x=0.01)
    _legend(figure, view.links)
    return figure


def link_figure(tables: PlaceTables, title: str, at_most: int = TILES) -> tuple[Figure, int]:
    """A panel for each merge, split, fragment and gap, the largest first; and how many there are.

    Links into one outline, or out of one that split, share a panel. A `?` marks the ambiguous.
    """
    groups = link_groups(tables)
    shown = groups[:at_most]
    n_rows = max(-(-len(shown) // _TILE_COLUMNS), 1)
    figure = _figure(n_rows * (_WIDTH_IN / _TILE_COLUMNS + 0.2) + 0.6)
    panels = figure.subplots(n_rows, _TILE_COLUMNS, squeeze=False).ravel()
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for panel, links in zip(panels, shown, strict=False):
        _draw_tile(panel, tables, links)
    figure.suptitle(title, fontsize=12.5, fontweight="bold", color=_INK, ha="left", x=0.01)
    _legend(figure, [link for links in shown for link in links])
    return figure, len(groups)


def _n_columns(n_panels: int, aspect: float) -> int:
    """How many panels stand beside each other: as large as they can be read well on a page."""
    if aspect < _WIDE_ASPECT:
        return min(n_panels, 2)
    return min(n_panels, 4 if n_panels in (4, 7, 8) else 3)


def _figure(height_in: float) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    dense = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.0, hspace=0.0)
    return Figure(figsize=(_WIDTH_IN, height_in), layout=dense)


def _draw_tile(axes: Axes, tables: PlaceTables, links: list[Row]) -> None:
    """What the links join, the later season over the earlier."""
    view = view_of_links(tables, links)
    season = links[0]["to_year"]
    _draw_season(axes, view, season, min(link["from_year"] for link in links))
    mark = "?" if any(link["is_ambiguous"] for link in links) else ""
    axes.set_title(f"{season} {links[0]['kind']}{mark}", loc="left", fontsize=9, pad=3)
    west, _, east, _ = view.bounds
    _scale_bar(axes, east - west)


def _draw_season(axes: Axes, view: View, season: int, before: int | None) -> None:
    """The season's outlines over those of the season before, with the links between."""
    west, south, east, north = view.bounds
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=_GREY, linewidth=0.8)
    links = [link for link in view.links if link["to_year"] == season]
    linked = {link["from_outline_id"] for link in links}
    for row in view.outlines:
        if row["season_year"] == before or row["outline_id"] in linked:
            _draw_former(axes, view, row)
    shown = [row for row in view.outlines if row["season_year"] == season]
    carried_on = {link["to_outline_id"] for link in links if is_carried_on(link)}
    for row in shown:
        _draw_outline(axes, view, row, is_hatched=row["outline_id"] in carried_on)
    polygon_of = {row["outline_id"]: row["polygon"] for row in view.outlines}
    for link in links:
        if not is_carried_on(link):
            _draw_link(axes, link, polygon_of)
    for row in shown:
        _draw_letter(axes, view, row)
    axes.set_title(_season_title(season, links), loc="left", fontsize=9.5, color=_INK, pad=3)


def _season_title(season: int, links: list[Row]) -> str:
    counts = Counter(link["kind"] for link in links)
    told = [f"{counts[kind]} {_plural(kind, counts[kind])}" for kind in TOLD_KINDS if counts[kind]]
    return "  ·  ".join([f"$\\bf{{{season}}}$", *told])


def _plural(kind: str, count: int) -> str:
    return kind if count == 1 else f"{kind}s"


def _colour(view: View, track_id: str) -> str:
    letters = list(view.letter_of)
    return _PALETTE[letters.index(track_id) % len(_PALETTE)] if track_id in letters else _GREY


def _draw_former(axes: Axes, view: View, row: Row) -> None:
    patch = _patch(row["polygon"], edge=_colour(view, row["track_id"]), face="none")
    patch.set(linewidth=1.1, linestyle=(0, (3, 1.6)), zorder=3)
    axes.add_patch(patch)


def _draw_outline(axes: Axes, view: View, row: Row, *, is_hatched: bool) -> None:
    from matplotlib.colors import to_rgba

    colour = _colour(view, row["track_id"])
    is_told = row["track_id"] in view.letter_of
    patch = _patch(row["polygon"], edge=colour, face=to_rgba(colour, 0.45 if is_told else 0.25))
    patch.set(linewidth=1.3 if is_told else 0.6, zorder=2, hatch=_GAP_HATCH if is_hatched else "")
    axes.add_patch(patch)


def _draw_letter(axes: Axes, view: View, row: Row) -> None:
    """The track's letter on its outline, where that lies in the frame."""
    if row["track_id"] not in view.letter_of:
        return
    from matplotlib.patheffects import withStroke

    spot = row["polygon"].representative_point()
    axes.text(
        spot.x,
        spot.y,
        view.letter_of[row["track_id"]],
        fontsize=8.5,
        fontweight="bold",
        color=_INK,
        ha="center",
        va="center",
        zorder=6,
        clip_on=True,
        path_effects=[withStroke(linewidth=2.2, foreground="white")],
    )


def _draw_link(axes: Axes, link: Row, polygon_of: dict[str, shapely.Geometry]) -> None:
    """An arrow from the earlier outline to the later one, in its kind's colour and stroke."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.patheffects import withStroke

    colour, stroke = _ARROWS[link["kind"]]
    spots = [polygon_of[end].representative_point() for end in ends(link)]
    axes.add_patch(
        FancyArrowPatch(
            *((spot.x, spot.y) for spot in spots),
            arrowstyle="-|>",
            mutation_scale=11,
            linewidth=1.5,
            linestyle=stroke,
            color=colour,
            shrinkA=0,
            shrinkB=4,
            zorder=5,
            path_effects=[withStroke(linewidth=3.2, foreground="white")],
        )
    )


def _legend(figure: Figure, links: list[Row]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    arrows = {link["kind"] for link in links if not is_carried_on(link)}
    handles: list[Any] = [
        Patch(facecolor="#9db8d2", edgecolor="#4477aa", label="outline, by track"),
        Line2D([], [], color=_INK, linewidth=1.1, linestyle=(0, (3, 1.6)), label="season before"),
        *(
            Line2D([], [], color=colour, linewidth=1.8, linestyle=stroke, label=f"→ {kind}")
            for kind, (colour, stroke) in _ARROWS.items()
            if kind in arrows
        ),
    ]
    if any(is_carried_on(link) for link in links):
        carried_on = Patch(facecolor="#dde6ef", edgecolor="#4477aa", hatch=_GAP_HATCH)
        carried_on.set_label("gap: missed the season before")
        handles.append(carried_on)
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        handlelength=2.2,
        columnspacing=1.4,
    )
