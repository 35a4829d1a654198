"""Calls of a function on the workers of a cluster, none of which can hold up the others."""

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from distributed import Client

#: Seconds that a worker may take to answer: longer than it waits for an S3 server that is away.
ANSWER_SECONDS: Final = 120.0


def call_workers(
    client: "Client",
    workers: Collection[str],
    function: Callable[..., Any],
    *arguments: object,
    seconds: float,
) -> dict[str, Any]:
    """Call a function on all workers at once, busy ones as well.

    Args:
        client: the cluster.
        workers: addresses of the workers.
        function: what to call; importable on the workers.
        arguments: its arguments.
        seconds: how long a worker may take.

    Returns:
        By address, what the function returned or the exception that it raised; a `TimeoutError` for
        a worker that gave no answer, such as one that is stopped.
    """

    async def call(worker: str) -> Any:  # noqa: ANN401 - what the function returns
        answer = client.run(function, *arguments, workers=[worker], on_error="return")
        try:
            return (await asyncio.wait_for(answer, seconds)).get(worker)
        except TimeoutError as error:
            return error

    async def call_all() -> dict[str, Any]:
        addresses = [*workers]
        answers = await asyncio.gather(*map(call, addresses))
        return dict(zip(addresses, answers, strict=True))

    return cast("dict[str, Any]", client.sync(call_all))
