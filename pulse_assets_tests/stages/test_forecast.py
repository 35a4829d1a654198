"""Next forecasts: by every rule from the last value, at dates of the variable's calendar."""

import datetime as dt

import numpy as np
import pytest

from pulse_assets.history.frequency import dates_ahead
from pulse_assets.history.frequency_names import FREQUENCIES
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.retrodict import retrodict
from pulse_assets.retrodiction.rounding import round_quantiles
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.forecast import forecast_next
from pulse_assets_tests.stages.one_batch import published

RULES = resolve_rules(["naive", "drift"])


def monthly(name, values, first="2000-01"):
    start = np.datetime64(first, "M")
    dates = np.arange(start, start + len(values)).astype("M8[D]")
    return Series(name, dates, np.array(values, float))


def forecast(*series, trust=None, **changes):
    frequencies = {x.variable: "monthly" for x in series}
    options = TrainingOptions(horizons=[1, 3], max_partners=0, frequencies=frequencies, **changes)
    return forecast_next(
        published({x.variable: x for x in series}, options),
        RULES,
        options,
        lambda name: (trust or {}).get(name, {}),
    )


def rows(forecasts, **values):
    table = forecasts.table.to_pylist()
    return [row for row in table if all(row[name] == value for name, value in values.items())]


def test_drift_extends_a_line():
    forecasts = forecast(monthly("line", np.arange(24)))
    drift = rows(forecasts, model="drift")
    assert [row["predicted"] for row in drift] == [24.0, 26.0]
    assert [row["target_date"] for row in drift] == [dt.date(2002, 1, 1), dt.date(2002, 3, 1)]
    assert {row["origin_date"] for row in forecasts.table.to_pylist()} == {dt.date(2001, 12, 1)}


def test_a_next_forecast_equals_the_retrodiction_from_the_last_origin():
    values = np.random.default_rng(1).normal(size=60).cumsum()
    forecasts = forecast(monthly("walk", values))
    again = retrodict(values, [59], [1, 3], 12, RULES)
    for position, model in enumerate(again.models):
        own = rows(forecasts, model=model)
        assert [row["predicted"] for row in own] == again.predicted[position, 0].tolist()
        quantiles = round_quantiles(again.quantiles[:, position, 0])
        assert [row["quantiles"] for row in own] == quantiles.T.tolist()
        bounds = [[row["lower"], row["upper"]] for row in own]
        assert bounds == quantiles[[0, -1]].T.tolist()  # the interval of 90 %
    weights = [
        row["weight"] for row in rows(forecasts, horizon=1) if "ensemble" not in row["model"]
    ]
    assert sum(weights) == pytest.approx(1)


def test_the_origin_is_the_last_row_with_a_value():
    forecasts = forecast(monthly("line", [*np.arange(24), np.nan]))
    assert rows(forecasts, model="naive", horizon=1)[0]["predicted"] == 23.0
    assert rows(forecasts, model="naive", horizon=1)[0]["target_date"] == dt.date(2002, 1, 1)


def test_each_rule_has_its_trust_or_nan_without_a_score():
    forecasts = forecast(
        monthly("line", np.arange(24)), trust={"line": {("drift", h): 0.75 for h in (1, 3)}}
    )
    assert {row["trust"] for row in rows(forecasts, model="drift")} == {0.75}
    assert np.isnan(rows(forecasts, model="naive")[0]["trust"])


def test_variables_that_cannot_be_predicted_are_left_out_with_the_reason():
    gone = Series("gone", monthly("gone", np.zeros(24)).timestamps, np.full(24, np.nan))
    odd = Series("odd", np.cumsum(np.arange(1, 40)).astype("M8[D]") + 11000, np.ones(39))
    forecasts = forecast(monthly("line", np.arange(24)), monthly("short", [1, 2]), gone, odd)
    without = [row for row in forecasts.table.to_pylist() if row["model"] is None]
    assert {row["variable"]: row["error"] for row in without} == forecasts.left_out
    assert {row["horizon"] for row in without} == {None}
    assert {row["variable"] for row in forecasts.table.to_pylist() if row["model"]} == {"line"}
    assert (
        "2 observations in its history of 7305 days or more: 12 are needed"
        in forecasts.left_out["short"]
    )
    assert "no observation has a value" in forecasts.left_out["gone"]
    assert "lie in one period of a monthly variable" in forecasts.left_out["odd"]


@pytest.mark.parametrize(
    ("name", "last", "expected"),
    [
        ("daily", "2020-02-28", ["2020-02-29", "2020-03-02"]),
        ("business_daily", "2020-02-28", ["2020-03-02", "2020-03-04"]),  # a Friday
        ("business_daily", "2020-02-29", ["2020-03-02", "2020-03-04"]),  # a Saturday session
        ("weekly", "2020-02-28", ["2020-03-06", "2020-03-20"]),
        ("monthly", "2020-01-31", ["2020-02-29", "2020-04-30"]),
        ("quarterly", "2020-01-01", ["2020-04-01", "2020-10-01"]),
        ("yearly", "2020-02-29", ["2021-02-28", "2023-02-28"]),
    ],
)
def test_dates_ahead_follow_the_calendar(name, last, expected):
    dates = dates_ahead(np.array([last], "M8[D]"), np.array([1, 3]), FREQUENCIES[name])
    assert dates.astype(str).tolist() == expected
