"""The text that the command line prints: results on stdout, errors on stderr."""

import json
import math
import sys
import textwrap
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pulse_assets.batches.states import BatchState, stretches

if TYPE_CHECKING:
    import pyarrow as pa

    from pulse_assets.batches.status import GridStatus
    from pulse_assets.stages.outcome_texts import FailedBatches

#: More variables than this make the summary brief: at most 30 lines, and a pointer to the rest.
LISTED_VARIABLES: Final = 20
#: Variables of a brief summary, half of them of the highest and half of the lowest skill.
EXTREME_VARIABLES: Final = 6
LISTED_FAILURES: Final = 10
LISTED_REASONS: Final = 10
LISTED_WARNINGS: Final = 10
LISTED_STRETCHES: Final = 40

#: How an entry of a list is wrapped; dates are not broken at their hyphens.
_HANGING: Final = {
    "initial_indent": "  ",
    "subsequent_indent": "    ",
    "break_on_hyphens": False,
}

_TRUST_NOT_WATCHED: Final = (
    "whether trust has fallen is not known: the store has no trust of this configuration; "
    "pulse-train report --rebuild computes it"
)

#: Larger numbers are shown with an exponent: their digits would take the room of the others.
_READABLE: Final = 1e9

_NAME_COLUMNS: Final = ("variable", "lowest mase", "file")


def print_summary(
    results: Mapping[str, Any], paths: Mapping[str, str], console: Console | None = None
) -> None:
    """Print the results of a training; they fit 80 columns and are plain text in a pipe.

    Of more than `LISTED_VARIABLES` variables the best and the worst are named, and of what failed
    or was skipped the first entry of each kind: 30 lines at most.

    Args:
        results: the `training_results` object; with the time of the command in `performance`.
        paths: path of each output by its name, such as `{"results": "/data/r.json"}`.
        console: where to print; stdout unless given.
    """
    # Late, because they take long to import.
    from pulse_assets.stages import outcome
    from pulse_assets.stages.calibration import describe_quantiles
    from pulse_assets.stages.leaderboard_texts import describe_learning, describe_own
    from pulse_assets.stages.periods import describe_period_skill
    from pulse_assets.stages.significance_summary import describe_significance

    console = console or Console()
    brief = len(results["variables"]["details"]) > LISTED_VARIABLES
    performance = results["performance"]
    console.print(_batch_table(results["batches"], performance))
    if phases := performance.get("phases"):
        console.print(Text(_fill_phases(_describe_phases(phases), console.width)))
    if costs := performance.get("costs"):
        console.print(Text(_fill_phases(_describe_costs(costs), console.width)))
    console.print()
    if results["variables"]["details"]:
        differing = results["significance"]["variables"]
        stars = {name for name, entry in differing.items() if entry["against_naive"]}
        lines = describe_significance(results).splitlines()[: 1 if brief else None]
        _print_variables(console, results["variables"]["details"], stars, lines)
    learning, quantiles = (
        describe_learning(results["models"]),
        describe_quantiles(results["calibration"]),
    )
    if learning:
        console.print(plain(learning), soft_wrap=True)
    if own := describe_own(results["models"]):
        console.print(plain(own), soft_wrap=True)
    if quantiles:
        console.print(Text(textwrap.fill(quantiles, console.width, subsequent_indent="  ")))
    if (learning or quantiles) and not brief:
        console.print()
    periods = describe_period_skill(results["periods"])
    title = "skill of ensemble by period"
    print_list(console, title, periods, LISTED_REASONS, rest="see the report", brief=brief)
    _print_outcomes(console, results, brief=brief)
    print_warnings(outcome.warnings_of(results), console, brief=brief)
    _print_paths(console, paths)


