"""Counts, rate and time left, on a clock that moves when it is told to."""

import pytest

from pulse_assets.execution.batch_task import BatchSummary
from pulse_assets.execution.tally import NoProgress, RunTally


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Watcher:
    def __init__(self):
        self.seen = []

    def start(self, total):
        self.seen.append(total)

    def update(self, status, batch):
        self.seen.append((status, batch))


@pytest.fixture
def clock():
    return Clock()


def test_each_batch_is_told_once_with_its_outcome(clock):
    watcher = Watcher()
    tally = RunTally(4, watcher, clock)
    tally.add(BatchSummary("a", "completed", seconds=2.0))
    tally.add(BatchSummary("b", "completed", seconds=0.5, unchanged=True))
    tally.add(BatchSummary("c", "skipped"))
    tally.add(BatchSummary("d", "failed", seconds=1.0))
    assert watcher.seen == [
        4,
        ("completed", "a"),
        ("unchanged", "b"),
        ("skipped", "c"),
        ("failed", "d"),
    ]
    assert tally.failed == ["d"]
    assert tally.sequential_seconds == 3.5


def test_a_line_is_due_every_ten_seconds_and_at_the_end(clock):
    tally = RunTally(4, NoProgress(), clock)
    tally.add(BatchSummary("a", "completed"))
    clock.now += 9.9
    assert tally.due_line() is None
    tally.add(BatchSummary("b", "failed"))
    clock.now += 0.1
    # 2 in 10 s are 0.2 a second; the 2 that are left take 10 s.
    assert tally.due_line() == "2 of 4 batches (1 completed, 1 failed); 0.2 a second, 0:00:10 left"
    assert tally.due_line() is None
    tally.add(BatchSummary("c", "completed"))
    tally.add(BatchSummary("d", "skipped"))
    clock.now += 6
    assert tally.due_line() == (
        "4 of 4 batches (2 completed, 1 failed, 1 skipped); 0.2 a second, 0:00:00 left"
    )
    assert tally.elapsed == 16


def test_without_a_batch_the_time_left_is_unknown(clock):
    tally = RunTally(2, NoProgress(), clock)
    clock.now += 11
    assert tally.due_line() == "0 of 2 batches (); 0.0 a second, unknown left"


def test_a_clock_that_stands_still_divides_by_nothing(clock):
    tally = RunTally(1, NoProgress(), clock)
    tally.add(BatchSummary("a", "completed"))
    assert tally.due_line().endswith("0:00:00 left")
