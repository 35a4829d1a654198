"""Rules that are not built in, compared with those of the run on every worker."""

import sys
from collections.abc import Mapping

from pulse_assets.errors import ClusterError, RuleError
from pulse_assets.retrodiction.hosted_rules import rule_versions
from pulse_assets.retrodiction.rule_process import this_threads_host


def check_rules(versions: Mapping[str, str], seconds: float) -> None:
    """Compare this process's rules with those of the run; import them again if they differ.

    A worker of an existing cluster may hold a rule as it was in an earlier run.

    Args:
        versions: versions of the run's rules, by reference.
        seconds: how long a rule's import may take.

    Raises:
        ClusterError: naming rule and worker.
    """
    try:
        if rule_versions([*versions], seconds) != versions:
            this_threads_host().close()
        here = rule_versions([*versions], seconds)
    except RuleError as error:
        raise ClusterError(f"{_place()} cannot use a rule of the run: {error}") from error
    for name, version in versions.items():
        if here[name] != version:
            raise ClusterError(
                f"{_place()} has another version of rule {name!r} ({here[name][:12]}) than the "
                f"run ({version[:12]}): copy its module there, or start the run again if the rule "
                "was edited meanwhile"
            )


def _place() -> str:
    """Name the Dask worker that this thread belongs to, or this process."""
    if distributed := sys.modules.get("distributed"):
        try:
            return f"worker {distributed.get_worker().address}"
        except ValueError:  # there is none
            pass
    return "this process"
