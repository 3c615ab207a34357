"""Active zones move: what moved clear of itself is still one slump, if it moved as it could."""

import pyarrow as pa
import pytest

from rts_track.contract import arrow_schema
from rts_track.grid import to_ground
from rts_track.steps.linking import link

ORIGIN = (-1_500_000.0, 1_200_000.0)
"""Where stories take place, in EPSG:6931."""


@pytest.fixture
def zone(story):
    """Draws an active zone: 40 m wide, its west side there."""
    story.source("change", kind="active_zone")

    def draw(season, west_m, **more):
        shape = (west_m, 0, west_m + 40, 40)
        return story.slump(season, f"at {west_m}", shape, source="change", **more)

    return draw


def test_a_zone_that_moved_clear_of_itself_is_followed(story, zone):
    first, moved = zone(2018, 0), zone(2019, 65)
    link(story.store)
    assert story.track_of(first) == story.track_of(moved)
    (found,) = story.store.read("link").to_pylist()
    assert (found["kind"], found["overlap_m2"]) == ("main", 0.0)
    assert found["distance_m"] == pytest.approx(25.0, abs=0.5)


def test_a_zone_is_not_followed_further_than_zones_move(story, zone):
    first, other = zone(2018, 0), zone(2019, 75)
    link(story.store)
    assert story.track_of(first) != story.track_of(other)


def test_a_zone_that_hardly_overlaps_where_it_was_is_the_same_one(story, zone):
    first, moved = zone(2018, 0), zone(2019, 38)
    link(story.store)
    assert story.track_of(first) == story.track_of(moved)


def test_a_landform_that_moved_clear_of_itself_is_another(story):
    first = story.slump(2018, "a", (0, 0, 40, 40))
    other = story.slump(2019, "b", (65, 0, 105, 40))
    link(story.store)
    assert story.track_of(first) != story.track_of(other)


def test_a_zone_is_looked_for_where_it_was_heading(story, zone):
    found = [zone(2018, 0), zone(2019, 30), zone(2022, 120)]
    link(story.store)
    assert len({story.track_of(each) for each in found}) == 1


def test_what_scenes_lie_off_is_no_drift_of_a_zone(story, zone):
    story.scene("old", 2018, source="change")
    story.scene("new", 2019, source="change")
    east_m, north_m = to_ground(30.0, 0.0, *ORIGIN)
    shift = {"scene_a": "old", "scene_b": "new", "dx_m": float(east_m), "dy_m": float(north_m)}
    shift |= {"se_m": 0.5, "n": 99, "method": "coregistration", "is_applied": True}
    rows = pa.Table.from_pylist([shift], schema=arrow_schema("scene_shift"))
    story.store.upsert("scene_shift", rows)
    first = [zone(2018, 0, scene="old"), zone(2019, 30, scene="new")]
    stranger = zone(2022, 120)
    link(story.store)
    assert len({story.track_of(each) for each in first}) == 1
    assert story.track_of(stranger) != story.track_of(first[0])
