"""Rules that are not ours: a class of the user's, or a model of statsforecast.

A user's class is named `package.module:Class` and made without arguments. It has a `name` and one
of two methods:

- `forecast(y, origins, horizons, season) -> [O, H]`: all origins at once; row o may use
  `y[: o + 1]` alone, and one row is made twice to see that it does.
- `fit_predict(y_past, horizons) -> [H]`: one origin at a time. Being slow it runs at the origins
  asked for and at `history_origins` (default 24) before them, by which the ensemble judges it.

`y` has no gaps: missing values are carried forward. Optional attributes: `guarded` (default
True: forecasts are bounded, see `guard`), `history_origins`, and `min_observations` (default 1):
with fewer known values the forecast is NaN.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Protocol

import numpy as np

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import Floats, Ints
from pulse_assets.retrodiction.asked import Asked

HISTORY_ORIGINS: Final = 24
STATSFORECAST: Final = "statsforecast"


@dataclass(frozen=True)
class FastRule:
    """A user's rule that forecasts from all origins at once."""

    name: str
    guarded: bool
    history_origins: int | None
    min_observations: int
    method: Callable[[Floats, Ints, Ints, int], Floats]
    scale_free: bool = False

    def forecast(self, y: Floats, asked: Asked) -> Floats:
        """Forecast from every origin `[O]`: `[O, H]`.

        Raises:
            RuleError: the result has another shape, or a forecast changes when the values
                after its origin are taken away.
        """
        made = [self._forecast_one(*one, asked) for one in asked.one_by_one(y)]
        return np.concatenate(made)

    def _forecast_one(self, y: Floats, origins: Ints, asked: Asked) -> Floats:
        forecasts = self._checked(y, origins, asked.horizons, asked.season)
        for row in range(len(origins) // 2, len(origins))[:1]:
            self._check_blind(forecasts[row], y, origins[row : row + 1], asked)
        return forecasts

    def _check_blind(self, row: Floats, y: Floats, origin: Ints, asked: Asked) -> None:
        """Make the row of one origin again without the values after it."""
        blind = self._checked(y[: origin[0] + 1], origin, asked.horizons, asked.season)[0]
        if not np.allclose(row, blind, rtol=1e-6, atol=0.0, equal_nan=True):
            raise RuleError(
                f"rule {self.name!r} looks ahead or is random: its forecasts from index "
                f"{origin[0]} are {row} with later values present and {blind} without. Row o of "
                "forecast(y, origins, ...) may use y[: origins[o] + 1] alone, and the same "
                "input must give the same output."
            )

    def _checked(self, y: Floats, origins: Ints, horizons: Ints, season: int) -> Floats:
        made = self.method(y.copy(), origins.copy(), horizons.copy(), season)
        forecasts = checked_shape(self.name, made, (len(origins), len(horizons))).copy()
        forecasts[origins + 1 < self.min_observations] = np.nan
        return forecasts


@dataclass(frozen=True)
class SlowRule:
    """A rule that is fitted anew at each origin."""

    name: str
    guarded: bool
    history_origins: int | None
    min_observations: int
    fit_predict: Callable[[Floats, Ints, int], Floats]
    scale_free: bool = False

    def forecast(self, y: Floats, asked: Asked) -> Floats:
        """Forecast from every origin `[O]`, fitting each time: `[O, H]`.

        Raises:
            RuleError: a result has another shape than `[H]`.
        """
        made = [self._forecast_one(*one, asked) for one in asked.one_by_one(y)]
        return np.concatenate(made)

    def _forecast_one(self, y: Floats, origins: Ints, asked: Asked) -> Floats:
        forecasts = np.full((len(origins), len(asked.horizons)), np.nan)
        for row, origin in enumerate(origins):
            if origin + 1 >= self.min_observations:
                past, horizons = y[: origin + 1].copy(), asked.horizons.copy()
                made = self.fit_predict(past, horizons, asked.season)
                forecasts[row] = checked_shape(self.name, made, horizons.shape)
        return forecasts


def checked_shape(name: str, made: object, expected: tuple[int, ...]) -> Floats:
    """Return a rule's result as an array of numbers.

    Raises:
        RuleError: it does not hold numbers or has another shape than `expected`.
    """
    try:
        forecasts = np.asarray(made, np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise RuleError(
            f"rule {name!r} returned {type(made).__name__}, not an array of numbers: {error}"
        ) from error
    if forecasts.shape != expected:
        raise RuleError(
            f"rule {name!r} returned forecasts of shape {forecasts.shape}, expected {expected}: "
            "one row an origin, one column a horizon"
        )
    return forecasts


def import_rule(reference: str) -> FastRule | SlowRule:
    """Make the rule that `reference` names, `package.module:Class` or `statsforecast:Model`.

    Raises:
        RuleError: the module or class cannot be imported, the class cannot be made without
            arguments, or it lacks a name or a method.
    """
    module_name, _, class_name = reference.partition(":")
    if module_name == STATSFORECAST:
        return _statsforecast_rule(reference, class_name)
    user = _make(reference, _class(reference, _module(reference, module_name), class_name))
    name = getattr(user, "name", None)
    if not isinstance(name, str) or not name:
        raise RuleError(
            f"rule {reference!r} has the name {name!r}: give the class a `name`, a text"
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
    return (
        bool(getattr(user, "guarded", True)),
        getattr(user, "history_origins", history_origins),
        int(getattr(user, "min_observations", 1)),
    )


def _module(reference: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise RuleError(
            f"rule {reference!r}: cannot import module {name!r}: {type(error).__name__}: {error}. "
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
    except Exception as error:
        raise RuleError(
            f"rule {reference!r} cannot be made without arguments: "
            f"{type(error).__name__}: {error}. Subclass it with defaults for all of them."
        ) from error


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
