"""A step of the graph over a large panel, computed in a process of its own.

What it needs would stay with the process of the run: Python, Arrow and malloc keep most of what is
freed, and what the next steps need comes on top of it. A process that ends gives all of it back.
"""

import ctypes
import multiprocessing
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final, ParamSpec, TypeVar

import pyarrow as pa

from pulse_assets.errors import LostProcessError
from pulse_assets.execution.interrupts import starting_processes
from pulse_assets.execution.worker_rules import check_rules
from pulse_assets.execution.worker_server import process_context
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings import TrainingOptions

P = ParamSpec("P")
T = TypeVar("T")

#: Variables of a panel whose steps are computed in the process of the run; with more, each has its
#: own. With 1,000 monthly series of 240 values in 24 batches that process takes 830 MB, or 350 MB
#: beside others of at most 670 MB, which cost 8 processor seconds more: they import Dagster, and
#: read series and tables again. With 10,000 series the run takes 0.9 GB this way, a step 2.1 GB.
LARGE_PANEL: Final = 1_000

#: Number of the option of glibc's malloc, and the bytes from which on a block is given back.
_M_MMAP_THRESHOLD: Final = -3
_LARGE_ARRAY: Final = 1 << 20


def run_step(
    step: str, options: TrainingOptions, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return what a function returns; of a large panel it is called in a process of its own.

    Args:
        step: name of the step, for messages.
        options: the resolved options of the run.
        compute: a function of a module.
        args: its arguments, which can be pickled, as its result can.
        kwargs: likewise.

    Raises:
        LostProcessError: the process ended before it had the result.
        ClusterError: it has other rules than this one.
        Exception: whatever the function raises.
    """
    # A daemon, such as a worker of Dask, may not start processes.
    if len(options.variables or ()) <= LARGE_PANEL or multiprocessing.current_process().daemon:
        return compute(*args, **kwargs)
    seconds = options.rule_timeout_seconds
    rules = rule_versions(options.models or (), seconds)
    return call_in_process(step, _compute, rules, seconds, compute, args, kwargs)


def _compute(
    rules: Mapping[str, str],
    seconds: float,
    compute: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> T:
    """Call a function by the rules of the run, which this process imports for itself."""
    with fresh_hosts():
        if rules:
            check_rules(rules, seconds)
        return compute(*args, **kwargs)


def call_in_process(step: str, function: Callable[..., T], *arguments: object) -> T:
    """Return what a function returns in a process that has ended, or is killed, after it.

    Args:
        step: what it does, for messages.
        function: a function of a module.
        arguments: its arguments, which can be pickled, as its result can.

    Raises:
        LostProcessError: the process ended before it had the result.
        Exception: whatever the function raises.
    """
    context = process_context()
    receiver, sender = context.Pipe(duplex=False)
    target = {"target": _answer, "args": (sender, function, arguments)}
    process: BaseProcess = context.Process(name=f"pulse {step}", daemon=True, **target)
    with receiver:
        try:
            with starting_processes():
                process.start()
            sender.close()
            error, result = receiver.recv()
        except EOFError:
            process.join()
            raise LostProcessError(_explain(step, process.exitcode)) from None
        finally:
            sender.close()
            _end(process)
    if error:
        raise error
    return result


def _end(process: BaseProcess) -> None:
    """Kill a process whose result is here, or of no use; it ends its rule hosts by itself."""
    if process.pid is not None:
        process.kill()
        process.join()
        process.close()


def _explain(step: str, code: int | None) -> str:
    if code is None or code >= 0:
        return (
            f"the process of {step} ended with exit code {code} and without a result: a "
            "script that calls train() must do so under `if __name__ == '__main__':`"
        )
    names = {number.value: number.name for number in signal.Signals}
    name, cause, fix = names.get(-code, f"signal {-code}"), "", ""
    if name == "SIGKILL":
        cause, fix = ", probably for lack of memory", "free memory or name fewer variables, then "
    return (
        f"the process of {step} was killed ({name}){cause}: finished batches are kept; {fix}run "
        "pulse-train --resume"
    )


def _answer(
    sender: Connection, function: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    """Send what a function returns or raises to the process of the run."""
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    _give_memory_back()
    with suppress(BrokenPipeError):  # the run has ended
        try:
            sender.send((None, function(*arguments)))
        except (Exception, SystemExit) as error:  # as in this process, where a rule may raise it
            sender.send((_portable(error), None))


def _give_memory_back() -> None:
    """Make this process give back what is freed of each array and table, as it is freed.

    Otherwise what one part of a step has freed comes on top of what the next one needs: Arrow keeps
    it for itself, and malloc does so below a size that it raises to 32 MB.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_MMAP_THRESHOLD, _LARGE_ARRAY)  # musl has none


def _end_with_the_run() -> None:
    """End this process when that of the run does, which may be killed."""
    if run := multiprocessing.parent_process():
        run.join()
        signal.raise_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


def _portable(error: BaseException) -> BaseException:
    """Return an error that can be sent to another process, with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    kind = type(error)
    try:
        sendable = copy(error)  # made anew from its arguments, as the other process will do
    except Exception:
        sendable = RuntimeError(str(error))
    if getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        sendable = RuntimeError(str(error))
    sendable.add_note(text)
    return sendable
