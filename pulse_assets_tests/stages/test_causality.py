"""A batch uses nothing unknown at an origin: no later values, gaps, rows or vintages."""

from datetime import date, timedelta

import numpy as np
from hypothesis import strategies as st

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.frequency import dates_ahead
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.stages.one_batch import run_stages

NUMBERS = ("predicted", "lower", "upper", "weight", "scale")
RULES = ["naive", "seasonal_naive", "ses", "ar_diff_3", "pulse_assets_tests.own_rules:Plain"]
START = np.datetime64("2001-01-01")
ROWS = 130
#: Largest publication delay in steps of the calendar. With longer delays few rows would be in
#: publication order.
MAX_DELAY = 6
#: Dates of each calendar.
CALENDARS = {
    "monthly": (START.astype("M8[M]") + np.arange(ROWS)).astype("M8[D]"),
    "month's end": (START.astype("M8[M]") + np.arange(1, ROWS + 1)).astype("M8[D]") - 1,
    "quarterly": (START.astype("M8[M]") + 3 * np.arange(ROWS)).astype("M8[D]"),
    "weekly": START + 7 * np.arange(ROWS),
    "daily": START + np.arange(ROWS),
    "business_daily": np.busday_offset(START, np.arange(ROWS), roll="forward"),
    **{
        name: dates_ahead(np.array([START]), np.arange(1, ROWS + 1), get_frequency(name))
        for name in ("C-MON-TUE-WED-THU-SUN", "2W", "SMS-15", "BME", "2M", "REQ-L-JAN-SAT-4")
    },
    "irregular": START + np.cumsum(np.random.default_rng(0).integers(1, 20, ROWS)),
}


def forecast(series, batch, options):
    """Return a batch's numbers as bytes and its targets, by (variable, model, origin, horizon)."""
    table = run_stages(batch, series, resolve_rules(RULES), options).retrodictions
    numbers = np.stack([table[name].to_numpy() for name in NUMBERS], axis=1)
    keys = list(zip(*(table[name].to_pylist() for name in KEY), strict=True))
    targets = dict(zip(keys, table["target_date"].to_pylist(), strict=True))
    return {key: row.tobytes() for key, row in zip(keys, numbers, strict=True)}, targets


KEY = ("variable", "model", "origin_date", "horizon")


def frequency_of(calendar):
    return "monthly" if calendar == "month's end" else calendar


def draw_series(name, calendar, rng, late, holes, changes):
    """Return a random walk with missing values, published at most `late` days after its dates.

    A share `holes` of the rows is absent. The last two rows are present and have values, so that
    there is something to predict.
    """
    present = rng.random(len(calendar)) >= holes
    values = np.cumsum(changes)
    values[rng.random(len(values)) < 0.03] *= 1e4  # typing errors
    values[rng.random(len(values)) < 0.1] = np.nan
    present[-2:], values[-2:] = True, np.cumsum(changes)[-2:]
    dates = calendar[present]
    late = min(late, MAX_DELAY * int((calendar[-1] - calendar[-2]).astype(int)))
    published = dates + rng.integers(0, late + 1, len(dates)) if late else None
    return Series(name, dates, values[present], published)


def poison(series, calendar, known_on, rng, spared):
    """Return the series with everything changed that is unknown on a day.

    Unknown rows get other values and publication dates; some are removed and some are added. No row
    is added or removed between the two `spared` days, and the last of them has a value. So the
    forecast from the one to the other exists in both series.
    """
    dates, values, vintage = series.timestamps, series.values, series.published_at is not None
    published = series.published_at if vintage else dates
    known = published <= known_on
    first, last = spared
    free = np.setdiff1d(calendar if vintage else calendar[calendar > known_on], dates)
    free = free[(free < first) | (free > last)]
    unchanged = (rng.random(len(dates)) < 0.7) | ((dates >= first) & (dates <= last))
    new = np.union1d(dates[~known & unchanged], rng.permutation(free)[:3])
    poisoned = rng.choice([np.nan, 0.0, 1e300, -1e300, 1.0, -7.5], len(new))
    poisoned = np.where((new == last) & np.isnan(poisoned), -7.5, poisoned)
    later = np.maximum(known_on + 1, new) + rng.integers(0, 90, len(new)) * vintage
    everything = np.append(dates[known], new)
    order = np.argsort(everything)
    return Series(
        series.variable,
        everything[order],
        np.append(values[known], poisoned)[order],
        np.append(published[known], later)[order] if vintage else None,
    )


@holds_for_all(
    100,
    1500,
    seed=st.integers(0, 2**32 - 1),
    calendar=st.sampled_from(sorted(CALENDARS)),
    other=st.sampled_from(sorted(CALENDARS)),
    late=st.sampled_from([0, 0, 3, 45]),
    chosen=st.integers(0, 10_000),
    rows=st.integers(30, ROWS),
    holes=st.sampled_from([0.0, 0.1, 0.3]),
    linked=st.booleans(),
)
def test_later_data_change_no_bit_of_a_forecast(
    seed, calendar, other, late, chosen, rows, holes, linked
):
    rng = np.random.default_rng(seed)
    # Late publication removes many rows, and a window holds many days: both need more rows.
    many = late or "daily" in calendar or calendar.startswith("C-")
    rows = max(rows, 110) if many else rows
    names = {"x": calendar, "y": calendar if linked else other}
    calendars = {"x": CALENDARS[names["x"]][-rows:], "y": CALENDARS[names["y"]]}
    led, leading = rng.standard_normal((2, ROWS))
    if linked:  # x follows y by two rows: y becomes a leading indicator
        led[2:] = leading[:-2] + 0.1 * led[2:]
    changes = {name: of[-len(calendars[name]) :] for name, of in (("x", led), ("y", leading))}
    series = {n: draw_series(n, calendars[n], rng, late, holes, changes[n]) for n in calendars}
    start = (calendars["x"][-1] - 40).astype(date)
    batch = TrainingBatch("batch", start, start + timedelta(days=41), ("x", "y"))
    frequencies = {name: frequency_of(names[name]) for name in names}
    options = TrainingOptions(horizons=[1, 2, 5], frequencies=frequencies, history_days=36500)
    true, targets = forecast(series, batch, options)
    # Indicators that were selected at later rows alone may differ, so none of them is the key.
    own = sorted(key for key in true if not key[1].startswith("ar_with_"))
    key = own[chosen % len(own)]
    known_on = np.datetime64(key[2])
    spared = dict.fromkeys(series, (known_on + 1, known_on))
    spared[key[0]] = known_on, np.datetime64(targets[key])
    changed = {n: poison(s, calendars[n], known_on, rng, spared[n]) for n, s in series.items()}
    false, _ = forecast(changed, batch, options)
    compared = {key for key in true.keys() & false.keys() if key[2] <= known_on.astype(date)}
    assert key in compared
    assert {key for key in compared if true[key] != false[key]} == set()