def print_json(content: object) -> None:
    """Print a value as JSON on stdout; it must hold None instead of NaN."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def plain_rows(rows: "pa.Table") -> list[dict[str, Any]]:
    """Return rows as JSON has them: dates as text such as 2008-09-15, None where undefined."""
    import pyarrow as pa

    for place, field in enumerate(rows.schema):
        if pa.types.is_date(field.type):
            rows = rows.set_column(place, field.name, rows[field.name].cast(pa.string()))
    return json.loads(rows.to_pandas().to_json(orient="records"))


def print_status(
    status: "GridStatus", outcomes: Mapping[str, Any], console: Console | None = None
) -> None:
    """Print the number of batches in each state, stretches of one state, and what they omit.

    Args:
        status: the states of the batches.
        outcomes: `errors`, `skipped`, `skipped_variables`, `rule_errors` and `alarms` of the stored
            batches, as in `training_results`; `trust_watched`: whether trust was looked at.
        console: where to print; stdout unless given.
    """
    # Late, because they take long to import.
    from pulse_assets.batches.due import describe_waiting
    from pulse_assets.stages.decay import describe_alarm

    console, states = console or Console(), status.states
    counts = Counter(states.values())
    table = new_table(*get_args(BatchState), "total")
    table.add_row(*(str(counts[state]) for state in get_args(BatchState)), str(len(states)))
    console.print(table)
    console.print()
    _print_stretches(console, states)
    if status.waiting:
        console.print(plain(describe_waiting(status.waiting)), soft_wrap=True)
    for made_with, count in status.versions.items():
        console.print(plain(f"made with {made_with}: {count}"), soft_wrap=True)
    decaying = [describe_alarm(alarm) for alarm in outcomes.get("alarms", ())]
    print_list(console, "signs of decay", decaying, LISTED_WARNINGS, rest="see --json")
    if not outcomes.get("trust_watched", True) and counts["done"]:
        console.print(Text(textwrap.fill(_TRUST_NOT_WATCHED, console.width)))
        console.print()
    _print_outcomes(console, outcomes)


def _print_stretches(console: Console, states: Mapping[str, BatchState]) -> None:
    """Print runs of neighbouring batches in one state."""
    neighbours = list(stretches(states))
    table = new_table("batches", "state", "first", "last")
    for stretch in neighbours[:LISTED_STRETCHES]:
        table.add_row(str(stretch.count), stretch.state, stretch.first, stretch.last)
    console.print(table)
    _print_rest(console, len(neighbours) - LISTED_STRETCHES)
    console.print()


def print_forecasts(
    rows: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
    paths: Mapping[str, str],
    console: Console | None = None,
) -> None:
    """Print forecasts with their intervals; the row `from` is the observation they start from.

    Args:
        rows: of schema `NEXT_FORECASTS`, one per variable and horizon; a trust that the ledger
            does not have is NaN, and shown as a dash.
        warnings: sentences about series that end early.
        paths: path of each output by its name.
        console: where to print; stdout unless given.
    """
    console = console or Console()
    table = new_table("variable", "steps", "date", "forecast", "interval", "trust")
    previous = ""
    for row in rows:
        name = plain(row["variable"])
        if row["variable"] != previous:
            previous = row["variable"]
            table.add_row(name, "from", str(row["origin_date"]), short_number(row["origin_value"]))
        lower, upper = (short_number(row[end]) for end in ("lower", "upper"))
        table.add_row(
            name,
            str(row["horizon"]),
            str(row["target_date"]),
            short_number(row["predicted"]),
            f"{lower} to {upper}",
            "-" if math.isnan(row["trust"]) else short_number(row["trust"]),
        )
    if rows:
        console.print(table)
        console.print()
    print_warnings(warnings, console)
    _print_paths(console, paths)


def print_error(message: str, console: Console | None = None) -> None:
    """Print `error: <message>` on stderr."""
    console = console or Console(stderr=True)
    console.print(Text.assemble(("error: ", "bold red"), plain(message)), soft_wrap=True)


def _batch_table(batches: Mapping[str, Any], performance: Mapping[str, Any]) -> Table:
    table = new_table("completed", "skipped", "failed", "success rate", "duration", "speedup")
    speedup = performance["speedup_factor"]
    table.add_row(
        str(batches["completed"]),
        str(batches["skipped"]),
        Text(str(batches["failed"]), style="bold red" if batches["failed"] else ""),
        _percent(batches["success_rate"]),
        f"{performance.get('command_seconds') or performance['duration_seconds']:.1f} s",
        "-" if speedup is None else f"{speedup:.1f} x",
    )
    return table


def _describe_phases(phases: Mapping[str, float]) -> str:
    """Return the seconds of each phase, rounded so that they add up to the rounded duration.

    Example:
        >>> _describe_phases({"start": 1.04, "batches": 2.04, "end": 0.04})
        'start 1.0 s, batches 2.1 s, end 0.0 s'
    """
    parts, until, shown = [], 0.0, 0.0
    for name, seconds in phases.items():
        until += seconds
        parts.append(f"{name} {round(until, 1) - shown:.1f} s")
        shown = round(until, 1)
    return ", ".join(parts)


def _describe_costs(costs: Mapping[str, Any]) -> str:
    """Return what the batches cost; that of some hundred batches fits 80 columns.

    Example:
        >>> _describe_costs({"processor_seconds": 9.04, "bytes_read": 32e4, "bytes_written": 8e6,
        ...     "requests": 2345, "peak_memory_bytes": 310_000_000})
        'batches: 9.0 CPU s, 0.3 MB read, 8.0 MB written, 2,345 requests, peak 310 MB'
    """
    read, written = (
        f"{size:.1f} MB" if size < 10 else f"{size:,.0f} MB"
        for size in (costs[name] / 1e6 for name in ("bytes_read", "bytes_written"))
    )
    peak = costs["peak_memory_bytes"]
    memory = "" if peak is None else f", peak {peak / 1e6:.0f} MB"
    return (
        f"batches: {costs['processor_seconds']:.1f} CPU s, {read} read, {written} written, "
        f"{costs['requests']:,} requests{memory}"
    )


def _fill_phases(text: str, width: int) -> str:
    r"""Wrap phases between two of them, and not between name and seconds.

    Example:
        >>> _fill_phases("start 1.0 s, end 0.0 s", 14)
        'start 1.0 s,\nend 0.0 s'
    """
    joined = text.replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")
    return textwrap.fill(joined, width).replace("\N{NO-BREAK SPACE}", " ")


def _print_variables(
    console: Console,
    details: Mapping[str, Mapping[str, Any]],
    stars: Collection[str],
    notes: Sequence[str],
) -> None:
    """Print the variables; of many those of highest and those of lowest skill.

    Args:
        console: where to print.
        details: of each variable.
        stars: variables whose skill has a star.
        notes: lines that explain it.
    """
    shown = list(details)
    if len(details) > LISTED_VARIABLES:
        ranked = sorted(details, key=lambda name: _skill_rank(name, details[name]))
        half = EXTREME_VARIABLES // 2
        shown = ranked[:half] + ranked[-half:]
    console.print(_variable_table({name: details[name] for name in shown}, stars))
    if rest := len(details) - len(shown):
        text = f"  highest and lowest skill; and {rest:,} more: see the report, or --json"
        console.print(Text(text), soft_wrap=True)
    for note in notes:
        console.print(Text(textwrap.fill(note, console.width, subsequent_indent="  ")))
    console.print()


def _skill_rank(name: str, entry: Mapping[str, Any]) -> tuple[bool, float, str]:
    skill = entry["skill"]
    return skill is None, -(skill or 0.0), name


def _variable_table(details: Mapping[str, Mapping[str, Any]], stars: Collection[str]) -> Table:
    table = new_table("variable", "trust (90 %)", "skill %", "mase", "n", "lowest mase")
    table.columns[0].min_width = min(24, max(map(len, details)))  # the last column wraps first
    for variable, entry in details.items():
        table.add_row(
            plain(variable),
            _trust(entry["trust"], entry["trust_lower"], entry["trust_upper"]),
            _skill(entry["skill"]) + ("*" if variable in stars else " " if stars else ""),
            _score(entry["mase"]),
            str(entry["n"]),
            plain(entry["best_model"] or "-"),
        )
    return table


def new_table(*headers: str) -> Table:
    """Return a table that may break names to fit the width, but no numbers."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        if header in _NAME_COLUMNS:
            table.add_column(header, overflow="fold")
        else:
            table.add_column(header, justify="right", no_wrap=True)
    return table


