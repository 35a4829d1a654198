"""The tables of results that are pooled over all batches, and how a schema is written."""

from typing import Final

import pyarrow as pa

#: The type of names.
NAME: Final = pa.dictionary(pa.int32(), pa.string())


def table_schema(**columns: tuple[pa.DataType, str]) -> pa.Schema:
    """Build a schema of (type, meaning) pairs; the meaning is kept as field metadata."""
    return pa.schema(
        [
            pa.field(name, kind, metadata={"description": text})
            for name, (kind, text) in columns.items()
        ]
    )


#: A row per variable, model and horizon of all batches together; no variable: over all variables.
SKILL_BY_HORIZON: Final = table_schema(
    variable=(NAME, "name of the series; null: over all variables"),
    model=(
        NAME,
        "name of the forecasting rule; over all variables `ar_with_*` stands for all rules on "
        "leading indicators",
    ),
    horizon=(pa.int32(), "whole steps ahead, in the variable's own frequency"),
    skill=(pa.float64(), "1 - error relative to `naive` over the same pairs, see training_results"),
    trust=(pa.float64(), "trust after the last batch, 0..1; over all variables their mean"),
    mase=(pa.float64(), "mean absolute scaled error over all verified pairs"),
    n=(pa.int64(), "verified pairs"),
)

#: A row per period, variable and model over all horizons; no variable: over all variables.
SCORES_BY_PERIOD: Final = table_schema(
    kind=(
        NAME,
        "year; recession: one of NBER's; cycle: all recessions, and expansions; volatility: calm "
        "and crisis; file: a period of the user",
    ),
    period=(NAME, "name of the period"),
    start=(pa.date32(), "its first day; null: it has no days of its own"),
    end=(pa.date32(), "its last day"),
    variable=(NAME, "name of the series; null: over all variables"),
    model=(NAME, "name of the forecasting rule; over all variables `ar_with_*` is one, as above"),
    n=(pa.int64(), "verified pairs of the batches whose middle day is in the period"),
    skill=(pa.float32(), "1 - error relative to `naive` over the same pairs, see training_results"),
    mase=(pa.float32(), "mean absolute scaled error"),
    coverage=(pa.float32(), "share of observations inside the interval"),
    weight=(
        pa.float32(),
        "mean share of the rule in `ensemble` in the batches in which it takes part; NaN for the "
        "ensembles",
    ),
    complete=(
        pa.bool_(),
        "whether the rule has 95 % of naive's pairs at each variable and horizon: only such rules "
        "are compared with each other",
    ),
)

#: A row per variable, model and horizon; no horizon: over all horizons.
SIGNIFICANCE: Final = table_schema(
    variable=(NAME, "name of the series"),
    model=(NAME, "name of the forecasting rule"),
    horizon=(
        pa.int32(),
        "whole steps ahead; null: over all, each relative to naive's error",
    ),
    n=(pa.int32(), "batches in which the rule is compared with `naive`"),
    dm_naive=(
        pa.float32(),
        "statistic of Diebold and Mariano with the correction of Harvey, Leybourne and Newbold, "
        "against `naive`; below 0: smaller errors; NaN where undefined",
    ),
    p_naive=(pa.float32(), "two-sided probability of it if both are equally accurate"),
    adjusted_naive=(
        pa.float32(),
        "smallest false discovery rate over variables at which it is significant, by Benjamini and "
        "Hochberg; the rules on leading indicators are one family",
    ),
    n_median=(
        pa.int32(),
        "batches in which the rule and `ensemble_median` have a forecast of each pair",
    ),
    dm_median=(pa.float32(), "the statistic against `ensemble_median`"),
    p_median=(pa.float32(), "its probability"),
    adjusted_median=(pa.float32(), "the same, adjusted over variables"),
    set_probability=(
        pa.float32(),
        "probability of the rule in the model confidence set, which has those from 0.1 on; NaN: "
        "it lacks too many forecasts to be compared, or there are more than 1,000 variables, whose "
        "sets are over all horizons only",
    ),
    win_rate=(
        pa.float32(),
        "share of horizons on which the sum of its errors is smaller than naive's; a draw counts "
        "1/2; NaN in the rows of one horizon",
    ),
    win_rate_lower=(pa.float32(), "lower bound of its 90 % interval over resampled batches"),
    win_rate_upper=(pa.float32(), "upper bound of it"),
)
