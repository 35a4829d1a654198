"""The Dask cluster of a run: opened before its steps, used by them, and closed after them."""

import gc
import importlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, cast

from pulse_assets.errors import ClusterError
from pulse_assets.execution.interrupts import starting_processes
from pulse_assets.execution.versions import check_versions
from pulse_assets.execution.worker_server import ONE_THREAD, start_settings
from pulse_assets.settings import TrainingConfig

if TYPE_CHECKING:
    from distributed import Client, Security

#: Options of an existing cluster, as `distributed.Security` names them.
TLS_FILES: Final = ("tls_ca_file", "tls_client_cert", "tls_client_key")

#: Address of a dashboard for the browsers of this machine alone: any free port.
ANY_PORT: Final = "127.0.0.1:0"

#: Dask's own settings for a local cluster, those of deploy/dask.yaml. By default Dask makes malloc
#: return freed memory at once, so each array needs new pages: a quarter of a batch's time. It also
#: samples each worker every 10 ms and sends a tick every 20 ms: a twentieth of a batch's time. And
#: a worker that is stopped counts as lost after 5 minutes, for which the end of a run would wait.
LOCAL_SETTINGS: Final = {
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    "distributed.worker.profile.interval": "100ms",
    "distributed.admin.tick.interval": "200ms",
}

#: An unreachable scheduler is reported after this long.
CONNECT_SECONDS: Final = 20

_client: ContextVar["Client | None"] = ContextVar("pulse_client", default=None)
_remote: ContextVar["Client | None"] = ContextVar("pulse_remote_client", default=None)


@dataclass(frozen=True)
class ClusterSpec:
    """The cluster to open, as dagster-dask names it: a type and its options.

    `local` with one worker of one thread, and not `forced`, needs no cluster: its batches compute
    in the run's own process.
    """

    kind: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)
    forced: bool = False

    @classmethod
    def of(cls, config: TrainingConfig) -> Self:
        """Return the cluster that a training opens or joins."""
        if config.dask_scheduler_address:
            files = {name: getattr(config, f"dask_{name}") for name in TLS_FILES}
            certificates = {name: str(file) for name, file in files.items() if file}
            return cls("existing", {"address": config.dask_scheduler_address, **certificates})
        port = config.dask_dashboard_port
        options = {
            "n_workers": config.max_workers,
            "threads_per_worker": config.dask_threads_per_worker,
            "dashboard_address": None if port is None else f"127.0.0.1:{port}",
        }
        if config.dask_memory_limit:
            options["memory_limit"] = config.dask_memory_limit
        return cls("local", options, forced=config.use_dask)

    @property
    def in_process(self) -> bool:
        """Whether batches compute in the run's own process."""
        alone = self.options.get("n_workers") == self.options.get("threads_per_worker", 1) == 1
        return self.kind == "local" and alone and not self.forced


def active_client() -> "Client | None":
    """Return the client of the cluster that this run opened; None computes in this process."""
    return _client.get()


def remote_client() -> "Client | None":
    """Return that client if the workers may be on other machines, else None."""
    return _remote.get()


@contextmanager
def open_cluster(spec: ClusterSpec) -> Iterator[None]:
    """Open the cluster of `spec`, or join it, for the length of a `with` block.

    Raises:
        ClusterError: the scheduler cannot be reached, the cluster cannot be started, or has other
            versions of the packages that a batch needs.
    """
    if spec.in_process:
        yield
        return
    with ExitStack() as stack:
        client = stack.enter_context(_connect(spec))
        stack.callback(_client.reset, _client.set(client))
        if spec.kind != "local":  # its workers are this very installation
            check_versions(client)
            stack.callback(_remote.reset, _remote.set(client))
        yield


@contextmanager
def _connect(spec: ClusterSpec) -> Iterator["Client"]:
    from distributed import (
        Client,  # half a second of imports, which a run in one process need not pay
    )
    from distributed.versions import VersionMismatchWarning

    with ExitStack() as stack:
        try:
            # A cluster of another kind may take minutes to start, which Ctrl-C must end.
            with starting_processes() if spec.kind == "local" else nullcontext():
                where = _start(spec)
                if not isinstance(where, str):
                    stack.enter_context(where)
            with warnings.catch_warnings():
                # Other versions that matter become an error; Dask's warning would come before it.
                warnings.simplefilter("ignore", VersionMismatchWarning)
                options = {"timeout": CONNECT_SECONDS, "security": _security(spec)}
                client = Client(where, set_as_default=False, **options)
        except Exception as error:  # each kind of cluster raises other errors
            _drop_failed_client(error)
            raise ClusterError(_cannot(spec, error)) from error
        yield stack.enter_context(client)


