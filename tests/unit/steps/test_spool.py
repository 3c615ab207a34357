"""Tables that wait on disk."""

import pyarrow as pa
import pytest

from rts_track.steps.spool import SparingWorkers, open_spool
from rts_track.steps.tiles import Serial

ROWS = pa.table({"name": ["a", "b", "c"], "area_m2": [1.0, None, 3.0]})


def test_what_is_kept_is_read_as_it_was_however_often_its_memory_is_given_back():
    with open_spool() as spool:
        kept = spool.keep(ROWS)
        assert kept.equals(ROWS)
        spool.let_go()
        assert kept.equals(ROWS)


def test_parts_are_chunks_of_one_table():
    with open_spool() as spool:
        kept = spool.keep_parts(ROWS.slice(start, 1) for start in range(3))
        assert kept.equals(ROWS)
        assert [len(chunk) for chunk in kept["name"].chunks] == [1, 1, 1]


def test_parts_without_rows_make_a_table_without_rows():
    with open_spool() as spool:
        assert spool.keep_parts([ROWS.slice(0, 0)]).schema == ROWS.schema


def test_parts_are_made_one_by_one_and_written_before_the_next():
    with open_spool() as spool:
        drawer = spool.open_drawer()
        drawer.add(ROWS)
        drawer.add(ROWS.slice(1))
        assert drawer.close().num_rows == 5


def test_two_drawers_are_two_tables():
    with open_spool() as spool:
        one, other = spool.open_drawer(), spool.open_drawer()
        other.add(ROWS.slice(2))
        one.add(ROWS)
        assert (one.close().num_rows, other.close().num_rows) == (3, 1)


def test_nothing_is_left_of_it_afterwards():
    with open_spool() as spool:
        spool.keep(ROWS)
        folder = spool._folder
        assert len(list(folder.iterdir())) == 1
    assert not folder.exists()


@pytest.mark.parametrize("n", [0, 3])
def test_sparing_workers_bring_what_the_others_do(n):
    with open_spool() as spool:
        kept = spool.keep(ROWS)
        workers = SparingWorkers(Serial(), spool)
        rows = workers.map(lambda row: kept["name"][row].as_py(), range(n))
        assert list(rows) == ROWS["name"].to_pylist()[:n]
