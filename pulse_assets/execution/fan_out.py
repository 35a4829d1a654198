"""Run one function over many tasks, on the run's Dask cluster or in this process."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pulse_assets.errors import LostWorkerError
from pulse_assets.execution.submissions import DaskTask, LostTaskError, Submissions, Watch

if TYPE_CHECKING:
    from distributed import Client

TaskT = TypeVar("TaskT", bound=DaskTask)
Result = TypeVar("Result")
Yielded = Iterator[tuple[TaskT, Any | Exception]]

#: Times that a task may lose its worker before it counts as the cause.
TRIES: Final = 3

MIB: Final = 2**20


def fan_out(
    function: Callable[[TaskT], Result],
    tasks: Iterable[TaskT],
    client: "Client | None",
    watch: Watch | None = None,
) -> Iterator[tuple[TaskT, Result | Exception]]:
    """Yield each task with its result, or the error it raised, as it completes, in any order.

    A bounded number of tasks is submitted at a time, so memory does not grow with their number;
    that number follows the threads of the cluster. A cluster without workers is waited for.

    A task whose worker is lost is tried again, in three rounds, because Dask blames all tasks that
    the worker held:

    1. all tasks side by side, several per thread;
    2. the parts of those that lost their worker, one per worker, so that a part which kills its
       worker takes no other with it;
    3. the parts that lost their worker again, each alone, when nothing else can be the cause. A
       part that has lost its worker `TRIES` times, the last time alone, yields a `LostWorkerError`.

    So a task of several parts may be yielded as its parts.

    Args:
        function: what to compute; importable on the workers.
        tasks: its arguments.
        client: the cluster; None computes in this process, in order.
        watch: what to do about the workers of the cluster; default: nothing.

    Raises:
        ClusterError: the scheduler was lost.
        PulseError: `watch` refused a worker.
    """
    if client is None:
        return ((dask_task, function(dask_task)) for dask_task in tasks)
    return _on_cluster(Submissions(function, client, watch or Watch()), iter(tasks))


def _on_cluster(submissions: Submissions, tasks: Iterator[TaskT]) -> Yielded[TaskT]:
    tries: Counter[str] = Counter()
    with submissions:
        lost = yield from _without_lost(submissions.results(tasks, submissions.width), tries)
        parts = iter(_parts(lost, tries))
        lost = yield from _without_lost(submissions.results(parts, submissions.workers), tries)
        for dask_task in lost:
            yield dask_task, _alone(submissions, dask_task, tries)


def _without_lost(
    results: Yielded[TaskT], tries: Counter[str]
) -> Generator[tuple[TaskT, Any], None, list[TaskT]]:
    """Yield what has a result, and return the tasks that lost their worker; count their tries."""
    lost = []
    for dask_task, result in results:
        if isinstance(result, LostTaskError):
            tries[dask_task.name] += result.times
            lost.append(dask_task)
        else:
            yield dask_task, result
    return lost


def _parts(lost: Sequence[TaskT], tries: Counter[str]) -> Iterator[TaskT]:
    """Yield the parts of tasks; each part was tried as often as the whole."""
    for dask_task in lost:
        for part in dask_task.parts():
            tries[part.name] = tries[dask_task.name]
            yield part


def _alone(submissions: Submissions, dask_task: DaskTask, tries: Counter[str]) -> Any | Exception:  # noqa: ANN401
    """Try a task with no other task of the run on the cluster, once or up to `TRIES` in all."""
    while True:
        ((_, result),) = submissions.results(iter([dask_task]), lambda: 1)
        if not isinstance(result, LostTaskError):
            return result
        tries[dask_task.name] += result.times
        if (count := tries[dask_task.name]) >= TRIES:
            why = _why_lost(submissions, result)
            return LostWorkerError(
                f"the worker process of {dask_task.name} died each of the {count} times that it "
                f"was tried{why}, or the batches fewer days or variables"
            )


def _why_lost(submissions: Submissions, lost: LostTaskError) -> str:
    """Say what is known of the memory of a lost worker, and which setting gives it more."""
    used = submissions.memory_of(lost.worker) if lost.worker else None
    if lost.worker is None or used is None:
        return ", as a process that runs out of memory does: give the workers more memory"
    return (
        f": it had {used / MIB:,.0f} MiB of memory, and Dask ends a worker that reaches its limit, "
        f"here {lost.worker.memory_limit / MIB:,.0f} MiB: raise {submissions.memory_setting}"
    )
