"""Files appear whole or not at all."""

import os

import pytest

from rts_track.writing import appearing


def test_a_file_takes_its_place_only_when_it_is_done(tmp_path):
    path = tmp_path / "answer.csv"
    path.write_text("before", encoding="utf-8")
    with appearing(path) as beside:
        beside.write_text("after", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "before"
    assert path.read_text(encoding="utf-8") == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "answer.csv"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(ZeroDivisionError), appearing(path) as beside:
        beside.write_text("half", encoding="utf-8")
        raise ZeroDivisionError
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_and_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with appearing(pipe) as given:
        assert given == pipe
    assert pipe.is_fifo()
