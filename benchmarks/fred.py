"""The monthly series of the Federal Reserve Bank of St. Louis that Debian ships with gretl.

`fedstl.idx` lists the series, two lines each: name and description; frequency, first and last
period, count. `fedstl.bin` holds their values one after another as little-endian 32-bit floats,
-999 where missing.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from pulse_assets.array_types import Floats

#: Where the Debian package gretl-data puts its databases.
INSTALLED: Final = Path("/usr/share/gretl/db")
MISSING: Final = -999.0
SEASON: Final = 12
#: Values that a series must have, the last ones without a gap.
MIN_LENGTH: Final = 240
#: The Venezuelan exchange rate: one hyperinflation would outweigh all other series.
LEFT_OUT: Final = frozenset({"exvzus"})
SAMPLE: Final = Path(__file__).parent / "fred_monthly_sample40.txt"

_PERIOD: Final = re.compile(r"(\w)\s+\S+\s+-\s+\S+\s+n\s*=\s*(\d+)")


def load(cache: Path) -> dict[str, Floats]:
    """Return the benchmark's series by name: `[T]`, NaN where missing, none missing at the end.

    Args:
        cache: where the package is unpacked when it is not installed.

    Raises:
        FileNotFoundError: the package is neither installed nor to be had.
    """
    index = locate(cache)
    values = np.fromfile(index.with_suffix(".bin"), "<f4").astype(np.float64)
    values[values == MISSING] = np.nan
    found, start = {}, 0
    for name, frequency, length in entries(index.read_text(encoding="latin-1")):
        series = values[start : start + length]
        start += length
        if frequency == "M" and name not in LEFT_OUT and length >= MIN_LENGTH:
            found[name] = series
    return {n: y for n, y in found.items() if np.isfinite(y[-MIN_LENGTH:]).all()}


def entries(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield name, frequency and number of values of each series of an index.

    Raises:
        ValueError: a line of periods does not read as one.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for head, periods in zip(lines[::2], lines[1::2], strict=True):
        match = _PERIOD.match(periods)
        if match is None:
            raise ValueError(f"series {head!r} of the index has the periods {periods!r}")
        yield head.split()[0], match[1], int(match[2])


def locate(cache: Path) -> Path:
    """Return the index file: the installed one, or one unpacked under `cache` with apt and dpkg."""
    for folder in (INSTALLED, cache / INSTALLED.relative_to("/")):
        if (folder / "fedstl.idx").exists():
            return folder / "fedstl.idx"
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if apt is None or dpkg is None:
        raise FileNotFoundError(
            f"no {INSTALLED}/fedstl.idx: install Debian's package gretl-data, or unpack it in "
            f"{cache}"
        )
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run([apt, "download", "gretl-data"], cwd=cache, check=True)  # noqa: S603
    package = max(cache.glob("gretl-data_*.deb"))
    subprocess.run([dpkg, "-x", package, cache], check=True)  # noqa: S603
    return locate(cache)


def in_validation_half(name: str) -> bool:
    """Return whether a series is for choosing constants; the others are for reporting alone."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def sample_names() -> list[str]:
    """List the 40 series on which the slow peers are run."""
    return SAMPLE.read_text(encoding="utf-8").split()
