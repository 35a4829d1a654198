"""Run one function over many batches, on the run's Dask cluster or in this process."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from pulse_assets.errors import ClusterError
from pulse_assets.execution.cluster import threads_of

if TYPE_CHECKING:
    from distributed import Client, Future


class HasName(Protocol):
    """A task that can be told from the others of its run."""

    @property
    def name(self) -> str:
        """Short name, unique within the run."""
        ...


Task = TypeVar("Task", bound=HasName)
Result = TypeVar("Result")

#: Tasks under way a thread of the cluster: enough that none waits, few enough to hold in memory.
TASKS_PER_THREAD: Final = 4


def fan_out(
    function: Callable[[Task], Result], tasks: Iterable[Task], client: "Client | None"
) -> Iterator[tuple[Task, Result | Exception]]:
    """Yield each task with its result as it completes, in any order.

    A bounded number of tasks is under way at a time, so memory does not grow with their number.
    A task whose worker is lost is tried again by Dask on another worker; one that loses its worker
    each time yields Dask's `KilledWorker` error.

    Args:
        function: what to compute; importable on the workers.
        tasks: its arguments.
        client: the cluster; None computes in this process, in order.

    Raises:
        ClusterError: the scheduler was lost.
    """
    if client is None:
        return ((task, function(task)) for task in tasks)
    return _on_cluster(function, iter(tasks), client)


def _on_cluster(
    function: Callable[[Task], Result], tasks: Iterator[Task], client: "Client"
) -> Iterator[tuple[Task, Result | Exception]]:
    from distributed import as_completed

    run = uuid.uuid4().hex  # two runs on one scheduler must not share a task

    def submit(task: Task) -> "Future":
        return client.submit(function, task, key=f"pulse-{task.name}-{run}", pure=False)

    running = {submit(task): task for task in islice(tasks, _width(client))}
    completed = as_completed(list(running), loop=client.loop)
    try:
        for future in completed:
            task = running.pop(future)
            for following in islice(tasks, 1):
                running[added := submit(following)] = following
                completed.add(added)
            yield task, _outcome(future, client)
    finally:
        client.cancel(list(running))  # this run's own and no other's


def _width(client: "Client") -> int:
    return TASKS_PER_THREAD * max(sum(threads_of(client).values()), 1)


def _outcome(future: "Future", client: "Client") -> Any:  # noqa: ANN401 - what was computed
    if future.cancelled():
        raise ClusterError(
            f"the Dask scheduler {client.scheduler.address if client.scheduler else ''} was lost: "
            "finished batches are kept, --resume computes the others"
        )
    error = future.exception()
    return future.result() if error is None else error
