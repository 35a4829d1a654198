"""One Arrow schema a stored table. What a column means stands here and nowhere else.

Columns bear the words of the field: `origin_date`, `horizon`, `target_date`, `predicted`,
`observed`. Dates are calendar days (`date32`). A score that is undefined is NaN, never dropped:
`n` and `missing` beside it say how many pairs it rests on.
"""

from typing import Final

import pyarrow as pa

_NAME: Final = pa.dictionary(pa.int32(), pa.string())


def _table(**columns: tuple[pa.DataType, str]) -> pa.Schema:
    """Build a schema of (type, meaning) pairs; the meaning is kept as field metadata."""
    return pa.schema(
        [
            pa.field(name, kind, metadata={"description": text})
            for name, (kind, text) in columns.items()
        ]
    )


HISTORICAL_DATA: Final = _table(
    variable=(_NAME, "name of the series"),
    timestamp=(pa.date32(), "date of the observation"),
    value=(pa.float64(), "the observation in its own unit; NaN where the source has none"),
    published_at=(pa.date32(), "first day on which the value was known; null: at once"),
)

TRAINING_BATCHES: Final = _table(
    batch=(_NAME, "partition key: first day of the window of target dates"),
    window_start=(pa.date32(), "first day of the window"),
    window_end=(pa.date32(), "first day after the window"),
    variable=(_NAME, "name of the series"),
    frequency=(pa.string(), "daily, business_daily, weekly, monthly, quarterly or yearly"),
    season=(pa.int32(), "observations a season of the seasonal rules"),
    history=(pa.int32(), "observations before the window, missing ones included"),
    missing=(pa.int32(), "observations before the window without a value"),
    targets=(pa.int32(), "dates in the window that have a value to predict"),
    missing_targets=(pa.int32(), "dates in the window without a value"),
    first_target=(pa.date32(), "first date to predict; null when skipped"),
    last_target=(pa.date32(), "last date to predict; null when skipped"),
    skip_reason=(pa.string(), "why the variable is not predicted in this batch; null when it is"),
)

RETRODICTIONS: Final = _table(
    variable=(_NAME, "name of the series"),
    model=(_NAME, "name of the forecasting rule"),
    origin_date=(pa.date32(), "date of the last observation the rule may use"),
    horizon=(pa.int32(), "whole steps from origin_date to target_date, >= 1"),
    target_date=(pa.date32(), "date predicted"),
    predicted=(pa.float64(), "the rule's forecast; NaN when it has none"),
    lower=(pa.float64(), "lower bound of the interval"),
    upper=(pa.float64(), "upper bound of the interval"),
    observed=(pa.float64(), "what happened"),
    scale=(
        pa.float64(),
        "mean absolute seasonal difference up to the origin: the mase denominator",
    ),
    weight=(pa.float64(), "share of the rule in `ensemble`, 0..1; NaN for the ensembles"),
    error=(
        _NAME,
        "what the rule raised instead of this forecast, `Type: message`; null when it raised "
        "nothing",
    ),
    batch=(_NAME, "partition key"),
)

