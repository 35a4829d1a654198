"""Users' rules: a class of the user, or a model of statsforecast.

A user's class is named `package.module:Class` and instantiated without arguments. It has a `name`
and one of two methods:

- `forecast(y, origins, horizons, season) -> [O, H]`: all origins at once. Row o may use
  `y[: o + 1]` only; some rows are computed twice to check that.
- `fit_predict(y_past, horizons) -> [H]`: one origin at a time. Because it is slow, it runs at the
  requested origins and at `history_origins` (default 24) before them, which the ensemble needs for
  its weight. It is fitted once to equal values: a user's class within a batch or a block of
  batches, a model of statsforecast as long as its process lives.

`y` has no gaps: missing values are carried forward. Optional attributes: `guarded` (default
True: forecasts are clipped, see `clipping`), `history_origins`, and `min_observations` (default 1):
from origins with fewer known values the rule is not called, and its forecasts are NaN. `version`
identifies the rule's version; without it the source code does.

A rule runs in its own process, the rule host (see `hosted_rules`). This module runs there, so it
imports no package but NumPy. Whatever a rule does, only its own forecasts are lost: they are NaN,
with an `OriginFailure` for each origin. A result with a wrong shape or an infinite number is a
failure, too. A rule returns NaN where it has no forecast.
"""

import hashlib
import importlib
import importlib.metadata
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from sys import modules as loaded
from types import ModuleType
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.failures import (
    OriginFailure,
    describe_error,
    failed_everywhere,
    one_line,
)
from pulse_assets.retrodiction.rule_sources import source_hash

#: Forecasts `[O, H]`, NaN from the origins where the rule failed; and those origins.
ForecastsAndFailures = tuple[Floats, list[OriginFailure]]

HISTORY_ORIGINS: Final = 24
STATSFORECAST: Final = "statsforecast"
#: Longest name of a rule, in characters.
_LONGEST_NAME: Final = 200
#: Origins, beside the first and the last, that are forecast twice to check that a rule does not
#: look ahead.
BLIND_ORIGINS: Final = 4
#: Numbers that a slow rule remembers of its forecasts at most, 64 MB. An entry takes as much memory
#: beside its forecasts as 40 numbers.
_REMEMBERED_NUMBERS: Final = 2**23
_NUMBERS_PER_ENTRY: Final = 40


