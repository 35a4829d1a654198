"""`pulse-train compare`: how two trainings differ in score, and whether by more than chance."""

import argparse
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

from rich.console import Console
from rich.text import Text

from pulse_assets.cli.terminal import new_table, plain, print_json, print_list
from pulse_assets.errors import ConfigurationError
from pulse_assets.retrodiction.rules import ENSEMBLE, REFERENCE
from pulse_assets.settings import TrainingConfig
from pulse_assets.stages.training_comparison import (
    COMPARED_COLUMNS,
    TrainingDifference,
    VariableDifference,
    compare_trainings,
)
from pulse_assets.storage.store import open_store
from pulse_assets.stored_results import TrainingResults, read_results

#: Variables in the table, half of them the most improved.
LISTED_VARIABLES: Final = 10
#: Settings that differ, in the list.
LISTED_SETTINGS: Final = 3
#: Settings that say where something is, and not what is computed.
_PLACES: Final = frozenset(
    {"store", "source", "report_url", "s3_endpoint_url", "s3_requester_pays", "aws_profile"}
)
#: Relative errors that differ less are shown as equal.
_EQUAL: Final = 5e-4
#: Characters of a setting that are shown.
_WIDTH: Final = 28


def compare(args: argparse.Namespace, config: TrainingConfig) -> Literal[0, 1]:
    """Print how the second training differs from the first; return 0.

    Args:
        args: from `parse_args`, with `stores` and `model`.
        config: says how buckets are reached.

    Raises:
        ConfigurationError: the two have no batch in common, or one has no such model.
        MissingObjectError: a store holds no results.
        StoreError: a store cannot be read.
    """
    model = args.model or ENSEMBLE
    first, second = (read_results(open_store(place, config.s3)) for place in args.stores)
    difference = compare_trainings(*(_sums(results, model) for results in (first, second)))
    settings = differing_settings(first.data["configuration"], second.data["configuration"])
    if not difference.batches:
        raise ConfigurationError(
            f"{first.store.uri} and {second.store.uri} have no batch of a variable in common: "
            "compare trainings with the same --batch-size-days, dates and variables"
        )
    if args.json:
        print_json({"model": model, "settings": settings, **asdict(difference)})
    else:
        print_comparison(model, args.stores, difference, settings)
    return 0


def _sums(results: TrainingResults, model: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the sums of one model.

    Raises:
        ConfigurationError: the training has no such model.
    """
    try:
        sums = results.metrics(model=model, to="arrow")
    except ConfigurationError as error:
        raise ConfigurationError(f"{results.store.uri}: {error}") from error
    return sums.select(COMPARED_COLUMNS)


def differing_settings(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Return the settings that differ, but for those that name places.

    Example:
        >>> differing_settings({"horizons": [1], "store": "a"}, {"horizons": [1, 2], "store": "b"})
        {'horizons': ([1], [1, 2])}
    """
    names = [name for name in {**first, **second} if name not in _PLACES]
    both = {name: (first.get(name), second.get(name)) for name in names}
    return {name: (a, b) for name, (a, b) in both.items() if a != b}


def print_comparison(
    model: str,
    stores: Sequence[str],
    difference: TrainingDifference,
    settings: Mapping[str, tuple[Any, Any]],
    console: Console | None = None,
) -> None:
    """Print the comparison; at most 30 lines of 80 columns.

    Args:
        model: what is compared.
        stores: of the first and of the second training.
        difference: how they differ.
        settings: those that differ.
        console: where to print; stdout unless given.
    """
    console = console or Console()
    console.print(plain(f"A: {stores[0]}"), soft_wrap=True)
    console.print(plain(f"B: {stores[1]}"), soft_wrap=True)
    lines = [f"{name}: {describe_setting(a, b)}" for name, (a, b) in settings.items()]
    print_list(console, "settings that differ", lines, LISTED_SETTINGS, rest="--json has all")
    shown = difference.variables
    if len(shown) > LISTED_VARIABLES:
        half = LISTED_VARIABLES // 2
        shown = [*shown[:half], *shown[-half:]]
    console.print(_table(shown))
    if rest := len(difference.variables) - len(shown):
        console.print(Text(f"  most improved and most worsened; and {rest:,} more: see --json"))
    for sentence in describe(model, difference):
        console.print(Text(textwrap.fill(sentence, console.width, subsequent_indent="  ")))


def _table(variables: Sequence[VariableDifference]) -> Any:  # noqa: ANN401 - of rich
    table = new_table("variable", "error of B %", "quantile loss %", "p", "n")
    for row in variables:
        star = "*" if row.direction else " "
        table.add_row(
            plain(row.variable),
            _change(row.error) + star,
            _change(row.quantile_loss),
            "-" if row.p is None else f"{row.p:.3f}",
            f"{row.n}",
        )
    return table


def describe(model: str, difference: TrainingDifference) -> list[str]:
    r"""Say in sentences how the second training differs.

    Example:
        >>> row = VariableDifference("gdp", 12, -0.1, -0.1, 0.01, "better")
        >>> sentences = describe(
        ...     "ensemble", TrainingDifference(12, [row], -0.1, None, [], ["cpi"], 0, [])
        ... )
        >>> print(*sentences, sep="\n")
        over 1 variable the errors of ensemble are 10.0 % smaller in B, on the pairs of 12 batches
        * by more than chance (5 % false discoveries): smaller on 1, larger on 0
        only in B: cpi
    """
    count = len(difference.variables)
    of = f"over {count:,} variable{'s' if count > 1 else ''}"
    change = "not comparable"
    if difference.error is not None:
        word = "smaller" if difference.error < 0 else "larger"
        change = f"{100 * abs(difference.error):.1f} % {word}"
        change = "equal" if abs(difference.error) < _EQUAL else change
    better, worse = (
        sum(row.direction == word for row in difference.variables) for word in ("better", "worse")
    )
    sentences = [
        f"{of} the errors of {model} are {change} in B, on the pairs of {difference.batches:,} "
        "batches",
        f"* by more than chance (5 % false discoveries): smaller on {better:,}, larger on "
        f"{worse:,}",
    ]
    if other := difference.other_data:
        sentences.append(
            f"not like with like: the errors of {REFERENCE} differ, too, on {_some(other)}; the "
            "two were scored on other values, or knew them on other days"
        )
    for name, only in (("A", difference.only_first), ("B", difference.only_second)):
        if only:
            sentences.append(f"only in {name}: {_some(only)}")
    if difference.left_out:
        sentences.append(
            f"{difference.left_out:,} sums of a batch, variable and horizon are left out, because "
            "only one training has them, or not a forecast of each pair"
        )
    return sentences


def describe_setting(first: object, second: object) -> str:
    """Say how a setting differs; of lists, such as rules, name the entries that only one has.

    Example:
        >>> describe_setting(0.9, 0.8)
        '0.9 -> 0.8'
        >>> describe_setting(["holt", "naive"], ["mean", "naive", "ses"])
        'only in A: holt; only in B: mean, ses'
    """
    if isinstance(first, list) and isinstance(second, list):
        differing = {
            name: [str(entry) for entry in entries if entry not in others]
            for name, entries, others in (("A", first, second), ("B", second, first))
        }
        if any(differing.values()):
            only = (f"only in {name}: {_some(own)}" for name, own in differing.items() if own)
            return "; ".join(only)
    return f"{_shown(first)} -> {_shown(second)}"


def _some(names: Sequence[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest:,} more" if rest > 0 else "")


def _change(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.1f}"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return textwrap.shorten(text, _WIDTH, placeholder=" ...")