BATCH_METRICS: Final = _table(
    batch=(_NAME, "partition key"),
    status=(_NAME, "completed, skipped or failed"),
    error_type=(pa.string(), "class of the error of a failed batch or rule, else null"),
    error=(
        pa.string(),
        "message of a failed batch or rule, or reason of a skipped batch, else null",
    ),
    rule_errors=(
        pa.int64(),
        "origins of the batch from which the rule failed, over all horizons; 0 if none",
    ),
    rule_error_origin=(pa.date32(), "the first of those origins, which `error` is of; else null"),
    skip_reason=(pa.string(), "why the variable is not predicted in this batch; null when it is"),
    variable=(_NAME, "name of the series; null when the batch failed"),
    model=(_NAME, "name of the forecasting rule; null unless the variable is scored"),
    horizon=(pa.int32(), "steps ahead; null unless the variable is scored"),
    n=(pa.int64(), "verified pairs with a forecast"),
    missing=(pa.int64(), "pairs for which the rule had no forecast (NaN)"),
    bias=(pa.float64(), "mean of predicted - observed"),
    mae=(pa.float64(), "mean absolute error, unit of the series"),
    rmse=(pa.float64(), "root mean squared error, unit of the series"),
    mase=(pa.float64(), "mean absolute scaled error; NaN when the scale is 0"),
    rmsse=(pa.float64(), "root mean squared scaled error; NaN when the scale is 0"),
    smape=(pa.float64(), "symmetric mean absolute percentage error, 0..200"),
    interval_score=(pa.float64(), "Winkler score of the interval, unit of the series"),
    msis=(pa.float64(), "mean scaled interval score; NaN when the scale is 0"),
    coverage=(pa.float64(), "share of observations inside the interval, bounds included"),
    width=(pa.float64(), "mean width of the interval, unit of the series"),
    compared=(pa.int64(), "verified pairs for which the rule and `naive` both have a forecast"),
    abs_error=(
        pa.float64(),
        "sum of the rule's absolute errors over the compared pairs; NaN beyond the largest float",
    ),
    naive_abs_error=(pa.float64(), "sum of naive's absolute errors over the same pairs"),
    wins=(
        pa.float64(),
        "compared pairs on which the rule is closer than `naive`; equal to 1e-12 counts 1/2",
    ),
    weight=(pa.float64(), "mean share of the rule in `ensemble`; NaN for the ensembles"),
)

TRUST_LEDGER: Final = _table(
    batch=(_NAME, "partition key of the batch after which this trust holds"),
    variable=(_NAME, "name of the series"),
    model=(_NAME, "name of the forecasting rule"),
    horizon=(pa.int32(), "steps ahead; null: over all horizons, every pair counting alike"),
    wins=(pa.float64(), "pairs of this batch on which the rule is closer than `naive`; draws 1/2"),
    compared=(pa.int64(), "pairs of this batch for which the rule and `naive` have a forecast"),
    a=(pa.float64(), "first parameter of the Beta law"),
    b=(pa.float64(), "second parameter of the Beta law"),
    trust=(pa.float64(), "probability of being closer than `naive`, a / (a + b), 0..1"),
    lower=(pa.float64(), "lower bound of the 90 % credible interval of trust"),
    upper=(pa.float64(), "upper bound of the 90 % credible interval of trust"),
)

NEXT_FORECASTS: Final = _table(
    variable=(_NAME, "name of the series"),
    model=(
        _NAME,
        "name of the forecasting rule; `ensemble` is the weighted one; null: no rule, see `error`",
    ),
    origin_date=(pa.date32(), "date of the last observation"),
    origin_value=(pa.float64(), "the last observation, from which the forecast starts"),
    horizon=(pa.int32(), "whole steps from origin_date to target_date, >= 1"),
    target_date=(pa.date32(), "date predicted; of daily series by the calendar, without holidays"),
    predicted=(pa.float64(), "the rule's forecast; NaN when it has none"),
    lower=(pa.float64(), "lower bound of the interval"),
    upper=(pa.float64(), "upper bound of the interval"),
    weight=(pa.float64(), "share of the rule in `ensemble`, 0..1; NaN for the ensembles"),
    trust=(
        pa.float64(),
        "trust in the rule at this horizon after the last batch, 0..1; NaN when never scored",
    ),
    error=(
        pa.string(),
        "why there is no forecast: what the rule raised, or, without a model, why the whole "
        "variable is left out; null when there is one",
    ),
)

#: Rows of a stored table are sorted by these columns, so that equal content is equal bytes.
SORT_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "historical_data": ("variable", "timestamp"),
    "training_batches": ("variable",),
    "retrodictions": ("variable", "model", "origin_date", "horizon"),
    "batch_metrics": ("variable", "model", "horizon"),
    "trust_ledger": ("variable", "model", "horizon", "batch"),
    "next_forecasts": ("variable", "model", "horizon"),
}

SCHEMAS: Final[dict[str, pa.Schema]] = {
    "historical_data": HISTORICAL_DATA,
    "training_batches": TRAINING_BATCHES,
    "retrodictions": RETRODICTIONS,
    "batch_metrics": BATCH_METRICS,
    "trust_ledger": TRUST_LEDGER,
    "next_forecasts": NEXT_FORECASTS,
}
