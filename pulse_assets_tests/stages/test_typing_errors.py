"""Batches with typing errors: the look-ahead check passes, and later scores are unaffected."""

from datetime import date

import numpy as np
import pytest

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.lookahead_check import recompute
from pulse_assets_tests.stages.one_batch import run_stages

MONTHS = (np.datetime64("2000-01") + np.arange(120)).astype("M8[D]")
QUARTERS = MONTHS[::3]
RULES = ["naive", "holt", "ar_diff_3", "pulse_assets_tests.own_rules:Plain"]
FREQUENCIES = {"led": "monthly", "leading": "monthly", "slow": "quarterly"}
OPTIONS = TrainingOptions(
    models=RULES, horizons=[1, 2, 6], max_partners=2, frequencies=FREQUENCIES, history_days=36500
)
#: A month in which a value of both variables is wrong, and one of the quarter as well.
TYPO = 90


def series(*, typo):
    """A variable, one that leads it by two months, and a quarterly one that leads both."""
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.normal(size=len(QUARTERS)))
    leading = 100.0 + np.cumsum(rng.normal(size=len(MONTHS))) + np.repeat(slow, 3)
    led = np.append(np.zeros(2), leading[:-2]) + 0.1 * np.cumsum(rng.normal(size=len(MONTHS)))
    values = {"led": led, "leading": leading, "slow": 50.0 + slow}
    if typo:
        for name, at in (("led", TYPO), ("leading", TYPO + 1), ("slow", TYPO // 3), ("led", 0)):
            values[name][at] *= 1000.0
    dates = {"led": MONTHS, "leading": MONTHS, "slow": QUARTERS}
    return {name: Series(name, dates[name], values[name], None) for name in values}


def run(first, months, *, typo=True):
    """Return the tables and the scores of the batch that begins with a month."""
    start, end = (MONTHS[i].astype(date) for i in (first, first + months))
    batch = TrainingBatch("batch", start, end, ("led", "leading", "slow"))
    stages = run_stages(batch, series(typo=typo), resolve_rules(RULES), OPTIONS)
    return stages.tables, stages.score()


@pytest.mark.parametrize("first", range(TYPO - 1, TYPO + 6))
def test_forecasts_of_the_first_and_last_origin_are_recomputed_bit_for_bit(first):
    """The origins lie at the wrong values, just after them, and later."""
    for months in (1, 2, 4):
        tables, _ = run(first, months)
        recomputed = recompute(tables, resolve_rules(RULES), OPTIONS)
        assert recomputed.forecasts > 0
        assert recomputed.difference == 0.0, recomputed


def test_wrong_values_do_not_affect_later_scores():
    scores = [run(TYPO + 21, 6, typo=typo)[1].to_pandas() for typo in (True, False)]
    spoilt, clean = (s.set_index(["variable", "model", "horizon"]) for s in scores)
    for scale in (1.0, "mase_scale", "rmsse_scale"):
        errors = [s["abs_error"] / (s[scale] if scale != 1.0 else 1.0) for s in (spoilt, clean)]
        ratio = (errors[0] / errors[1]).loc[:, "ensemble"].astype(float)
        assert ratio.notna().sum() >= 6
        assert 0.8 < ratio.mean() < 1.2


def test_observed_values_stay_as_they_are_in_the_file():
    """A wrong value is still used as an origin and as a target."""
    wrong = series(typo=True)["led"].values[TYPO]
    (tables, _), naive = run(TYPO, 3), []
    for row in tables["retrodictions"].to_pylist():
        if row["variable"] == "led" and row["model"] == "naive" and row["horizon"] == 1:
            naive.append((row["predicted"] == wrong, row["observed"] == wrong))
    assert naive == [(False, True), (True, False), (False, False)]