@dataclass(frozen=True)
class UserRule(ABC):
    """A rule and its options, ready to run."""

    name: str
    guarded: bool
    history_origins: int | None
    min_observations: int

    @abstractmethod
    def run(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> ForecastsAndFailures:
        """Return the forecasts and failures; never raise, whatever the rule does."""


@dataclass(frozen=True)
class FastRule(UserRule):
    """A user's rule that forecasts from all origins at once."""

    method: Callable[[Floats, Ints, Ints, int], object]

    def run(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> ForecastsAndFailures:
        """Forecast from all origins at once; see `UserRule`.

        The whole request fails if a forecast changes when the values after its origin are removed.
        Origins with fewer values than `min_observations` are not part of it.
        """
        forecasts = np.full((len(origins), len(horizons)), np.nan)
        enough = np.flatnonzero(origins + 1 >= self.min_observations)
        if not len(enough):
            return forecasts, []
        forecasts[enough], failures = self._run(y, origins[enough], horizons, season)
        return forecasts, [each._replace(place=int(enough[each.place])) for each in failures]

    def _run(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> ForecastsAndFailures:
        forecasts = np.full((len(origins), len(horizons)), np.nan)
        try:
            whole = self._checked(y, origins, horizons, season)
            for row in _blind_rows(y, origins, horizons):
                self._check_blind(whole[row], y, origins[row : row + 1], horizons, season)
        except BaseException as error:  # a rule may raise anything
            return forecasts, failed_everywhere(forecasts.shape, *describe_error(error))
        return finite(whole, forecasts)

    def _check_blind(
        self, row: Floats, y: Floats, origin: Ints, horizons: Ints, season: int
    ) -> None:
        """Compute the row of one origin again without the values after the origin."""
        blind = self._checked(y[: origin[0] + 1], origin, horizons, season)[0]
        if not np.allclose(row, blind, rtol=1e-6, atol=0.0, equal_nan=True):
            raise RuleError(
                "looks ahead or is random: a forecast changes when the values after its origin "
                "are taken away. Row o of forecast(y, origins, ...) may use y[: origins[o] + 1] "
                "alone, and the same input must give the same output"
            )

    def _checked(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
        result = self.method(y.copy(), origins.copy(), horizons.copy(), season)
        return as_numbers(result, (len(origins), len(horizons))).copy()


@dataclass(frozen=True)
class SlowRule(UserRule):
    """A rule that is fitted again at each origin, but only once to the same values.

    The fits take nearly all of its time, and most repeat: a rule restarts some origins before each
    screening row, in each block of batches, and for each version of a series.

    Attributes:
        fit_predict: returns the forecasts from one origin `[H]`.
        forecasts: forecasts by a digest of all that they depend on.
    """

    fit_predict: Callable[[Floats, Ints, int], object]
    forecasts: dict[bytes, Floats] = field(default_factory=dict, compare=False)

    def run(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> ForecastsAndFailures:
        """Forecast from every origin, fitting to each history once; see `UserRule`."""
        forecasts = np.full((len(origins), len(horizons)), np.nan)
        failures = []
        for row, origin in enumerate(origins):
            if origin + 1 < self.min_observations:
                continue
            try:
                forecasts[row] = self._forecast(y[: origin + 1], horizons, season)
            except BaseException as error:  # a rule may raise anything
                failures.append(OriginFailure(row, *describe_error(error)))
        forecasts, infinite = finite(forecasts, forecasts)
        return forecasts, sorted([*failures, *infinite])

    def _forecast(self, y_past: Floats, horizons: Ints, season: int) -> Floats:
        """Return the forecasts from one origin `[H]`; a failure is raised, and not remembered."""
        shape = np.array([season, len(horizons)])
        parts = (a.tobytes() for a in (shape, horizons, y_past))
        key = hashlib.blake2b(b"".join(parts), digest_size=16).digest()
        if key not in self.forecasts:
            result = self.fit_predict(y_past.copy(), horizons.copy(), season)
            numbers = as_numbers(result, horizons.shape).copy()
            most = _REMEMBERED_NUMBERS // (len(horizons) + _NUMBERS_PER_ENTRY)
            while len(self.forecasts) >= max(most, 1):
                del self.forecasts[next(iter(self.forecasts))]  # the oldest
            self.forecasts[key] = numbers
        return self.forecasts[key]


def _blind_rows(y: Floats, origins: Ints, horizons: Ints) -> list[int]:
    """Return the rows to compute twice: the first, the last, and some that no rule can predict.

    They depend on the content only, so that the same input gives the same result everywhere.
    """
    digest = hashlib.sha256(b"".join(a.tobytes() for a in (y, origins, horizons))).digest()
    drawn = np.frombuffer(digest, "<u8")[:BLIND_ORIGINS] % len(origins)
    return sorted({0, len(origins) - 1, *drawn.tolist()})


def finite(result: Floats, forecasts: Floats) -> ForecastsAndFailures:
    """Copy `result` to `forecasts`, with NaN and a failure for origins with infinite forecasts."""
    infinite = np.isinf(result).any(axis=1)
    forecasts[~infinite] = result[~infinite]
    forecasts[infinite] = np.nan
    message = "returned an infinite forecast: NaN says that there is none"
    places = np.flatnonzero(infinite).tolist()
    return forecasts, [OriginFailure(place, RuleError.__name__, message) for place in places]


def as_numbers(result: object, expected: tuple[int, ...]) -> Floats:
    """Return a rule's result as an array of numbers.

    Raises:
        RuleError: it does not contain real numbers, or its shape is not `expected`.
    """
    try:
        if result is None:
            raise TypeError("it returned nothing")
        values = np.asarray(_unmasked(result))
        kind = values.dtype.kind
        if kind not in "biufO" or (kind == "O" and any(map(_is_no_number, values.ravel()))):
            raise TypeError(f"it holds {values.dtype}")
        forecasts = np.asarray(values, np.float64, order="C")
    except (TypeError, ValueError) as error:
        kind, reason = type(result).__name__, describe_error(error)[1]
        raise RuleError(f"returned {kind}, not an array of numbers: {reason}") from error
    if forecasts.shape != expected:
        shapes = [_in_words(shape, expected) for shape in (forecasts.shape, expected)]
        wanted = "one number per horizon"
        if len(expected) > 1:
            wanted = "one row per origin, one column per horizon"
        raise RuleError(f"returned forecasts of shape {shapes[0]}, expected {shapes[1]}: {wanted}")
    return forecasts


def _unmasked(result: object) -> object:
    """Return NaN for masked values, because numbers below a mask are not forecasts.

    Example:
        >>> _unmasked(np.ma.array([1, 2], mask=[True, False])).tolist()
        [nan, 2.0]
    """
    if isinstance(result, list | tuple) and any(isinstance(r, np.ma.MaskedArray) for r in result):
        return [_unmasked(row) for row in result]
    if isinstance(result, np.ma.MaskedArray) and result.dtype.kind in "biuf":
        return np.where(np.ma.getmaskarray(result), np.nan, result.data)
    return result


def _in_words(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Return a shape without the number of origins, so that equal errors have equal texts.

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
    """A rule whose class is imported.

    Attributes:
        make: returns the rule for a batch, or for a check of batches, or raises `RuleError`. A
            user's class gets a new instance: it may depend on more than its input. A model of
            statsforecast is made for each fit; all batches share what it forecast, and all checks.
        version: text that changes when the rule's code does.
    """

    make: Callable[[bool], UserRule]
    version: str


def import_rule(reference: str) -> ImportedRule:
    """Import the rule that `reference` names, `package.module:Class` or `statsforecast:Model`.

    Raises:
        RuleError: the module or class cannot be imported, whatever it raises.
    """
    module_name, _, class_name = reference.partition(":")
    if module_name == STATSFORECAST:
        for_batches, for_checks = (_statsforecast_rule(reference, class_name) for _ in range(2))
        version = importlib.metadata.version(STATSFORECAST)
        return ImportedRule(lambda check: for_checks if check else for_batches, version)
    module = _module(reference, module_name)
    rule_class = _class(reference, module, class_name)
    return ImportedRule(lambda _: _instantiate(reference, rule_class), _version(rule_class, module))


def _instantiate(reference: str, rule_class: type) -> UserRule:
    """Return an instance of a user's rule.

    Raises:
        RuleError: the class needs arguments, or has no name or no method.
    """
    user = _make(reference, rule_class)
    try:
        return _user_rule(reference, user)
    except RuleError:
        raise
    except BaseException as error:  # a property may raise anything
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
            "It must be installed, on PYTHONPATH or in --rules-path; on workers of another cluster "
            "installed or on PYTHONPATH."
        ) from error


def _class(reference: str, module: ModuleType, name: str) -> type:
    rule_class = getattr(module, name, None)
    if not inspect.isclass(rule_class):
        classes = sorted(n for n, c in vars(module).items() if inspect.isclass(c) and n[0] != "_")
        raise RuleError(
            f"rule {reference!r}: module {module.__name__!r} has no class {name!r}; it has "
            f"{', '.join(classes) or 'none'}"
        )
    return rule_class


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
    """Return the `version` of a class or its module, or else the hash of the source code."""
    for version in (getattr(rule_class, "version", None), vars(module).get("version")):
        if isinstance(version, str | int | float) and str(version).strip():
            return str(version)
    return source_hash({module.__name__, rule_class.__module__} & {*loaded})


class _StatsforecastModel(Protocol):
    def forecast(self, *, y: Floats, h: int) -> dict[str, Floats]: ...


def _statsforecast_rule(reference: str, class_name: str) -> SlowRule:
    """Return a model of statsforecast as a rule, with the variable's season if it takes one."""
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
