"""The rule hosts of this process: one per thread that runs users' rules.

A host is started at the first request. If a rule crashes, its host ends, and a new one is started
for the next request.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import numpy as np

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.rule_wire import BadMessageError, Message, pack, receive

#: Seconds between two checks whether a host that does not answer is still alive.
_CHECK_INTERVAL: Final = 0.2
#: Seconds that a host has to end after its pipe is closed.
_END_TIMEOUT: Final = 2.0

#: The program of a host. It searches modules in the same places as this process, and those of rules
#: in further ones.
_PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pulse_assets.retrodiction.rule_host import main; main()"
)


class HostDiedError(Exception):
    """A host ended in the middle of a request; the message says how."""


class HostTimeoutError(Exception):
    """A host did not answer in time."""


class _Process:
    """A host and the pipes to it."""

    def __init__(self) -> None:
        try:
            # Dask's workers may not start processes by multiprocessing.
            self._popen = subprocess.Popen(  # noqa: S603 - no shell, and no text of a user's
                [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                process_group=0,
            )
        except OSError as error:
            raise RuleError(f"the process that runs users' rules cannot start: {error}") from error
        self._requests, self._answers = _pipes(self._popen)
        # When the thread ends, and when the process does.
        self._finalizer = weakref.finalize(self, _end, self._popen, os.getpid())

    @property
    def alive(self) -> bool:
        """Whether the host can get requests; a fork of this process has no host of its own."""
        return self._finalizer.alive and self._popen.poll() is None

    def ask(self, data: bytes, until: float) -> Message:
        """Send a request and wait for the answer, or for an interrupt.

        Raises:
            HostDiedError: the host ended.
            HostTimeoutError: the clock reached `until`.
        """
        self._send(data, until)
        try:
            return receive(lambda size: self._read(size, until))
        except BadMessageError as error:
            raise HostDiedError(f"its process sent no answer but {error}") from error

    def _send(self, data: bytes, until: float) -> None:
        view = memoryview(data)
        while view:
            self._wait(self._requests, select.POLLOUT, until)
            try:
                view = view[os.write(self._requests, view) :]
            except OSError as error:
                raise HostDiedError(self._how_it_ended()) from error

    def _read(self, size: int, until: float) -> bytes:
        parts = []
        while size:
            self._wait(self._answers, select.POLLIN, until)
            parts.append(os.read(self._answers, min(size, 1 << 20)))
            if not parts[-1]:
                raise HostDiedError(self._how_it_ended())
            size -= len(parts[-1])
        return b"".join(parts)

    def _wait(self, pipe: int, event: int, until: float) -> None:
        """Wait until a pipe is ready; processes of a dead host may keep it open."""
        poll = select.poll()
        poll.register(pipe, event)
        while True:
            left, alive = until - time.monotonic(), self.alive
            if left <= 0:
                raise HostTimeoutError
            if poll.poll(1000 * min(left, _CHECK_INTERVAL)):
                return
            if not alive:
                raise HostDiedError(self._how_it_ended())

    def _how_it_ended(self) -> str:
        self.close()
        code = self._popen.returncode
        if code >= 0:
            return f"its process ended with exit code {code}"
        names = {number.value: number.name for number in signal.Signals}
        hint = ", as one that runs out of memory is" if code == -signal.SIGKILL else ""
        return f"its process was ended by {names.get(-code, f'signal {-code}')}{hint}"

    def close(self) -> None:
        """Close the pipe, which ends the process, and end all processes that it has started."""
        self._finalizer()

    def kill(self) -> None:
        """Kill the process in the middle of a request, and all processes that it has started."""
        with suppress(ProcessLookupError):
            self._popen.kill()
        self.close()


def _pipes(popen: "subprocess.Popen[bytes]") -> tuple[int, int]:
    """Return the pipes to and from a process, set to be non-blocking."""
    if popen.stdin is None or popen.stdout is None:
        raise TypeError("the process was started without pipes")
    for pipe in (popen.stdin, popen.stdout):
        os.set_blocking(pipe.fileno(), False)
    return popen.stdin.fileno(), popen.stdout.fileno()


def _end(popen: "subprocess.Popen[bytes]", owner: int) -> None:
    """End a process and its group: close its pipe, and kill them if they do not end."""
    for pipe in (popen.stdin, popen.stdout):
        if pipe:
            pipe.close()
    if os.getpid() != owner:  # a fork must not end its parent's host
        return
    with suppress(subprocess.TimeoutExpired):
        popen.wait(_END_TIMEOUT)
    with suppress(ProcessLookupError, PermissionError):  # no process is left in the group
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()


class RuleHost:
    """The host of one thread; its process is started, or started again, when it is needed.

    Attributes:
        descriptions: the host's descriptions of rules by reference, until it is closed.
    """

    def __init__(self) -> None:
        """Do not start a process yet."""
        self.descriptions: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._owner = os.getpid()
        self._served: set[str] = set()
        _every_host.add(self)

    def ask(
        self, header: dict[str, Any], arrays: Sequence[np.ndarray] = (), *, seconds: float
    ) -> Message:
        """Return the answer to a request about a rule.

        A host may die because of something that another rule left in it, such as a thread. Then
        the request is sent again, to a new host.

        Raises:
            HostDiedError: the host ended.
            HostTimeoutError: it did not answer in time.
            RuleError: it cannot be started.
        """
        reference, until = header["reference"], time.monotonic() + seconds
        data = pack({**header, "seconds": seconds}, arrays)
        with self._lock:
            try:
                return self._ask(reference, data, until)
            except HostDiedError:
                if self._served <= {reference}:
                    raise
            return self._ask(reference, data, until)

    def _ask(self, reference: str, data: bytes, until: float) -> Message:
        if self._process is None or not self._process.alive or os.getpid() != self._owner:
            self._end()
            self._process, self._served, self._owner = _Process(), set(), os.getpid()
        self._served.add(reference)
        try:
            return self._process.ask(data, until)
        except BaseException:  # an interrupt, too: nobody would read the answer
            self._process.kill()
            self._process = None
            raise

    def _end(self) -> None:
        if self._process:
            self._process.close()
        self._process = None

    def close(self) -> None:
        """End the process and forget the descriptions, unless a request is under way."""
        if self._lock.acquire(blocking=False):
            try:
                self._end()
                self.descriptions.clear()
            finally:
                self._lock.release()


_every_host: Final[weakref.WeakSet[RuleHost]] = weakref.WeakSet()
_own: Final = threading.local()


def this_threads_host() -> RuleHost:
    """Return the host of this thread."""
    if not hasattr(_own, "host"):
        _own.host = RuleHost()
    return _own.host


def close_hosts() -> None:
    """End the hosts of this process that are idle; they start again when needed."""
    for host in list(_every_host):
        host.close()


@contextmanager
def fresh_hosts() -> Iterator[None]:
    """Import rules again in a `with` block, and end all hosts after it.

    Inside another such block nothing happens, because a run imports each rule once.
    """
    outermost = not getattr(_own, "inside", False)
    if outermost:
        close_hosts()
        _own.inside = True
    try:
        yield
    finally:
        if outermost:
            _own.inside = False
            close_hosts()
