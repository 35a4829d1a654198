"""A batch's forecasts and scores, compared with numbers computed by hand."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.series import Series
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.score import headline_scores
from pulse_assets_tests.stages.one_batch import run_stages

MONTHS = (np.datetime64("2000-01") + np.arange(60)).astype("datetime64[D]")
BATCH = TrainingBatch("2003-01-01", date(2003, 1, 1), date(2003, 3, 1), ("x",))


def run(values, *, models=("naive", "drift"), horizons=(1, 3), published=None, batch=BATCH):
    """Return forecasts and metrics of one batch of a monthly series."""
    options = TrainingOptions(
        models=list(models),
        horizons=list(horizons),
        interval_level=0.8,
        frequencies={"x": "monthly"},
        history_days=36500,
    )
    series = {"x": Series("x", MONTHS.copy(), np.array(values, float), published)}
    stages = run_stages(batch, series, resolve_rules(options.models or []), options)
    return stages.retrodictions, stages.score()


def row_of(table, **values):
    for name, value in values.items():
        table = table.filter(pc.equal(table[name], value))
    assert table.num_rows == 1
    return table.to_pylist()[0]


def test_every_model_origin_and_horizon_has_its_row():
    forecasts, _ = run(range(60))
    assert forecasts.num_rows == 4 * 2 * 2  # naive, drift and two ensembles; 2 targets; 2 horizons
    row = row_of(forecasts, model="drift", target_date=date(2003, 2, 1), horizon=3)
    assert row["origin_date"] == date(2002, 11, 1)
    assert (row["predicted"], row["observed"]) == (37.0, 37.0)  # a line: drift goes on with it
    assert (row["variable"], row["batch"]) == ("x", "2003-01-01")


def test_scale_is_the_mean_seasonal_difference_up_to_the_origin():
    forecasts, _ = run(np.arange(60.0) ** 2)
    row = row_of(forecasts, model="naive", target_date=date(2003, 1, 1), horizon=1)
    y = np.arange(36.0) ** 2
    assert row["scale"] == pytest.approx(np.abs(y[12:] - y[:-12]).mean(), rel=1e-12)


def test_scores_of_a_line_by_hand():
    _, metrics = run(2.0 * np.arange(60))
    naive = row_of(metrics, model="naive", horizon=3)
    assert (naive["n"], naive["missing"]) == (2, 0)
    assert naive["abs_error"] == naive["naive_abs_error"] == 12.0
    assert naive["mase_scale"] == 24  # a year moves the line by 24
    assert naive["rmsse_scale"] == 2  # a month by 2
    assert (naive["compared"], naive["wins"]) == (2, 1.0)  # of each pair one half
    drift = row_of(metrics, model="drift", horizon=3)
    assert (drift["compared"], drift["wins"], drift["naive_abs_error"]) == (2, 2.0, 12.0)
    assert drift["abs_error"] == pytest.approx(0, abs=1e-9)
    assert np.isnan(row_of(metrics, model="ensemble", horizon=3)["weight"])


def test_a_rule_without_forecasts_is_counted_and_the_ensemble_goes_on():
    forecasts, metrics = run(
        np.sin(np.arange(60)),
        models=["naive", "seasonal_holt_winters"],
        batch=TrainingBatch("2001-03-01", date(2001, 3, 1), date(2001, 4, 1), ("x",)),
    )
    late = row_of(metrics, model="seasonal_holt_winters", horizon=1)
    assert (late["n"], late["missing"], late["compared"], late["wins"]) == (0, 1, 0, 0)
    assert (late["abs_error"], late["naive_abs_error"]) == (0, 0)
    assert np.isnan(late["mase_scale"])
    naive = row_of(forecasts, model="naive", horizon=1)
    assert row_of(forecasts, model="ensemble", horizon=1)["predicted"] == naive["predicted"]


def test_a_late_value_is_an_origin_on_the_day_of_its_publication():
    y = np.arange(60.0)
    published = MONTHS + 70  # two to three months late
    forecasts, _ = run(y, published=published, horizons=(1,))
    row = row_of(forecasts, model="naive", target_date=date(2003, 1, 1))
    assert (row["origin_date"], row["made_at"]) == (date(2002, 12, 1), date(2003, 2, 9))
    assert row["predicted"] == 35.0


def test_a_value_published_after_a_later_one_is_missing_at_both_origins():
    y, published = np.arange(60.0), MONTHS + 10
    published[35] = published[36] + 5
    forecasts, _ = run(y, published=published, horizons=(1,))
    late = row_of(forecasts, model="naive", target_date=date(2003, 1, 1))
    assert (late["predicted"], late["made_at"]) == (34.0, date(2003, 1, 11))
    after = row_of(forecasts, model="naive", target_date=date(2003, 2, 1))
    assert (after["predicted"], after["made_at"]) == (36.0, date(2003, 1, 11))


def test_nothing_after_the_origin_changes_a_forecast():
    rng = np.random.default_rng(3)
    y = rng.normal(size=60).cumsum()
    poisoned = np.where(np.datetime64("2003-02-01") <= MONTHS, 1e6, y)
    columns = ["model", "origin_date", "horizon", "predicted", "lower", "upper", "weight", "scale"]
    before = pc.field("origin_date") < date(2003, 2, 1)
    models = ["naive", "ses", "ar_diff_3"]
    first, second = (run(v, models=models)[0].filter(before).select(columns) for v in (y, poisoned))
    assert first.num_rows == 5 * 4
    assert first.to_pandas().equals(second.to_pandas())


def test_a_skipped_batch_says_why():
    far = TrainingBatch("2010-01-01", date(2010, 1, 1), date(2010, 2, 1), ("x",))
    forecasts, metrics = run(range(60), batch=far)
    assert forecasts.num_rows == 0
    row = metrics.to_pylist()[0]
    assert (row["status"], row["error"]) == ("skipped", "no observation in the window")
    assert (row["variable"], row["skip_reason"]) == ("x", "no observation in the window")
    assert row["model"] is row["horizon"] is row["n"] is row["wins"] is None
    assert headline_scores(metrics) == {}


def test_headline_scores_pool_the_ensemble():
    _, metrics = run(2.0 * np.arange(60))
    rows = metrics.filter(pc.equal(metrics["model"], "ensemble"))
    scores = headline_scores(metrics)
    errors = rows["abs_error"].to_numpy() / rows["mase_scale"].to_numpy()
    assert scores["mase"] == pytest.approx(errors.sum() / rows["n"].to_numpy().sum())
    assert scores["win_share"] == 1.0
    assert scores["skill"] == pytest.approx(0.99)  # no error: the ratio is clipped to 0.01
    assert scores["forecasts"] == 4 * 2 * 2


def test_metrics_fit_the_schema():
    _, metrics = run(range(60))
    assert pa.types.is_dictionary(metrics.schema.field("model").type)
    assert metrics["status"].to_pylist() == ["completed"] * metrics.num_rows
