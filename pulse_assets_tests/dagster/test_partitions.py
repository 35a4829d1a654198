"""The grid of batches: windows of days, and calendar windows that grow."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest
from sqlalchemy.exc import IntegrityError

from pulse_assets import TrainingConfig, train
from pulse_assets.batches.grid import (
    batch_keys,
    batch_of,
    batches_of_run,
    check_keys,
    completed_keys,
)
from pulse_assets.dagster.partitions import batch_partitions, dynamic_grid, register_batches
from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import Settings
from pulse_assets_tests.conftest import MODELS, stored


def calendar(cadence, start="2020-01-15", end="2020-12-31", **more):
    return Settings(start_date=start, end_date=end, batch_cadence=cadence, **more)


def keys(settings, **at):
    return batch_partitions(settings).get_partition_keys(**at)


@pytest.mark.parametrize(
    ("cadence", "first", "last", "count", "last_end"),
    [
        ("weekly", "2020-01-20", "2020-12-21", 49, date(2020, 12, 28)),
        ("monthly", "2020-02-01", "2020-12-01", 11, date(2021, 1, 1)),
        ("quarterly", "2020-04-01", "2020-10-01", 3, date(2021, 1, 1)),
    ],
)
def test_calendar_windows_lie_in_the_range_whole(cadence, first, last, count, last_end):
    settings = calendar(cadence)
    found = keys(settings)
    assert (found[0], found[-1], len(found)) == (first, last, count)
    assert batch_of(settings, last, ["gdp"]).end == last_end
    windows = [batch_of(settings, key, ()) for key in found]
    assert all(a.end == b.start for a, b in pairwise(windows))


def test_years_begin_in_january():
    settings = calendar("yearly", "2019-06-01", "2022-12-31")
    assert keys(settings) == ["2020-01-01", "2021-01-01", "2022-01-01"]


def test_a_limit_keeps_the_first_windows():
    assert keys(calendar("monthly", batch_limit=2)) == ["2020-02-01", "2020-03-01"]
    assert len(keys(calendar("monthly", batch_limit=99))) == 11


def test_an_open_grid_grows_without_a_reload():
    partitions = batch_partitions(calendar("monthly", end="today"))
    before, after = (
        partitions.get_partition_keys(current_time=datetime(2020, 6, day, tzinfo=UTC))
        for day in (1, 30)
    )
    later = partitions.get_partition_keys(current_time=datetime(2020, 7, 1, tzinfo=UTC))
    assert before == after == ["2020-02-01", "2020-03-01", "2020-04-01", "2020-05-01"]
    assert later == [*before, "2020-06-01"]


def test_a_limit_holds_for_windows_that_have_not_begun():
    """Today's windows are fewer than the limit; later ones must not exceed it."""
    start = datetime.now(UTC).date() - timedelta(days=21)
    weekly = calendar("weekly", start=start, end="today", batch_limit=4)
    later = datetime.now(UTC) + timedelta(days=365)
    first = keys(weekly)
    assert 1 <= len(first) < 4
    assert len(keys(weekly, current_time=later)) == 4
    assert batch_keys(weekly, later.date()) == keys(weekly, current_time=later)
    boundless = calendar("weekly", start=start, end="today", batch_limit=10**9)
    assert keys(boundless) == first


def open_days(**more):
    return Settings(start_date="2020-01-01", end_date="today", **more)


def test_an_open_grid_of_days_has_whole_windows_until_yesterday():
    settings = open_days()
    last = batch_of(settings, batch_keys(settings)[-1], ())
    assert (last.end - last.start).days == 30
    assert last.end <= datetime.now(UTC).date()


def test_an_open_grid_of_days_grows_on_the_day_after_a_window():
    settings = open_days()
    two = ["2020-01-01", "2020-01-31"]
    assert batch_keys(settings, date(2020, 3, 30)) == two
    assert batch_keys(settings, date(2020, 3, 31)) == [*two, "2020-03-01"]
    assert completed_keys(settings, date(2020, 3, 31)) == [*two, "2020-03-01"]
    assert completed_keys(settings, date(2020, 1, 30)) == []


def test_the_keys_are_those_of_the_partitions(instance):
    grids = [
        Settings(start_date="2020-01-01", end_date="2020-12-31"),
        calendar("monthly"),
        calendar("monthly", end="today"),
        open_days(),
        open_days(batch_limit=3, batch_size_days=7),
    ]
    for settings in grids:
        register_batches(settings, instance)
        assert keys(settings, dynamic_partitions_store=instance) == batch_keys(settings)


def test_grids_that_differ_share_no_partitions():
    grids = [
        open_days(),
        open_days(batch_size_days=31),
        open_days(batch_limit=3),
        Settings(start_date="2020-01-02", end_date="today"),
    ]
    assert len({dynamic_grid(settings) for settings in grids}) == len(grids)
    assert dynamic_grid(calendar("monthly", end="today")) is None
    assert dynamic_grid(Settings()) is None


def registered(settings, instance):
    return list(instance.get_dynamic_partitions(dynamic_grid(settings)))