def _print_outcomes(console: Console, results: Mapping[str, Any], *, brief: bool = False) -> None:
    """Print what failed and what was skipped, equal entries on one line."""
    # Late, because the command line imports this module before it prints its first line.
    from pulse_assets.result_records import RuleErrors
    from pulse_assets.source_check import describe_given
    from pulse_assets.stages import outcome_texts as texts

    failed = [_failed_line(group) for group in texts.group_failed(results["errors"])]
    rules = [
        f"{error['model']}: {texts.describe_rule_error(RuleErrors(**error))}"
        for error in results["rule_errors"]
    ]
    skipped = [
        f"{group.count}  {group.reason}  ({group.dates})"
        for group in texts.group_skipped(results["skipped"])
    ]
    variables = [
        f"{texts.list_some(group.variables)}: {group.reason} ({group.dates})"
        for group in texts.group_variables(results["skipped_variables"])
    ]
    given = describe_given(results.get("given_forecasts", ()))
    revised = texts.describe_revisions(results.get("revisions", {}))
    for title, lines, limit in (
        ("failed batches", failed, LISTED_FAILURES),
        ("failed rules", rules, LISTED_FAILURES),
        ("skipped batches", skipped, LISTED_REASONS),
        ("variables not predicted in some batches", variables, LISTED_REASONS),
        ("forecasts of others", given, LISTED_REASONS),
        ("skill of the ensemble where values were revised", revised, LISTED_REASONS),
    ):
        print_list(console, title, lines, limit, brief=brief)


