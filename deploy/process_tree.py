"""Processes that end with the script that starts them, their own children too, however it ends.

Linux gives an orphan to its nearest ancestor that asked for orphans. So the script divides itself
in two: the first process only waits, the second one starts the services. Whichever of the two is
killed, the other has every service and every child of one below it, and ends all of them. When both
are killed at the same moment, the services are told to end, and their children are left to them.
Where there is no Linux, the children of a service that was killed are left too.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import psutil

#: Seconds for an orderly end; then a process is killed.
ORDERLY = 20

_PARENT_DEATH_SIGNAL = 1
_ADOPT_ORPHANS = 36


def run_in_two(work: Callable[[], int]) -> int:
    """Run `work` in a process below this one, and end whatever is left of it; return its code.

    Ctrl-C and SIGTERM reach `work` as KeyboardInterrupt, and so does the end of this process.
    """
    first = os.getpid()
    _set(_ADOPT_ORPHANS, 1)
    both = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    second = os.fork()
    stop = signal.default_int_handler if second == 0 else lambda *_: os.kill(second, signal.SIGTERM)
    for number in both:
        signal.signal(number, stop)
    if second == 0:
        _prepare_second(first)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        sys.exit(work())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
    code = os.waitstatus_to_exitcode(os.waitpid(second, 0)[1])
    for number in both:
        signal.signal(number, signal.SIG_IGN)
    end(psutil.Process().children(recursive=True))
    if code < 0:
        print(f"the process that starts the services ended with {code}: ended all", file=sys.stderr)
    return code if code >= 0 else 1


def _prepare_second(first: int) -> None:
    os.setsid()  # so that Ctrl-C in a terminal reaches the first, which passes it on
    _set(_ADOPT_ORPHANS, 1)
    _set(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != first:  # it ended before this process could ask to be told
        os.kill(os.getpid(), signal.SIGTERM)


def as_service() -> None:
    """Called in a new service before its program: it ends in an orderly way with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    _set(_PARENT_DEATH_SIGNAL, signal.SIGINT)


def end_in_order(services: Sequence[subprocess.Popen[bytes]]) -> None:
    """End services, the last one first, each with all that it has started."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for place in reversed(range(len(services))):
        # SIGINT is PostgreSQL's "fast" end, and what the others end orderly on.
        services[place].send_signal(signal.SIGINT)
        try:
            services[place].wait(ORDERLY)
        except subprocess.TimeoutExpired:
            services[place].kill()
            services[place].wait()
        end(_strays(services[:place]))


def reap(services: Collection[subprocess.Popen[bytes]] = ()) -> None:
    """Forget the orphans that have ended; without this they would stay in the list of processes."""
    ours = {service.pid for service in services}
    for child in psutil.Process().children():
        if child.pid not in ours and not _runs(child):
            with suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)


def _strays(running: Sequence[subprocess.Popen[bytes]]) -> list[psutil.Process]:
    """Return the processes below this one that belong to no service which still runs."""
    kept: set[psutil.Process] = set()
    for service in running:
        try:
            process = psutil.Process(service.pid)
            kept |= {process, *process.children(recursive=True)}
        except psutil.NoSuchProcess:
            continue
    return [one for one in psutil.Process().children(recursive=True) if one not in kept]


def end(processes: Sequence[psutil.Process]) -> None:
    """End processes: politely, then by force, and then what they started meanwhile."""
    _tell(processes, signal.SIGTERM)
    left = _wait(processes, ORDERLY)
    while left:
        started = [child for process in left for child in _children(process)]
        _tell(left, signal.SIGKILL)
        left = [*_wait(left, ORDERLY), *filter(_runs, started)]
    reap()


def _wait(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until processes have ended; return those that have not in time."""
    until = time.monotonic() + seconds
    while (left := [*filter(_runs, processes)]) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _tell(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _set(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
