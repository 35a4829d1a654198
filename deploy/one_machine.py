"""Everything on one machine: PostgreSQL, a Dask scheduler, workers, the Dagster UI and its daemon.

    python deploy/one_machine.py --folder /srv/pulse --workers 4

It starts each as a process, waits until it answers, prints the addresses, and on Ctrl-C or SIGTERM
ends all of them in the opposite order; when one of them ends by itself it ends the others and exits
with 1, so that whatever supervises it (systemd, a container) starts all anew. All listens on
loopback: neither the UI nor the scheduler asks who you are. PostgreSQL asks for a password, which
lies in the folder with records, results and logs, in a file that its owner alone can read. PULSE_*
and AWS_* variables of the environment reach all processes. When the script is killed, all that it
has started ends too (process_tree.py).

Needs `pip install 'pulse-assets[postgres]'` and PostgreSQL's programs (Debian: postgresql). Under
root, PostgreSQL runs as the user `postgres`, who must be able to enter the folder.
"""

import argparse
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import quote

import yaml
from process_tree import as_service, end_in_order, reap, run_in_two

HERE = Path(__file__).parent
SECONDS = 90

#: The end of a line of pg_hba.conf that asks for no password.
_TRUST = re.compile(r"^((?:local|host).*\s)trust$", re.MULTILINE)
_FAULT = re.compile(r"\b(ERROR|FATAL|PANIC)\b|initdb: error")


def main(arguments: Sequence[str] | None = None) -> int:
    """Start everything and stay until a signal, or until one process ends."""
    options = _options(arguments)
    _need_free_ports(options)
    return run_in_two(partial(_run, options))


def _run(options: argparse.Namespace) -> int:
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        services = Services(folder, stack)
        try:
            database = start_postgres(services, options.postgres_port)
            write_home(folder, database)
            start_dask(services, options.scheduler_port, options.workers or _processors())
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
        help="default: one per processor this process may use",
    )
    parser.add_argument("--ui-port", type=int, default=3000)
    parser.add_argument("--scheduler-port", type=int, default=8786)
    parser.add_argument("--postgres-port", type=int, default=5432)
    return parser.parse_args(arguments)


def _processors() -> int:
    # Its libraries start threads, which a process that divides itself must not have.
    from pulse_assets.settings.processors import usable_processors

    return usable_processors()


def _need_free_ports(options: argparse.Namespace) -> None:
    """Refuse to start beside another server, which would answer in the place of ours."""
    for name in ("ui_port", "scheduler_port", "postgres_port"):
        if listens(port := getattr(options, name)):
            option = f"--{name.replace('_', '-')}"
            raise SystemExit(f"port {port} of this machine is taken: choose another, {option}")


class Services:
    """The processes that were started, each with a log file; they end with the stack."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Keep records in `folder`."""
        self.folder = folder
        self._stack = stack
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(lambda: end_in_order([*self._running.values()]))
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
            preexec_fn=as_service,
            user=user,
        )
        self._running[name] = process

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
            reap(self._running.values())
            time.sleep(0.5)


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_postgres(services: Services, port: int) -> str:
    """Start PostgreSQL, with a new database in the folder on first use; return its address."""
    programs, data = _postgres_programs(), services.folder / "postgres"
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    passwords = services.folder / "postgres-password"
    if not data.exists():
        _create_database(programs, data, user)
    if not passwords.exists() or _trusts(data):
        _set_password(programs, data, user, passwords)
    where = ("-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", data)
    services.start("postgres", programs / "postgres", *where, user=user)
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    services.wait_for("postgres", lambda: subprocess.run(ready, check=False).returncode == 0)
    return f"postgresql+psycopg2://pulse@127.0.0.1:{port}/postgres?passfile={quote(str(passwords))}"


def _create_database(programs: Path, data: Path, user: str | None) -> None:
    """Create it under another name, so that one which was interrupted is not taken for whole."""
    new = data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if user:
        shutil.chown(new, user)
    _run_program([programs / "initdb", "-D", new, "-U", "pulse", "-A", "trust"], user)
    new.rename(data)


def _trusts(data: Path) -> bool:
    """Tell whether the server lets anybody in: a new one, or one of an older version of this."""
    return bool(_TRUST.search((data / "pg_hba.conf").read_text()))


def _set_password(programs: Path, data: Path, user: str | None, passwords: Path) -> None:
    """Ask everybody for a new random password, before the server listens to anybody.

    The file is one of libpq's password files, so the address of the database holds no secret:
    whoever may read the file may read the records.
    """
    password = secrets.token_urlsafe(32)
    single = [programs / "postgres", "--single", "-D", data, "postgres"]
    _run_program(single, user, f"ALTER ROLE pulse PASSWORD '{password}'")
    _write_secret(passwords, f"*:*:*:pulse:{password}\n", None)
    rules = data / "pg_hba.conf"
    _write_secret(rules, _TRUST.sub(r"\1scram-sha-256", rules.read_text()), user)
    print(f"PostgreSQL asks for the password in {passwords}", flush=True)


def _write_secret(file: Path, text: str, user: str | None) -> None:
    """Write a whole file that nobody but this user, or another one, can read at any time."""
    descriptor, new = tempfile.mkstemp(dir=file.parent)  # mode 600
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    if user:
        shutil.chown(new, user)
    Path(new).replace(file)


def _run_program(command: Sequence[str | Path], user: str | None, text: str = "") -> None:
    """Run a program of PostgreSQL to its end; what it says of an error ends this script."""
    words = [str(part) for part in command]
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, user=user, cwd="/", check=False
    )
    # The server in single-user mode reports an error of a statement and ends with 0.
    faults = [line for line in done.stderr.splitlines() if _FAULT.search(line)]
    if done.returncode or faults:
        said = " ".join(faults or done.stderr.splitlines()[-1:])
        raise SystemExit(f"PostgreSQL's {Path(words[0]).name} failed: {said}")


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
