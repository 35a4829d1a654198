"""Runs that this process starts: the training job, and single aggregates."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import dagster as dg

from pulse_assets.batches.grid import RANGE_TAGS, batch_keys
from pulse_assets.batches.status import holds_batches
from pulse_assets.catalog import AGGREGATES
from pulse_assets.dagster.connections import few_rows
from pulse_assets.dagster.definitions import build_definitions
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.internals import new_run_id, run_events
from pulse_assets.dagster.jobs import JOB_NAME
from pulse_assets.dagster.partitions import register_batches
from pulse_assets.dagster.resources import DATA_SETTINGS
from pulse_assets.dagster.run_errors import (
    engine_warning,
    failure_message,
    is_interrupt,
    job_failure_message,
)
from pulse_assets.dagster.run_process import process_tags
from pulse_assets.errors import ConfigurationError
from pulse_assets.execution.phases import STEP_PHASES, begin_phase
from pulse_assets.execution.tally import Progress
from pulse_assets.preflight import check_ready
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions, dagster_home

_log: Final = logging.getLogger(__name__)


@dataclass
class RunOutcome:
    """What a run achieved, collected from its events.

    Attributes:
        success: whether the run succeeded.
        published: whether it stored results and report.
        interrupted: whether an interrupt ended it.
        failures: messages of the failed steps; of the run, if it failed outside of its steps.
    """

    success: bool = False
    published: bool = False
    interrupted: bool = False
    failures: list[str] = field(default_factory=list)

    def add(self, event: dg.DagsterEvent) -> None:
        """Add an event of the run."""
        self.success |= event.event_type == dg.DagsterEventType.RUN_SUCCESS
        self.interrupted |= is_interrupt(event)
        if event.is_step_materialization:
            self.published |= event.asset_key == dg.AssetKey("training_report")
        if event.is_step_failure:
            self.failures.append(failure_message(event))
        elif event.is_job_failure and not self.failures:
            self.failures.append(job_failure_message(event))


@few_rows()
def execute_training(
    settings: Settings, options: TrainingOptions, instance: dg.DagsterInstance, progress: Progress
) -> RunOutcome:
    """Run the training job in this process.

    A run that is interrupted before it
    starts, while Dagster records all that it plans, is marked as failed here: Dagster would leave
    it as not started.

    Raises:
        KeyboardInterrupt: an interrupt ended the run.
    """
    definitions = build_definitions(
        settings,
        options=options,  # its own, which no limit of the environment concerns
        resources={"progress": progress},
        executor=dg.in_process_executor,
    )
    job, run_id, outcome = definitions.resolve_job_def(JOB_NAME), new_run_id(), RunOutcome()
    try:
        register_batches(settings, instance)
        run = instance.create_run_for_job(
            job,
            run_id=run_id,
            run_config=run_config(settings, options),
            tags=_tags(settings, run_id),
        )
        for event in run_events(job, run, instance):
            outcome.add(event)
            if warning := engine_warning(event):
                _log.warning("%s", warning)
            if event.is_step_start and (phase := STEP_PHASES.get(event.step_key or "")):
                begin_phase(progress, phase)
        begin_phase(progress, "end")
    except BaseException:
        with suppress(Exception):  # the error itself matters more than a record of it
            _mark_as_failed(instance, run_id)
        raise
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome


def rebuild_results(config: TrainingConfig) -> dg.ExecuteInProcessResult:
    """Compute all aggregates from the stored batches, see `materialize`.

    Raises:
        ConfigurationError: no stored batch is of this configuration: results without any would
            replace those that are there.
        PulseError: the configuration, the source or the store cannot be used.
    """

    def check(settings: Settings, options: TrainingOptions) -> None:
        if not holds_batches(settings, options):
            raise ConfigurationError(
                f"{settings.store} has no batch of this configuration: give the options of the "
                "training, or run pulse-train"
            )

    return materialize(config, AGGREGATES, check)


def materialize(
    config: TrainingConfig,
    assets: Sequence[str],
    check: Callable[[Settings, TrainingOptions], None] = lambda *_: None,
) -> dg.ExecuteInProcessResult:
    """Compute aggregates from what is stored; the result holds failures, it does not raise them.

    Args:
        config: the configuration.
        assets: names of the aggregates.
        check: raises an error if they should not be computed.

    Raises:
        PulseError: the configuration, the source or the store cannot be used.
    """
    settings = config.settings()
    with fresh_hosts():
        options = check_ready(settings, config.options())
        job = build_definitions(settings, options=options).resolve_job_def(JOB_NAME)
        with open_instance(dagster_home()) as instance:
            check(settings, options)
            register_batches(settings, instance)
            return job.execute_in_process(
                run_config=run_config(settings, options),
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in assets],
                raise_on_error=False,
            )


def run_config(settings: Settings, options: TrainingOptions) -> dict[str, Any]:
    """Return the Dagster run configuration; its log goes to Python's `logging`.

    It names source and store too, so that a re-execution from the UI reads and writes the same.
    """
    data = settings.model_dump(include={*DATA_SETTINGS}, exclude_none=True)
    return {
        "resources": {
            "training": {"config": options.model_dump(exclude_none=True)},
            "data": {"config": data},
        },
        "loggers": {"python": {}},
    }


def _tags(settings: Settings, run_id: str) -> dict[str, str]:
    keys = batch_keys(settings)
    return {**dict(zip(RANGE_TAGS, (keys[0], keys[-1]), strict=True)), **process_tags(run_id)}


def _mark_as_failed(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run and not run.is_finished:
        instance.report_run_failed(run, "The run was interrupted before it started.")
