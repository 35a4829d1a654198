"""What `training_results` has of the tests of significance: counts by rule, `ensemble` by variable.

The table `significance` has all of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from pulse_assets.evaluation.bootstrap import DRAWS, content_seed, draw_blocks
from pulse_assets.evaluation.comparison import SIGNIFICANCE
from pulse_assets.evaluation.confidence_set import CONFIDENCE
from pulse_assets.evaluation.win_rate import central_interval, resampled_means
from pulse_assets.evaluation_records import (
    Direction,
    ModelSignificance,
    Significance,
    VariableSignificance,
)
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE
from pulse_assets.stages.significance import OVER_ALL

#: Significant digits of a probability.
_DIGITS: Final = 4


def summarise_significance(
    rows: pd.DataFrame, families: pd.Series, over_all: pd.DataFrame
) -> Significance:
    """Count the significant differences over all horizons.

    Args:
        rows: from `adjust`.
        families: name of the rule of each row, one for all rules on leading indicators.
        over_all: results by variable, rule and horizon with their column `won`, the rules on
            leading indicators as one.
    """
    overall = rows[rows["horizon"] == OVER_ALL].assign(family=families)
    overall = overall.assign(
        **{f"{name}_direction": _directions(overall, name) for name in ("naive", "median")},
        in_set=overall["set_probability"] >= 1.0 - CONFIDENCE,
    )
    bounds = _win_rate_bounds(over_all, overall)
    return Significance(
        level=SIGNIFICANCE,
        confidence=CONFIDENCE,
        draws=DRAWS,
        models={
            str(name): _of_model(group, *bounds.get(str(name), (None, None)))
            for name, group in overall.groupby("family", observed=True)
        },
        variables=dict(_of_variables(overall)),
    )


def is_significant(p: pd.Series) -> pd.Series:
    """Return whether adjusted probabilities are significant; undefined ones are not."""
    return p < SIGNIFICANCE


def _directions(rows: pd.DataFrame, reference: str) -> np.ndarray:
    """Return -1 where a rule is significantly better than the reference, 1 where it is worse."""
    sign = np.sign(rows[f"dm_{reference}"].to_numpy())
    return np.where(is_significant(rows[f"adjusted_{reference}"]), sign, 0.0)


def _of_model(rows: pd.DataFrame, lower: float | None, upper: float | None) -> ModelSignificance:
    counts = {
        f"{word}_than_{name}": int((rows[f"{name}_direction"] == sign).sum())
        for name in ("naive", "median")
        for word, sign in (("better", -1), ("worse", 1))
    }
    return ModelSignificance(
        tested=int(rows["p_naive"].notna().sum()),
        **counts,
        in_confidence_set=int(rows["in_set"].sum()),
        win_rate_lower=lower,
        win_rate_upper=upper,
    )


def _of_variables(overall: pd.DataFrame) -> Iterator[tuple[str, VariableSignificance]]:
    """Yield the tests of the ensemble by variable, and the confidence sets."""
    sets = overall[overall["in_set"]].groupby("variable", observed=True)["model"].agg(list)
    for row in overall[overall["model"] == ENSEMBLE].to_dict("records"):
        yield (
            str(row["variable"]),
            VariableSignificance(
                _in_words(row["naive_direction"]),
                _plain(row["adjusted_naive"]),
                _in_words(row["median_direction"]),
                _plain(row["adjusted_median"]),
                sorted(map(str, sets.get(row["variable"], []))),
            ),
        )


def _in_words(direction: float) -> Direction:
    if direction == 0.0:
        return None
    return "better" if direction < 0.0 else "worse"


def _plain(p: float) -> float | None:
    return float(f"{p:.{_DIGITS}g}") if np.isfinite(p) else None


def _win_rate_bounds(
    over_all: pd.DataFrame, overall: pd.DataFrame
) -> Mapping[str, tuple[float | None, float | None]]:
    """Return the interval of the win rate over all variables, by rule."""
    compared = over_all.dropna(subset="won")
    variables = sorted(map(str, compared["variable"].unique()))
    if len(variables) < 2:
        rows = overall[overall["family"] == overall["model"]].astype({"model": str})
        ends = (rows["win_rate_lower"], rows["win_rate_upper"])
        return _pairs(rows["model"], *ends)
    table = compared.pivot_table(
        index="variable", columns="model", values="won", aggfunc=["sum", "count"], observed=True
    ).fillna(0.0)
    names = table["sum"].columns
    won, count = (table[part].to_numpy() for part in ("sum", "count"))
    # A rule's interval is over the variables on which it is compared: most rules have the same.
    compared_on, number = np.unique(count > 0, axis=1, return_inverse=True)
    bounds = {}
    for at, has in enumerate(compared_on.T):
        own, rules = np.flatnonzero(has), np.flatnonzero(number.ravel() == at)
        draws = draw_blocks(len(own), 1, content_seed(*(variables[i] for i in own)))
        chosen = np.ix_(own, rules)
        drawn = resampled_means(won[chosen], count[chosen], draws)
        bounds |= _pairs(names[rules], *central_interval(drawn))
    return bounds


def _pairs(names: Any, lower: Any, upper: Any) -> dict[str, tuple[float | None, float | None]]:  # noqa: ANN401
    ends = zip(map(str, names), lower, upper, strict=True)
    return {name: (_plain(low), _plain(high)) for name, low, high in ends}


def describe_significance(results: Mapping[str, Any]) -> str:
    """Explain the star of the table of variables, and say where learning makes a difference.

    Args:
        results: the `training_results` object.

    Returns:
        Lines of text; empty if no variable was tested.
    """
    significance = results["significance"]
    tested = count_tested(significance)
    if not tested:
        return ""
    of = f"{tested:,} variable{'s' if tested > 1 else ''}"
    untested = describe_untested(significance)
    level = f"{100 * significance['level']:g} %"
    lines = [
        f"* error significantly different from that of {REFERENCE} (test of Diebold-Mariano, HLN, "
        f"over all horizons; {level} false discoveries over {of}{untested and f'; {untested}'})"
    ]
    ours = significance["models"].get(ENSEMBLE)
    if ours and ours["better_than_median"] + ours["worse_than_median"]:
        lines.append(
            f"against ensemble_median, {ENSEMBLE} is significantly better on "
            f"{ours['better_than_median']:,} and worse on {ours['worse_than_median']:,} of {of}"
        )
    elif ours:
        lines.append(f"{ENSEMBLE} and ensemble_median do not differ significantly on any variable")
    return "\n".join(lines)


def count_tested(significance: Mapping[str, Any]) -> int:
    """Return the number of variables on which the ensemble was tested against `naive`.

    Args:
        significance: the part of `training_results`.
    """
    return sum(entry["p_naive"] is not None for entry in significance["variables"].values())


def describe_untested(significance: Mapping[str, Any]) -> str:
    """Return how many variables could not be tested, and why; empty if none.

    Example:
        >>> describe_untested({"variables": {"gdp": {"p_naive": 0.2}, "cpi": {"p_naive": None}}})
        '1 not tested: too few batches, or no positive estimate of the variance'
    """
    untested = len(significance["variables"]) - count_tested(significance)
    if not untested:
        return ""
    return f"{untested:,} not tested: too few batches, or no positive estimate of the variance"
