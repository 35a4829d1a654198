"""What the sensor `source_changed` decides: ask for a run or wait, and what it remembers.

Without Dagster: the sensor gives the versions of the files and what became of the runs that it
asked for. A version counts as trained only when its run has succeeded.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import TypeAdapter

#: Versions of the files of a source by name.
Versions = Mapping[str, str]

_FIRST_PAUSE: Final = timedelta(minutes=5)
_LONGEST_PAUSE: Final = timedelta(days=1)
_NAMED: Final = 10


class Attempt(NamedTuple):
    """What became of a run that was asked for.

    Attributes:
        request: the name of the request.
        state: `waiting` has not begun to run; `lost` is a request of which no run exists.
        run: id of the run, the request's name if there is none.
        status: Dagster's word for its status.
        ended: when it ended, or when it was asked for if there is none; seconds since 1970.
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
        asked: the versions for which a run was last asked for.
        requests: names of the requests whose outcome is open; the last one is for `asked`.
        count: number of requests so far.
        at: when the last one was made, seconds since 1970.
        failures: number of runs that failed since the last success.
        failed: the run that was counted last.
    """

    trained: Versions = field(default_factory=dict)
    asked: Versions = field(default_factory=dict)
    requests: Sequence[str] = ()
    count: int = 0
    at: float = 0.0
    failures: int = 0
    failed: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        """Read a cursor; an unreadable one is as good as none.

        Older versions of this package kept a flat mapping of file to version.

        Example:
            >>> Memory.of('{"a.csv": "1"}').trained
            {'a.csv': '1'}
            >>> Memory.of("anything else") == Memory.of(None) == Memory()
            True
        """
        try:
            found: Any = json.loads(cursor or "{}")
            if all(isinstance(version, str) for version in found.values()):
                return cls(trained=found, asked=found)
            read = TypeAdapter(cls).validate_json(cursor or "", strict=True)
            return replace(read, requests=tuple(read.requests))
        except (ValueError, AttributeError):
            return cls()

    def cursor(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self), sort_keys=True)


class Decision(NamedTuple):
    """What the sensor does.

    Attributes:
        memory: what it remembers from now on.
        ask: whether it asks for a run; the request's name is the last of `memory.requests`.
        reason: why it asks, or why it does not.
    """

    memory: Memory
    ask: bool
    reason: str


def decide(memory: Memory, found: Versions, attempts: Sequence[Attempt], now: datetime) -> Decision:
    """Decide whether to ask for a run.

    Args:
        memory: what was remembered.
        found: the present versions.
        attempts: what became of `memory.requests`, in the same order.
        now: the present time, with a time zone.
    """
    running = [one for one in attempts if one.state == "running"]
    changed = differences(memory.asked, found)
    if running:
        then = "; the source has changed since: it is asked for when that run ends"
        reason = f"run {running[-1].run} is under way{then if changed else ''}"
        return Decision(memory, False, reason)
    waiting = [one for one in attempts if one.state == "waiting"]
    if changed:
        earlier = [one.request for one in waiting]
        return _ask(memory, found, earlier, now, f"new, changed or gone: {_listed(changed)}")
    if waiting:
        return Decision(memory, False, f"run {waiting[-1].run} waits to be started")
    if not attempts:
        return Decision(memory, False, f"none of {len(found)} files has changed")
    return _settle(memory, found, attempts, now)


def differences(before: Versions, now: Versions) -> list[str]:
    """Name what is new, changed or gone.

    Example:
        >>> differences({"a": "1", "b": "1"}, {"a": "2", "b": "1", "c": "1"})
        ['a', 'c']
    """
    names = {*before, *now}
    return sorted(name for name in names if before.get(name) != now.get(name))


def pause(failures: int) -> timedelta:
    """Return how long to wait after the last of so many failures.

    Example:
        >>> [str(pause(n)) for n in (1, 2, 3, 99)]
        ['0:05:00', '0:10:00', '0:20:00', '1 day, 0:00:00']
    """
    return min(_FIRST_PAUSE * 2 ** min(failures - 1, 12), _LONGEST_PAUSE)


def _settle(
    memory: Memory, found: Versions, attempts: Sequence[Attempt], now: datetime
) -> Decision:
    """Decide once all runs have ended and the source is as it was asked for."""
    last = attempts[-1]
    if last.state != "succeeded":
        return _after_failure(memory, found, last, now)
    if len(attempts) > 1:  # an earlier one may have stored batches of earlier files after it
        return _ask(memory, found, [], now, "runs over several states of the source overlapped")
    trained = replace(memory, trained=memory.asked, requests=(), failures=0, failed="")
    return Decision(trained, False, f"none of {len(found)} files has changed")


def _after_failure(memory: Memory, found: Versions, last: Attempt, now: datetime) -> Decision:
    if last.run != memory.failed:
        memory = replace(memory, failures=memory.failures + 1, failed=last.run)
    again = datetime.fromtimestamp(last.ended, UTC) + pause(memory.failures)
    outcome = "was never created" if last.state == "lost" else f"ended as {last.status}"
    what = f"run {last.run} {outcome} ({memory.failures} in a row)"
    if now >= again:
        return _ask(memory, found, [], now, f"{what}: asked for again")
    reason = f"{what}: asked for again at {again:%Y-%m-%d %H:%M} UTC, or when the source changes"
    return Decision(memory, False, reason)


def _ask(
    memory: Memory, found: Versions, earlier: Sequence[str], now: datetime, reason: str
) -> Decision:
    count = memory.count + 1
    # The time makes it unique though somebody resets the cursor.
    request = f"{count}-{now:%Y%m%dT%H%M%S.%f}"
    asked = replace(
        memory,
        asked={**found},
        requests=(*earlier, request),
        count=count,
        at=now.timestamp(),
    )
    return Decision(asked, True, reason)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
