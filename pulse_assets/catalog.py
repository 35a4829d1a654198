"""The catalogue of assets: columns, sort order, group, kinds, description and upstream of each.

All lists of assets derive from `CATALOG`. Without Dagster, because workers read it: the Dagster
specs made from it are in `pulse_assets.assets.specs`.

Columns have the names of the field: `origin_date`, `horizon`, `target_date`, `predicted`,
`observed`. Dates are calendar days (`date32`), stored as midnights. A score that is undefined is
NaN, never dropped: `n` and `missing` beside it count the pairs behind it. What is rounded, and how
far, is said in the column's description; `pulse_assets.retrodiction.rounding` does it.
"""

from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

from pulse_assets.result_tables import (
    NAME as _NAME,
)
from pulse_assets.result_tables import (
    SCORES_BY_PERIOD,
    SIGNIFICANCE,
    SKILL_BY_HORIZON,
)
from pulse_assets.result_tables import (
    table_schema as _table,
)
from pulse_assets.retrodiction.scores import METRICS

#: The type of an asset's object, which is the suffix of its name too.
Suffix = Literal["parquet", "json", "html"]

_NUMBERS: Final = pa.list_(pa.field("element", pa.float64()))


HISTORICAL_DATA: Final = _table(
    variable=(_NAME, "name of the series"),
    timestamp=(pa.date32(), "date of the observation, or date that is predicted"),
    value=(
        pa.float64(),
        "the observation in its own unit; NaN where the source has none; or somebody else's "
        "forecast of it",
    ),
    published_at=(
        pa.date32(),
        "first day on which the value was public: as the source says, else the end of the period "
        "plus publication_lag_days; a row per release of a value; of a forecast the day on which "
        "it was made",
    ),
    model=(_NAME, "who made the forecast in `value`; null: `value` is an observation"),
    quantile=(
        pa.float64(),
        "level of the quantile in `value`; null: the point forecast, or an observation",
    ),
    used=(
        pa.bool_(),
        "whether forecasts or scores depend on it; false: a later release of an outcome, which "
        "`observed_latest` alone shows",
    ),
)

TRAINING_BATCHES: Final = _table(
    batch=(_NAME, "partition key: first day of the window of target dates"),
    window_start=(pa.date32(), "first day of the window"),
    window_end=(pa.date32(), "first day after the window"),
    variable=(_NAME, "name of the series"),
    frequency=(pa.string(), "a word such as monthly, or an offset of pandas such as BME"),
    season=(pa.int32(), "observations per season, of the seasonal rules"),
    history=(pa.int32(), "observations before the window, missing ones included"),
    missing=(pa.int32(), "observations before the window without a value"),
    targets=(pa.int32(), "dates in the window that have a value to predict"),
    missing_targets=(pa.int32(), "dates in the window without a value"),
    first_target=(pa.date32(), "first date to predict; null when skipped"),
    last_target=(pa.date32(), "last date to predict; null when skipped"),
    last_made_at=(
        pa.date32(),
        "day on which the last of its forecasts is made: none uses what was published later; null "
        "when skipped",
    ),
    skip_reason=(pa.string(), "why the variable is not predicted in this batch; null when it is"),
)

