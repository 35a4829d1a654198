"""What starts runs without a person: a schedule, a sensor and a condition, all off until asked for.

Each asks for the whole job over a range of batches with `resume`, so that batches which are stored
and made of the same input cost nothing, however wide the range is.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Final

import dagster as dg

from pulse_assets.assets.failures import plain_failures
from pulse_assets.jobs import JOB_NAME
from pulse_assets.partitions import batch_partitions, completed_keys
from pulse_assets.settings import Settings

#: Make the aggregates anew once batches are, but not because some batches of the grid are missing.
AGGREGATE_CONDITION: Final = dg.AutomationCondition.eager().without(
    ~dg.AutomationCondition.any_deps_missing()
)

_RANGE: Final = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_RESUME: Final = {"resources": {"training": {"config": {"resume": True}}}}


def build_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Train, every morning, the batches whose window has ended since the last run."""

    @dg.schedule(
        name="train_completed_batches",
        cron_schedule="0 6 * * *",
        job_name=JOB_NAME,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Trains the batches whose window of target dates has ended and that no run "
        "has made yet. With a calendar cadence the grid grows by itself.",
    )
    def train_completed_batches(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        today = context.scheduled_execution_time.date()
        ended = completed_keys(settings, today)
        made = context.instance.get_materialized_partitions(dg.AssetKey("batch_metrics"))
        due = [key for key in ended if key not in made]
        if not due:
            return dg.SkipReason(f"all {len(ended)} batches that ended before {today} are made")
        return _request(f"until {ended[-1]}, from {due[0]}", [due[0], due[-1]])

    return train_completed_batches


def build_source_sensor(settings: Settings) -> dg.SensorDefinition:
    """Train again what new or changed files of the source make stale."""

    @dg.sensor(
        name="source_changed",
        job_name=JOB_NAME,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Watches the versions (ETag or modification time) of the source's files. A "
        "change starts a run over all batches that recomputes those whose input changed.",
    )
    def source_changed(
        context: dg.SensorEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with plain_failures():
            found = settings.open_source().versions()
        changed = _differences(json.loads(context.cursor or "{}"), found)
        if not changed:
            yield dg.SkipReason(f"none of {len(found)} files has changed")
            return
        versions = json.dumps(found, sort_keys=True)
        context.log.info(f"new, changed or gone: {', '.join(changed)}")
        keys = batch_partitions(settings).get_partition_keys()
        yield _request(hashlib.sha256(versions.encode()).hexdigest(), [keys[0], keys[-1]])
        context.update_cursor(versions)

    return source_changed


def build_condition_sensor() -> dg.AutomationConditionSensorDefinition:
    """Evaluate `AGGREGATE_CONDITION`."""
    return dg.AutomationConditionSensorDefinition(
        "aggregates_follow_batches",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Makes trust, results, forecasts and report anew once batches are.",
    )


def _request(run_key: str, ends: Sequence[str]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=run_key, run_config=_RESUME, tags=dict(zip(_RANGE, ends, strict=True))
    )


def _differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Name what is new, changed or gone.

    Example:
        >>> _differences({"a": "1", "b": "1"}, {"a": "2", "b": "1", "c": "1"})
        ['a', 'c']
    """
    return sorted(name for name in before | now if before.get(name) != now.get(name))
