"""Made tables of the shapes that the stages write, from pairs small enough to check by hand."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.catalog import BATCH_METRICS, NEXT_FORECASTS, RETRODICTIONS, TRUST_LEDGER
from pulse_assets.report.cards import ReportTables
from pulse_assets.results import Performance
from pulse_assets.stages.results import summarise

BATCHES = ("2020-01-01", "2020-01-31", "2020-03-01", "2020-03-31")
#: Levels of the quantiles, which are the forecast and 1.5 below and above it.
LEVELS = (0.1, 0.5, 0.9)
MODELS = ("naive", "drift", "mean", "ensemble", "ensemble_median")
PUBLICATION = {
    "publication": "assumed",
    "assumed": 9,
    "lag_days": 30,
    "releases": 9,
    "revised": 0,
}
KEY = ["batch", "variable", "model", "horizon"]


def make_pairs(
    variables=("gdp", "cpi"), models=MODELS, horizons=(1, 3), batches=BATCHES, days=5, seed=1
):
    """Verified pairs: the models differ in error; `mean` misses some, `drift` begins late."""
    random = np.random.default_rng(seed)
    rows = []
    for batch in batches:
        first = dt.date.fromisoformat(batch)
        for variable in variables:
            for day in range(days):
                observed = random.normal(10, 2)
                for model in models:
                    for horizon in horizons:
                        error = random.normal() * (1 + 0.2 * models.index(model)) * horizon
                        target = first + dt.timedelta(days=day)
                        rows.append((batch, variable, model, horizon, target, observed, error))
    pairs = pd.DataFrame(rows, columns=[*KEY, "target_date", "observed", "error"])
    pairs["predicted"] = pairs["observed"] + pairs["error"]
    late = (pairs["model"] == "drift") & (pairs["batch"] == batches[0]) & (len(batches) > 1)
    pairs = pairs[~late].reset_index(drop=True)
    holes = (pairs["model"] == "mean") & (pairs.index % 7 == 0)
    pairs.loc[holes, ["predicted", "error"]] = np.nan
    pairs["lower"], pairs["upper"] = pairs["predicted"] - 1.5, pairs["predicted"] + 1.5
    pairs["scale"], pairs["squared_scale"] = 2.0 + pairs.index % 3, 3.0 + pairs.index % 2
    return pairs


def score_pairs(pairs):
    """Metrics of each batch by plain pandas."""
    done = pairs.assign(
        n=pairs["error"].notna().astype(int),
        missing=pairs["error"].isna().astype(int),
        abs_error=pairs["error"].abs().fillna(0.0),
        scaled=pairs["error"].abs() / pairs["scale"],
        squares=pairs["error"] ** 2 / pairs["squared_scale"],
        covered=(pairs["error"].abs() <= 1.5).astype(float).where(pairs["error"].notna()),
        **_compare_with_naive(pairs),
    )
    for level, quantile in zip(LEVELS, (-1.5, 0.0, 1.5), strict=True):
        below = pairs["error"] + quantile >= 0
        done[f"below_{level}"] = below.astype(float).where(pairs["error"].notna())
    losses = pinball(pairs["error"])
    done["quantile_loss"], done["scaled_loss"] = losses, losses / pairs["scale"]
    counts = ["n", "missing", "compared", "abs_error", "naive_abs_error", "wins", "covered"]
    below = [f"below_{level}" for level in LEVELS]
    quantiles = ["quantile_loss", "scaled_loss", *below]
    sums = done.groupby(KEY)[[*counts, "scaled", "squares", *quantiles]].sum().reset_index()
    sums["below"] = sums[below].to_numpy().tolist()
    assert (sums["compared"] == sums["n"]).all()
    mae = sums["abs_error"] / sums["n"]
    sums["mase_scale"] = mae / (sums["scaled"] / sums["n"])
    sums["rmsse_scale"] = mae / np.sqrt(sums["squares"] / sums["n"])
    sums["sql_scale"] = sums["quantile_loss"] / sums["scaled_loss"]
    sums["weight"] = np.where(sums["model"].str.startswith("ensemble"), np.nan, 0.25)
    return sums.assign(status="completed")


def pinball(error):
    """Mean over the levels of the pinball loss of forecasts that are `error` too high."""
    losses = []
    for level, quantile in zip(LEVELS, (-1.5, 0.0, 1.5), strict=True):
        over = -(error + quantile)  # observed - quantile
        losses.append(np.maximum(level * over, (level - 1) * over))
    return sum(losses) / len(LEVELS)


def _compare_with_naive(pairs):
    key = ["batch", "variable", "horizon", "target_date"]
    naive = pairs[pairs["model"] == "naive"].set_index(key)["error"].abs()
    theirs = naive.reindex(pd.MultiIndex.from_frame(pairs[key])).to_numpy()
    mine = pairs["error"].abs().to_numpy()
    both = ~np.isnan(mine + theirs)
    return {
        "compared": both.astype(int),
        "naive_abs_error": np.where(both, theirs, 0.0),
        "wins": np.where(both, (mine < theirs) + 0.5 * (mine == theirs), 0.0),
    }


def to_metrics(*frames):
    """Rows of schema BATCH_METRICS; columns a frame lacks are null."""
    frame = pd.concat([f.reindex(columns=BATCH_METRICS.names).astype(object) for f in frames])
    rows = frame.where(frame.notna(), None).to_dict("records")
    # As the stages make it: scores that are undefined are NaN in a completed batch.
    for row in rows:
        if row["status"] == "completed":
            floats = [f.name for f in BATCH_METRICS if pa.types.is_float64(f.type)]
            row.update({name: np.nan for name in floats if row[name] is None})
    return pa.Table.from_pylist(rows, BATCH_METRICS)


def make_ledger(scores):
    """Trust after each batch, nothing forgotten, all pairs independent; the band is -+ 0.1."""
    parts = []
    for rule in (["variable", "model", "horizon"], ["variable", "model"]):
        sums = scores.groupby([*rule, "batch"])[["wins", "compared"]].sum().reset_index()
        running = sums.groupby(rule)[["wins", "compared"]].cumsum()
        a, b = 1 + running["wins"], 1 + running["compared"] - running["wins"]
        trust = a / (a + b)
        lower, upper = (trust - 0.1).clip(0, 1), (trust + 0.1).clip(0, 1)
        parts.append(sums.assign(a=a, b=b, trust=trust, lower=lower, upper=upper))
    rows = [row for part in parts for row in part.to_dict("records")]
    return pa.Table.from_pylist(rows, TRUST_LEDGER)


def make_retrodictions(pairs):
    """The rows of `ensemble` and `naive` at the shortest horizon, as the report takes them."""
    chosen = pairs[pairs["model"].isin(["ensemble", "naive"])]
    chosen = chosen[chosen["horizon"] == chosen["horizon"].min()]
    columns = ["variable", "model", "horizon", "origin_date", "target_date"]
    columns += ["predicted", "lower", "upper", "observed"]
    rows = chosen.assign(origin_date=chosen["target_date"]).reindex(columns=columns)
    schema = pa.schema([RETRODICTIONS.field(name) for name in columns])
    return pa.Table.from_pylist(rows.to_dict("records"), schema)


def make_quills(pairs):
    """The rows of `ensemble` at all horizons, from the origins that the report draws."""
    rows = pairs[pairs["model"] == "ensemble"]
    both = zip(rows["target_date"], rows["horizon"], strict=True)
    rows = rows.assign(origin_date=[day - dt.timedelta(days=30 * int(h)) for day, h in both])
    columns = ["variable", "model", "horizon", "origin_date", "target_date", "predicted"]
    schema = pa.schema([RETRODICTIONS.field(name) for name in columns])
    return pa.Table.from_pylist(rows[columns].to_dict("records"), schema)


def make_forecasts(variables=("gdp", "cpi"), horizons=(1, 3), models=MODELS):
    """Next forecasts: 10 at horizon 1, 12 at 3, a month a step, the interval is -+ 1.5."""
    origin = dt.date(2020, 4, 4)
    rows = [
        {
            "variable": variable,
            "model": model,
            "origin_date": origin,
            "origin_value": 9.0,
            "horizon": horizon,
            "target_date": dt.date(2020, 4 + horizon, 4),
            "predicted": 9.0 + horizon,
            "lower": 7.5 + horizon,
            "upper": 10.5 + horizon,
            "quantiles": [7.5 + horizon, 9.0 + horizon, 10.5 + horizon],
            "weight": np.nan,
            "trust": 0.5,
        }
        for variable in variables
        for model in models
        for horizon in horizons
    ]
    return pa.Table.from_pylist(rows, NEXT_FORECASTS)


def summarise_made(metrics, ledger, planned=BATCHES, more=(), **changes):
    """Return the JSON object and the tables beside it; `more` are tables of later batches."""
    described = {
        "levels": LEVELS,
        "planned": planned,
        "performance": Performance.of(2.0, 6.0),
        "cluster": {"kind": "local", "workers": 2},
        "configuration": {"horizons": [1, 3], "source": "sample", "interval_level": 0.8},
        "versions": {"numpy": "2.0.0"},
    }
    summary = summarise([metrics, *more], ledger, **(described | changes))
    names = ledger["variable"].unique().to_pylist()
    summary.results["publication"] = dict.fromkeys(names, PUBLICATION)
    return summary


def make_summary(pairs):
    scores = score_pairs(pairs)
    return summarise_made(to_metrics(scores), make_ledger(scores))


def make_results(pairs):
    return make_summary(pairs).results


def make_tables(pairs, summary=None, **changes):
    """The tables of the report of these pairs."""
    summary = summary or make_summary(pairs)
    tables = ReportTables(
        skill=summary.skill_by_horizon,
        ledger=make_ledger(score_pairs(pairs)),
        retrodictions=make_retrodictions(pairs),
        forecasts=NEXT_FORECASTS.empty_table(),
        periods=summary.scores_by_period,
        quills=make_quills(pairs),
    )
    return tables._replace(**changes)
