"""What the team chose for all of its assets."""

import dagster as dg


@dg.definitions
def shared() -> dg.Definitions:
    """Return an IO manager and an executor, which the deployments of pulse_assets leave alone."""
    return dg.Definitions(
        resources={"io_manager": dg.FilesystemIOManager()}, executor=dg.multiprocess_executor
    )
