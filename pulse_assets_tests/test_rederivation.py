"""A stored training once more in plain Python: scores, trust and leaderboard from raw rows.

Inputs are the source files and the stored tables as pyarrow reads them; `rederived` holds the
definitions. Nothing of the package's maths is used.
"""

import csv
import datetime as dt
import json
import math
from collections import defaultdict
from importlib.resources import files

import pyarrow.parquet as pq
import pytest

from pulse_assets import TrainingConfig, train
from pulse_assets_tests import rederived

pytestmark = pytest.mark.slow

SEASONS = {"gdp_growth": 4, "unemployment_rate": 12, "us_10y_yield": 12}
MONTHS_APART = {"gdp_growth": 3, "unemployment_rate": 1, "us_10y_yield": 1}
HORIZONS = [1, 3, 12]
DISCOUNT = 0.98
LEVEL = 0.8
QUANTILES = [0.025, 0.25, 0.5, 0.75, 0.975]
#: Those asked for, and those of the interval.
LEVELS = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]
HISTORY_DAYS = 7305


def write_source(folder):
    """Copy three bundled series; some values are empty and some rows are gone."""
    folder.mkdir()
    for name in SEASONS:
        text = (files("pulse_assets") / "sample_data" / f"historical_{name}.csv").read_text()
        head, *rows = text.splitlines()
        if name == "us_10y_yield":
            rows = [row for i, row in enumerate(rows) if i % 71 != 5]
            rows = [row.split(",")[0] + "," if i % 53 == 7 else row for i, row in enumerate(rows)]
        (folder / f"historical_{name}.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


class Training:
    """A training of 30 batches, and everything that it stored as plain rows."""

    def __init__(self, folder):
        self.source = write_source(folder / "source")
        self.store = folder / "store"
        results = train(
            TrainingConfig(
                source=str(self.source),
                store=str(self.store),
                start_date="1999-01-01",
                end_date="2001-06-30",
                models=["naive", "ses", "drift", "ar_diff_3", "pulse_assets_tests.own_rules:Shy"],
                horizons=HORIZONS,
                interval_level=LEVEL,
                quantiles=QUANTILES,
                trust_discount=DISCOUNT,
                max_workers=1,
            )
        )
        assert results.success
        self.metrics = self.rows("batch_metrics")
        self.retrodictions = self.rows("retrodictions")
        self.ledger = self.rows("trust_ledger")
        (path,) = (self.store / "training_results").rglob("*.json")
        self.results = json.loads(path.read_text())
        self.skill = self.rows("skill_by_horizon")
        self.stored = [row for row in self.metrics if row["model"] is not None]
        names = ("batch", "variable", "model", "horizon")
        self.scored = [
            dict(zip(names, place, strict=True))
            | rederived.scores(pairs, LEVELS)
            | {"error_saved": math.fsum(pair["saved"] for pair in pairs)}
            for place, pairs in pairs_by_row(self).items()
        ]

    def rows(self, asset):
        paths = sorted((self.store / asset).rglob("*.parquet"))
        rows = [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
        return [{name: as_day(value) for name, value in row.items()} for row in rows]


def as_day(value):
    """Return a stored midnight as a day, and other values as they are."""
    return value.date() if isinstance(value, dt.datetime) else value


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    return Training(tmp_path_factory.mktemp("rederivation"))


def periods(source, name, batch):
    """Return {date: position} and the values of what a batch sees, a NaN for each gap."""
    year = (dt.date.fromisoformat(batch) - dt.timedelta(days=HISTORY_DAYS)).year
    start = dt.date(year - year % 5, 1, 1)  # the batches of five years begin their history together
    with (source / f"historical_{name}.csv").open() as file:
        found = {
            dt.date.fromisoformat(row["timestamp"]): float(row["value"] or "nan")
            for row in csv.DictReader(file)
        }
    found = {date: value for date, value in found.items() if date >= start}
    months = [12 * date.year + date.month - 1 for date in found]
    dates = [
        dt.date(month // 12, month % 12 + 1, 1)
        for month in range(min(months), max(months) + 1, MONTHS_APART[name])
    ]
    assert found.keys() <= set(dates)
    values = [found.get(date, math.nan) for date in dates]
    return {date: position for position, date in enumerate(dates)}, values


def pairs_by_row(training):
    """Return the pairs of each (batch, variable, model, horizon), checked against the source."""
    naive, found, seen, models = {}, defaultdict(list), {}, defaultdict(list)
    for row in training.retrodictions:
        pair = (row["batch"], row["variable"], row["origin_date"], row["horizon"])
        models[pair].append(row)
        if row["model"] == "naive":
            naive[pair] = abs(row["predicted"] - row["observed"])
    saved = {pair: rederived.saved_by_rule(rows) for pair, rows in models.items()}
    for row in training.retrodictions:
        key = row["batch"], row["variable"]
        if key not in seen:
            seen[key] = periods(training.source, row["variable"], row["batch"])
        position, values = seen[key]
        origin = position[row["origin_date"]]
        assert position[row["target_date"]] == origin + row["horizon"]
        assert row["observed"] == values[origin + row["horizon"]]
        scale, square = rederived.scales(values, origin, SEASONS[row["variable"]])
        assert row["scale"] == pytest.approx(scale, rel=2**-21)
        pair = (*key, row["origin_date"], row["horizon"])
        place = row["batch"], row["variable"], row["model"], row["horizon"]
        own = {"square": square, "naive": naive[pair], "saved": saved[pair][row["model"]]}
        found[place].append(row | own)
    return found


#: Numbers of `training_results` have 6 digits.
DIGITS = 6e-6


def assert_same(found, expected, place=None, rel=1e-8, absolute=1e-9):
    for name, value in expected.items():
        stored = math.nan if found[name] is None else found[name]
        assert stored == pytest.approx(value, rel=rel, abs=absolute, nan_ok=True), (place, name)


def test_every_sum_of_every_batch(training):
    assert len(training.stored) == len(training.scored) > 1000
    expected = {place_of(row): row for row in training.scored}
    weights = defaultdict(list)
    for row in training.scored:
        weights[place_of(row)[:3]].append((row["n"] + row["missing"], row["weight"]))
    for row in training.stored:
        own = expected[place_of(row)]
        numbers = ("n", "missing", "compared", "wins", "abs_error", "naive_abs_error")
        exact = {name: own[name] for name in numbers} | rederived.stored_scores(own)
        assert_same(row, exact, place_of(row), rel=2**-21)
        saved = {"error_saved": own["error_saved"]}
        assert_same(row, saved, place_of(row), rel=2**-20, absolute=1e-9 * own["abs_error"])
        of_rule = weights[place_of(row)[:3]]
        weight = math.fsum(n * w for n, w in of_rule) / sum(n for n, _ in of_rule)
        assert_same(row, {"weight": weight}, place_of(row), absolute=2**-13)
        below = rederived.stored_below(own, LEVELS)
        assert row["below"] == pytest.approx(below, rel=1e-12, abs=1e-9, nan_ok=True), place_of(row)
    silent = [row for row in training.scored if row["model"] == "a_shy"]
    assert sum(row["missing"] for row in silent) > 0.05 * sum(row["n"] for row in silent) > 0


def test_every_variable_of_every_batch_is_scored_or_has_its_reason(training):
    planned = {(row["batch"], row["variable"]): row for row in training.rows("training_batches")}
    scored = {(row["batch"], row["variable"]) for row in training.scored}
    skipped = {
        (row["batch"], row["variable"]): row for row in training.metrics if row["model"] is None
    }
    assert scored | skipped.keys() == planned.keys()
    assert not scored & skipped.keys()
    assert len(skipped) > 15  # two months of each quarter have no growth
    for key, row in skipped.items():
        assert row["skip_reason"] == planned[key]["skip_reason"] is not None
        assert all(row[name] is None for name in ("horizon", "n", "wins", "abs_error"))
        some_are_scored = key[0] in {batch for batch, _ in scored}
        assert row["status"] == ("completed" if some_are_scored else "skipped")
        assert (row["error"] is None) is some_are_scored


def test_every_row_of_the_ledger(training):
    expected = rederived.ledger(training.scored, DISCOUNT)
    found = {
        (row["variable"], row["model"], row["horizon"], row["batch"]): row
        for row in training.ledger
    }
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert_same(row, expected[key], key, rel=1e-7, absolute=2**-13)
    latest = {row["trust"] for row in training.ledger if row["model"] in ("naive", "a_shy")}
    assert latest == {0.5}


def latest_trust(training, horizon):
    """Return {(variable, model): ledger row after its last batch}."""
    rows = [row for row in training.ledger if row["horizon"] == horizon]
    return {(r["variable"], r["model"]): r for r in sorted(rows, key=lambda row: row["batch"])}


def general(model):
    """The name of a rule in what is pooled over variables."""
    return "ar_with_*" if model.startswith("ar_with_") else model


def test_the_calibration(training):
    found = training.results["calibration"]
    assert found["levels"] == LEVELS
    models, variables = defaultdict(list), defaultdict(list)
    for row in training.scored:
        models[general(row["model"])].append(row)
        if row["model"] == "ensemble":
            variables[row["variable"]].append(row)
    for counts, groups in ((found["models"], models), (found["variables"], variables)):
        assert counts.keys() == groups.keys()
        for name, rows in groups.items():
            expected = rederived.calibration(rows, LEVELS)
            assert counts[name] == expected | {
                "below": pytest.approx(expected["below"], rel=DIGITS)
            }
    ours = found["models"]["ensemble"]
    assert ours["n"] > 200
    assert min(ours["pit"]) > 0


def expected_board(training, variable):
    """Rebuild the leaderboard of one variable, or of all with None, in its order."""
    chosen = [row for row in training.scored if variable in (None, row["variable"])]
    if variable is None:
        chosen = [row | {"model": general(row["model"])} for row in chosen]
    trust = latest_trust(training, None)
    pairs = sum(row["n"] for row in chosen if row["model"] == "naive")
    errors = defaultdict(float)
    for row in chosen:
        errors[row["variable"], row["horizon"]] += (row["model"] == "ensemble") * row["abs_error"]
    board = []
    for model in {row["model"] for row in chosen}:
        rows = [row for row in chosen if row["model"] == model]
        row = rederived.leaderboard_row(rows)
        of_several = model in ("ensemble", "ensemble_median", "ar_with_*")
        row["worth"] = math.nan if of_several else rederived.worth(rows, errors)
        named = general if variable is None else str
        laws = [trust[v, m] for v, m in trust if named(m) == model and variable in (None, v)]
        names = {"trust": "trust", "trust_lower": "lower", "trust_upper": "upper"}
        row |= {name: rederived.mean(law[of] for law in laws) for name, of in names.items()}
        if variable is None:  # they are in the unit of a variable
            row |= {"pinball": math.nan, "wis": math.nan}
        partial = row["n"] < 0.95 * pairs
        if model == "ar_with_*":
            boards = [expected_board(training, name) for name in SEASONS]
            rules = [r for board in boards for r in board if r["model"].startswith("ar_with_")]
            partial = any(rule["partial"] for rule in rules)
        board.append(row | {"model": model, "partial": partial})

    def rank(row):
        undefined = math.isnan(row["skill"])
        skill = 0.0 if undefined else round(row["skill"], 12)
        return row["partial"], undefined, -skill, row["model"] != "naive", row["model"]

    return sorted(board, key=rank)


def place_of(row):
    return row["batch"], row["variable"], row["model"], row["horizon"]


def test_weights_add_up_to_one_and_quantiles_ascend(training):
    sums, rows = defaultdict(float), training.retrodictions
    for row in rows:
        if not row["model"].startswith("ensemble"):
            sums[row["batch"], row["variable"], row["origin_date"], row["horizon"]] += row["weight"]
        quantiles = row["quantiles"]
        assert len(quantiles) == len(LEVELS)
        bounds = [quantiles[LEVELS.index(level)] for level in (0.1, 0.9)]
        assert [row["lower"], row["upper"]] == pytest.approx(bounds, rel=0, abs=0, nan_ok=True)
        assert quantiles == sorted(quantiles) or all(map(math.isnan, quantiles))
    assert set(sums.values()) == {1.0}


def assert_boards_agree(found, expected):
    assert [row["model"] for row in found] == [row["model"] for row in expected]
    for row, other in zip(found, expected, strict=True):
        assert row["partial"] is other.pop("partial")
        assert row["model"] == other.pop("model")
        assert row.keys() - {"model", "partial"} == other.keys()
        assert_same(row, {"weight": other.pop("weight")}, row["model"], absolute=2**-13)
        assert_same(row, other, row["model"], rel=DIGITS, absolute=1e-6)


def test_the_leaderboards(training):
    results = training.results
    assert_boards_agree(results["models"], expected_board(training, None))
    assert results["models_by_variable"].keys() == SEASONS.keys()
    for variable, board in results["models_by_variable"].items():
        assert_boards_agree(board, expected_board(training, variable))


def test_a_rule_that_repeats_naive_and_is_silent_at_times_has_skill_zero(training):
    boards = [training.results["models"], *training.results["models_by_variable"].values()]
    for board in boards:
        (shy,) = [row for row in board if row["model"] == "a_shy"]
        assert shy["skill"] == 0.0
        assert (shy["win_rate"], shy["trust"], shy["partial"]) == (0.5, 0.5, True)


def test_skill_and_trust_by_horizon(training):
    rows = training.skill
    expected = {
        key
        for r in training.scored
        for key in (
            (None, general(r["model"]), r["horizon"]),
            (r["variable"], r["model"], r["horizon"]),
        )
    }
    assert {(row["variable"], row["model"], row["horizon"]) for row in rows} == expected
    assert len(rows) == len(expected)
    for row in rows:
        of = [
            r
            for r in training.scored
            if row["horizon"] == r["horizon"]
            and (row["variable"], row["model"])
            in ((r["variable"], r["model"]), (None, general(r["model"])))
        ]
        pooled = rederived.leaderboard_row(of)
        wanted = {name: pooled[name] for name in ("skill", "mase", "n")}
        assert_same(row, wanted, row, rel=2e-6, absolute=2e-6)
        trust = latest_trust(training, row["horizon"])
        laws = [trust[place]["trust"] for place in {(r["variable"], r["model"]) for r in of}]
        assert row["trust"] == pytest.approx(rederived.mean(laws), rel=1e-9)


def test_the_details_of_each_variable(training):
    details = training.results["variables"]["details"]
    assert details.keys() == SEASONS.keys()
    for variable, entry in details.items():
        board = expected_board(training, variable)
        (ours,) = [row for row in board if row["model"] == "ensemble"]
        names = ("trust", "trust_lower", "trust_upper", "skill", "mase", "n")
        assert_same(
            entry, {name: ours[name] for name in names}, variable, rel=DIGITS, absolute=1e-6
        )
        (naive,) = [row for row in board if row["model"] == "naive"]
        complete = [row for row in board if row["n"] == naive["n"]]
        assert entry["best_model"] == min(complete, key=lambda r: (r["mase"], r["model"]))["model"]
        assert training.results["variables"]["trust_scores"][variable] == entry["trust"]
