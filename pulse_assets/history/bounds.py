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
        """The text that names exactly these bounds."""
        return ":".join("" if math.isinf(end) else _shortest(end) for end in self)

    def check(self, series: Series) -> None:
        """Refuse a series with a value that is not possible.

        Raises:
            HistoricalDataError: a value, or a revision of one, lies outside.
        """
        later = series.revisions
        first = len(series.values)
        values = series.values if later is None else np.append(series.values, later.values)
        outside = np.flatnonzero((values < self.least) | (values > self.most))
        if len(outside):
            at = int(outside[0])
            place = series.row(at) if at < first else series.release(at - first)
            raise HistoricalDataError(
                f"{series.source}: {place} has the value {_shortest(values[at])}, which lies "
                f"outside the bounds {self.text} of {series.variable}: correct the value or the "
                "bounds"
            )


ANY_VALUE: Final = Bounds()


def bounds_of(variable: str, bounds: Mapping[str, str]) -> Bounds:
    """Return the bounds of a variable among the texts of some variables.

    Example:
        >>> bounds_of("people", {"people": "0:"}), bounds_of("growth", {"people": "0:"})
        (Bounds(least=0.0, most=inf), Bounds(least=-inf, most=inf))
    """
    return Bounds.parse(bounds[variable]) if variable in bounds else ANY_VALUE


def _shortest(number: float) -> str:
    """Return the shortest text of a number.

    Example:
        >>> _shortest(100.0), _shortest(1234567.5), _shortest(1e300)
        ('100', '1234567.5', '1e+300')
    """
    return repr(float(number)).removesuffix(".0")


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
    return number + 0.0  # -0 is 0
