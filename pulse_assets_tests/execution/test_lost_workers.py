"""Workers that die or stop cost no batch but the one that kills them."""

import os
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from distributed import Client, Event

from pulse_assets.errors import LostWorkerError
from pulse_assets.execution import cluster as cluster_module
from pulse_assets.execution.cluster import LOCAL_SETTINGS, ClusterSpec, active_client, open_cluster
from pulse_assets.execution.fan_out import fan_out
from pulse_assets_tests.execution.clusters import standing_cluster, wait_until
from pulse_assets_tests.execution.test_fan_out import tasks_of_fan_outs

pytestmark = pytest.mark.slow

POISON = 3


@dataclass(frozen=True)
class Block:
    """A task of some numbers, which writes down each number that it begins."""

    numbers: tuple[int, ...]
    log: Path

    @property
    def name(self):
        return f"2005-01-{self.numbers[0]:02d}x{len(self.numbers)}"

    def parts(self):
        return [Block((number,), self.log) for number in self.numbers]

    def begin(self, number):
        with self.log.open("a") as log:
            log.write(f"{number}\n")

    def begun(self):
        return Counter(map(int, self.log.read_text().split())) if self.log.exists() else Counter()


def blocks(count, length, folder):
    numbers = range(count * length)
    return [Block(tuple(numbers[i : i + length]), folder / "log") for i in numbers[::length]]


def compute_or_die(block):
    for number in block.numbers:
        block.begin(number)
        if number == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
    return [-number for number in block.numbers]


