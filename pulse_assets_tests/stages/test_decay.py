"""Alarms from stored metrics and ledger: which rule, which variable, since which batch."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pulse_assets.catalog import TRUST_LEDGER
from pulse_assets.dagster.checks.results import DECAY_CHECK
from pulse_assets.stages.decay import describe_alarms
from pulse_assets_tests.report.made import make_pairs, score_pairs, summarise_made, to_metrics

BATCHES = tuple(str(day.date()) for day in pd.date_range("2010-01-01", periods=72, freq="MS"))
MODELS = ("naive", "drift", "light", "ensemble", "ensemble_median")


def steady_pairs():
    pairs = make_pairs(("gdp", "cpi"), MODELS, batches=BATCHES, days=2)
    rng = np.random.default_rng(7)
    return with_errors(pairs, rng.uniform(-1.0, 1.0, len(pairs)))


def with_errors(pairs, errors):
    """Errors of at most 1, and intervals of -+ 0.8: their level is 80 %."""
    pairs = pairs.assign(error=errors, predicted=pairs["observed"] + errors, scale=1.0)
    return pairs.assign(squared_scale=1.0)


def ledger_of(trust):
    """Rows of `drift` and `ensemble` of gdp, whose interval is -+ 0.1."""
    rows = [
        {"batch": batch, "variable": "gdp", "model": model, "wins": 1.0, "compared": 2}
        | {"trust": value, "lower": value - 0.1, "upper": value + 0.1}
        for model, values in trust.items()
        for batch, value in zip(BATCHES, values, strict=True)
    ]
    return pa.Table.from_pylist(rows, TRUST_LEDGER)


def alarms_of(pairs, ledger=None):
    scores = score_pairs(pairs)
    scores["covered"] = _covered(pairs)
    light = scores["model"] == "light"
    scores.loc[light, "weight"] = 0.05
    results = summarise_made(
        to_metrics(scores), TRUST_LEDGER.empty_table() if ledger is None else ledger, BATCHES
    ).results
    return results


def _covered(pairs):
    key = ["batch", "variable", "model", "horizon"]
    inside = pairs.assign(inside=(pairs["error"].abs() <= 0.8).astype(float))
    return inside.groupby(key)["inside"].sum().to_numpy()


@pytest.fixture(scope="module")
def pairs():
    return steady_pairs()


def test_steady_rules_raise_no_alarm(pairs):
    results = alarms_of(pairs, ledger_of({"ensemble": np.linspace(0.5, 0.6, 72)}))
    assert results["alarms"] == []
    outcome = DECAY_CHECK.run(results)
    assert (outcome.passed, outcome.message, outcome.severity) == (True, "", "WARN")


def test_a_last_loss_out_of_its_range_is_named(pairs):
    last = (pairs["batch"] == BATCHES[-1]) & (pairs["variable"] == "cpi")
    errors = pairs["error"].where(~(last & pairs["model"].isin(["drift", "light"])), 5.0)
    (alarm,) = alarms_of(with_errors(pairs, errors))["alarms"]  # light has too little weight
    assert (alarm["kind"], alarm["variable"], alarm["model"]) == ("loss", "cpi", "drift")
    assert alarm["first_batch"] == BATCHES[-1]
    assert alarm["value"] == pytest.approx(10.0, rel=0.1)  # naive's mean error is 0.5
    assert alarm["limit"] < 2.0


def test_more_targets_in_a_batch_are_no_larger_loss(pairs):
    extra = pairs[pairs["batch"] == BATCHES[-1]]
    days = [
        extra.assign(target_date=extra["target_date"] + pd.Timedelta(days=10 * i))
        for i in (1, 2, 3)
    ]
    assert alarms_of(pd.concat([pairs, *days], ignore_index=True))["alarms"] == []


def test_coverage_that_drifts_is_named_with_its_first_batch(pairs):
    late = (pairs["batch"] >= BATCHES[52]) & (pairs["model"] == "ensemble")
    late &= (pairs["variable"] == "gdp") & (pairs["horizon"] == 1)
    errors = pairs["error"].where(~late, 0.9)
    (alarm,) = [
        a for a in alarms_of(with_errors(pairs, errors))["alarms"] if a["kind"] == "coverage"
    ]
    assert (alarm["variable"], alarm["model"], alarm["limit"]) == ("gdp", "ensemble", 0.8)
    assert BATCHES[48] <= alarm["first_batch"] <= BATCHES[52]
    assert alarm["value"] < 0.4


def test_a_rule_that_the_last_batch_lacks_is_not_watched(pairs):
    bad = (pairs["model"] == "drift") & (pairs["batch"] >= BATCHES[30])
    gone = (pairs["model"] == "drift") & (pairs["batch"] >= BATCHES[60])
    errors = pairs["error"].where(~bad, 0.9)
    assert {a["model"] for a in alarms_of(with_errors(pairs, errors))["alarms"]} == {"drift"}
    results = alarms_of(with_errors(pairs, errors)[~gone])
    assert results["alarms"] == []
    assert results["watched_rules"] == 2  # the ensemble of both variables


def test_trust_below_its_interval_of_a_year_ago_is_named(pairs):
    """0.7 a year ago, so the bound is 0.6; from the 66th batch on it is below."""
    falling = np.full(72, 0.7)
    falling[60:] = [0.65, 0.55, 0.65, 0.62, 0.61, 0.59, 0.55, 0.5, 0.5, 0.45, 0.45, 0.4]
    results = alarms_of(pairs, ledger_of({"ensemble": falling, "drift": np.full(72, 0.3)}))
    (alarm,) = results["alarms"]
    expected = {"kind": "trust", "variable": "gdp", "model": "ensemble", "first_batch": BATCHES[65]}
    assert alarm == expected | {"value": 0.4, "limit": 0.6}
    outcome = DECAY_CHECK.run(results)
    assert not outcome.passed
    assert "gdp, ensemble, since batch 2015-06-01: trust 0.400 is below" in outcome.message
    assert outcome.values["alarms"] == 1


def test_many_alarms_are_counted_and_the_first_ones_listed():
    alarm = {"kind": "loss", "variable": "v", "model": "ensemble", "first_batch": "2020-01-01"}
    text = describe_alarms([alarm | {"value": 2.0, "limit": 1.0}] * 9, 400)
    assert text.startswith(
        "9 signs of decay, 400 rules watched (about 2.5 % of rules have an unusual last loss by "
        "chance): v, ensemble, since batch 2020-01-01: the loss of"
    )
    assert text.endswith("; and 6 more: pulse-train status --json has all")
