"""The decision of the sensor `source_changed`: request a run or wait, and what it remembers.

Without Dagster: the sensor passes the versions of the series and the states of the runs that it
requested. A version counts as trained only when its run has succeeded.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import TypeAdapter

#: Versions of the series of a source by name.
Versions = Mapping[str, str]

_FIRST_PAUSE: Final = timedelta(minutes=5)
_LONGEST_PAUSE: Final = timedelta(days=1)
_NAMED: Final = 10


class Attempt(NamedTuple):
    """The state of a run that was requested.

    Attributes:
        request: the name of the request.
        state: `waiting` has not begun to run; `lost` is a request of which no run exists.
        run: id of the run, the request's name if there is none.
        status: Dagster's word for its status.
        ended: when it ended, or when it was requested if there is none; seconds since 1970.
    """

    request: str
    state: Literal["waiting", "running", "succeeded", "failed", "lost"]
    run: str
    status: str
    ended: float


@dataclass(frozen=True)
class Memory:
    """The cursor of the sensor.

    Attributes:
        trained: the versions of which the last successful run was made.
        requested: the versions for which a run was last requested.
        requests: names of the requests whose outcome is open; the last one is for `requested`.
        count: number of requests so far.
        at: when the last one was made, seconds since 1970.
        failures: number of runs that failed since the last success.
        failed: the run that was counted last.
    """

    trained: Versions = field(default_factory=dict)
    requested: Versions = field(default_factory=dict)
    requests: Sequence[str] = ()
    count: int = 0
    at: float = 0.0
    failures: int = 0
    failed: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        """Read a cursor; an unreadable one counts as empty.

        Older versions of this package stored a flat mapping of file to version, or `requested` as
        `asked`.

        Example:
            >>> Memory.of('{"a.csv": "1"}').trained
            {'a.csv': '1'}
            >>> Memory.of("anything else") == Memory.of(None) == Memory()
            True
        """
        try:
            content: Any = json.loads(cursor or "{}")
            if all(isinstance(version, str) for version in content.values()):
                return cls(trained=content, requested=content)
            if "asked" in content:  # the older name of `requested`
                content["requested"] = content.pop("asked")
            read = TypeAdapter(cls).validate_json(json.dumps(content), strict=True)
            return replace(read, requests=tuple(read.requests))
        except (ValueError, AttributeError):
            return cls()

    def cursor(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self), sort_keys=True)


class Decision(NamedTuple):
    """The decision of the sensor.

    Attributes:
        memory: what it remembers from now on.
        requests_run: whether it requests a run, whose name is the last of `memory.requests`.
        reason: why it requests one, or why it does not.
    """

    memory: Memory
    requests_run: bool
    reason: str


def decide(
    memory: Memory, versions: Versions, attempts: Sequence[Attempt], now: datetime
) -> Decision:
    """Decide whether to request a run.

    Args:
        memory: content of the cursor.
        versions: the present versions.
        attempts: states of `memory.requests`, in the same order.
        now: the present time, with a time zone.
    """
    running = [attempt for attempt in attempts if attempt.state == "running"]
    changed = differences(memory.requested, versions)
    if running:
        then = "; the source has changed since: another run is requested when that run ends"
        reason = f"run {running[-1].run} is under way{then if changed else ''}"
        return Decision(memory, False, reason)
    waiting = [attempt for attempt in attempts if attempt.state == "waiting"]
    if changed:
        earlier = [attempt.request for attempt in waiting]
        return _request(memory, versions, earlier, now, f"new, changed or gone: {_listed(changed)}")
    if waiting:
        return Decision(memory, False, f"run {waiting[-1].run} waits to be started")
    if not attempts:
        return Decision(memory, False, f"none of {len(versions)} series has changed")
    return _settle(memory, versions, attempts, now)


def differences(before: Versions, now: Versions) -> list[str]:
    """Name what is new, changed or gone.

    Example:
        >>> differences({"a": "1", "b": "1"}, {"a": "2", "b": "1", "c": "1"})
        ['a', 'c']
    """
    names = {*before, *now}
    return sorted(name for name in names if before.get(name) != now.get(name))


def pause(failures: int) -> timedelta:
    """Return how long to wait after the last failure.

    Args:
        failures: number of failures in a row, >= 1.

    Example:
        >>> [str(pause(n)) for n in (1, 2, 3, 99)]
        ['0:05:00', '0:10:00', '0:20:00', '1 day, 0:00:00']
    """
    return min(_FIRST_PAUSE * 2 ** min(failures - 1, 12), _LONGEST_PAUSE)


def _settle(
    memory: Memory, versions: Versions, attempts: Sequence[Attempt], now: datetime
) -> Decision:
    """Decide once all runs have ended and the source has not changed since the last request."""
    last = attempts[-1]
    if last.state != "succeeded":
        return _after_failure(memory, versions, last, now)
    if len(attempts) > 1:  # an earlier one may have stored batches of earlier files after it
        return _request(
            memory, versions, [], now, "runs over several states of the source overlapped"
        )
    trained = replace(memory, trained=memory.requested, requests=(), failures=0, failed="")
    return Decision(trained, False, f"none of {len(versions)} series has changed")


def _after_failure(memory: Memory, versions: Versions, last: Attempt, now: datetime) -> Decision:
    if last.run != memory.failed:
        memory = replace(memory, failures=memory.failures + 1, failed=last.run)
    again = datetime.fromtimestamp(last.ended, UTC) + pause(memory.failures)
    outcome = "was never created" if last.state == "lost" else f"ended as {last.status}"
    what = f"run {last.run} {outcome} ({memory.failures} in a row)"
    if now >= again:
        return _request(memory, versions, [], now, f"{what}: requested again")
    reason = f"{what}: requested again at {again:%Y-%m-%d %H:%M} UTC, or when the source changes"
    return Decision(memory, False, reason)


def _request(
    memory: Memory, versions: Versions, earlier: Sequence[str], now: datetime, reason: str
) -> Decision:
    count = memory.count + 1
    # The time makes it unique even if somebody resets the cursor.
    request = f"{count}-{now:%Y%m%dT%H%M%S.%f}"
    updated = replace(
        memory,
        requested={**versions},
        requests=(*earlier, request),
        count=count,
        at=now.timestamp(),
    )
    return Decision(updated, True, reason)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
