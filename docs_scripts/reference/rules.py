"""The page on forecasting rules, from the registry of rules and their docstrings."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any, Final

from docs_scripts.reference.markdown import (
    bullets,
    code,
    codes,
    docstring,
    first_sentence,
    heading,
    joined,
    link,
    page_of,
    prose,
    table,
)
from docs_scripts.reference.rule_texts import TEXTS
from pulse_assets.retrodiction import (
    clipping,
    combination,
    given_rule,
    indicators,
    user_rules,
    winsorise,
)
from pulse_assets.retrodiction.combination import median, prior
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, RULES, BuiltIn, Rule

#: Rules that are no entries of the registry, and the modules and classes that describe them.
OTHERS: Final = {
    "ensemble": (combination, prior),
    "ensemble_median": (median,),
    "ar_with_<variable>": (indicators,),
    "package.module:Class": (user_rules,),
    "forecasts_<model>": (given_rule.GivenRule,),
}


#: What becomes of a user's rule that fails.
_HOST: Final = (
    "A rule runs in a process of its own. Where it raises an error, ends its process, takes too "
    "long or returns a wrong shape, its own forecasts are missing; all else is stored."
)


def page() -> str:
    """Return the page."""
    rules = RULES.values()
    blocks = dict.fromkeys(
        step.func for rule in rules for step in steps(rule) if not is_one_function(rule)
    )
    return page_of(
        "Rules",
        "Look up what each forecasting rule computes, with its formula and its source. The "
        "registry of rules and their docstrings write this page at each build.",
        "The setting `models` names rules. y is the series, o the origin, h the horizon in steps, "
        "m the observations per season, and f the forecast. Names in capitals are constants.",
        f"Without `models` these run: {codes(DEFAULT_MODELS)}.",
        table(("rule", "what it forecasts"), map(_row, rules)),
        *(_rule(rule) for rule in rules),
        heading(2, "Steps of several rules", "steps"),
        *(_step(function) for function in blocks),
        heading(2, "Combinations and other rules"),
        *_others(),
        heading(2, "What holds of all rules"),
        *_common(),
    )


def steps(rule: Rule) -> list["partial[Any]"]:
    """Return the functions that a rule applies, the outermost first, with their arguments."""
    function: Any = rule.function if isinstance(rule, BuiltIn) else rule.forecast
    found = []
    while function is not None:
        step = function if isinstance(function, partial) else partial(function)
        inner = step.keywords.get("rule")
        found.append(partial(step.func, **{n: v for n, v in step.keywords.items() if n != "rule"}))
        function = inner
    return found


def is_one_function(rule: Rule) -> bool:
    """Tell whether a rule is a function of its own, which no other rule uses with arguments."""
    own = steps(rule)
    return len(own) == 1 and not own[0].keywords


def plain(function: Any) -> Any:  # noqa: ANN401 - compiled functions have no common type
    """Return a function as it is written, if Numba has compiled it."""
    return getattr(function, "py_func", function)


def _row(rule: Rule) -> tuple[str, str]:
    return link(code(rule.name), f"#{rule.name}"), prose(summary(rule))


def summary(rule: Rule) -> str:
    """Return what a rule forecasts, in one sentence."""
    function = plain(steps(rule)[0].func)
    return TEXTS.get(rule.name) or with_values(first_sentence(function), function)


def _arguments(step: "partial[Any]") -> str:
    shown = ", ".join(f"{name}={value}" for name, value in step.keywords.items())
    return f" with `{shown}`" if shown else ""


def _rule(rule: Rule) -> str:
    own = steps(rule)
    function = plain(own[0].func)
    used = [f"{_link_to(step)}{_arguments(step)}" for step in own]
    of_itself = is_one_function(rule)
    robust = isinstance(rule, BuiltIn) and rule.robust
    facts = [
        "" if of_itself else f"Steps: {', of '.join(used)}",
        f"Runs by default: {_yes(rule.name in DEFAULT_MODELS)}",
        f"Fitted to values with outlying changes limited: {_yes(robust or _limits(rule))}",
        f"Forecasts are clipped: {_yes(rule.guarded)}",
    ]
    text = _documented(function) if of_itself else prose(summary(rule))
    parts = [heading(2, code(rule.name), rule.name), text, bullets(filter(None, facts))]
    return joined(*parts).strip()


def _limits(rule: Rule) -> bool:
    """Tell whether a step limits outlying changes itself."""
    return any("winsorise" in inspect.getsource(plain(step.func)) for step in steps(rule))


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _link_to(step: "partial[Any]") -> str:
    name = plain(step.func).__name__
    return link(code(name), f"#{name}" if name in RULES else f"#step-{name}")


def _step(function: Callable[..., Any]) -> str:
    function = plain(function)
    name = function.__name__
    if name in RULES:  # it is described above
        return ""
    return joined(heading(3, code(name), f"step-{name}"), _documented(function)).strip()


def _documented(function: Callable[..., Any]) -> str:
    """Return the docstring of a function, and the source that its module names."""
    text = with_values(inspect.getdoc(function) or "", function)
    source = "" if "Source:" in text else source_of(sys.modules[function.__module__])
    return "\n\n".join(filter(None, [docstring(text), docstring(source)]))


def source_of(module: ModuleType) -> str:
    """Return the section of a module's docstring that names its sources."""
    text = inspect.getdoc(module) or ""
    return text[text.index("Source:") :] if "Source:" in text else ""


def with_values(text: str, function: Callable[..., Any]) -> str:
    """Return a text with the value behind each constant that it names."""
    constants = vars(sys.modules[function.__module__])

    def shown(match: "re.Match[str]") -> str:
        value = constants.get(match[1])
        return f"{match[0]} ({value:g})" if isinstance(value, int | float) else match[0]

    return re.sub(r"`([A-Z][A-Z_]+)`", shown, text)


def _others() -> Iterator[str]:
    for name, texts in OTHERS.items():
        anchor = re.sub(r"[^a-z_].*", "", name).strip("_")
        shown = (inspect.getdoc(each) or "" for each in texts)
        if user_rules in texts:  # what follows is about its code
            shown = (text.partition("A rule runs in its own process")[0] + _HOST for text in shown)
        yield joined(heading(3, code(name), anchor), *map(docstring, shown)).strip()


def _common() -> Iterator[str]:
    yield heading(3, "Clipping")
    yield _documented_module(clipping)
    yield heading(3, "Outlying changes")
    yield docstring(inspect.getdoc(plain(winsorise.winsorise_changes)) or "")


def _documented_module(module: ModuleType) -> str:
    return docstring(inspect.getdoc(module) or "")
