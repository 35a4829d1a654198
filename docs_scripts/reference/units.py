"""The units of the columns that hold numbers."""

from typing import Final

import pyarrow as pa

_VARIABLE: Final = "that of the variable"
_SCALED: Final = "none (scaled)"
_SHARE: Final = "share, 0 to 1"
_SUM: Final = "that of the variable, summed"

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
    **dict.fromkeys(("n", "missing", "covered", "below", "compared", "wins"), "pairs"),
    **dict.fromkeys(("history", "season"), "observations"),
    **dict.fromkeys(("targets", "missing_targets"), "dates"),
    **dict.fromkeys(("n_median",), "batches"),
    "horizon": "steps of the variable",
    "rule_errors": "origins",
}
#: Columns whose unit depends on the table.
_BY_TYPE: Final = {("lower", "float"): _SHARE, ("upper", "float"): _SHARE}


def unit_of(name: str, kind: pa.DataType) -> str:
    """Return the unit of a column; empty for what is no number.

    Example:
        >>> unit_of("predicted", pa.float64()), unit_of("variable", pa.string())
        ('that of the variable', '')
    """
    if pa.types.is_list(kind):
        kind = kind.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return ""
    return _BY_TYPE.get((name, str(kind)), UNITS[name])
