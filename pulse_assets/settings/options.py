"""The options of a run: what it predicts, by which rules, and when it counts as failed.

They are also the fields of the Dagster resource `training`, so the launchpad shows the same texts.
"""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import field_validator

from pulse_assets.errors import ConfigurationError
from pulse_assets.history.bounds import Bounds
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.history.holiday_calendars import holidays_of
from pulse_assets.history.periods import Period, read_periods
from pulse_assets.history.publication import ALL_OTHERS
from pulse_assets.history.source import check_variable_name
from pulse_assets.retrodiction.combination import Method
from pulse_assets.retrodiction.hosted_rules import RULE_TIMEOUT
from pulse_assets.retrodiction.quantiles import LEVELS
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, RULES
from pulse_assets.settings.checked import Checked
from pulse_assets.settings.setting import EVALUATE, PREDICT, setting

#: Longest history in days: five centuries keep every date within the calendar.
_LONGEST_HISTORY: Final = 5 * 36525
#: Steps ahead at most: ten years of days. More would need a history of as many observations.
_LONGEST_HORIZON: Final = 3650
#: Longest time from the end of a period to the publication of its value, in days.
_LONGEST_LAG: Final = 3650
#: Levels of quantiles that agree to this many digits are the same.
LEVEL_DIGITS: Final = 9
#: Quantiles of a forecast at most: each percentile.
_MOST_QUANTILES: Final = 99
#: Longest time of a rule in a batch: a week.
MOST_SECONDS: Final = 604_800


