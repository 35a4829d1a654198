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

#: Tag of a run that names host, process id and the process's start, in seconds since 1970.
PROCESS_TAG: Final = "pulse/process"

_UNFINISHED: Final = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.NOT_STARTED]


def process_tags() -> Mapping[str, str]:
    """Return the tag of a run that lives in this process."""
    return {PROCESS_TAG: _name(os.getpid())}


def fail_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs as failed whose process on this host has died; those of other hosts are left."""
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if _is_dead(run.tags.get(PROCESS_TAG, "")):
            instance.report_run_failed(
                run,
                "The process of this run died. Finished batches are kept: a run with "
                "`resume: true` computes the others.",
            )


def _name(pid: int) -> str:
    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time():.0f}"


def _is_dead(tag: str) -> bool:
    host, _, rest = tag.partition(" ")
    if host != socket.gethostname():
        return False
    pid = int(rest.split()[0])
    try:
        return _name(pid) != tag or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
