"""Stages that overlap: what comes of each item, and that nothing ever waits in vain."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing

import pytest

from rts_track.steps.detect_stages import MOST_WAITING, Queue, Stopped, overlapped

PATIENCE_S = 10.0


@pytest.fixture(autouse=True)
def no_deadlock():
    """A test that hangs fails, and no thread outlives it."""

    def fail(number, frame):
        raise TimeoutError("a stage waits in vain")

    before = set(threading.enumerate())
    former = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, former)
    assert set(threading.enumerate()) <= before


class Opened:
    """What was read of a number; it counts how often it was closed."""

    def __init__(self, number):
        self.number = number
        self.n_closed = 0

    def close(self):
        self.n_closed += 1


class World:
    """Reads numbers, and doubles them; remembers what it opened, and in which threads it worked."""

    def __init__(self, *, bad_reads=(), bad_computes=(), fault=ValueError):
        self.bad_reads, self.bad_computes, self.fault = bad_reads, bad_computes, fault
        self.opened = []
        self.threads = {}

    def read(self, number):
        self.threads.setdefault("read", set()).add(threading.current_thread())
        if number in self.bad_reads:
            raise self.fault(f"read {number}")
        self.opened.append(Opened(number))
        return self.opened[-1]

    def worker(self, name="one"):
        def make():
            thread = threading.current_thread()

            def compute(opened, check):
                assert threading.current_thread() is thread
                self.threads.setdefault(name, set()).add(thread)
                check()
                if opened.number in self.bad_computes:
                    raise self.fault(f"compute {opened.number}")
                return 2 * opened.number

            return compute

        return {name: make}

    def run(self, count, *more):
        workers = dict(self.worker())
        for name in more:
            workers |= self.worker(name)
        return overlapped(range(count), self.read, workers)

    def all_closed_once(self):
        return [each.n_closed for each in self.opened] == [1] * len(self.opened)


def test_one_worker_gives_outcomes_in_the_order_of_the_items():
    world = World()
    outcomes = list(world.run(20))
    assert [each.item for each in outcomes] == list(range(20))
    assert [each.made for each in outcomes] == [2 * number for number in range(20)]
    assert {each.worker for each in outcomes} == {"one"}
    assert all(each.error is None for each in outcomes)
    assert world.all_closed_once()


def test_several_workers_do_each_item_once():
    world = World()
    outcomes = list(world.run(50, "two", "three"))
    assert sorted(each.made for each in outcomes) == [2 * number for number in range(50)]
    assert world.all_closed_once()
    assert all(len(threads) == 1 for threads in world.threads.values())
    assert world.threads["read"].isdisjoint({threading.main_thread()})


def test_nothing_to_do_comes_to_nothing():
    assert list(World().run(0)) == []


def test_a_single_item_of_a_single_worker_is_done_in_the_calling_thread():
    world = World()
    (outcome,) = world.run(1)
    assert outcome.made == 0
    assert world.threads == {
        "read": {threading.main_thread()},
        "one": {threading.main_thread()},
    }
    assert world.all_closed_once()


@pytest.mark.parametrize("count", [1, 4])
def test_what_a_stage_raises_is_its_items_outcome_and_the_next_goes_on(count):
    world = World(bad_reads=(0,), bad_computes=(2,))
    outcomes = list(world.run(count))
    assert [each.item for each in outcomes] == list(range(count))
    said = {each.item: str(each.error) for each in outcomes if each.error}
    assert said == {0: "read 0"} | ({2: "compute 2"} if count > 2 else {})
    assert all((each.made is None) == (each.error is not None) for each in outcomes)
    assert world.all_closed_once()


@pytest.mark.parametrize("more", [(), ("two",)])
@pytest.mark.parametrize("where", ["bad_reads", "bad_computes"])
def test_a_thread_that_dies_ends_all_and_says_of_what(where, more):
    class Dead(BaseException):
        pass

    world = World(**{where: (3,)}, fault=Dead)
    with pytest.raises(Dead, match="3"), closing(world.run(30, *more)) as outcomes:
        list(outcomes)
    assert world.all_closed_once()


def test_a_worker_that_cannot_be_made_ends_all_before_anything_is_read():
    world = World()

    def make():
        raise LookupError("no such device")

    with pytest.raises(LookupError, match="no such device"):
        list(overlapped(range(5), world.read, {**world.worker(), "two": make}))
    assert world.opened == []


def test_stages_overlap():
    """Reading is ahead of computing, and computing ahead of who takes what comes of it."""
    was_read, was_computed = threading.Event(), threading.Event()

    def read(number):
        if number == 1:
            was_read.set()
        return Opened(number)

    def make():
        def compute(opened, check):
            if opened.number == 0:
                assert was_read.wait(PATIENCE_S / 2)
            if opened.number == 1:
                was_computed.set()
            return opened.number

        return compute

    for outcome in overlapped(range(3), read, {"one": make}):
        assert outcome.error is None
        if outcome.item == 0:
            assert was_computed.wait(PATIENCE_S / 2)


def test_few_items_wait_however_slow_the_taker():
    world = World()
    most_open = 0
    for taken, _ in enumerate(world.run(30), start=1):
        time.sleep(0.005)
        most_open = max(most_open, len(world.opened) - taken)
    # two wait to be taken, one waits to join them, two wait to be computed, one to join them
    assert most_open <= 2 * MOST_WAITING + 2


def test_a_slow_item_stalls_only_its_own_worker():
    others_are_done = threading.Event()

    def read(number):
        return Opened(number)

    def make():
        def compute(opened, check):
            if opened.number == 0:
                assert others_are_done.wait(PATIENCE_S / 2)
            return opened.number

        return compute

    done = []
    for outcome in overlapped(range(10), read, {"one": make, "two": make}):
        assert outcome.error is None
        done.append(outcome.item)
        if len(done) == 9:
            others_are_done.set()
    assert done == [*range(1, 10), 0]


@pytest.mark.parametrize("more", [(), ("two",)])
def test_a_caller_who_wants_no_more_ends_all_threads_and_all_is_closed(more):
    world = World()
    with closing(world.run(1_000, *more)) as outcomes:
        next(outcomes)
    assert len(world.opened) < 20
    assert world.all_closed_once()


def test_who_computes_for_long_is_told_to_stop():
    began = threading.Event()
    n_checked = 0

    def make():
        def compute(opened, check):
            nonlocal n_checked
            if opened.number == 1:
                began.set()
                while True:
                    check()
                    n_checked += 1
                    time.sleep(0.001)
            return opened.number

        return compute

    with closing(overlapped(range(5), Opened, {"one": make})) as outcomes:
        assert next(outcomes).item == 0
        assert began.wait(PATIENCE_S / 2)
    assert n_checked < PATIENCE_S / 0.001


def test_an_interruption_while_waiting_ends_all_threads():
    world = World()

    def make():
        def compute(opened, check):
            while True:
                check()
                time.sleep(0.001)

        return compute

    interrupt = threading.Timer(0.05, os.kill, args=(os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        list(overlapped(range(5), world.read, {"one": make}))
    interrupt.join()
    assert world.all_closed_once()


def test_seconds_are_those_of_reading_and_of_computing():
    def read(number):
        time.sleep(0.03)
        return Opened(number)

    def make():
        return lambda opened, check: time.sleep(0.06)

    for outcome in overlapped(range(2), read, {"one": make}):
        assert 0.03 <= outcome.read_s < outcome.compute_s
        assert outcome.compute_s >= 0.06
        assert outcome.started_at.tzinfo is not None


def test_a_queue_that_was_stopped_tells_all_who_use_it():
    queue = Queue(n_senders=1)
    queue.put(1)
    queue.put(2)
    assert queue.stop() == [1, 2]
    assert queue.stop() == []
    with pytest.raises(Stopped):
        queue.put(3)
    with pytest.raises(Stopped):
        list(queue)


def test_a_queue_is_over_when_every_sender_has_ended():
    queue = Queue(n_senders=2, most=5)
    queue.put("a")
    queue.end()
    queue.put("b")
    queue.end()
    assert list(queue) == ["a", "b"]
