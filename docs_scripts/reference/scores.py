"""The page on scores and tests, from the registry of scores and from docstrings."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

from docs_scripts.reference.markdown import (
    bullets,
    code,
    docstring,
    heading,
    joined,
    link,
    page_of,
    prose,
    sentence,
    table,
)
from docs_scripts.reference.rules import source_of
from docs_scripts.reference.tables import meaning
from pulse_assets.evaluation import bootstrap, comparison, confidence_set, drift, win_rate
from pulse_assets.evaluation.volatility import VolatilityState
from pulse_assets.results_schema import json_schema
from pulse_assets.retrodiction import quantiles, scores, trust, worth
from pulse_assets.retrodiction.scores import METRICS, Metric
from pulse_assets.stages import revision_tax

#: Numbers of the leaderboard that are no entries of the registry, and what computes each.
OTHERS: Final[dict[str, tuple[Any, ...]]] = {
    "skill": (scores.leaderboard_skill,),
    "win_rate": (win_rate.resampled_win_rates,),
    "trust": (trust, trust.scan_trust, trust.pair_wins),
    "weight": (),
    "worth": (worth.saved_errors,),
}
#: What scores are divided by.
SCALES: Final = (scores.mase_scale, scores.squared_scale)
#: The tests, by title.
TESTS: Final[dict[str, tuple[Any, ...]]] = {
    "Equal accuracy": (comparison.diebold_mariano, comparison.steps_between_batches),
    "Many tests at once": (comparison.adjust_probabilities,),
    "Model confidence set": (confidence_set.confidence_set,),
    "Resampled histories": (bootstrap.draw_blocks, bootstrap.block_length),
    "Drift of coverage": (drift.coverage_drift,),
    "Unusual losses": (drift.loss_limit,),
    "Calm and crisis": (VolatilityState,),
    "Revision tax": (revision_tax,),
    "Quantiles": (quantiles,),
}


def page() -> str:
    """Return the page."""
    return page_of(
        "Scores",
        "Look up how each score and each test is computed, with its formula and its source. The "
        "registry of scores and their docstrings write this page at each build.",
        *(prose(part) for part in (inspect.getdoc(scores) or "").split("\n\n")[1:]),
        table(("score", "of a pair", "best", "smaller is better"), map(_row, METRICS.values())),
        *(_metric(metric) for metric in METRICS.values()),
        heading(2, "Scales", "scales"),
        *(_function(function) for function in SCALES),
        heading(2, "Numbers of the leaderboard", "leaderboard"),
        *_leaderboard(),
        heading(2, "Tests and what else is measured", "tests"),
        *_tests(),
    )


def _row(metric: Metric) -> tuple[str, str, str, str]:
    best = "the level" if metric.name == "coverage" else f"{metric.perfect:g}"
    smaller = "yes" if metric.negatively_oriented else "no"
    return link(code(metric.name), f"#{metric.name}"), prose(_formula(metric)), best, smaller


def _formula(metric: Metric) -> str:
    """Return the number of a pair, as the docstring of its function says it."""
    text = (inspect.getdoc(metric.of_pairs) or "").partition("\n\n")[0]
    return without_return(" ".join(text.split()))


def without_return(text: str) -> str:
    """Return a docstring without the verb with which it begins.

    Example:
        >>> without_return("Return the mean."), without_return("Return |f - y|.")
        ('The mean.', '|f - y|.')
    """
    text = text.removeprefix("Return ")
    return text[:1].upper() + text[1:]


def _metric(metric: Metric) -> str:
    factor = "twice the mean" if metric.is_double else "the mean"
    total = "the root of the mean" if metric.is_root else factor
    facts = [
        f"Score: {total} over the pairs",
        f"Column of `batch_metrics`: {code(metric.column)}, {prose(metric.meaning)}",
        f"In results: {prose(sentence(_result(metric.name)))}",
    ]
    text = docstring(without_return(inspect.getdoc(metric.of_pairs) or ""))
    return joined(heading(2, code(metric.name), metric.name), text, bullets(facts)).strip()


def _result(name: str) -> str:
    return meaning(json_schema()["$defs"]["ModelResult"]["properties"][name])


def _leaderboard() -> Iterator[str]:
    for name, described in OTHERS.items():
        yield heading(3, code(name), name)
        yield prose(sentence(_result(name)))
        yield from (_function(each, titled=False) for each in described)


def _tests() -> Iterator[str]:
    for title, described in TESTS.items():
        yield heading(3, title)
        yield from (_function(each, titled=False) for each in described)


def _function(function: Callable[..., Any] | Any, *, titled: bool = True) -> str:  # noqa: ANN401
    """Return what a function, a class or a module computes, with its source."""
    text = inspect.getdoc(function) or ""
    module = inspect.getmodule(function)
    source = source_of(module) if module and "Source:" not in text and titled else ""
    title = heading(3, code(function.__name__), function.__name__) if titled else ""
    return joined(title, docstring(without_return(text)), docstring(source)).strip()
