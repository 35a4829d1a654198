"""The check of each worker of a cluster that may be on another machine, before its first result."""

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from pulse_assets.errors import ClusterError
from pulse_assets.execution.cluster import threads_of
from pulse_assets.execution.versions import check_versions
from pulse_assets.execution.worker_store import check_workers_store
from pulse_assets.settings import Settings

if TYPE_CHECKING:
    from distributed import Client


class WorkerCheck:
    """The workers of a cluster that have the packages, the store and the source of the run."""

    def __init__(
        self,
        client: "Client",
        settings: Settings,
        variables: Sequence[str],
        packages: Sequence[str] = (),
    ) -> None:
        """Remember what workers must have; nothing is checked yet.

        Args:
            client: the cluster.
            settings: where the data lies.
            variables: the variables of the run.
            packages: what this run needs besides what every run needs, in the same version.
        """
        self._client = client
        self._settings = settings
        self._variables = variables
        self._packages = packages
        self._passed: frozenset[str] = frozenset()
        self._started: frozenset[str] = frozenset()
        self._lock = Lock()

    def __call__(self) -> frozenset[str]:
        """Check the workers that have joined since the last call; return all that passed.

        Several threads may call: each checks other workers, so one that does not answer holds up
        no other.

        Raises:
            ClusterError: a worker cannot compute batches as this process would.
            StoreUnavailableError: this process cannot use the store.
        """
        with self._lock:
            first, new = not self._started, threads_of(self._client).keys() - self._started
            self._started |= new
        if new:
            self._check(sorted(new), first=first)
        with self._lock:
            self._passed |= new & threads_of(self._client).keys()
            return self._passed

    def _check(self, new: Sequence[str], *, first: bool) -> None:
        try:
            check_versions(self._client, new, self._packages)
            check_workers_store(self._client, self._settings, self._variables, new)
        except ClusterError as error:
            if first:
                raise
            raise ClusterError(
                f"{error}; it joined during the run: finished batches are kept, --resume computes "
                "the others"
            ) from error
