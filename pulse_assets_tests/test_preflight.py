"""Everything about the data is checked before the first batch; nothing is written on an error."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from pulse_assets.batches.grid import batch_of
from pulse_assets.batches.windows import window_starts
from pulse_assets.dagster.partitions import batch_partitions
from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.calendars import decide_frequency, rows_used
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.series import Series
from pulse_assets.history.source import Source
from pulse_assets.preflight import check_ready, resolve_options
from pulse_assets.settings import Settings, TrainingConfig, TrainingOptions
from pulse_assets.stages.observe import observe
from pulse_assets.stages.plan import plan
from pulse_assets.stages.variable_history import MINIMUM_HISTORY, histories_of
from pulse_assets_tests.conftest import MODELS
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.stages.one_batch import published


def write(folder, name, dates, values=None):
    folder.mkdir(exist_ok=True)
    values = np.arange(len(dates), dtype=float) if values is None else values
    rows = [f"{day},{value:g}" for day, value in zip(dates, values, strict=True)]
    (folder / f"historical_{name}.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")


def dates(frequency, first="1990-01-01", last="2020-12-31"):
    return pd.date_range(first, last, freq=frequency).to_numpy().astype("M8[D]")


def config_for(tmp_path, **values):
    defaults = {"start_date": "2005-01-01", "end_date": "2010-12-31", "models": ["naive"]}
    places = {"source": str(tmp_path / "source"), "store": str(tmp_path / "store")}
    return TrainingConfig(**defaults | places | values)


def ready(config):
    return check_ready(config.settings(), config.options())


def refused(config, *parts):
    """Return the message of a source that is refused; nothing may have been written."""
    with pytest.raises(HistoricalDataError) as caught:
        ready(config)
    message = str(caught.value)
    assert "\n" not in message
    assert not Path(config.store).exists()
    for part in parts:
        assert part in message
    return message


def test_frequencies_of_all_variables_are_filled_in_and_rules_sorted(settings, options):
    found = check_ready(settings, options)
    assert found.frequencies == {"line": "monthly", "wave": "monthly"}
    assert found.variables == ["line", "wave"]
    assert found.models == sorted(MODELS)
    assert check_ready(settings, found) == resolve_options(settings, found) == found
    assert resolve_options(settings, options) == found


def test_the_order_of_rules_does_not_matter(settings):
    one, other = (
        check_ready(settings, TrainingOptions(models=models))
        for models in (["ses", "drift"], ["drift", "naive", "ses"])
    )
    assert one == other


def test_the_frequency_of_a_variable_that_is_not_predicted_is_dropped(settings):
    options = TrainingOptions(variables=["line"], frequencies={"wave": "monthly"})
    assert check_ready(settings, options).frequencies == {"line": "monthly"}


def test_a_frequency_of_an_unknown_variable_is_refused(settings):
    with pytest.raises(
        ConfigurationError, match=r"--frequencies: 'lnie' is not .*, did you mean 'line'\?: it has"
    ):
        resolve_options(settings, TrainingOptions(frequencies={"lnie": "monthly"}))


def test_all_bad_series_are_named_in_one_message(tmp_path):
    source = tmp_path / "source"
    write(source, "good", dates("MS"))
    write(source, "twice", [*dates("MS"), "2020-12-15"])
    write(source, "weeks", [*dates("W-FRI"), "2010-12-15"])
    write(source, "half_months", [*dates("SMS"), "2010-12-16"])
    (source / "historical_broken.csv").write_text("timestamp,value\nsoon,1\n")
    write(source, "ended", dates("MS", last="2004-12-31"))
    message = refused(
        config_for(tmp_path),
        "historical_twice.csv: line 373 (2020-12-01) and line 374 (2020-12-15) lie in one month",
        "historical_weeks.csv: line 1619 (2010-12-15) and line 1095 (2010-12-17)",
        "historical_half_months.csv: line 505 (2010-12-15) and line 746 (2010-12-16) lie in one",
        "historical_broken.csv: line 2: timestamp 'soon' is no date",
        "historical_ended.csv: its last value, line 181 (2004-12-01), lies before the first batch",
    )
    assert "good" not in message
    assert message.count("; ") == 4


def test_a_long_list_of_bad_series_is_cut(tmp_path):
    for i in range(14):
        write(tmp_path / "source", f"v{i:02d}", [*dates("MS"), "2020-12-15"])
    assert refused(config_for(tmp_path)).endswith("; and 4 more series have a problem")


USELESS = {
    "ended": (
        dates("MS", last="2004-12-31"),
        {},
        "its last value, line 181 (2004-12-01), lies before the first batch, 2005-01-01, so no "
        "batch predicts x: choose an earlier --start-date",
    ),
    "not begun": (
        dates("MS", "2011-01-01"),
        {},
        "its first value, line 2 (2011-01-01), lies after the last batch, 2010-12-31",
    ),
    "begun too late": (
        dates("MS", "2010-01-01"),
        {},
        "in its history of 7305 days or more, and 1 step before a value to predict, and no value",
    ),
    "no history looked at": (
        dates("YS"),  # with the five years of an anchor a history holds at most six of them
        {"history_days": 300},
        "choose a later --end-date, more --hi",
    ),
    "only far horizons": (
        dates("MS", "2000-01-01"),
        {"horizons": [200]},
        "200 steps before a value to predict",
    ),
    "few values": (
        dates("MS")[:11],
        {},
        "11 of its rows have a value, from line 2 (1990-01-01) to",
    ),
    "a gap there": (
        [*dates("MS", last="2004-01-01"), *dates("MS", "2012-01-01")],
        {},
        "it has no value from 2005-01-01 to 2010-12-31",
    ),
}


@pytest.mark.parametrize("name", USELESS)
def test_a_series_that_no_batch_can_predict_is_refused(tmp_path, name):
    days, more, message = USELESS[name]
    write(tmp_path / "source", "x", days)
    refused(config_for(tmp_path, **more), f"{tmp_path}/source/historical_x.csv: ", message)


def test_a_series_that_is_published_too_late_for_every_batch_is_refused(tmp_path):
    days = [str(day) for day in dates("MS")]
    (tmp_path / "source").mkdir()
    soon = datetime.now(UTC).date() + timedelta(days=300)
    for public in ("2010-12-01", str(soon)):
        rows = [f"{day},{i},{max(day, public)}" for i, day in enumerate(days)]
        text = "\n".join(["timestamp,value,published_at", *rows])
        (tmp_path / "source" / "historical_x.csv").write_text(text)
        refused(
            config_for(tmp_path), f"public on {public}, the first day", "or leave out published_at"
        )


def test_a_series_that_is_published_before_its_last_target_is_accepted(tmp_path):
    (tmp_path / "source").mkdir()
    days = [str(day) for day in dates("MS")]
    rows = [f"{day},{i},{max(day, '2010-10-15')}" for i, day in enumerate(days)]
    text = "\n".join(["timestamp,value,published_at", *rows])
    (tmp_path / "source" / "historical_x.csv").write_text(text)
    assert ready(config_for(tmp_path)).frequencies == {"x": "monthly"}


def test_a_series_without_any_value_is_refused(tmp_path):
    write(tmp_path / "source", "x", dates("MS"), np.full(372, np.nan))
    refused(config_for(tmp_path), "0 of its rows have a value", "12 are needed: add values")


def test_the_smallest_series_that_a_batch_can_predict_is_accepted(tmp_path):
    write(tmp_path / "source", "x", dates("MS", "2009-12-01"))
    more = {"start_date": "2010-12-01", "end_date": "2010-12-31", "horizons": [1]}
    assert ready(config_for(tmp_path, **more)).frequencies == {"x": "monthly"}
    refused(config_for(tmp_path, **more | {"horizons": [2]}), "no batch predicts x")


@pytest.mark.parametrize("years", [2, 176])
@pytest.mark.parametrize("frequency", ["D", "W-FRI", "MS", "QE", "YS"])
def test_a_date_far_after_today_is_refused(tmp_path, frequency, years):
    """A typing error such as 2202: it would leave the other series without a next forecast."""
    good = pd.date_range(end=datetime.now(UTC).date(), periods=60, freq=frequency)
    write(tmp_path / "source", "good", [str(day.date()) for day in good])
    typed = str((good[-1] + pd.DateOffset(years=years)).date())
    write(tmp_path / "source", "x", [*(str(day.date()) for day in good), typed])
    span = {"start_date": str(good[40].date()), "end_date": str(good[-1].date())}
    refused(
        config_for(tmp_path, **span),
        f"historical_x.csv: line 62 ({typed}) lies more than a year after today: correct the date",
        "leave x out",
    )


def test_a_value_labelled_with_the_end_of_this_year_is_accepted(tmp_path):
    year = datetime.now(UTC).year
    write(tmp_path / "source", "x", [f"{y}-12-31" for y in range(year - 59, year + 1)])
    span = {"start_date": f"{year - 10}-01-01", "end_date": f"{year}-12-31", "horizons": [1]}
    assert ready(config_for(tmp_path, **span)).frequencies == {"x": "yearly"}


@pytest.mark.parametrize("place", ["first", "later"])
@pytest.mark.parametrize("published", ["2202-01-31", "9999-12-31"])
def test_a_release_that_is_public_far_after_today_is_refused(tmp_path, published, place):
    """No batch would ever see it, and nothing would say so."""
    days = [str(day.date()) for day in pd.date_range("2000-01-01", periods=60, freq="MS")]
    rows = [f"{day},{i},{day[:8]}28" for i, day in enumerate(days)]
    if place == "first":
        rows[7] = f"{days[7]},1,{published}"
    else:
        rows.append(f"{days[7]},1,{published}")
    (tmp_path / "source").mkdir()
    lines = ["timestamp,value,published_at", *rows]
    (tmp_path / "source" / "historical_x.csv").write_text("\n".join(lines) + "\n")
    line = 9 if place == "first" else 62
    config = config_for(tmp_path, start_date="2003-01-01", end_date="2004-12-31")
    refused(
        config,
        f"historical_x.csv: line {line} (2000-08-01) has published_at {published}, more than a "
        "year after today: correct it, or leave it empty if the day is unknown",
    )


def test_a_release_that_is_announced_for_the_next_months_is_accepted(tmp_path):
    days = [str(day.date()) for day in pd.date_range("2000-01-01", periods=60, freq="MS")]
    soon = datetime.now(UTC).date() + timedelta(days=200)
    rows = [f"{day},{i},{day[:8]}28" for i, day in enumerate(days)]
    (tmp_path / "source").mkdir()
    lines = ["timestamp,value,published_at", *rows[:-1], f"{days[-1]},1,{soon}"]
    (tmp_path / "source" / "historical_x.csv").write_text("\n".join(lines) + "\n")
    config = config_for(tmp_path, start_date="2003-01-01", end_date="2004-12-31")
    assert ready(config).frequencies == {"x": "monthly"}


def test_a_frequency_since_a_day_after_the_last_row_is_refused(tmp_path):
    days = [str(day.date()) for day in pd.date_range("2000-01-01", periods=60, freq="MS")]
    write(tmp_path / "source", "x", days)
    refused(
        config_for(tmp_path, frequencies={"x": "monthly since 2050-01-01"}),
        "historical_x.csv: --frequencies says x=monthly since 2050-01-01, but the last row is line "
        "61 (2004-12-01): choose an earlier day",
    )


def test_first_and_last_days_of_the_calendar_in_a_file_do_no_harm(tmp_path):
    late = datetime.now(UTC).date() + timedelta(days=366)
    days = [f"{year:04d}-01-01" for year in range(1, 2021)]
    write(tmp_path / "source", "x", days)
    (tmp_path / "source" / "historical_y.csv").write_text(
        "timestamp,value,published_at\n"
        + "".join(f"{day},1,{late if i % 9 else day}\n" for i, day in enumerate(days))
    )
    config = config_for(tmp_path, history_days=182625)
    options = ready(config)
    series = {name: config.settings().open_source().load(name) for name in "xy"}
    settings = config.settings()
    keys = batch_partitions(settings).get_partition_keys()
    batch = batch_of(settings, keys[0], ("x", "y"))
    history = observe(batch, published(series, options), options)
    histories = histories_of(history, options.frequencies)
    rows = plan(batch, histories, [1]).to_pylist()
    assert [row["frequency"] for row in rows] == ["yearly", "yearly"]


@pytest.mark.parametrize("length", [1, 7, 30, 36525, "weekly", "monthly", "quarterly", "yearly"])
def test_the_windows_are_those_of_the_batches(length):
    name = "batch_size_days" if isinstance(length, int) else "batch_cadence"
    settings = Settings(start_date="1998-12-30", end_date="2004-02-29", **{name: length})
    for key in batch_partitions(settings).get_partition_keys():
        batch = batch_of(settings, key, ())
        days = np.array([batch.start, batch.end - timedelta(1)], "M8[D]")
        starts = window_starts(days, settings.start_date, settings.batch_length)
        assert (starts == np.datetime64(batch.start)).all()


CALENDARS = [
    *("D", "B", "W-WED", "14D", "28D", "91D", "SMS", "MS", "ME", "BME", "WOM-3FRI", "2MS"),
    *("QS", "QE", "BQE", "REQ-L-JAN-SAT-4", "6MS", "YS", "RE-L-JAN-SAT", "random"),
]


def calendar_of(name, rng, first, count):
    if name == "random":
        return np.datetime64(first) + np.cumsum(rng.integers(1, rng.choice([3, 40, 400]), count))
    return pd.date_range(first, periods=count, freq=name).to_numpy().astype("M8[D]")


@holds_for_all(
    40,
    120,
    first=st.sampled_from(CALENDARS),
    second=st.one_of(st.none(), st.sampled_from(CALENDARS)),
    counts=st.tuples(st.integers(5, 90), st.integers(1, 90)),
    holes=st.sampled_from([0.0, 0.0, 0.05, 0.4]),
    extra=st.sampled_from([0, 0, 0, 1, 3]),
    moved=st.booleans(),
    late=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_calendar_is_refused_with_its_rows_or_holds_in_every_batch(
    first, second, counts, holes, extra, moved, late, seed
):
    """Either one error names file and row, or each batch plans with the frequency decided."""
    rng = np.random.default_rng(seed)
    days = calendar_of(first, rng, "2001-01-01", counts[0])
    if second:
        days = np.append(days, calendar_of(second, rng, days[-1] + 1, counts[1]))
    days = days[(rng.random(len(days)) >= holes) | (np.arange(len(days)) == 0)]
    days = np.append(days, days[:extra] + rng.integers(1, 30))
    days = np.unique(np.busday_offset(days, 0, roll="forward") if moved else days)
    days_public = days + rng.integers(0, 90, len(days)) if late else None
    series = Series(
        "x", days, np.ones(len(days)), days_public, "x.csv", "line", np.arange(2, len(days) + 2)
    )
    try:
        frequency = decide_frequency(series)
    except HistoricalDataError as error:
        assert str(error).startswith("x.csv: ")
        assert "line " in str(error)
        return
    used, name = rows_used(series, frequency), get_frequency(frequency).name
    for step in range(0, len(days), max(len(days) // 20, 1)):
        start = (days[step] - step % 3).astype(date)
        settings = Settings(start_date=start, end_date=start + timedelta(400), batch_size_days=200)
        for history_days in (7305, 150 * (1 + step)):
            for key in batch_partitions(settings).get_partition_keys():
                batch = batch_of(settings, key, ("x",))
                options = TrainingOptions(
                    horizons=[1, 2], frequencies={"x": frequency}, history_days=history_days
                )
                history = observe(batch, published({"x": used}, options), options)
                histories = histories_of(history, options.frequencies)
                row = plan(batch, histories, [1, 2]).to_pylist()[0]
                in_window = row["targets"] + row["missing_targets"]
                planned = row["history"] >= MINIMUM_HISTORY and in_window > 0
                assert row["frequency"] == (name if planned else None)
                assert bool(row["skip_reason"]) is (row["first_target"] is None)
                _ = histories["x"].observations, histories["x"].available_history


def test_every_series_is_read_once_and_none_where_all_is_known(tmp_path, monkeypatch):
    for i in range(5):
        write(tmp_path / "source", f"v{i}", dates("MS"))
    read, load = [], Source.load
    monkeypatch.setattr(Source, "load", lambda self, name: read.append(name) or load(self, name))
    config = config_for(tmp_path)
    found = ready(config)
    assert read == ["v0", "v1", "v2", "v3", "v4"]
    assert resolve_options(config.settings(), found) == found
    assert len(read) == 5
