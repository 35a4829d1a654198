"""Checks of the stored tables of batches: columns, types and duplicate rows."""

from collections.abc import Callable
from typing import Final

from pulse_assets.catalog import BATCH_TABLES, SORT_KEYS
from pulse_assets.dagster.checks.check import Check, Finding
from pulse_assets.dagster.checks.stored import StoredBatches
from pulse_assets.errors import PulseError
from pulse_assets.stages.outcome_texts import list_some


def schema_holds(asset: str) -> Callable[[StoredBatches], Finding]:
    """Build the check that the objects of an asset are whole and have its columns."""

    def check(batches: StoredBatches) -> Finding:
        """Columns and types of the stored objects are those of `pulse_assets.catalog`.

        If it fails: run with `--resume` over the dates that the message names, which replaces the
        objects.
        """
        counts = batches.duplicates(asset)
        errors = {key: str(count) for key, count in counts.items() if isinstance(count, PulseError)}
        message = list_some(list(errors.values()), separator="; ")
        return Finding(not errors, {"read": len(counts), "problems": errors}, message)

    return check


def no_duplicates(asset: str) -> Callable[[StoredBatches], Finding]:
    """Build the check that no two rows in a batch of an asset have the same key."""

    def check(batches: StoredBatches) -> Finding:
        """No two rows of a batch have the same key.

        If it fails: run without `--resume` over the dates of the batch, which computes it anew.
        """
        results = batches.duplicates(asset)
        counts = {key: count for key, count in results.items() if isinstance(count, int)}
        twice = {key: count for key, count in counts.items() if count}
        values = {"key": ", ".join(SORT_KEYS[asset]), "read": len(counts), "duplicates": twice}
        unread = len(results) - len(counts)
        message = f"{asset}: {unread} of {len(results)} batches cannot be searched for duplicates"
        if twice:
            named = [f"{key} ({count} rows)" for key, count in twice.items()]
            message = f"{asset} holds rows twice in batch {list_some(named)}"
        return Finding(not twice and not unread, values, message)

    return check


TABLE_CHECKS: Final[tuple[Check[StoredBatches], ...]] = (
    *(Check("schema_holds", name, schema_holds(name)) for name in BATCH_TABLES),
    *(Check("no_duplicates", name, no_duplicates(name)) for name in BATCH_TABLES),
)
