"""Arrays carried to a device and back. What only a CUDA device has is asked for here alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class Copies:
    """Carries arrays to a device while it computes; to be used by one thread.

    On a CUDA device they go through pinned memory on a stream of their own. torch keeps pinned
    memory for the next copy of that size, so as much of it is held as two scenes need that are
    on their way. Elsewhere a copy is the array itself.
    """

    def __init__(self, device: torch.device) -> None:
        """Of the device that copies go to."""
        self.device = device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch's own

    @contextmanager
    def going(self) -> Iterator[None]:
        """What is put within goes beside all that the device is at."""
        if self._stream is None:
            yield
        else:
            with torch.cuda.stream(self._stream):
                yield

    def put(self, array: NDArray[Any]) -> torch.Tensor:
        """The array on the device, as soon as it is there: see `mark`. It must not be changed."""
        given = torch.from_numpy(np.ascontiguousarray(array))
        if self._stream is None:
            return given.to(self.device)
        return given.pin_memory().to(self.device, non_blocking=True)

    def mark(self) -> torch.cuda.Event | None:
        """What stands for all that was put so far; to be waited for by `arrived`."""
        return None if self._stream is None else self._stream.record_event()

    def arrived(self, mark: torch.cuda.Event | None, tensors: Iterable[torch.Tensor]) -> None:
        """Let what is computed from now on wait for these tensors."""
        if mark is None:
            return
        computing = torch.cuda.current_stream(self.device)
        computing.wait_event(mark)
        for tensor in tensors:
            tensor.record_stream(computing)  # its memory is not reused before that is done with it

    def free_bytes(self) -> int | None:
        """How much memory can still be had on the device; None: nobody knows."""
        if self.device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self.device)
        held = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return free + held

    def let_go(self) -> None:
        """Give back what torch holds of the device's memory and does not use."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