def _drop_failed_client(error: BaseException | None) -> None:
    """Collect the client that could not connect now, not at some later time.

    The traceback of its error refers to it. If it were collected while another client starts, it
    would wait for a lock that its own thread holds, because distributed closes a client in its
    `__del__`.
    """
    while error:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
    gc.collect()


def _start(spec: ClusterSpec) -> Any:  # noqa: ANN401 - an address, or a cluster of any type
    """Return the address of an existing scheduler or start a cluster as dagster-dask names it."""
    if spec.kind == "existing":
        return spec.options["address"]
    if spec.kind == "local":
        return _start_local(dict(spec.options))
    from dagster_dask.resources import DaskClusterTypes

    kind = DaskClusterTypes[spec.kind]
    return getattr(importlib.import_module(kind["module"]), kind["class"])(**spec.options)


def _security(spec: ClusterSpec) -> "Security | None":
    """Return the certificates for an existing scheduler; Dask's own configuration names others."""
    from distributed import Security

    files = {name: spec.options[name] for name in TLS_FILES if spec.options.get(name)}
    return Security(require_encryption=True, **files) if files else None


def _own_certificates() -> "Security | None":
    """Return certificates of a new authority, which lives as long as the cluster; None without it.

    Whoever else has an account on this machine can reach the ports on loopback, and a scheduler
    runs whatever it is sent. With TLS it listens to those only who have one of these certificates.
    """
    from distributed import Security

    try:
        return Security.temporary()
    except ImportError:  # the extra `tls` is not installed
        return None


def _start_local(options: dict[str, Any]) -> Any:  # noqa: ANN401 - distributed is imported late
    import dask.config
    from distributed import LocalCluster

    defaults = {
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "env": ONE_THREAD,
        "preload": ["pulse_assets.execution.worker_setup"],
    }
    if security := _own_certificates():
        defaults |= {"security": security, "protocol": "tls://"}
    # The fan-out counts the tries of a batch that loses its worker.
    scheduler = {"allowed_failures": 0, **options.get("scheduler_kwargs", {})}
    if options.get("dashboard_address") is None:
        # None alone would ask for port 8787, which another run may have.
        options = {**options, "dashboard_address": ANY_PORT}
        scheduler["dashboard"] = False
    with dask.config.set(LOCAL_SETTINGS | start_settings()):
        return LocalCluster(**{**defaults, **options, "scheduler_kwargs": scheduler})


def _cannot(spec: ClusterSpec, error: Exception) -> str:
    if spec.kind == "existing":
        return (
            f"no Dask scheduler answers at {spec.options['address']} ({_first_line(error)}): "
            "start it, or correct the address"
        )
    return (
        f"the {spec.kind} Dask cluster does not start ({_first_line(error)}): check its options; "
        "a script that calls train() must do so under `if __name__ == '__main__':`"
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def threads_of(client: "Client") -> dict[str, int]:
    """Return the number of threads of each worker, by address."""
    return cast("dict[str, int]", client.nthreads())


def threads_of_run() -> int:
    """Return the number of threads that compute batches at present, at least 1."""
    client = active_client()
    return max(sum(threads_of(client).values()), 1) if client else 1


def address_of(client: "Client") -> str:
    """Return the address of the scheduler of a client."""
    return client.scheduler_info()["address"]


def memory_setting(client: "Client") -> str:
    """Name the setting that limits the memory of each worker of a cluster."""
    from distributed import LocalCluster

    if client.cluster is None:
        return "--memory-limit of the command `dask worker`"
    if isinstance(client.cluster, LocalCluster):
        return "--dask-memory-limit (in Dagster memory_limit of the cluster `local`)"
    return f"the memory of a worker in the options of {type(client.cluster).__name__}"


def describe_cluster(client: "Client | None") -> dict[str, Any]:
    """Describe where batches compute, for `training_results.dask_cluster`."""
    if client is None:
        return {"kind": "in_process", "workers": 1, "threads": 1}
    threads = threads_of(client)
    return {
        "kind": "dask",
        "scheduler": address_of(client),
        "dashboard": client.dashboard_link if _has_dashboard(client) else None,
        "workers": len(threads),
        "threads": sum(threads.values()),
    }


def _has_dashboard(client: "Client") -> bool:
    """Return whether the cluster has a dashboard; distributed builds the link in any case."""
    spec = getattr(client.cluster, "scheduler_spec", {})
    return spec.get("options", {}).get("dashboard", True)
