"""The least and the largest value that a variable can have, such as `0:` of a number of people."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple, Self

import numpy as np

from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.history.series import Series


class Bounds(NamedTuple):
    """The least and the largest possible value; infinite where there is none."""

    least: float = -math.inf
    most: float = math.inf

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the bounds that a text names, the one or the other of which it may leave out.

        Raises:
            ConfigurationError: it is not two numbers with a colon between them.

        Example:
            >>> Bounds.parse("0:"), Bounds.parse("-5:100")
            (Bounds(least=0.0, most=inf), Bounds(least=-5.0, most=100.0))
        """
        least, colon, most = text.strip().partition(":")
        try:
            bounds = cls(_number(least, -math.inf), _number(most, math.inf))
        except ValueError:
            bounds = cls(math.nan, math.nan)
        if not colon or not bounds.least < bounds.most or bounds == cls():
            raise ConfigurationError(
                f"{text!r} is no pair of bounds: give the least and the largest value, or one of "
                "the two, such as 0:100, 0: or :100"
            )
        return bounds

    @property
    def text(self) -> str:
        """The text that names the bounds."""
        ends = ("" if math.isinf(end) else f"{end:g}" for end in self)
        return ":".join(ends)

    def check(self, series: Series) -> None:
        """Refuse a series with a value that is not possible.

        Raises:
            HistoricalDataError: a value, or a revision of one, lies outside.
        """
        later = series.revisions
        rows, values = np.arange(len(series.values)), series.values
        if later is not None:
            rows, values = np.append(rows, later.rows), np.append(values, later.values)
        outside = np.flatnonzero((values < self.least) | (values > self.most))
        if len(outside):
            at = int(outside[0])
            raise HistoricalDataError(
                f"{series.source}: {series.row(int(rows[at]))} has the value {values[at]:g}, which "
                f"lies outside the bounds {self.text} of {series.variable}: correct the value or "
                "the bounds"
            )


ANY_VALUE: Final = Bounds()


def bounds_of(variable: str, bounds: Mapping[str, str]) -> Bounds:
    """Return the bounds of a variable among the texts of some variables.

    Example:
        >>> bounds_of("people", {"people": "0:"}), bounds_of("growth", {"people": "0:"})
        (Bounds(least=0.0, most=inf), Bounds(least=-inf, most=inf))
    """
    return Bounds.parse(bounds[variable]) if variable in bounds else ANY_VALUE


def _number(text: str, absent: float) -> float:
    """Return a finite number.

    Raises:
        ValueError: the text is none.
    """
    if not text.strip():
        return absent
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
