"""No file that merely lies in the working directory is run: neither here nor in other processes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pulse_assets_tests.execution.clusters import wait_until

ROOT = Path(__file__).parents[1]
#: Modules that Python has loaded before any of ours, or that only some systems have.
UNSEEN = {"antigravity", "this", "idlelib", "turtledemo", "__main__", "sitecustomize"}
MODULE = (sys.executable, "-m", "pulse_assets.run_training")
SCRIPT = (Path(sys.executable).with_name("pulse-train"),)
ZERO = """
class Zero:
    name = 'zero'
    def fit_predict(self, y_past, horizons):
        return [0.0] * len(horizons)
"""
#: A step in a process of its own, as pictures and results of a large panel are computed.
STEP = """
import sys
from pulse_assets.cli.process import own_process
from pulse_assets.execution.separate_process import call_in_process
from pulse_assets.execution.worker_server import worker_server
if __name__ == "__main__":
    with own_process():
        import pandas
        print(call_in_process("spawned", len, "abc"))
        with worker_server():
            print(call_in_process("forked", len, "abcd"))
"""


@pytest.fixture
def strays(tmp_path):
    """A directory with a file for every module of Python and of any package that is installed."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    names = {*sys.stdlib_module_names, *packages_distributions()} - UNSEEN - {"pulse_assets"}
    assert {"numpy", "matplotlib", "dagster", "socket", "typing"} <= names
    for name in names:
        if name.isidentifier():
            file = folder / f"{name}.py"
            file.write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + chr(10))\n")
    return folder


def run(strays, *command, **more):
    """Run a command there; return it, and which of the files were run."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "DAGSTER_HOME": str(strays.parent / "home"),
    }
    done = subprocess.run(
        [*map(str, command)],
        cwd=strays,
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
    )
    ran = strays.parent / "ran"
    return done, sorted({*ran.read_text().split()}) if ran.exists() else []


def test_without_our_care_python_runs_such_a_file(strays):
    """Else the other tests show nothing."""
    assert "json" in run(strays, sys.executable, "-c", "import json")[1]


def test_a_program_of_somebody_else_keeps_its_working_directory(tmp_path):
    """`python -m team.run` finds its modules there as before, though it imports this package."""
    team = tmp_path / "team"
    team.mkdir()
    (team / "__init__.py").write_text("import pulse_assets\n")
    (team / "run.py").write_text("import helpers\nprint(helpers.WHERE)\n")
    (tmp_path / "helpers.py").write_text("WHERE = 'here'\n")
    command = [sys.executable, "-m", "team.run", "-m", "pulse_assets.definitions"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "here\n", done.stderr


@pytest.mark.slow
def test_no_file_of_the_working_directory_is_run_by_the_servers_of_the_ui(strays):
    """`dagster dev` runs them in code server and daemon, which it starts as `python -m dagster`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = (sys.executable, "-P", "-m", "pulse_assets.dagster.ui", "dev", "-p", str(port))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(strays.parent)}
    empty = strays.parent / "location"  # Dagster searches the directory of a code location
    empty.mkdir()
    process = subprocess.Popen(
        [*command, "-m", "pulse_assets.definitions", "-d", str(empty), "-h", "127.0.0.1"],
        cwd=strays,
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: is_served(port), 120)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert not (strays.parent / "ran").exists()


def is_served(port):
    """Whether the UI answers, which waits for its code server."""
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5).status
    return False


def training(source, folder, *more):
    places = ("--source", source, "--store", folder / "store", "--batch-limit", "2")
    return (*places, "--start-date", "2005-01-01", "--end-date", "2005-12-26", *more)


@pytest.mark.slow
@pytest.mark.parametrize("program", [MODULE, SCRIPT], ids=["module", "script"])
def test_no_file_of_the_working_directory_is_run(program, strays, source):
    """Not by the command, its workers, their nannies, or the process of a user's rule."""
    (strays / "my_own_rules.py").write_text(ZERO)
    rules = ("--models", "naive", "my_own_rules:Zero", "--max-workers", "2")
    done, ran = run(strays, *program, *training(source, strays.parent, *rules))
    assert ran == []
    assert done.returncode == 0, done.stderr
    assert "2/2, 0 failed" in done.stderr


@pytest.mark.slow
def test_no_file_of_the_working_directory_is_run_in_a_process_of_a_step(strays):
    program = strays.parent / "program.py"
    program.write_text(STEP)
    done, ran = run(strays, sys.executable, program)
    assert (done.stdout, ran) == ("3\n4\n", []), done.stderr


@pytest.mark.slow
def test_rules_path_comes_after_what_is_installed_and_before_the_working_directory(
    tmp_path, source
):
    """Two modules of one name: that of the option counts; a numpy there does not."""
    mine, here = tmp_path / "mine", tmp_path / "here"
    for folder, name in ((mine, "theirs_and_mine"), (here, "theirs_and_mine")):
        folder.mkdir()
        (folder / f"{name}.py").write_text(ZERO.replace("'zero'", f"'{folder.name}'"))
        (folder / "numpy.py").write_text("raise SystemExit('a stray numpy')")
    rules = ("--models", "naive", "theirs_and_mine:Zero", "--max-workers", "1")
    command = (*MODULE, *training(source, tmp_path, *rules))
    done, _ = run(here, *command, "--rules-path", mine)
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "store" / "training_results" / "training_results.json").read_text()
    assert '"mine"' in results
    assert '"here"' not in results
    done, _ = run(here, *command, "--rules-path", "nowhere")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: --rules-path nowhere is no directory: correct it"
