"""The fan-out gives what a plain loop gives, on a cluster that others use too."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from distributed import Client, Event

from pulse_assets.errors import ClusterError
from pulse_assets.execution.fan_out import fan_out
from pulse_assets.execution.submissions import MOST_PER_THREAD
from pulse_assets_tests.execution.clusters import standing_cluster, wait_until


@dataclass(frozen=True)
class Number:
    value: int

    def parts(self):
        return [self]

    @property
    def name(self):
        return f"2005-01-{self.value:02d}"


NUMBERS = [Number(i) for i in range(40)]


def square(task):
    return task.value**2


def negate(task):
    return -task.value


def refuse_three(task):
    if task.value == 3:
        raise ValueError("three")
    return task.value


def wait_after_the_first(task):
    if task.value:
        Event("pulse-test-go").wait(30)
    return task.value


def die_at_three(task):
    if task.value == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task.value


def collect(function, client, tasks=NUMBERS):
    return {task.value: result for task, result in fan_out(function, tasks, client)}


def tasks_of_fan_outs(client):
    keys = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))
    return [key for key in keys if str(key).startswith("pulse-")]


def test_in_process_it_is_a_loop_in_order():
    handed_out = []
    results = fan_out(square, (handed_out.append(n) or n for n in NUMBERS), None)
    assert next(results) == (Number(0), 0)
    assert handed_out == [Number(0)]  # the next one is not begun before it is asked for
    assert list(results) == [(n, n.value**2) for n in NUMBERS[1:]]


def test_in_process_an_error_is_not_held_back():
    with pytest.raises(ValueError, match="three"):
        list(fan_out(refuse_three, NUMBERS, None))


def test_every_result_arrives_from_the_cluster(client):
    assert collect(square, client) == {n.value: n.value**2 for n in NUMBERS}
    wait_until(lambda: not tasks_of_fan_outs(client))


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_task(client, count):
    assert collect(square, client, NUMBERS[:count]) == {n.value: 0 for n in NUMBERS[:count]}


def test_a_bounded_number_of_tasks_is_under_way(client):
    """At most those that the scheduler holds, and those that wait for the consumer."""
    handed_out, tasks = [], [Number(i) for i in range(2000)]
    results = fan_out(square, (handed_out.append(n) or n for n in tasks), client)
    waiting = [len(handed_out) - done for done, _ in enumerate(results, 1)]
    assert max(waiting) <= 2 * (2 * MOST_PER_THREAD) < len(tasks)
    assert len(waiting) == len(handed_out) == len(tasks)


def test_an_error_is_yielded_and_the_others_go_on(client):
    results = collect(refuse_three, client)
    error = results.pop(3)
    assert isinstance(error, ValueError)
    assert str(error) == "three"
    assert results == {n.value: n.value for n in NUMBERS if n.value != 3}


def test_ending_early_cancels_its_own_tasks_and_no_others(client, scheduler):
    go = Event("pulse-test-go", client=client)
    go.clear()
    with Client(scheduler, set_as_default=False) as somebody:
        theirs = somebody.submit(wait_after_the_first, Number(7), key="pulse-theirs", pure=False)
        results = fan_out(wait_after_the_first, NUMBERS, client)
        assert next(results) == (Number(0), 0)
        wait_until(lambda: len(tasks_of_fan_outs(client)) > 2)
        results.close()
        wait_until(lambda: tasks_of_fan_outs(client) == ["pulse-theirs"])
        go.set()
        assert theirs.result(timeout=30) == 7


def test_two_at_once_do_not_share_tasks(scheduler):
    """Both have tasks of the same names."""

    def run(function):
        with Client(scheduler, set_as_default=False) as client:
            return collect(function, client)

    with ThreadPoolExecutor(2) as pool:
        squares, negatives = pool.map(run, [square, negate])
    assert squares == {n.value: n.value**2 for n in NUMBERS}
    assert negatives == {n.value: -n.value for n in NUMBERS}


def return_what_cannot_be_sent(task):
    return (value for value in [task.value])


def test_a_result_that_cannot_be_sent_is_an_error(client):
    ((_, error),) = fan_out(return_what_cannot_be_sent, NUMBERS[:1], client)
    assert isinstance(error, TypeError)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_lost_scheduler_is_an_error_that_says_how_to_go_on(tmp_path, how):
    with (
        standing_cluster(tmp_path, 1) as cluster,
        Client(cluster.address, set_as_default=False) as client,
    ):
        client.wait_for_workers(1, timeout=30)
        results = fan_out(wait_after_the_first, NUMBERS, client)
        assert next(results) == (Number(0), 0)
        cluster.scheduler.send_signal(how)
        with pytest.raises(ClusterError, match=f"{cluster.address} was lost: .* --resume"):
            next(results)


def test_a_closed_client_is_a_lost_scheduler(scheduler):
    """As when somebody closes the own cluster in the middle of a run."""
    client = Client(scheduler, set_as_default=False)
    results = fan_out(square, NUMBERS, client)
    next(results)
    client.close()
    with pytest.raises(ClusterError, match=f"{scheduler} was lost: .* --resume"):
        list(results)
