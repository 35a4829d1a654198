"""A package that cannot be written and a user without a home: numba finds no place of its own."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from pulse_assets.retrodiction import kernel_cache
from pulse_assets.retrodiction.kernel_cache import compiled_marker

#: Compiles a kernel, and lets a process of its own load it.
PROGRAM = """
import os, subprocess, sys
import numpy as np
from pulse_assets.retrodiction.arrays import carry_forward
from pulse_assets.retrodiction.kernel_cache import warn_of_compilation

assert carry_forward(np.array([1.0, np.nan])).tolist() == [1.0, 1.0]
folder = os.environ.get("NUMBA_CACHE_DIR", "")
misses = sum(carry_forward.stats.cache_misses.values())
hits = sum(carry_forward.stats.cache_hits.values())
mode = oct(os.stat(folder).st_mode)[-3:] if folder else ""
print(folder, mode, misses, hits, sep="|")
warn_of_compilation()
sys.stdout.flush()
if len(sys.argv) > 1:
    subprocess.run([sys.executable, __file__], check=True)
    assert not folder or os.listdir(folder)
"""


@pytest.fixture
def run(tmp_path):
    """Run the program where numba may use the directory that it is given and no other."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "tmp").mkdir()

    def start(*arguments, **environment):
        names = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
        kept = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
        done = subprocess.run(
            [sys.executable, str(tmp_path / "program.py"), *arguments],
            env={**kept, **names, "TMPDIR": str(tmp_path / "tmp"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()], done.stderr.splitlines()

    return start


def test_a_private_directory_is_shared_with_child_processes_and_removed(run, tmp_path):
    (own, child), warnings = run("with a child")
    assert Path(own[0]).parent == tmp_path / "tmp"
    assert own[1:] == ["700", "1", "0"]  # mode, compiled, loaded
    assert child == [own[0], "700", "0", "1"]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert len(warnings) == 2
    assert all("set NUMBA_CACHE_DIR" in line for line in warnings)


def test_no_two_runs_share_a_directory(run):
    (first,), _ = run()
    (second,), _ = run()
    assert first[0] != second[0]
    assert (first[2], second[2]) == ("1", "1")


def test_a_directory_of_the_user_is_taken_and_stays(run, tmp_path):
    for compiled in ("1", "0"):
        (own,), warnings = run(NUMBA_CACHE_DIR=str(tmp_path / "mine"))
        assert (own[0], own[2]) == (str(tmp_path / "mine"), compiled)
        assert warnings == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_kernels_of_other_sources_are_compiled_again(run, tmp_path):
    """As after an upgrade that renames the module of an argument: the index cannot be read."""
    mine = {"NUMBA_CACHE_DIR": str(tmp_path / "mine")}
    run(**mine)
    (index,) = tmp_path.glob("mine/*/arrays.carry_forward-*.nbi")
    version, rest = pickle.loads(index.read_bytes()), b"cno_such_module\nName\n."
    index.write_bytes(pickle.dumps(version) + rest)
    (marker,) = index.parent.glob("sources-*")
    marker.rename(marker.with_name("sources-of-another-version"))
    compiled_marker(index.parent).touch()
    for compiled in ("1", "0"):
        (own,), _ = run(**mine)
        assert own[2] == compiled
    assert not compiled_marker(index.parent).exists()  # not all kernels


def test_one_that_cannot_be_written_is_replaced_with_a_warning(run, tmp_path):
    (own,), (line,) = run(NUMBA_CACHE_DIR="/dev/null/x")
    assert Path(own[0]).parent == tmp_path / "tmp"
    assert "the kernels are compiled anew in each run" in line


def test_without_any_directory_kernels_are_compiled_in_memory(run, tmp_path):
    site = tmp_path / "sitecustomize.py"
    site.write_text("import tempfile\ndef no(**_): raise OSError\ntempfile.mkdtemp = no\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    (own,), (line,) = run(PYTHONPATH=path)
    assert own == ["", "", "1", "0"]  # no directory, compiled
    assert "every process compiles its kernels anew: set NUMBA_CACHE_DIR" in line


def test_only_the_process_that_made_the_directory_removes_it(tmp_path):
    (tmp_path / "made").mkdir()
    kernel_cache._remove(str(tmp_path / "made"), os.getpid() + 1)
    assert (tmp_path / "made").exists()
    kernel_cache._remove(str(tmp_path / "made"), os.getpid())
    assert not (tmp_path / "made").exists()
