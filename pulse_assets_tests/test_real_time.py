"""Revised values through whole trainings: no look-ahead, what becomes stale, what is scored."""

import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from pulse_assets import TrainingConfig, train
from pulse_assets.batches.status import grid_status
from pulse_assets.batches.windows import TrainingBatch
from pulse_assets.history.series import Revisions, Series
from pulse_assets.retrodiction.rules import resolve_rules
from pulse_assets.settings import TrainingOptions
from pulse_assets.stages.columns import list_rows
from pulse_assets_tests.properties import holds_for_all
from pulse_assets_tests.stages.one_batch import run_stages

MONTHS = (np.datetime64("1998-01") + np.arange(108)).astype("M8[D]")
NUMBERS = ("predicted", "weight")
KEY = ("variable", "model", "origin_date", "horizon")


def draw_releases(seed):
    """Return rows (variable, timestamp, value, published_at) of a series and of one it leads."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(len(MONTHS) + 2)
    rows = []
    for name, changes in (("x", common[:-2]), ("y", common[2:])):
        values = 100 + np.cumsum(changes + 0.1 * rng.standard_normal(len(MONTHS)))
        for day, value in zip(MONTHS, values, strict=True):
            published = day + 31 + int(rng.integers(0, 20))
            rows.append((name, day, value, published))
            for _ in range(int(rng.integers(0, 3))):
                published += int(rng.integers(20, 300))
                value += 0.2 * rng.standard_normal()
                rows.append((name, day, value, published))
    return rows


def change_what_comes_later(rows, day, seed):
    """Return the rows with what is published after a day changed, partly removed and added to."""
    rng = np.random.default_rng(seed)
    known = [row for row in rows if row[3] <= day]
    later = []
    for name, month, value, published in (row for row in rows if row[3] > day):
        fate = rng.integers(0, 4)
        if fate < 3:
            later.append((name, month, value + 7.0 * fate, published + int(rng.integers(0, 9))))
    for name, month, value, _ in known[:: int(rng.integers(5, 30))]:
        later.append((name, month, value - 50.0, day + int(rng.integers(500, 900))))
    return known + later


def write(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["variable,timestamp,value,published_at"]
    lines += [",".join(map(str, row)) for row in rows]
    (folder / "panel.csv").write_text("\n".join(lines) + "\n")
    return folder


def config_of(source, store, **changes):
    values = {
        "source": str(source),
        "store": str(store),
        "start_date": "2004-01-01",
        "end_date": "2005-12-31",
        "batch_cadence": "quarterly",
        "models": ["naive", "holt", "ar_diff_3"],
        "horizons": [1, 3],
        "max_workers": 1,
    }
    return TrainingConfig(**values | changes)


def retrodictions(store):
    """Return the numbers of all batches as bytes, and made_at, by `KEY`."""
    numbers, days = {}, {}
    for path in sorted(Path(store).glob("retrodictions/**/*.parquet")):
        table = pq.read_table(path)
        keys = zip(*(table[name].to_pylist() for name in KEY), strict=True)
        numbers_of = [table[name].to_numpy() for name in NUMBERS]
        columns = np.column_stack([*numbers_of, list_rows(table["quantiles"])])
        for key, row, day in zip(keys, columns, table["made_at"].to_pylist(), strict=True):
            numbers[key], days[key] = row.tobytes(), day.date()
    return numbers, days


@holds_for_all(1, 6, seed=st.integers(0, 2**32 - 1), after=st.integers(0, 600))
def test_no_training_uses_what_is_published_after_a_forecast_is_made(seed, after):
    day = np.datetime64("2004-03-01") + after
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), draw_releases(seed)
        changed = change_what_comes_later(rows, day, seed)
        for part, drawn in (("true", rows), ("changed", changed)):
            config = config_of(write(folder / part / "source", drawn), folder / part / "store")
            train(config)
        true, made_at = retrodictions(folder / "true" / "store")
        false, _ = retrodictions(folder / "changed" / "store")
        known = {key for key in true.keys() & false.keys() if made_at[key] <= day.astype(date)}
        assert known
        assert {key for key in known if true[key] != false[key]} == set()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return folder, rows and results of a training over revised series."""
    folder = tmp_path_factory.mktemp("revised")
    rows = draw_releases(5)
    return folder, rows, train(config_of(write(folder / "source", rows), folder / "store"))


def states(folder, rows, **changes):
    """Return the state of each batch once the source has these rows."""
    config = config_of(write(folder / "source", rows), folder / "store", **changes)
    return grid_status(config.settings(), config.options()).states


def test_a_new_release_makes_those_batches_stale_that_may_see_it(trained):
    """The last origin of October to December is November, which is public by 22 December."""
    folder, rows, _ = trained
    day = np.datetime64("2005-01-15")
    new = [*rows, ("x", MONTHS[50], 1.5, day)]
    try:
        found = states(folder, new)
    finally:
        write(folder / "source", rows)
    assert {key for key, state in found.items() if state == "done"} == {
        *("2004-01-01", "2004-04-01", "2004-07-01", "2004-10-01"),
    }
    assert {key for key, state in found.items() if state == "stale"} == {
        *("2005-01-01", "2005-04-01", "2005-07-01", "2005-10-01"),
    }


