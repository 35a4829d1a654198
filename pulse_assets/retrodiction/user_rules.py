"""Rules that are not ours: a class of the user's, or a model of statsforecast.

A user's class is named `package.module:Class` and made without arguments. It has a `name` and one
of two methods:

- `forecast(y, origins, horizons, season) -> [O, H]`: all origins at once; row o may use
  `y[: o + 1]` alone, and some rows are made twice to see that it does.
- `fit_predict(y_past, horizons) -> [H]`: one origin at a time. Being slow it runs at the origins
  asked for and at `history_origins` (default 24) before them, by which the ensemble judges it.

`y` has no gaps: missing values are carried forward. Optional attributes: `guarded` (default
True: forecasts are bounded, see `guard`), `history_origins`, and `min_observations` (default 1):
with fewer known values the forecast is NaN. `version` says when the rule changed; without it the
source code does.

A rule runs in a process of its own, the rule host (see `hosted_rules`), and this module is what
runs there: it imports NumPy and no other package. Whatever a rule does, it loses its own forecasts
only: NaN, and an `OriginFailure` for each origin. A result that is not H numbers for each origin,
or an infinite one, is such a failure too; NaN is how a rule says that it has no forecast.
"""

import hashlib
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from sys import modules as loaded
from types import ModuleType
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.failures import (
    OriginFailure,
    describe_error,
    failed_everywhere,
    one_line,
)
from pulse_assets.retrodiction.rule_sources import source_hash

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Made = tuple[Floats, list[OriginFailure]]

HISTORY_ORIGINS: Final = 24
STATSFORECAST: Final = "statsforecast"
#: Longest name of a rule, in characters.
_LONGEST_NAME: Final = 200
#: Origins, beside the first and the last, that are forecast twice to see that a rule is blind.
BLIND_ORIGINS: Final = 4


