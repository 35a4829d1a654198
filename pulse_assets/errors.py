"""The errors that a user can fix: each message names the value, the place and what to do.

The command line prints the message of a `PulseError` on one line and exits with 1; any other
exception is a defect of this package and keeps its traceback.
"""


class PulseError(Exception):
    """Base of every error that bad input or a broken surrounding can cause."""


class ConfigurationError(PulseError):
    """A setting or option has a value that cannot be used."""


class HistoricalDataError(PulseError):
    """A source, or a file or row in it, cannot be used."""


class RuleError(PulseError):
    """A forecasting rule is unknown, cannot be imported or broke its contract."""


class StoreError(PulseError):
    """An object in the store is missing, damaged or cannot be written."""


class StoreUnavailableError(StoreError):
    """The store as a whole cannot be used: unreachable, full or forbidden.

    It ends a run: no other batch would do better.
    """


class ClusterError(PulseError):
    """The Dask cluster cannot be reached, was lost, or holds other code than the run."""


class LostWorkerError(PulseError):
    """A batch ended its worker process each time it was tried."""


class TrainingError(PulseError):
    """A run ended without results."""
