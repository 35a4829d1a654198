"""What a command changes in its process: the path of modules, and how interrupts arrive."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pulse_assets.execution.interrupts import lasting_interrupts


@contextmanager
def own_process() -> Iterator[None]:
    """Set up this process for a command, which owns it.

    Rules in modules of the working directory can be named, as with `dagster -m`. SIGTERM, which
    stops a container or a service, means the same as Ctrl-C. An interrupt that Python loses is
    sent again.
    """
    sys.path.insert(0, str(Path.cwd()))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with lasting_interrupts():
        yield