RETRODICTIONS: Final = _table(
    variable=(_NAME, "name of the series"),
    model=(_NAME, "name of the forecasting rule"),
    origin_date=(pa.date32(), "date of the last observation the rule may use"),
    made_at=(
        pa.date32(),
        "day on which the forecast could be made: that of the first release of the observation at "
        "origin_date",
    ),
    horizon=(pa.int32(), "whole steps from origin_date to target_date, >= 1"),
    target_date=(pa.date32(), "date predicted"),
    predicted=(pa.float64(), "the rule's forecast; NaN when it has none"),
    lower=(pa.float64(), "lower bound of the interval: one of `quantiles`"),
    upper=(pa.float64(), "upper bound of the interval: one of `quantiles`"),
    quantiles=(
        _NUMBERS,
        "quantile at each level of the settings `quantiles` and `interval_level`, ascending, "
        "rounded by at most 1/256 of half the distance of the outermost two; NaN without one",
    ),
    observed=(pa.float64(), "what happened: the release of the outcome that score_against names"),
    observed_latest=(
        pa.float64(),
        "the newest release of the outcome when the batch was computed",
    ),
    scale=(
        pa.float64(),
        "mean absolute seasonal difference up to the origin: the mase denominator, to 5e-7",
    ),
    weight=(
        pa.float64(),
        "share of the rule in `ensemble`, 0..1, a multiple of 2^-16; the shares add up to 1; NaN "
        "for the ensembles",
    ),
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
        pa.int32(),
        "origins of the batch from which the rule failed, over all horizons; 0 if none",
    ),
    rule_error_origin=(pa.date32(), "the first of those origins, which `error` is of; else null"),
    skip_reason=(pa.string(), "why the variable is not predicted in this batch; null when it is"),
    variable=(_NAME, "name of the series; null when the batch failed"),
    model=(_NAME, "name of the forecasting rule; null unless the variable is scored"),
    horizon=(pa.int32(), "steps ahead; null unless the variable is scored"),
    n=(pa.int32(), "verified pairs with a forecast"),
    missing=(pa.int32(), "pairs for which the rule had no forecast (NaN)"),
    abs_error=(
        pa.float64(),
        "sum of the rule's absolute errors over the n pairs; NaN beyond the largest float",
    ),
    **{m.column: (pa.float64(), m.meaning) for m in METRICS.values()},
    below=(
        _NUMBERS,
        "pairs whose observation is below the quantile of each level, one that equals it counting "
        "as much as the level; NaN where one has none",
    ),
    compared=(pa.int32(), "n, or 0 if `naive` lacks a forecast of one of these pairs"),
    naive_abs_error=(pa.float64(), "sum of naive's absolute errors over the compared pairs"),
    wins=(
        pa.float64(),
        "compared pairs on which the rule is closer than `naive`; equal to 1e-12 counts 1/2",
    ),
    error_saved=(
        pa.float64(),
        "sum over the pairs of the absolute error that `ensemble` would have without the rule, "
        "minus what it has; below 0: it would be closer without it",
    ),
    weight=(
        pa.float64(),
        "mean share of the rule in `ensemble` over all pairs and horizons, a multiple of 2^-12; "
        "NaN for the ensembles",
    ),
)

TRUST_LEDGER: Final = _table(
    batch=(_NAME, "partition key of the batch after which this trust holds"),
    variable=(_NAME, "name of the series"),
    model=(_NAME, "name of the forecasting rule"),
    horizon=(
        pa.int32(),
        "steps ahead, after the last batch of the rule only; null: over all horizons, every pair "
        "counting alike",
    ),
    wins=(pa.float32(), "pairs of this batch on which the rule is closer than `naive`; draws 1/2"),
    compared=(pa.int32(), "pairs of this batch for which the rule and `naive` have a forecast"),
    trust=(
        pa.float32(),
        "probability of being closer than `naive`, 0..1; a multiple of 2^-12, like its bounds",
    ),
    lower=(pa.float32(), "lower bound of the 90 % credible interval of trust"),
    upper=(pa.float32(), "upper bound of the 90 % credible interval of trust"),
)

