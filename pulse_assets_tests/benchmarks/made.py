"""A database in the format of gretl, made for tests, and what a benchmark published."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fred


def write_database(folder: Path, series: dict[str, tuple[str, np.ndarray]]) -> None:
    """Write series, by name with their frequency, where the Debian package puts its database."""
    folder.mkdir(parents=True)
    lines = ["# made series"]
    for name, (frequency, values) in series.items():
        lines += [
            f"{name}  A series, n = 3 of them",
            f"{frequency}  1990.01 - 2020.12  n = {len(values)}",
        ]
    (folder / "fedstl.idx").write_text("\n".join(lines) + "\n", encoding="latin-1")
    values = np.concatenate([values for _, values in series.values()])
    np.where(np.isnan(values), fred.MISSING, values).astype("<f4").tofile(folder / "fedstl.bin")


def walks(count: int, length: int = 300) -> dict[str, tuple[str, np.ndarray]]:
    """Make monthly random walks with a trend; they stay above zero."""
    steps = np.random.default_rng(7).standard_normal((count, length)) + 0.3
    return {f"walk{i}": ("M", 200.0 + walk) for i, walk in enumerate(np.cumsum(steps, axis=1))}


def published(folder: Path, name: str) -> dict[str, Any]:
    """Read the figures that a benchmark wrote beside their picture."""
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
