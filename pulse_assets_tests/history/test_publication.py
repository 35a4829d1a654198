"""The day on which each value was public, and on which a forecast from it could be made."""

import numpy as np
import pytest

from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.publication import publication_days
from pulse_assets.history.series import Revisions, Series


def days(*texts):
    return np.array(texts, "M8[D]")


@pytest.mark.parametrize(
    ("frequency", "label", "over"),
    [
        ("daily", "2020-01-04", "2020-01-04"),
        ("business_daily", "2020-01-03", "2020-01-03"),
        ("weekly", "2020-01-06", "2020-01-13"),  # a Monday
        ("weekly", "2020-01-08", "2020-01-13"),
        ("weekly", "2020-01-10", "2020-01-10"),  # a Friday
        ("weekly", "2020-01-12", "2020-01-12"),
        ("2W", "2020-01-06", "2020-01-20"),
        ("2W", "2020-01-10", "2020-01-10"),
        ("10D", "2020-01-06", "2020-01-16"),
        ("monthly", "2020-02-01", "2020-03-01"),
        ("monthly", "2020-02-15", "2020-03-01"),
        ("monthly", "2020-02-29", "2020-02-29"),
        ("monthly", "2020-05-29", "2020-05-29"),  # the last working day
        ("quarterly", "2020-01-01", "2020-04-01"),
        ("quarterly", "2020-03-31", "2020-03-31"),
        ("yearly", "2020-01-01", "2021-01-01"),
        ("yearly", "2020-12-31", "2020-12-31"),
        ("BMS", "2020-02-03", "2020-03-02"),
        ("BME", "2020-01-31", "2020-01-31"),
        ("SMS-15", "2020-01-15", "2020-02-01"),
        ("SME-15", "2020-01-15", "2020-01-15"),
        ("WOM-3FRI", "2020-01-17", "2020-02-21"),
        ("RE-L-JAN-SAT", "2020-01-25", "2020-01-25"),
        ("irregular", "2020-01-17", "2020-01-17"),
    ],
)
def test_a_value_is_public_when_its_period_is_over(frequency, label, over):
    series = Series("x", days(label), np.ones(1))
    assert publication_days(series, get_frequency(frequency)).tolist() == days(over).tolist()
    late = days(over) + 30
    assert publication_days(series, get_frequency(frequency), 30).tolist() == late.tolist()


def test_a_day_that_the_source_gives_stays_whatever_the_lag():
    series = Series("x", days("2020-01-01", "2020-02-01"), np.ones(2), days("2020-01-20", "NaT"))
    known = publication_days(series, get_frequency("monthly"), 10)
    assert known.tolist() == days("2020-01-20", "2020-03-11").tolist()


def test_a_first_release_without_a_day_is_not_later_than_its_revision():
    again = Revisions(np.array([0, 0]), np.array([2.0, 3.0]), days("2020-02-10", "2020-05-01"))
    series = Series("x", days("2020-01-01", "2020-02-01"), np.ones(2), revisions=again)
    known = publication_days(series, get_frequency("monthly"), 45)
    assert known.tolist() == days("2020-02-10", "2020-04-15").tolist()
