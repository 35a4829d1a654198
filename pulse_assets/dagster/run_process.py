"""The process of a run, recorded in a tag, so that the next run can detect that it died.

Dagster's run monitoring asks the launcher whether a run is alive. It does not cover runs of
`pulse-train`, nor runs whose machine stopped together with the launcher.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import dagster as dg
import psutil

from pulse_assets.execution.process_start import ticks_at_start

#: Tag of a run: host, process id, start of the process, and id of the run.
PROCESS_TAG: Final = "pulse/process"

#: Statuses of a run that has not ended.
UNFINISHED: Final = [
    dg.DagsterRunStatus[name]
    for name in ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING", "SUSPENDED")
]


def process_tags(run_id: str) -> Mapping[str, str]:
    """Return the tag of a run that lives in this process."""
    started = _started(psutil.Process())
    return {PROCESS_TAG: f"{socket.gethostname()} {os.getpid()} {started} {run_id}"}


def fail_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs as failed whose process on this host has died; those of other hosts are left."""
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        name, _, run_id = run.tags.get(PROCESS_TAG, "").rpartition(" ")
        # Dagster copies the tags of a run to its re-execution, which is in another process.
        if run_id == run.run_id and _is_dead(name):
            instance.report_run_failed(
                run,
                "The process of this run died. Finished batches are kept: a run with "
                "`resume: true` computes the others.",
            )


def _started(process: psutil.Process) -> str:
    """Return the boot of the machine that a process belongs to, and its start in ticks since then.

    The time of day cannot be used: if the clock of the machine is set, it changes for running
    processes. It is returned only where Linux's `/proc` is missing.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{ticks_at_start(process.pid)}"
    except OSError:
        return _time_of_day(process)


def _time_of_day(process: psutil.Process) -> str:
    """Return the start of a process in seconds since 1970, as older versions tagged runs."""
    return f"{process.create_time():.0f}"


def _is_dead(name: str) -> bool:
    host, pid, started = name.split(" ")
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        now = _started(process) if ":" in started else _time_of_day(process)
        return now != started or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
