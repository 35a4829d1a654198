import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.catalog import SCORES_BY_PERIOD
from pulse_assets.stages.reasons import explain, explain_variables, weights_by_year


def scores(rows, variable="gdp"):
    """Rows of `SCORES_BY_PERIOD`: (year, model, weight, skill), of 12 pairs each."""
    frame = pd.DataFrame(rows, columns=["period", "model", "weight", "skill"])
    frame = frame.assign(kind="year", variable=variable, n=12)
    records = frame.reindex(columns=SCORES_BY_PERIOD.names).astype(object)
    return pa.Table.from_pylist(
        records.where(records.notna(), None).to_dict("records"), SCORES_BY_PERIOD
    )


def board(**worth):
    return {"gdp": [{"model": name, "worth": value} for name, value in worth.items()]}


def test_weights_are_sorted_by_year_and_ensembles_have_none():
    rows = [("2009", "ses", 0.7, 0.1), ("2008", "ses", 0.2, 0.2), ("2008", "naive", 0.8, 0.0)]
    (years,) = weights_by_year(scores([*rows, ("2009", "ensemble", None, 0.3)]))
    assert (years.variable, years.years, years.rules) == ("gdp", ["2008", "2009"], ["naive", "ses"])
    np.testing.assert_allclose(years.weight, [[0.8, 0.2], [0.0, 0.7]], atol=1e-6)
    assert years.leaders == ["naive", "ses"]


def sentences(rows, **worth):
    return explain_variables(scores(rows), board(**worth))["gdp"]


def test_three_sentences():
    rows = [
        *(("2007", "ses", 0.6, 0.1), ("2007", "holt", 0.4, 0.2)),
        *(("2008", "ses", 0.4, -0.5), ("2008", "holt", 0.6, 0.25)),
        *(("2009", "ses", 0.3, 0.4), ("2009", "holt", 0.7, 0.1)),
    ]
    assert sentences(rows, holt=0.021, ses=-0.004) == [
        "holt carries 70 % of the ensemble in 2009, then ses 30 %; most since 2008.",
        "It was closer than naive in 3 of 3 years; it lost most in 2009, to ses: 50 % more error.",
        "Without it the ensemble's errors would be 2.1 % larger, without ses 0.4 % smaller.",
    ]


def test_one_rule_in_one_year():
    assert sentences([("2009", "ses", 1.0, 0.25)], ses=0.0) == [
        "ses carries 100 % of the ensemble in 2009.",
        "It was closer than naive in 1 of 1 year, and no other rule was closer than it in any.",
        "Without it the ensemble's errors would be as large.",
    ]


def test_naive_in_the_lead_is_not_compared_with_itself():
    rows = [("2009", "naive", 0.9, 0.0), ("2009", "ses", 0.1, -0.2)]
    assert sentences(rows, naive=0.01, ses=0.002) == [
        "naive carries 90 % of the ensemble in 2009, then ses 10 %.",
        "Without it the ensemble's errors would be 1.0 % larger.",
    ]


def test_without_weights_nothing_is_said():
    assert sentences([("2009", "ses", 0.0, 0.1)]) == []
    assert explain_variables(SCORES_BY_PERIOD.empty_table(), {}) == {}


def test_undefined_skill_is_passed_over():
    rows = [("2008", "ses", 0.6, None), ("2009", "ses", 0.6, None), ("2009", "holt", 0.4, 0.1)]
    (years,) = weights_by_year(scores(rows))
    assert len(explain(years, [])) == 1
