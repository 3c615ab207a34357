from contextlib import contextmanager

import numpy as np
import pytest
import torch

from rts_track.model.device_copies import Copies

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device, and torch finds none"
)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int16, np.float32])
def test_elsewhere_than_on_cuda_a_copy_is_the_array_itself(dtype):
    copies = Copies(torch.device("cpu"))
    array = np.arange(12).reshape(3, 4).astype(dtype)
    with copies.going():
        put = copies.put(array)
    assert copies.mark() is None
    copies.arrived(None, [put])
    np.testing.assert_array_equal(put.numpy(), array)
    assert put.data_ptr() == array.ctypes.data
    assert copies.free_bytes() is None
    copies.let_go()


def test_an_array_that_is_no_block_of_memory_is_put_all_the_same():
    array = np.arange(24, dtype=np.uint16).reshape(4, 6)[::2, ::-2]
    put = Copies(torch.device("cpu")).put(array)
    np.testing.assert_array_equal(put.numpy(), array)


class Told:
    """Stands for a stream or a tensor of a CUDA device: tells what was asked of it."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def pin_memory(self):
        self.log.append(f"{self.name} pinned")
        return self

    def to(self, device, non_blocking):
        self.log.append(f"{self.name} to {device}, awaited: {not non_blocking}")
        return self

    def record_event(self):
        self.log.append(f"{self.name} marked")
        return "mark"

    def wait_event(self, mark):
        self.log.append(f"{self.name} awaits {mark}")

    def record_stream(self, stream):
        self.log.append(f"{self.name} is used in {stream.name}")


def test_on_cuda_copies_go_from_pinned_memory_beside_the_computing_which_awaits_them(monkeypatch):
    log = []

    @contextmanager
    def within(stream):
        log.append(f"in {stream.name}")
        yield
        log.append(f"out of {stream.name}")

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Told("copies", log))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Told("computing", log))
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(torch, "from_numpy", lambda array: Told(f"array of {len(array)}", log))
    copies = Copies(torch.device("cuda:1"))
    with copies.going():
        put = [copies.put(np.zeros(size)) for size in (3, 4)]
        mark = copies.mark()
    copies.arrived(mark, put)
    assert log == [
        "in copies",
        "array of 3 pinned",
        "array of 3 to cuda:1, awaited: False",
        "array of 4 pinned",
        "array of 4 to cuda:1, awaited: False",
        "copies marked",
        "out of copies",
        "computing awaits mark",
        "array of 3 is used in computing",
        "array of 4 is used in computing",
    ]


@pytest.mark.cuda
@needs_cuda
def test_on_a_cuda_device_arrays_arrive_as_they_are():
    copies = Copies(torch.device("cuda"))
    arrays = [np.arange(10**6, dtype=dtype) for dtype in (np.uint16, np.int16, np.float32)]
    with copies.going():
        put = [copies.put(array) for array in arrays]
        mark = copies.mark()
    copies.arrived(mark, put)
    for array, tensor in zip(arrays, put, strict=True):
        np.testing.assert_array_equal(tensor.cpu().numpy(), array)


@pytest.mark.cuda
@needs_cuda
def test_a_cuda_device_knows_how_much_memory_is_free():
    assert Copies(torch.device("cuda")).free_bytes() > 10**8
