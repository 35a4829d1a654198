"""Compile the kernels once before the workers of a run start, in a process that then ends."""

import multiprocessing

from pulse_assets.execution.cluster import ClusterSpec
from pulse_assets.execution.phases import begin_phase
from pulse_assets.execution.separate_process import call_in_process
from pulse_assets.execution.tally import Progress
from pulse_assets.retrodiction.compilation import are_compiled, compile_kernels


def prepare_kernels(cluster: ClusterSpec, progress: Progress) -> None:
    """Compile the kernels unless they are, so that no worker of this machine has to.

    LLVM keeps some 450 MB until its process ends, so the process of a run with workers leaves it to
    another one and loads what that one stored. A run without workers needs all kernels itself, and
    may be a script that can start no process.

    Raises:
        LostProcessError: the other process ended before it had compiled them.
    """
    if cluster.kind != "local" or are_compiled():
        return
    begin_phase(progress, "kernels")
    if cluster.in_process or multiprocessing.current_process().daemon:
        compile_kernels()
    else:
        call_in_process("kernels", compile_kernels)
    begin_phase(progress, "start")
