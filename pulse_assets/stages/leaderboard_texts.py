"""What the leaderboard says in a sentence: the gain from learning, and the rules of users."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pulse_assets.retrodiction.rules import ENSEMBLES, INDICATOR_PREFIX, RULES
from pulse_assets.stages.outcome_texts import list_some

#: Rules of users that a line names at most.
_NAMED: Final = 5


def describe_learning(models: Sequence[Mapping[str, Any]]) -> str:
    """Say how the error of the ensemble compares with that of the median of its rules.

    The ratio of their relative errors, the geometric mean over variables and horizons.

    Args:
        models: the leaderboard, `training_results.models`.

    Example:
        >>> skills = {"ensemble": 0.32, "ensemble_median": 0.2}
        >>> describe_learning([{"model": name, "skill": skill} for name, skill in skills.items()])
        'ensemble: 15.0 % less error than ensemble_median, the median of the rules'
    """
    skills = {row["model"]: row["skill"] for row in models}
    learned, median = skills.get("ensemble"), skills.get("ensemble_median")
    if learned is None or median is None or median == 1.0:
        return ""
    gain = 1.0 - (1.0 - learned) / (1.0 - median)
    compared = f"{100 * abs(gain):.1f} % {'less' if gain >= 0 else 'more'} error"
    return f"ensemble: {compared} than ensemble_median, the median of the rules"


def describe_own(models: Sequence[Mapping[str, Any]]) -> str:
    """Give skill and trust of each rule that is not built in, others' forecasts included.

    Args:
        models: the leaderboard, `training_results.models`.

    Example:
        >>> describe_own([{"model": "last_two", "skill": 0.041, "trust": 0.532}])
        'rules that are not built in: last_two: skill +4.1 %, trust 0.53'
    """
    own = [
        f"{row['model']}: {_score('skill', row['skill'])}, {_score('trust', row['trust'])}"
        for row in models
        if row["model"] not in {*RULES, *ENSEMBLES}
        and not row["model"].startswith(INDICATOR_PREFIX)
    ]
    return f"rules that are not built in: {list_some(own, _NAMED, '; ')}" if own else ""


def _score(name: str, value: float | None) -> str:
    if value is None:
        return f"{name} unknown"
    return f"skill {100 * value:+.1f} %" if name == "skill" else f"{name} {value:.2f}"
