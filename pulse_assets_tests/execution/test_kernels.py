"""Kernels are compiled once, before the workers of a run start, and not in the run's process."""

import os
from pathlib import Path

import psutil
import pytest

from pulse_assets.execution import kernels
from pulse_assets.execution.cluster import ClusterSpec
from pulse_assets.execution.kernels import prepare_kernels
from pulse_assets.execution.tally import NoProgress

TWO_WORKERS = ClusterSpec("local", {"n_workers": 2})
IN_PROCESS = ClusterSpec("local", {"n_workers": 1, "threads_per_worker": 1})
EXISTING = ClusterSpec("existing", {"address": "tcp://127.0.0.1:9"})


def note_process():
    """Stand in for the compilation: write down which process does it."""
    Path(os.environ["NOTED"]).write_text(str(os.getpid()))


class Phases(NoProgress):
    """Progress that keeps the phases it receives."""

    def __init__(self):
        self.seen = []

    def phase(self, phase):
        self.seen.append(phase)

    def end_block(self):
        """Receive the end of a block, of which there is none."""


@pytest.fixture
def compiled_in(monkeypatch, tmp_path):
    """Return the process that compiles for a cluster, None if none does, and the phases."""
    noted = tmp_path / "noted"
    monkeypatch.setenv("NOTED", str(noted))
    monkeypatch.setattr(kernels, "compile_kernels", note_process)

    def compiled_in(cluster, *, before):
        monkeypatch.setattr(kernels, "are_compiled", lambda: before)
        phases = Phases()
        prepare_kernels(cluster, phases)
        return (int(noted.read_text()) if noted.exists() else None), phases.seen

    return compiled_in


def test_a_process_of_their_own_compiles_them_for_workers(compiled_in):
    process, phases = compiled_in(TWO_WORKERS, before=False)
    assert process not in (None, os.getpid())
    assert not psutil.pid_exists(process)
    assert phases == ["kernels", "start"]


def test_a_run_without_workers_compiles_for_itself(compiled_in):
    """A script that calls `train` without a guard cannot start processes."""
    assert compiled_in(IN_PROCESS, before=False) == (os.getpid(), ["kernels", "start"])


@pytest.mark.parametrize(("cluster", "before"), [(TWO_WORKERS, True), (EXISTING, False)])
def test_nothing_is_compiled_that_is_there_or_of_no_use(compiled_in, cluster, before):
    assert compiled_in(cluster, before=before) == (None, [])
