"""`next_forecasts`: what every rule expects from the last observation on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.catalog import NEXT_FORECASTS
from pulse_assets.errors import HistoricalDataError, PulseError
from pulse_assets.history.frequency import dates_ahead, get_frequency
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.retrodict import Retrodiction
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import constant
from pulse_assets.stages.observe import observe
from pulse_assets.stages.predict import forecast_series
from pulse_assets.stages.window import MINIMUM_HISTORY, Dates, Observations

#: Trust after the last batch by (variable, model, horizon).
Trust = Mapping[tuple[str, str, int], float]


@dataclass(frozen=True)
class NextForecasts:
    """Forecasts of schema `NEXT_FORECASTS`.

    Attributes:
        table: the forecasts, and a row without a model for each variable that has none.
        left_out: by variable why it has none.
        rule_errors: by `variable, model` what a rule raised at its last origin or before.
    """

    table: pa.Table
    left_out: Mapping[str, str]
    rule_errors: Mapping[str, str]


def forecast_next(
    series: Mapping[str, Series], rules: Sequence[Rule], options: TrainingOptions, trust: Trust
) -> NextForecasts:
    """Forecast each variable from its last value by every rule and the ensembles.

    A variable whose forecast fails does not keep the others from theirs.

    Args:
        series: the observations by variable.
        rules: the rules.
        options: horizons, history and how to combine and bound.
        trust: what was learnt; a rule that was never scored is not in it.

    Example:
        A monthly series that ends on 2020-01-01 is predicted at horizons 1 and 3 for 2020-02-01
        and 2020-04-01.
    """
    seen = Observations.by_variable(_latest(series, options.history_days))
    parts, left_out, rule_errors = [NEXT_FORECASTS.empty_table()], {}, {}
    for name in series:
        try:
            table, made = _forecast_one(name, seen, rules, options, trust)
            rule_errors |= {f"{name}, {one.model}": one.text for one in made.errors}
        except PulseError as error:
            left_out[name] = str(error)
            row = {"variable": name, "error": left_out[name]}
            table = pa.Table.from_pylist([row], NEXT_FORECASTS)
        parts.append(table)
    return NextForecasts(pa.concat_tables(parts).unify_dictionaries(), left_out, rule_errors)


def _latest(series: Mapping[str, Series], history_days: int) -> pa.Table:
    """Return what a batch that begins after the last observation of all would see."""
    last = max(one.timestamps[-1] for one in series.values()).item()
    after = last + timedelta(days=1)
    return observe(TrainingBatch("", after, after, tuple(series)), series, history_days)


def _forecast_one(
    name: str,
    seen: Mapping[str, Observations],
    rules: Sequence[Rule],
    options: TrainingOptions,
    trust: Trust,
) -> tuple[pa.Table, Retrodiction]:
    found = seen.get(name)
    if found is None or len(found.dates) < MINIMUM_HISTORY:
        count = 0 if found is None else len(found.dates)
        raise HistoricalDataError(
            f"{name}: {count} observations in the last {options.history_days} days: "
            f"{MINIMUM_HISTORY} are needed; set history_days higher"
        )
    frequency = get_frequency(options.frequencies[name])
    regular = found.in_order().regular(frequency)
    known = np.flatnonzero(np.isfinite(regular.values))[-1:]
    if not len(known):
        raise HistoricalDataError(f"{name}: no observation has a value: correct its file")
    horizons = np.array(options.horizons, np.int64)
    made = forecast_series(name, regular, frequency, (known, horizons), seen, rules, options)
    last = int(known[0])
    origin = regular.dates[last], float(regular.values[last])
    targets = dates_ahead(origin[0], horizons, frequency)
    return _table(name, made, origin, horizons, targets, trust), made


def _table(
    name: str,
    made: Retrodiction,
    origin: tuple[np.datetime64, float],
    horizons: np.ndarray,
    targets: Dates,
    trust: Trust,
) -> pa.Table:
    """Lay the [M, 1, H] arrays out as rows: all horizons of the first model, then of the next."""
    models, steps = len(made.models), len(horizons)
    length = models * steps
    model = np.repeat(np.arange(models, dtype=np.int32), steps)
    earned = [trust.get((name, m, int(h)), np.nan) for m in made.models for h in horizons]
    errors = {one.model: one.text for one in made.errors}
    predicted = zip(np.repeat(made.models, steps), made.predicted.ravel(), strict=True)
    return pa.table(
        [
            constant(name, length),
            pa.DictionaryArray.from_arrays(model, list(made.models)),
            *(pa.array(np.full(length, one)) for one in origin),
            pa.array(np.tile(horizons.astype(np.int32), models)),
            pa.array(np.tile(targets, models)),
            *(pa.array(a.ravel()) for a in (made.predicted, made.lower, made.upper, made.weights)),
            pa.array(earned, pa.float64()),
            pa.array([errors.get(m) if np.isnan(p) else None for m, p in predicted], pa.string()),
        ],
        schema=NEXT_FORECASTS,
    )
