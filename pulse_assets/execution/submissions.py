"""The tasks that one run has on a Dask cluster: submitted, watched and cancelled."""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self, TypeVar

from pulse_assets.errors import ClusterError
from pulse_assets.execution.cluster import address_of, memory_setting, threads_of

if TYPE_CHECKING:
    from distributed import Client, Future
    from distributed.scheduler import WorkerState

#: Tasks that run or wait per thread of the cluster: enough that no thread is idle.
TASKS_PER_THREAD: Final = 4
#: Seconds of work per thread that the scheduler holds if tasks are short. An adaptive cluster asks
#: for as many workers as complete the work that it sees in 5 seconds, so it may grow fourfold.
SECONDS_AHEAD: Final = 20.0
#: Largest number of tasks per thread that the scheduler holds.
MOST_PER_THREAD: Final = 128
#: A cluster without workers is reported after this long, then at intervals that double.
NO_WORKER_SECONDS: Final = 30.0

#: Dask's topic of the results, the same for all runs, because a scheduler keeps 1,000 events of
#: each topic for ever.
_RESULTS: Final = "pulse-results"
#: Dask's own topic, which has the workers that join and leave.
_ALL: Final = "all"
_OF_WORKERS: Final = ("add-worker", "remove-worker")
#: Dask's topic of workers that their nanny ended because they had too much memory.
_MEMORY: Final = "worker-restart-memory"
#: Seconds in which that news, which comes from another process, is waited for.
_NEWS_SECONDS: Final = 3.0

_log: Final = logging.getLogger("pulse_assets.cluster")


class DaskTask(Protocol):
    """A task with a name that no other task of its run has."""

    @property
    def name(self) -> str:
        """Short name, unique within the run."""
        ...

    def parts(self) -> "list[Any]":
        """Return smaller tasks that do the same together; the task itself if there are none."""
        ...


TaskT = TypeVar("TaskT", bound=DaskTask)


class LostTaskError(Exception):
    """A task has no result, because its worker was lost `times` times."""

    def __init__(self, times: int, worker: "WorkerState | None" = None) -> None:
        """Remember how often Dask tried the task before it gave it up, and the last worker."""
        super().__init__(times)
        self.times = times
        self.worker = worker


@dataclass(frozen=True)
class Watch:
    """What a run does about the workers of its cluster.

    Attributes:
        check: returns the addresses of the workers that can compute, and raises a `PulseError` if
            one cannot. It is called in a thread of its own at the start and whenever a worker
            joins; no result of a worker counts before. None: every worker can.
        report: receives a line if the cluster has no worker.
    """

    check: Callable[[], Collection[str]] | None = None
    report: Callable[[str], None] = _log.warning


def compute(function: Callable[[Any], Any], run: str, dask_task: DaskTask) -> None:
    """Compute a task on a worker and send its result to the run.

    The result is sent as an event, which the scheduler passes on at once and before it knows that
    the task is done. So no client fetches a result from a worker that may have stopped or died.
    """
    from distributed import get_worker
    from distributed.protocol.serialize import serialize_bytes

    started = time.perf_counter()
    result = function(dask_task)
    seconds = time.perf_counter() - started
    data = serialize_bytes(result, on_error="raise")
    worker = get_worker()
    message = {"run": run, "key": worker.get_current_task(), "seconds": seconds, "data": data}
    worker.log_event(_RESULTS, message)


class _Message(NamedTuple):
    """What the client's threads pass on to the run's thread.

    Attributes:
        key: key of a task that is done; empty if workers joined, left or were checked.
        outcome: of a task: the event with its result, its future if it has none, or None if it was
            lost; of workers: the error of the check, if it failed.
    """

    key: str = ""
    outcome: Any = None


