"""The forecasting rules by name, and how names become rules."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from pulse_assets.array_types import Floats
from pulse_assets.errors import RuleError
from pulse_assets.retrodiction import baselines, smoothing
from pulse_assets.retrodiction.autoregression import ar_diff, ar_level
from pulse_assets.retrodiction.classical_adjustment import (
    adjusted_if_seasonal,
    classically_adjusted,
)
from pulse_assets.retrodiction.complex_smoothing import complex_smoothing
from pulse_assets.retrodiction.dynamic_theta import dynamic_theta
from pulse_assets.retrodiction.hosted_rules import RULE_TIMEOUT, HostedRule
from pulse_assets.retrodiction.request import ForecastRequest, History, RuleFunction
from pulse_assets.retrodiction.seasonal_smoothing import seasonal_holt_winters
from pulse_assets.retrodiction.transformations import (
    drift_adjusted,
    logarithmic,
    seasonal_ar,
    seasonally_adjusted,
)
from pulse_assets.retrodiction.winsorise import winsorise_changes

#: The rule that all others are compared with: persistence.
REFERENCE: Final = "naive"
#: The weighted combination of all rules; and their median, which is what learning is compared with:
#: the mean of a pool with hopeless members is no comparison.
ENSEMBLE: Final = "ensemble"
ENSEMBLE_MEDIAN: Final = "ensemble_median"
#: Names of the combinations, which no rule may have.
ENSEMBLES: Final = (ENSEMBLE, ENSEMBLE_MEDIAN)
#: The names of rules that use a leading indicator start with this; no other rule's name may.
INDICATOR_PREFIX: Final = "ar_with_"
#: All of them together, where variables are pooled: each variable has other ones.
INDICATORS: Final = f"{INDICATOR_PREFIX}*"


class Rule(Protocol):
    """What the engine needs of a rule; a user's own rule needs less, see `user_rules`."""

    @property
    def name(self) -> str:
        """Name of the rule: the `model` of stored forecasts."""
        ...

    @property
    def guarded(self) -> bool:
        """Whether its forecasts are clipped, see `clipping`."""
        ...

    @property
    def scale_free(self) -> bool:
        """Whether c times the series gives c times the forecasts.

        Such a rule gets the series divided by a unit that makes its values near 1.
        """
        ...

    @property
    def history_origins(self) -> int | None:
        """Number of origins before the first requested one at which it runs; None: all."""
        ...

    def forecast(self, y: Floats, request: ForecastRequest) -> Floats:
        """Forecast from each origin, using no value of its series after the origin.

        Args:
            y: series without gaps, concatenated `[T]`.
            request: which forecasts are requested.

        Returns:
            Forecasts `[O, H]` in the unit of the series, in an array that the caller may change;
            NaN where the history is too short.

        Raises:
            RuleFailedError: it failed from some origins; the error holds the other forecasts.
        """
        ...


@dataclass(frozen=True)
class BuiltIn:
    """A rule of ours: a function of the history and the request, and how to call it.

    Attributes:
        name: see `Rule`.
        function: returns the forecasts `[O, H]` from all origins in one pass over the history.
        robust: whether it is fitted to a copy of the series with outlying changes limited, see
            `winsorise`.
        guarded: see `Rule`.
        scale_free: see `Rule`.
        history_origins: see `Rule`.
    """

    name: str
    function: RuleFunction
    robust: bool = False
    guarded: bool = True
    scale_free: bool = True
    history_origins: int | None = None

    def forecast(self, y: Floats, request: ForecastRequest) -> Floats:
        """Return the forecasts from each origin `[O, H]`; see `Rule`."""
        y_robust = winsorise_changes(y, request.series_offsets) if self.robust else y
        return self.function(History(y, y_robust), request)


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
        BuiltIn("holt", smoothing.holt, robust=True),
        BuiltIn("damped_holt", smoothing.damped_holt, robust=True),
        BuiltIn("theta", smoothing.theta),
        BuiltIn("seasonal_holt_winters", seasonal_holt_winters, robust=True),
        BuiltIn("ses_adjusted", partial(classically_adjusted, rule=smoothing.ses)),
        BuiltIn("damped_holt_adjusted", partial(classically_adjusted, rule=smoothing.damped_holt)),
        BuiltIn("theta_adjusted", partial(classically_adjusted, rule=smoothing.theta)),
        BuiltIn("dynamic_theta", partial(adjusted_if_seasonal, rule=dynamic_theta)),
        BuiltIn("ces", partial(adjusted_if_seasonal, rule=complex_smoothing)),
        BuiltIn("ar_diff_3", AR_3, robust=True),
        BuiltIn("ar_level_1", partial(ar_level, order=1), robust=True),
        BuiltIn("ar_drift_3", partial(drift_adjusted, rule=AR_3), robust=True),
        # `logarithmic` winsorises the logarithms.
        BuiltIn("ar_log_12", partial(logarithmic, rule=AR_12)),
        BuiltIn("ar_seasonal_12", partial(seasonal_ar, order=12), robust=True),
        BuiltIn("ar_adjusted_12", partial(seasonally_adjusted, rule=AR_12), robust=True),
        BuiltIn(
            "ar_adjusted_drift_3",
            partial(seasonally_adjusted, rule=partial(drift_adjusted, rule=AR_3)),
            robust=True,
        ),
        BuiltIn(
            "ar_log_adjusted_12",
            partial(logarithmic, rule=partial(seasonally_adjusted, rule=AR_12, rate=0.1)),
        ),
    )
}

#: The rules that run when the user names none, chosen on M1, M3 and half the monthly FRED series.
#: Their combination is as accurate as that of all 24 rules, within 0.4 % on monthly FRED series and
#: on M3, and takes little more than half of the time.
DEFAULT_MODELS: Final = (
    "naive",
    "seasonal_naive",
    "mean",
    "holt",
    "ar_level_1",
    "ar_drift_3",
    "ar_log_12",
    "ar_seasonal_12",
    "ar_adjusted_12",
    "ces",
    "theta_adjusted",
    "seasonal_holt_winters",
)


def resolve_rules(
    names: Sequence[str], *, seconds: float = RULE_TIMEOUT, check: bool = False
) -> list[Rule]:
    """Return the rules of these names.

    Args:
        names: each a key of `RULES`, `package.module:Class` or `statsforecast:Model`.
        seconds: time that a rule which is not built in may take for each series of a request.
        check: whether the rules check forecasts of batches, see `HostedRule`.

    Raises:
        RuleError: a name is unknown, a class cannot be imported or used, two rules have the
            same name, or a rule has a name reserved for an ensemble or for a rule that uses a
            leading indicator.

    Example:
        >>> [rule.name for rule in resolve_rules(["naive", "ses"])]
        ['naive', 'ses']
    """
    rules = [
        HostedRule(name, seconds, check=check) if ":" in name else _built_in(name) for name in names
    ]
    for name, count in Counter(rule.name for rule in rules).items():
        if name in ENSEMBLES:
            raise RuleError(f"a rule is named {name!r}, the name of an ensemble: rename it")
        if name.startswith(INDICATOR_PREFIX):
            raise RuleError(
                f"a rule is named {name!r}, but {INDICATOR_PREFIX}<variable> is the name of rules "
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
