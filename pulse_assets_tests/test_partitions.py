"""The grid of batches: windows of days, and calendar windows that grow."""

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.errors import ConfigurationError
from pulse_assets.partitions import batch_of, batch_partitions, completed_keys
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


def test_an_open_grid_of_days_has_whole_windows_until_yesterday():
    settings = Settings(start_date="2020-01-01", end_date="today")
    last = batch_of(settings, keys(settings)[-1], ())
    assert (last.end - last.start).days == 30
    assert last.end <= datetime.now(UTC).date()


def test_windows_that_have_ended():
    settings = calendar("quarterly", end="today")
    assert completed_keys(settings, date(2020, 9, 30)) == ["2020-04-01"]
    assert completed_keys(settings, date(2020, 10, 1)) == ["2020-04-01", "2020-07-01"]


def test_a_range_without_a_whole_window_is_refused():
    with pytest.raises(ConfigurationError, match="no whole window of yearly: widen start_date"):
        batch_partitions(calendar("yearly"))


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
