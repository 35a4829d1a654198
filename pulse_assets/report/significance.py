"""The section on significance of the report: whether differences are more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.stages.significance_summary import count_tested, describe_untested


@dataclass(frozen=True)
class Against:
    """The comparison of the ensemble with one other forecaster, as text."""

    direction: str | None
    text: str
    p: str


@dataclass(frozen=True)
class SignificanceRow:
    """The tests of one variable."""

    variable: str
    naive: Against
    median: Against
    confidence_set: Sequence[str]


@dataclass(frozen=True)
class ModelRow:
    """On how many variables a rule differs from others, an entry of `training_results`."""

    model: str
    win_rate: float | None
    counts: Mapping[str, Any]


@dataclass(frozen=True)
class SignificanceSection:
    """What the section shows.

    Attributes:
        reading: one sentence.
        level: of significance, as text.
        confidence: of the sets, as text.
        interval: what the intervals of win rates are over, as text.
        rows: of the table of variables.
        models: of the table of rules, the highest skill first.
    """

    reading: str
    level: str
    confidence: str
    interval: str
    rows: Sequence[SignificanceRow]
    models: Sequence[ModelRow]


def describe_significance_section(
    results: Mapping[str, Any], variables: Sequence[str]
) -> SignificanceSection | None:
    """Return the section; None if nothing was tested.

    Args:
        results: the `training_results` object.
        variables: those of the table, in order.
    """
    significance = results["significance"]
    entries = significance["variables"]
    tested = count_tested(significance)
    if not tested:
        return None
    ours = significance["models"][ENSEMBLE]
    return SignificanceSection(
        _reading(ours, tested, describe_untested(significance)),
        f"{100 * significance['level']:g} %",
        f"{100 * significance['confidence']:g} %",
        " over resampled variables" if len(entries) > 1 else " over resampled batches",
        [_row(name, entries[name]) for name in variables if name in entries],
        [
            ModelRow(row["model"], row["win_rate"], significance["models"][row["model"]])
            for row in results["models"]
            if row["model"] in significance["models"]
        ],
    )


def _reading(ours: Mapping[str, Any], tested: int, untested: str) -> str:
    than_naive, than_median = (
        f"smaller on {ours[f'better_than_{name}']:,} and larger on {ours[f'worse_than_{name}']:,}"
        for name in ("naive", "median")
    )
    return (
        f"Of {tested:,} variable{'s' if tested > 1 else ''}, the errors of the ensemble are "
        f"{than_naive} than those of naive, by more than chance; they are {than_median} than those "
        f"of ensemble_median.{untested and f' {untested}.'}"
    )


def _row(variable: str, entry: Mapping[str, Any]) -> SignificanceRow:
    naive, median = (
        _against(entry[f"against_{name}"], entry[f"p_{name}"]) for name in ("naive", "median")
    )
    return SignificanceRow(variable, naive, median, entry["confidence_set"])


def _against(direction: str | None, p: float | None) -> Against:
    """Return a comparison as text.

    Example:
        >>> _against("better", 0.0004), _against(None, 0.34).text
        (Against(direction='better', text='better *', p='< 0.001'), 'no difference')
    """
    if p is None:
        return Against(None, "\N{EN DASH}", "\N{EN DASH}")
    text = f"{direction} *" if direction else "no difference"
    return Against(direction, text, "< 0.001" if p < 0.001 else f"{p:.3f}")
