"""Trust after every batch, by hand."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.stats import beta

from pulse_assets.catalog import BATCH_METRICS, TRUST_LEDGER
from pulse_assets.stages.ledger import LatestTrust, build_ledger, latest_trust
from pulse_assets_tests.rederived import beta_law


def make_metrics(*rows):
    names = ("batch", "variable", "model", "horizon", "wins", "compared")
    records = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(records, BATCH_METRICS)


METRICS = make_metrics(
    ("2020-03-01", "x", "drift", 1, 0.0, 2),
    ("2020-01-01", "x", "drift", 1, 3.0, 4),
    ("2020-01-01", "x", "drift", 3, 0.5, 2),
    ("2020-01-01", "x", "naive", 1, 2.0, 4),
    ("2020-02-01", "x", None, None, None, None),
    ("2020-02-01", None, None, None, None, None),
)
ANOTHER = make_metrics(("2020-01-01", "y", "drift", 1, 1.0, 4))


def rows_of(ledger):
    keys = ("model", "horizon", "batch")
    return {tuple(row[key] for key in keys): row for row in ledger.to_pylist()}


def assert_law(row, a, b):
    """Trust and its bounds are those of Beta(a, b), to the nearest multiple of 2^-12."""
    expected = [a / (a + b), *beta(a, b).ppf([0.05, 0.95])]
    assert [row["trust"], row["lower"], row["upper"]] == pytest.approx(expected, abs=2**-13)


def test_trust_by_hand():
    ledger = build_ledger([METRICS], discount=0.5)
    assert ledger.schema == TRUST_LEDGER
    rows = rows_of(ledger)
    # drift: two horizons after their last batches, both horizons after each of two batches; naive
    assert len(rows) == 2 + 2 + 1 + 1
    first = rows_of(build_ledger([METRICS.slice(1, 1)], discount=0.5))["drift", 1, "2020-01-01"]
    assert_law(first, 4, 2)  # 1 + 3 wins, 1 + 1
    assert ("drift", 1, "2020-01-01") not in rows
    second = rows["drift", 1, "2020-03-01"]
    assert_law(second, *beta_law([3, 0], [4, 2], 0.5, [1]))
    overall = rows["drift", None, "2020-01-01"]
    assert (overall["wins"], overall["compared"]) == (3.5, 6)
    # each of the six pairs counts 1 / (h H) = 1 / (3 * 2)
    assert_law(overall, 1 + 3.5 / 6, 1 + 2.5 / 6)
    assert rows["naive", None, "2020-01-01"]["trust"] == 0.5


def test_the_latest_trust_is_over_all_horizons_unless_asked_for():
    ledger = build_ledger([METRICS], discount=0.5)
    latest = latest_trust(ledger).set_index("model")
    assert latest.loc["drift", "batch"] == "2020-03-01"
    by_horizon = latest_trust(ledger, by_horizon=True).set_index(["model", "horizon"])
    assert by_horizon["batch"].to_dict() == {
        ("drift", 1): "2020-03-01",
        ("drift", 3): "2020-01-01",
        ("naive", 1): "2020-01-01",
    }
    assert latest_trust(ledger.slice(0, 0), by_horizon=True).empty


def test_the_latest_trust_of_a_variable_is_that_of_its_last_batches():
    ledger = build_ledger([METRICS, ANOTHER], discount=0.5)
    trust, rows = LatestTrust(ledger), rows_of(ledger.filter(pc.field("variable") == "x"))
    expected = {(model, h): row["trust"] for (model, h, _), row in rows.items() if h is not None}
    assert len(expected) == 3
    assert trust("x") == expected
    assert trust("y").keys() == {("drift", 1)}
    assert trust("none of them") == LatestTrust(ledger.slice(0, 0))("x") == {}


def test_the_latest_trust_does_not_depend_on_the_order_of_the_rows():
    ledger = build_ledger([METRICS, ANOTHER], discount=0.5)
    backwards = ledger.take(list(range(len(ledger)))[::-1])
    for by_horizon in (False, True):
        latest = latest_trust(ledger, by_horizon=by_horizon)
        assert latest.equals(latest_trust(backwards, by_horizon=by_horizon))


def test_order_of_rows_and_parts_does_not_matter():
    rows = [(f"2020-0{b}-01", "x", m, 1, b, 9) for b in range(1, 6) for m in ("naive", "drift")]
    straight, backwards = make_metrics(*rows), make_metrics(*rows[::-1])
    parts = [make_metrics(*rows[5:]), make_metrics(*rows[:5])]
    assert build_ledger([straight], 0.9).equals(build_ledger([backwards], 0.9))
    assert build_ledger([straight], 0.9).equals(build_ledger(parts, 0.9))


def test_no_batch_no_trust():
    assert build_ledger([], 0.9).num_rows == 0
