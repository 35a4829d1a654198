"""When the sensor asks for a run, by the plain function that decides it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pulse_assets.dagster.source_watch import Attempt, Memory, decide, pause

START = datetime(2026, 1, 1, tzinfo=UTC)
A, B = {"x.csv": "a"}, {"x.csv": "b"}


class Story:
    """A source, a clock and the outcomes of the runs, as the sensor sees them."""

    def __init__(self):
        self.memory, self.now, self.outcomes = Memory(), START, {}

    def tick(self, found, minutes=5):
        self.now += timedelta(minutes=minutes)
        attempts = [self.attempt(name) for name in self.memory.requests]
        decision = decide(self.memory, found, attempts, self.now)
        self.memory = Memory.of(decision.memory.cursor())
        return decision

    def attempt(self, name):
        state, ended = self.outcomes.get(name, ("lost", self.memory.at))
        return Attempt(name, state, f"run of {name}", state.upper(), ended)

    def run(self, state):
        """Let the run that was asked for last be in this state."""
        self.outcomes[self.memory.requests[-1]] = (state, self.now.timestamp())


@pytest.fixture
def story():
    return Story()


def test_a_version_is_trained_once_its_run_has_succeeded(story):
    assert story.tick(A).requests_run
    story.run("running")
    assert not story.tick(A).requests_run
    assert story.memory.trained == {}
    story.run("succeeded")
    assert not story.tick(A).requests_run
    assert story.memory.trained == A


@pytest.mark.parametrize(
    "change",
    [{"requests": [1]}, {"trained": None}, {"count": "x"}, {"at": None}, {"asked": {"x.csv": 1}}],
)
def test_a_cursor_with_a_value_of_another_kind_is_as_good_as_none(story, change):
    story.tick(A)
    whole = json.loads(story.memory.cursor())
    assert Memory.of(json.dumps(whole)) == story.memory
    assert Memory.of(json.dumps(whole | change)) == Memory()


@pytest.mark.parametrize("states", [("succeeded",) * 3, ("failed",) * 3, ("waiting",) * 3])
def test_each_change_is_asked_for_also_a_return(story, states):
    requests = []
    for found, state in zip((A, B, A), states, strict=True):
        decision = story.tick(found)
        assert decision.requests_run
        requests.append(decision.memory.requests[-1])
        story.run(state)
    assert len(set(requests)) == 3


def test_the_pause_after_failures_doubles_up_to_a_day_and_ends_with_a_success(story):
    story.tick(A)
    waited = []
    for _ in range(11):
        story.run("failed")
        ended = story.now
        while not story.tick(A).requests_run:
            pass
        waited.append((story.now - ended) / timedelta(minutes=5))
    assert waited == [1, 2, 4, 8, 16, 32, 64, 128, 256, 288, 288]
    story.run("succeeded")
    story.tick(A)
    story.tick(B)
    story.run("failed")
    assert "(1 in a row)" in story.tick(B, minutes=1).reason


def test_the_reason_says_when_it_is_asked_for_again(story):
    story.tick(A)
    story.run("failed")
    reason = story.tick(A, minutes=1).reason
    assert "ended as FAILED (1 in a row): requested again at 2026-01-01 00:10 UTC" in reason


def test_after_a_failure_a_return_to_what_was_trained_is_asked_for(story):
    """The run that failed may have stored batches of the other state."""
    story.tick(A)
    story.run("succeeded")
    story.tick(B)
    story.run("failed")
    assert story.tick(A, minutes=1).requests_run


def test_a_request_of_which_no_run_exists_is_made_again(story):
    story.tick(A)
    assert "was never created" in story.tick(A, minutes=1).reason
    assert story.tick(A).requests_run


def test_runs_that_overlapped_are_followed_by_one_more(story):
    story.tick(A)
    story.run("waiting")
    first = story.memory.requests[0]
    story.tick(B)
    story.run("succeeded")
    assert "waits to be started" in story.tick(B).reason
    story.outcomes[first] = ("succeeded", story.now.timestamp())
    assert "overlapped" in story.tick(B).reason
    story.run("succeeded")
    assert not story.tick(B).requests_run
    assert story.memory.trained == B


def test_the_pause_has_bounds():
    assert pause(1) == timedelta(minutes=5)
    assert pause(10**6) == timedelta(days=1)


def test_a_cursor_of_an_older_version_is_read():
    memory = decide(Memory(), A, [], START).memory
    older = json.loads(memory.cursor())
    older["asked"] = older.pop("requested")
    assert Memory.of(json.dumps(older)) == memory
