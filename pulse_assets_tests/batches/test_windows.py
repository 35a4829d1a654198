"""The grid of batches tiles the range without overlap, whatever the length of a batch."""

import itertools
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pulse_assets.batches.windows import batch_starts, make_batch
from pulse_assets.dagster.partitions import batch_partitions
from pulse_assets.settings import Settings


@given(
    start=st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    length=st.integers(0, 3000),
    days=st.integers(1, 4000),
)
def test_windows_tile_the_range(start, length, days):
    last = start + timedelta(days=length)
    batches = [
        make_batch(first.isoformat(), last, days, ["x"])
        for first in batch_starts(start, last, days)
    ]
    assert batches[0].start == start
    assert batches[-1].end == last + timedelta(days=1)
    for batch, following in itertools.pairwise(batches):
        assert batch.end == following.start
        assert (batch.end - batch.start).days == days


def test_a_limit_keeps_the_first_windows():
    starts = batch_starts(date(2020, 1, 1), date(2020, 12, 31), 30, 2)
    assert starts == [date(2020, 1, 1), date(2020, 1, 31)]


def test_default_partitions_are_402_iso_dates():
    keys = batch_partitions(Settings()).get_partition_keys()
    assert (len(keys), keys[0], keys[-1]) == (402, "1990-01-01", "2022-12-09")