@pytest.mark.parametrize("length", [1, 4])
def test_a_poison_batch_fails_alone(tmp_path, length):
    """It is tried three times; what its workers held beside it is computed once more."""
    with open_cluster(ClusterSpec("local", {"n_workers": 2})):
        results = list(
            fan_out(compute_or_die, blocks(40 // length, length, tmp_path), active_client())
        )
    errors = {task.numbers: result for task, result in results if isinstance(result, Exception)}
    assert [*errors] == [(POISON,)]
    assert isinstance(errors[POISON,], LostWorkerError)
    assert "died each of the 3 times" in str(errors[POISON,])
    computed = [number for _, result in results if isinstance(result, list) for number in result]
    assert sorted(computed) == sorted(-number for number in range(40) if number != POISON)
    begun = results[0][0].begun()
    assert begun.pop(POISON) == 3
    assert max(begun.values()) <= 2


def die_at_first_then_meet(block):
    """Kill the worker of the block of both; as parts, wait until the other part runs as well."""
    if len(block.numbers) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    (number,) = block.numbers
    Event(f"pulse-test-{number}").set()
    return Event(f"pulse-test-{1 - number}").wait(60)


def test_parts_of_a_lost_task_are_computed_side_by_side(tmp_path):
    with open_cluster(ClusterSpec("local", {"n_workers": 2})):
        results = list(fan_out(die_at_first_then_meet, blocks(1, 2, tmp_path), active_client()))
    assert sorted((task.numbers, result) for task, result in results) == [
        ((0,), True),
        ((1,), True),
    ]


def compute_once(block):
    """Return the process; a second computation would end it."""
    (number,) = block.numbers
    if block.begun()[number]:
        os.kill(os.getpid(), signal.SIGKILL)
    block.begin(number)
    return os.getpid()


def nothing_to_compute(client):
    return client.run_on_scheduler(
        lambda dask_scheduler: all(
            task.state not in ("waiting", "no-worker", "queued", "processing")
            for task in dask_scheduler.tasks.values()
        )
    )


@pytest.fixture
def two(tmp_path):
    """A cluster of two workers that nobody starts again, and a client of it."""
    with (
        standing_cluster(tmp_path, 2) as cluster,
        Client(cluster.address, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=30)
        yield cluster, client


def test_a_worker_that_dies_after_its_tasks_are_done_costs_nothing(two, tmp_path):
    """Its results have been sent, although nobody has read one of them."""
    cluster, client = two
    results = fan_out(compute_once, blocks(40, 1, tmp_path), client)
    processes = [next(results)[1]]
    wait_until(lambda: nothing_to_compute(client))
    cluster.workers[0].kill()
    wait_until(lambda: len(client.nthreads()) == 1)
    processes += [result for _, result in results]
    assert len(processes) == 40
    assert {*processes} == {worker.pid for worker in cluster.workers}


def test_a_worker_that_stops_holds_up_its_own_tasks_only(two, tmp_path):
    """Even if it had results that nobody has read; two tasks are those that Dask gave it."""
    cluster, client = two
    processes, tasks = [], blocks(400, 1, tmp_path)
    results = fan_out(compute_once, tasks, client)
    processes.append(next(results)[1])
    wait_until(lambda: nothing_to_compute(client))
    stopped, _ = (worker.pid for worker in cluster.workers)
    os.kill(stopped, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        try:
            rest = pool.submit(lambda: processes.extend(result for _, result in results))
            wait_until(lambda: len(processes) >= len(tasks) - 2, 60)
        finally:
            os.kill(stopped, signal.SIGCONT)
        rest.result(60)
    assert len(processes) == len(tasks)
    assert {*processes} == {worker.pid for worker in cluster.workers}
    wait_until(lambda: not tasks_of_fan_outs(client))


def own_process(_):
    return os.getpid()


def test_a_worker_that_is_stopped_for_good_is_lost_and_replaced(tmp_path, monkeypatch):
    assert LOCAL_SETTINGS["distributed.scheduler.worker-ttl"] == "60s"
    # Dask waits for 5 seconds at least.
    monkeypatch.setitem(cluster_module.LOCAL_SETTINGS, "distributed.scheduler.worker-ttl", "1s")
    tasks = blocks(400, 1, tmp_path)
    with open_cluster(ClusterSpec("local", {"n_workers": 2})):
        results = fan_out(own_process, tasks, active_client())
        _, stopped = next(results)
        os.kill(stopped, signal.SIGSTOP)
        rest = [result for _, result in results]
    assert len(rest) == len(tasks) - 1
    assert [result for result in rest if not isinstance(result, int)] == []


def deployed():
    """The environment of a scheduler that is configured as deploy/ has it."""
    file = Path(__file__).parents[2] / "deploy" / "dask.yaml"
    return {**os.environ, "DASK_CONFIG": str(file)}


def take_memory(block):
    """Take memory until somebody ends this process, where the block holds POISON."""
    taken = []
    while POISON in block.numbers:
        taken.append(bytearray(2**25))
        time.sleep(0.02)  # so that the limit is reached before the machine's memory is
    return [-number for number in block.numbers]


@pytest.mark.parametrize("existing", [False, True], ids=["local", "existing"])
def test_a_batch_that_takes_more_memory_than_its_worker_may_have_says_so(tmp_path, existing):
    limit = "600MiB"
    with ExitStack() as stack:
        spec = ClusterSpec("local", {"n_workers": 2, "memory_limit": limit})
        if existing:
            cluster = stack.enter_context(standing_cluster(tmp_path, 0, env=deployed()))
            cluster.add_worker("--memory-limit", limit, "--nworkers", "2", nanny=True)
            spec = ClusterSpec("existing", {"address": cluster.address})
        stack.enter_context(open_cluster(spec))
        results = list(fan_out(take_memory, blocks(10, 1, tmp_path), active_client()))
    errors = {task.numbers: result for task, result in results if isinstance(result, Exception)}
    assert [*errors] == [(POISON,)]
    assert len(results) == 10
    setting = "--memory-limit of the command `dask worker`" if existing else "--dask-memory-limit"
    assert re.search(
        rf"died each of the 3 times that it was tried: it had (5[789]\d|6\d\d) MiB of memory, "
        rf"and Dask ends a worker that reaches its limit, here 600 MiB: raise {setting}",
        str(errors[POISON,]),
    )
