"""A Dask cluster of worker processes, for the tests that need a real one."""

from distributed import LocalCluster


def worker_processes(count: int) -> LocalCluster:
    """Start a cluster of `count` workers of one thread each; close it after use."""
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",  # None would ask for port 8787, which may be in use
        scheduler_kwargs={"dashboard": False},
    )
