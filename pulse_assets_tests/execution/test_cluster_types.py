"""Types of cluster of dagster-dask, tried as far as one machine can: docs/guide/clusters.md."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from dagster_dask.resources import DaskClusterTypes

from pulse_assets.execution.cluster import (
    ClusterSpec,
    active_client,
    describe_cluster,
    open_cluster,
    remote_client,
)
from pulse_assets.execution.fan_out import fan_out
from pulse_assets_tests.execution.clusters import wait_until
from pulse_assets_tests.execution.test_lost_workers import Block
from pulse_assets_tests.postgres import free_port

ROOT = Path(__file__).parents[2]

#: Commands of each batch system by which jobs are submitted and cancelled.
BATCH_SYSTEMS = {
    "pbs": ("qsub", "qdel"),
    "lsf": ("bsub", "bkill"),
    "slurm": ("sbatch", "scancel"),
    "oar": ("oarsub", "oardel"),
}

#: A batch system of this machine alone: it starts a job, which it gets as a file, as text (OAR) or
#: on its standard input (LSF), at once, in a session of its own.
SUBMIT = """#!/bin/sh
for last; do :; done
script=$0.$$
if [ -f "$last" ]; then cat "$last"; elif [ -n "$last" ]; then echo "$last"; else cat; fi >$script
setsid sh $script >$script.log 2>&1 </dev/null &
echo OAR_JOB_ID=$!
echo $! >>$0.jobs
"""
CANCEL = """#!/bin/sh
kill -- -$1
"""


def numbers_of(block):
    return block.numbers


def check_computes(spec, workers):
    """Open a cluster and compute there what a run does: tasks in other processes than this one."""
    with open_cluster(spec):
        client = active_client()
        client.wait_for_workers(workers, timeout=60)
        assert describe_cluster(client)["workers"] == workers
        assert remote_client() is client  # so that store and source are checked on each worker
        tasks = [Block((number,), ROOT) for number in range(20)]
        results = dict(fan_out(numbers_of, tasks, client))
        processes = {*client.run(os.getpid).values()}
    assert results == {task: task.numbers for task in tasks}
    assert os.getpid() not in processes
    wait_until(lambda: not any(map(psutil.pid_exists, processes)), 30)


@pytest.fixture
def batch_system(tmp_path, monkeypatch):
    """Install the commands of a batch system; all of its jobs end with the test."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    files = []

    def install(submit, cancel):
        for name, text in ((submit, SUBMIT), (cancel, CANCEL)):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        files.append(tmp_path / f"{submit}.jobs")
        return files[0]

    yield install
    for job in files[0].read_text().split() if files and files[0].exists() else ():
        if psutil.pid_exists(int(job)):
            os.killpg(int(job), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("kind", BATCH_SYSTEMS)
def test_jobs_of_a_batch_system_are_workers(kind, batch_system, tmp_path):
    pytest.importorskip("dask_jobqueue")
    jobs = batch_system(*BATCH_SYSTEMS[kind])
    workers = 2 if kind == "slurm" else 1
    options = {
        "n_workers": workers,
        "cores": 1,
        "memory": "1GiB",
        "local_directory": str(tmp_path),
        "scheduler_options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"},
    }
    if kind == "oar":
        options["memory_per_core_property_name"] = "not_applicable"  # else it warns
    check_computes(ClusterSpec(kind, options), workers)
    assert len(jobs.read_text().split()) == workers


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def ssh(tmp_path):
    """An SSH server on loopback that lets this user in by a key; yields options to connect."""
    pytest.importorskip("asyncssh")
    server = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if not server:
        pytest.skip("no SSH server here: install Debian's openssh-server")
    port = free_port()
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name]
        subprocess.run(command, check=True)
    known = (tmp_path / "host.pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {known}")
    settings = (
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nPasswordAuthentication no\n"
        f"SetEnv PYTHONPATH={ROOT}\n"
    )
    (tmp_path / "config").write_text(settings)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where Debian's server confines its children
    process = subprocess.Popen([server, "-D", "-e", "-f", tmp_path / "config"])
    try:
        wait_until(lambda: listens(port))
        yield {
            "port": port,
            "username": getpass.getuser(),
            "client_keys": [str(tmp_path / "user")],
            "known_hosts": str(tmp_path / "known"),
        }
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_hosts_that_are_reached_by_ssh_are_workers(ssh):
    options = {
        "hosts": ["127.0.0.1"] * 3,  # the scheduler's, and those of two workers
        "connect_options": ssh,
        "worker_options": {"nthreads": 1},
        "scheduler_options": {"dashboard_address": "127.0.0.1:0"},
        "remote_python": sys.executable,
    }
    check_computes(ClusterSpec("ssh", options), 2)


def test_the_docs_say_of_each_type_whether_it_was_tried():
    text = (ROOT / "docs" / "guide" / "clusters.md").read_text()
    table = text.partition("## Types of cluster\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `")]
    tried = {name.strip(" `"): what for names, _, what in rows for name in names.split(",")}
    assert tried.keys() == {*DaskClusterTypes, "existing"}
    passed_through = {kind for kind, what in tried.items() if "not tried" in what}
    assert passed_through == {"yarn", "kube", "azurevm", "ecs", "fargate"}
