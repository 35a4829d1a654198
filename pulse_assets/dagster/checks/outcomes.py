"""Checks of what became of the batches: failures, missing batches, predictions and coverage."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pulse_assets.batches.due import waiting_batches
from pulse_assets.batches.grid import batch_keys
from pulse_assets.dagster.checks.check import Check, Finding
from pulse_assets.dagster.checks.stored import StoredBatches
from pulse_assets.history.given_forecasts import GivenForecasts
from pulse_assets.retrodiction.rules import ENSEMBLE, RULES
from pulse_assets.settings import Settings
from pulse_assets.stages.calibration import LevelShare
from pulse_assets.stages.outcome_texts import (
    describe_failed,
    describe_rule_error,
    describe_rule_errors,
    describe_unpredicted,
    list_some,
    span,
)


def no_failed_batches(batches: StoredBatches) -> Finding:
    """No more batches of the configuration ended in an error than `max_failed_batches` allows.

    If it fails: read the error of each failed batch, correct the rule or the source, and run with
    `--resume`.
    """
    failed, count = batches.outcomes.failed, sum(batches.outcomes.batches.values())
    errors = {failure["batch"]: failure["message"] for failure in failed}
    return Finding(
        len(failed) <= batches.options.max_failed_batches,
        {"batches": count, "failed": len(failed), "errors": errors},
        describe_failed(failed),
    )


def no_failed_rules(batches: StoredBatches) -> Finding:
    """Every rule returned its forecasts from every origin, without an error.

    If it fails: correct the rule and run with `--resume`, or leave it out of `models`. All else is
    stored.
    """
    errors = batches.outcomes.rule_errors
    # The most frequent error of a rule comes first and is the one that is named.
    rules = {error.model: describe_rule_error(error) for error in reversed(errors)}
    values = {"origins": sum(error.count for error in errors), "rules": rules}
    return Finding(not errors, values, describe_rule_errors(errors))


def every_variable_predicted(batches: StoredBatches) -> Finding:
    """At least one stored batch predicts each variable; in a trial of a few, one of them.

    If it fails: the message has the reason: give the variable more history or more batches, correct
    its file, or leave it out of `variables`.
    """
    variables = batches.options.variables or ()
    values = {
        "batches": batches.outcomes.batches,
        "predicted": sorted(batches.outcomes.predicted),
        "never_predicted": batches.outcomes.never_predicted(variables),
    }
    message = describe_unpredicted(batches.outcomes, variables)
    if batches.settings.batch_limit and batches.outcomes.predicted:
        message = ""
    if not batches.outcomes.batches:
        message = "no batch was predicted: the store has none of this configuration and version"
    return Finding(not message, values, message)


def every_horizon_predicted(batches: StoredBatches) -> Finding:
    """Each variable that is predicted is predicted at each horizon.

    If it fails: leave out the horizon, or give the variable a longer history.
    """
    rows = batches.scores[batches.scores["n"] > 0]
    predicted = set(zip(rows["variable"].astype(str), rows["horizon"], strict=True))
    never = {
        name: [steps for steps in batches.options.horizons if (name, steps) not in predicted]
        for name in sorted(batches.outcomes.predicted)
    }
    never = {name: steps for name, steps in never.items() if steps}
    named = [f"{name} ({', '.join(map(str, steps))})" for name, steps in never.items()]
    message = (
        "horizons that no batch predicts, because too few observations are known that many steps "
        f"before a target: {list_some(named)}"
    )
    return Finding(not never, {"never_predicted": never}, message)


def every_rule_predicted(batches: StoredBatches) -> Finding:
    """Each rule of the user has a forecast; each model of others one of each variable it gives.

    Rules that failed are exempt, because another check names them; built-in rules, because some
    need positive values, or a season.

    If it fails: correct the rule that returned NaN, or leave it out; correct the dates in the file
    of the forecasts.
    """
    rows = batches.scores
    # Each pair once, before it becomes text: a large panel has a row per horizon, too.
    scored = rows.loc[rows["n"] > 0, ["model", "variable"]].drop_duplicates().astype(str)
    used = set(zip(scored["model"], scored["variable"], strict=True))
    predicting = set(scored["model"])
    failed = {error.model for error in batches.outcomes.rule_errors}
    given = batches.source.forecasts()
    silent = sorted(
        set(rows["model"].unique().astype(str)) - predicting - failed - {*RULES, *given}
    )
    unused = _unused_forecasts(batches, used)
    messages = []
    if silent:
        messages.append(
            f"rules that returned NaN for every forecast: {list_some(silent)}: they have no part "
            "in the ensemble"
        )
    if unused:
        messages.append(f"forecasts of others that no batch used: {list_some(unused)}")
    return Finding(not messages, {"never_predicted": [*silent, *unused]}, "; ".join(messages))


def _unused_forecasts(batches: StoredBatches, used: set[tuple[str, str]]) -> list[str]:
    """Name the models of others whose forecasts of a variable no batch used, with the reason.

    Args:
        batches: what is stored.
        used: each model and variable with a forecast that is scored.
    """
    variables, texts = set(batches.options.variables or ()), []
    for model, forecasts in sorted(batches.source.forecasts().items()):
        mine = {name: given for name, given in forecasts.items() if name in variables}
        reasons: dict[str, list[str]] = {}
        for name, given in sorted(mine.items()):
            if (model, name) not in used:
                reasons.setdefault(_why_unused(given, batches.settings), []).append(name)
        for reason, names in reasons.items():
            of = "" if len(names) == len(mine) else f" of {list_some(names)}"
            texts.append(f"{model}{of} ({reason})")
    return texts


def _why_unused(given: GivenForecasts, settings: Settings) -> str:
    """Return why no batch used the forecasts of a variable, as far as their dates say."""
    first, last = np.datetime64(batch_keys(settings)[0]), np.datetime64(settings.last_day)
    start, end = given.target_dates.min(), given.target_dates.max()
    if end < first or start > last:
        return f"they are for {span(str(start), str(end))}, and the batches for {first} to {last}"
    return "none is for a date of a batch and was made by the day of one of its origins"


def every_batch_made(batches: StoredBatches) -> Finding:
    """The store has each batch of the grid that is due, computed by this configuration.

    If it fails: run `pulse-train --resume` with the same options.
    """
    planned = batch_keys(batches.settings)
    missing = [key for key in planned if key not in batches.batches]
    waiting = waiting_batches(batches.settings, batches.options, missing)
    missing = [key for key in missing if key not in waiting]
    message = (
        f"{len(missing):,} of {len(planned):,} batches are missing, or were computed by another "
        f"configuration or version: {list_some(missing)}: pulse-train --resume computes them"
    )
    counts = {"batches": len(planned), "missing": len(missing), "waiting": len(waiting)}
    return Finding(not missing, counts, message)


def interval_coverage(batches: StoredBatches) -> Finding:
    """The ensemble's intervals and quantiles hold about the share of outcomes that they promise.

    If it fails: do not take the intervals at their word: read the calibration in the report, by
    variable.
    """
    rows, options = batches.scores[batches.scores["model"] == ENSEMBLE], batches.options
    interval = LevelShare.of_sums(rows, "coverage", options.interval_level)
    shares = [
        LevelShare.of_sums(rows, f"below_{i}", level)
        for i, level in enumerate(options.quantile_levels)
    ]
    below = [share for share in shares if share]
    off = [share for share in below if not share.is_near()]
    lower, upper = interval.expected() if interval else (None, None)
    values = {
        "coverage": interval.share if interval else None,
        "lower": lower,
        "upper": upper,
        "n": interval.n if interval else 0,
        "below": _list_shares(below),
        "levels_off": ", ".join(f"{100 * share.level:g} %" for share in off) or "none",
    }
    messages = []
    if interval and not interval.is_near():
        level = f"{100 * interval.level:g} %"
        messages.append(f"the {level} intervals of ensemble hold {interval.describe()}")
    if off:
        listed = ", ".join(f"{100 * s.level:g} %: {s.describe()}" for s in off)
        messages.append(f"below quantiles of ensemble lie, by level, {listed}")
    return Finding(not messages, values, "; ".join(messages))


def _list_shares(shares: Sequence[LevelShare]) -> str | None:
    """Return the share of outcomes below each quantile in words; None without outcomes."""
    texts = [f"{100 * s.share:.1f} % at {100 * s.level:g} %" for s in shares]
    return ", ".join(texts) or None


OUTCOME_CHECKS: Final[tuple[Check[StoredBatches], ...]] = (
    Check("no_failed_batches", "batch_metrics", no_failed_batches, quick=True, by_batch=True),
    Check("no_failed_rules", "retrodictions", no_failed_rules, quick=True, by_batch=True),
    Check("every_variable_predicted", "batch_metrics", every_variable_predicted, quick=True),
    Check("every_batch_made", "batch_metrics", every_batch_made, "WARN", quick=True),
)
SCORE_CHECKS: Final[tuple[Check[StoredBatches], ...]] = (
    Check("every_horizon_predicted", "batch_metrics", every_horizon_predicted, "WARN"),
    Check("every_rule_predicted", "batch_metrics", every_rule_predicted, "WARN"),
    Check("interval_coverage", "batch_metrics", interval_coverage, "WARN"),
)
