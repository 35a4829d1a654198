"""What the UI says of each asset beside its code: text, columns, group, kinds and owner."""

from typing import Any, Final, TypedDict

import dagster as dg
import pyarrow as pa

from pulse_assets.schema import SCHEMAS

#: Make the aggregates anew once batches are, but not because some batches of the grid are missing.
AGGREGATE_CONDITION: Final = dg.AutomationCondition.eager().without(
    ~dg.AutomationCondition.any_deps_missing()
)

OWNERS: Final = ("team:pulse",)

GROUPS: Final = {
    "historical_data": "history",
    "training_batches": "training",
    "retrodictions": "training",
    "batch_metrics": "training",
    "trust_ledger": "trust",
    "training_results": "results",
    "training_report": "results",
    "next_forecasts": "results",
}

#: What makes an asset and what it is stored as; the UI has an icon for each.
KINDS: Final = {
    "training_results": {"python", "json"},
    "training_report": {"python", "html"},
    "trust_ledger": {"python", "parquet"},
    "next_forecasts": {"python", "parquet"},
}
_BATCH_KINDS: Final = {"python", "dask", "parquet"}

DESCRIPTIONS: Final = {
    "historical_data": """Observations that a batch may see: its window and the history before it.

One row an observation. Nothing dated after the batch's window is in it, so nothing made of it can
look further ahead than the outcomes it is judged by.""",
    "training_batches": """What each batch predicts, a row a variable, or why it is skipped.

A batch is a window of *target dates*; its partition key is the window's first day. A variable is
left out when its window is empty or too little is known before it: `skip_reason` says which.""",
    "retrodictions": """Forecast, interval and outcome, a row a variable, model, origin and horizon.

Every rule forecasts every target of the batch from `horizon` observations before it, with what was
known on that day and none later. `ensemble` weighs the rules by their errors known at the origin,
`ensemble_equal` is their plain mean.""",
    "batch_metrics": """Scores a variable, model and horizon, and the status of every batch.

`completed`, `skipped` with its reason, or `failed` with its error. Numbers of `ensemble` over all
variables and horizons are plotted over the partitions: **mase** and **skill** (above 0 is better
than `naive`), **win_share** (of the pairs, those on which it is closer than `naive`), **coverage**
of the intervals, **forecasts** verified, **seconds**.

A skipped variable has one row with its `skip_reason` and neither model nor horizon.""",
    "trust_ledger": """Trust in each rule after every batch, by horizon and over all horizons.

Trust is the probability that the rule is closer than `naive` on the same pair, `a / (a + b)` of a
Beta law, so `naive` has 0.5. `a = 1 + E p` and `b = 1 + E (1 - p)`: p is the discounted share of
wins, E the number of independent pairs they are worth, measured from the batches. The ledger is a
scan of all stored metrics of the run's configuration, so a batch that ran twice counts once.""",
    "training_results": """Leaderboard, trust, batches and errors of the whole training.

One JSON object, described by `pulse_assets/training_results.schema.json`. It is stored first; then
the run fails if a check of severity ERROR did: `problems` says which, `checks` lists all.""",
    "training_report": """The same as one HTML page with figures: which rule to trust for what.

It needs no network. `pulse-train report` opens it; so does the link of its materialization where
`PULSE_REPORT_URL` says at which address browsers find it, as `make ui` does.""",
    "next_forecasts": """What comes next: every variable and horizon from the last observation.

Forecast and interval of each rule, with its weight in `ensemble`, which is the one to use, and the
trust that the rule has earned. A variable that cannot be predicted is named in the metadata.""",
}


class Described(TypedDict):
    """Keywords that an `AssetSpec`, an `AssetOut` and `@asset` share."""

    description: str
    group_name: str
    kinds: set[str]
    owners: list[str]
    metadata: dict[str, Any]


def described(name: str) -> Described:
    """Return what an `AssetSpec`, an `AssetOut` or `@asset` is told of an asset."""
    return {
        "description": DESCRIPTIONS[name],
        "group_name": GROUPS[name],
        "kinds": KINDS.get(name, _BATCH_KINDS),
        "owners": list(OWNERS),
        "metadata": _columns(name),
    }


def _columns(name: str) -> dict[str, Any]:
    """Return the columns of a stored table as metadata; nothing for what is no table."""
    if name not in SCHEMAS:
        return {}
    columns = [
        dg.TableColumn(
            field.name, _type_name(field.type), (field.metadata or {})[b"description"].decode()
        )
        for field in SCHEMAS[name]
    ]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def _type_name(kind: pa.DataType) -> str:
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind)
