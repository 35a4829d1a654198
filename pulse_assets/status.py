"""What became of each batch of a grid, told from the store alone."""

from collections.abc import Mapping

from pulse_assets.batches import BatchState
from pulse_assets.execution.batch_task import (
    FAILED_INPUT,
    configuration_fingerprint,
    input_hash,
)
from pulse_assets.partitions import batch_of, batch_partitions
from pulse_assets.preflight import resolve_options
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.outcome import OUTCOME_COLUMNS, Outcomes, collect_outcomes
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.store import open_store


def batch_states(settings: Settings, options: TrainingOptions) -> dict[str, BatchState]:
    """Return the state of each batch of the grid, in order.

    A skipped batch is done. Only what the store holds and the source's present content count, not
    what Dagster has recorded.

    Raises:
        ConfigurationError: a variable is unknown.
        HistoricalDataError: the source cannot be read.
        StoreError: the store cannot be read.
    """
    options = resolve_options(settings, options)
    keys = batch_partitions(settings).get_partition_keys()
    store = open_store(settings.store, settings.s3)
    stored = PartitionedTables(store, "batch_metrics", settings.batch_length, keys).fingerprints()
    expected = _Expected(settings, options)
    return {key: expected.state(key, stored.get(key)) for key in keys}


def stored_outcomes(
    settings: Settings, options: TrainingOptions, states: Mapping[str, BatchState]
) -> Outcomes:
    """Return what the stored batches skipped and which rules failed in them.

    Args:
        settings: what fixes the batch grid.
        options: the configuration.
        states: state by batch; those that are missing or stale say nothing of this configuration.

    Raises:
        StoreError: the store cannot be read.
    """
    options = resolve_options(settings, options)
    current = [key for key, state in states.items() if state not in ("missing", "stale")]
    store = open_store(settings.store, settings.s3)
    tables = PartitionedTables(store, "batch_metrics", settings.batch_length, current)
    made_of = {"configuration": configuration_fingerprint(settings, options)}
    return collect_outcomes(tables.parts(OUTCOME_COLUMNS, made_of=made_of))


class _Expected:
    """The fingerprint that each batch would have if it were made now."""

    def __init__(self, settings: Settings, options: TrainingOptions) -> None:
        source = settings.open_source()
        self._settings = settings
        self._days = options.history_days
        self._series = {name: source.load(name) for name in options.variables or ()}
        self._configuration = configuration_fingerprint(settings, options)

    def state(self, key: str, found: Mapping[str, str] | None) -> BatchState:
        if found is None:
            return "missing"
        if found.get("configuration") != self._configuration:
            return "stale"
        if found.get("input") == FAILED_INPUT:
            return "failed"
        batch = batch_of(self._settings, key, tuple(self._series))
        now = input_hash(batch, observe(batch, self._series, self._days))
        return "done" if found.get("input") == now else "stale"
