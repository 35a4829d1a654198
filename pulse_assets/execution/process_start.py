"""When a process started, in a clock that nobody can set."""

from pathlib import Path
from typing import Final, Literal

#: Place of the start among the numbers that follow the name of a process in `/proc/<pid>/stat`.
_START: Final = 19


def ticks_at_start(pid: int | Literal["self"]) -> int:
    """Return the clock ticks from the boot of the machine to the start of a process.

    Args:
        pid: its id; "self" is right also where `/proc` shows another PID namespace.

    Raises:
        OSError: Linux's `/proc` is missing, or there is no such process.
    """
    # The name of a process may hold blanks and brackets, so the last bracket ends it.
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START])
