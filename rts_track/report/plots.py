"""Pictures of tracks: their outlines through the seasons, beside how their area grew."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rts_track.errors import InputError
from rts_track.report.figures import INK, require_matplotlib, save

if TYPE_CHECKING:
    import pyarrow as pa
    import shapely
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from rts_track.store.base import Reader

N_TRACKS = 6
TREND_METHODS = ("theil_sen", "wls", "interval")
"""Whose rate is told, the first that there is."""

_COLUMNS = 2
_COLOUR_RANGE = (0.0, 0.92)
"""Part of viridis that is used: its last yellow is lost on white."""
_FAINT = "#8a8a8a"
_M2_PER_HA = 10_000.0
_SHORT_ID = 8
_BAR_SHARE = 0.35
"""A scale bar is at most this long beside its map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackTables:
    """Rows of the contract's tables of the same name, of the tracks to draw at least."""

    outline: pa.Table
    track_state: pa.Table
    trend: pa.Table
    event: pa.Table


def plot_tracks(reader: Reader, path: Path, n_tracks: int = N_TRACKS) -> Path:
    """Draw the fastest growing tracks of a store into a picture (.png, .pdf, .svg); its path.

    The file appears whole or not at all.

    Raises:
        UsageError: matplotlib is not installed, or cannot write such a file.
        InputError: no track grew, or the file cannot be written.
    """
    require_matplotlib()
    trend = reader.read("trend", scope={"time_basis": "calendar"})
    track_ids = fastest_tracks(trend, n_tracks)
    if not track_ids:
        raise InputError(f"{reader.url}: no track has a growth rate; run `rts-track measure` first")
    scope = {"track_id": track_ids}
    tables = TrackTables(
        outline=reader.read("outline", ["track_id", "season_year", "geometry"], scope),
        track_state=reader.read("track_state", scope=scope),
        trend=trend,
        event=_events(reader, track_ids),
    )
    save(track_figure(tables, track_ids), path)
    return path


def fastest_tracks(trend: pa.Table, n_tracks: int) -> list[str]:
    """The tracks that gain most area a calendar year, the fastest first; at most `n_tracks`.

    They are chosen by the lower end of their rate's interval, so that one odd outline makes no
    fast grower; and those seen in three seasons or more before all others: two outlines make a
    rate, but no trend.
    """
    rates = _told_rates(trend)
    growing = [row for row in rates.values() if row["area_rate_m2_yr"] > 0.0]
    growing.sort(
        key=lambda row: (row["n_seasons"] < 3, -row["area_rate_low_m2_yr"], row["track_id"])
    )
    chosen = [row["track_id"] for row in growing[:n_tracks]]
    return sorted(chosen, key=lambda track: -rates[track]["area_rate_m2_yr"])


