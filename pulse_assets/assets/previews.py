"""What the UI shows of an aggregate: tables in the metadata of its materialization.

On the aggregates and not on the batches: an event holds its tables and pictures whole, and
thousands of batches would bring thousands of them into Dagster's database. A batch records plain
numbers, which the UI plots over the partitions.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg

#: Rows in a preview.
ROWS: Final = 60


def as_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> dg.TableMetadataValue:
    """Return the first `ROWS` rows as the UI shows them, all columns unless some are named."""
    names = list(columns or (rows[0] if rows else []))
    records = [dg.TableRecord({name: _shown(row[name]) for name in names}) for row in rows[:ROWS]]
    schema = dg.TableSchema([dg.TableColumn(name) for name in names])
    return dg.MetadataValue.table(records, schema)


def _shown(value: object) -> str | int | float | bool | None:
    """Return a value as a cell: dates as text, numbers with the digits a reader needs.

    Example:
        >>> _shown(0.123456), _shown(None)
        (0.1235, None)
    """
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
