"""How many tasks run at a time while a cluster grows: fixed, scaled, and adaptive to 16 workers.

    python -m benchmarks.growing --tasks 1600 --seconds 0.1

Tasks sleep, so that 16 workers need no 16 processors. Starting them does: on a small machine the
first seconds are those of the worker processes.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pulse_assets.execution.cluster import ClusterSpec, active_client, open_cluster
from pulse_assets.execution.fan_out import fan_out

WORKERS = 16


@dataclass(frozen=True)
class Sleep:
    """A task that takes a known time."""

    name: str
    seconds: float

    def parts(self) -> "list[Sleep]":
        """Return the task itself, which cannot be divided."""
        return [self]


def sleep(task: Sleep) -> float:
    """Sleep as long as the task says."""
    time.sleep(task.seconds)
    return task.seconds


#: By name, the workers at the start and what happens to the cluster then.
CASES: dict[str, tuple[int, Callable[[Any], object]]] = {
    "16 workers": (WORKERS, lambda _: None),
    "1 worker, scaled to 16": (1, lambda cluster: cluster.scale(WORKERS)),
    "adaptive, 1 to 16": (1, lambda cluster: cluster.adapt(minimum=1, maximum=WORKERS)),
    "adaptive, 0 to 16": (0, lambda cluster: cluster.adapt(minimum=0, maximum=WORKERS)),
}


def measure(name: str, count: int, seconds: float) -> str:
    """Run `count` tasks and say how many ran at a time, in all and in the last half."""
    workers, change = CASES[name]
    tasks = (Sleep(f"2005-{i:05d}", seconds) for i in range(count))
    options = {"n_workers": workers, "preload": []}  # the kernels are not needed
    with open_cluster(ClusterSpec("local", options, forced=True)):
        client = active_client()
        change(client.cluster)  # type: ignore[union-attr]
        began = time.perf_counter()
        ends = [time.perf_counter() - began for _ in fan_out(sleep, tasks, client)]
    whole = count * seconds / ends[-1]
    half = count // 2
    late = (count - half) * seconds / (ends[-1] - ends[half - 1])
    return f"{name}: {whole:.1f} tasks at a time, {late:.1f} in the last half, {ends[-1]:.1f} s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each case."""
    parser = argparse.ArgumentParser(description="tasks at a time on growing clusters")
    parser.add_argument("--tasks", type=int, default=1600)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    chosen = parser.parse_args(arguments)
    for name in chosen.cases:
        print(measure(name, chosen.tasks, chosen.seconds), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
