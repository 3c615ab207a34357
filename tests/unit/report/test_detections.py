import numpy as np
import pytest
import shapely
from affine import Affine

from rts_track.errors import UsageError
from rts_track.raster.grid import Grid
from rts_track.report.detections import Panel, panel_figure, plot_panels, stretched

GRID = Grid(height=40, width=60, transform=Affine(10, 0, 5e5, 0, -10, 7.6e6), crs="EPSG:32608")

CLEAR = np.ones(GRID.shape, dtype=bool)


def panel(**changes):
    image = np.random.default_rng(1).random((3, *GRID.shape)).astype(np.float32)
    image[:, :5, :5] = np.nan
    found = GRID.to_metric(np.array([shapely.box(10, 10, 30, 20)], dtype=object))
    facts = {"title": "2021", "image": image, "is_clear": CLEAR, "grid": GRID}
    facts["outlines"] = {"found": found}
    return Panel(**{**facts, **changes})


def test_what_is_not_there_is_grey_and_the_rest_is_stretched():
    shown = stretched(panel().image, CLEAR)
    assert shown.shape == (40, 60, 3)
    assert (shown[:5, :5] == 0.5).all()
    assert (shown.min(), shown.max()) == (0.0, 1.0)


def test_an_image_of_nothing_is_grey():
    nothing = np.full((3, 2, 2), np.nan, dtype=np.float32)
    assert (stretched(nothing, np.zeros((2, 2), dtype=bool)) == 0.5).all()


def test_a_cloud_does_not_darken_the_ground():
    image = np.full((3, 10, 10), 0.1, dtype=np.float32)
    image[:, :, 1:] += np.linspace(0.0, 0.1, 9, dtype=np.float32)
    image[:, :5] = 0.9
    is_clear = np.ones((10, 10), dtype=bool)
    is_clear[:5] = False
    shown = stretched(image, is_clear)
    assert (shown[:5] == 1.0).all()
    assert shown[5:].max() - shown[5:].min() == 1.0


def test_outlines_are_drawn_where_they_lie_in_the_image():
    (axes,) = panel_figure([panel()], "Found").axes
    (drawn,) = axes.patches
    assert drawn.get_path().get_extents().bounds == pytest.approx((10, 10, 20, 10), abs=1e-3)
    assert [text.get_text() for text in axes.texts] == ["100 m"]


def test_panels_that_fill_no_row_leave_an_empty_place():
    figure = panel_figure([panel()] * 4, "Found")
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2


def test_a_picture_appears_whole(tmp_path):
    path = plot_panels([panel(outlines={})], "Nothing found", tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"use \.png"):
        plot_panels([panel()], "Found", tmp_path / "a.nonsense")
    assert list(tmp_path.iterdir()) == [path]
