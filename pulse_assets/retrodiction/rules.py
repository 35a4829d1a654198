"""The forecasting rules by name, and how names become rules."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction import baselines, smoothing
from pulse_assets.retrodiction.arrays import Floats
from pulse_assets.retrodiction.asked import Asked
from pulse_assets.retrodiction.autoregression import (
    Sweep,
    ar_diff,
    ar_level,
    beside_drift,
    beside_usual,
    logarithmic,
    seasonal_ar,
)
from pulse_assets.retrodiction.hosted_rules import RULE_TIMEOUT, HostedRule
from pulse_assets.retrodiction.taming import tame

#: The rule that all others are compared with: persistence.
REFERENCE: Final = "naive"
#: The weighted combination, which is the forecast of the whole, and the plain mean.
ENSEMBLE: Final = "ensemble"
ENSEMBLE_EQUAL: Final = "ensemble_equal"
#: Names of the combinations, which no rule may bear.
ENSEMBLES: Final = (ENSEMBLE, ENSEMBLE_EQUAL)
#: What the names of rules that read another variable begin with, and no other rule's.
PARTNER_PREFIX: Final = "ar_with_"


class Rule(Protocol):
    """What makes a forecasting rule; a user's own needs less, see `user_rules`."""

    @property
    def name(self) -> str:
        """Name of the rule: the `model` of stored forecasts."""
        ...

    @property
    def guarded(self) -> bool:
        """Whether its forecasts are bounded by `guard`."""
        ...

    @property
    def scale_free(self) -> bool:
        """Whether a series c times as large gives forecasts c times as large.

        Such a rule sees the series in a unit that makes it near 1.
        """
        ...

    @property
    def history_origins(self) -> int | None:
        """Origins before those asked for at which it is run too; None: the whole history."""
        ...

    def forecast(self, y: Floats, asked: Asked) -> Floats:
        """Forecast from each origin, given the values of its series up to it alone.

        Args:
            y: series without gaps, end to end `[T]`.
            asked: which forecasts are wanted.

        Returns:
            Forecasts `[O, H]`, an array of the caller's own, unit of the series; NaN where the
            past is too short.

        Raises:
            RuleFailedError: it failed from some origins; the error holds the other forecasts.
        """
        ...


@dataclass(frozen=True)
class BuiltIn:
    """A rule whose forecasts from all origins come from one pass over the series.

    Attributes:
        name: see `Rule`.
        sweep: forecasts `[O, H]` from series `[T]`, what the rule learns from, and what is asked.
        tamed: whether it learns from the series with unusual changes limited, see `taming`.
        guarded: see `Rule`.
        scale_free: see `Rule`.
        history_origins: see `Rule`.
    """

    name: str
    sweep: Sweep
    tamed: bool = False
    guarded: bool = True
    scale_free: bool = True
    history_origins: int | None = None

    def forecast(self, y: Floats, asked: Asked) -> Floats:
        """Forecast from each origin `[O]`: `[O, H]`; see `Rule`."""
        return self.sweep(y, tame(y, asked.begins) if self.tamed else y, asked)


AR_3: Final = partial(ar_diff, order=3)
AR_12: Final = partial(ar_diff, order=12)

#: The built-in rules.
RULES: Final[dict[str, Rule]] = {
    rule.name: rule
    for rule in (
        BuiltIn("naive", baselines.naive, guarded=False),
        BuiltIn("drift", baselines.drift, guarded=False),
        BuiltIn("window_drift", baselines.window_drift, guarded=False),
        BuiltIn("seasonal_naive", baselines.seasonal_naive, guarded=False),
        BuiltIn("mean", baselines.mean, guarded=False),
        BuiltIn("window_mean", baselines.window_mean, guarded=False),
        BuiltIn("ses", smoothing.ses),
        BuiltIn("holt", smoothing.holt, tamed=True),
        BuiltIn("damped_holt", smoothing.damped_holt, tamed=True),
        BuiltIn("theta", smoothing.theta),
        BuiltIn("seasonal_holt_winters", smoothing.seasonal_holt_winters, tamed=True),
        BuiltIn("ar_diff_3", AR_3, tamed=True),
        BuiltIn("ar_level_1", partial(ar_level, order=1), tamed=True),
        BuiltIn("ar_level_3", partial(ar_level, order=3), tamed=True),
        BuiltIn("ar_drift_3", partial(beside_drift, rule=AR_3), tamed=True),
        # Logarithms are tamed where they are taken.
        BuiltIn("ar_log_12", partial(logarithmic, rule=AR_12)),
        BuiltIn("ar_log_level_12", partial(logarithmic, rule=partial(ar_level, order=12))),
        BuiltIn("ar_seasonal_12", partial(seasonal_ar, order=12), tamed=True),
        BuiltIn("ar_adjusted_12", partial(beside_usual, rule=AR_12), tamed=True),
        BuiltIn(
            "ar_adjusted_drift_3",
            partial(beside_usual, rule=partial(beside_drift, rule=AR_3)),
            tamed=True,
        ),
        BuiltIn(
            "ar_log_adjusted_12",
            partial(logarithmic, rule=partial(beside_usual, rule=AR_12, rate=0.1)),
        ),
    )
}

#: What runs when the user names no rule: as accurate together as all of them, on monthly, quarterly
#: and yearly series, and more so on short ones, in three quarters of their time or less.
DEFAULT_MODELS: Final = (
    "naive",
    "window_drift",
    "seasonal_naive",
    "mean",
    "holt",
    "damped_holt",
    "ar_diff_3",
    "ar_level_1",
    "ar_drift_3",
    "ar_log_12",
    "ar_adjusted_12",
    "ar_adjusted_drift_3",
    "ar_log_adjusted_12",
)


def resolve_rules(names: Sequence[str], *, seconds: float = RULE_TIMEOUT) -> list[Rule]:
    """Turn names into rules.

    Args:
        names: each a key of `RULES`, `package.module:Class` or `statsforecast:Model`.
        seconds: how long each that is not built in may take in all, in the forecasts that are
            asked of what is returned.

    Raises:
        RuleError: a name is unknown, a class cannot be imported or used, two rules have the
            same name, or a rule has the name of an ensemble or of a rule on another variable.

    Example:
        >>> [rule.name for rule in resolve_rules(["naive", "ses"])]
        ['naive', 'ses']
    """
    rules = [HostedRule(name, seconds) if ":" in name else _built_in(name) for name in names]
    for name, count in Counter(rule.name for rule in rules).items():
        if name in ENSEMBLES:
            raise RuleError(f"a rule is named {name!r}, the name of an ensemble: rename it")
        if name.startswith(PARTNER_PREFIX):
            raise RuleError(
                f"a rule is named {name!r}, but {PARTNER_PREFIX}<variable> is the name of rules "
                "that read another variable: rename it"
            )
        if count > 1:
            raise RuleError(f"{count} rules are named {name!r}: leave out or rename all but one")
    return rules


def _built_in(name: str) -> Rule:
    if name in RULES:
        return RULES[name]
    near = difflib.get_close_matches(name, RULES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise RuleError(
        f"unknown rule {name!r}.{hint} Valid names: {', '.join(RULES)}; or package.module:Class, "
        "or statsforecast:Model"
    )
