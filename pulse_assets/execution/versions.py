"""Package versions of a cluster, compared with those of the run before any batch runs."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from pulse_assets.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

#: What must be the same wherever a batch computes, and what the scheduler needs of it.
_OF_WORKERS: Final = ("pulse-assets", "numpy", "numba", "pyarrow", "dask", "distributed", "python")
_OF_SCHEDULER: Final = ("dask", "distributed", "python")


def check_versions(client: "Client") -> None:
    """Compare the packages of scheduler and workers with those of this process.

    Tasks and results are sent as pickles, which other versions may not read. Other versions of the
    numerical packages may compute other bytes. Only the first two numbers of Python's version
    count.

    Raises:
        ClusterError: naming each package, its versions and where they are.
    """
    versions = cast("dict[str, Any]", client.get_versions(packages=_OF_WORKERS[:4]))
    here = versions["client"]["packages"]
    places: dict[str, tuple[dict[str, str | None], tuple[str, ...]]] = {
        "the scheduler": (versions["scheduler"]["packages"], _OF_SCHEDULER)
    }
    for address, worker in versions["workers"].items():
        places[f"worker {address}"] = (worker["packages"], _OF_WORKERS)
    differing: defaultdict[str, list[str]] = defaultdict(list)
    for place, (there, packages) in places.items():
        for package in packages:
            version = _version(there, package)
            if version != (ours := _version(here, package)):
                differing[f"{package} {version} instead of {ours}"].append(place)
    if differing:
        raise ClusterError(_message(client, differing))


def _version(packages: Mapping[str, str | None], name: str) -> str:
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
