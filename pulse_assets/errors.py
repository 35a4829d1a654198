"""The errors that a user can fix: each message names the value, the place and what to do.

The command line prints the message of a `PulseError` on one line and exits with 1; any other
exception is a defect of this package and keeps its traceback.
"""


class PulseError(Exception):
    """Base of every error that bad input or the environment can cause."""


class ConfigurationError(PulseError):
    """A setting or option has a value that cannot be used."""


class HistoricalDataError(PulseError):
    """A source, or a file or row in it, cannot be used."""


class RuleError(PulseError):
    """A forecasting rule is unknown, cannot be imported or broke its contract."""


class StoreError(PulseError):
    """An object in the store is missing, damaged or cannot be written."""


class StoreUnavailableError(StoreError):
    """The store as a whole cannot be used: it is unreachable, full or forbidden.

    It ends a run, because every other batch would fail too.
    """


class ClusterError(PulseError):
    """The Dask cluster cannot be reached, was lost, or runs other code than this process."""


class LostWorkerError(PulseError):
    """A batch killed its worker process each time it was tried."""


class LostProcessError(PulseError):
    """The process that computed a step of a large panel was killed, or could not start."""


class TrainingError(PulseError):
    """A run ended without results."""