def test_registered_batches_grow_and_are_never_lost(instance):
    settings = open_days()
    for today, count in [(date(2020, 3, 1), 2), (date(2020, 5, 1), 4), (date(2020, 3, 1), 4)]:
        register_batches(settings, instance, today)
        assert registered(settings, instance) == batch_keys(settings, date(2020, 5, 1))[:count]


@pytest.mark.parametrize("change", ["first key deleted", "foreign key added"])
def test_registered_batches_are_put_in_order_again(instance, change):
    """Dagster takes ranges in the order of registration, which a person can disturb in the UI."""
    settings, grid = open_days(), dynamic_grid(open_days())
    register_batches(settings, instance, date(2020, 5, 1))
    if change == "first key deleted":
        instance.delete_dynamic_partition(grid, "2020-01-01")
    else:
        instance.add_dynamic_partitions(grid, ["2020-02-02"])
    register_batches(settings, instance, date(2020, 6, 1))
    assert registered(settings, instance) == batch_keys(settings, date(2020, 6, 1))


def test_a_foreign_partition_is_refused_in_plain_words():
    with pytest.raises(ConfigurationError, match=r"partition 2020-01-02 is no batch .* delete it"):
        check_keys(["2020-01-01", "2020-01-02"], open_days())


def test_more_batches_than_a_statement_holds_are_registered(instance):
    settings = Settings(start_date="1900-01-01", end_date="today", batch_size_days=1)
    register_batches(settings, instance, date(1910, 1, 1))
    assert registered(settings, instance) == batch_keys(settings, date(1910, 1, 1))


def test_two_processes_may_register_at_once(instance, monkeypatch):
    settings, add = open_days(), instance.add_dynamic_partitions

    def overtaken(grid, found):
        monkeypatch.setattr(instance, "add_dynamic_partitions", add)
        add(grid, found[:2])
        raise IntegrityError("INSERT", {}, ValueError("UNIQUE constraint failed"))

    monkeypatch.setattr(instance, "add_dynamic_partitions", overtaken)
    register_batches(settings, instance, date(2020, 6, 1))
    assert registered(settings, instance) == batch_keys(settings, date(2020, 6, 1))


def test_the_batches_of_a_run_are_those_of_its_tags():
    start, end = (f"dagster/asset_partition_range_{end}" for end in ("start", "end"))
    settings = open_days()
    tags = {start: "2020-01-31", end: "2020-03-31"}
    assert batches_of_run(tags, settings) == ["2020-01-31", "2020-03-01", "2020-03-31"]
    assert batches_of_run({"dagster/partition": "2020-01-31"}, settings) == ["2020-01-31"]
    assert batches_of_run({}, settings) == []


def test_an_open_grid_of_days_is_trained(settings, source):
    start = datetime.now(UTC).date() - timedelta(days=65)
    rows = [f"{start + timedelta(days=i)},{i % 7}" for i in range(-100, 65)]
    file = source / "historical_line.csv"
    file.write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    recent = {"start_date": start, "end_date": "today", "variables": ["line"]}
    config = TrainingConfig(
        **settings.model_dump() | recent, models=["naive"], horizons=[1], max_workers=1
    )
    results = train(config)
    assert results.data["batches"]["total"] == 2
    with dg.DagsterInstance.get() as instance:
        assert registered(config.settings(), instance) == batch_keys(config.settings())


def test_windows_that_have_ended():
    settings = calendar("quarterly", end="today")
    assert completed_keys(settings, date(2020, 9, 30)) == ["2020-04-01"]
    assert completed_keys(settings, date(2020, 10, 1)) == ["2020-04-01", "2020-07-01"]


def test_a_range_without_a_whole_window_is_refused():
    with pytest.raises(ConfigurationError, match="no whole yearly window: widen start_date"):
        batch_partitions(calendar("yearly"))


def test_an_open_range_without_a_window_says_that_one_can_wait():
    today = datetime.now(UTC).date()
    young = Settings(start_date=today - timedelta(days=1), end_date="today")
    with pytest.raises(
        ConfigurationError, match=r"to today there is no whole 30-day window: .*wait"
    ):
        batch_keys(young)
    assert completed_keys(young, today) == []
    with pytest.raises(
        ConfigurationError, match=r"start_date .* must lie before end_date, which is today"
    ):
        Settings(start_date=today, end_date="today")


def test_an_unknown_cadence_is_refused():
    with pytest.raises(ConfigurationError, match="batch_cadence = 'daily' must be 'weekly'"):
        calendar("daily")


def test_calendar_batches_are_trained_and_lie_apart_from_others(settings):
    config = TrainingConfig(
        **settings.model_dump() | {"batch_cadence": "quarterly"},
        models=MODELS,
        horizons=[1],
        max_workers=1,
    )
    results = train(config)
    assert results.data["batches"]["completed"] == 3  # the fourth quarter ends after the range
    objects = stored(settings.store)
    name = "retrodictions/batch_cadence=quarterly/2005-07-01.parquet"
    assert name in objects
    assert not [path for path in objects if "batch_size_days" in path]
