"""Nothing that was unknown at an origin plays a part in a batch: values, gaps, rows, vintages."""

from datetime import date, timedelta

import numpy as np
from hypothesis import strategies as st

from pulse_assets.batches import TrainingBatch
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.plan import plan
from pulse_assets.stages.predict import planned_variables, predict
from pulse_assets_tests.properties import holds_for_all

MADE = ("predicted", "lower", "upper", "weight", "scale")
RULES = ["naive", "seasonal_naive", "ses", "ar_diff_3", "pulse_assets_tests.own_rules:Plain"]
START = np.datetime64("2001-01-01")
ROWS = 130
#: Dates by frequency.
CALENDARS = {
    "monthly": (START.astype("M8[M]") + np.arange(ROWS)).astype("M8[D]"),
    "month's end": (START.astype("M8[M]") + np.arange(1, ROWS + 1)).astype("M8[D]") - 1,
    "quarterly": (START.astype("M8[M]") + 3 * np.arange(ROWS)).astype("M8[D]"),
    "weekly": START + 7 * np.arange(ROWS),
    "daily": START + np.arange(ROWS),
    "business_daily": np.busday_offset(START, np.arange(ROWS), roll="forward"),
}


def made(series, batch, options):
    """Everything a batch predicts by (variable, model, origin, horizon), as bytes."""
    history = observe(batch, series, 36500)
    planned = plan(batch, history, options.horizons, {})
    variables = planned_variables(planned, history, options.horizons)
    table = predict(batch.batch_id, variables, history, resolve_rules(RULES), options)
    numbers = np.stack([table[name].to_numpy() for name in MADE], axis=1)
    keys = zip(*(table[name].to_pylist() for name in KEY), strict=True)
    return {key: row.tobytes() for key, row in zip(keys, numbers, strict=True)}


KEY = ("variable", "model", "origin_date", "horizon")


def draw_series(name, calendar, rng, late, holes, changes):
    """A walk with gaps; `late` days at most lie between a date and its publication.

    A share `holes` of the rows is not there at all.
    """
    there = rng.random(len(calendar)) >= holes
    values = np.cumsum(changes)[there]
    values[rng.random(len(values)) < 0.1] = np.nan
    dates = calendar[there]
    published = dates + rng.integers(0, late + 1, len(dates)) if late else None
    return Series(name, dates, values, published)


def poison(series, calendar, known_on, rng):
    """Change all that is not known on a day: values, when they are published, which rows there are.

    Rows not known are changed, some are taken away, and some are added where there were none.
    """
    dates, values, vintage = series.timestamps, series.values, series.published_at is not None
    published = series.published_at if vintage else dates
    known = published <= known_on
    free = np.setdiff1d(calendar if vintage else calendar[calendar > known_on], dates)
    new = np.union1d(dates[~known & (rng.random(len(dates)) < 0.7)], rng.permutation(free)[:3])
    wild = rng.choice([np.nan, 0.0, 1e300, -1e300, 1.0, -7.5], len(new))
    later = np.maximum(known_on + 1, new) + rng.integers(0, 90, len(new)) * vintage
    everything = np.append(dates[known], new)
    order = np.argsort(everything)
    return Series(
        series.variable,
        everything[order],
        np.append(values[known], wild)[order],
        np.append(published[known], later)[order] if vintage else None,
    )


@holds_for_all(
    150,
    3000,
    seed=st.integers(0, 2**32 - 1),
    calendar=st.sampled_from(sorted(CALENDARS)),
    other=st.sampled_from(sorted(CALENDARS)),
    late=st.sampled_from([0, 0, 3, 45]),
    origin=st.integers(0, 60),
    rows=st.integers(15, ROWS),
    holes=st.sampled_from([0.0, 0.1, 0.3]),
    linked=st.booleans(),
)
def test_what_is_not_known_on_a_day_changes_no_bit(
    seed, calendar, other, late, origin, rows, holes, linked
):
    rng = np.random.default_rng(seed)
    calendars = {"x": CALENDARS[calendar][-rows:], "y": CALENDARS[calendar if linked else other]}
    led, leading = rng.standard_normal((2, ROWS))
    if linked:  # what y does, x does two rows later: y becomes a partner
        led[2:] = leading[:-2] + 0.1 * led[2:]
    changes = {name: of[-len(calendars[name]) :] for name, of in (("x", led), ("y", leading))}
    series = {n: draw_series(n, calendars[n], rng, late, holes, changes[n]) for n in calendars}
    start = (calendars["x"][-1] - 40).astype(date)
    batch = TrainingBatch("batch", start, start + timedelta(days=41), ("x", "y"))
    options = TrainingOptions(horizons=[1, 2, 5])
    gap = calendars["x"][-1] - calendars["x"][-2]
    possible = calendars["x"][np.searchsorted(calendars["x"], np.datetime64(start) - 5 * gap) :]
    known_on = possible[origin % len(possible)]
    changed = {n: poison(s, calendars[n], known_on, rng) for n, s in series.items()}
    true, false = made(series, batch, options), made(changed, batch, options)
    compared = {key for key in true.keys() & false.keys() if key[2] <= known_on.astype(date)}
    assert {key for key in compared if true[key] != false[key]} == set()
