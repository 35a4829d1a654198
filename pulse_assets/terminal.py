"""What the command line shows: progress and errors on stderr, the summary on stdout."""

import json
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pulse_assets.batches.states import BatchOutcome, BatchState, stretches

#: Seconds between two lines of progress where no bar can be drawn.
LINE_INTERVAL: Final = 10.0

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

_NAME_COLUMNS: Final = ("variable", "lowest mase")


class TrainingProgress:
    """Progress of the batches: a live bar on a terminal, else a plain line every ten seconds.

    Example:
        >>> with TrainingProgress() as progress:
        ...     progress.start(total=2)
        ...     progress.update("completed", "2020-01-01")
        ...     progress.update("skipped", "2020-01-31")
    """

    def __init__(
        self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Write to `console` (default: stderr); `clock` tells the time in seconds."""
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar = Progress(
            TextColumn("batches"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("", total=None)
        self._counts: Counter[BatchOutcome] = Counter()
        self._total = 0
        self._began = self._printed = clock()

    def __enter__(self) -> Self:
        """Open the display; the bar moves to and fro until the number of batches is known."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the display; the last state of the bar stays on the screen."""
        self._bar.stop()

    def start(self, total: int) -> None:
        """Begin to count `total` batches."""
        self._total = total
        self._began = self._printed = self._clock()
        self._bar.reset(self._task, total=total)

    def update(self, status: BatchOutcome, batch: str) -> None:
        """Count the end of one batch; `kept` is one that an earlier run completed."""
        self._counts[status] += 1
        self._bar.update(self._task, advance=1, description=self._describe())
        if self._live:
            return
        now = self._clock()
        if now - self._printed >= LINE_INTERVAL or self._counts.total() == self._total:
            self._printed = now
            self._print_line(batch, now - self._began)

    def _describe(self) -> str:
        counts = self._counts
        kept = f", {counts['kept']} kept" if counts["kept"] else ""
        return f"{counts['failed']} failed, {counts['skipped']} skipped{kept}"

    def _print_line(self, batch: str, seconds: float) -> None:
        done = self._counts.total()
        line = f"batches {done}/{self._total}, {self._describe()}, {seconds:.0f} s"
        ours = done - self._counts["kept"]  # kept batches took no time and foretell none
        if ours and done < self._total:
            line += f", {seconds / ours * (self._total - done):.0f} s left"
        self._console.print(_plain(f"{line}, last {batch}"), soft_wrap=True)


def print_summary(
    results: Mapping[str, Any], paths: Mapping[str, str], console: Console | None = None
) -> None:
    """Print what a training run learnt; fits 80 columns and is plain text when piped.

    Args:
        results: the `training_results` object.
        paths: where each output lies, by what it is, such as `{"results": "/data/r.json"}`.
        console: where to print; stdout unless given.
    """
    from pulse_assets.stages import outcome  # late, for it imports much

    console = console or Console()
    console.print(_batch_table(results["batches"], results["performance"]))
    console.print()
    if results["variables"]["details"]:
        console.print(_variable_table(results["variables"]["details"]))
        console.print()
    _print_outcomes(console, results)
    print_warnings(outcome.warnings_of(results), console)
    _print_paths(console, paths)


def print_json(content: object) -> None:
    """Print a value on stdout for machines; NaN must have become None before."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_status(
    states: Mapping[str, BatchState],
    outcomes: Mapping[str, Any],
    versions: Mapping[str, int],
    console: Console | None = None,
) -> None:
    """Print how many batches are in each state, which neighbours are, and what they leave out.

    Args:
        states: state by batch, in order.
        outcomes: `errors`, `skipped`, `skipped_variables` and `rule_errors` of the stored batches,
            as in `training_results`.
        versions: number of stored batches by the versions that made them.
        console: where to print; stdout unless given.
    """
    console = console or Console()
    counts = Counter(states.values())
    table = _table(*get_args(BatchState), "total")
    named = [str(counts[state]) for state in get_args(BatchState)]
    table.add_row(*named, str(len(states)))
    console.print(table)
    console.print()
    found = list(stretches(states))
    listed = _table("batches", "state", "first", "last")
    for one in found[:LISTED_STRETCHES]:
        listed.add_row(str(one.count), one.state, one.first, one.last)
    console.print(listed)
    _print_rest(console, len(found) - LISTED_STRETCHES)
    console.print()
    for made_with, count in versions.items():
        console.print(_plain(f"made with {made_with}: {count}"), soft_wrap=True)
    _print_outcomes(console, outcomes)


def print_forecasts(
    rows: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
    paths: Mapping[str, str],
    console: Console | None = None,
) -> None:
    """Print forecasts with their intervals; the row `from` is the observation they start from.

    Args:
        rows: of schema `NEXT_FORECASTS`, one per variable and horizon.
        warnings: what a person should know of them.
        paths: where each output lies, by what it is.
        console: where to print; stdout unless given.
    """
    console = console or Console()
    table = _table("variable", "steps", "date", "forecast", "interval", "trust")
    known = ""
    for row in rows:
        name = _plain(row["variable"])
        if row["variable"] != known:
            known = row["variable"]
            table.add_row(name, "from", str(row["origin_date"]), _number(row["origin_value"]))
        lower, upper = (_number(row[end]) for end in ("lower", "upper"))
        table.add_row(
            name,
            str(row["horizon"]),
            str(row["target_date"]),
            _number(row["predicted"]),
            f"{lower} to {upper}",
            _number(row["trust"]),
        )
    if rows:
        console.print(table)
        console.print()
    print_warnings(warnings, console)
    _print_paths(console, paths)


def print_error(message: str, console: Console | None = None) -> None:
    """Print `error: <message>` on stderr."""
    console = console or Console(stderr=True)
    console.print(Text.assemble(("error: ", "bold red"), _plain(message)), soft_wrap=True)


def _batch_table(batches: Mapping[str, Any], performance: Mapping[str, Any]) -> Table:
    table = _table("completed", "skipped", "failed", "success rate", "duration", "speedup")
    speedup = performance["speedup_factor"]
    table.add_row(
        str(batches["completed"]),
        str(batches["skipped"]),
        Text(str(batches["failed"]), style="bold red" if batches["failed"] else ""),
        _percent(batches["success_rate"]),
        f"{performance['duration_seconds']:.1f} s",
        "-" if speedup is None else f"{speedup:.1f} x",
    )
    return table


def _variable_table(details: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("variable", "trust (90 %)", "skill %", "mase", "n", "lowest mase")
    table.columns[0].min_width = min(24, max(map(len, details)))  # the last column folds first
    for variable, entry in details.items():
        table.add_row(
            _plain(variable),
            _trust(entry["trust"], entry["trust_lower"], entry["trust_upper"]),
            "-" if entry["skill"] is None else f"{100 * entry['skill']:+.1f}",
            _score(entry["mase"]),
            str(entry["n"]),
            _plain(entry["best_model"] or "-"),
        )
    return table


def _table(*headers: str) -> Table:
    """Return a table whose numbers keep whole, while its names may be folded to fit."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        if header in _NAME_COLUMNS:
            table.add_column(header, overflow="fold")
        else:
            table.add_column(header, justify="right", no_wrap=True)
    return table


def _print_outcomes(console: Console, results: Mapping[str, Any]) -> None:
    """Print what failed and what was skipped, equal entries on one line."""
    from pulse_assets.stages import outcome_texts  # late, for it imports much
    from pulse_assets.stages.outcome import RuleErrors

    failed = [
        f"{one.first}  {one.error}"
        if one.count == 1
        else f"{one.count}  {one.error}  ({one.dates})"
        for one in outcome_texts.group_failed(results["errors"])
    ]
    rules = [
        f"{one['model']}: {outcome_texts.describe_rule_error(RuleErrors(**one))}"
        for one in results["rule_errors"]
    ]
    skipped = [
        f"{one.count}  {one.reason}  ({one.dates})"
        for one in outcome_texts.group_skipped(results["skipped"])
    ]
    variables = [
        f"{outcome_texts.list_some(one.variables)}: {one.reason} ({one.dates})"
        for one in outcome_texts.group_variables(results["skipped_variables"])
    ]
    _print_list(console, "failed batches", failed, LISTED_FAILURES)
    _print_list(console, "failed rules", rules, LISTED_FAILURES)
    _print_list(console, "skipped batches", skipped, LISTED_REASONS)
    _print_list(console, "variables not predicted in some batches", variables, LISTED_REASONS)


def print_warnings(warnings: Sequence[str], console: Console) -> None:
    """Print what a person should know, under a title; nothing if there is nothing."""
    _print_list(console, "warnings", warnings, LISTED_WARNINGS)


def _print_list(console: Console, title: str, lines: Sequence[str], limit: int) -> None:
    """Print the first lines under a title, and how many more there are; nothing if none."""
    if not lines:
        return
    console.print(Text(title, style="bold"))
    for line in lines[:limit]:
        text = str(_plain(" ".join(line.splitlines())))
        console.print(Text(textwrap.fill(text, console.width, **_HANGING)))
    _print_rest(console, len(lines) - limit)
    console.print()


def _print_paths(console: Console, paths: Mapping[str, str]) -> None:
    for name, path in paths.items():
        console.print(_plain(f"{name}: {path}"), soft_wrap=True)  # whole, to be copied


def _print_rest(console: Console, count: int) -> None:
    if count > 0:
        console.print(Text(f"  and {count} more"))


def _plain(text: str) -> Text:
    """Return text that is shown as it is: no markup, and no codes that steer a terminal."""
    return Text(
        "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
    )


def _number(number: float) -> str:
    """Return a number with four significant digits, without an exponent where it is readable.

    Example:
        >>> _number(3783.218), _number(0.63531)
        ('3783', '0.6353')
    """
    return f"{number:.4g}" if abs(number) < 10_000 else f"{number:,.0f}"


def _score(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"


def _trust(trust: float | None, lower: float, upper: float) -> str:
    return "-" if trust is None else f"{trust:.2f} ({lower:.2f}-{upper:.2f})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
