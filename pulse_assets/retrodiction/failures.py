"""Failures of rules: from which origins, with which errors, and the forecasts from the others."""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from pulse_assets.array_types import Floats
from pulse_assets.errors import RuleError

#: Longest stored message of a rule's error, in characters.
LONGEST_MESSAGE: Final = 500
#: An address in memory, as Python prints it.
_ADDRESS: Final = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


class OriginFailure(NamedTuple):
    """One origin of a request from which a rule failed.

    Attributes:
        place: index of the origin among those of the request.
        type: class of the error that the rule raised; `RuleError` if it broke its contract.
        message: its message, on one line.
    """

    place: int
    type: str
    message: str


class RuleFailure(NamedTuple):
    """One origin of a series from which a rule failed.

    Attributes:
        model: name of the rule.
        origin: index of the origin in the series.
        type: class of the error that the rule raised; `RuleError` if it broke its contract.
        message: its message, on one line.
    """

    model: str
    origin: int
    type: str
    message: str

    @property
    def text(self) -> str:
        """The stored text, `Type: message`."""
        return f"{self.type}: {self.message}"


class RuleFailedError(RuleError):
    """A rule failed from some or all origins of a request.

    Attributes:
        forecasts: its forecasts `[O, H]`; NaN from the origins where it failed.
        failures: those origins, ascending; at least one.
    """

    def __init__(self, name: str, forecasts: Floats, failures: Sequence[OriginFailure]) -> None:
        """Describe the rule and its first failure."""
        first = failures[0]
        broken = first.type == RuleError.__name__
        reason = first.message if broken else f"failed: {first.type}: {first.message}"
        super().__init__(f"rule {name!r} {reason}")
        self.forecasts = forecasts
        self.failures = tuple(failures)


def describe_error(error: BaseException) -> tuple[str, str]:
    r"""Return class and message of an error, each on one line.

    Example:
        >>> describe_error(ValueError("one\nline"))
        ('ValueError', 'one line')
    """
    kind = one_line(lambda: type(error).__name__.replace(":", " ")) or "Exception"
    return kind, one_line(lambda: str(error)) or kind


def one_line(text: Callable[[], str]) -> str:
    """Return the text of a user's code on one line; empty if the code raises.

    Addresses in memory are left out, because they make equal errors differ.
    """
    try:
        words = " ".join(text().split())
    except BaseException:  # the error is then described by its class alone
        return ""
    words = _ADDRESS.sub("0x...", words)
    if len(words) > LONGEST_MESSAGE:
        words = words[:LONGEST_MESSAGE] + " ..."
    return words.encode("utf-8", "replace").decode()


def failed_everywhere(shape: tuple[int, int], kind: str, message: str) -> list[OriginFailure]:
    """Return the failures of a rule that failed from every origin of a request `[O, H]`."""
    return [OriginFailure(place, kind, message) for place in range(shape[0])]
