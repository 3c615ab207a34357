"""Work in stages that overlap: read | compute | write, with few items waiting in between.

One thread reads ahead, one thread a worker computes, and the calling thread takes what comes of
it. A stage waits for another only at a queue that is full or empty, and whatever ends the work
ends all of its threads: a fault, an interruption, or a caller who wants no more.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

MOST_WAITING = 2
"""Items that wait at a queue: enough for stages that take turns in being slow; and each is a scene
in memory."""


class Closeable(Protocol):
    """What was read, and may hold something open."""

    def close(self) -> None:
        """Let go of it."""


Item = TypeVar("Item")
Opened = TypeVar("Opened", bound=Closeable)
Made = TypeVar("Made")

Check = Callable[[], None]
"""Raises `Stopped` once the work is stopped: whoever computes for long asks now and then."""
Compute = Callable[[Opened, Check], Made]
Workers = Mapping[str, Callable[[], Compute[Opened, Made]]]
"""By the workers' names, what makes them: it is called once, in the worker's own thread."""


class Stopped(BaseException):
    """The work has been stopped. It is no fault, and what handles faults lets it pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[Item, Made]):
    """What came of one item.

    Attributes:
        item: the item.
        worker: who worked on it.
        made: what was made of it; None where it failed.
        error: why it failed, in reading or computing; None where it did not.
        started_at: when its reading began.
        read_s: seconds in which it was read.
        compute_s: seconds in which it was computed.
    """

    item: Item
    worker: str
    made: Made | None
    error: Exception | None
    started_at: dt.datetime
    read_s: float
    compute_s: float


def overlapped(
    items: Sequence[Item], read: Callable[[Item], Opened], workers: Workers[Opened, Made]
) -> Generator[Outcome[Item, Made], None, None]:
    """What came of each item, as soon as it is known; of one worker alone in the items' order.

    To be closed (`contextlib.closing`) by who may not take all. What `read` or a worker raises is
    the item's outcome, and the next one goes on; what is read is closed in any case. A single item
    of a single worker is done in the calling thread: nothing overlaps.

    Args:
        items: what is to be done.
        read: opens an item; called in one thread, for one item after the other.
        workers: those who compute, each in a thread of its own.

    Raises:
        Exception: what kept a worker from being made; no outcome came before.
    """
    if len(items) == 1 and len(workers) == 1:
        ((name, make),) = workers.items()
        compute = make()
        yield _computed(_opened(items[0], read), name, compute, _never)
        return
    stages: _Stages[Item, Opened, Made] = _Stages(len(workers))
    try:
        stages.start_workers(workers)
        stages.start_reader(items, read)
        yield from stages.outcomes()
    finally:
        stages.end()


class Queue(Generic[Item]):
    """Items on their way from threads to threads, in their order; few of them wait."""

    def __init__(self, n_senders: int, most: int = MOST_WAITING) -> None:
        """An empty one, which is over when each of the senders has ended."""
        self._changed = threading.Condition()
        self._items: deque[Item] = deque()
        self._most = most
        self._n_senders = n_senders
        self._is_stopped = False

    def put(self, item: Item) -> None:
        """Let the item wait, once there is room; `Stopped` if nobody will take it."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or len(self._items) < self._most)
            self.check()
            self._items.append(item)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        """The items as they come, until all senders have ended; raises `Stopped`."""
        while taken := self._take():
            yield taken.pop()

    def end(self) -> None:
        """One of the senders has no more."""
        with self._changed:
            self._n_senders -= 1
            self._changed.notify_all()

    def stop(self) -> list[Item]:
        """Let all who use it be told; what was waiting."""
        with self._changed:
            self._is_stopped = True
            left = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return left

    def check(self) -> None:
        """Raise `Stopped` if it was stopped."""
        if self._is_stopped:
            raise Stopped

    def _take(self) -> list[Item]:
        """The next item alone, or none; no reference is kept to it."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or self._items or self._n_senders == 0)
            self.check()
            taken = [self._items.popleft()] if self._items else []
            self._changed.notify_all()
            return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read(Generic[Item, Opened]):
    """An item that was read, or why it could not be."""

    item: Item
    opened: Opened | None
    error: Exception | None
    started_at: dt.datetime
    seconds: float

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()


