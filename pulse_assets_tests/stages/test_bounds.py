"""No stored forecast and no stored quantile is a value that its variable cannot have."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import strategies as st

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.bounds import Bounds
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import list_rows
from pulse_assets.stages.forecast import forecast_next
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.stages.one_batch import published, run_stages
from pulse_assets_tests.stages.test_given_causality import draw_forecasts

MONTHS = (np.datetime64("2000-01") + np.arange(72)).astype("M8[D]")
BATCH = TrainingBatch("2004-01-01", date(2004, 1, 1), date(2006, 1, 1), ())
RULES = ("naive", "drift", "seasonal_naive", "ar_diff_3", "pulse_assets_tests.own_rules:Plain")


def tables(series, rules=RULES, **changes):
    """Return the retrodictions of a batch, and the next forecasts."""
    options = TrainingOptions(
        **{
            "models": list(rules),
            "horizons": [1, 3, 12],
            "frequencies": dict.fromkeys(series, "monthly"),
            "history_days": 36500,
            **changes,
        }
    )
    made, known = resolve_rules(options.models), published(series, options)
    retrodictions = run_stages(
        replace(BATCH, variables=tuple(series)), series, made, options
    ).retrodictions
    following = forecast_next(known, made, options, lambda _: {})
    assert not following.left_out
    return retrodictions, following.table


def numbers(table, variable, model=None):
    """Return forecast, bounds and quantiles of the rows of a variable, [N, 3 + L]."""
    chosen = np.array(table["variable"].to_pylist()) == variable
    if model is not None:
        chosen &= np.array(table["model"].to_pylist()) == model
    columns = [table[name].to_numpy() for name in ("predicted", "lower", "upper")]
    return np.column_stack([*columns, list_rows(table["quantiles"])])[chosen]


def draw_ends(rng, values):
    """Return a bound below most values and one above, of all kinds of digits, or only one."""
    low, high = np.quantile(values, rng.choice([0.02, 0.3], 2) * [1, -1] + [0, 1])
    ends = [np.round(low, rng.integers(-1, 4)), np.round(high, rng.integers(-1, 4))]
    if ends[0] >= ends[1]:
        ends = [low, np.nextafter(high, np.inf)]
    one = rng.integers(0, 4)
    return Bounds(-np.inf if one == 0 else ends[0], np.inf if one == 1 else ends[1])


@holds_for_all(
    20,
    250,
    seed=st.integers(0, 2**32 - 1),
    power=st.integers(-12, 12),
    levels=st.lists(st.integers(1, 999), min_size=1, max_size=9, unique=True),
    others=st.booleans(),
)
def test_all_stored_numbers_are_inside_the_bounds(seed, power, levels, others):
    rng = np.random.default_rng(seed)
    walk = 10.0**power * np.cumsum(rng.standard_t(2, len(MONTHS)))
    bounds = draw_ends(rng, walk)
    x = Series("x", MONTHS, np.clip(walk, *bounds))
    if others:
        x = replace(x, forecasts=(draw_forecasts("bank", MONTHS, 3.0 * walk, rng),))
    y = Series("y", MONTHS, walk)
    quantiles = [level / 1000 for level in levels]
    made = tables({"x": x, "y": y}, bounds={"x": bounds.text}, quantiles=quantiles)
    for table in made:
        inside = numbers(table, "x")
        finite = inside[~np.isnan(inside)]
        assert finite.min() >= bounds.least
        assert finite.max() <= bounds.most
        assert not (np.diff(inside[:, 3:]) < 0).any()
        free = numbers(table, "y")
        assert not np.isnan(free[:, 3:]).all()


@pytest.fixture(scope="module")
def counts():
    """Tables of counts, many of them 0, without and with bounds."""
    values = np.random.default_rng(5).poisson(0.8, len(MONTHS)).astype(float)
    series = {"x": Series("x", MONTHS, values)}
    models = {"models": ["naive", "drift", "ses"]}
    return [tables(series, bounds=bounds, **models) for bounds in ({}, {"x": "0:"})]


@pytest.mark.parametrize("table", [0, 1], ids=["retrodictions", "next_forecasts"])
def test_no_quantile_of_counts_is_negative(counts, table):
    free, bounded = (numbers(tables[table], "x") for tables in counts)
    assert np.nanmin(free) < 0.0
    assert np.nanmin(bounded) == 0.0


def test_of_a_rule_inside_its_bounds_only_the_quantiles_outside_move(counts):
    """`naive` repeats counts, so that its forecasts and errors are the same."""
    free, bounded = (numbers(tables[0], "x", "naive") for tables in counts)
    radius = (free[:, -1] - free[:, 3]) / 2
    apart = np.abs(np.maximum(free, 0.0) - bounded)
    assert (apart <= radius[:, None] / 100).all()  # both are rounded by up to 1/256 of it
    assert np.array_equal(free[:, 0], bounded[:, 0])


def test_bounds_are_of_their_variable_alone():
    values = np.random.default_rng(6).standard_normal(len(MONTHS))
    series = {name: Series(name, MONTHS, np.abs(values)) for name in "xy"}
    bounded, _ = tables(series, bounds={"x": "0:"}, max_partners=0)
    free, _ = tables(series, max_partners=0)
    assert np.nanmin(numbers(bounded, "x")) == 0.0
    assert np.array_equal(numbers(bounded, "y"), numbers(free, "y"), equal_nan=True)
    assert np.nanmin(numbers(free, "y")) < 0.0
