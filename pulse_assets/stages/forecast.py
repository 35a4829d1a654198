"""`next_forecasts`: every rule's forecasts from the last observation of each variable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pulse_assets.catalog import NEXT_FORECASTS
from pulse_assets.errors import HistoricalDataError, PulseError
from pulse_assets.history.frequency import dates_ahead
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.retrodict import Retrodiction
from pulse_assets.retrodiction.rules import Rule
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import constant, quantile_columns
from pulse_assets.stages.observations import Observations
from pulse_assets.stages.observe import observe_all
from pulse_assets.stages.panel import Panel, SeriesRequest, forecast_series
from pulse_assets.stages.variable_history import MINIMUM_HISTORY, VariableHistory

#: Returns a variable's trust after the last batch by (model, horizon), see `LatestTrust`.
Trust = Callable[[str], Mapping[tuple[str, int], float]]


@dataclass(frozen=True)
class NextForecasts:
    """Forecasts of schema `NEXT_FORECASTS`.

    Attributes:
        table: the forecasts, and one row without a model per variable that has no forecasts.
        left_out: reason by variable, for the variables without forecasts.
        rule_errors: error by `variable, model`, raised at the last origin or before.
    """

    table: pa.Table
    left_out: Mapping[str, str]
    rule_errors: Mapping[str, str]


def forecast_next(
    series: Mapping[str, Series], rules: Sequence[Rule], options: TrainingOptions, trust: Trust
) -> NextForecasts:
    """Forecast each variable from its last value, by every rule and the ensembles.

    If the forecast of one variable fails, the others are forecast all the same.

    Args:
        series: the observations by variable.
        rules: the rules.
        options: horizons, length of the history, ensemble method, quantiles and bounds.
        trust: trust after the last batch; rules that were never scored are absent.

    Example:
        A monthly series that ends on 2020-01-01 is predicted at horizons 1 and 3 for 2020-02-01
        and 2020-04-01.
    """
    public = Observations.by_variable(observe_all(series, options.history_days))
    panel, as_of = Panel(public), _newest_publication(public)
    requests, left_out = _requests(series, panel, as_of, options)
    selected = panel.select_indicators(requests.values(), options.max_partners)
    parts, rule_errors = [NEXT_FORECASTS.empty_table()], {}
    for name, request in requests.items():
        try:
            retrodiction = forecast_series(request, panel, selected, rules, options).retrodiction
        except PulseError as error:
            left_out[name] = str(error)
            continue
        rule_errors |= {f"{name}, {e.model}": e.text for e in retrodiction.errors}
        parts.append(_table(request, as_of, retrodiction, options, trust))
    rows = [{"variable": name, "error": left_out[name]} for name in series if name in left_out]
    parts.append(pa.Table.from_pylist(rows, NEXT_FORECASTS))
    return NextForecasts(pa.concat_tables(parts).unify_dictionaries(), left_out, rule_errors)


def _newest_publication(public: Mapping[str, Observations]) -> np.datetime64:
    """Return the last day on which anything was published, somebody else's forecasts included."""
    days = [
        days
        for rows in public.values()
        for days in (rows.published, rows.later.published, rows.given.made_at)
    ]
    return np.concatenate(days).max()


def _requests(
    series: Mapping[str, Series], panel: Panel, as_of: np.datetime64, options: TrainingOptions
) -> tuple[dict[str, SeriesRequest], dict[str, str]]:
    """Return what to forecast of each variable, and why other variables are left out."""
    requests, left_out = {}, {}
    for name in series:
        try:
            requests[name] = _request(name, panel.observations, as_of, options)
        except PulseError as error:
            left_out[name] = str(error)
    return requests, left_out


def _request(
    name: str,
    observations: Mapping[str, Observations],
    as_of: np.datetime64,
    options: TrainingOptions,
) -> SeriesRequest:
    """Ask for the forecasts of a variable from its last value, in all that is public on a day.

    Raises:
        HistoricalDataError: it has too few rows, or none with a value.
    """
    frequency = get_frequency(options.frequencies[name])
    rows = _enough_rows(name, observations, options.history_days)
    valued = rows.dates[np.isfinite(rows.values)]
    if not len(valued):
        raise HistoricalDataError(f"{name}: no observation has a value: correct its file")
    history = VariableHistory(rows.until(valued[-1]), frequency, as_of)
    last = np.array([len(history.available_history.dates) - 1])
    return SeriesRequest.of(name, history, last, np.array(options.horizons, np.int64))


def _enough_rows(
    name: str, observations: Mapping[str, Observations], history_days: int
) -> Observations:
    """Return a variable's rows; an error if there are too few."""
    count = len(observations[name].dates) if name in observations else 0
    if count < MINIMUM_HISTORY:
        raise HistoricalDataError(
            f"{name}: {count} observations in its history of {history_days} days or more: "
            f"{MINIMUM_HISTORY} are needed; set history_days higher"
        )
    return observations[name]


def _table(
    request: SeriesRequest,
    as_of: np.datetime64,
    forecasts: Retrodiction,
    options: TrainingOptions,
    trust: Trust,
) -> pa.Table:
    """Return the [M, 1, H] arrays as rows: all horizons of the first model, then of the next."""
    name, horizons, models = request.name, request.steps_ahead, forecasts.models
    last = int(request.origins[0])
    origin = {
        "origin_date": request.dates[last],
        "made_at": as_of,
        "origin_value": request.series.newest_value(last),
    }
    targets = dates_ahead(request.dates[: last + 1], horizons, request.frequency)
    steps = len(horizons)
    length = len(models) * steps
    model = np.repeat(np.arange(len(models), dtype=np.int32), steps)
    own = trust(name)
    trusts = [own.get((m, int(h)), np.nan) for m in models for h in horizons]
    errors = {failure.model: failure.text for failure in forecasts.errors}
    predicted = forecasts.predicted.ravel()
    quantiles = forecasts.quantiles.reshape(len(forecasts.quantiles), length)
    columns = {
        "variable": constant(name, length),
        "model": pa.DictionaryArray.from_arrays(model, list(models)),
        **{key: pa.array(np.full(length, value)) for key, value in origin.items()},
        "horizon": np.tile(horizons.astype(np.int32), len(models)),
        "target_date": np.tile(targets, len(models)),
        "predicted": predicted,
        **quantile_columns(quantiles, [(name, length)], options),
        "weight": forecasts.weights.ravel(),
        "trust": pa.array(trusts, pa.float64()),
        "error": pa.array(
            [
                errors.get(model) if np.isnan(value) else None
                for model, value in zip(np.repeat(models, steps), predicted, strict=True)
            ],
            pa.string(),
        ),
    }
    return pa.table([columns[key] for key in NEXT_FORECASTS.names], schema=NEXT_FORECASTS)
