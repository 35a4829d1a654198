import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pulse_assets.catalog import RETRODICTIONS
from pulse_assets.history.series import Series
from pulse_assets.report.gallery import (
    POINTS,
    RECENT,
    choose_models,
    forecast_figures,
    keep_extremes,
    next_figures,
    skill_figures,
    trust_figures,
    with_later_observations,
)
from pulse_assets_tests.report.made import (
    LEVELS,
    make_forecasts,
    make_ledger,
    make_pairs,
    make_results,
    make_retrodictions,
    make_summary,
    score_pairs,
)


def board(*rows):
    return [{"model": model, "partial": n < 9} for model, n in rows]


def test_the_two_complete_rules_of_highest_skill_are_compared():
    rows = board(("late", 3), ("ensemble", 9), ("theta", 9), ("naive", 9), ("ses", 9), ("drift", 9))
    assert choose_models(rows) == {
        "ensemble": "ensemble",
        "best": "theta",
        "second": "ses",
        "naive": "naive",
    }


def test_fewer_rules_are_fewer_lines():
    rows = board(("ensemble", 9), ("ensemble_median", 9), ("ses", 9), ("naive", 9))
    assert choose_models(rows) == {"ensemble": "ensemble", "best": "ses", "naive": "naive"}


def series(length):
    error = np.sin(np.arange(length))
    return pd.DataFrame({"observed": 5.0 + error, "predicted": 5.0}, index=range(10, 10 + length))


def test_a_short_series_is_kept_whole():
    rows = series(2 * POINTS)
    assert keep_extremes(rows) is rows


def test_a_long_series_keeps_its_outliers_and_its_order():
    rows = series(8000)
    rows.loc[[1234, 5678], "observed"] = [50.0, -50.0]
    kept = keep_extremes(rows)
    assert len(kept) <= 2 * POINTS
    assert {1234, 5678} <= set(kept.index)
    assert kept.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(kept, rows.loc[kept.index])


def test_extremes_are_taken_from_each_block():
    rows = series(3 * POINTS)
    kept = keep_extremes(rows)
    assert set(np.arange(len(rows))[rows.index.isin(kept.index)] // 3) == set(range(POINTS))


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


def test_captions_bear_the_numbers(pairs):
    rows = pairs[(pairs["variable"] == "gdp") & (pairs["horizon"] == 1)]
    mae = rows["error"].abs().groupby(rows["model"]).mean()
    inside = (rows[rows["model"] == "ensemble"]["error"].abs() <= 1.5).mean()
    (figure,) = forecast_figures(["gdp"], make_retrodictions(pairs))
    assert figure.note == (
        f"horizon 1: mean absolute error {mae['ensemble']:.3g}, naive {mae['naive']:.3g}; "
        f"{100 * inside:.0f} % inside the interval"
    )
    assert figure.alt == "Line chart: gdp predicted and observed, 2020-01-01 to 2020-04-04."


def test_trust_is_told_in_words(pairs):
    results, ledger = make_results(pairs), make_ledger(score_pairs(pairs))
    (figure,) = trust_figures(results, ["gdp"], ledger)
    rows = ledger.to_pandas()
    rows = rows[(rows["variable"] == "gdp") & (rows["model"] == "ensemble")]
    rows = rows[rows["horizon"].isna()]  # those over all horizons
    first, last = rows["trust"].iloc[[0, -1]]
    assert figure.alt == (
        f"Line chart: trust in the ensemble for gdp went from {first:.2f} to {last:.2f}."
    )
    assert figure.note.endswith(f"{last:.2f}")


def test_skill_is_drawn_by_variable_and_told_in_words(pairs):
    results, table, *_ = make_summary(pairs)
    (gdp,) = skill_figures(results, ["gdp"], table)
    skill = {
        row["horizon"]: row["skill"]
        for row in table.to_pylist()
        if row["variable"] == "gdp" and row["model"] == "ensemble"
    }
    assert gdp.alt.endswith(f"{100 * skill[1]:.1f} % at 1, {100 * skill[3]:.1f} % at 3.")
    assert "naive" not in gdp.legend


def test_next_forecasts_are_nested_intervals_from_the_last_observation(pairs):
    (figure,) = next_figures(["gdp"], make_retrodictions(pairs), make_forecasts(), LEVELS)
    assert figure.legend["ensemble"] == "next, with an interval of 80 %"
    (band,) = re.findall(r'<path d="M([^"]*)Z" [^>]*fill-opacity="0?.22"', figure.svg)
    points = [tuple(map(float, point.split())) for point in band.split("L")]
    # from 9 to 10 +- 1.5 and 12 +- 1.5, there above and back below
    (at, start), (_, above), (_, far), (_, under), (_, below), end = points
    assert end == (at, start)
    unit = (below - above) / 3.0
    assert [start - above, start - far, start - under] == pytest.approx(
        [2.5 * unit, 4.5 * unit, 1.5 * unit], abs=0.02
    )


def test_of_many_intervals_the_narrowest_and_the_widest_are_named(pairs):
    levels = [round(level / 100, 2) for level in range(1, 100)]
    quantiles = pa.array([[10.0] * 99] * len(pairs["variable"].unique()) * 10)
    forecasts = make_forecasts()
    place = forecasts.schema.get_field_index("quantiles")
    forecasts = forecasts.set_column(place, "quantiles", quantiles[: forecasts.num_rows])
    (figure,) = next_figures(["gdp"], make_retrodictions(pairs), forecasts, levels)
    assert figure.legend["ensemble"] == "next, with 49 intervals of 2 to 98 %"
    # Where all overlap, half of the colour: (1 - 0.014)^49
    assert figure.svg.count('fill-opacity=".014"') == 49


def test_pairs_without_forecast_or_outcome_are_not_drawn(pairs):
    broken = pairs.copy()
    broken.loc[broken["batch"] == "2020-01-01", "predicted"] = np.nan
    (figure,) = forecast_figures(["gdp"], make_retrodictions(broken))
    assert "2020-01-31 to 2020-04-04" in figure.alt


def test_a_daily_series_of_decades_stays_small():
    long = make_pairs(
        variables=("spx",),
        models=("naive", "ensemble"),
        horizons=(1,),
        batches=["1990-01-01"],
        days=8000,
    )
    (figure,) = forecast_figures(["spx"], make_retrodictions(long))
    assert len(figure.svg) < 80_000


def test_observations_after_the_last_target_are_drawn_without_a_forecast():
    days = (np.datetime64("2020-01") + np.arange(60)).astype("M8[D]")
    values = np.arange(60.0)
    values[20] = np.nan
    made = {"variable": "gdp", "horizon": 2, "target_date": days[18].item(), "observed": 18.0}
    rows = [made | {"model": model, "predicted": 1.0} for model in ("ensemble", "naive")]
    retrodictions = pa.Table.from_pylist(rows, RETRODICTIONS)
    drawn = with_later_observations(retrodictions, {"gdp": Series("gdp", days, values)})
    assert drawn.slice(0, 2).equals(retrodictions)
    later = drawn.slice(2).to_pylist()
    assert [row["observed"] for row in later] == [19.0, *range(21, 60)][-RECENT:]
    assert {(row["model"], row["horizon"], row["predicted"]) for row in later} == {
        ("ensemble", 2, None)
    }
    none = with_later_observations(retrodictions, {"gdp": Series("gdp", days[:19], values[:19])})
    assert none.equals(retrodictions)
