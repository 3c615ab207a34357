"""How far boundaries lie apart, of shapes of which it can be told by hand."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from rts_track import grid
from rts_track.polygon.boundary import boundary_errors

ORIGIN = (-1_500_000.0, 1_200_000.0)


def ground(shape):
    """The shape, drawn in metres east and north on the ground, in EPSG:6931."""

    def to_plane(xy):
        at = np.broadcast_to(ORIGIN, xy.shape)
        return np.column_stack(grid.from_ground(xy[:, 0], xy[:, 1], at[:, 0], at[:, 1])) + ORIGIN

    return shapely.transform(shape, to_plane)


def errors(found, true, **options):
    pair = (np.array([ground(each)], dtype=object) for each in (found, true))
    told = boundary_errors(*pair, **options)
    return told.mean_m[0], told.p95_m[0], told.offset_m[0]


def circle(radius):
    return shapely.Point(0, 0).buffer(radius, 128)


def test_the_same_boundary_is_no_distance_away():
    assert errors(circle(50), circle(50)) == pytest.approx((0, 0, 0), abs=1e-6)


def test_a_wider_circle_lies_outward_by_the_difference_of_radii():
    assert errors(circle(60), circle(50)) == pytest.approx((10, 10, 10), rel=0.01)


def test_a_narrower_circle_lies_inward():
    assert errors(circle(50), circle(60)) == pytest.approx((10, 10, -10), rel=0.01)


def test_a_shifted_box_is_no_larger():
    mean_m, p95_m, offset_m = errors(shapely.box(4, 0, 104, 100), shapely.box(0, 0, 100, 100))
    assert offset_m == pytest.approx(0, abs=0.05)
    assert mean_m == pytest.approx(2, abs=0.15)
    assert p95_m == pytest.approx(4, abs=0.01)


def test_lengths_are_those_of_the_ground_not_of_the_plane():
    east = errors(shapely.box(0, 0, 120, 100), shapely.box(0, 0, 100, 100))
    north = errors(shapely.box(0, 0, 100, 120), shapely.box(0, 0, 100, 100))
    assert east == pytest.approx(north, rel=0.01)
    assert east[1] == pytest.approx(20, rel=0.001)


def test_a_missed_hole_counts():
    ring = circle(100).difference(circle(30))
    mean_m, p95_m, offset_m = errors(circle(100), ring)
    assert p95_m == pytest.approx(70, rel=0.01)
    assert offset_m == pytest.approx(mean_m)


def test_a_long_spike_moves_the_mean_little_and_the_percentile_not():
    spike = shapely.union(shapely.box(0, 0, 100, 100), shapely.box(100, 49.9, 108, 50.1))
    mean_m, p95_m, _ = errors(spike, shapely.box(0, 0, 100, 100))
    assert 0.0 < mean_m < 0.4
    assert p95_m < 0.2


@given(st.floats(-40, 40), st.floats(0.5, 2.0))
def test_swapping_both_changes_the_side_alone(shift_m, stretch):
    one, other = shapely.box(0, 0, 80, 60), shapely.box(shift_m, 0, shift_m + 80 * stretch, 60)
    there, back = errors(one, other, step_m=2.0), errors(other, one, step_m=2.0)
    assert there[:2] == pytest.approx(back[:2], abs=0.01)
    assert there[2] == pytest.approx(-back[2], abs=0.01)
    assert abs(there[2]) <= there[0] + 1e-9


def along(shape, every_m=0.05):
    """Points so far apart along all rings of a shape."""
    rings = shapely.get_rings(shapely.get_parts(shape))
    at_m = [np.arange(every_m / 2, ring.length, every_m) for ring in rings]
    return np.concatenate(
        [shapely.line_interpolate_point(*pair) for pair in zip(rings, at_m, strict=True)]
    )


HOLED = shapely.box(0, 0, 80, 60).difference(shapely.box(20, 20, 35, 35))
TWO_PARTS = shapely.union(shapely.box(-5, 2, 60, 70), shapely.box(66, -3, 90, 20))
SPECK = shapely.box(0, 0, 80, 60).difference(shapely.box(37, 27, 43, 33))
"""The hole is as far from the outer boundary as can be, and its boundary is short."""


@pytest.mark.parametrize(
    ("found", "true", "step_m"),
    [
        (TWO_PARTS, HOLED, 0.5),
        (HOLED, TWO_PARTS, 0.5),
        (SPECK, shapely.box(0, 0, 80, 60), 0.5),
        (SPECK, shapely.box(0, 0, 80, 60), 20.0),
    ],
)
def test_every_metre_of_either_boundary_counts_alike(found, true, step_m):
    """As points that lie much closer say it, each of them counting once."""
    one, other = along(found), along(true)
    distance = np.concatenate(
        [
            shapely.distance(one, shapely.boundary(true)),
            shapely.distance(other, shapely.boundary(found)),
        ]
    )
    is_out = np.concatenate(
        [~shapely.intersects(true, one), shapely.contains_properly(found, other)]
    )
    mean_m, p95_m, offset_m = errors(found, true, step_m=step_m)
    assert mean_m == pytest.approx(distance.mean(), rel=0.03, abs=0.05)
    assert p95_m == pytest.approx(np.percentile(distance, 95), rel=0.03, abs=0.05)
    assert offset_m == pytest.approx(np.where(is_out, distance, -distance).mean(), abs=0.2)


def test_no_pairs_have_no_errors():
    nothing = np.empty(0, dtype=object)
    assert len(boundary_errors(nothing, nothing).mean_m) == 0
