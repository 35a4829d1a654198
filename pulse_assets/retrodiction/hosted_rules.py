"""Users' rules as the engine calls them: each request is sent to a rule host and answered by it.

Neither the process of a run nor a Dask worker imports a user's code.
"""

import itertools
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from pulse_assets.array_types import Floats, Ints
from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.failures import OriginFailure, RuleFailedError, failed_everywhere
from pulse_assets.retrodiction.request import ForecastRequest
from pulse_assets.retrodiction.rule_process import (
    HostDiedError,
    HostTimeoutError,
    this_threads_host,
)

#: Default seconds that a rule may take for the forecasts of one variable.
RULE_TIMEOUT: Final = 600.0

#: Libraries whose models take part as somebody else's forecasts only, as foundation models do.
_READ_ONLY: Final = ("sktime", "darts")

_batches: Final = itertools.count()


class HostedRule:
    """A user's rule or a model of statsforecast, for one batch; see `Rule`.

    Attributes:
        reference: `package.module:Class` or `statsforecast:Model`.
        name: see `Rule`.
        guarded: see `Rule`.
        scale_free: see `Rule`.
        history_origins: see `Rule`.
        version: text that changes when the rule's code does.
    """

    scale_free = False

    def __init__(
        self, reference: str, seconds: float = RULE_TIMEOUT, *, check: bool = False
    ) -> None:
        """Import the rule in the rule host.

        Args:
            reference: `package.module:Class` or `statsforecast:Model`.
            seconds: time that it may take for a request, which holds one variable with all its
                vintages. If it takes longer for one, it is not called again.
            check: whether it checks forecasts of batches: it then repeats none of them.

        Raises:
            RuleError: it cannot be imported or used.
        """
        described = describe(reference, seconds)
        self.reference = reference
        self.name: str = described["name"]
        self.guarded: bool = described["guarded"]
        self.history_origins: int | None = described["history_origins"]
        self.version: str = described["version"]
        self._batch, self._check = next(_batches), check
        self._seconds, self._too_slow = seconds, False

    def forecast(self, y: Floats, request: ForecastRequest) -> Floats:
        """Return the forecasts from each origin `[O, H]`; see `Rule`.

        Raises:
            RuleFailedError: the rule failed from some origins.
        """
        forecasts = np.full((len(request.origins), len(request.horizons)), np.nan)
        failures: list[OriginFailure] = []
        until = time.monotonic() + self._seconds
        for s, (values, origins) in enumerate(request.split(y)):
            first = int(request.origin_offsets[s])
            arrays = values, origins, request.horizons
            part, failed = self._forecast_series(arrays, request.season, until)
            forecasts[first : first + len(origins)] = part
            failures += [failure._replace(place=first + failure.place) for failure in failed]
        if failures:
            raise RuleFailedError(self.name, forecasts, failures)
        return forecasts

    def _forecast_series(
        self, arrays: tuple[Floats, Ints, Ints], season: int, until: float
    ) -> tuple[Floats, list[OriginFailure]]:
        """Forecast one series from its origins, `arrays`: values, origins and horizons."""
        _, origins, horizons = arrays
        shape, left = (len(origins), len(horizons)), until - time.monotonic()
        self._too_slow |= left <= 0.0
        if self._too_slow:
            return self._stopped(shape)
        header = {
            "ask": "forecast",
            "reference": self.reference,
            "batch": self._batch,
            "check": self._check,
            "version": self.version,
            "season": season,
        }
        try:
            answer = this_threads_host().ask(header, arrays, seconds=left)
        except HostTimeoutError:
            self._too_slow = True
            return self._stopped(shape)
        except HostDiedError as error:
            return np.full(shape, np.nan), failed_everywhere(shape, "ProcessEnded", str(error))
        (forecasts,) = answer.arrays
        grouped = answer.header["failures"]
        failures = [OriginFailure(at, *words) for *words, places in grouped for at in places]
        return forecasts, sorted(failures)

    def _stopped(self, shape: tuple[int, int]) -> tuple[Floats, list[OriginFailure]]:
        # All other series would have to wait as long for a rule that hangs.
        message = (
            f"took longer than rule_timeout_seconds = {self._seconds:g} for one variable, and was "
            "not called again in the batch"
        )
        return np.full(shape, np.nan), failed_everywhere(shape, "TimeoutError", message)


def describe(reference: str, seconds: float = RULE_TIMEOUT) -> dict[str, Any]:
    """Return name, options and version of a rule, as the rule host reports them.

    Raises:
        RuleError: it cannot be imported or used.
    """
    _refuse_other_libraries(reference)
    host = this_threads_host()
    # Another run that ends on the same worker may close this host at any time, which then forgets.
    described = host.descriptions.get(reference)
    if described is None:
        header = {"ask": "describe", "reference": reference, "batch": next(_batches)}
        try:
            described = host.ask(header, seconds=seconds).header
        except HostDiedError as error:
            raise RuleError(f"rule {reference!r} cannot be imported: {error}") from error
        except HostTimeoutError as error:
            raise RuleError(
                f"rule {reference!r} cannot be imported: its module took longer than "
                f"rule_timeout_seconds = {seconds:g}"
            ) from error
        if "error" in described:
            raise RuleError(described["error"])
        host.descriptions[reference] = described
    return described


def _refuse_other_libraries(reference: str) -> None:
    """Refuse a model of a library whose forecasts are read, and not computed.

    Example:
        >>> _refuse_other_libraries("statsforecast:AutoETS")
    """
    library, _, model = reference.partition(":")
    if library in _READ_ONLY:
        raise RuleError(
            f"rule {reference!r}: models of {library} are not run here: make its forecasts with "
            f"{library} and put them into the source as forecasts_{model or '<model>'}.csv, with "
            "the columns variable, target_date, predicted and made_at"
        )


def rule_versions(models: Sequence[str], seconds: float = RULE_TIMEOUT) -> dict[str, str]:
    """Return the version of each rule that is not built in, by its reference.

    Example:
        >>> rule_versions(["naive", "ses"])
        {}
    """
    return {name: describe(name, seconds)["version"] for name in models if ":" in name}
