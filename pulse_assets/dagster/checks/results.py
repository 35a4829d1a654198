"""The checks of the results: the ensemble against `naive`, and rules that decay."""

from collections.abc import Mapping
from typing import Any, Final

from pulse_assets.dagster.checks.check import Check, Finding
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.stages.decay import describe_alarms
from pulse_assets.stages.lookahead_check import ROUNDING
from pulse_assets.stages.outcome_texts import list_some


def ensemble_not_worse_than_naive(results: Mapping[str, Any]) -> Finding:
    """Over all variables and horizons the ensemble is at least as close as naive.

    If it fails: prefer `naive` for the variables that are named, or look for a fault in their data;
    more history or other rules may help.
    """
    skill = {row["model"]: row["skill"] for row in results["models"]}.get(ENSEMBLE)
    details = results["variables"]["details"]
    skills = {name: entry["skill"] for name, entry in details.items()}
    worse = {name: value for name, value in skills.items() if (value or 0) < -ROUNDING}
    values = {"skill": "undefined" if skill is None else skill, "variables_worse": worse}
    if skill is None or skill >= -ROUNDING:  # a sum of weights may round
        return Finding(True, values)
    worst = sorted(worse, key=lambda name: worse[name])
    where = f", most of all for {list_some(worst)}" if worst else ""
    message = f"the errors of ensemble are {-100 * skill:.1f} % larger than those of naive{where}"
    return Finding(False, values, message)


def no_rule_decays(results: Mapping[str, Any]) -> Finding:
    """No trust fell below its interval of a year ago, no coverage drifts, no last loss is unusual.

    It looks at `ensemble` and at the rules with a tenth of its weight or more.

    If it fails: read the alarms in the report from the batch on that the message names; look for a
    change in the source; leave out or replace a rule that decays.
    """
    alarms = results["alarms"]
    listed = {f"{a['variable']}, {a['model']}, {a['kind']}": a["first_batch"] for a in alarms}
    watched = results["watched_rules"]
    values = {"alarms": len(alarms), "watched_rules": watched, "first_bad_batch": listed}
    return Finding(not alarms, values, describe_alarms(alarms, watched))


ENSEMBLE_CHECK: Final = Check(
    "ensemble_not_worse_than_naive", "training_results", ensemble_not_worse_than_naive, "WARN"
)

DECAY_CHECK: Final = Check("no_rule_decays", "training_results", no_rule_decays, "WARN")

#: The checks that `publish_results` runs, in order.
RESULT_CHECKS: Final = (ENSEMBLE_CHECK, DECAY_CHECK)
