"""The check that the batches which Dagster's records show are in the store.

Dagster does not tell stores apart: after `PULSE_STORE` was changed, or a run wrote another store,
the UI shows batches of both as materialized. The check concerns the UI alone, so the results of a
training, which are read from its store, do not hold it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import dagster as dg

from pulse_assets.batches.grid import batch_keys
from pulse_assets.catalog import STATUS_TABLE
from pulse_assets.dagster.checks.check import Check, Finding
from pulse_assets.dagster.deployment import Names
from pulse_assets.settings import Settings
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.store import open_store


@dataclass(frozen=True)
class RecordedBatches:
    """What Dagster's records and the store say of the same batches.

    Attributes:
        recorded: keys of the batches of the grid that Dagster shows as materialized.
        in_store: keys of those that the store holds, of any configuration.
        store: directory or address.
    """

    recorded: Collection[str]
    in_store: Collection[str]
    store: str

    @classmethod
    def of(
        cls, instance: dg.DagsterInstance, names: Names, settings: Settings
    ) -> "RecordedBatches":
        """Read the records of a Dagster instance, and list the store."""
        keys = batch_keys(settings)
        recorded = instance.get_materialized_partitions(names.key(STATUS_TABLE))
        store = open_store(settings.store, settings.s3)
        tables = PartitionedTables(store, STATUS_TABLE, settings.batch_length, keys)
        return cls(recorded & {*keys}, [*tables], settings.store)


def recorded_batches_are_stored(batches: RecordedBatches) -> Finding:
    """Each batch that Dagster shows as materialized is in the store.

    If it fails: materialize the batches that the message names, or set `PULSE_STORE` back.
    """
    lost = sorted({*batches.recorded} - {*batches.in_store})
    message = ""
    if lost:
        message = (
            f"{len(lost)} of {len(batches.recorded)} batches that Dagster shows as materialized, "
            f"from {lost[0]} on, are not in {batches.store}: another store was written, or objects "
            "are gone; materialize them, or set PULSE_STORE back"
        )
    return Finding(
        not lost, {"materialized": len(batches.recorded), "not_stored": len(lost)}, message
    )


RECORDS_CHECK: Final = Check(
    "recorded_batches_are_stored", STATUS_TABLE, recorded_batches_are_stored, severity="WARN"
)
