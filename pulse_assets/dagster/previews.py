"""What the UI shows of values: tables of an aggregate in the metadata of its materialization.

Tables on the aggregates and not on the batches: an event holds its tables and pictures whole, and
thousands of batches would bring thousands of them into Dagster's database. A batch records plain
numbers, which the UI plots over the partitions.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg

#: Rows in a preview.
ROWS: Final = 60

#: The numbers of a batch as the UI plots them over the partitions.
PLOTTED: Final = {
    "seconds": "seconds of the worker",
    "processor_seconds": "processor seconds (share of its block)",
    "bytes_read": "bytes read (share of its block)",
    "bytes_written": "bytes written (share of its block)",
    "requests": "requests to store and source (share of its block)",
    "peak_memory_bytes": "peak memory of its process so far (bytes)",
    "block": "batches in its block",
    "skill": "ensemble: skill against naive",
    "win_share": "ensemble: share closer than naive",
    "mase": "ensemble: MASE",
    "coverage": "ensemble: coverage of the intervals",
    "forecasts": "forecasts verified",
}

#: The trust of `naive`.
EVEN: Final = 0.5

#: Entries of a list that are written out.
NAMED: Final = 20


def as_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> dg.TableMetadataValue:
    """Return the first `ROWS` rows as the UI shows them, all columns unless some are named."""
    names = list(columns or (rows[0] if rows else []))
    records = [dg.TableRecord({name: as_cell(row[name]) for name in names}) for row in rows[:ROWS]]
    schema = dg.TableSchema([dg.TableColumn(name) for name in names])
    return dg.MetadataValue.table(records, schema)


def as_cell(value: object) -> str | int | float | bool | None:
    """Return a value as a cell: dates as text, numbers with the digits a reader needs.

    Example:
        >>> as_cell(0.123456), as_cell(None)
        (0.1235, None)
    """
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def in_words(values: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return entries as one text: the UI hides a list or a mapping behind *Show JSON*.

    Example:
        >>> in_words({"2020-01-01": "no luck"}), in_words([])
        ('2020-01-01: no luck', 'none')
    """
    pairs = [f"{k}: {as_cell(v)}" for k, v in values.items()] if isinstance(values, Mapping) else []
    entries = pairs or [str(value) for value in values]
    more = len(entries) - NAMED
    return "; ".join(entries[:NAMED] + ([f"{more} more"] if more > 0 else [])) or "none"


def with_side(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row that has `trust` and its interval, and says on which side of 0.5 it lies.

    Example:
        >>> with_side({"trust": 0.6, "trust_lower": 0.55, "trust_upper": 0.65})["against_0.5"]
        'above'
        >>> with_side({"trust": 0.6, "lower": 0.45, "upper": 0.75})["against_0.5"]
        'undecided'
    """
    lower, upper = (row.get(f"trust_{end}", row.get(end)) for end in ("lower", "upper"))
    if lower is None or upper is None:
        side = None
    elif lower > EVEN:
        side = "above"
    else:
        side = "below" if upper < EVEN else "undecided"
    return {**row, "against_0.5": side}
