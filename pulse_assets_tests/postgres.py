"""A PostgreSQL server of its own for the tests that need one; they skip where there is none."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


def programs():
    """The folder of PostgreSQL's programs; Debian keeps them off the PATH."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    program = shutil.which("initdb") or next(map(str, sorted(found, reverse=True)), None)
    return Path(program).resolve().parent if program else None


def free_port():
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A server in a temporary folder, on loopback."""

    def __init__(self, programs, folder):
        self._programs, self._data, self.port = programs, folder / "data", free_port()
        # The server refuses to run as root.
        self._who = {"user": "postgres"} if os.geteuid() == 0 else {}
        self._run("initdb", "-D", self._data, "-U", "pulse", "-A", "trust", "--no-sync")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{folder}'\n")

    @property
    def url(self):
        return f"postgresql+psycopg2://pulse@127.0.0.1:{self.port}/postgres"

    def control(self, what, *options):
        """Start, stop or restart the server and wait until it is done."""
        listen = f"-h 127.0.0.1 -p {self.port}"
        log = ("-l", self._data / "log", "-o", listen) if what != "stop" else ()
        self._run("pg_ctl", "-D", self._data, "-w", *log, *options, what)

    def _run(self, program, *arguments):
        command = [str(self._programs / program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._who)


@contextlib.contextmanager
def postgres():
    """Run a server for the length of a block."""
    found = programs()
    if not found:
        pytest.skip("no PostgreSQL server here: install Debian's postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pulse-postgres-"))  # pytest's own is root's alone
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = Postgres(found, folder)
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder)
