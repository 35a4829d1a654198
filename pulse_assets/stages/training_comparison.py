"""How the errors of two trainings differ, from the sums that both have stored of the same batches.

A batch counts where both trainings have a forecast of each of its pairs. Neither is computed again.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from pulse_assets.array_types import Floats, Ints
from pulse_assets.evaluation.comparison import (
    SIGNIFICANCE,
    adjust_probabilities,
    diebold_mariano,
    steps_between_batches,
)
from pulse_assets.retrodiction.scores import log_ratios

#: Columns of `batch_metrics` that are compared.
COMPARED_COLUMNS: Final = (
    "batch",
    "variable",
    "horizon",
    "n",
    "missing",
    "abs_error",
    "naive_abs_error",
    "quantile_loss",
)
_PAIR: Final = ["batch", "variable", "horizon"]


@dataclass(frozen=True)
class VariableDifference:
    """How the second training differs from the first on one variable.

    Attributes:
        variable: its name.
        n: verified pairs of each that are compared.
        error: by how much the sum of absolute errors is larger in the second, 0.01 is 1 %; the
            geometric mean over horizons of the ratios, each clipped to 0.01..100. None: undefined.
        quantile_loss: by how much the quantile loss is larger, likewise.
        p: probability of such a difference between equally accurate forecasts, by the test of
            Diebold and Mariano, adjusted over the variables by Benjamini and Hochberg; None:
            undefined, as between equal forecasts.
        direction: `better` or `worse` if the second is so by more than chance, else None.
    """

    variable: str
    n: int
    error: float | None
    quantile_loss: float | None
    p: float | None
    direction: str | None


@dataclass(frozen=True)
class TrainingDifference:
    """How two trainings differ.

    Attributes:
        batches: batches that are compared.
        variables: the differences by variable, the largest improvement first.
        error: the geometric mean of those of the variables and horizons, see `VariableDifference`.
        quantile_loss: likewise.
        only_first: variables that only the first one scores.
        only_second: variables that only the second one scores.
        left_out: sums of batches that are not compared, because only one training has them or a
            forecast of each of their pairs.
        other_data: variables on which the errors of naive differ, too: the two trainings had other
            values, or knew them on other days.
    """

    batches: int
    variables: list[VariableDifference]
    error: float | None
    quantile_loss: float | None
    only_first: list[str]
    only_second: list[str]
    left_out: int
    other_data: list[str]


def compare_trainings(first: pa.Table, second: pa.Table) -> TrainingDifference:
    """Compare the sums of one model in two trainings.

    Args:
        first: `COMPARED_COLUMNS` of `batch_metrics`, the rows of one model.
        second: likewise.

    Example:
        The sums of the only horizon are 3 and 4 in two batches, and in the second training 2 and 3.
        Its errors are 5 / 7 - 1 = 28.6 % smaller.
    """
    mine, theirs = (_of_batches(table) for table in (first, second))
    both = mine.merge(theirs, on=_PAIR, suffixes=("", "_second"), how="inner")
    whole = (both[["missing", "missing_second"]] == 0).all(axis=1) & (both["n"] > 0)
    both = both[whole & (both["n"] == both["n_second"])]
    names = [set(table["variable"].dropna()) for table in (mine, theirs)]
    groups = both.groupby("variable", sort=True)
    results = [_of_variable(rows) for _, rows in groups]
    adjusted = adjust_probabilities(np.array([result.p for result in results]))
    variables = [
        VariableDifference(
            str(name),
            int(rows["n"].sum()),
            _growth(result.log_error),
            _growth(result.log_loss),
            _defined(p),
            _direction(result.statistic, p),
        )
        for (name, rows), result, p in zip(groups, results, adjusted, strict=True)
    ]
    return TrainingDifference(
        batches=both["batch"].nunique(),
        variables=sorted(variables, key=_improvement),
        error=_growth(_joined([result.log_error for result in results])),
        quantile_loss=_growth(_joined([result.log_loss for result in results])),
        only_first=sorted(names[0] - names[1]),
        only_second=sorted(names[1] - names[0]),
        left_out=len(mine) + len(theirs) - 2 * len(both),
        other_data=_of_other_data(both),
    )


def _of_other_data(both: pd.DataFrame) -> list[str]:
    """Return the variables on which the errors of naive differ by more than rounding."""
    first, second = (both[f"naive_abs_error{suffix}"] for suffix in ("", "_second"))
    differ = ~np.isclose(first, second, rtol=1e-9, atol=0.0)
    return sorted(map(str, both["variable"][differ].unique()))


@dataclass(frozen=True)
class _Tested:
    """The logarithms of the ratios at each horizon [H], and the test over all horizons."""

    log_error: Floats
    log_loss: Floats
    statistic: float
    p: float


def _of_batches(table: pa.Table) -> pd.DataFrame:
    frame = table.select(COMPARED_COLUMNS).to_pandas()
    return frame.astype({"batch": object, "variable": object})


def _of_variable(rows: pd.DataFrame) -> _Tested:
    """Test the sums of one variable over all horizons, each relative to the first one's mean."""
    errors = [
        rows.pivot_table(index="batch", columns="horizon", values=name)
        for name in ("abs_error", "abs_error_second")
    ]
    scale = errors[0].mean()
    differences = ((errors[1] - errors[0]) / scale.where(scale > 0.0)).mean(axis=1).to_numpy()
    targets = rows.groupby("horizon")["n"].mean().to_numpy()
    horizons = errors[0].columns.to_numpy(np.int64)
    steps: Ints = steps_between_batches(horizons, targets).max(initial=1)[None]
    test = diebold_mariano(differences[:, None], steps)
    log_error, log_loss = (_log_ratios(rows, name) for name in ("abs_error", "quantile_loss"))
    return _Tested(log_error, log_loss, float(test.statistic[0]), float(test.p[0]))


def _log_ratios(rows: pd.DataFrame, name: str) -> Floats:
    """Return log(second / first) of the sums at each horizon [H]."""
    sums = rows.groupby("horizon")[[name, f"{name}_second"]].sum(min_count=1)
    return log_ratios(sums[f"{name}_second"].to_numpy(), sums[name].to_numpy())


def _joined(logs: list[Floats]) -> Floats:
    return np.concatenate([np.empty(0), *logs])


def _growth(logs: Floats) -> float | None:
    """Return the geometric mean of ratios, minus 1; None without any.

    Example:
        >>> _growth(np.log([2.0, 0.5, np.nan]))
        0.0
    """
    defined = logs[~np.isnan(logs)]
    return float(np.expm1(defined.mean())) if len(defined) else None


def _defined(p: float) -> float | None:
    return None if np.isnan(p) else float(p)


def _direction(statistic: float, p: float) -> str | None:
    if not p < SIGNIFICANCE:  # undefined, too
        return None
    return "better" if statistic < 0.0 else "worse"


def _improvement(difference: VariableDifference) -> tuple[bool, float, str]:
    return difference.error is None, difference.error or 0.0, difference.variable
