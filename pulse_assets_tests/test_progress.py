"""Progress on a terminal and in a pipe, the first line, and phases that take long."""

import io

import pytest
from rich.console import Console

from pulse_assets.cli.progress import TrainingProgress
from pulse_assets_tests.test_terminal import live_console, plain_console, printed


class Clock:
    """Moves only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_plain_progress_is_one_line_every_ten_seconds():
    console, clock = plain_console(), Clock()
    with TrainingProgress(console, clock=clock) as progress:
        progress.start(total=8)
        for number, status in enumerate(
            ["unchanged", "completed", "failed", "skipped", "completed"]
        ):
            clock.now += 4
            progress.update(status, f"2020-01-0{number + 1}")
            progress.end_block()
    assert printed(console).splitlines() == [
        # 2 of 3 took 12 s, 5 are left
        "batches 3/8, 1 failed, 0 skipped, 1 unchanged, 12 s, 30 s left, last 2020-01-03"
    ]


def test_batches_of_a_block_are_counted_before_the_time_left_is_told():
    console, clock = plain_console(), Clock()
    with TrainingProgress(console, clock=clock) as progress:
        progress.start(total=4)
        clock.now += 30
        progress.update("completed", "2020-01-01")
        progress.update("completed", "2020-01-31")
        progress.end_block()
    assert "batches 2/4, 0 failed, 0 skipped, 30 s, 30 s left" in printed(console)


def test_plain_progress_ends_with_a_line():
    console, clock = plain_console(), Clock()
    with TrainingProgress(console, clock=clock) as progress:
        progress.start(total=2)
        progress.update("completed", "2020-01-01")
        progress.end_block()
        clock.now += 1
        progress.update("completed", "2020-01-31")
        progress.end_block()
    assert printed(console) == "batches 2/2, 0 failed, 0 skipped, 1 s, last 2020-01-31\n"


def test_kept_batches_foretell_no_time():
    console, clock = plain_console(), Clock()
    with TrainingProgress(console, clock=clock) as progress:
        progress.start(total=2)
        clock.now += 11
        progress.update("unchanged", "2020-01-01")
        progress.end_block()
    assert (
        printed(console) == "batches 1/2, 0 failed, 0 skipped, 1 unchanged, 11 s, last 2020-01-01\n"
    )


def test_a_terminal_gets_a_bar_and_no_lines():
    console = live_console()
    with TrainingProgress(console) as progress:
        progress.start(total=2)
        progress.update("failed", "2020-01-01")
        progress.update("completed", "2020-01-31")
        progress.end_block()
    text = printed(console)
    assert "2/2" in text
    assert "1 failed, 0 skipped" in text
    assert "last 2020" not in text


def test_a_dumb_terminal_gets_lines():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, _environ={"TERM": "dumb"})
    with TrainingProgress(console) as progress:
        progress.start(total=1)
        progress.update("completed", "2020-01-01")
        progress.end_block()
    assert printed(console).startswith("batches 1/1")
    assert "\x1b" not in printed(console)


# The first line, and phases that take long


class Timers:
    """Stands in for `threading.Timer`: a timer runs when the test says that it is time."""

    def __init__(self):
        self.waiting = []

    def __call__(self, seconds, function, arguments):
        timer = Timer(self, seconds, function, arguments)
        self.waiting.append(timer)
        return timer

    def expire(self):
        """Let all timers that were started and not cancelled run."""
        for timer in [*self.waiting]:
            timer.cancel()
            timer.function(*timer.arguments)


class Timer:
    daemon = False

    def __init__(self, timers, seconds, function, arguments):
        self.timers, self.seconds = timers, seconds
        self.function, self.arguments = function, arguments

    def start(self):
        assert self.daemon  # a command that ends waits for no timer

    def cancel(self):
        if self in self.timers.waiting:
            self.timers.waiting.remove(self)


@pytest.fixture
def phased():
    console, clock, timers = plain_console(), Clock(), Timers()
    with TrainingProgress(console, clock=clock, timer=timers, began=98.0) as progress:
        yield progress, console, clock, timers
    assert timers.waiting == []


def test_the_first_line_comes_when_the_input_is_checked(phased):
    progress, console, _, timers = phased
    with progress.line("1 batch", at_most=5.0):
        assert printed(console) == ""
        (timer,) = timers.waiting
        assert timer.seconds == 3.0  # the command began 2 seconds ago
    assert printed(console) == "1 batch\n"


def test_the_first_line_does_not_wait_for_a_long_check(phased):
    progress, console, _, timers = phased
    with progress.line("1 batch", at_most=1.0):
        (timer,) = timers.waiting
        assert timer.seconds == 0.0
        timers.expire()
        assert printed(console) == "1 batch\n"
    assert printed(console) == "1 batch\n"  # once


def test_an_error_comes_instead_of_the_first_line(phased):
    progress, console, _, timers = phased
    with pytest.raises(ValueError, match="bad"), progress.line("1 batch", at_most=5.0):
        raise ValueError("bad")
    assert timers.waiting == []
    assert printed(console) == ""


def test_a_phase_that_lasts_two_seconds_is_named_and_a_shorter_one_is_not(phased):
    progress, console, _, timers = phased
    progress.phase("checks")
    assert [timer.seconds for timer in timers.waiting] == [2.0]
    progress.phase("ledger")
    timers.expire()
    assert printed(console) == "updating the trust ledger ...\n"


def test_the_phases_add_up_to_the_time_since_the_command_began(phased):
    progress, _, clock, _ = phased
    clock.now += 1
    progress.start(total=1)
    clock.now += 5
    progress.phase("checks")
    clock.now += 0.5
    progress.phase("batches")  # again
    clock.now += 2
    assert progress.seconds() == {"start": 3.0, "batches": 7.0, "checks": 0.5}
    clock.now += 1
    assert sum(progress.seconds().values()) == clock.now - 98.0


def test_a_terminal_shows_the_phase():
    console = live_console()
    with TrainingProgress(console, timer=Timers()) as progress:
        progress.start(total=1)
        progress.phase("ledger")
    text = printed(console)
    assert "preparing the run" in text
    assert "updating the trust ledger" in text
    assert "..." not in text