NEXT_FORECASTS: Final = _table(
    variable=(_NAME, "name of the series"),
    model=(
        _NAME,
        "name of the forecasting rule; `ensemble` is the weighted one; null: no rule, see `error`",
    ),
    origin_date=(pa.date32(), "date of the last observation"),
    made_at=(pa.date32(), "newest day of publication in the source: as of then it is made"),
    origin_value=(pa.float64(), "the last observation, from which the forecast starts"),
    horizon=(pa.int32(), "whole steps from origin_date to target_date, >= 1"),
    target_date=(pa.date32(), "date predicted; of daily series by the calendar, without holidays"),
    predicted=(pa.float64(), "the rule's forecast; NaN when it has none"),
    lower=(pa.float64(), "lower bound of the interval: one of `quantiles`"),
    upper=(pa.float64(), "upper bound of the interval: one of `quantiles`"),
    quantiles=(_NUMBERS, "quantile at each level, as in `retrodictions`"),
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


@dataclass(frozen=True)
class AssetInfo:
    """What is known of an asset beside its code.

    Attributes:
        name: of the asset, and of the last part of its Dagster key.
        group: of assets in the UI.
        description: Markdown text in the UI; its first line is a sentence of its own.
        upstream: names of the assets that it is computed from.
        by_batch: whether it has a partition per batch.
        suffix: type of its object.
        schema: columns of a table; None for what is no table.
        sort_keys: columns by which the rows of a table are sorted, so that equal content is equal
            bytes.
        shared_before: column of dates; the rows dated before the calendar year of their batch are
            stored once for all batches that have the same ones. None: each batch has its own.
    """

    name: str
    group: str
    description: str
    upstream: tuple[str, ...] = ()
    by_batch: bool = False
    suffix: Suffix = "parquet"
    schema: pa.Schema | None = None
    sort_keys: tuple[str, ...] = ()
    shared_before: str | None = None

    @property
    def kinds(self) -> set[str]:
        """What computes it and what it is stored as; the UI has an icon for each."""
        return {"python", self.suffix, *(["dask"] if self.by_batch else [])}

    @property
    def io_manager_key(self) -> str:
        """Key of the IO manager that stores it."""
        return f"{self.suffix}_io"


CATALOG: Final = (
    AssetInfo(
        "historical_data",
        "history",
        """Observations that a batch may see: its window and the history before it.

One row per release of an observation, and one per forecast that somebody else has made. Besides
outcomes it holds nothing published after the day on which its last forecast is made.""",
        by_batch=True,
        schema=HISTORICAL_DATA,
        sort_keys=("variable", "timestamp", "published_at", "model", "quantile"),
        shared_before="published_at",
    ),
    AssetInfo(
        "training_batches",
        "training",
        """What each batch predicts, one row per variable, or why it is skipped.

A batch is a window of *target dates*; its partition key is the window's first day. A variable is
left out when its window is empty or too little is known before it: `skip_reason` says which.""",
        upstream=("historical_data",),
        by_batch=True,
        schema=TRAINING_BATCHES,
        sort_keys=("variable",),
    ),
    AssetInfo(
        "retrodictions",
        "training",
        """Forecast, quantiles and outcome, one row per variable, model, origin and horizon.

Every rule forecasts every target of the batch from `horizon` observations before it, with the data
known on that day and none later. `ensemble` weighs the rules by their errors known at the origin,
`ensemble_median` is their median: what learning is compared with.""",
        upstream=("historical_data", "training_batches"),
        by_batch=True,
        schema=RETRODICTIONS,
        sort_keys=("variable", "model", "origin_date", "horizon"),
    ),
    AssetInfo(
        "batch_metrics",
        "training",
        """What scores are pooled from, per variable, model and horizon; the status of every batch.

`completed`, `skipped` with its reason, or `failed` with its error. Numbers of `ensemble` over all
variables and horizons are plotted over the partitions: its **MASE**, its **skill against naive**
(above 0 is better), its **share closer than naive** (0.5 is naive's own), the **coverage of the
intervals**, **forecasts verified**, **seconds of the worker**.

A skipped variable has one row with its `skip_reason` and neither model nor horizon.""",
        upstream=("historical_data", "training_batches", "retrodictions"),
        by_batch=True,
        schema=BATCH_METRICS,
        sort_keys=("variable", "model", "horizon"),
    ),
    AssetInfo(
        "trust_ledger",
        "trust",
        """Trust in each rule after every batch over all horizons, and by horizon after the last.

Trust is the probability that the rule is closer than `naive` on the same pair, `a / (a + b)` of a
Beta law, so `naive` has 0.5. `a = 1 + E p` and `b = 1 + E (1 - p)`: p is the discounted share of
wins, E the number of independent pairs they are worth, measured from the batches. The ledger is a
scan of all stored metrics of the run's configuration, so a batch that ran twice counts once.""",
        upstream=("batch_metrics",),
        schema=TRUST_LEDGER,
        sort_keys=("variable", "model", "horizon", "batch"),
    ),
    AssetInfo(
        "next_forecasts",
        "results",
        """The next forecasts: every variable and horizon from the last observation.

Forecast and quantiles of each rule, with its weight in `ensemble`, which is the one to use, and the
trust that the rule has earned. A variable that cannot be predicted is named in the metadata.""",
        upstream=("trust_ledger",),
        schema=NEXT_FORECASTS,
        sort_keys=("variable", "model", "horizon"),
    ),
    AssetInfo(
        "skill_by_horizon",
        "results",
        """Skill and trust of every rule at every horizon: for each variable, and over all of them.

All batches together. Over all variables (`variable` null) the rules on leading indicators are one,
`ar_with_*`, because each variable has other ones.""",
        upstream=("batch_metrics", "trust_ledger", "next_forecasts"),
        schema=SKILL_BY_HORIZON,
        sort_keys=("variable", "model", "horizon"),
    ),
    AssetInfo(
        "significance",
        "results",
        """Whether a rule differs from `naive` and from `ensemble_median` by more than chance.

The test of Diebold and Mariano for each variable, rule and horizon, adjusted over variables; the
model confidence set of 90 %: the rules that cannot be told from the best; and win rates with their
intervals. Random numbers have a seed from the content, so that they repeat.""",
        upstream=("batch_metrics", "trust_ledger", "next_forecasts"),
        schema=SIGNIFICANCE,
        sort_keys=("variable", "model", "horizon"),
    ),
    AssetInfo(
        "scores_by_period",
        "results",
        """Who was right when: scores by year, recession, calm and crisis, and periods of yours.

A batch counts in the periods that hold the middle day of its window. Recessions are those of the
United States, by NBER. A variable is in a *crisis* where naive's error over the three batches
before was larger than at four of five of the 120 times before that: later data change no label.""",
        upstream=("batch_metrics", "trust_ledger", "next_forecasts"),
        schema=SCORES_BY_PERIOD,
        sort_keys=("kind", "period", "variable", "model"),
    ),
    AssetInfo(
        "training_results",
        "results",
        """Leaderboard, trust, batches and errors of the whole training.

One JSON object, described by `pulse_assets/training_results.schema.json`. It is stored first; then
the run fails if a check of severity ERROR did: `problems` says which, `checks` lists all.""",
        upstream=("batch_metrics", "trust_ledger", "next_forecasts"),
        suffix="json",
    ),
    AssetInfo(
        "training_report",
        "results",
        """The same as one HTML page with figures: which rule to trust for what.

It needs no network. `pulse-train report` opens it; so does the link of its materialization where
`PULSE_REPORT_URL` says at which address browsers find it, as `make ui` does.""",
        upstream=("batch_metrics", "trust_ledger", "next_forecasts"),
        suffix="html",
    ),
)

ASSETS: Final = {asset.name: asset for asset in CATALOG}
SCHEMAS: Final[dict[str, pa.Schema]] = {a.name: a.schema for a in CATALOG if a.schema is not None}
SORT_KEYS: Final = {asset.name: asset.sort_keys for asset in CATALOG if asset.schema is not None}
#: Column of dates by asset whose rows of earlier years are stored once for several batches.
SHARED: Final = {asset.name: asset.shared_before for asset in CATALOG if asset.shared_before}

#: The tables of a batch, in the order in which one is computed from the others.
BATCH_TABLES: Final = tuple(asset.name for asset in CATALOG if asset.by_batch)
#: The assets without partitions, computed from all batches.
AGGREGATES: Final = tuple(asset.name for asset in CATALOG if not asset.by_batch)
#: The table that a failed batch has too, with its error; the aggregates depend on it alone.
STATUS_TABLE: Final = "batch_metrics"
