"""The fan-out follows a cluster whose workers come and go."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pytest
from distributed import Client, LocalCluster

from pulse_assets.errors import ClusterError
from pulse_assets.execution import submissions
from pulse_assets.execution.fan_out import fan_out
from pulse_assets.execution.submissions import MOST_PER_THREAD, TASKS_PER_THREAD, Watch
from pulse_assets_tests.execution.clusters import wait_until

#: Workers are threads of this process.
GO = Event()


@dataclass(frozen=True)
class Number:
    value: int

    @property
    def name(self):
        return f"2005-01-{self.value:02d}"

    def parts(self):
        return [self]


NUMBERS = [Number(i) for i in range(300)]


def negate(task):
    return -task.value


COMPUTED = []


def count(task):
    COMPUTED.append(task.value)
    return -task.value


def wait_for_go(task):
    assert GO.wait(60)
    return -task.value


def wait_after_the_first(task):
    return wait_for_go(task) if task.value >= TASKS_PER_THREAD else -task.value


def threads(workers):
    """A cluster of workers in threads of this process, which start at once."""
    return LocalCluster(
        processes=False,
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
    )


@pytest.fixture
def one():
    """A cluster of one worker, and a client of it."""
    with threads(1) as cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(1)
        yield cluster, client


@pytest.fixture
def none():
    """A cluster without workers, and a client of it."""
    with threads(0) as cluster, Client(cluster, set_as_default=False) as client:
        yield cluster, client


class Run:
    """A fan-out that a thread consumes."""

    def __init__(self, client, function, tasks=NUMBERS, watch=None):
        self.handed_out, self.results = [], {}
        GO.clear()
        self._pool = ThreadPoolExecutor(1)
        given = (self.handed_out.append(task) or task for task in tasks)
        self._all = self._pool.submit(self._consume, fan_out(function, given, client, watch))

    def _consume(self, pairs):
        self.results.update((task.value, result) for task, result in pairs)

    def finish(self):
        """Let waiting tasks go on; return the results."""
        GO.set()
        try:
            self._all.result(60)
        finally:
            self._pool.shutdown()
        return self.results


def busy_workers(client):
    return sum(map(bool, client.processing().values()))


EXPECTED = {n.value: -n.value for n in NUMBERS}
#: More workers than tasks are submitted for one thread.
MANY = TASKS_PER_THREAD + 2


def test_tasks_for_all_threads_are_submitted_when_workers_join(one):
    cluster, client = one
    run = Run(client, wait_for_go)
    wait_until(lambda: len(run.handed_out) == TASKS_PER_THREAD)
    cluster.scale(MANY)
    wait_until(lambda: busy_workers(client) == MANY, 30)
    wait_until(lambda: len(run.handed_out) == MANY * TASKS_PER_THREAD)
    assert run.finish() == EXPECTED


def test_an_adaptive_cluster_grows_from_nothing_to_its_maximum(none):
    cluster, client = none
    cluster.adapt(minimum=0, maximum=MANY, interval="50ms", target_duration="100ms")
    run = Run(client, wait_for_go)
    wait_until(lambda: busy_workers(client) == MANY, 30)
    assert run.finish() == EXPECTED


def test_of_short_tasks_the_scheduler_holds_many(one):
    """An adaptive cluster grows by the seconds of work that it sees."""
    _, client = one
    run = Run(client, wait_after_the_first)
    wait_until(lambda: len(run.handed_out) >= MOST_PER_THREAD)
    assert run.finish() == EXPECTED


def test_tasks_of_workers_that_are_retired_are_computed_by_the_others(one):
    cluster, client = one
    cluster.scale(3)
    client.wait_for_workers(3)
    run = Run(client, wait_for_go)
    wait_until(lambda: busy_workers(client) == 3)
    cluster.scale(1)
    assert run.finish() == EXPECTED


def test_a_cluster_that_never_had_a_worker_is_reported_in_a_line(none, monkeypatch):
    cluster, client = none
    monkeypatch.setattr(submissions, "NO_WORKER_SECONDS", 0.01)
    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == 2:
            cluster.scale(1)

    run = Run(client, negate, watch=Watch(report=report))
    assert run.finish() == EXPECTED
    assert f"{cluster.scheduler_address} has no worker, so 4 tasks wait: start" in lines[0]


def test_a_worker_that_joins_late_and_cannot_compute_ends_the_run(one):
    cluster, client = one

    def check():
        if len(workers := client.nthreads()) > 1:
            raise ClusterError("the second worker has no numpy")
        return workers

    run = Run(client, wait_for_go, watch=Watch(check))
    wait_until(lambda: run.handed_out)
    cluster.scale(2)
    with pytest.raises(ClusterError, match="second worker has no numpy"):
        run._all.result(60)
    with pytest.raises(ClusterError):
        run.finish()
    assert run.results == {}


def test_an_error_of_the_check_itself_ends_the_run(one):
    def check():
        raise KeyError("no such worker")

    with pytest.raises(KeyError, match="no such worker"):
        list(fan_out(negate, NUMBERS[:1], one[1], Watch(check)))


def test_no_result_of_a_worker_counts_before_it_is_checked(one):
    _, client = one
    checked = Event()

    def check():
        assert checked.wait(60)
        return client.nthreads()

    run = Run(client, negate, NUMBERS[:4], Watch(check))
    wait_until(lambda: len(run.handed_out) == 4)
    wait_until(lambda: not any(client.processing().values()))
    assert run.results == {}
    checked.set()
    assert run.finish() == {n.value: -n.value for n in NUMBERS[:4]}


def test_results_of_a_worker_that_left_unchecked_are_computed_again(one):
    cluster, client = one
    (first,) = client.nthreads()
    checked = Event()
    COMPUTED.clear()

    def check():
        if first in client.nthreads():
            assert checked.wait(60)
        return client.nthreads()

    run = Run(client, count, NUMBERS[:4], Watch(check))
    wait_until(lambda: len(COMPUTED) == 4)
    cluster.scale(0)
    wait_until(lambda: not client.nthreads())
    checked.set()
    cluster.scale(1)
    assert run.finish() == {n.value: -n.value for n in NUMBERS[:4]}
    assert sorted(COMPUTED) == sorted([0, 1, 2, 3] * 2)
