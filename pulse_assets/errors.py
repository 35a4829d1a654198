"""The errors that a user can fix: each message names the value, the place and what to do.

The command line prints the message of a `PulseError` on one line and exits with 1; any other
exception is a defect of this package and keeps its traceback.
"""


class PulseError(Exception):
    """Base of every error that bad input or the environment can cause."""


class ConfigurationError(PulseError):
    """A setting or option has a value that cannot be used.

    Correct the value that the message names. Nothing was computed.
    """


class HistoricalDataError(PulseError):
    """A source, or a file or row in it, cannot be used.

    Correct the file or the setting that the message names; `pulse-train check` reads the source
    again. Nothing was computed.
    """


class RuleError(PulseError):
    """A forecasting rule is unknown, cannot be imported or broke its contract.

    Before the first batch: correct the name or the module. In a batch the rule loses its forecasts
    and the others are stored: correct the rule and run with `--resume`.
    """


class StoreError(PulseError):
    """An object in the store is missing, damaged or cannot be written.

    Run with `--resume` over its dates, which replaces the object.
    """


class StoreUnavailableError(StoreError):
    """The store as a whole cannot be used: it is unreachable, full or forbidden.

    It ends a run, because every other batch would fail too. Correct what the message names and run
    with `--resume`: finished batches are kept.
    """


class ClusterError(PulseError):
    """The Dask cluster cannot be reached, was lost, or runs other code than this process.

    Correct the address, or start the scheduler and its workers with the same versions. Run with
    `--resume`: finished batches are kept.
    """


class LostWorkerError(PulseError):
    """A batch killed its worker process each time it was tried.

    The usual reason is memory: give the workers more, or the batches fewer variables, and run with
    `--resume`. The other batches are stored.
    """


class LostProcessError(PulseError):
    """The process that computed a step of a large panel was killed, or could not start.

    The usual reason is memory: give the machine of the run more, and run with `--resume`.
    """


class TrainingError(PulseError):
    """A run ended without results.

    The message names the steps that failed: correct the reason and run with `--resume`.
    """
