"""A guard in front of Dagster's webserver, against web pages of others in the user's own browser.

Dagster has no login. Its GraphQL takes mutations by GET and checks neither Host nor Origin, so any
page that a user opens could start a run, and a run is code. Here requests are judged before Dagster
sees them. Who can reach the port with a program other than a browser is not stopped.
"""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulse_assets.errors import ConfigurationError
from pulse_assets.settings.environment import UI_HOSTS_VARIABLE

#: Host names of this machine's own browsers; a tunnel has them, too.
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")

#: Kubernetes and load balancers ask for it by the address of a container: it shows versions only.
_HEALTH: Final = "/server_info"
#: Types of a body that a browser sends to another origin only if that origin has agreed.
_QUERY_TYPES: Final = frozenset({"application/json", "application/graphql"})
_FOREIGN: Final = frozenset({"cross-site", "same-site"})

_FIX: Final = (
    f"open the UI itself; behind a proxy: let it pass Host on, and name it in {UI_HOSTS_VARIABLE}"
)


def allowed_hosts(environment: Mapping[str, str]) -> list[str]:
    """Return the host names by which browsers may reach the UI.

    Raises:
        ConfigurationError: a name holds something else than a name.

    Example:
        >>> allowed_hosts({"PULSE_UI_HOSTS": "pulse.example.com, *.lab.example.com"})[3:]
        ['pulse.example.com', '*.lab.example.com']
    """
    given = environment.get(UI_HOSTS_VARIABLE, "").split(",")
    names = [name.strip() for name in given if name.strip()]
    for name in names:
        rest = name.removeprefix("*.")
        if not rest or any(letter in rest for letter in "*/: "):
            raise ConfigurationError(
                f"{UI_HOSTS_VARIABLE} = {name!r} is no name of a host: write names without scheme "
                "and port, such as pulse.example.com, separated by commas"
            )
    return [*LOOPBACK, *names]


def guarded(app: ASGIApp, hosts: Iterable[str]) -> ASGIApp:
    """Return an application that refuses what pages of others send, and is `app` for the rest.

    Args:
        app: the webserver.
        hosts: host names by which browsers may reach it; another one is DNS rebinding.
    """
    trusted = TrustedHostMiddleware(Guard(app), allowed_hosts=[*hosts], www_redirect=False)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        is_health = scope["type"] == "http" and scope["path"].endswith(_HEALTH)
        await (app if is_health else trusted)(scope, receive, send)

    return application


class Guard:
    """An ASGI middleware that refuses requests of pages from another origin.

    It judges as Go's `http.CrossOriginProtection` does, by `Sec-Fetch-Site` and `Origin`, but
    WebSockets and reading requests, too: GraphQL is asked by any method.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Guard an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 403 and one line, or let the application answer."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif not (fault := fault_of(scope)):
            await self._app(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "foreign origin"})
        else:
            await PlainTextResponse(f"refused: {fault}\n", 403)(scope, receive, send)


def fault_of(scope: Scope) -> str | None:
    """Return why a request is refused, on one line; None if it is not."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    foreign = [origin for origin in headers.getlist("origin") if _place(origin) != host.lower()]
    if foreign:
        return f"a page of {foreign[0]!a} may not use the UI of {host!a}: {_FIX}"
    if scope["type"] == "websocket":
        return None
    if headers.get("sec-fetch-site") in _FOREIGN and not _is_link(scope["method"], headers):
        return f"a page of another site may not use the UI of {host!a}: {_FIX}"
    return _graphql_fault(scope, headers) if _is_graphql(scope["path"]) else None


def _place(origin: str) -> str | None:
    """Return host and port of an origin; None if it has none, such as `null`."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _is_link(method: str, headers: Headers) -> bool:
    """Tell whether a person follows a link to the UI, which then has a window of its own."""
    mode, place = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return method in ("GET", "HEAD") and (mode, place) == ("navigate", "document")


def _is_graphql(path: str) -> bool:
    return path.rstrip("/").endswith("/graphql")


def _graphql_fault(scope: Scope, headers: Headers) -> str | None:
    """Refuse what a browser sends anywhere without asking: a mutation by GET, a simple POST."""
    if scope["method"] == "POST":
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _QUERY_TYPES:
            return f"Content-Type {kind!a} of a GraphQL query: send application/json"
    elif _changes(QueryParams(scope["query_string"]).get("query", "")):
        return f"a GraphQL mutation by {scope['method']}: send it by POST, as application/json"
    return None


def _changes(query: str) -> bool:
    """Tell whether a text of GraphQL has an operation that is no query."""
    try:
        operations = parse(query).definitions
    except GraphQLError:  # Dagster cannot run it either
        return False
    except RecursionError:  # Dagster, which parses it with more of the stack left, might
        return True
    return any(
        isinstance(operation, OperationDefinitionNode)
        and operation.operation != OperationType.QUERY
        for operation in operations
    )


def _unframed(send: Send) -> Send:
    """Let no page of others show the UI in a frame, where a click could be stolen."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return send_unframed
