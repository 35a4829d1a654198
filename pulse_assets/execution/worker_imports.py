"""Imported by the process from which workers are forked: what they need to compute a batch."""

import gc
import os
from contextlib import suppress

from pulse_assets.execution.worker_server import ONE_THREAD


def _load() -> None:
    """Import what a batch needs and load its kernels, unless the run still compiles them."""
    import distributed  # noqa: F401

    from pulse_assets.execution import batch_task  # noqa: F401
    from pulse_assets.retrodiction.compilation import are_compiled, compile_kernels

    if are_compiled():
        compile_kernels()


os.environ.update(ONE_THREAD)
gc.disable()
with suppress(Exception):  # a worker meets the error again, where it is reported
    _load()
gc.freeze()  # what is imported stays, so that no worker searches it for garbage
gc.enable()
