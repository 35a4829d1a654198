"""Which process a run lives in, so that the next run can tell that it died.

Dagster's run monitoring asks the launcher whether a run is alive. It knows of no run that
`pulse-train` made, and of none whose machine went down with the launcher.
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

import dagster as dg
import psutil
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

#: Tag of a run: host, process id, the process's start in seconds since 1970, and the run's id.
PROCESS_TAG: Final = "pulse/process"

#: Statuses of a run that has not ended.
UNFINISHED: Final = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.NOT_STARTED]


def process_tags(run_id: str) -> Mapping[str, str]:
    """Return the tag of a run that lives in this process."""
    return {PROCESS_TAG: f"{_name(os.getpid())} {run_id}"}


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


def _name(pid: int) -> str:
    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time():.0f}"


def _is_dead(name: str) -> bool:
    host, pid, _ = name.split(" ")
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        return _name(process.pid) != name or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
