"""What would have been said on a day: from what was public then, and from nothing else."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets.batches.windows import calendar_batch
from pulse_assets.errors import ConfigurationError
from pulse_assets.history.series import Revisions, Series
from pulse_assets.run_training import main
from pulse_assets.stages.as_of import known_outcomes, outcome_days
from pulse_assets_tests.conftest import stored, write_source

MODELS = ["naive", "ses", "ar_diff_3"]
#: Columns that say what is forecast, and how sure it is.
SAID = ["predicted", "lower", "upper", "q0.05", "q0.1", "q0.25", "q0.5", "q0.75", "q0.9", "q0.95"]
DAY = "2005-07-15"


def config_for(folder, source, **changes):
    return TrainingConfig(
        **{
            "source": str(source),
            "store": str(folder / "store"),
            "start_date": "2005-01-01",
            "end_date": "2005-12-31",
            "batch_cadence": "monthly",
            "models": MODELS,
            "horizons": [1, 3],
            "max_workers": 1,
        }
        | changes
    )


def training(folder, source, **changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        return train(config_for(folder, source, **changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training of a whole year, of two monthly series that are public when a month is over."""
    folder = tmp_path_factory.mktemp("as_of")
    return training(folder, write_source(folder / "source"))


def keyed(frame):
    """A frame by variable, model and horizon, with plain names."""
    plain = frame.astype({"variable": str, "model": str})
    return plain.set_index(["variable", "model", "horizon"]).sort_index()


def test_it_is_what_a_training_on_that_day_forecast(trained, tmp_path):
    """With the rows that were public on the day, and no others, in a store of its own."""
    source = write_source(tmp_path / "source")
    for file in source.glob("*.csv"):
        rows = file.read_text().splitlines()
        file.write_text("\n".join(row for row in rows if row < "2005-07" or "value" in row) + "\n")
    then = training(tmp_path, source, end_date="2005-06-30")
    expected, found = keyed(then.forecasts()), keyed(trained.as_of(DAY))
    assert found["origin_date"].unique() == [pd.Timestamp("2005-06-01")]
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_categorical=False)
    assert found.loc[("wave", "ses", 1), "trust"] > 0


