"""How many processors this process may use."""


def usable_processors() -> int:
    """Count the processors that affinity and the cgroup's quota leave to this process.

    Example:
        >>> usable_processors() >= 1
        True
    """
    from dask.system import CPU_COUNT  # read once, when Dask is first needed

    return max(1, CPU_COUNT)