class TrainingOptions(Checked):
    """What one run predicts, by which rules, and when it counts as failed."""

    variables: list[str] | None = setting(
        default=None,
        group=PREDICT,
        description="series to predict; default: every one that the source has",
    )
    horizons: list[int] = setting(
        default=[1, 2, 3, 6, 12],
        group=PREDICT,
        description=f"whole steps ahead to predict, 1 to {_LONGEST_HORIZON}, in the frequency of "
        "each variable",
    )
    models: list[str] | None = setting(
        default=None,
        group=PREDICT,
        description=f"names of rules: {', '.join(RULES)}, package.module:Class or "
        f"statsforecast:<model>; default: {', '.join(DEFAULT_MODELS)}, for which the word "
        "`default` stands",
    )
    history_days: int = setting(
        default=7305,
        ge=1,
        le=_LONGEST_HISTORY,
        group=PREDICT,
        description="days before its window that a batch looks back at least; its history begins "
        "with the five calendar years that hold the last of them, as its neighbours' does",
    )
    interval_level: float = setting(
        default=0.9,
        gt=0,
        lt=1,
        group=EVALUATE,
        description="nominal coverage of the intervals, 0..1: between two quantiles, whose levels "
        "are added to those of `quantiles`",
    )
    quantiles: list[float] = setting(
        default=list(LEVELS),
        group=EVALUATE,
        description="levels, 0..1, at which every forecast has a quantile",
    )
    ensemble: Method = setting(
        default="dmsfe",
        group=EVALUATE,
        description="how `ensemble` weighs the rules: dmsfe or boa",
    )
    max_partners: int = setting(
        default=3,
        ge=0,
        group=EVALUATE,
        description="largest number of leading indicators per variable",
    )
    frequencies: dict[str, str] = setting(
        default={},
        group=PREDICT,
        description="frequency of a variable whose dates leave it open: daily, business_daily, "
        "weekly, monthly, quarterly, yearly, irregular, or an offset alias of pandas such as 2W, "
        "BME or RE-L-JAN-SAT; default: decided once from all dates of the series",
    )
    calendar: dict[str, str] = setting(
        default={},
        group=PREDICT,
        description="holidays of a variable that has values on working days: none on each of them "
        "if it is daily, else on the working day before, such as `spx_close=NYSE`: a market or "
        "a country of the package holidays (`pip install 'pulse-assets[calendars]'`)",
    )
    publication_lag_days: dict[str, int] = setting(
        default={},
        group=PREDICT,
        description="days from the end of a period to the publication of its value, where the "
        "source has no published_at: one number for all, or by variable, such as `gdp=45`; "
        "default: 0, for the bundled series what is usual for them",
    )
    bounds: dict[str, str] = setting(
        default={},
        group=PREDICT,
        description="least and largest value that a variable can have, or one of the two, such as "
        "`people=0:` or `share=0:100`; forecasts and quantiles stay inside; default: none, for the "
        "bundled series those of rates and prices",
    )
    score_against: str = setting(
        default="first",
        group=EVALUATE,
        description="which release of a value counts as what happened: first, latest, or the "
        "number of a release, such as 3; where there are fewer, the last one",
    )
    trust_discount: float = setting(
        default=0.98,
        gt=0,
        le=1,
        group=EVALUATE,
        changes_batches=False,
        description="weight of the evidence of a batch relative to the next batch, in trust",
    )
    on_rule_error: Literal["skip", "fail"] = setting(
        default="skip",
        group=EVALUATE,
        changes_batches=False,
        description="a rule that fails loses: skip: its own forecasts; fail: the whole batch",
    )
    rule_timeout_seconds: float = setting(
        default=RULE_TIMEOUT,
        gt=0,
        le=MOST_SECONDS,
        group=EVALUATE,
        changes_batches=False,
        description="seconds that a rule which is not built in may take for one variable of a "
        "batch, with all its releases, or of batches that are computed together; after that it "
        "is not called again in them, and its forecasts are missing",
    )
    periods: dict[str, str] = setting(
        default={},
        group=EVALUATE,
        changes_batches=False,
        description="CSV file with the columns name, start, end: periods of which the results show "
        "the scores, beside years, recessions and crises; in a file of settings also names with "
        "first and last day, such as `covid: 2020-03-01:2020-06-30`",
    )
    max_failed_batches: int = setting(
        default=0,
        ge=0,
        group=EVALUATE,
        changes_batches=False,
        description="failed batches that a run may have and still succeed",
    )
    resume: bool = setting(
        default=False,
        group=EVALUATE,
        changes_batches=False,
        description="compute only batches that are missing, failed or computed from other input, "
        "configuration or code",
    )

    @property
    def interval_levels(self) -> tuple[float, float]:
        """The levels of the lower and of the upper bound of an interval."""
        tail = round((1.0 - self.interval_level) / 2.0, LEVEL_DIGITS)
        return tail, round(1.0 - tail, LEVEL_DIGITS)

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """The levels of all quantiles, ascending: those asked for and those of the interval."""
        return tuple(sorted({*self.quantiles, *self.interval_levels}))

    @field_validator("models")
    @classmethod
    def _default_models(cls, value: list[str] | None) -> list[str] | None:
        for name in value if value and "default" in value else ():
            if name in DEFAULT_MODELS:
                raise ValueError(f"names {name} beside default, which includes it: leave it out")
        parts = [DEFAULT_MODELS if name == "default" else (name,) for name in value or ()]
        return value and [name for part in parts for name in part]

    @field_validator("variables", "models", "horizons", "quantiles")
    @classmethod
    def _not_empty_nor_twice(cls, value: list[Any] | None) -> list[Any] | None:
        if value is not None and not value:
            raise ValueError("names none: give at least one")
        if value is not None and len(set(value)) < len(value):
            raise ValueError("names one twice: give each once")
        return value

    @field_validator("variables")
    @classmethod
    def _sorted_variables(cls, value: list[str] | None) -> list[str] | None:
        for name in value or []:
            check_variable_name(name)
        return sorted(value) if value else value

    @field_validator("horizons")
    @classmethod
    def _whole_steps(cls, value: list[int]) -> list[int]:
        if min(value) < 1:
            raise ValueError("holds a horizon below 1: a horizon is a whole number of steps ahead")
        if max(value) > _LONGEST_HORIZON:
            raise ValueError(
                f"holds the horizon {max(value)}: choose horizons of at most {_LONGEST_HORIZON} "
                "steps"
            )
        return sorted(value)

    @field_validator("interval_level")
    @classmethod
    def _two_levels(cls, value: float) -> float:
        if not 0.0 < round((1.0 - value) / 2.0, LEVEL_DIGITS) < 0.5:
            raise ValueError(f"is too near to {round(value)}: choose one such as 0.9")
        return value

    @field_validator("quantiles")
    @classmethod
    def _between_0_and_1(cls, value: list[float]) -> list[float]:
        outside = [level for level in value if not 0.0 < round(level, LEVEL_DIGITS) < 1.0]
        if outside:
            raise ValueError(f"holds the level {outside[0]:g}: choose levels between 0 and 1")
        if len(value) > _MOST_QUANTILES:
            raise ValueError(f"holds {len(value)} levels: choose at most {_MOST_QUANTILES}")
        return sorted({round(level, LEVEL_DIGITS) for level in value})

    @field_validator("bounds", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        for name, text in value.items() if isinstance(value, dict) else ():
            if not isinstance(text, str):  # YAML takes 1:30 for a number of minutes
                raise ValueError(f'of {name} are no text: write them in quotes, such as "0:100"')
        return value

    @field_validator("bounds")
    @classmethod
    def _possible_bounds(cls, value: dict[str, str]) -> dict[str, str]:
        try:
            for name in value:
                check_variable_name(name)
            return {variable: Bounds.parse(text).text for variable, text in value.items()}
        except ConfigurationError as error:
            raise ValueError(f"cannot be used: {error}") from error

    @field_validator("periods", mode="before")
    @classmethod
    def _read_periods(cls, value: object) -> object:
        return read_periods(Path(value)) if isinstance(value, str | Path) else value

    @field_validator("periods")
    @classmethod
    def _possible_periods(cls, value: dict[str, str]) -> dict[str, str]:
        return {name: Period.parse(name, text).text for name, text in value.items()}

    @field_validator("frequencies")
    @classmethod
    def _known_frequencies(cls, value: dict[str, str]) -> dict[str, str]:
        try:
            return {variable: get_frequency(text).text for variable, text in value.items()}
        except ConfigurationError as error:
            raise ValueError(f"cannot be used: {error}") from error

    @field_validator("publication_lag_days", mode="before")
    @classmethod
    def _one_lag_for_all(cls, value: object) -> object:
        lags = value if isinstance(value, dict) else {ALL_OTHERS: value}
        if any(isinstance(days, bool) for days in lags.values()):
            raise ValueError("must be a whole number of days")
        return lags

    @field_validator("publication_lag_days")
    @classmethod
    def _possible_lags(cls, value: dict[str, int]) -> dict[str, int]:
        try:
            for name in value.keys() - {ALL_OTHERS}:
                check_variable_name(name)
        except ConfigurationError as error:
            raise ValueError(f"cannot be used: {error}") from error
        for days in value.values():
            if not 0 <= days <= _LONGEST_LAG:
                raise ValueError(f"holds {days} days: choose 0 to {_LONGEST_LAG}")
        return value

    @field_validator("score_against", mode="before")
    @classmethod
    def _a_release(cls, value: object) -> object:
        text = str(value).strip().lower()
        if text in ("first", "latest"):
            return text
        if not (isinstance(value, int | str) and text.isdecimal() and len(text) <= 4 and int(text)):
            raise ValueError("must be first, latest or the number of a release, such as 3")
        return "first" if int(text) == 1 else str(int(text))

    @field_validator("calendar")
    @classmethod
    def _known_calendars(cls, value: dict[str, str]) -> dict[str, str]:
        try:
            for name in value.values():
                holidays_of(name)
        except ConfigurationError as error:
            raise ValueError(f"cannot be used: {error}") from error
        return value
