"""A batch uses nothing unknown at an origin: no later values, gaps, rows or vintages."""

from datetime import date, timedelta

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.frequency import dates_ahead
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.publication import with_publication
from pulse_assets.history.series import Revisions, Series
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import list_rows
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.stages.one_batch import run_stages

NUMBERS = ("predicted", "weight", "scale")
RULES = ["naive", "seasonal_naive", "ses", "ar_diff_3"]
OWN_RULE = "pulse_assets_tests.own_rules:Plain"
START = np.datetime64("2001-01-01")
ROWS = 130
#: Days of publication that are tried with each pair of series.
DAYS = 4
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


def forecast(series, batch, options, rules=(*RULES, OWN_RULE)):
    """Return a batch's numbers as bytes, and made_at and target, by `KEY`."""
    table = run_stages(batch, series, resolve_rules(rules), options).retrodictions
    assert set(table["error"].to_pylist()) == {None}  # such as that of a process that was ended
    columns = [table[name].to_numpy() for name in NUMBERS]
    numbers = np.column_stack([*columns, list_rows(table["quantiles"])])
    keys = list(zip(*(table[name].to_pylist() for name in KEY), strict=True))
    days = zip(table["made_at"].to_pylist(), table["target_date"].to_pylist(), strict=True)
    return {key: row.tobytes() for key, row in zip(keys, numbers, strict=True)}, dict(
        zip(keys, days, strict=True)
    )


KEY = ("variable", "model", "origin_date", "horizon")


def frequency_of(calendar):
    return "monthly" if calendar == "month's end" else calendar


