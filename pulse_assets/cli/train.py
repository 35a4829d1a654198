"""The command `pulse-train train`: what it says before, while and after it trains.

Dagster and the numerical packages take a second or two to import. They are imported after the
first line is printed, while the processes of the workers start.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal

from pulse_assets.batches.due import describe_waiting, waiting_batches
from pulse_assets.batches.grid import batch_keys
from pulse_assets.checked_training import CheckedTraining
from pulse_assets.cli.progress import TrainingProgress
from pulse_assets.cli.terminal import print_error, print_json, print_summary
from pulse_assets.execution.cluster import ClusterSpec
from pulse_assets.execution.worker_server import worker_server
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings import TrainingConfig
from pulse_assets.source_check import describe_after_end, summarise_source

#: Seconds after the start of the command at which the first line is printed at the latest, though
#: the input is still being checked. An error that is found before that comes instead of it.
FIRST_LINE_AFTER: Final = 0.9


def train(config: TrainingConfig, *, as_json: bool, began: float | None = None) -> Literal[0, 1]:
    """Train and print a summary; return 0 if the run and all checks of severity ERROR succeed.

    Args:
        config: what to train.
        as_json: print the results as JSON instead of the summary.
        began: when the command began, in seconds of `time.monotonic`; now unless given.
    """
    began = time.monotonic() if began is None else began
    with TrainingProgress(began=began) as progress, fresh_hosts():
        with progress.line(describe_start(config), at_most=FIRST_LINE_AFTER):
            training = CheckedTraining.of(config)
        for line in _describe_source(training):
            progress.say(line)
        with _prepared_workers(ClusterSpec.of(config)):
            from pulse_assets.training import train_checked

            results = train_checked(training, progress)
        phases, processor = progress.seconds(), progress.processor_seconds()
    performance = {**results.data["performance"]}
    performance |= {"command_seconds": sum(phases.values()), "phases": phases}
    performance |= {"processor_phases": processor}
    document = {**results.data, "performance": performance}
    if as_json:
        print_json(document)
    else:
        print_summary(document, {"results": results.results_path, "report": results.report_path})
    if not results.success:
        for problem in results.data["problems"] or [results.message]:
            print_error(problem)
    return 0 if results.success else 1


def _prepared_workers(cluster: ClusterSpec) -> AbstractContextManager[None]:
    """Let the workers of a cluster of this machine import while this process does."""
    return worker_server() if cluster.kind == "local" and not cluster.in_process else nullcontext()


def describe_start(config: TrainingConfig) -> str:
    """Return the first line of a training: its batches and variables, and where they compute.

    Raises:
        ConfigurationError: the range holds no batch.
        HistoricalDataError: the source cannot be listed.
    """
    settings = config.settings()
    batches = len(batch_keys(settings))
    variables = config.options().variables or settings.open_source().variables()
    return (
        f"{_counted(batches, 'batch', 'batches')} of "
        f"{_counted(len(variables), 'variable', 'variables')}; {_where(ClusterSpec.of(config))}"
    )


def _describe_source(training: CheckedTraining) -> Iterator[str]:
    """Yield what is known of the source, and which batches wait for outcomes."""
    settings, options, source = training.settings, training.options, training.source
    yield from summarise_source(source, options)
    if "end_date" not in training.config.model_fields_set and (
        after := describe_after_end(source, options.variables or (), settings.last_day)
    ):
        yield after
    if waiting := waiting_batches(settings, options, batch_keys(settings), source):
        yield f"{describe_waiting(waiting)}: computed without them now, and again by --resume"


def _where(cluster: ClusterSpec) -> str:
    if cluster.kind == "existing":
        return f"joining the Dask scheduler {cluster.options['address']}"
    if cluster.in_process:
        return "computing in this process"
    return f"starting {_counted(cluster.options['n_workers'], 'worker', 'workers')}"


def _counted(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}"
