"""Rules that are not ours, as a run sees them: each request goes to a rule host and back.

Neither the run's process nor a Dask worker imports a user's code.
"""

import itertools
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from pulse_assets.errors import RuleError
from pulse_assets.retrodiction.arrays import Floats, Ints
from pulse_assets.retrodiction.asked import Asked
from pulse_assets.retrodiction.failures import OriginFailure, RuleFailedError, failed_everywhere
from pulse_assets.retrodiction.rule_process import (
    HostDiedError,
    HostTimeoutError,
    this_threads_host,
)

#: Seconds that a rule may take in a batch, unless the options say otherwise.
RULE_TIMEOUT: Final = 600.0

_batches: Final = itertools.count()


class HostedRule:
    """A user's rule or one of statsforecast for one batch; see `Rule`.

    Attributes:
        reference: how the user named it.
        name: see `Rule`.
        guarded: see `Rule`.
        scale_free: see `Rule`.
        history_origins: see `Rule`.
        version: changes when the rule's code does.
    """

    scale_free = False

    def __init__(self, reference: str, seconds: float = RULE_TIMEOUT) -> None:
        """Have the rule imported.

        Args:
            reference: `package.module:Class` or `statsforecast:Model`.
            seconds: how long it may take in all.

        Raises:
            RuleError: it cannot be imported or used.
        """
        described = describe(reference, seconds)
        self.reference = reference
        self.name: str = described["name"]
        self.guarded: bool = described["guarded"]
        self.history_origins: int | None = described["history_origins"]
        self.version: str = described["version"]
        self._batch = next(_batches)
        self._seconds, self._left = seconds, seconds

    def forecast(self, y: Floats, asked: Asked) -> Floats:
        """Forecast from every origin `[O]`: `[O, H]`; see `Rule`.

        Raises:
            RuleFailedError: the rule failed from some origins.
        """
        forecasts = np.full((len(asked.origins), len(asked.horizons)), np.nan)
        failures: list[OriginFailure] = []
        for s, (one, origins) in enumerate(asked.one_by_one(y)):
            first = int(asked.rows[s])
            made, failed = self._forecast_one(one, origins, asked.horizons, asked.season)
            forecasts[first : first + len(origins)] = made
            failures += [one._replace(place=first + one.place) for one in failed]
        if failures:
            raise RuleFailedError(self.name, forecasts, failures)
        return forecasts

    def _forecast_one(
        self, y: Floats, origins: Ints, horizons: Ints, season: int
    ) -> tuple[Floats, list[OriginFailure]]:
        shape = len(origins), len(horizons)
        if self._left <= 0:
            return np.full(shape, np.nan), failed_everywhere(shape, *self._too_slow())
        ask = {"ask": "forecast", "reference": self.reference, "batch": self._batch}
        header = {**ask, "version": self.version, "season": season}
        began = time.monotonic()
        try:
            answer = this_threads_host().ask(header, (y, origins, horizons), seconds=self._left)
        except HostTimeoutError:
            self._left = 0.0
            return np.full(shape, np.nan), failed_everywhere(shape, *self._too_slow())
        except HostDiedError as error:
            return np.full(shape, np.nan), failed_everywhere(shape, "ProcessEnded", str(error))
        finally:
            self._left -= time.monotonic() - began
        (forecasts,) = answer.arrays
        grouped = answer.header["failures"]
        failures = [OriginFailure(at, *words) for *words, places in grouped for at in places]
        return forecasts, sorted(failures)

    def _too_slow(self) -> tuple[str, str]:
        return (
            "TimeoutError",
            f"took longer than rule_timeout_seconds = {self._seconds:g} in a batch, and was not "
            "called again in it",
        )


def describe(reference: str, seconds: float = RULE_TIMEOUT) -> dict[str, Any]:
    """Return name, options and version of a rule, as its host finds them.

    Raises:
        RuleError: it cannot be imported or used.
    """
    host = this_threads_host()
    # Another run that ends on the same worker may close this host, which forgets all, at any time.
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


def rule_versions(models: Sequence[str], seconds: float = RULE_TIMEOUT) -> dict[str, str]:
    """Return the version of each rule that is not built in, by the name that the user gave it.

    Example:
        >>> rule_versions(["naive", "ses"])
        {}
    """
    return {name: describe(name, seconds)["version"] for name in models if ":" in name}
