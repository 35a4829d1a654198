"""What the benchmarks share: the machine they ran on, where results go, how pictures are made."""

import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("numpy", "numba", "scipy", "pyarrow", "dagster", "distributed", "statsforecast")
#: Where results go unless the command line says otherwise.
RESULTS: Final = Path("benchmarks/results")


def describe_machine() -> dict[str, str]:
    """Return processor, count of cores, Python and versions: what a figure depends on."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # as statsforecast where no peer is measured
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def publish(
    name: str, result: Mapping[str, Any], draw: Callable[[Any, Any], None], output: Path
) -> None:
    """Write a benchmark's figures as `<name>.json` and their picture as `<name>.png`.

    Args:
        name: of the benchmark.
        result: its figures; the machine is added.
        draw: draws the figures on a matplotlib figure.
        output: directory.
    """
    output.mkdir(parents=True, exist_ok=True)
    written = json.dumps({"machine": describe_machine(), **result}, indent=1) + "\n"
    (output / f"{name}.json").write_text(written, encoding="utf-8")
    with _picture(output / f"{name}.png") as figure:
        draw(figure, result)


@contextmanager
def _picture(path: Path) -> Iterator[Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(layout="constrained")
    yield figure
    figure.savefig(path, dpi=120)
    plt.close(figure)
