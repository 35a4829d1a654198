"""Which process a run lives in, and whether that process lives, as far as this one can see.

A process id is a number within a PID namespace: each container has one, also where containers share
the name of their host. So a process is looked up only in its own namespace, on its own boot of the
kernel; of any other the answer is that it is not known.
"""

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil

from pulse_assets.execution.process_start import ticks_at_start

#: Stands for what this machine does not tell, and for what it does not have.
UNKNOWN: Final = "?"
NONE: Final = "-"

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/self/ns/pid")
_MACHINE: Final = Path("/etc/machine-id")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, named so that no other process on any machine has the same name.

    Attributes:
        host: name of its host, for messages.
        pid: its id, in its own PID namespace.
        started: clock ticks from the boot to its start, in a clock that nobody can set; where
            Linux's `/proc` is missing, seconds since 1970.
        boot: id of the boot of its kernel; `-` where the system has none.
        namespace: inode of its PID namespace; `-` where the system has none, `?` if not known.
        machine: hash of the id of its installed system, which outlasts a boot; `?` if not known.
    """

    host: str
    pid: int
    started: str
    boot: str = NONE
    namespace: str = NONE
    machine: str = UNKNOWN

    @classmethod
    def own(cls) -> Self:
        """Return the identity of this process."""
        pid, boot = os.getpid(), _boot()
        started = _started(pid, boot)
        return cls(socket.gethostname(), pid, started, boot, _namespace(boot), _machine())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote, or an older version, which knew of no namespaces.

        Raises:
            ValueError: the text names no process.
        """
        host, pid, started, *more = text.split(" ")
        if not more:
            boot, _, ticks = started.rpartition(":")
            return cls(host, int(pid), ticks, boot or NONE, UNKNOWN if boot else NONE)
        boot, namespace, machine = more
        return cls(host, int(pid), started, boot, namespace, machine)

    def __str__(self) -> str:
        """Return it as words with blanks in between."""
        words = (self.host, self.pid, self.started, self.boot, self.namespace, self.machine)
        return " ".join(map(str, words))

    def lives(self) -> bool | None:
        """Return whether the process lives; None if that cannot be seen from here.

        A machine that was booted again since counts as another one: see `precedes_boot`.
        """
        return self._is_here() if self.hidden_by() is None else None

    def hidden_by(self) -> str | None:
        """Return why this process cannot see whether that one lives; None if it can."""
        here = ProcessIdentity.own()
        if self.boot == NONE or here.boot == NONE:
            same = self.host == here.host and self.boot == here.boot
            return None if same else "it is on another machine"
        if self.boot != here.boot:
            return "it is on another machine, or on an earlier boot of this one"
        if UNKNOWN in (self.namespace, here.namespace):
            return "its PID namespace is not known"
        return None if self.namespace == here.namespace else "it is in another PID namespace"

    def precedes_boot(self, last_sign: float) -> bool:
        """Return whether this machine was booted after the process gave its last sign of life.

        Args:
            last_sign: seconds since 1970 of what is known to be the latest that the process did.
        """
        here = ProcessIdentity.own()
        same = (self.host, self.machine) == (here.host, here.machine) and here.machine != UNKNOWN
        return same and self.boot != here.boot and last_sign < psutil.boot_time()

    def _is_here(self) -> bool:
        try:
            if _started(self.pid, self.boot) != self.started:
                return False
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except (OSError, psutil.NoSuchProcess):
            return False


def _started(pid: int, boot: str) -> str:
    """Return the start of a process.

    Raises:
        OSError, psutil.NoSuchProcess: there is no such process.
    """
    if boot == NONE:
        return f"{psutil.Process(pid).create_time():.0f}"
    return str(ticks_at_start("self" if pid == os.getpid() else pid))


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return NONE


def _namespace(boot: str) -> str:
    """Return the PID namespace of this process; `?` if `/proc` shows the processes of another."""
    if boot == NONE:
        return NONE
    try:
        own_proc = Path("/proc/self").readlink().name == str(os.getpid())
        return str(_NAMESPACE.stat().st_ino) if own_proc else UNKNOWN
    except OSError:
        return UNKNOWN


def _machine() -> str:
    """Return a hash of the machine's id, which should not be shown as it is; images may lack it."""
    try:
        text = _MACHINE.read_text().strip()
    except OSError:
        return UNKNOWN
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else UNKNOWN
