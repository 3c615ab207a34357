"""Measures of outlines, and when two are the same."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from rts_track.polygon.measure import measure, outline_digests, touches_border


def array(*geometries: shapely.Geometry) -> np.ndarray:
    return np.array(geometries, dtype=object)


def digest(geometry: shapely.Geometry) -> str:
    return outline_digests(array(geometry))[0]


SQUARE = shapely.box(1_000_000, -2_000_000, 1_000_100, -1_999_900)


def test_measures_have_units_of_the_ground() -> None:
    measures = measure(array(SQUARE))

    assert measures.area_m2 == pytest.approx([10_000])
    assert measures.perimeter_m == pytest.approx([400], rel=5e-3)
    assert measures.lon == pytest.approx([26.565], abs=1e-2)


def test_no_polygons_have_no_measures() -> None:
    assert len(measure(array()).area_m2) == 0
    assert outline_digests(array()) == []


def test_an_outline_is_the_same_whichever_vertex_comes_first() -> None:
    xy = list(SQUARE.exterior.coords)[:-1]
    turned = shapely.Polygon([*xy[2:], *xy[:2]][::-1])

    assert digest(turned) == digest(SQUARE) == digest(shapely.MultiPolygon([SQUARE]))


def test_noise_below_a_decimetre_makes_no_other_outline() -> None:
    noise = np.random.default_rng(1).uniform(-0.04, 0.04, (5, 2))
    noise[-1] = noise[0]

    assert digest(shapely.transform(SQUARE, lambda xy: xy + noise)) == digest(SQUARE)


def test_an_edit_makes_another_outline() -> None:
    x, y = SQUARE.bounds[:2]
    edited = SQUARE.union(shapely.box(x - 0.5, y, x + 1, y + 50))

    assert digest(edited) != digest(SQUARE)


def test_no_outline_hangs_on_the_sign_of_zero() -> None:
    one = shapely.Polygon([(0.0, 0.0), (10, 0), (10, 10)])
    other = shapely.Polygon([(-0.0, 0.01), (10, -0.01), (10, 10)])

    assert digest(one) == digest(other)


def test_a_polygon_within_a_pixel_of_the_border_touches_it() -> None:
    area = shapely.box(0, 0, 1_000, 1_000)
    inside, near, across, outside = (
        shapely.box(at, 100, at + 50, 150) for at in (100, 948, 980, 1_010)
    )

    touching = touches_border(array(inside, near, across, outside), area, 3.0)

    assert list(touching) == [False, True, True, False]


def test_the_border_of_a_hole_is_a_border_too() -> None:
    area = shapely.box(0, 0, 1_000, 1_000).difference(shapely.box(400, 400, 600, 600))

    assert touches_border(array(shapely.box(300, 450, 399, 500)), area, 3.0)[0]
