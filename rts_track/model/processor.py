"""What the processor's memory and cores allow."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from functools import cache
from pathlib import Path

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
_LARGEST_KEPT_BYTES = 1 << 30
_NEVER = (1 << 31) - 1
"""glibc's mallopt(3): its parameters' numbers, and values."""

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux tells how much of the cores a container may use: a time, or `max`, and a period."""

_log = logging.getLogger(__name__)


@cache
def settle() -> None:
    """Make this process ready for networks on its processor; once is enough.

    Best called before threads are started: those that are there already keep less of the gain.
    """
    _keep_freed_memory()
    _keep_to_cores()


def _keep_freed_memory() -> None:
    """Let this process keep memory that it has freed, for its next tensors.

    Else the GNU C library hands each large tensor's memory back to the system, and the next one's
    pages are all made anew: a fifth of the time of a UNet++ with windows of 1024 px. Threads
    share one pool, as large tensors fit into no other. Elsewhere than under that library nothing
    is changed.
    """
    if not sys.platform.startswith("linux"):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return
    for option, value in (
        (_ARENA_MAX, 1),
        (_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES),
        (_TRIM_THRESHOLD, _NEVER),
    ):
        set_option(option, value)


def _keep_to_cores() -> None:
    """Compute with no more threads than the process may use cores, unless OMP_NUM_THREADS says so.

    Torch takes a thread for each physical core of the machine, which are more than a container may
    use: they would wait for each other.
    """
    import torch

    allowed = _cores_allowed(_CPU_MAX)
    if "OMP_NUM_THREADS" in os.environ or allowed is None or allowed >= torch.get_num_threads():
        return
    torch.set_num_threads(allowed)
    _log.info("%d threads, as many as this container may use cores", allowed)


def _cores_allowed(told_in: Path) -> int | None:
    """How many cores a container may use, 1 or more; None where nothing limits it."""
    try:
        time, period = told_in.read_text(encoding="ascii").split()
        return None if time == "max" else max(int(time) // int(period), 1)
    except (OSError, ValueError, ZeroDivisionError):
        return None