def _failed_line(group: "FailedBatches") -> str:
    if group.count == 1:
        return f"{group.first}  {group.error}"
    return f"{group.count}  {group.error}  ({group.dates})"


def print_warnings(warnings: Sequence[str], console: Console, *, brief: bool = False) -> None:
    """Print warnings under a title; nothing if there are none."""
    print_list(console, "warnings", warnings, LISTED_WARNINGS, brief=brief)


def print_list(
    console: Console,
    title: str,
    lines: Sequence[str],
    limit: int,
    *,
    rest: str = "",
    brief: bool = False,
) -> None:
    """Print the first lines under a title, and the number of further ones; nothing if none.

    Args:
        console: where to print.
        title: above the lines.
        lines: to print.
        limit: how many.
        rest: where the further ones are.
        brief: print only one line, with the beginning of the first and the number of the others.
    """
    if not lines:
        return
    if brief:
        more = f" (and {len(lines) - 1:,} more)" if len(lines) > 1 else ""
        text = str(plain(f"{title}: {' '.join(lines[0].split())}"))
        room = console.width - len(more)
        text = text if len(text) <= room else f"{text[: room - 3]}..."
        console.print(Text(text + more))
        return
    console.print(Text(title, style="bold"))
    for line in lines[:limit]:
        text = str(plain(" ".join(line.splitlines())))
        console.print(Text(textwrap.fill(text, console.width, **_HANGING)))
    _print_rest(console, len(lines) - limit, rest)
    console.print()


def _print_paths(console: Console, paths: Mapping[str, str]) -> None:
    for name, path in paths.items():
        console.print(plain(f"{name}: {path}"), soft_wrap=True)  # on one line, to be copied


def _print_rest(console: Console, count: int, rest: str = "") -> None:
    if count > 0:
        console.print(Text(f"  and {count} more{f': {rest}' if rest else ''}"))


def plain(text: str) -> Text:
    """Return text that is printed literally: without markup and terminal control codes."""
    return Text(
        "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
    )


def short_number(number: float) -> str:
    """Return a number with four significant digits, without an exponent where it is readable.

    Example:
        >>> short_number(3783.218), short_number(0.63531)
        ('3783', '0.6353')
        >>> short_number(1_234_567.8), short_number(4.81e14)
        ('1,234,568', '4.81e+14')
    """
    if 10_000 <= abs(number) < _READABLE:
        return f"{number:,.0f}"
    return f"{number:.4g}"


def _score(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"


def _skill(skill: float | None) -> str:
    return "-" if skill is None else f"{100 * skill:+.1f}"


def _trust(trust: float | None, lower: float, upper: float) -> str:
    return "-" if trust is None else f"{trust:.2f} ({lower:.2f}-{upper:.2f})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
