"""What is missing, what failed and what was checked, from tables made by hand."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from pulse_assets.catalog import BATCH_METRICS, NEXT_FORECASTS
from pulse_assets.history.series import Series
from pulse_assets.results import CheckOutcome, RuleErrors
from pulse_assets.stages.outcome import (
    collect_outcomes,
    conclude,
    warnings_of,
)
from pulse_assets.stages.outcome_texts import (
    describe_failed,
    describe_rule_errors,
    describe_unpredicted,
)
from pulse_assets.stages.series_ends import (
    early_ends,
    ends_before,
    left_out,
    observed_dates,
)


def table(*rows):
    return pa.Table.from_pylist(list(rows), BATCH_METRICS)


def scored(batch, variable, model="naive", horizon=1, **more):
    row = {"batch": batch, "status": "completed", "variable": variable, "model": model}
    return row | {"horizon": horizon, "rule_errors": 0} | more


def skipped(batch, variable, reason="no data", status="completed"):
    error = reason if status == "skipped" else None
    row = {"batch": batch, "status": status, "error": error, "variable": variable}
    return row | {"skip_reason": reason}


def failed(batch, message="no luck"):
    return {"batch": batch, "status": "failed", "error_type": "ValueError", "error": message}


def broken(batch, variable, count, origin, message="no", model="own"):
    error = {"error_type": "ValueError", "error": message, "rule_error_origin": origin}
    return [
        scored(batch, variable, model, horizon, **error, rule_errors=count) for horizon in (1, 3)
    ]


def test_skipped_variables_are_counted_over_tables_with_the_first_and_last_batch():
    found = collect_outcomes(
        [
            table(skipped("2020-02-01", "gdp"), scored("2020-02-01", "cpi")),
            table(skipped("2020-01-01", "gdp"), skipped("2020-03-01", "gdp", "short", "skipped")),
        ]
    )
    assert [(s.variable, s.reason, s.count, s.first, s.last) for s in found.skipped] == [
        ("gdp", "no data", 2, "2020-01-01", "2020-02-01"),
        ("gdp", "short", 1, "2020-03-01", "2020-03-01"),
    ]
    assert found.batches == {"completed": 2, "skipped": 1}
    assert found.unpredicted == [{"batch": "2020-03-01", "reason": "short"}]
    assert found.predicted == {"cpi"}
    assert found.never_predicted(["cpi", "rate"]) == ["gdp", "rate"]


def test_errors_of_a_rule_count_each_origin_once_whatever_the_horizons():
    found = collect_outcomes(
        [
            table(
                *broken("2020-02-01", "cpi", 3, date(2020, 1, 20)),
                *broken("2020-02-01", "gdp", 4, date(2020, 1, 10)),
            ),
            table(
                *broken("2020-01-01", "gdp", 5, date(2019, 12, 1)),
                *broken("2020-01-01", "cpi", 1, date(2019, 12, 2), message="other"),
            ),
        ]
    )
    assert found.rule_errors == [
        RuleErrors("own", "ValueError", "no", 12, 2, "gdp", "2019-12-01"),
        RuleErrors("own", "ValueError", "other", 1, 1, "cpi", "2019-12-02"),
    ]
    text = describe_rule_errors(found.rule_errors)
    assert text == (
        "rule own failed from 13 origins with 2 different errors; most often from 12 origins in "
        "2 batches, first of gdp from 2019-12-01: ValueError: no"
    )


def test_equal_failures_are_named_once():
    found = collect_outcomes([table(*(failed(f"2020-0{i}-01") for i in (3, 1, 2)))])
    assert describe_failed(found.failed) == (
        "3 batches failed: 2020-01-01 to 2020-03-01 (3 times ValueError: no luck)"
    )
    many = [{"batch": f"b{i}", "type": "E", "message": str(i)} for i in range(5)]
    assert describe_failed(many).endswith("b2 (E: 2) and 2 more")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], ""),
        ([scored("a", "gdp"), scored("a", "cpi")], ""),
        (
            [skipped("a", "gdp", status="skipped"), failed("b")],
            "no batch was predicted: 1 failed, 1 skipped",
        ),
        (
            [scored("a", "cpi"), skipped("a", "gdp", "no data")],
            "gdp was never predicted: no data",
        ),
        (
            [scored("a", "rate"), skipped("a", "gdp", "no data")],
            "2 variables were never predicted: cpi, gdp (no data)",
        ),
    ],
)
def test_what_was_never_predicted_is_named_with_the_reason(rows, text):
    assert describe_unpredicted(collect_outcomes([table(*rows)]), ["gdp", "cpi"]) == text


@pytest.mark.parametrize(
    ("frequency", "last", "until", "early"),
    [
        ("monthly", "2020-01-01", "2020-05-01", False),  # four steps
        ("monthly", "2020-01-01", "2020-05-02", True),
        ("quarterly", "2020-01-01", "2021-01-01", False),
        ("quarterly", "2020-01-01", "2021-01-02", True),
        ("daily", "2020-01-01", "2020-01-05", False),
        ("daily", "2020-01-01", "2020-01-06", True),
        ("business_daily", "2020-01-03", "2020-01-09", False),  # Friday to Thursday
        ("business_daily", "2020-01-03", "2020-01-10", True),
        ("weekly", "2020-01-03", "2020-01-31", False),
        ("weekly", "2020-01-03", "2020-02-01", True),
    ],
)
def test_a_series_may_end_four_of_its_own_steps_early(frequency, last, until, early):
    dates = {"x": np.array([last], "M8[D]")}
    found = ends_before(dates, {"x": frequency}, date.fromisoformat(until))
    assert found == (["x"] if early else [])


def test_a_step_of_an_irregular_series_is_its_median_gap():
    dates = {"x": np.array(["2020-01-01", "2020-01-11", "2020-02-20", "2020-03-01"], "M8[D]")}
    for until, early in ((date(2020, 4, 10), []), (date(2020, 4, 11), ["x"])):
        assert ends_before(dates, {"x": "irregular"}, until) == early


def test_series_are_compared_with_the_latest_of_all():
    ends = {"gdp": "2019-10-01", "spx": "2022-12-30", "odd": "1999-01-01"}
    dates = {name: np.array([last], "M8[D]") for name, last in ends.items()}
    frequencies = {"gdp": "quarterly", "spx": "business_daily"}
    assert early_ends(dates, frequencies) == {
        "gdp": "gdp ends on 2019-10-01, more than 4 quarterly steps before spx (2022-12-30): its "
        "forecasts start that much earlier"
    }
    assert early_ends({}, {}) == {}


def test_the_rows_of_left_out_variables_are_told_apart():
    made = {"variable": "gdp", "model": "naive", "origin_date": date(2020, 1, 1)}
    forecasts = pa.Table.from_pylist([made, {"variable": "cpi", "error": "short"}], NEXT_FORECASTS)
    assert left_out(forecasts) == {"cpi": "short"}
    days = np.array(["2019-10-01", "2020-01-01", "2020-04-01"], "M8[D]")
    series = {name: Series(name, days, np.ones(3)) for name in ("gdp", "cpi")}
    dates = observed_dates(series, forecasts)
    assert {name: str(of[-1]) for name, of in dates.items()} == {"gdp": "2020-01-01"}


def test_only_failed_errors_are_problems_and_each_is_named_once():
    checks = [
        CheckOutcome("whole", "a", "ERROR", False, "half is gone"),
        CheckOutcome("whole", "b", "ERROR", False, "half is gone"),
        CheckOutcome("blind", "a", "ERROR", None, "not run"),
        CheckOutcome("fresh", "a", "WARN", False, "old"),
        CheckOutcome("silent", "a", "ERROR", False),
    ]
    found = conclude({"models": []}, checks)
    assert found["problems"] == ["half is gone", "silent failed"]
    assert (found["success"], found["models"], len(found["checks"])) == (False, [], 5)
    assert warnings_of(found) == ["old", "not checked: blind"]
    assert conclude({}, checks[2:4])["success"]
