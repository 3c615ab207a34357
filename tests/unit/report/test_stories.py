import numpy as np
import pyarrow as pa
import pytest
import shapely
from matplotlib.patches import FancyArrowPatch, PathPatch

from rts_track import grid
from rts_track.report.stories import link_figure, story_figure
from rts_track.report.views import PlaceTables, busiest_place, told_links

FAR_M = 5_000.0


def lonlat(west, south, width_m=60.0, height_m=40.0):
    """A box that many metres east and north of a spot on the tundra."""
    x, y = grid.transformer("EPSG:4326", "EPSG:6931").transform([-122.0], [72.0])
    x, y = np.array(x), np.array(y)
    corners = [(0, 0), (width_m, 0), (width_m, height_m), (0, height_m)]
    steps = [grid.from_ground(west + east, south + north, x, y) for east, north in corners]
    metric = shapely.Polygon([(x[0] + dx[0], y[0] + dy[0]) for dx, dy in steps])
    return shapely.to_wkb(grid.to_lonlat(np.array([metric], dtype=object)))[0]


def outline(name, track, season, *box):
    return {
        "outline_id": name,
        "track_id": track,
        "season_year": season,
        "geometry": lonlat(*box),
    }


def link(start, end, kind, from_year, to_year, *, is_ambiguous=False):
    return {
        "from_outline_id": start,
        "to_outline_id": end,
        "kind": kind,
        "from_year": from_year,
        "to_year": to_year,
        "is_ambiguous": is_ambiguous,
    }


@pytest.fixture
def place():
    """a swallows b in 2019; c comes off a in 2020; far off, g is missed in 2019 and i merges."""
    outlines = [
        outline("a18", "a", 2018, 0, 0),
        outline("b18", "b", 2018, 70, 0),
        outline("a19", "a", 2019, 0, 0, 130.0),
        outline("a20", "a", 2020, 0, 0, 100.0),
        outline("c20", "c", 2020, 105, 0, 25.0),
        outline("z18", "z", 2018, 0, 60),
        outline("g18", "g", 2018, FAR_M, 0, 200.0, 150.0),
        outline("i18", "i", 2018, FAR_M, 200, 200.0, 150.0),
        outline("g20", "g", 2020, FAR_M, 0, 200.0, 350.0),
    ]
    links = [
        link("a18", "a19", "main", 2018, 2019),
        link("b18", "a19", "merge", 2018, 2019),
        link("a19", "a20", "main", 2019, 2020),
        link("a19", "c20", "split", 2019, 2020, is_ambiguous=True),
        link("g18", "g20", "gap", 2018, 2020),
        link("i18", "g20", "gap", 2018, 2020),
        link("a19", "elsewhere", "split", 2019, 2020),
    ]
    return PlaceTables(outline=pa.Table.from_pylist(outlines), link=pa.Table.from_pylist(links))


def arrows(axes):
    return [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]


def shapes(axes):
    return [patch for patch in axes.patches if isinstance(patch, PathPatch)]


def filled(axes):
    return [shape for shape in shapes(axes) if shape.get_facecolor()[3] > 0.0]


def dashed(axes):
    return [shape for shape in shapes(axes) if shape.get_facecolor()[3] == 0.0]


def letters(axes):
    return [text.get_text() for text in axes.texts if len(text.get_text()) == 1]


def titles(figure):
    return [axes.get_title(loc="left").replace("\\bf", "") for axes in figure.axes if axes.axison]


def test_what_is_told_are_links_that_are_no_mere_continuation_and_lie_in_the_place(place):
    told = [(each["kind"], each["to_outline_id"], each["is_within"]) for each in told_links(place)]
    assert told == [
        ("merge", "a19", False),
        ("split", "c20", False),
        ("gap", "g20", True),
        ("gap", "g20", False),
    ]


def test_the_busiest_place_is_where_most_kinds_of_links_lie_together(place):
    assert busiest_place(place) == {"b18", "a19", "c20"}
    quiet = PlaceTables(outline=place.outline, link=place.link.slice(0, 1))
    assert busiest_place(quiet) == set()


def test_a_story_has_a_panel_a_season_whose_title_counts_its_links(place):
    figure = story_figure(place, "a place", {"a19"})
    assert titles(figure) == ["${2018}$", "${2019}$", "${2020}$"]
    figure = story_figure(place, "a place", busiest_place(place))
    assert titles(figure) == ["${2018}$", "${2019}$  ·  1 merge", "${2020}$  ·  1 split"]
    assert [len(arrows(axes)) for axes in figure.axes[:3]] == [0, 1, 1]


def test_a_track_keeps_its_letter_and_colour_and_a_stranger_has_neither(place):
    figure = story_figure(place, "a place", busiest_place(place))
    panels = figure.axes[:3]
    assert [sorted(letters(axes)) for axes in panels] == [["A", "B"], ["A"], ["A", "C"]]
    first, (only,), last = ({s.get_facecolor() for s in filled(axes)} for axes in panels)
    assert only in first & last
    assert len(first) == 3
    assert len(last) == 2


def test_the_outlines_of_the_season_before_are_dashed(place):
    figure = story_figure(place, "a place", busiest_place(place))
    assert [len(dashed(axes)) for axes in figure.axes[:3]] == [0, 3, 1]


def test_an_arrow_runs_from_the_earlier_outline_to_the_later_one_in_metres(place):
    figure = story_figure(place, "a place", busiest_place(place))
    (split,) = arrows(figure.axes[2])
    start, end = split._posA_posB
    assert end[0] - start[0] == pytest.approx(117.5 - 65.0, abs=0.5)


def test_what_a_gap_carries_on_is_hatched_and_what_it_swallowed_has_an_arrow(place):
    figure = story_figure(place, "a place", {"g20", "i18"})
    last = figure.axes[2]
    hatched = [shape for shape in shapes(last) if shape.get_hatch()]
    assert len(hatched) == len(arrows(last)) == 1
    assert titles(figure)[2] == "${2020}$  ·  2 gaps"
    assert len(dashed(last)) == 2
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[2:] == ["→ gap", "gap: missed the season before"]


def test_each_link_has_a_panel_the_largest_first_and_the_ambiguous_are_marked(place):
    figure, n_links = link_figure(place, "links")
    assert n_links == 3
    assert titles(figure) == ["2020 gap", "2019 merge", "2020 split?"]
    bounds = np.array([(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes[:3]])
    assert bounds[:, 1] - bounds[:, 0] == pytest.approx(bounds[:, 3] - bounds[:, 2])
    _, n_all = link_figure(place, "links", at_most=1)
    assert n_all == 3


def test_a_place_without_splits_or_merges_has_an_empty_figure(place):
    quiet = PlaceTables(outline=place.outline, link=place.link.slice(0, 1))
    figure, n_links = link_figure(quiet, "links")
    assert n_links == 0
    assert not any(axes.patches for axes in figure.axes)