def draw_series(name, calendar, rng, late, holes, changes, *, revised):
    """Return a random walk with missing values, published at most `late` days after its dates.

    A share `holes` of the rows is absent. The last two rows are present and have values, so that
    there is something to predict. A revised series has later releases of a third of its values, and
    its archive may begin after its first rows.
    """
    present = rng.random(len(calendar)) >= holes
    values = np.cumsum(changes)
    values[rng.random(len(values)) < 0.03] *= 1e4  # typing errors
    values[rng.random(len(values)) < 0.1] = np.nan
    present[-2:], values[-2:] = True, np.cumsum(changes)[-2:]
    dates, values = calendar[present], values[present]
    late = min(late, MAX_DELAY * int((calendar[-1] - calendar[-2]).astype(int)))
    published = dates + rng.integers(0, late + 1, len(dates)) if late or revised else None
    if not revised:
        return Series(name, dates, values, published)
    published = np.maximum(published, dates[rng.integers(0, len(dates) // 2)])
    rows = np.flatnonzero(rng.random(len(dates)) < 0.3)  # missing values, too
    rows = np.sort(np.append(rows, rows[rng.random(len(rows)) < 0.3]))
    return with_releases(name, dates, values, published, rows, rng)


def with_releases(name, dates, values, published, rows, rng):
    """Return a series with later releases of some rows, up to 400 days after the one before."""
    pauses = rng.integers(1, 400, len(rows))
    again = np.append(False, rows[1:] == rows[:-1])[: len(rows)]
    days = published[rows] + pauses
    days[again] += pauses[np.flatnonzero(again) - 1]
    new = rng.choice([1.0, 1.1, -1.0, 1e4], len(rows), p=[0.3, 0.5, 0.17, 0.03])
    new *= np.where(np.isnan(values[rows]), 3.0, values[rows])
    return Series(name, dates, values, published, revisions=Revisions(rows, new + 0.1, days))


def poison(series, calendar, day, rng, spared, frequency, *, remaining=0.7):
    """Return the series with everything changed that is not public on a day.

    Rows and releases that are not public get other values and days of publication; some are added,
    and some removed: a share `remaining` of the rows is not. No row is added or removed between the
    two `spared` days, and the last of them has a value, in its first release or a later one. So the
    forecast from the one to the other exists in both series.
    """
    dates, values, vintage = series.timestamps, series.values, series.published_at is not None
    assumed = with_publication(Series("x", dates, values), frequency).published_at
    published = series.published_at if vintage else assumed
    known = published <= day
    first, last = spared
    free = np.setdiff1d(calendar, dates)
    if not vintage:
        free = free[frequency.period_over(free) > day]
    free = free[(free < first) | (free > last)]
    unchanged = (rng.random(len(dates)) < remaining) | ((dates >= first) & (dates <= last))
    new = np.union1d(dates[~known & unchanged], rng.permutation(free)[:3])
    poisoned = rng.choice([np.nan, 0.0, 1e300, -1e300, 1.0, -7.5], len(new))
    poisoned = np.where((new == last) & np.isnan(poisoned), -7.5, poisoned)
    later = np.maximum(day + 1, new) + rng.integers(0, 90, len(new)) * vintage
    everything = np.append(dates[known], new)
    order = np.argsort(everything)
    columns = everything, np.append(values[known], poisoned), np.append(published[known], later)
    dates, values, published = (column[order] for column in columns)
    if not vintage:
        return Series(series.variable, dates, values)
    changed = np.append(rng.permutation(len(dates))[:10], np.flatnonzero(dates == last))
    releases = poisoned_releases(series, dates, published, day, changed, rng)
    return Series(series.variable, dates, values, published, revisions=releases)


def poisoned_releases(series, dates, published, day, changed, rng):
    """Return the releases that are public on a day, and one that is not of each `changed` row."""
    releases = []
    if (later := series.revisions) is not None:
        public = later.published_at <= day
        rows = dates.searchsorted(series.timestamps[later.rows[public]])
        releases = list(zip(rows, later.published_at[public], later.values[public], strict=True))
    for row in changed:
        when = max(day, published[row]) + rng.integers(1, 60)
        releases.append((row, when, rng.choice([0.0, 1e300, -7.5])))
    releases = sorted({(row, when): (row, when, value) for row, when, value in releases}.values())
    if not releases:
        return None
    rows, days, new = (np.array(column) for column in zip(*releases, strict=True))
    return Revisions(rows, new, days.astype("M8[D]"))


@holds_for_all(
    100 // DAYS,
    6_000 // DAYS,
    seed=st.integers(0, 2**32 - 1),
    calendar=st.sampled_from(sorted(CALENDARS)),
    other=st.sampled_from(sorted(CALENDARS)),
    late=st.sampled_from([0, 0, 3, 45]),
    revised=st.sampled_from(["", "x", "y", "xy"]),
    chosen=st.integers(0, 10_000),
    rows=st.integers(30, ROWS),
    holes=st.sampled_from([0.0, 0.1, 0.3]),
    linked=st.booleans(),
    score_against=st.sampled_from(["first", "latest", "2"]),
    own_rule=st.sampled_from([False, False, False, True]),
)
def test_what_is_published_later_changes_no_bit_of_a_forecast(
    seed, calendar, other, late, revised, chosen, rows, holes, linked, score_against, own_rule
):
    """Forecasts, weights and intervals of an origin use nothing that is published after made_at."""
    rng = np.random.default_rng(seed)
    # Late publication removes many rows, and a window holds many days: both need more rows.
    many = late or revised or "daily" in calendar or calendar.startswith("C-")
    rows = max(rows, 110) if many else rows
    names = {"x": calendar, "y": calendar if linked else other}
    calendars = {"x": CALENDARS[names["x"]][-rows:], "y": CALENDARS[names["y"]]}
    led, leading = rng.standard_normal((2, ROWS))
    if linked:  # x follows y by two rows: y becomes a leading indicator
        led[2:] = leading[:-2] + 0.1 * led[2:]
    changes = {name: of[-len(calendars[name]) :] for name, of in (("x", led), ("y", leading))}
    series = {
        n: draw_series(n, calendars[n], rng, late, holes, changes[n], revised=n in revised)
        for n in calendars
    }
    start = (calendars["x"][-1] - 40).astype(date)
    batch = TrainingBatch("batch", start, start + timedelta(days=41), ("x", "y"))
    frequencies = {name: frequency_of(names[name]) for name in names}
    options = TrainingOptions(
        horizons=[1, 2, 5],
        frequencies=frequencies,
        history_days=36500,
        score_against=score_against,
    )
    rules = [*RULES, OWN_RULE] if own_rule else RULES
    true, days = forecast(series, batch, options, rules)
    # Indicators that were selected at later rows alone may differ, so none of them is the key.
    own = sorted(key for key in true if not key[1].startswith("ar_with_"))
    assume(own)
    for place in range(0, len(own), -(-len(own) // DAYS)):
        key = own[(chosen + place) % len(own)]
        made_at, target = map(np.datetime64, days[key])
        spared = dict.fromkeys(series, (made_at + 1, made_at))
        spared[key[0]] = np.datetime64(key[2]), target
        changed = {
            n: poison(s, calendars[n], made_at, rng, spared[n], get_frequency(frequencies[n]))
            for n, s in series.items()
        }
        false, new_days = forecast(changed, batch, options, rules)
        compared = {k for k in true.keys() & false.keys() if days[k][0] <= made_at.astype(date)}
        assert key in compared
        assert {k for k in compared if true[k] != false[k]} == set()
        assert {k for k in compared if days[k][0] != new_days[k][0]} == set()
