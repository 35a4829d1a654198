"""Trust after every batch, by hand."""

import pyarrow as pa
import pytest
from scipy.stats import beta

from pulse_assets.schema import BATCH_METRICS, TRUST_LEDGER
from pulse_assets.stages.ledger import build_ledger


def make_metrics(*rows):
    names = ("batch", "variable", "model", "horizon", "hits", "misses")
    records = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(records, BATCH_METRICS)


def test_trust_by_hand():
    metrics = make_metrics(
        ("2020-03-01", "x", "naive", 1, 0, 2),
        ("2020-01-01", "x", "naive", 1, 2, 0),
        ("2020-01-01", "x", "naive", 3, 1, 1),
        ("2020-01-01", "x", "drift", 1, 0, 1),
        ("2020-02-01", None, None, None, None, None),
    )
    ledger = build_ledger([metrics], discount=0.5)
    assert ledger.schema == TRUST_LEDGER
    rows = {(row["model"], row["batch"]): row for row in ledger.to_pylist()}
    first, second = rows["naive", "2020-01-01"], rows["naive", "2020-03-01"]
    assert (first["a"], first["b"]) == (4, 2)  # 1 + 3 hits, 1 + 1 miss
    assert first["trust"] == pytest.approx(4 / 6)
    assert (second["a"], second["b"]) == (2.5, 3.5)  # 1 + 3 / 2, 1 + 1 / 2 + 2
    assert second["lower"] == pytest.approx(beta(2.5, 3.5).ppf(0.05))
    assert second["upper"] == pytest.approx(beta(2.5, 3.5).ppf(0.95))
    assert len(rows) == 3


def test_order_of_rows_does_not_matter():
    rows = [(f"2020-0{b}-01", "x", m, 1, b, 1) for b in range(1, 6) for m in ("naive", "drift")]
    straight, backwards = make_metrics(*rows), make_metrics(*rows[::-1])
    assert build_ledger([straight], 0.9).equals(build_ledger([backwards], 0.9))


def test_no_batch_no_trust():
    assert build_ledger([], 0.9).num_rows == 0
