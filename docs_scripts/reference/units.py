"""The units of the columns that hold numbers."""

from typing import Final

import pyarrow as pa

_VARIABLE: Final = "in the unit of the variable"
_SCALED: Final = "without a unit"
_SHARE: Final = "0 to 1"
_SUM: Final = "a sum in the unit of the variable"

#: The unit of each column of numbers, by its name; columns of one name have one unit.
UNITS: Final = {
    **dict.fromkeys(("value", "predicted", "observed", "observed_latest"), _VARIABLE),
    **dict.fromkeys(("lower", "upper"), _VARIABLE),
    **dict.fromkeys(("scale", "quantiles", "origin_value"), _VARIABLE),
    **dict.fromkeys(("abs_error", "naive_abs_error", "error_saved", "quantile_loss"), _SUM),
    **dict.fromkeys(("mase_scale", "rmsse_scale", "sql_scale"), _VARIABLE),
    **dict.fromkeys(("weight", "trust", "coverage", "set_probability", "win_rate"), _SHARE),
    **dict.fromkeys(("p_naive", "adjusted_naive", "p_median", "adjusted_median"), _SHARE),
    **dict.fromkeys(("win_rate_lower", "win_rate_upper", "quantile"), _SHARE),
    **dict.fromkeys(("skill", "mase", "dm_naive", "dm_median"), _SCALED),
    **dict.fromkeys(("n", "missing", "covered", "below", "compared", "wins"), "of pairs"),
    **dict.fromkeys(("history", "season"), "of observations"),
    **dict.fromkeys(("targets", "missing_targets"), "of dates"),
    "n_median": "of batches",
    "horizon": "of steps",
    "rule_errors": "of origins",
}
#: Columns that have another unit in a table.
_IN_TABLE: Final = {
    ("trust_ledger", "lower"): _SHARE,
    ("trust_ledger", "upper"): _SHARE,
    ("significance", "n"): "of batches",
}


def unit_of(table: str, name: str, kind: pa.DataType) -> str:
    """Return the unit of a column; empty for what is no number.

    Example:
        >>> floats, texts = pa.float64(), pa.string()
        >>> unit_of("retrodictions", "observed", floats), unit_of("retrodictions", "error", texts)
        ('in the unit of the variable', '')
    """
    if pa.types.is_list(kind):
        kind = kind.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return ""
    return _IN_TABLE.get((table, name)) or UNITS[name]