def test_with_revisions_it_is_what_was_retrodicted_from_that_day(tmp_path):
    """Vintage by vintage: the retrodictions of the same origin, quantiles and weights, bit for bit.

    The five years that hold the beginning of the history are the same for origin and targets.
    """
    results = training(
        tmp_path,
        "sample-uk",
        variables=["gdp_growth"],
        start_date="2016-01-01",
        end_date="2018-12-31",
        batch_cadence="yearly",
        horizons=[1, 2],
    )
    rows = results.retrodictions()
    days = sorted(rows["made_at"].unique())
    for day in (days[0], days[len(days) // 2], days[-2]):
        expected = keyed(rows[rows["made_at"] == day])
        found = keyed(results.as_of(day.date())).loc[expected.index]
        assert len(expected) >= len(MODELS) + 2
        assert (found["made_at"] == day).all()
        assert (found["origin_date"] == expected["origin_date"]).all()
        assert (found["target_date"] == expected["target_date"]).all()
        np.testing.assert_array_equal(found[SAID], expected[SAID])
        np.testing.assert_allclose(found["weight"], expected["weight"], atol=2**-16)


def test_nothing_published_later_changes_it(tmp_path):
    """Later values are others, some are missing, there are more, and earlier ones are revised."""
    source = write_source(tmp_path / "source")
    file = source / "historical_wave.csv"
    rows = [row.split(",") for row in file.read_text().splitlines()[1:]]
    late = [
        (pd.Timestamp(month) + pd.Timedelta(days=45), row) for row in rows for month in [row[0]]
    ]
    header = "timestamp,value,published_at"
    public = [f"{row[0]},{row[1]},{day.date()}" for day, row in late]
    file.write_text("\n".join([header, *public]) + "\n")
    results = training(tmp_path, source)
    before = results.as_of(DAY)
    known = [text for text, (day, _) in zip(public, late, strict=True) if day <= pd.Timestamp(DAY)]
    later = [f"{row[0]},1e6,{day.date()}" for day, row in late if day > pd.Timestamp(DAY)]
    revised = [f"{row[0]},-1e6,2005-07-16" for day, row in late if day <= pd.Timestamp(DAY)]
    file.write_text("\n".join([header, *known, *later[::2], *revised]) + "\n")
    pd.testing.assert_frame_equal(results.as_of(DAY), before, check_exact=True)
    after = results.as_of("2005-07-16")
    assert not after["predicted"].equals(before["predicted"])


@pytest.mark.slow
def test_forecasts_of_others_count_from_the_day_on_which_they_were_made(tmp_path):
    source = write_source(tmp_path / "source")
    months = pd.date_range("2004-01-01", "2005-12-01", freq="MS")
    rows = [f"wave,{m.date()},3,{(m - pd.Timedelta(days=20)).date()}" for m in months]
    (source / "forecasts_bank.csv").write_text(
        "\n".join(["variable,target_date,predicted,made_at", *rows]) + "\n"
    )
    results = training(tmp_path, source, models=["naive"])
    early, late = (keyed(results.as_of(day)) for day in ("2005-07-11", "2005-07-12"))
    assert math.isnan(early.loc[("wave", "bank", 3), "predicted"])
    assert late.loc[("wave", "bank", 1), "predicted"] == 3


def test_a_batch_counts_once_all_of_its_outcomes_are_known():
    months = np.array(["2020-01-01", "2020-02-01", "2020-03-01"], "M8[D]")
    published = months + np.timedelta64(40, "D")
    again = Revisions(np.array([0]), np.ones(1), np.array(["2021-01-01"], "M8[D]"))
    series = {"gdp": Series("gdp", months, np.zeros(3), published, revisions=again)}
    batches = [calendar_batch(key, "monthly", ["gdp"]) for key in ("2020-01-01", "2020-02-01")]

    def known(day, score_against):
        return sorted(known_outcomes(batches, series, score_against, np.datetime64(day))["gdp"])

    assert known("2020-02-09", "first") == []
    assert known("2020-02-10", "first") == ["2020-01-01"]
    assert known("2020-12-31", "first") == ["2020-01-01", "2020-02-01"]
    assert known("2020-12-31", "latest") == known("2020-12-31", "2") == ["2020-02-01"]
    assert known("2021-01-01", "latest") == ["2020-01-01", "2020-02-01"]
    empty = Series("gdp", months[:1], np.full(1, np.nan), published[:1], revisions=again)
    assert str(outcome_days(empty, "first")[0]) == "2021-01-01"


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (
            "2004-12-31",
            "lies before the first batch, 2005-01-01: choose a later day, or an earlier",
        ),
        ("2999-01-01", "lies in the future: choose a day up to today"),
        ("yesterday", "must be a date like 2008-09-15"),
    ],
)
def test_a_day_that_cannot_be_is_an_error(trained, day, said):
    with pytest.raises(ConfigurationError, match=f"^as of '?{day}'?: {said}"):
        trained.as_of(day)


@pytest.fixture
def pulse(trained, capsys):
    """Run `pulse-train forecast` on the store of the training."""
    settings = trained.data["configuration"]

    def pulse(*words, source=settings["source"], store=settings["store"]):
        given = ("--source", source, "--store", store, "--start-date", "2005-01-01")
        grid = ("--end-date", "2005-12-31", "--batch-cadence", "monthly", "--horizons", "1", "3")
        code = main(["forecast", *words, *given, *grid, "--models", *MODELS])
        said = capsys.readouterr()
        return code, said.out, said.err

    return pulse


