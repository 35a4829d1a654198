"""Skill in real time beside the skill that a test on the newest values promises, as Markdown.

    python -m benchmarks.real_time [--source sample-uk] [--start-date 2010-01-01] [--end-date ...]

One training over a source with several releases per value, by quarters; the table of each variable
has its best rules, the ensemble and `naive`.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pulse_assets import TrainingConfig, train
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE

#: Rules of each variable that the tables show, besides the ensemble and `naive`.
BEST: Final = 3
_HEAD: Final = (
    "| variable | rule | in real time | against newest values | test on newest values | "
    "revision tax | pairs |\n|---|---|---|---|---|---|---|"
)


def rows(revisions: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield a line per variable and rule: the best rules, the ensemble and `naive`.

    Args:
        revisions: as in the results of a training.
    """
    for variable, board in revisions.items():
        rules = [row for row in board if not row["model"].startswith("ensemble")]
        best = [row["model"] for row in rules if row["model"] != REFERENCE][:BEST]
        for row in board:
            if row["model"] in (*best, ENSEMBLE, REFERENCE):
                columns = ("skill", "skill_against_latest", "skill_on_latest", "revision_tax")
                shown = " | ".join(_percent(row[name]) for name in columns)
                yield f"| {variable} | `{row['model']}` | {shown} | {row['n']:,} |"


def changed_best(revisions: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Name the variables whose three best rules are others on the newest values."""
    changed = []
    for variable, board in revisions.items():
        rules = [r for r in board if r["model"] != REFERENCE and r["skill_on_latest"] is not None]
        rules = [row for row in rules if not row["model"].startswith("ensemble")]
        promised = sorted(rules, key=lambda row: -row["skill_on_latest"])
        if {r["model"] for r in rules[:BEST]} != {r["model"] for r in promised[:BEST]}:
            changed.append(variable)
    return changed


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.1f} %"


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="sample-uk")
    parser.add_argument("--start-date", default="2010-01-01")
    parser.add_argument("--end-date", default="2024-12-31")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DAGSTER_HOME"] = f"{folder}/home"  # the user's own has the user's runs alone
        config = TrainingConfig(
            source=args.source,
            store=f"{folder}/store",
            start_date=args.start_date,
            end_date=args.end_date,
            batch_cadence="quarterly",
        )
        revisions = train(config).data["revisions"]
    lines = [_HEAD, *rows(revisions)]
    changed = ", ".join(changed_best(revisions)) or "none"
    sys.stdout.write("\n".join([*lines, "", f"The three best rules change: {changed}.", ""]))


if __name__ == "__main__":
    main()
