"""The page on asset checks, from the checks themselves."""

from collections.abc import Iterator
from typing import Any, Final

from docs_scripts.reference.markdown import (
    bullets,
    code,
    codes,
    heading,
    joined,
    link,
    page_of,
    prose,
    table,
)
from pulse_assets.catalog import ASSETS
from pulse_assets.dagster.checks.check import Check
from pulse_assets.dagster.checks.forecasts import FORECAST_CHECKS
from pulse_assets.dagster.checks.records import RECORDS_CHECK
from pulse_assets.dagster.checks.results import RESULT_CHECKS
from pulse_assets.dagster.checks.step import BATCH_CHECKS

#: All checks.
CHECKS: Final[tuple[Check[Any], ...]] = (
    *BATCH_CHECKS,
    RECORDS_CHECK,
    *FORECAST_CHECKS,
    *RESULT_CHECKS,
)
#: How the docstring of a check begins to say what to do.
ADVICE: Final = "If it fails: "


def page() -> str:
    """Return the page."""
    return page_of(
        "Checks",
        "Look up what each asset check tests, and what to do if it fails. The checks themselves "
        "write this page at each build.",
        bullets(
            [
                "A failed check of severity ERROR makes the run unsuccessful: exit code 1, a red "
                "run in Dagster, `success` false in Python and in the results. All results are "
                "stored nevertheless.",
                "A failed check of severity WARN is shown in the same places, and changes no exit "
                "code.",
                "`problems` and `checks` in the results, the report and the terminal have the "
                "sentence that says what failed.",
            ]
        ),
        table(("check", "severity"), map(_row, _grouped())),
        *(_check(group) for group in _grouped()),
    )


def _grouped() -> Iterator[tuple[Check[Any], ...]]:
    """Yield the checks in the order of their assets; equal ones of several assets are one."""
    names = list(ASSETS)
    groups: dict[tuple[str, str], list[Check[Any]]] = {}
    for check in sorted(CHECKS, key=lambda one: names.index(one.asset)):
        groups.setdefault((check.name, check.description), []).append(check)
    yield from map(tuple, groups.values())


def _row(group: tuple[Check[Any], ...]) -> tuple[str, str]:
    return link(code(group[0].name), f"#{_anchor(group)}"), group[0].severity


def _anchor(group: tuple[Check[Any], ...]) -> str:
    return f"{group[0].asset}-{group[0].name}"


def _check(group: tuple[Check[Any], ...]) -> str:
    check = group[0]
    tested, _, advice = check.description.partition(f"\n\n{ADVICE}")
    return joined(
        heading(2, code(check.name), _anchor(group)),
        *(prose(part) for part in tested.split("\n\n")),
        bullets(
            [
                f"Severity: {check.severity}",
                f"Assets: {codes(one.asset for one in group)}",
                f"{ADVICE}{prose(advice)}",
            ]
        ),
    ).strip()
