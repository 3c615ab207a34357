"""What a picture of tracks shows: which links are told, which place, which part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from rts_track import grid
from rts_track.report.plots import _on_the_ground

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

Row = dict[str, Any]

TOLD_KINDS = ("merge", "split", "fragment", "gap")
"""Kinds of links that are told: all but `main`."""
REACH_M = 250.0
"""Links that lie within this distance of one place are shown together."""

_MARGIN = 0.06
_MIN_ASPECT, _MAX_ASPECT = 0.45, 1.15
_ENDS = ("from_outline_id", "to_outline_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTables:
    """Rows of the contract's tables of the same name: those of one place, in all its seasons."""

    outline: pa.Table
    """outline_id, track_id, season_year, geometry."""
    link: pa.Table
    """from_outline_id, to_outline_id, from_year, to_year, kind, is_ambiguous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The part of a place that a panel or figure shows: outlines on the ground, links among them.

    Outlines are rows of `outline` whose `polygon` is in metres east and north of a common point.
    """

    outlines: list[Row]
    links: list[Row]
    """The links that are told by an arrow."""
    letter_of: dict[str, str]
    """Track -> its letter, in the order in which they appear; other tracks are grey."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north, in metres."""


def busiest_place(tables: PlaceTables, reach_m: float = REACH_M) -> set[str]:
    """Outlines at the ends of the told links that lie closest together; empty if none is told.

    The links within `reach_m` of one of them: of that which has most around it, times the kinds
    that they are of, and of several such the first by its outlines' ids.
    """
    links = [link for link in told_links(tables) if not is_carried_on(link)]
    if not links:
        return set()
    at = _metric_polygons(tables)
    points = shapely.get_coordinates(
        shapely.centroid([at[link["to_outline_id"]] for link in links])
    )
    near = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) <= reach_m
    kinds = np.array([[link["kind"] == kind for kind in TOLD_KINDS] for link in links], dtype=int)
    n_kinds = (near.astype(int) @ kinds > 0).sum(axis=1)
    chosen = near[int((near.sum(axis=1) * n_kinds).argmax())]
    return {
        link[end] for link, is_near in zip(links, chosen, strict=True) if is_near for end in _ENDS
    }


def told_links(tables: PlaceTables) -> list[Row]:
    """The links that are told, in the order of their outlines' ids.

    Each with `is_within`: whether both of its outlines are of one track.
    """
    columns = (tables.outline[name].to_pylist() for name in ("outline_id", "track_id"))
    track_of = dict(zip(*columns, strict=True))
    told = [
        {**link, "is_within": len({track_of[end] for end in ends(link)}) == 1}
        for link in tables.link.to_pylist()
        if link["kind"] in TOLD_KINDS and track_of.keys() >= set(ends(link))
    ]
    return sorted(told, key=lambda link: list(reversed(ends(link))))


def is_carried_on(link: Row) -> bool:
    """Whether it carries a track over a season that missed it, and so is told by a hatch."""
    return bool(link["kind"] == "gap" and link["is_within"])


def link_groups(tables: PlaceTables) -> list[list[Row]]:
    """The links told by arrows, by the outline they share; those that join the largest first."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for link in told_links(tables):
        if is_carried_on(link):
            continue
        hub = "from_outline_id" if link["kind"] == "split" else "to_outline_id"
        groups.setdefault((link["kind"], link[hub]), []).append(link)
    at = _metric_polygons(tables)
    joined_m2 = {
        key: max(min(at[end].area for end in ends(link)) for link in links)
        for key, links in groups.items()
    }
    return [groups[key] for key in sorted(groups, key=lambda key: (-joined_m2[key], key))]


def view_of_tracks(tables: PlaceTables, outline_ids: set[str]) -> View:
    """The tracks of these outlines in all seasons, and what else lies in their frame."""
    rows = tables.outline.to_pylist()
    told = {row["track_id"] for row in rows if row["outline_id"] in outline_ids}
    framed = {row["outline_id"] for row in rows if row["track_id"] in told}
    links = [link for link in told_links(tables) if framed.issuperset(ends(link))]
    return _view(rows, framed, links)


def view_of_links(tables: PlaceTables, links: list[Row]) -> View:
    """What the links join, and what else lies there in the links' seasons."""
    seasons = {link[end] for link in links for end in ("from_year", "to_year")}
    rows = [row for row in tables.outline.to_pylist() if row["season_year"] in seasons]
    joined = {end for link in links for end in ends(link)}
    told = {row["track_id"] for row in rows if row["outline_id"] in joined}
    framed = {row["outline_id"] for row in rows if row["track_id"] in told}
    return _view(rows, framed, links, aspects=(1.0, 1.0))


def _view(
    rows: list[Row],
    framed: set[str],
    links: list[Row],
    *,
    aspects: tuple[float, float] = (_MIN_ASPECT, _MAX_ASPECT),
) -> View:
    """A view that holds the framed outlines whole; their tracks are told, others grey."""
    metric = grid.to_metric(shapely.from_wkb([row["geometry"] for row in rows]))
    is_framed = np.array([row["outline_id"] in framed for row in rows])
    frame = shapely.box(*shapely.total_bounds(metric[is_framed])).buffer(REACH_M)
    near = [row for row, at in zip(rows, metric, strict=True) if at.intersects(frame)]
    polygons = _on_the_ground([row["geometry"] for row in near])
    outlines = [{**row, "polygon": at} for row, at in zip(near, polygons, strict=True)]
    shown = [row for row in outlines if row["outline_id"] in framed]
    return View(
        outlines=outlines,
        links=links,
        letter_of=_letters(shown),
        bounds=_framed(shapely.total_bounds([row["polygon"] for row in shown]), *aspects),
    )


def ends(link: Row) -> list[str]:
    """Its earlier and its later outline."""
    return [link[end] for end in _ENDS]


def _metric_polygons(tables: PlaceTables) -> dict[str, shapely.Geometry]:
    """Outline -> its polygon in EPSG:6931."""
    metric = grid.to_metric(shapely.from_wkb(tables.outline["geometry"].to_pylist()))
    return dict(zip(tables.outline["outline_id"].to_pylist(), metric, strict=True))


def _letters(outlines: list[Row]) -> dict[str, str]:
    """A letter for each track: by first season, then from west to east."""
    first: dict[str, tuple[int, float]] = {}
    for row in outlines:
        here = (row["season_year"], row["polygon"].centroid.x)
        first[row["track_id"]] = min(here, first.get(row["track_id"], here))
    order = sorted(first, key=lambda track: (*first[track], track))
    return {track: _letter(number) for number, track in enumerate(order)}


def _letter(number: int) -> str:
    """A to Z, then A2 to Z2 and so on."""
    turn, place = divmod(number, 26)
    return f"{chr(ord('A') + place)}{turn + 1 if turn else ''}"


def _framed(
    bounds: NDArray[np.float64], min_aspect: float, max_aspect: float
) -> tuple[float, float, float, float]:
    """The bounds with a margin, higher below for the scale bar, of an aspect within limits."""
    west, south, east, north = bounds
    margin_m = _MARGIN * max(east - west, north - south)
    west, south, east, north = (
        west - margin_m,
        south - 2 * margin_m,
        east + margin_m,
        north + margin_m,
    )
    width_m = max(east - west, (north - south) / max_aspect)
    height_m = max(north - south, width_m * min_aspect)
    x, y = (west + east) / 2.0, (south + north) / 2.0
    return (
        float(x - width_m / 2.0),
        float(y - height_m / 2.0),
        float(x + width_m / 2.0),
        float(y + height_m / 2.0),
    )
