"""Why the ensemble trusts a rule: three sentences on each variable, made from numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa

from pulse_assets.array_types import Bools, Floats
from pulse_assets.retrodiction.rules import ENSEMBLES, REFERENCE
from pulse_assets.stages.pooling import COMPLETE
from pulse_assets.storage.tables import rows_with

#: Rules named beside the one of the largest weight.
_NAMED: Final = 2


def explain_variables(
    scores: pa.Table, boards: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, list[str]]:
    """Say of each variable which rule has most weight, since when, and what it is worth.

    Args:
        scores: rows of schema `SCORES_BY_PERIOD`.
        boards: leaderboard by variable, rows with `model` and `worth`.

    Returns:
        Sentences by variable; none where no rule has a weight.
    """
    return {
        years.variable: explain(years, boards.get(years.variable, ()))
        for years in weights_by_year(scores)
    }


@dataclass(frozen=True)
class YearlyWeights:
    """Weights and skill of the rules of one variable; Y years, M rules.

    Attributes:
        variable: its name.
        years: their names, ascending, [Y].
        rules: their names, [M].
        weight: mean share in the ensemble [Y, M]; 0 where a rule takes no part.
        skill: against naive [Y, M]; NaN where it is undefined, or of few pairs.
    """

    variable: str
    years: list[str]
    rules: list[str]
    weight: Floats
    skill: Floats

    @property
    def leaders(self) -> list[str]:
        """The rule of the largest weight in each year, [Y]."""
        return [self.rules[at] for at in self.weight.argmax(axis=1)]


def weights_by_year(scores: pa.Table) -> Iterator[YearlyWeights]:
    """Yield the weights of each variable.

    Args:
        scores: rows of schema `SCORES_BY_PERIOD`.
    """
    yearly = rows_with(scores, "kind", "year")
    yearly = yearly.filter(yearly["variable"].is_valid()).unify_dictionaries()
    names, codes = {}, []
    for column in ("variable", "period", "model"):
        encoded = cast("pa.DictionaryArray", yearly[column].combine_chunks())
        names[column] = encoded.dictionary.to_pylist()
        codes.append(encoded.indices.to_numpy())
    numbers = [yearly[name].to_numpy().astype(np.float64) for name in ("weight", "skill", "n")]
    variable = codes[0]
    order = variable.argsort(kind="stable")
    starts = np.flatnonzero(np.diff(variable[order], prepend=-1))
    for part in np.split(order, starts[1:]) if len(starts) else ():
        (year, period), (model, rule) = (
            np.unique(each[part], return_inverse=True) for each in codes[1:]
        )
        weight, skill, n = (_dense(each[part], period, rule) for each in numbers)
        years = [names["period"][code] for code in year.tolist()]
        rules = [names["model"][code] for code in model.tolist()]
        ranked = np.argsort(years, kind="stable")[:, None]
        by_name = [at for at in np.argsort(rules).tolist() if rules[at] not in ENSEMBLES]
        few = ~(n >= COMPLETE * np.nanmax(n, axis=1, keepdims=True))
        yield YearlyWeights(
            names["variable"][int(variable[part[0]])],
            sorted(years),
            [rules[at] for at in by_name],
            np.nan_to_num(weight)[ranked, by_name],
            np.where(few, np.nan, skill)[ranked, by_name],
        )


def _dense(values: Floats, row: np.ndarray, column: np.ndarray) -> Floats:
    dense = np.full((row.max() + 1, column.max() + 1), np.nan)
    dense[row, column] = values
    return dense


def explain(years: YearlyWeights, board: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the sentences of one variable.

    Example:
        >>> rules, weight = ["holt", "naive", "ses"], np.array([[0.2, 0.1, 0.7], [0.6, 0.1, 0.3]])
        >>> skill = np.array([[0.2, 0.0, 0.1], [0.05, 0.0, 0.24]])
        >>> worth = [{"model": "holt", "worth": 0.012}, {"model": "ses", "worth": -0.004}]
        >>> years = YearlyWeights("gdp", ["2008", "2009"], rules, weight, skill)
        >>> for sentence in explain(years, worth):
        ...     print(sentence)
        holt carries 60 % of the ensemble in 2009, then ses 30 % and naive 10 %; in 2008 ses led.
        It was closer than naive in 2 of 2 years; it lost most in 2009, to ses: 25 % more error.
        Without it the ensemble's errors would be 1.2 % larger, without ses 0.4 % smaller.
    """
    if not len(years.rules) or years.weight[-1].max() <= 0.0:
        return []
    leader = years.leaders[-1]
    sentences = [_of_weight(years), _of_skill(years, leader), _of_worth(board, leader)]
    return [sentence for sentence in sentences if sentence]


