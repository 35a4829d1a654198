"""Package versions of a cluster, compared with those of the run before any batch runs."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from pulse_assets.errors import ClusterError
from pulse_assets.execution.worker_calls import ANSWER_SECONDS, call_workers

if TYPE_CHECKING:
    from distributed import Client

#: What must be the same wherever a batch computes, and what the scheduler needs of it.
_OF_WORKERS: Final = ("pulse-assets", "numpy", "numba", "pyarrow", "dask", "distributed", "python")
_OF_SCHEDULER: Final = ("dask", "distributed", "python")
#: Those that Dask does not report by itself.
_NOT_DASK: Final = _OF_WORKERS[:4]

_Packages = Mapping[str, str | None]
#: By place, its packages and the names of those that count.
_Places = dict[str, tuple[_Packages, tuple[str, ...]]]


def check_versions(
    client: "Client", workers: Collection[str] | None = None, more: Sequence[str] = ()
) -> None:
    """Compare the packages of scheduler and workers with those of this process.

    Tasks and results are sent as pickles, which other versions may not read. Other versions of the
    numerical packages may compute other bytes. Only the first two numbers of Python's version
    count.

    Args:
        client: the cluster.
        workers: addresses of the workers to compare; default: the scheduler and all workers. One
            that gives no answer is not compared.
        more: further packages, which `workers` must have in the same version as this process.

    Raises:
        ClusterError: naming each package, its versions and where they are.
    """
    here, places = _of_all(client) if workers is None else _of_workers(client, workers, more)
    differing: defaultdict[str, list[str]] = defaultdict(list)
    for place, (there, packages) in places.items():
        for package in packages:
            version = _version(there, package)
            if version != (ours := _version(here, package)):
                differing[f"{package} {version} instead of {ours}"].append(place)
    if differing:
        raise ClusterError(_message(client, differing))


def _of_all(client: "Client") -> tuple[_Packages, _Places]:
    versions = cast("dict[str, Any]", client.get_versions(packages=_NOT_DASK))
    places: _Places = {"the scheduler": (versions["scheduler"]["packages"], _OF_SCHEDULER)}
    for address, worker in versions["workers"].items():
        places[f"worker {address}"] = (worker["packages"], _OF_WORKERS)
    return versions["client"]["packages"], places


def _of_workers(
    client: "Client", workers: Collection[str], more: Sequence[str]
) -> tuple[_Packages, _Places]:
    from distributed.versions import get_versions

    packages = (*_NOT_DASK, *more)
    answers = call_workers(client, workers, get_versions, packages, seconds=ANSWER_SECONDS)
    places: _Places = {
        f"worker {address}": (answer["packages"], (*_OF_WORKERS, *more))
        for address, answer in answers.items()
        if isinstance(answer, dict)
    }
    return cast("dict[str, Any]", get_versions(packages))["packages"], places


def _version(packages: _Packages, name: str) -> str:
    version = packages.get(name) or "(none)"
    return ".".join(version.split(".")[:2]) if name == "python" else version


def _message(client: "Client", differing: Mapping[str, list[str]]) -> str:
    lines = []
    for what, places in differing.items():
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        lines.append(f"{what} on {places[0]}{more}")
    return (
        f"the Dask cluster at {client.scheduler_info()['address']} has other versions than this "
        f"process: {'; '.join(lines)}: install the same on both sides"
    )
