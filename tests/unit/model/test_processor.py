import platform
import resource
import subprocess
import sys

import pytest
import torch

from rts_track.model import processor


@pytest.mark.parametrize(
    ("told", "allowed"),
    [("max 100000", None), ("200000 100000", 2), ("150000 100000", 1), ("5000 100000", 1)],
)
def test_a_containers_share_of_the_cores_is_read(tmp_path, told, allowed):
    file = tmp_path / "cpu.max"
    file.write_text(told + "\n")
    assert processor._cores_allowed(file) == allowed


@pytest.mark.parametrize("told", [None, "", "much", "1 0"])
def test_where_nothing_is_told_nothing_limits(tmp_path, told):
    file = tmp_path / "cpu.max"
    if told is not None:
        file.write_text(told)
    assert processor._cores_allowed(file) is None


@pytest.fixture
def container(tmp_path, monkeypatch):
    """A container that may use two cores of a machine for which torch has taken four threads."""
    file = tmp_path / "cpu.max"
    file.write_text("200000 100000")
    monkeypatch.setattr(processor, "_CPU_MAX", file)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(4)


def test_no_more_threads_than_cores_are_used(container):
    processor._keep_to_cores()
    assert torch.get_num_threads() == 2


def test_threads_are_never_made_more(container):
    torch.set_num_threads(1)
    processor._keep_to_cores()
    assert torch.get_num_threads() == 1


def test_threads_that_were_asked_for_are_left(container, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    processor._keep_to_cores()
    assert torch.get_num_threads() == 4


_FAULTS = """
import resource, threading
from rts_track.model import processor
if {is_settled}:
    processor._keep_freed_memory()
def work():
    for _ in range(12):
        b"x" * (64 << 20)
worker = threading.Thread(target=work)
worker.start()
worker.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_a_thread_makes_the_next_large_thing_of_memory_that_it_has_freed():
    faults = [
        int(subprocess.check_output([sys.executable, "-c", _FAULTS.format(is_settled=settled)]))
        for settled in (False, True)
    ]
    pages = (64 << 20) // resource.getpagesize()
    assert faults[0] - faults[1] > 10 * pages