def _of_weight(years: YearlyWeights) -> str:
    """Say which rule has most weight in the last year, and since when."""
    weight, leaders = years.weight[-1], years.leaders
    leader, *others = [at for at in np.argsort(-weight, kind="stable").tolist() if weight[at] > 0]
    text = f"{years.rules[leader]} carries {_percent(weight[leader])} of the ensemble in "
    text += years.years[-1]
    if named := [f"{years.rules[at]} {_percent(weight[at])}" for at in others[:_NAMED]]:
        text += f", then {' and '.join(named)}"
    run = next((k for k, name in enumerate(leaders[::-1]) if name != leaders[-1]), len(leaders))
    if run < len(leaders):
        before = f"in {years.years[-run - 1]} {leaders[-run - 1]} led"
        return f"{text}; {before}." if run == 1 else f"{text}; most since {years.years[-run]}."
    return f"{text}; most in every year." if run > 1 else f"{text}."


def _of_skill(years: YearlyWeights, leader: str) -> str:
    """Say in how many years the rule beat naive, and when it lost most to which other one."""
    own = years.skill[:, years.rules.index(leader)]
    judged = np.flatnonzero(np.isfinite(own))
    if not len(judged) or leader == REFERENCE:
        return ""
    won = int((own[judged] > 0.0).sum())
    of = f"{len(judged)} year{'s' if len(judged) > 1 else ''}"
    text = f"It was closer than naive in {won} of {of}"
    ratio, best = _lost(years.skill[judged], own[judged])
    if ratio.max() <= 1.0:
        return f"{text}, and no other rule was closer than it in any."
    at = int(ratio.argmax())
    year, rule = years.years[judged[at]], years.rules[best[at]]
    return f"{text}; it lost most in {year}, to {rule}: {_percent(ratio[at] - 1.0)} more error."


def _lost(skill: Floats, own: Floats) -> tuple[Floats, np.ndarray]:
    """Return error relative to that of the best rule in each year, and which one that is."""
    defined: Bools = np.isfinite(skill)
    best = np.where(defined, skill, -np.inf).argmax(axis=1)
    smallest = np.take_along_axis(skill, best[:, None], axis=1)[:, 0]
    return (1.0 - own) / (1.0 - smallest), best


def _of_worth(board: Sequence[Mapping[str, Any]], leader: str) -> str:
    """Say what the ensemble would lose without the rule, and without which one it would gain."""
    worth = {row["model"]: row["worth"] for row in board if row["worth"] is not None}
    if leader not in worth:
        return ""
    text = f"Without it the ensemble's errors would be {_change(worth[leader])}"
    worst = min(worth, key=lambda name: (worth[name], name))
    if worst != leader and worth[worst] < 0.0:
        return f"{text}, without {worst} {_change(worth[worst])}."
    return f"{text}."


def _change(share: float) -> str:
    """Return a change of the error in words.

    Example:
        >>> _change(0.012), _change(-0.0004)
        ('1.2 % larger', 'as large')
    """
    if abs(share) < 0.0005:
        return "as large"
    return f"{100 * abs(share):.1f} % {'larger' if share >= 0 else 'smaller'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
