"""Whatever ends deploy/one_machine.py, nothing that it has started lives on."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pulse_assets_tests.execution.clusters import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone gives orphans away")

#: Nobody listens there.
PORTS = ["--ui-port", "9", "--scheduler-port", "9", "--postgres-port", "9"]
DEPLOY = Path(__file__).parents[1] / "deploy"

#: The script with services of its own, each with a child that leaves its session and hears no
#: signal, and a grandchild.
SCRIPT = f"""
import sys
sys.path.insert(0, {str(DEPLOY)!r})
import one_machine, process_tree

process_tree.ORDERLY = 0.2
DEAF = 'trap "" INT TERM HUP; (while :; do sleep 1000; done) & wait'

def start(services, *_):
    for name in ("first", "second"):
        services.start(name, "sh", "-c", "setsid sh -c '" + DEAF + "' & exec sleep 1000")

one_machine.start_postgres = start
one_machine.write_home = one_machine.start_dask = one_machine.start_dagster = lambda *_: None
sys.exit(one_machine.main(sys.argv[1:]))
"""


def lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def everything_below(pid):
    return psutil.Process(pid).children(recursive=True)


def has_started(pid):
    """Two halves of the script; two services, each with a deaf child, its shell and its sleep."""
    names = [process.name() for process in everything_below(pid)]
    return len(names) == 9


def first_service(pid):
    """The older of the two programs that the second half of the script started."""
    (second,) = psutil.Process(pid).children()
    return min(second.children(), key=lambda process: process.create_time()).pid


def second_half(pid):
    return psutil.Process(pid).children()[0].pid


@pytest.mark.parametrize(
    ("whom", "number", "code"),
    [
        (lambda pid: pid, signal.SIGTERM, 0),
        (lambda pid: pid, signal.SIGINT, 0),
        (lambda pid: pid, signal.SIGKILL, -signal.SIGKILL),
        (second_half, signal.SIGKILL, 1),
        (first_service, signal.SIGKILL, 1),
    ],
    ids=["terminated", "interrupted", "killed", "second half killed", "a service killed"],
)
def test_everything_ends(tmp_path, whom, number, code):
    command = [sys.executable, "-c", SCRIPT, "--folder", str(tmp_path), "--workers", "1"]
    with subprocess.Popen(
        command + PORTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready: Ctrl-C ends all\n"
        wait_until(lambda: has_started(process.pid))
        started = everything_below(process.pid)
        try:
            os.kill(whom(process.pid), number)
            assert process.wait(30) == code
            wait_until(lambda: not any(map(lives, started)), 30)
        finally:
            for left in filter(lives, started):
                left.kill()
        said = process.stderr.read()
    assert "Traceback" not in said
    assert bool(said) == (code == 1)


def test_a_server_of_somebody_else_is_not_taken_for_ours(tmp_path):
    """It would answer, and the script would say that all is ready."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [sys.executable, DEPLOY / "one_machine.py", "--folder", tmp_path / "folder"]
        done = subprocess.run(
            [*command, *PORTS, "--postgres-port", str(port)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"port {port} of this machine is taken: choose another, --postgres-port\n"
    )
    assert not (tmp_path / "folder").exists()