def test_a_later_release_of_an_outcome_leaves_its_batch_done(trained):
    folder, rows, _ = trained
    outcome = np.datetime64("2005-12-01")
    try:
        found = states(folder, [*rows, ("x", outcome, 1.5, np.datetime64("2009-01-01"))])
    finally:
        write(folder / "source", rows)
    assert set(found.values()) == {"done"}


@pytest.mark.parametrize("score_against", ["first", "2", "latest"])
def test_the_release_that_is_scored_is_the_one_asked_for(tmp_path, score_against):
    rows = draw_releases(8)
    source = write(tmp_path / "source", rows)
    changes = {"end_date": "2004-06-30", "score_against": score_against}
    train(config_of(source, tmp_path / "store", **changes))
    releases = {}
    for name, month, value, _ in sorted(rows, key=lambda row: row[3]):
        releases.setdefault((name, month.astype(date)), []).append(value)
    tables = [pq.read_table(p) for p in (tmp_path / "store").glob("retrodictions/**/*.parquet")]
    for table in tables:
        for row in table.filter(pc.field("model") == "naive").to_pylist():
            own = releases[row["variable"], row["target_date"].date()]
            place = {"first": 0, "2": min(1, len(own) - 1), "latest": -1}[score_against]
            assert row["observed"] == own[place]
            assert row["observed_latest"] == own[-1]


def test_next_forecasts_start_from_the_newest_release(trained):
    folder, rows, _ = trained
    table = pq.read_table(folder / "store" / "next_forecasts" / "next_forecasts.parquet")
    last = max((row for row in rows if row[:2] == ("x", MONTHS[-1])), key=lambda row: row[3])
    naive = table.filter((pc.field("variable") == "x") & (pc.field("model") == "naive"))
    assert (
        set(naive["predicted"].to_pylist()) == set(naive["origin_value"].to_pylist()) == {last[2]}
    )
    assert naive["made_at"][0].as_py().date() == max(row[3] for row in rows).astype(date)


def test_results_tell_what_revisions_do(trained):
    _, _, results = trained
    revisions = results.data["revisions"]
    assert sorted(revisions) == ["x", "y"]
    for board in revisions.values():
        naive = next(row for row in board if row["model"] == "naive")
        assert (naive["skill"], naive["skill_on_latest"], naive["revision_tax"]) == (0.0, 0.0, 0.0)
        assert {row["n"] for row in board if "ar_with" not in row["model"]} == {naive["n"]}


def test_a_source_without_revisions_has_no_revision_tax(tmp_path):
    first = {}
    for row in draw_releases(9):
        first.setdefault(row[:2], row)
    changes = {"end_date": "2004-06-30"}
    source = write(tmp_path / "source", list(first.values()))
    results = train(config_of(source, tmp_path / "store", **changes))
    assert results.data["revisions"] == {}


@pytest.mark.parametrize("calendar", ["business_daily", "monthly"])
def test_a_missing_value_that_is_released_later_changes_no_earlier_forecast(calendar):
    """From its release on it is a value like the others."""
    days = {
        "business_daily": np.busday_offset("2019-01-01", np.arange(200), roll="forward"),
        "monthly": (np.datetime64("2003-01") + np.arange(200)).astype("M8[D]"),
    }[calendar]
    values = 100 + np.random.default_rng(3).standard_normal(200).cumsum()
    values[50] = np.nan
    filled_on = days[-6]
    again = Revisions(np.array([50]), np.array([101.0]), np.array([filled_on]))
    start, end = days[[-60, -1]].astype(object).tolist()
    batch = TrainingBatch("batch", start, end, ("x",))
    options = TrainingOptions(horizons=[1, 2], frequencies={"x": calendar}, history_days=36500)
    rules = resolve_rules(["naive", "ar_diff_3", "holt"])
    tables = []
    for revisions in (None, again):
        series = Series("x", days, values, days + 1, revisions=revisions)
        tables.append(run_stages(batch, {"x": series}, rules, options).retrodictions)
    before = pc.field("made_at") < filled_on.astype(date)
    columns = [*KEY, *NUMBERS, "lower", "upper"]
    plain, filled = (table.filter(before).select(columns).to_pandas() for table in tables)
    assert len(plain) > 100
    assert plain.equals(filled)
    assert not tables[0].select(columns).to_pandas().equals(tables[1].select(columns).to_pandas())


def test_an_outcome_that_was_missing_at_first_is_scored_once_it_is_released():
    days = (np.datetime64("2003-01") + np.arange(60)).astype("M8[D]")
    values = np.arange(60.0)
    values[58] = np.nan
    again = Revisions(np.array([58, 58]), np.array([7.0, 8.0]), days[-2] + np.array([90, 200]))
    series = Series("x", days, values, days + 40, revisions=again)
    batch = TrainingBatch("batch", date(2007, 11, 1), date(2008, 1, 1), ("x",))
    for score_against, observed in (("first", 7.0), ("2", 8.0), ("latest", 8.0)):
        options = TrainingOptions(
            horizons=[1],
            frequencies={"x": "monthly"},
            history_days=3000,
            score_against=score_against,
        )
        stages = run_stages(batch, {"x": series}, resolve_rules(["naive"]), options)
        naive = stages.retrodictions.filter(pc.field("model") == "naive").to_pylist()
        assert {row["target_date"]: row["observed"] for row in naive} == {
            date(2007, 11, 1): observed,
            date(2007, 12, 1): 59.0,
        }
        assert stages.planned["targets"].to_pylist() == [2]