@dataclass(frozen=True)
class UserRule:
    """What is known of a rule before it runs."""

    name: str
    guarded: bool
    history_origins: int | None
    min_observations: int

    def run(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> Made:
        """Forecast from each origin: `[O, H]`, NaN from origins where the rule failed, and those.

        Never raises, whatever the rule does.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class FastRule(UserRule):
    """A user's rule that forecasts from all origins at once."""

    method: Callable[[Floats, Ints, Ints, int], object]

    def run(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> Made:
        """Forecast from all origins at once; see `UserRule`.

        The whole request fails if a forecast changes when the values after its origin are taken
        away.
        """
        forecasts = np.full((len(origins), len(horizons)), np.nan)
        if not len(origins):
            return forecasts, []
        try:
            made = self._checked(y, origins, horizons, season)
            for row in _blind_rows(y, origins, horizons):
                self._check_blind(made[row], y, origins[row : row + 1], horizons, season)
        except BaseException as error:  # a rule may raise anything
            return forecasts, failed_everywhere(forecasts.shape, *describe_error(error))
        return finite(made, forecasts)

    def _check_blind(
        self, row: Floats, y: Floats, origin: Ints, horizons: Ints, season: int
    ) -> None:
        """Make the row of one origin again without the values after it."""
        blind = self._checked(y[: origin[0] + 1], origin, horizons, season)[0]
        if not np.allclose(row, blind, rtol=1e-6, atol=0.0, equal_nan=True):
            raise RuleError(
                "looks ahead or is random: a forecast changes when the values after its origin "
                "are taken away. Row o of forecast(y, origins, ...) may use y[: origins[o] + 1] "
                "alone, and the same input must give the same output"
            )

    def _checked(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
        made = self.method(y.copy(), origins.copy(), horizons.copy(), season)
        forecasts = as_numbers(made, (len(origins), len(horizons))).copy()
        forecasts[origins + 1 < self.min_observations] = np.nan
        return forecasts


@dataclass(frozen=True)
class SlowRule(UserRule):
    """A rule that is fitted anew at each origin."""

    fit_predict: Callable[[Floats, Ints, int], object]

    def run(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> Made:
        """Forecast from every origin, fitting each time; see `UserRule`."""
        forecasts = np.full((len(origins), len(horizons)), np.nan)
        failures = []
        for row, origin in enumerate(origins):
            if origin + 1 < self.min_observations:
                continue
            try:
                made = self.fit_predict(y[: origin + 1].copy(), horizons.copy(), season)
                forecasts[row] = as_numbers(made, horizons.shape)
            except BaseException as error:  # a rule may raise anything
                failures.append(OriginFailure(row, *describe_error(error)))
        made, infinite = finite(forecasts, forecasts)
        return made, sorted([*failures, *infinite])


def _blind_rows(y: Floats, origins: Ints, horizons: Ints) -> list[int]:
    """Return the rows to make twice: the first, the last and some that no rule can foresee.

    They follow from the content alone, so that the same input is judged alike everywhere.
    """
    digest = hashlib.sha256(b"".join(one.tobytes() for one in (y, origins, horizons))).digest()
    drawn = np.frombuffer(digest, "<u8")[:BLIND_ORIGINS] % len(origins)
    return sorted({0, len(origins) - 1, *drawn.tolist()})


def finite(made: Floats, forecasts: Floats) -> Made:
    """Copy `made` to `forecasts`, but for origins with an infinite forecast, which are failures."""
    infinite = np.isinf(made).any(axis=1)
    forecasts[~infinite] = made[~infinite]
    forecasts[infinite] = np.nan
    message = "returned an infinite forecast: NaN says that there is none"
    places = np.flatnonzero(infinite).tolist()
    return forecasts, [OriginFailure(place, RuleError.__name__, message) for place in places]


def as_numbers(made: object, expected: tuple[int, ...]) -> Floats:
    """Return a rule's result as an array of numbers.

    Raises:
        RuleError: it does not hold real numbers or has another shape than `expected`.
    """
    try:
        if made is None:
            raise TypeError("it returned nothing")
        found = np.asarray(_unmasked(made))
        if found.dtype.kind not in "biufO" or any(map(_is_no_number, found.ravel()[:1])):
            raise TypeError(f"it holds {found.dtype}")
        if found.dtype.kind == "O" and any(map(_is_no_number, found.ravel())):
            raise TypeError("it holds other objects")
        forecasts = np.asarray(found, np.float64, order="C")
    except (TypeError, ValueError) as error:
        kind, reason = type(made).__name__, describe_error(error)[1]
        raise RuleError(f"returned {kind}, not an array of numbers: {reason}") from error
    if forecasts.shape != expected:
        shapes = [_in_words(shape, expected) for shape in (forecasts.shape, expected)]
        raise RuleError(
            f"returned forecasts of shape {shapes[0]}, expected {shapes[1]}: "
            "one row an origin, one column a horizon"
        )
    return forecasts


def _unmasked(made: object) -> object:
    """Return NaN for what is masked: the numbers below a mask are no forecasts.

    Example:
        >>> _unmasked(np.ma.array([1, 2], mask=[True, False])).tolist()
        [nan, 2.0]
    """
    if isinstance(made, list | tuple) and any(isinstance(one, np.ma.MaskedArray) for one in made):
        return [_unmasked(one) for one in made]
    if isinstance(made, np.ma.MaskedArray) and made.dtype.kind in "biuf":
        return np.where(np.ma.getmaskarray(made), np.nan, made.data)
    return made


def _in_words(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Return a shape without the number of origins, so that equal errors read alike.

    Example:
        >>> _in_words((5, 240), (240, 5))
        '(5, origins)'
    """
    origins = expected[0] if len(expected) > 1 else None
    named = ("origins" if length == origins else str(length) for length in shape)
    return f"({', '.join(named)})"


def _is_no_number(value: object) -> bool:
    return isinstance(value, str | bytes | complex | np.complexfloating)


class ImportedRule(NamedTuple):
    """A rule whose code is loaded.

    Attributes:
        make: returns the rule itself; raises `RuleError` where that is not possible.
        version: changes when the rule's code does.
    """

    make: Callable[[], UserRule]
    version: str


def import_rule(reference: str) -> ImportedRule:
    """Import the rule that `reference` names, `package.module:Class` or `statsforecast:Model`.

    Raises:
        RuleError: the module or class cannot be imported, whatever it raises.
    """
    module_name, _, class_name = reference.partition(":")
    if module_name == STATSFORECAST:
        rule = _statsforecast_rule(reference, class_name)
        return ImportedRule(lambda: rule, importlib.metadata.version(STATSFORECAST))
    module = _module(reference, module_name)
    found = _class(reference, module, class_name)
    return ImportedRule(lambda: _made(reference, found), _version(found, module))


def _made(reference: str, rule_class: type) -> UserRule:
    """Make a user's rule.

    Raises:
        RuleError: the class cannot be made without arguments, or lacks a name or a method.
    """
    user = _make(reference, rule_class)
    try:
        return _user_rule(reference, user)
    except RuleError:
        raise
    except BaseException as error:  # an attribute may be computed, and raise anything
        kind, message = describe_error(error)
        raise RuleError(f"rule {reference!r} cannot be used: {kind}: {message}") from error


def _user_rule(reference: str, user: Any) -> UserRule:  # noqa: ANN401
    name = getattr(user, "name", None)
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise RuleError(
            f"rule {reference!r} has the name {one_line(lambda: repr(name))}: give the class a "
            f"`name`, a text of 1 to {_LONGEST_NAME} printable characters"
        )
    if hasattr(user, "forecast"):
        return FastRule(name, *_options(user, history_origins=None), user.forecast)
    if hasattr(user, "fit_predict"):
        simple = user.fit_predict
        options = _options(user, history_origins=HISTORY_ORIGINS)
        return SlowRule(name, *options, lambda y, horizons, season: simple(y, horizons))
    raise RuleError(
        f"rule {reference!r} has no method: write forecast(y, origins, horizons, season) -> [O, H] "
        "or fit_predict(y_past, horizons) -> [H]"
    )


def _options(user: Any, history_origins: int | None) -> tuple[bool, int | None, int]:  # noqa: ANN401
    origins = getattr(user, "history_origins", history_origins)
    return (
        bool(getattr(user, "guarded", True)),
        None if origins is None else _count("history_origins", origins),
        _count("min_observations", getattr(user, "min_observations", 1)),
    )


def _count(name: str, value: object) -> int:
    if isinstance(value, int | np.integer) and value >= 0:
        return int(value)
    raise TypeError(f"{name} = {value!r}: give a whole number, 0 or more")


def _module(reference: str, name: str) -> ModuleType:
    if name == "__main__":
        raise RuleError(
            f"rule {reference!r}: __main__ is the program itself, which a rule's own process does "
            "not run: put the class into a module"
        )
    try:
        return importlib.import_module(name)
    except BaseException as error:  # a module may raise anything, SystemExit too
        kind, message = describe_error(error)
        raise RuleError(
            f"rule {reference!r}: cannot import module {name!r}: {kind}: {message}. "
            "It must be installed or on PYTHONPATH, on the workers too."
        ) from error


def _class(reference: str, module: ModuleType, name: str) -> type:
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        classes = sorted(n for n, c in vars(module).items() if inspect.isclass(c) and n[0] != "_")
        raise RuleError(
            f"rule {reference!r}: module {module.__name__!r} has no class {name!r}; it has "
            f"{', '.join(classes) or 'none'}"
        )
    return found


def _make(reference: str, rule_class: type, **arguments: object) -> Any:  # noqa: ANN401
    try:
        return rule_class(**arguments)
    except BaseException as error:  # a class may raise anything, SystemExit too
        kind, message = describe_error(error)
        raise RuleError(
            f"rule {reference!r} cannot be made without arguments: "
            f"{kind}: {message}. Subclass it with defaults for all of them."
        ) from error


def _version(rule_class: type, module: ModuleType) -> str:
    """Return the `version` that a class or its module gives, or the hash of the source code."""
    for version in (getattr(rule_class, "version", None), vars(module).get("version")):
        if isinstance(version, str | int | float) and str(version).strip():
            return str(version)
    return source_hash({module.__name__, rule_class.__module__} & {*loaded})


class _StatsforecastModel(Protocol):
    def forecast(self, *, y: Floats, h: int) -> dict[str, Floats]: ...


def _statsforecast_rule(reference: str, class_name: str) -> SlowRule:
    """Wrap a model of statsforecast; it takes the variable's season where it knows of one."""
    try:
        models = importlib.import_module("statsforecast.models")
    except ImportError as error:
        raise RuleError(
            f"rule {reference!r} needs statsforecast: install pulse-assets[statsforecast]"
        ) from error
    model_class = _class(reference, models, class_name)
    seasonal = "season_length" in inspect.signature(model_class).parameters

    def fit_predict(y: Floats, horizons: Ints, season: int) -> Floats:
        arguments = {"season_length": season} if seasonal else {}
        model: _StatsforecastModel = _make(reference, model_class, **arguments)
        return model.forecast(y=y, h=int(horizons[-1]))["mean"][horizons - 1]

    return SlowRule(class_name, True, HISTORY_ORIGINS, 10, fit_predict)
