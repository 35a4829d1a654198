"""How many workers a run has by default: what this process may use, not what the machine has."""

import os
import subprocess
import sys

import pytest

_ONE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from pulse_assets import TrainingConfig
from pulse_assets.settings.processors import usable_processors
print(TrainingConfig().max_workers, usable_processors())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_process_that_may_use_one_processor_has_one_worker() -> None:
    """As in a pod with a limit, a Slurm job, or under taskset."""
    done = subprocess.run([sys.executable, "-c", _ONE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
