"""A batch uses no forecast of somebody else that was made after an origin's forecast."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.forecast_days import with_days
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.given_forecasts import GivenForecasts
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.lookahead_check import recompute
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.stages.one_batch import published, run_stages
from pulse_assets_tests.stages.test_causality import (
    CALENDARS,
    RULES,
    START,
    draw_series,
    forecast,
    frequency_of,
    poison,
)

#: Two that give the day of making, and one that gives the date of the last observation.
MODELS = ("bank", "survey", "staff")
NOT_A_DAY = np.datetime64("NaT", "D")
LEVELS = np.array([np.nan, 0.05, 0.95])


def given_forecasts(model, targets, values, days, quantiles):
    """Return forecasts of x; `days` are those of making, or of `staff` the dates of origins."""
    nothing = np.full(len(days), NOT_A_DAY)
    made_at, origins = (nothing, days) if model == "staff" else (days, nothing)
    keys = [targets.astype(int), days.astype(int), np.nan_to_num(quantiles)]
    _, first = np.unique(np.stack(keys), axis=1, return_index=True)
    columns = (targets, values, made_at, origins, quantiles)
    places = np.arange(1, len(first) + 1)
    return GivenForecasts(model, "x", *(c[first] for c in columns), "file", "line", places)


def draw_forecasts(model, calendar, values, rng):
    """Return forecasts of dates of a calendar, most of them made before, some with quantiles."""
    size = int(rng.integers(1, 200))
    rows = rng.integers(0, len(calendar), size)
    ahead = rng.integers(-3, 8, size)
    days = calendar[np.clip(rows - ahead, 0, len(calendar) - 1)] - rng.integers(0, 9, size)
    made = values[rows] + rng.standard_normal(size)
    quantiles = np.repeat(LEVELS, size)
    made = np.tile(made, 3) + np.nan_to_num(quantiles - 0.5)
    present = np.append(np.ones(size, bool), rng.random(2 * size) < 0.7)  # some of one side
    columns = (np.tile(calendar[rows], 3), made, np.tile(days, 3), quantiles)
    return given_forecasts(model, *(column[present] for column in columns))


def days_made(given, series, frequency):
    """Return the day on which each forecast was made, as a run finds it."""
    if given.model != "staff":
        return given.made_at
    origins, place = np.unique(given.origin_dates, return_inverse=True)
    targets = START + np.arange(len(origins))
    none = np.full(len(origins), np.nan)
    probe = with_days(given_forecasts("staff", targets, none, origins, none), series, frequency)
    return probe.made_at[np.argsort(probe.target_dates)][place]


def poison_forecasts(given, known, calendar, day, rng):
    """Return forecasts with everything changed that is not `known` on a day.

    Of `staff` no row is added: when such a one was made depends on its origin.
    """
    kept = known | (rng.random(len(known)) < 0.5)
    values = np.where(known, given.predicted, rng.choice([0.0, 1e300, -7.5], len(known)))
    days = given.origin_dates if given.model == "staff" else given.made_at
    columns = [column[kept] for column in (given.target_dates, values, days, given.quantiles)]
    if given.model != "staff":
        new = later_forecasts(calendar, day, rng)
        columns = [np.append(*both) for both in zip(columns, new, strict=True)]
    return given_forecasts(given.model, *columns)


def later_forecasts(calendar, day, rng):
    """Return targets, values, days of making after a day, and quantiles."""
    size = int(rng.integers(1, 30))
    values, quantiles = rng.choice([0.0, 1e300, -7.5], size), LEVELS[rng.integers(0, 3, size)]
    return rng.choice(calendar, size), values, day + rng.integers(1, 90, size), quantiles


@holds_for_all(
    100,
    300,
    seed=st.integers(0, 2**32 - 1),
    calendar=st.sampled_from(sorted(CALENDARS)),
    late=st.sampled_from([0, 0, 3, 45]),
    revised=st.booleans(),
    chosen=st.integers(0, 10_000),
    models=st.sets(st.sampled_from(MODELS), min_size=1),
    more=st.booleans(),
)
def test_what_others_forecast_later_changes_no_bit_of_a_forecast(
    seed, calendar, late, revised, chosen, models, more
):
    """Forecasts, weights and intervals use no forecast, and nothing else, made after made_at."""
    rng = np.random.default_rng(seed)
    days, frequency = CALENDARS[calendar][-110:], frequency_of(calendar)
    walk = rng.standard_normal(len(days))
    series = draw_series("x", days, rng, late, 0.1, walk, revised=revised)
    drawn = [draw_forecasts(m, days, np.cumsum(walk), rng) for m in sorted(models)]
    series = replace(series, forecasts=tuple(drawn))
    start = (days[-1] - 40).astype(date)
    batch = TrainingBatch("batch", start, start + timedelta(days=41), ("x",))
    options = TrainingOptions(horizons=[1, 2, 5], frequencies={"x": frequency}, history_days=36500)
    true, known_days = forecast({"x": series}, batch, options, RULES)
    assume(true)
    key = sorted(true)[chosen % len(true)]
    made_at, target = map(np.datetime64, known_days[key])
    spared = np.datetime64(key[2]), target
    steps = get_frequency(frequency)
    if steps.counts_periods:
        changed = poison(series, days, made_at, rng, spared, steps)
    else:  # which days have an observation is taken as known in advance
        dates = series.timestamps
        changed = poison(series, dates, made_at, rng, spared, steps, remaining=1.0)
    own = published({"x": series}, options)["x"]
    later = [
        poison_forecasts(given, days_made(given, own, steps) <= made_at, days, made_at, rng)
        for given in drawn
    ]
    if more:
        later.append(given_forecasts("newcomer", *later_forecasts(days, made_at, rng)))
    changed = replace(changed, forecasts=tuple(later))
    false, new_days = forecast({"x": changed}, batch, options, RULES)
    # Where rows are steps, another row before the target makes another target.
    compared = {
        k
        for k in true.keys() & false.keys()
        if known_days[k][0] <= made_at.astype(date) and known_days[k] == new_days[k]
    }
    assert key in compared
    assert {k for k in compared if true[k] != false[k]} == set()


@holds_for_all(
    30,
    250,
    seed=st.integers(0, 2**32 - 1),
    calendar=st.sampled_from(sorted(CALENDARS)),
    late=st.sampled_from([0, 0, 3, 45]),
    revised=st.booleans(),
    models=st.sets(st.sampled_from(MODELS), min_size=1),
)
def test_the_look_ahead_check_computes_the_same_again(seed, calendar, late, revised, models):
    """What was public on the days of the first and last origins gives the stored forecasts."""
    rng = np.random.default_rng(seed)
    days, walk = CALENDARS[calendar][-110:], rng.standard_normal(110)
    series = draw_series("x", days, rng, late, 0.1, walk, revised=revised)
    drawn = [draw_forecasts(m, days, np.cumsum(walk), rng) for m in sorted(models)]
    start = (days[-1] - 40).astype(date)
    batch = TrainingBatch("batch", start, start + timedelta(days=41), ("x",))
    frequencies = {"x": frequency_of(calendar)}
    options = TrainingOptions(horizons=[1, 2, 5], frequencies=frequencies, history_days=36500)
    rules = resolve_rules(RULES)
    stages = run_stages(batch, {"x": replace(series, forecasts=tuple(drawn))}, rules, options)
    assume(stages.retrodictions.num_rows)
    again = recompute(stages.tables, rules, options)
    assert again.forecasts > 0
    assert again.difference == 0.0, again
