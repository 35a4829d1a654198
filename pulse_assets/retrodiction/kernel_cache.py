"""The directory of numba's cache of compiled kernels, and a temporary one if there is none.

numba tries NUMBA_CACHE_DIR, the directory of the source, and the user's cache directory. None of
them is writable if another user installed the package and there is no home directory.
"""

import atexit
import hashlib
import logging
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import numba
from llvmlite.binding import get_host_cpu_name

_FIX: Final = "set NUMBA_CACHE_DIR to a directory that this user can write"


@cache
def can_keep_kernels() -> bool:
    """Return whether numba can cache kernels on disk, if need be in a temporary directory.

    That directory is private to the user, because numba unpickles the files in it. Processes that
    this one starts inherit it in their environment; this process removes it when it ends.
    """
    if _finds_directory():
        return True
    try:
        folder = tempfile.mkdtemp(prefix="pulse-kernels-")  # readable by this user only
    except OSError:
        return False
    atexit.register(_remove, folder, os.getpid())
    os.environ["NUMBA_CACHE_DIR"] = folder
    # numba has already read the environment. Its configuration has no type annotations.
    numba.config.CACHE_DIR = folder  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
    return _finds_directory()


@cache
def remove_outdated_kernels(folder: str | None) -> None:
    """Delete the compiled kernels of a cache directory unless our present sources made them.

    numba compares a kernel with the file that defines it. It does not notice that a kernel which
    is copied into it changed, and raises ImportError if the module of an argument was renamed.
    """
    if folder is None:
        return
    marker = Path(folder) / f"sources-{_source_hash()}"
    with suppress(OSError):  # a directory that cannot be written holds no kernels of ours
        if not marker.exists():
            for kind in ("*.nb[ic]", "sources-*", "compiled-*"):
                for file in marker.parent.glob(kind):
                    file.unlink(missing_ok=True)
            marker.touch()


def compiled_marker(folder: str) -> Path:
    """Return the path of the file that says that this directory holds all kernels compiled.

    numba compiles them again for another processor or another version of itself.
    """
    return Path(folder) / f"compiled-{numba.__version__}-{get_host_cpu_name()}"


@cache
def _source_hash() -> str:
    """Return a hash of the engine's source files."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _finds_directory() -> bool:
    """Return whether numba finds a cache directory, which is the same for all our modules."""
    try:
        numba.njit(cache=True)(_probe)
    except RuntimeError:  # no locator available
        return False
    return True


def _probe() -> None:
    """Stand in for a kernel; it is never called."""


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked process inherits registered functions
        shutil.rmtree(folder, ignore_errors=True)


def warn_of_compilation() -> None:
    """Log a warning if the kernels are compiled again in each run."""
    here = os.environ.get("NUMBA_CACHE_DIR", "")
    if not can_keep_kernels():
        text = "every process compiles its kernels anew"
    elif Path(here).name.startswith("pulse-kernels-"):
        text = "the kernels are compiled anew in each run"
    else:
        return
    logging.getLogger("pulse_assets.kernels").warning(
        "no directory keeps compiled kernels, so %s: %s", text, _FIX
    )
