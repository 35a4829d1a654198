"""Everything on one machine: PostgreSQL, a Dask scheduler, workers, the Dagster UI and its daemon.

    python deploy/one_machine.py --folder /srv/pulse --workers 4

It starts each as a process, waits until it answers, prints the addresses, and on Ctrl-C or SIGTERM
ends all of them in the opposite order; when one of them ends by itself it ends the others and exits
with 1, so that whatever supervises it (systemd, a container) starts all anew. All listens on
loopback: neither the UI nor the scheduler asks who you are. Records, results and logs lie in the
folder. PULSE_* and AWS_* variables of the environment reach all processes.

Needs `pip install 'pulse-assets[postgres]'` and PostgreSQL's programs (Debian: postgresql). Under
root, PostgreSQL runs as the user `postgres`, who must be able to enter the folder.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import yaml

from pulse_assets.settings.processors import usable_processors

HERE = Path(__file__).parent
SECONDS = 90


def main(arguments: Sequence[str] | None = None) -> int:
    """Start everything and stay until a signal, or until one process ends."""
    options = _options(arguments)
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        services = Services(folder, stack)
        try:
            database = start_postgres(services, options.postgres_port)
            write_home(folder, database)
            start_dask(services, options.scheduler_port, options.workers)
            start_dagster(services, options.ui_port)
            print("ready: Ctrl-C ends all", flush=True)
            return services.watch()
        except KeyboardInterrupt:
            return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="records, results and logs")
    parser.add_argument(
        "--workers",
        type=int,
        default=usable_processors(),
        help="default: one per processor this process may use",
    )
    parser.add_argument("--ui-port", type=int, default=3000)
    parser.add_argument("--scheduler-port", type=int, default=8786)
    parser.add_argument("--postgres-port", type=int, default=5432)
    return parser.parse_args(arguments)


class Services:
    """The processes that were started, each with a log file; they end with the stack."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Keep records in `folder`."""
        self.folder = folder
        self._stack = stack
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "logs").mkdir(exist_ok=True)
        self.environment = {**os.environ, "DAGSTER_HOME": str(folder / "home")}
        self.environment.setdefault("PULSE_STORE", str(folder / "store"))
        # Webserver and daemon plan a run in one row per asset, not in one per asset and batch.
        self.environment.setdefault("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "true")

    def start(self, name: str, *command: str | Path, user: str | None = None) -> None:
        """Start a process in a session of its own: Ctrl-C reaches the script, which ends all."""
        log = self._stack.enter_context((self.folder / "logs" / f"{name}.log").open("ab"))
        process = subprocess.Popen(
            [str(part) for part in command],
            env=self.environment,
            cwd=self.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=user,
        )
        self._running[name] = process
        self._stack.callback(_end, process)

    def wait_for(self, name: str, answers: Callable[[], bool]) -> None:
        """Wait until a service answers."""
        until = time.monotonic() + SECONDS
        while not answers():
            if self._running[name].poll() is not None or time.monotonic() > until:
                log = self.folder / "logs" / f"{name}.log"
                raise SystemExit(f"{name} does not start: see {log}")
            time.sleep(0.2)

    def watch(self) -> int:
        """Return 1 when a service ends by itself."""
        while True:
            for name, process in self._running.items():
                if process.poll() is not None:
                    print(f"{name} ended with {process.returncode}: ending all", file=sys.stderr)
                    return 1
            time.sleep(0.5)


def _end(process: subprocess.Popen[bytes]) -> None:
    # SIGINT is PostgreSQL's "fast" end, and what the others end orderly on.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_postgres(services: Services, port: int) -> str:
    """Start PostgreSQL, with a new database in the folder on first use; return its address."""
    programs, data = _postgres_programs(), services.folder / "postgres"
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if not data.exists():
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(data, user)
        command = [programs / "initdb", "-D", data, "-U", "pulse", "-A", "trust"]
        subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)
    where = ("-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", data)
    services.start("postgres", programs / "postgres", *where, user=user)
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    services.wait_for("postgres", lambda: subprocess.run(ready, check=False).returncode == 0)
    return f"postgresql+psycopg2://pulse@127.0.0.1:{port}/postgres"


def _postgres_programs() -> Path:
    """Find the folder of PostgreSQL's programs; Debian keeps them off the PATH."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if program := shutil.which("initdb") or max(found, default=None):
        return Path(program).resolve().parent
    raise SystemExit("PostgreSQL's initdb is not here: install it (Debian: postgresql)")


def write_home(folder: Path, database: str) -> None:
    """Write home/dagster.yaml as containers have it, with the address of this database."""
    settings = yaml.safe_load((HERE / "dagster.yaml").read_text())
    settings["storage"] = {"postgres": {"postgres_url": database}}
    (folder / "home").mkdir(exist_ok=True)
    (folder / "home" / "dagster.yaml").write_text(yaml.safe_dump(settings))


def start_dask(services: Services, port: int, workers: int) -> None:
    """Start the scheduler and its workers, one thread each, their numerical libraries too."""
    address = f"tcp://127.0.0.1:{port}"
    local = ("--host", "127.0.0.1", "--no-dashboard")
    dask = (sys.executable, "-m")
    services.environment.setdefault("DASK_CONFIG", str(HERE / "dask.yaml"))
    services.start(
        "scheduler", *dask, "distributed.cli.dask_scheduler", "--port", str(port), *local
    )
    services.wait_for("scheduler", lambda: listens(port))
    services.environment |= dict.fromkeys(
        ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    )
    count = ("--nworkers", str(workers), "--nthreads", "1")
    services.start("workers", *dask, "distributed.cli.dask_worker", address, *count, *local)
    services.environment["PULSE_SCHEDULER"] = address  # as examples/ name it
    print(f"Dask scheduler: {address}", flush=True)


def start_dagster(services: Services, port: int) -> None:
    """Start the UI, and the daemon that launches backfills and watches runs."""
    graph = ("-m", "pulse_assets.definitions")
    services.start(
        *("ui", sys.executable, "-m", "pulse_assets.dagster.ui", "webserver", *graph),
        *("-h", "127.0.0.1", "-p", str(port)),
    )
    services.wait_for("ui", lambda: listens(port))
    services.start("daemon", sys.executable, "-m", "dagster._daemon", "run", *graph)
    print(f"Dagster UI: http://127.0.0.1:{port}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
