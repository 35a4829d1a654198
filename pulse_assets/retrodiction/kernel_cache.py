"""Where numba keeps the compiled kernels, and what is done when it finds no place for them.

numba looks in NUMBA_CACHE_DIR, beside the source, and in the user's cache directory. A package that
another user installed, used without a home directory, leaves none of them.
"""

import atexit
import logging
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import numba

_FIX: Final = "set NUMBA_CACHE_DIR to a directory that this user can write"


@cache
def can_keep_kernels() -> bool:
    """Return whether numba can keep kernels on disk, if need be in a directory of this process.

    That directory is private, because numba unpickles what it finds there. The processes that this
    one starts find it in their environment; this process removes it when it ends.
    """
    if _finds_a_place():
        return True
    try:
        folder = tempfile.mkdtemp(prefix="pulse-kernels-")  # readable by this user only
    except OSError:
        return False
    atexit.register(_remove, folder, os.getpid())
    os.environ["NUMBA_CACHE_DIR"] = folder
    # numba has read the environment already. Its modules hold no annotation of what it read.
    numba.config.CACHE_DIR = folder  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
    return _finds_a_place()


def _finds_a_place() -> bool:
    """Ask numba itself; a function of this module has the same places as every kernel."""
    try:
        numba.njit(cache=True)(_probe)
    except RuntimeError:  # no locator available
        return False
    return True


def _probe() -> None:
    """Never compiled: it stands for the kernels."""


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked process inherits what is registered
        shutil.rmtree(folder, ignore_errors=True)


def warn_of_compilation() -> None:
    """Log a warning if the kernels are compiled anew in each run."""
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
