import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pulse_assets.cli.compare import describe
from pulse_assets.evaluation.comparison import diebold_mariano
from pulse_assets.stages.training_comparison import COMPARED_COLUMNS, compare_trainings


def sums(errors, variable="gdp", horizon=1, **changes):
    """One row per batch with these sums of errors."""
    rows = pd.DataFrame(
        {
            "batch": [f"2020-{i // 28 + 1:02d}-{i % 28 + 1:02d}" for i in range(len(errors))],
            "variable": variable,
            "horizon": horizon,
            "n": 1,
            "missing": 0,
            "abs_error": errors,
            "naive_abs_error": 1.0,
            "quantile_loss": np.asarray(errors) / 2,
        }
    )
    return rows.assign(**changes)


def table(*parts):
    return pa.Table.from_pandas(pd.concat(parts)[[*COMPARED_COLUMNS]], preserve_index=False)


def test_two_batches_by_hand():
    found = compare_trainings(table(sums([3.0, 4.0])), table(sums([2.0, 3.0])))
    assert found.batches == 2
    (gdp,) = found.variables
    assert gdp.error == found.error == pytest.approx(5 / 7 - 1)
    assert gdp.quantile_loss == found.quantile_loss == pytest.approx(5 / 7 - 1)
    assert (gdp.n, gdp.direction) == (2, None)


def test_equal_trainings_do_not_differ():
    same = table(sums([3.0, 0.0, 4.0]), sums([0.0, 0.0, 0.0], variable="peg"))
    found = compare_trainings(same, same)
    assert [(v.error, v.p, v.direction) for v in found.variables] == [(0.0, None, None)] * 2
    assert (found.error, found.left_out) == (0.0, 0)


def test_horizons_count_alike_and_the_test_is_that_of_their_scaled_mean():
    rng = np.random.default_rng(0)
    near, far = rng.random(60), 100.0 * rng.random(60)
    better = near * 0.8, far * rng.uniform(0.5, 1.3, 60)
    first = table(sums(near), sums(far, horizon=2))
    second = table(sums(better[0]), sums(better[1], horizon=2))
    (gdp,) = compare_trainings(first, second).variables
    ratios = [better[0].sum() / near.sum(), better[1].sum() / far.sum()]
    assert gdp.error == pytest.approx(np.sqrt(np.prod(ratios)) - 1)
    scaled = [(b - a) / a.mean() for a, b in ((near, better[0]), (far, better[1]))]
    test = diebold_mariano(np.mean(scaled, axis=0)[:, None], np.array([2]))
    assert gdp.p == pytest.approx(test.p[0])
    assert gdp.direction == "better"


def test_probabilities_are_adjusted_over_the_variables():
    rng = np.random.default_rng(1)
    names = [f"v{i}" for i in range(20)]
    first = {name: rng.random(50) for name in names}
    # One is worse by a clear amount; by chance some of the others would be, without adjustment.
    second = {name: values + rng.normal(0, 0.1, 50) for name, values in first.items()}
    second["v3"] = first["v3"] + 0.2 + rng.normal(0, 0.1, 50)
    parts = [[sums(v, variable=name) for name, v in each.items()] for each in (first, second)]
    found = compare_trainings(*(table(*each) for each in parts))
    assert [v.variable for v in found.variables if v.direction == "worse"] == ["v3"]
    assert found.variables[-1].variable == "v3"  # the largest improvement is first


def test_variables_that_were_scored_on_other_values_are_named():
    first = table(sums([3.0, 4.0]), sums([3.0, 4.0], variable="cpi"))
    second = table(sums([3.0, 4.0], naive_abs_error=[1.0, 1.5]), sums([3.0, 4.0], variable="cpi"))
    difference = compare_trainings(first, second)
    assert difference.other_data == ["gdp"]
    said = " ".join(describe("ensemble", difference))
    assert "not like with like: the errors of naive differ, too, on gdp" in said


def test_only_pairs_that_both_predicted_are_compared():
    first = table(sums([3.0, 4.0, 5.0]), sums([1.0], variable="old"))
    second = table(
        sums([3.0, 9.0, 6.0], missing=[0, 1, 0], n=[1, 0, 1]), sums([1.0], variable="new")
    )
    found = compare_trainings(first, second)
    (gdp,) = found.variables
    assert (found.batches, gdp.n, gdp.error) == (2, 2, pytest.approx(9 / 8 - 1))
    assert (found.only_first, found.only_second) == (["old"], ["new"])
    assert found.left_out == 4


def test_nothing_in_common():
    found = compare_trainings(table(sums([1.0])), table(sums([1.0], variable="cpi")))
    assert (found.batches, found.variables, found.error) == (0, [], None)
