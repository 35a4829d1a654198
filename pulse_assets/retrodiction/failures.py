"""What a rule that fails leaves behind: the forecasts that it made all the same, and its errors."""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pulse_assets.errors import RuleError

#: Longest message of a rule's error that is kept.
LONGEST_MESSAGE: Final = 500
#: An address in memory, with the digits that Python shows.
_ADDRESS: Final = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


class OriginFailure(NamedTuple):
    """One origin from which a rule made no forecast.

    Attributes:
        place: index of the origin among those of the request.
        type: class of what the rule raised; `RuleError` where it broke its contract.
        message: its message, on one line.
    """

    place: int
    type: str
    message: str


class RuleFailure(NamedTuple):
    """One origin of a series from which a rule made no forecast.

    Attributes:
        model: name of the rule.
        origin: index of the origin in the series.
        type: class of what the rule raised; `RuleError` where it broke its contract.
        message: its message, on one line.
    """

    model: str
    origin: int
    type: str
    message: str

    @property
    def text(self) -> str:
        """What is stored: `Type: message`."""
        return f"{self.type}: {self.message}"


class RuleFailedError(RuleError):
    """A rule failed from some of the origins of a request, or from all.

    Attributes:
        forecasts: what it forecast `[O, H]`, NaN from the origins where it failed.
        failures: those origins, ascending; at least one.
    """

    def __init__(
        self, name: str, forecasts: NDArray[np.float64], failures: Sequence[OriginFailure]
    ) -> None:
        """Name the rule and its first failure."""
        first = failures[0]
        broken = first.type == RuleError.__name__
        what = first.message if broken else f"failed: {first.type}: {first.message}"
        super().__init__(f"rule {name!r} {what}")
        self.forecasts = forecasts
        self.failures = tuple(failures)


def describe_error(error: BaseException) -> tuple[str, str]:
    r"""Return class and message of an error, as text that can be stored on one line.

    Example:
        >>> describe_error(ValueError("one\nline"))
        ('ValueError', 'one line')
    """
    kind = one_line(lambda: type(error).__name__.replace(":", " ")) or "Exception"
    return kind, one_line(lambda: str(error)) or kind


def one_line(text: Callable[[], str]) -> str:
    """Return a text that a user's code makes on one line; it may be of any length or raise.

    Addresses in memory, as `repr` shows them, are left out: they make equal errors differ.
    """
    try:
        words = " ".join(text().split())
    except BaseException:  # an error whose text raises is described by its class alone
        return ""
    words = _ADDRESS.sub("0x...", words)
    if len(words) > LONGEST_MESSAGE:
        words = words[:LONGEST_MESSAGE] + " ..."
    return words.encode("utf-8", "replace").decode()


def failed_everywhere(shape: tuple[int, int], kind: str, message: str) -> list[OriginFailure]:
    """Return the failures of a rule that failed from every origin of a request `[O, H]`."""
    return [OriginFailure(place, kind, message) for place in range(shape[0])]
