"""Contract tables into a history."""

from __future__ import annotations

import pyarrow as pa

from rts_track.growth.tables import followed_scenes


def footprints(*rows):
    names = ("footprint_id", "outline_id", "scene_id", "area_m2")
    schema = pa.schema([(name, pa.string()) for name in names[:3]] + [("area_m2", pa.float64())])
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)


OUTLINES = pa.table({"outline_id": ["one", "two"], "area_m2": [100.0, 50.0]})


def test_an_outline_follows_its_footprint_of_closest_area():
    found = followed_scenes(
        footprints(
            ("a", "one", "far", 140.0), ("b", "one", "near", 101.0), ("c", "two", "only", 90.0)
        ),
        OUTLINES,
    )
    assert found == {"one": "near", "two": "only"}


def test_of_footprints_equally_close_the_first_by_id_is_followed():
    found = followed_scenes(
        footprints(("b", "one", "second", 110.0), ("a", "one", "first", 90.0)), OUTLINES
    )
    assert found == {"one": "first"}


def test_footprints_of_no_scene_or_of_other_outlines_give_none():
    rows = footprints(
        ("a", "one", None, 100.0), ("b", "else", "scene", 50.0), ("c", None, "scene", 50.0)
    )
    assert followed_scenes(rows, OUTLINES) == {}
    assert followed_scenes(footprints(), OUTLINES) == {}
