"""Digests of what was read."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from rts_track.steps.runs import rows_digest

ROWS = [
    {"name": "a", "area": 1.0, "season": 2018, "is_clipped": True, "on": dt.date(2018, 8, 1)},
    {"name": None, "area": None, "season": 2019, "is_clipped": None, "on": None},
    {"name": "ccc", "area": 3.0, "season": None, "is_clipped": False, "on": dt.date(2020, 8, 1)},
]


def table(rows=ROWS):
    schema = pa.schema(
        [
            ("name", pa.string()),
            ("area", pa.float64()),
            ("season", pa.int32()),
            ("is_clipped", pa.bool_()),
            ("on", pa.date32()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def test_equal_rows_have_equal_digests_however_they_are_held():
    sliced = table([ROWS[2], *ROWS, ROWS[0]]).slice(1, 3)
    chunked = pa.concat_tables([table(ROWS[:1]), table([]), table(ROWS[1:])])
    assert rows_digest(sliced) == rows_digest(chunked) == rows_digest(table())


def test_what_lies_behind_a_null_does_not_count():
    def column(behind):
        values = pa.array([1.0, behind, 3.0]).buffers()[1]
        validity = pa.array([1.0, None, 3.0]).buffers()[0]
        return pa.table({"area": pa.Array.from_buffers(pa.float64(), 3, [validity, values])})

    assert rows_digest(column(7.0)) == rows_digest(column(8.0))
    assert rows_digest(column(7.0)) == rows_digest(pa.table({"area": [1.0, None, 3.0]}))


@pytest.mark.parametrize(
    "other",
    [
        [ROWS[0], ROWS[2], ROWS[1]],
        ROWS[:2],
        [{**ROWS[0], "name": "b"}, *ROWS[1:]],
        [{**ROWS[0], "name": None}, {**ROWS[1], "name": "a"}, ROWS[2]],
        [{**ROWS[0], "name": "ac"}, ROWS[1], {**ROWS[2], "name": "cc"}],
        [{**ROWS[0], "area": None}, *ROWS[1:]],
        [{**ROWS[0], "is_clipped": False}, *ROWS[1:]],
        [{**ROWS[0], "on": dt.date(2018, 8, 2)}, *ROWS[1:]],
    ],
)
def test_any_difference_shows(other):
    assert rows_digest(table(other)) != rows_digest(table())


def test_names_of_columns_and_borders_between_tables_count():
    one, other = table(ROWS[:1]), table(ROWS[1:])
    assert rows_digest(
        table().rename_columns(["name", "size", "season", "c", "on"])
    ) != rows_digest(table())
    assert rows_digest(one, other) != rows_digest(table())


def test_a_column_that_cannot_be_digested_is_refused():
    with pytest.raises(TypeError, match="list"):
        rows_digest(pa.table({"parts": [[1, 2], [3]]}))
