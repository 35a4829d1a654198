"""Checks of the next forecasts: variables without one, series that end early, failed rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulse_assets.dagster.checks.check import Check, Finding
from pulse_assets.stages.outcome_texts import list_some


@dataclass(frozen=True)
class Forecasts:
    """The next forecasts and what the checks know of their series.

    Attributes:
        left_out: reason why a variable has no forecast, by variable.
        early: sentence about a series that ends much earlier than the others, by variable.
        rule_errors: error that a rule raised, by `variable, model`.
        trust_fits: whether this configuration computed the trust that stands beside the forecasts.
    """

    left_out: Mapping[str, str]
    early: Mapping[str, str]
    rule_errors: Mapping[str, str]
    trust_fits: bool


def every_variable_has_a_forecast(forecasts: Forecasts) -> Finding:
    """Each variable has a next forecast.

    If it fails: the message has the reason by variable: correct its file, or set `history_days`
    higher.
    """
    named = [f"{name} ({reason})" for name, reason in forecasts.left_out.items()]
    message = f"no next forecast of {list_some(named)}"
    return Finding(not forecasts.left_out, {"left_out": forecasts.left_out}, message)


def series_end_together(forecasts: Forecasts) -> Finding:
    """No series ends more than a few of its own steps before the latest of all.

    If it fails: update the file of the series: its forecasts start from an old observation.
    """
    message = list_some(list(forecasts.early.values()), separator="; ")
    return Finding(not forecasts.early, {"early": sorted(forecasts.early)}, message)


def no_failed_rules(forecasts: Forecasts) -> Finding:
    """Every rule returned its next forecast of each variable, without an error.

    If it fails: correct the rule and run `pulse-train forecast` again.
    """
    pairs = (pair.rsplit(", ", 1) for pair in forecasts.rule_errors)
    errors = forecasts.rule_errors.values()
    named = [
        f"{model} for {variable} ({error})"
        for (variable, model), error in zip(pairs, errors, strict=True)
    ]
    message = f"rules failed in the next forecasts: {list_some(named)}"
    return Finding(not named, {"rule_errors": dict(forecasts.rule_errors)}, message)


def trust_is_of_this_configuration(forecasts: Forecasts) -> Finding:
    """The same configuration computed the forecasts and the trust beside them.

    If it fails: run `pulse-train` with the same options, which computes trust anew.
    """
    message = (
        "another configuration, or another version of pulse_assets, computed the trust beside the "
        "forecasts: run pulse-train with these options"
    )
    return Finding(forecasts.trust_fits, {}, message)


FORECAST_CHECKS: Final[tuple[Check[Forecasts], ...]] = (
    Check("every_variable_has_a_forecast", "next_forecasts", every_variable_has_a_forecast, "WARN"),
    Check("series_end_together", "next_forecasts", series_end_together, "WARN"),
    Check("no_failed_rules", "next_forecasts", no_failed_rules),
    Check(
        "trust_is_of_this_configuration", "next_forecasts", trust_is_of_this_configuration, "WARN"
    ),
)
