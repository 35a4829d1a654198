"""Somebody else's forecasts: judged, weighed and scored like a rule, as known on each day."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pulse_assets import train
from pulse_assets.dagster.checks.outcomes import every_rule_predicted
from pulse_assets.dagster.checks.stored import StoredBatches
from pulse_assets.execution.batch_task import BatchTask, run_batches
from pulse_assets.preflight import resolve_options
from pulse_assets.storage.layout import object_path
from pulse_assets_tests.execution.test_blocks import batches_of, config_of, run_in_blocks

MONTHS = (np.datetime64("1995-01") + np.arange(180)).astype("M8[D]")
WALK = 50.0 + np.cumsum(np.random.default_rng(7).standard_normal(len(MONTHS)))
#: Each month is published 40 days after it began.
PUBLISHED = MONTHS + 40
HEAD = "variable,target_date,predicted,made_at,origin_date,quantile"
HORIZONS = (1, 2, 3)
#: Of the quantiles, as none are asked for.
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def row(target, value, made_at="", origin="", quantile=""):
    return f"walk,{target},{float(value)!r},{made_at},{origin},{quantile}"


def pairs(first=0):
    """Yield origin and target rows, from a first origin on."""
    for origin in range(first, len(MONTHS)):
        for horizon in HORIZONS:
            if origin + horizon < len(MONTHS):
                yield origin, origin + horizon


def perfect():
    """It knows the future, and labels months by their last day."""
    last_days = (MONTHS.astype("M8[M]") + 1).astype("M8[D]") - 1
    return [row(last_days[t], WALK[t], PUBLISHED[o]) for o, t in pairs()]


def silent():
    """It speaks once, long before the first batch, and at the end of one batch."""
    once = int(np.searchsorted(MONTHS, np.datetime64("2006-01-01")))
    return [row(MONTHS[t], 0.0, PUBLISHED[t - 1]) for t in (60, once)]


def late():
    """It knows everything, and speaks on the day after the outcome is public."""
    return [row(MONTHS[t], WALK[t], PUBLISHED[t] + 1) for t in range(len(MONTHS))]


def banded():
    """Its point forecasts miss by 1; its interval at the default level is uneven."""
    rows = []
    for o, t in pairs():
        levels = {"": WALK[t] + 1, 0.05: WALK[t] - 2, 0.95: WALK[t] + 5, 0.5: WALK[t] - 1}
        rows += [row(MONTHS[t], v, PUBLISHED[o], quantile=q) for q, v in levels.items()]
    return rows


def one_sided():
    """It misses by 1 and gives the quantile 0.75 alone, of every second month the quantile 0.1."""
    rows = []
    for o, t in pairs():
        levels = {"": WALK[t] + 1, 0.75: WALK[t] + 9} | ({0.1: WALK[t] - 8} if t % 2 else {})
        rows += [row(MONTHS[t], v, PUBLISHED[o], quantile=q) for q, v in levels.items()]
    return rows


def earlier():
    """Its quantiles are of a forecast that it has replaced since: they are no longer its own."""
    rows = []
    for o, t in pairs():
        rows.append(row(MONTHS[t], WALK[t] + 1, PUBLISHED[o]))
        if o:
            rows += [
                row(MONTHS[t], WALK[t] + v, PUBLISHED[o] - 1, quantile=q)
                for q, v in (("", 2), (0.05, -50), (0.95, 50))
            ]
    return rows


def staff():
    """It misses by 2, and says from which month it forecasts; revised once, from that month."""
    return [row(MONTHS[t], WALK[t] + 2, origin=MONTHS[o]) for o, t in pairs()]


MODELS = {f.__name__: f for f in (perfect, silent, late, banded, one_sided, earlier, staff)}


def write(folder, **models):
    folder.mkdir(exist_ok=True)
    observed = zip(MONTHS, WALK.tolist(), PUBLISHED, strict=True)
    rows = ["timestamp,value,published_at", *(f"{d},{v!r},{p}" for d, v, p in observed)]
    (folder / "historical_walk.csv").write_text("\n".join(rows) + "\n")
    for name, rows in models.items():
        (folder / f"forecasts_{name}.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    return folder


def config(source, store, **changes):
    values = {"models": ["naive", "holt"], "horizons": list(HORIZONS), "max_partners": 0}
    return config_of(source, store, **values | changes)


def retrodictions(store):
    parts = sorted(Path(store).glob("retrodictions/**/*.parquet"))
    tables = [pd.read_parquet(path) for path in parts]
    return pd.concat(tables, ignore_index=True).astype({"model": str, "variable": str})


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """The retrodictions of all models together, and the folder of the source."""
    folder = tmp_path_factory.mktemp("others")
    source = write(folder / "source", **{name: made() for name, made in MODELS.items()})
    run_in_blocks(config(source, folder / "store"), 12)
    return retrodictions(folder / "store"), source


def test_forecasts_that_no_batch_could_use_are_named_with_the_reason(tmp_path):
    """They are for other dates, or were made after the outcome of the last origin."""
    early = [row(MONTHS[t], 0.0, PUBLISHED[t - 1]) for t in range(20, 30)]
    after = [row(MONTHS[t], 0.0, "2012-01-01") for t in range(len(MONTHS))]
    source = write(tmp_path / "source", early=early, after=after, perfect=perfect())
    results = train(config(source, tmp_path / "store"))
    (message,) = [text for text in results.warnings if "forecasts of others" in text]
    assert message == (
        "forecasts of others that no batch used: after (none is for a date of a batch and was made "
        "by the day of one of its origins), early (they are for 1996-09-01 to 1997-06-01, and the "
        "batches for 2004-03-01 to 2007-01-31)"
    )


def of(rows, model):
    return rows[rows["model"] == model]


def test_a_perfect_forecaster_gets_the_weight(everything):
    rows, _ = everything
    mine = of(rows, "perfect")
    assert np.array_equal(mine["predicted"], mine["observed"])
    assert mine["weight"].min() > 0.9
    ours, naive = (of(rows, name) for name in ("ensemble", "naive"))
    errors = [np.abs(each["predicted"] - each["observed"]).mean() for each in (ours, naive)]
    assert errors[0] < 0.05 * errors[1]


def test_a_silent_forecaster_has_no_forecast_and_no_weight(everything):
    mine = of(everything[0], "silent")
    spoken = mine[mine["predicted"].notna()]
    assert spoken["target_date"].astype(str).unique().tolist() == ["2006-01-01"]
    assert (spoken["predicted"] == 0.0).all()
    rest = mine[mine["predicted"].isna()]
    assert len(rest) > 90
    assert (rest["weight"] == 0.0).all() and rest["lower"].isna().all()


def test_who_speaks_after_the_outcome_is_never_used(everything):
    mine = of(everything[0], "late")
    assert len(mine) and mine["predicted"].isna().all() and (mine["weight"] == 0.0).all()


def test_given_quantiles_of_the_level_are_the_interval(everything):
    mine = of(everything[0], "banded")
    half = 3.5  # bounds are stored to 1/256 of half the width
    assert np.array_equal(mine["predicted"], mine["observed"] + 1)
    assert np.abs(mine["lower"] - (mine["observed"] - 2)).max() <= half / 256
    assert np.abs(mine["upper"] - (mine["observed"] + 5)).max() <= half / 256


def offsets(rows):
    """Distances of the quantiles from the outcomes, [N, L], at the levels of `LEVELS`."""
    return np.stack(rows["quantiles"].tolist()) - rows["observed"].to_numpy()[:, None]


def test_a_given_quantile_counts_at_its_level(everything):
    mine = offsets(of(everything[0], "banded"))
    given = mine[:, [LEVELS.index(level) for level in (0.05, 0.5, 0.95)]]
    assert np.abs(given - [-2, -1, 5]).max() <= 3.5 / 256
    assert (np.diff(mine) >= 0).all()  # those of the errors stand between the given ones
    assert mine.min() >= -2 - 3.5 / 256
    assert mine.max() <= 5 + 3.5 / 256


def test_quantiles_may_be_given_on_one_side_alone(everything):
    """The others are those of its errors, which are always 1; all of them ascend."""
    rows = of(everything[0], "one_sided")
    mine = offsets(rows)
    assert (np.diff(mine) >= 0).all()
    spread = (mine[:, -1] - mine[:, 0]) / 2 / 256
    assert (np.abs(mine[:, 4:] - 9) <= spread[:, None]).all()  # the errors' own are below it
    assert mine[:, 3].max() < 3
    odd = pd.to_datetime(rows["target_date"]).dt.month.to_numpy() % 2 == 0  # months begin at 0
    assert (np.abs(mine[odd, :2] + 8) <= spread[odd, None]).all()
    assert mine[odd, 2].min() > -7
    assert mine[~odd, 0].min() > -7


def test_quantiles_of_an_earlier_forecast_are_not_those_of_a_later_one(everything):
    rows = of(everything[0], "earlier")
    assert np.array_equal(rows["predicted"], rows["observed"] + 1)
    assert np.abs(offsets(rows)).max() < 10


def test_an_interval_without_quantiles_comes_from_the_errors(everything):
    """It is always 2 too high: the median learns that, and the others follow."""
    mine = of(everything[0], "staff")
    half = (mine["upper"] - mine["lower"]) / 2
    assert half.gt(1.0).all() and half.lt(6.0).all()
    assert offsets(mine)[:, LEVELS.index(0.5)].max() < 1.6


def test_a_forecast_with_the_date_of_its_origin_is_made_when_that_is_public(everything):
    mine = of(everything[0], "staff")
    assert np.array_equal(mine["predicted"], mine["observed"] + 2)


def test_each_forecast_is_the_newest_that_was_known(tmp_path):
    """A loop over the file finds the same, whatever is made when."""
    rng = np.random.default_rng(3)
    rows = {}
    for _ in range(500):
        target, value = rng.choice(MONTHS), float(rng.standard_normal())
        made_at = target + int(rng.integers(-150, 40))
        rows[target, made_at] = row(target, value, made_at)
    source = write(tmp_path / "source", random=list(rows.values()))
    run_in_blocks(config(source, tmp_path / "store"), 7)
    mine = of(retrodictions(tmp_path / "store"), "random")
    given = pd.read_csv(source / "forecasts_random.csv", parse_dates=["target_date", "made_at"])
    expected = []
    for pair in mine.itertuples():
        same = given["target_date"] == pd.Timestamp(pair.target_date)
        known = given[same & (given["made_at"] <= pd.Timestamp(pair.made_at))]
        newest = known.sort_values("made_at")["predicted"]
        expected.append(newest.iloc[-1] if len(newest) else np.nan)
    assert 0 < np.isnan(expected).sum() < 0.5 * len(mine)
    np.testing.assert_array_equal(mine["predicted"], expected)


def test_grouping_changes_no_byte(tmp_path):
    """Also where a model speaks for the first time in the middle of a block."""
    models = {name: made() for name, made in MODELS.items()}
    first = int(np.searchsorted(MONTHS, np.datetime64("2005-07-01")))
    models["newcomer"] = [row(MONTHS[t], WALK[t], PUBLISHED[o]) for o, t in pairs(first)]
    source = write(tmp_path / "source", **models)
    stores = {
        size: run_in_blocks(config(source, tmp_path / str(size)), size) for size in (1, 3, 60)
    }
    assert stores[3][1] == stores[1][1]
    assert stores[60][1] == stores[1][1]
    made = retrodictions(tmp_path / "1")
    assert str(of(made, "newcomer")["target_date"].min().date()) == "2005-08-01"


def test_only_batches_that_may_see_a_new_forecast_are_computed_again(tmp_path):
    source = write(tmp_path / "source", perfect=perfect())
    run_in_blocks(config(source, tmp_path / "store"), 5)
    new = row("2006-12-01", 1.0, "2006-03-20")
    write(source, perfect=[*perfect(), new])
    again, _ = run_in_blocks(config(source, tmp_path / "store", resume=True), 5)
    computed = [summary.batch_id for summary in again if not summary.unchanged]
    # The forecasts of March 2006 are made until 12 March, those of April until 9 April.
    assert computed[0] == "2006-04-01"
    assert len(computed) == 10


def test_daily_forecasts_cross_a_holiday(tmp_path):
    """The next observation after a Friday may be a Tuesday: then its forecast is of the Tuesday."""
    days = np.busday_offset("2003-01-01", np.arange(1000), roll="forward")
    days = days[np.arange(len(days)) % 21 != 9]  # a holiday every month or so
    values = np.cumsum(np.random.default_rng(1).standard_normal(len(days)))
    folder = tmp_path / "source"
    folder.mkdir()
    rows = [f"{day},{value!r}" for day, value in zip(days, values.tolist(), strict=True)]
    (folder / "historical_walk.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
    made = [
        row(days[t], values[t], origin=days[t - h]) for h in (1, 5) for t in range(h, len(days))
    ]
    (folder / "forecasts_perfect.csv").write_text("\n".join([HEAD, *made]) + "\n")
    chosen = config(folder, tmp_path / "store", horizons=[1, 5], end_date="2004-06-30")
    run_in_blocks(chosen, 2)
    mine = of(retrodictions(tmp_path / "store"), "perfect")
    assert len(mine) > 100
    assert np.array_equal(mine["predicted"], mine["observed"])


def test_a_batch_without_stored_history_reads_what_is_stored(tmp_path):
    """Computed from its stored history alone, a batch has the same forecasts."""
    source = write(tmp_path / "source", banded=banded())
    chosen = config(source, tmp_path / "store")
    _, objects = run_in_blocks(chosen, 7)
    (source / "forecasts_banded.csv").unlink()
    batches, settings, options = batches_of(chosen)
    tables = frozenset({"training_batches", "retrodictions", "batch_metrics"})
    for batch in batches[:3]:
        run_batches(BatchTask((batch,), settings, options, tables))
        path = object_path("retrodictions", batch.batch_id, "monthly")
        assert (Path(chosen.store) / path).read_bytes() == objects[path]


def test_each_variable_of_a_model_is_used_or_named_with_the_reason(tmp_path):
    """Random models give forecasts of some variables: in time, too late, of other dates, or none.

    What is named is compared with the forecasts that are stored.
    """
    random = np.random.default_rng(0)
    source = write(tmp_path / "source")
    text = (source / "historical_walk.csv").read_text()
    names = ["cpi", "gdp", "walk"]
    for name in names:
        (source / f"historical_{name}.csv").write_text(text)
    rows_of = {
        "in time": lambda name: [row(MONTHS[t], 0.0, PUBLISHED[t - 1]) for t in range(100, 150)],
        "too late": lambda name: [row(MONTHS[t], 0.0, "2012-01-01") for t in range(len(MONTHS))],
        "other dates": lambda name: [row(MONTHS[t], 0.0, PUBLISHED[t - 1]) for t in range(20, 30)],
    }
    given = {}
    for model in ("a", "b", "c", "d", "e"):
        rows = []
        for name in names:
            kind = random.choice(["absent", *rows_of])
            if kind != "absent":
                given[model, name] = kind
                rows += [line.replace("walk", name) for line in rows_of[kind](name)]
        if rows:
            (source / f"forecasts_{model}.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    assert set(given.values()) == set(rows_of)
    made = config(source, tmp_path / "store", variables=names)
    run_in_blocks(made, 12)
    stored = retrodictions(tmp_path / "store")
    used = stored[stored["predicted"].notna() & stored["observed"].notna()]
    used = set(zip(used["model"], used["variable"], strict=True))
    options = resolve_options(made.settings(), made.options())
    told = every_rule_predicted(StoredBatches(made.settings(), options)).values["never_predicted"]
    unused = set()
    for text in told:
        model, variables = re.match(r"(\w+)(?: of ([a-z, ]+))? \(", text).groups()
        every = [name for each, name in given if each == model]
        unused |= {(model, name) for name in (variables.split(", ") if variables else every)}
    assert unused == set(given) - used
    assert unused == {pair for pair, kind in given.items() if kind != "in time"}
