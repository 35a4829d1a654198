"""Run one function over many batches, on the run's Dask cluster or in this process."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from pulse_assets.errors import ClusterError, LostWorkerError
from pulse_assets.execution.cluster import address_of, threads_of

if TYPE_CHECKING:
    from distributed import Client, Future


class HasName(Protocol):
    """A task with a name that no other task of its run has."""

    @property
    def name(self) -> str:
        """Short name, unique within the run."""
        ...


TaskT = TypeVar("TaskT", bound=HasName)
Result = TypeVar("Result")

#: Tasks that run or wait per thread of the cluster: enough that no thread is idle, few enough to
#: hold in memory.
TASKS_PER_THREAD: Final = 4

#: Times that a task may lose its worker before it counts as the cause.
TRIES: Final = 3


def fan_out(
    function: Callable[[TaskT], Result], tasks: Iterable[TaskT], client: "Client | None"
) -> Iterator[tuple[TaskT, Result | Exception]]:
    """Yield each task with its result as it completes, in any order.

    A bounded number of tasks is submitted at a time, so memory does not grow with their number.
    A task whose worker is lost is tried again. Dask blames all tasks that the worker held, so a
    task that Dask gives up is tried again after all others, alone, when nothing else can be the
    cause. A task that has lost its worker `TRIES` times, the last time alone, yields a
    `LostWorkerError`.

    Args:
        function: what to compute; importable on the workers.
        tasks: its arguments.
        client: the cluster; None computes in this process, in order.

    Raises:
        ClusterError: the scheduler was lost.
    """
    if client is None:
        return ((dask_task, function(dask_task)) for dask_task in tasks)
    return _on_cluster(_Submissions(function, client), iter(tasks))


def _on_cluster(
    submissions: "_Submissions", tasks: Iterator[TaskT]
) -> Iterator[tuple[TaskT, Any | Exception]]:
    from distributed import KilledWorker

    suspects: list[tuple[TaskT, int]] = []
    for dask_task, result in submissions.results(tasks, submissions.width()):
        if isinstance(result, KilledWorker):
            suspects.append((dask_task, _tries(result)))
        else:
            yield dask_task, result
    for dask_task, tries in suspects:
        yield dask_task, _alone(submissions, dask_task, tries)


def _alone(submissions: "_Submissions", dask_task: HasName, tries: int) -> Any | Exception:  # noqa: ANN401
    """Try a suspect with no other task of the run on the cluster, once or up to `TRIES` in all."""
    from distributed import KilledWorker

    while True:
        ((_, result),) = submissions.results(iter([dask_task]), 1)
        if not isinstance(result, KilledWorker):
            return result
        tries += _tries(result)
        if tries >= TRIES:
            return LostWorkerError(
                f"the worker process of {dask_task.name} died each of the {tries} times that it "
                "was tried, as a process that runs out of memory does: give the workers more "
                "memory, or the batches fewer days or variables"
            )


def _tries(error: Any) -> int:  # noqa: ANN401 - KilledWorker, which is imported late
    """Return how often Dask tried a task before it gave it up."""
    return error.allowed_failures + 1


class _Submissions:
    """The tasks that one run has on a cluster."""

    def __init__(self, function: Callable[[Any], Any], client: "Client") -> None:
        self._function = function
        self._client = client
        self._address = address_of(client)  # a client that lost its scheduler has forgotten it

    def width(self) -> int:
        """Return how many tasks are submitted at a time."""
        with self._lost_scheduler():
            return TASKS_PER_THREAD * max(sum(threads_of(self._client).values()), 1)

    def results(
        self, tasks: Iterator[TaskT], width: int
    ) -> Iterator[tuple[TaskT, Any | Exception]]:
        """Yield each task with its result or error, `width` tasks at a time."""
        from distributed import as_completed

        running = {self._submit(dask_task): dask_task for dask_task in islice(tasks, width)}
        completed = as_completed(list(running), loop=self._client.loop)
        try:
            for future in completed:
                dask_task = running.pop(future)
                for following in islice(tasks, 1):
                    running[added := self._submit(following)] = following
                    completed.add(added)
                yield dask_task, self._outcome(future)
        finally:
            with suppress(ClusterError), self._lost_scheduler():
                self._client.cancel(list(running))  # this run's own and no other's

    def _submit(self, dask_task: HasName) -> "Future":
        # Never the same key twice: two runs on one scheduler, or two tries, must not share one.
        key = f"pulse-{dask_task.name}-{uuid.uuid4().hex}"
        with self._lost_scheduler():
            return self._client.submit(self._function, dask_task, key=key, pure=False)

    def _outcome(self, future: "Future") -> Any:  # noqa: ANN401 - what was computed
        from distributed import CancelledError

        with self._lost_scheduler():
            error = future.exception()
            if isinstance(error, CancelledError):
                raise error
            return future.result() if error is None else error

    @contextmanager
    def _lost_scheduler(self) -> Iterator[None]:
        """Turn what Dask's client raises without a scheduler into one error.

        A `RuntimeError` says that the client's event loop is closed.
        """
        from distributed import CancelledError
        from distributed.client import ClosedClientError

        try:
            yield
        except (CancelledError, ClosedClientError, OSError, RuntimeError) as error:
            raise ClusterError(
                f"the Dask scheduler {self._address} was lost: finished batches are kept, "
                "--resume computes the others"
            ) from error
