"""The log of a command: lines on stderr, and in a file if the configuration names a directory."""

import logging
from pathlib import Path
from typing import Final

from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import TrainingConfig

#: Loggers whose lines repeat the progress, the summary and the errors of the command.
_REPETITIVE: Final = ("pulse_assets.run", "distributed.client")
#: Errors of a connection to the scheduler or to PostgreSQL that ends: the run closed it, or goes on
#: with another one, or the command reports in one line what was lost.
_ENDED_CONNECTIONS: Final = frozenset(
    {
        "distributed.comm.core.CommClosedError",
        "psycopg2.OperationalError",
        "psycopg2.InterfaceError",
    }
)
#: Loggers whose DEBUG lines hold session tokens and signatures.
_WITH_SECRETS: Final = ("botocore", "boto3", "s3transfer", "urllib3")


def setup_logging(config: TrainingConfig) -> None:
    """Send log lines to stderr, and to `pulse-train.log` in `config.log_dir` if that is set.

    The file has the lines of the run from INFO on. The screen has them if `config.log_level` is
    INFO or DEBUG, because they repeat the progress bar and the summary.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    screen = logging.StreamHandler()
    screen.setLevel(config.log_level)
    if config.log_level not in ("DEBUG", "INFO"):
        screen.addFilter(_is_not_repetitive)
    handlers: list[logging.Handler] = [screen]
    if config.log_dir:
        handlers.append(_log_file(config.log_dir))
        handlers[-1].setLevel(min(logging.INFO, screen.level))
    for handler in handlers:
        handler.addFilter(_reports_no_interrupt)
    logging.basicConfig(
        level=min(handler.level for handler in handlers),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=handlers,
        force=True,
    )
    for name in _WITH_SECRETS:
        logging.getLogger(name).setLevel(logging.INFO)


def _is_not_repetitive(record: logging.LogRecord) -> bool:
    """Drop what the command says itself, in its own words."""
    kind = record.exc_info[0] if record.exc_info else None
    names = {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__} if kind else set()
    return names.isdisjoint(_ENDED_CONNECTIONS) and record.name not in _REPETITIVE


def _reports_no_interrupt(record: logging.LogRecord) -> bool:
    """Drop what libraries log when an interrupt stops them; the command reports it in one line."""
    kind = record.exc_info[0] if record.exc_info else None
    return not (kind and issubclass(kind, KeyboardInterrupt))


def _log_file(folder: Path) -> logging.FileHandler:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return logging.FileHandler(folder / "pulse-train.log", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"--log-dir {folder} cannot be written ({error.strerror}): name another directory"
        ) from error