class Submissions:
    """The tasks that one run has on a cluster, inside a `with` block."""

    def __init__(self, function: Callable[[Any], Any], client: "Client", watch: Watch) -> None:
        """Name the function to compute; the `with` block listens for its results."""
        self._client = client
        self._watch = watch
        self._address = address_of(client)  # a client that lost its scheduler has forgotten it
        self.memory_setting = memory_setting(client)
        self._run = uuid.uuid4().hex
        self._compute = partial(compute, function, self._run)
        self._futures: dict[str, Future] = {}
        self._messages: SimpleQueue[_Message] = SimpleQueue()
        self._threads: dict[str, int] = {}
        self._checked: frozenset[str] = frozenset()
        self._held: dict[str, _Message] = {}
        self._done, self._seconds = 0, 0.0
        self._memory: dict[tuple[str, int], int] = {}
        self._news = Condition()

    def __enter__(self) -> Self:
        """Listen for results, and for workers that join and leave."""
        with self._lost_scheduler():
            self._client.subscribe_topic(_RESULTS, self._receive_result)
            self._client.subscribe_topic(_ALL, self._receive_event)
            self._client.subscribe_topic(_MEMORY, self._receive_memory)
        self._count_workers()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        with suppress(ClusterError), self._lost_scheduler():
            for topic in (_RESULTS, _ALL, _MEMORY):
                self._client.unsubscribe_topic(topic)

    def width(self) -> int:
        """Return how many tasks are submitted at a time: enough to let the cluster grow."""
        mean = self._seconds / self._done if self._done else SECONDS_AHEAD
        ahead = min(SECONDS_AHEAD / max(mean, 1e-9), MOST_PER_THREAD)
        return int(max(TASKS_PER_THREAD, ahead) * max(sum(self._threads.values()), 1))

    def workers(self) -> int:
        """Return the number of workers, at least 1."""
        return max(len(self._threads), 1)

    def memory_of(self, worker: "WorkerState") -> int | None:
        """Return the bytes for which Dask ended a worker; None: it was lost for another reason."""
        place = (worker.address, worker.pid)
        with self._news:
            self._news.wait_for(lambda: place in self._memory, _NEWS_SECONDS)
        return self._memory.get(place)

    def results(
        self, tasks: Iterator[TaskT], width: Callable[[], int]
    ) -> Iterator[tuple[TaskT, Any | Exception]]:
        """Yield each task with its result or error, `width()` tasks at a time.

        Raises:
            ClusterError: the scheduler was lost.
            PulseError: a worker was refused.
        """
        running: dict[str, TaskT] = {}
        try:
            self._submit(tasks, width(), running)
            while running:
                messages = self._wait(len(running))
                done = [
                    (running.pop(key), self._result(outcome))
                    for key, outcome in messages
                    if key in running
                ]
                self._submit(tasks, width(), running)
                yield from done
        finally:
            with suppress(ClusterError), self._lost_scheduler():
                self._client.cancel([*self._futures.values()])  # this run's own and no other's

    def _submit(self, tasks: Iterator[TaskT], width: int, running: dict[str, TaskT]) -> None:
        """Fill the places that are free, many at once: a submission costs 10 ms, a task of it 1."""
        free = width - len(running)
        if 4 * free < width:
            return
        # Never the same key twice: two runs on one scheduler, or two tries, must not share one.
        added = {
            f"pulse-{dask_task.name}-{uuid.uuid4().hex}": dask_task
            for dask_task in islice(tasks, free)
        }
        if not added:
            return
        running.update(added)
        with self._lost_scheduler():
            futures = self._client.map(
                self._compute, [*added.values()], key=[*added], pure=False, batch_size=None
            )
        self._futures.update(zip(added, futures, strict=True))
        for future in futures:
            future.add_done_callback(self._receive_done)

    def _receive_result(self, event: tuple[float, Any]) -> None:
        """Pass a result on to the run's thread; other runs on the scheduler have their own."""
        if event[1]["run"] == self._run:
            self._messages.put(_Message(event[1]["key"], event[1]))

    def _receive_done(self, future: "Future") -> None:
        """Pass on that a task is done, which matters if its result was not received before.

        The future is released now: a result that a lost worker still held would be computed again.
        """
        key = str(future.key)
        self._futures.pop(key, None)
        self._messages.put(_Message(key, None if future.status in ("finished", "lost") else future))

    def _receive_event(self, event: tuple[float, Any]) -> None:
        if isinstance(event[1], dict) and event[1].get("action") in _OF_WORKERS:
            self._messages.put(_Message())

    def _receive_memory(self, event: tuple[float, Any]) -> None:
        """Remember a worker that had too much memory, and wake who asks about it."""
        with self._news:
            self._memory[event[1]["worker"], event[1]["pid"]] = event[1]["rss"]
            self._news.notify_all()

    def _wait(self, waiting: int) -> list[_Message]:
        """Wait for messages, and return those of tasks; report a cluster without workers."""
        seconds, messages = NO_WORKER_SECONDS, []
        while not messages:
            try:
                messages.append(self._messages.get(timeout=seconds))
            except Empty:
                seconds *= 2
                self._report_no_worker(waiting)
        with suppress(Empty):
            while True:
                messages.append(self._messages.get_nowait())
        if about_workers := [message for message in messages if not message.key]:
            self._handle(about_workers)
        return self._accept([message for message in messages if message.key])

    def _handle(self, about_workers: list[_Message]) -> None:
        for message in about_workers:
            if message.outcome:
                raise message.outcome
        self._count_workers()

    def _accept(self, messages: list[_Message]) -> list[_Message]:
        """Return the first message of each task; a result waits until its worker is checked.

        A worker that left before its check may have written elsewhere: its tasks are lost.
        """
        first, self._held, accepted = self._held, {}, []
        for message in messages:
            first.setdefault(message.key, message)
        for message in first.values():
            place = message.outcome["worker"] if isinstance(message.outcome, dict) else None
            if not (self._watch.check and place) or place in self._checked:
                accepted.append(message)
            elif place in self._threads:
                self._held[message.key] = message
            else:
                accepted.append(_Message(message.key))
        return accepted

    def _report_no_worker(self, waiting: int) -> None:
        self._count_workers()
        if not self._threads:
            self._watch.report(
                f"the Dask scheduler {self._address} has no worker, so {waiting} tasks wait: start "
                f"workers (dask worker {self._address}), or see why the cluster starts none"
            )

    def _count_workers(self) -> None:
        """Count threads, and check the workers that are new."""
        before = self._threads.keys()
        with self._lost_scheduler():
            self._threads = threads_of(self._client)
        if self._watch.check and not self._threads.keys() <= before:
            Thread(target=self._check, args=[self._watch.check], daemon=True).start()

    def _check(self, check: Callable[[], Collection[str]]) -> None:
        """Check workers in a thread, because one of them may not answer for long."""
        try:
            with self._lost_scheduler():
                self._checked = frozenset(check())
            self._messages.put(_Message())
        except Exception as fault:
            self._messages.put(_Message(outcome=fault))

    def _result(self, outcome: Any) -> Any:  # noqa: ANN401 - what was computed
        from distributed import KilledWorker
        from distributed.protocol.serialize import deserialize_bytes

        if outcome is None:
            return LostTaskError(1)
        if isinstance(outcome, dict):
            self._done, self._seconds = self._done + 1, self._seconds + outcome["seconds"]
            return deserialize_bytes(outcome["data"])
        with self._lost_scheduler():
            error = outcome.exception()
            if error is None:  # the future was cancelled
                outcome.result()
        if isinstance(error, KilledWorker):
            return LostTaskError(error.allowed_failures + 1, error.last_worker)
        return error

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
