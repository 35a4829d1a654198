"""What both benchmarks share: the machine they ran on and how results are written."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("numpy", "numba", "scipy", "statsforecast")


def describe_machine() -> dict[str, str]:
    """Return processor, count of cores, Python and versions: what a figure depends on."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_json(result: Mapping[str, Any], path: Path) -> None:
    """Write a result for other programs."""
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