def test_the_command_prints_forecasts_quantiles_and_weights(pulse, trained):
    before = stored(trained.store.uri)
    code, out, err = pulse("--as-of", DAY)
    assert (code, err) == (0, "")
    assert "as of 2005-07-15, trust from 6 batches known then\n" in out
    lines = [line.split() for line in out.splitlines()]
    frame = keyed(trained.as_of(DAY))
    one = frame.loc[("wave", "ensemble", 1)]
    row = next(line for line in lines if line[:3] == ["wave", "1", "2005-07-01"])
    assert float(row[3]) == pytest.approx(one["predicted"], rel=1e-3)
    assert "5 %     10 %" in out or "5 %    10 %" in out
    weights = next(line for line in out.splitlines() if line.startswith("  wave: "))
    best = frame.loc["wave"]["weight"].xs(1, level="horizon").idxmax()
    assert weights.startswith(f"  wave: {best} ")
    assert max(map(len, out.splitlines())) <= 80
    assert stored(trained.store.uri) == before


def test_the_command_prints_json(pulse, trained):
    code, out, _ = pulse("--as-of", DAY, "--json")
    said = json.loads(out)
    assert (code, said["as_of"], said["batches"]) == (0, DAY, 6)
    assert said["left_out"] == said["warnings"] == said["problems"] == []
    frame = keyed(trained.as_of(DAY))
    for row in said["forecasts"]:
        expected = frame.loc[(row["variable"], "ensemble", row["horizon"])]
        quantiles = [expected[name] for name in SAID[3:]]
        assert row["quantiles"] == pytest.approx(quantiles)
        assert row["trust"] == pytest.approx(expected["trust"])
    total = sum(row["weight"] for row in said["weights"] if row["variable"] == "wave")
    assert total == pytest.approx(2)  # two horizons


def test_the_frame_warns_of_what_the_command_prints(trained):
    data = dict(trained.data, configuration=trained.data["configuration"] | {"models": ["ses"]})
    other = dataclasses.replace(trained, data=data)
    with pytest.warns(UserWarning, match="trust is of another configuration"):
        assert set(other.as_of(DAY)["model"]) == {"naive", "ses", "ensemble", "ensemble_median"}


def test_trust_of_another_configuration_is_a_warning(pulse, tmp_path):
    code, out, _ = pulse("--as-of", DAY, "--interval-level", "0.8")
    assert code == 0
    assert "computed the trust beside the" in " ".join(out.split())


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2004-12-31", "as of 2004-12-31: lies before the first batch, 2005-01-01"),
        ("2999-01-01", "lies in the future"),
        ("", "as of '': must be a date like 2008-09-15"),
        ("15.7.2005", "as of '15.7.2005': must be a date like 2008-09-15"),
    ],
)
def test_bad_days_are_one_line(pulse, day, said):
    code, out, err = pulse("--as-of", day)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ")
    assert said in err


def short_source(folder, *names):
    """A source of which some series begin late: nine values are public on the day."""
    source = write_source(folder / "short")
    for name in names:
        file = source / f"historical_{name}.csv"
        rows = file.read_text().splitlines()
        file.write_text("\n".join([rows[0], *(row for row in rows[1:] if row > "2004-10")]) + "\n")
    return str(source)


def test_before_enough_history_there_is_one_line(pulse, tmp_path):
    code, out, err = pulse("--as-of", DAY, source=short_source(tmp_path, "line", "wave"))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "line: 9 observations were public on 2005-07-15: 12 are needed: choose a later" in err
    assert "(2 variables have too few)" in err


def test_a_series_without_enough_history_is_named_and_the_others_forecast(pulse, tmp_path):
    code, out, err = pulse("--as-of", DAY, source=short_source(tmp_path, "line"))
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("error: line has no forecast: 9 observations were public on 2005-07-15")
    assert "wave" in out


def test_without_a_training_it_says_so(pulse, tmp_path):
    code, out, err = pulse("--as-of", DAY, store=str(tmp_path / "none"))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "trust_ledger is not in the store" in err
    assert not Path(tmp_path / "none").exists()
