"""The check that workers on other machines see the store and the source of the run.

Without this check each batch would fail, or its objects would be written where nobody looks.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from pulse_assets.errors import ClusterError, PulseError
from pulse_assets.execution.cluster import threads_of
from pulse_assets.execution.worker_calls import ANSWER_SECONDS, call_workers
from pulse_assets.history.samples import BUNDLED
from pulse_assets.settings import Settings
from pulse_assets.storage.store import LocalStore, Store, open_store

if TYPE_CHECKING:
    from distributed import Client

#: Largest number of bytes of the token object that are read.
_LIMIT: Final = 100
#: How often the check is repeated because another run replaced the token in S3.
_TRIES: Final = 5


class WorkerAnswer(NamedTuple):
    """What a worker reads as the token, and why it cannot use the store or the source."""

    token: str = ""
    store_fault: str = ""
    source_fault: str = ""


def check_workers_store(
    client: "Client",
    settings: Settings,
    variables: Sequence[str],
    workers: Collection[str] | None = None,
) -> None:
    """Let workers read a token that this process writes, write a file and list the source.

    In a directory the token has a new name each time and is removed. In S3 its name is always the
    same, because credentials need no right to delete it.

    Args:
        client: the cluster.
        settings: store and source.
        variables: variables that the source must have.
        workers: addresses of the workers to check; default: all.

    Raises:
        ClusterError: a worker does not see what this process sees.
        StoreUnavailableError: this process cannot use the store.
    """
    store, faults = open_store(settings.store, settings.s3), {}
    addresses = threads_of(client) if workers is None else workers
    for _ in range(_TRIES):
        faults, replaced = _check_once(client, store, settings, variables, addresses)
        if not (faults and replaced):
            break
    present = threads_of(client)
    if faults := {worker: text for worker, text in faults.items() if worker in present}:
        raise ClusterError(_explain(faults, store, settings))


def _check_once(
    client: "Client",
    store: Store,
    settings: Settings,
    variables: Sequence[str],
    workers: Collection[str],
) -> tuple[dict[str, str], bool]:
    """Return the faults of workers, and whether another run replaced the token meanwhile."""
    token = uuid4().hex
    path = f"worker_check-{token}.txt" if isinstance(store, LocalStore) else "worker_check.txt"
    store.write(path, token.encode())
    try:
        place = (settings, path, variables)
        answers = call_workers(client, workers, look, *place, seconds=ANSWER_SECONDS)
        replaced = store.read(path) != token.encode()
    finally:
        if isinstance(store, LocalStore):
            store.remove(path)
    faults = {worker: _fault(answer, token) for worker, answer in answers.items()}
    return {worker: fault for worker, fault in faults.items() if fault}, replaced


async def look(settings: Settings, path: str, variables: Sequence[str]) -> WorkerAnswer:
    """Return what this worker sees, without holding up its event loop."""
    return await asyncio.to_thread(_look, settings, path, variables)


def _look(settings: Settings, path: str, variables: Sequence[str]) -> WorkerAnswer:
    try:
        store = open_store(settings.store, settings.s3)
        token = store.read(path, limit=_LIMIT).decode(errors="replace")
        store.check_writable()
    except PulseError as error:
        return WorkerAnswer(store_fault=_one_line(error))
    try:
        settings.open_source().check_variables(variables)
    except PulseError as error:
        return WorkerAnswer(token, source_fault=_one_line(error))
    return WorkerAnswer(token)


def _fault(answer: WorkerAnswer | Exception, token: str) -> str:
    """Return why a worker cannot compute batches; empty if it can."""
    if isinstance(answer, TimeoutError):
        return f"cannot use the store (it gives no answer in {ANSWER_SECONDS:.0f} seconds)"
    if isinstance(answer, Exception):
        return f"cannot use the store ({_one_line(answer)})"
    if answer.store_fault:
        return f"cannot use the store ({answer.store_fault})"
    if answer.token != token:
        return "sees another object in the store than this process wrote"
    return f"cannot use the source ({answer.source_fault})" if answer.source_fault else ""


def _explain(faults: dict[str, str], store: Store, settings: Settings) -> str:
    worker, fault = min(faults.items())
    others = len(faults) - 1
    noun = "worker" if others == 1 else "workers"
    more = f"; {others} other {noun} cannot compute batches either" if others else ""
    source = f" and source {settings.source}" if settings.source not in BUNDLED else ""
    return (
        f"worker {worker} {fault}{more}: every worker must see the store {store.uri}{source} of "
        "this process: share the directory, or use s3://bucket/prefix with the same credentials "
        "and endpoint"
    )


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