class _Stages(Generic[Item, Opened, Made]):
    """The threads and the queues between them."""

    def __init__(self, n_workers: int) -> None:
        self._read: Queue[_Read[Item, Opened]] = Queue(1)
        self._made: Queue[Outcome[Item, Made]] = Queue(n_workers)
        self._threads: list[threading.Thread] = []
        self._fault: BaseException | None = None

    def start_workers(self, workers: Workers[Opened, Made]) -> None:
        """Start them, and wait until all are made; what kept one from it is raised."""
        are_made = []
        for name, make in workers.items():
            is_made: Future[None] = Future()
            self._start(name, self._work, name, make, is_made)
            are_made.append(is_made)
        for is_made in are_made:
            is_made.result()

    def start_reader(self, items: Sequence[Item], read: Callable[[Item], Opened]) -> None:
        """Start reading ahead."""
        self._start("reader", self._read_ahead, items, read)

    def outcomes(self) -> Iterator[Outcome[Item, Made]]:
        """What came of the items; the fault of which a thread died."""
        try:
            yield from self._made
        except Stopped:
            if self._fault is None:
                raise
            raise self._fault from None

    def end(self) -> None:
        """Stop what goes on, wait until it has, and close what was left."""
        left = self._stop()
        for thread in self._threads:
            thread.join()
        for each in left:
            each.close()

    def _start(self, name: str, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=self._run, args=(work, *given), name=f"detect {name}")
        thread.start()
        self._threads.append(thread)

    def _run(self, work: Callable[..., None], *given: object) -> None:
        try:
            work(*given)
        except Stopped:
            pass
        except BaseException as fault:  # a thread that dies must not leave the others waiting
            self._fault = fault
            for left in self._stop():
                left.close()

    def _stop(self) -> list[_Read[Item, Opened]]:
        self._made.stop()
        return self._read.stop()

    def _read_ahead(self, items: Sequence[Item], read: Callable[[Item], Opened]) -> None:
        for item in items:
            self._read.check()
            opened = _opened(item, read)
            try:
                self._read.put(opened)
            except Stopped:
                opened.close()
                raise
            del opened
        self._read.end()

    def _work(
        self, name: str, make: Callable[[], Compute[Opened, Made]], is_made: Future[None]
    ) -> None:
        try:
            compute = make()
        except BaseException as fault:
            is_made.set_exception(fault)
            return
        is_made.set_result(None)
        for opened in self._read:
            self._made.put(_computed(opened, name, compute, self._read.check))
            del opened
        self._made.end()


def _opened(item: Item, read: Callable[[Item], Opened]) -> _Read[Item, Opened]:
    started_at, started = dt.datetime.now(dt.UTC), time.monotonic()
    opened, error = None, None
    try:
        opened = read(item)
    except Exception as fault:  # the caller knows which of them to raise
        error = fault
    return _Read(
        item=item,
        opened=opened,
        error=error,
        started_at=started_at,
        seconds=time.monotonic() - started,
    )


def _computed(
    read: _Read[Item, Opened], name: str, compute: Compute[Opened, Made], check: Check
) -> Outcome[Item, Made]:
    started = time.monotonic()
    made, error = None, read.error
    if read.opened is not None:
        try:
            with closing(read.opened) as opened:
                made = compute(opened, check)
        except Exception as fault:
            error = fault
    return Outcome(
        item=read.item,
        worker=name,
        made=made,
        error=error,
        started_at=read.started_at,
        read_s=read.seconds,
        compute_s=time.monotonic() - started,
    )


def _never() -> None:
    """Nobody stops what is done in the calling thread."""
