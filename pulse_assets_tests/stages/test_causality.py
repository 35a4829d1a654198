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
#: Dates by frequency, enough for a window of forty days at the end.
CALENDARS = {
    "monthly": (START.astype("M8[M]") + np.arange(70)).astype("M8[D]"),
    "month's end": (START.astype("M8[M]") + np.arange(1, 71)).astype("M8[D]") - 1,
    "quarterly": (START.astype("M8[M]") + 3 * np.arange(60)).astype("M8[D]"),
    "weekly": START + 7 * np.arange(70),
    "daily": START + np.arange(90),
    "business_daily": np.busday_offset(START, np.arange(90), roll="forward"),
}
#: Those whose missing rows are seen to be missing; of the others observations are counted.
PERIODIC = ("monthly", "month's end", "quarterly")


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


def draw_series(name, calendar, rng, late, holes):
    """A walk with gaps; `late` days at most lie between a date and its publication.

    A share `holes` of the rows is not there at all.
    """
    calendar = calendar[rng.random(len(calendar)) >= holes]
    values = np.cumsum(rng.standard_normal(len(calendar)))
    values[rng.random(len(calendar)) < 0.1] = np.nan
    published = calendar + rng.integers(0, late + 1, len(calendar)) if late else None
    return Series(name, calendar.copy(), values, published)


def poison(series, known_on, rng, *, remove):
    """Change all that is not known on a day: values, whether there is one, when it is published."""
    dates, values = series.timestamps, series.values.copy()
    published = dates.copy() if series.published_at is None else series.published_at.copy()
    unknown = np.maximum(dates, published) > known_on
    wild = rng.choice([np.nan, 0.0, 1e300, -1e300, 1.0, -7.5], len(dates))
    values[unknown] = wild[unknown]
    if series.published_at is not None:
        later = np.maximum(known_on + 1, dates) + rng.integers(0, 90, len(dates))
        published[unknown] = later[unknown]
    kept = ~(unknown & (dates > known_on) & (rng.random(len(dates)) < 0.3) & remove)
    given = None if series.published_at is None else published[kept]
    return Series(series.variable, dates[kept], values[kept], given)


@holds_for_all(
    150,
    3000,
    seed=st.integers(0, 2**32 - 1),
    calendar=st.sampled_from(sorted(CALENDARS)),
    other=st.sampled_from(sorted(CALENDARS)),
    late=st.sampled_from([0, 0, 45]),
    back=st.integers(0, 200),
    rows=st.integers(15, 90),
    holes=st.sampled_from([0.0, 0.4]),
)
def test_what_is_not_known_on_a_day_changes_no_bit(seed, calendar, other, late, back, rows, holes):
    rng = np.random.default_rng(seed)
    removable = calendar in PERIODIC and other in PERIODIC
    dates = CALENDARS[calendar][-rows:]
    series = {
        "x": draw_series("x", dates, rng, late, holes if removable else 0.0),
        "y": draw_series("y", CALENDARS[other], rng, late, 0.0),
    }
    start = (dates[-1] - 40).astype(date)
    batch = TrainingBatch("batch", start, start + timedelta(days=41), ("x", "y"))
    options = TrainingOptions(horizons=[1, 2, 5])
    known_on = np.datetime64(start) + 41 - back
    changed = {n: poison(s, known_on, rng, remove=removable) for n, s in series.items()}
    true, false = made(series, batch, options), made(changed, batch, options)
    compared = {key for key in true.keys() & false.keys() if key[2] <= known_on.astype(date)}
    assert {key for key in compared if true[key] != false[key]} == set()
