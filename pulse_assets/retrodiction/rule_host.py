"""The rule host: the process that imports and runs users' rules.

It reads requests from its standard input, and answers one at a time until the input ends. Rules can
reach neither pipe of the run: their output goes to the standard error, and their input is empty.

A host must not outlive its run. It leads its own process group, so Ctrl-C on a terminal does not
reach it, and the run ends the whole group, including processes that a rule has started. If the run
is killed, Linux ends the group as soon as the pipe breaks. On other systems the host ends with its
request, at the latest when the time of the request is over.
"""

import fcntl
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import numpy as np

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.failures import OriginFailure, failed_everywhere
from pulse_assets.retrodiction.rule_path import RULES_PATH
from pulse_assets.retrodiction.rule_wire import Message, pack, receive
from pulse_assets.retrodiction.user_rules import ImportedRule, UserRule, import_rule

#: Seconds after a request's time at which the host ends itself, if the run has not ended it.
_GRACE: Final = 5.0
#: Ignored: signals to the process group of a command, or for using a terminal in the background.
_IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGTTIN, signal.SIGTTOU)
#: Signals that end the host if the run does not.
_DEADLY: Final = {signal.SIGALRM, signal.SIGIO}


class _Pipes:
    """The pipes to and from the run, which the output and input of rules cannot reach."""

    def __init__(self) -> None:
        self.requests, self._answers = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)

    def read(self, size: int) -> bytes:
        """Read `size` bytes; end the host if there are fewer."""
        parts = []
        while size:
            parts.append(os.read(self.requests, min(size, 1 << 20)))
            if not parts[-1]:
                end()
            size -= len(parts[-1])
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Write all data; end the host if nobody reads."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._answers, view) :]
            except OSError:
                end()

    def watch(self, *, on: bool) -> None:
        """Make the kernel end this process group when the run closes its pipe, or stop that."""
        flags = fcntl.fcntl(self.requests, fcntl.F_GETFL)
        changed = flags | os.O_ASYNC if on else flags & ~os.O_ASYNC
        fcntl.fcntl(self.requests, fcntl.F_SETFL, changed)
        if on and self._is_broken():  # it broke before the kernel watched it
            end()

    def _is_broken(self) -> bool:
        poll = select.poll()
        poll.register(self.requests, 0)
        return bool(poll.poll(0))


def end() -> None:
    """End the host and all processes that its rules have started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


class _Rules:
    """The imported rules, of which each batch gets a new instance."""

    def __init__(self) -> None:
        self._imported: dict[str, ImportedRule] = {}
        self._instances: dict[str, tuple[int, UserRule]] = {}

    def get(self, reference: str, batch: int, *, check: bool = False) -> tuple[UserRule, str]:
        """Return a rule and its version.

        Args:
            reference: `package.module:Class` or `statsforecast:Model`.
            batch: number of the batch; an instance of a user's class must not remember an earlier
                batch.
            check: whether the rule checks forecasts of batches, see `ImportedRule`.

        Raises:
            RuleError: it cannot be imported or instantiated.
        """
        if reference not in self._imported:
            self._imported[reference] = import_rule(reference)
        imported, instance = self._imported[reference], self._instances.get(reference)
        if instance is None or instance[0] != batch:
            self._instances[reference] = instance = batch, imported.make(check)
        return instance[1], imported.version

    def describe(self, request: Message) -> Message:
        """Answer with the description of a rule."""
        header = request.header
        try:
            rule, version = self.get(header["reference"], header["batch"])
        except RuleError as error:
            return Message({"error": str(error)}, [])
        described = {
            "name": rule.name,
            "guarded": rule.guarded,
            "history_origins": rule.history_origins,
            "version": version,
        }
        return Message(described, [])

    def forecast(self, request: Message) -> Message:
        """Answer with the forecasts and failures of a rule."""
        header, (y, origins, horizons) = request
        shape = len(origins), len(horizons)
        try:
            check = header["check"]
            rule, version = self.get(header["reference"], header["batch"], check=check)
            if version != header["version"]:
                raise RuleError("was edited while the run was under way: start it again")
        except RuleError as error:
            failures = failed_everywhere(shape, RuleError.__name__, str(error))
            return _answer(np.full(shape, np.nan), failures)
        with np.errstate(over="ignore", invalid="ignore"), _restored_environment():
            return _answer(*rule.run(y, origins, horizons, header["season"]))


@contextmanager
def _restored_environment() -> Iterator[None]:
    """Restore directory, environment and `sys.path` after a rule, for the sake of other rules."""
    environment, path = dict(os.environ), list(sys.path)
    here = os.open(".", os.O_RDONLY)
    try:
        yield
    finally:
        with suppress(OSError):  # a rule may have closed it
            os.fchdir(here)
            os.close(here)
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)
        sys.path[:] = path


def _answer(forecasts: np.ndarray, failures: list[OriginFailure]) -> Message:
    """Return an answer that groups equal failures, because there may be thousands."""
    grouped: dict[tuple[str, str], list[int]] = {}
    for place, kind, message in failures:
        grouped.setdefault((kind, message), []).append(place)
    return Message({"failures": [[*words, at] for words, at in grouped.items()]}, [forecasts])


def _under_watch(
    pipes: _Pipes, answer: Callable[[Message], Message], request: Message, process: int
) -> Message:
    """Answer a request; end the host if the run ends, or if the request takes far too long."""
    pipes.watch(on=True)
    signal.setitimer(signal.ITIMER_REAL, request.header["seconds"] + _GRACE)
    try:
        return answer(request)
    finally:
        if os.getpid() != process:  # a rule forked, and this is the copy
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        pipes.watch(on=False)


def _prepare(pipes: _Pipes) -> None:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    for number in _DEADLY:
        signal.signal(number, signal.SIG_DFL)
    # The run may have blocked signals while it started this process.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _DEADLY)
    if os.getpgrp() == os.getpid():
        fcntl.fcntl(pipes.requests, fcntl.F_SETOWN, -os.getpgrp())


def main() -> None:
    """Answer requests until there are no more."""
    process, pipes, rules = os.getpid(), _Pipes(), _Rules()
    sys.path += json.loads(os.environ.get(RULES_PATH, "[]"))
    _prepare(pipes)
    answers: dict[str, Any] = {"describe": rules.describe, "forecast": rules.forecast}
    while True:
        request = receive(pipes.read)
        answer = _under_watch(pipes, answers[request.header["ask"]], request, process)
        with suppress(Exception):  # a rule may have closed or replaced it
            sys.stdout.flush()
        pipes.write(pack(*answer))