def track_figure(tables: TrackTables, track_ids: list[str]) -> Figure:
    """The tracks as small maps of their outlines by season, each beside its area through time.

    Maps are in metres on the ground, north up, each with its own scale bar.
    """
    from matplotlib.figure import Figure

    rates = _told_rates(tables.trend)
    seasons = sorted(set(tables.track_state["season_year"].to_pylist()))
    colours = _season_colours(seasons)
    n_rows = -(-len(track_ids) // _COLUMNS)
    n_columns = min(_COLUMNS, len(track_ids))
    figure = Figure(figsize=(5.4 * n_columns, 2.5 * n_rows + 1.3), layout="constrained")
    axes = figure.subplots(
        n_rows, 2 * n_columns, squeeze=False, width_ratios=[1.0, 1.2] * n_columns
    )
    for number, (map_axes, area_axes) in enumerate(axes.reshape(-1, 2)):
        if number >= len(track_ids):
            map_axes.set_axis_off()
            area_axes.set_axis_off()
            continue
        track = track_ids[number]
        _draw_map(map_axes, _rows_of(tables.outline, track), colours)
        map_axes.set_title(f"{number + 1}. {track[:_SHORT_ID]}", loc="left", fontsize=9)
        jumps = _jumps(tables.event, track)
        seen = [row for row in _rows_of(tables.track_state, track) if row["area_m2"] is not None]
        _draw_area(area_axes, seen, {season for season, _ in jumps}, colours)
        _draw_jumps(area_axes, jumps, {row["season_year"]: _day(row) for row in seen})
        area_axes.set_title(_rate_text(rates.get(track)), loc="left", fontsize=9)
    _head(figure, len(track_ids))
    _legend(figure, colours)
    return figure


def _events(reader: Reader, track_ids: list[str]) -> pa.Table:
    """What the tracks swallowed, and what came off them."""
    scope = {"related_track_id": track_ids, "kind": ["merge", "split"]}
    return reader.read("event", ["related_track_id", "season_year", "kind"], scope)


def _told_rates(trend: pa.Table) -> dict[str, dict[str, Any]]:
    """Each track's row of the trend that is told of it."""
    told: dict[str, dict[str, Any]] = {}
    for row in trend.to_pylist():
        if row["time_basis"] != "calendar":
            continue
        kept = told.get(row["track_id"])
        if kept is None or _rank(row) < _rank(kept):
            told[row["track_id"]] = row
    return told


def _rank(row: dict[str, Any]) -> int:
    return TREND_METHODS.index(row["method"])


def _rows_of(table: pa.Table, track: str) -> list[dict[str, Any]]:
    import pyarrow.compute as pc

    rows: list[dict[str, Any]] = table.filter(pc.equal(table["track_id"], track)).to_pylist()
    return sorted(rows, key=lambda row: row["season_year"])


def _season_colours(seasons: list[int]) -> dict[int, Any]:
    from matplotlib import colormaps

    at = np.linspace(*_COLOUR_RANGE, len(seasons))
    return dict(zip(seasons, colormaps["viridis"](at), strict=True))


def _draw_map(axes: Axes, outlines: list[dict[str, Any]], colours: dict[int, Any]) -> None:
    """The outlines, the last one filled lightly, with a scale bar."""
    polygons = _on_the_ground([row["geometry"] for row in outlines])
    last = outlines[-1]["season_year"]
    for row, polygon in zip(outlines, polygons, strict=True):
        season = row["season_year"]
        face = (*colours[season][:3], 0.12) if season == last else "none"
        axes.add_patch(_patch(polygon, edge=colours[season], face=face))
    bounds = np.array([polygon.bounds for polygon in polygons])
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    half_m = 0.56 * max(east - west, north - south)
    axes.set_xlim((west + east) / 2.0 - half_m, (west + east) / 2.0 + half_m)
    axes.set_ylim((south + north) / 2.0 - 1.25 * half_m, (south + north) / 2.0 + half_m)
    axes.set_aspect("equal")
    axes.set_axis_off()
    _scale_bar(axes, 2.0 * half_m)


def _on_the_ground(wkb: list[bytes]) -> NDArray[np.object_]:
    """The lon/lat polygons in metres east and north of their common middle."""
    import shapely

    from rts_track import grid

    metric = grid.to_metric(shapely.from_wkb(wkb))
    xy = np.array([shapely.get_coordinates(shapely.centroid(metric)).mean(axis=0)])

    def to_ground(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
        step = vertices - xy
        middle = np.broadcast_to(xy, vertices.shape)
        return np.column_stack(grid.to_ground(step[:, 0], step[:, 1], middle[:, 0], middle[:, 1]))

    return np.asarray(shapely.transform(metric, to_ground), dtype=object)


def _patch(polygon: shapely.Geometry, *, edge: object, face: object) -> Any:  # noqa: ANN401
    import shapely
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    rings = shapely.get_rings(shapely.get_parts(polygon))
    outline = Outline.make_compound_path(
        *(Outline(shapely.get_coordinates(ring), closed=True) for ring in rings)
    )
    return PathPatch(outline, edgecolor=edge, facecolor=face, linewidth=1.4, joinstyle="round")


def _scale_bar(axes: Axes, width_m: float) -> None:
    length_m = _round_length(_BAR_SHARE * width_m)
    west, _ = axes.get_xlim()
    south, _ = axes.get_ylim()
    start, level = west + 0.04 * width_m, south + 0.05 * width_m
    axes.plot(
        [start, start + length_m], [level, level], color=INK, linewidth=2.5, solid_capstyle="butt"
    )
    axes.annotate(
        f"{length_m:g} m",
        (start + length_m / 2.0, level),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=7.5,
        color=INK,
    )


def _round_length(at_most_m: float) -> float:
    """The largest of 1, 2, 5, 10, 20, 50 ... metres that is no longer."""
    power = 10.0 ** np.floor(np.log10(at_most_m))
    return float(max(step * power for step in (1.0, 2.0, 5.0) if step * power <= at_most_m))


def _draw_area(
    axes: Axes, seen: list[dict[str, Any]], jump_seasons: set[int], colours: dict[int, Any]
) -> None:
    """Area through time with its sigma; hollow where a cut outline makes it a lower bound.

    The line is broken where the area jumps for another reason than growth.
    """
    days = [_day(state) for state in seen]
    areas_ha = [state["area_m2"] / _M2_PER_HA for state in seen]
    for at, (before, after) in enumerate(pairwise(seen)):
        between = range(before["season_year"] + 1, after["season_year"] + 1)
        style = ":" if jump_seasons.intersection(between) else "-"
        steps = slice(at, at + 2)
        axes.plot(days[steps], areas_ha[steps], style, color=_FAINT, linewidth=1.0, zorder=1)
    for state, day, area_ha in zip(seen, days, areas_ha, strict=True):
        colour = colours[state["season_year"]]
        axes.errorbar(
            day,
            area_ha,
            yerr=(state["area_sigma_m2"] or 0.0) / _M2_PER_HA,
            fmt="o",
            color=colour,
            markerfacecolor="white" if state["is_clipped"] else colour,
            markersize=5.5,
            elinewidth=1.4,
            capsize=3.0,
            zorder=2,
        )
    _tidy(axes, days)


def _tidy(axes: Axes, days: list[float]) -> None:
    from matplotlib.dates import DateFormatter, YearLocator, date2num, num2date

    first_year, last_year = num2date(min(days)).year, num2date(max(days)).year
    n_years = last_year - first_year + 1
    axes.xaxis.set_major_locator(YearLocator(base=-(-n_years // 6)))
    axes.xaxis.set_major_formatter(DateFormatter("%Y"))
    ends = date2num([dt.date(first_year, 1, 1), dt.date(last_year + 1, 1, 1)])
    axes.set_xlim(float(ends[0]), float(ends[1]))
    axes.margins(y=0.2)
    axes.set_ylabel("area (ha)", fontsize=8, color=INK)
    axes.tick_params(labelsize=7.5, colors=INK, length=3)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _day(state: dict[str, Any]) -> float:
    """The middle of the dates between which it was seen, as matplotlib counts days."""
    from matplotlib.dates import date2num

    return float(np.mean(date2num([state["observed_from"], state["observed_to"]])))


def _jumps(event: pa.Table, track: str) -> list[tuple[int, str]]:
    """Seasons in which the area jumps for another reason than growth, and which."""
    return sorted(
        {
            (row["season_year"], row["kind"])
            for row in event.to_pylist()
            if row["related_track_id"] == track
        }
    )


def _draw_jumps(axes: Axes, jumps: list[tuple[int, str]], day_of: dict[int, float]) -> None:
    words = {"merge": "merged with neighbour", "split": "split"}
    for season, kind in jumps:
        if season not in day_of:
            continue
        axes.axvline(day_of[season], color=_FAINT, linewidth=0.9, linestyle=":", zorder=0)
        axes.annotate(
            words[kind],
            (day_of[season], 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=6.5,
            color=_FAINT,
        )


def _rate_text(rate: dict[str, Any] | None) -> str:
    """The rate with its 95 % interval."""
    if rate is None:
        return ""
    low, high = rate["area_rate_low_m2_yr"], rate["area_rate_high_m2_yr"]
    return f"{rate['area_rate_m2_yr']:+,.0f} m² per year  ({low:,.0f} to {high:,.0f})"


def _head(figure: Figure, n_tracks: int) -> None:
    which = "fastest growing slump" if n_tracks == 1 else f"{n_tracks} fastest growing slumps"
    figure.suptitle(
        f"The {which}: outlines season by season, and area through time",
        fontsize=13,
        fontweight="bold",
        color=INK,
        ha="left",
        x=0.01,
    )


def _legend(figure: Figure, colours: dict[int, Any]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linewidth=3, label=str(season))
        for season, colour in colours.items()
    ]
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=min(len(handles), 12),
        frameon=False,
        fontsize=8.5,
        title="Season. Maps: north up. Curves: bars are ±1 sigma; hollow: cut by an image's edge"
        " or a cloud, a lower bound. Rates with their 95 % interval.",
        title_fontsize=8,
        alignment="left",
    )
