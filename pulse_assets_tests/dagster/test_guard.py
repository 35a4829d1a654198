"""The guard judges requests as a browser sends them, in front of Dagster's own webserver."""

import asyncio
import json
from typing import NamedTuple
from urllib.parse import urlencode

import dagster as dg
import pytest

from pulse_assets.dagster import ui
from pulse_assets.dagster.guard import LOOPBACK, allowed_hosts, guarded
from pulse_assets.errors import ConfigurationError

HOST = "127.0.0.1:3000"
OWN = {"Host": HOST, "Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
#: A page on another port of this machine, as Chromium describes what it sends.
PAGE = {"Host": HOST, "Origin": "http://127.0.0.1:4000", "Sec-Fetch-Site": "same-site"}
JSON = {"Content-Type": "application/json"}
LIMIT = 'mutation { setConcurrencyLimit(concurrencyKey: "stolen", limit: 3) }'
LIMITS = "{ instance { concurrencyLimits { concurrencyKey } } }"
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def scope_of(kind, path, headers, **more):
    path, _, query = path.partition("?")
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {
        **{"type": kind, "path": path, "raw_path": path.encode(), "query_string": query.encode()},
        **{"headers": pairs, "http_version": "1.1", "root_path": "", "server": ("127.0.0.1", 3000)},
        **{"client": ("127.0.0.1", 9), "scheme": "http" if kind == "http" else "ws", **more},
    }


def send(app, method, path, headers, body=""):
    """Send a request to an ASGI application."""
    sent = []

    async def exchange():
        incoming = iter([{"type": "http.request", "body": body.encode()}])

        async def receive():
            return next(incoming, {"type": "http.disconnect"})

        async def keep(message):
            sent.append(message)

        await app(scope_of("http", path, headers, method=method), receive, keep)

    asyncio.run(exchange())
    named = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    whole = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], named, whole.decode())


def connect(app, headers):
    """Open a WebSocket as a subscription does; return the messages that come back."""
    sent = []

    async def exchange():
        opening = {"type": "websocket.receive", "text": '{"type": "connection_init"}'}
        incoming = iter([{"type": "websocket.connect"}, opening])

        async def receive():
            return next(incoming, {"type": "websocket.disconnect", "code": 1000})

        async def keep(message):
            sent.append(message)

        scope = scope_of("websocket", "/graphql", headers, subprotocols=["graphql-ws"])
        await app(scope, receive, keep)

    asyncio.run(exchange())
    return sent


@pytest.fixture(scope="module")
def dagster_app(tmp_path_factory):
    """Dagster's webserver without a code location."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import EmptyWorkspaceTarget
    from dagster_webserver.app import create_app_from_workspace_process_context

    with (
        dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("home"))) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context,
    ):
        yield create_app_from_workspace_process_context(context)


@pytest.fixture(scope="module")
def app(dagster_app):
    return guarded(dagster_app, LOOPBACK)


def ask(app, query, headers):
    """Ask GraphQL as the UI does."""
    return send(app, "POST", "/graphql", headers | JSON, json.dumps({"query": query}))


def stolen(app):
    """Tell whether the mutation was carried out, and take it back."""
    found = ask(app, LIMITS, OWN)
    ask(app, 'mutation { deleteConcurrencyLimit(concurrencyKey: "stolen") }', OWN)
    return "stolen" in found.text


_BODY = json.dumps({"query": LIMIT})
#: Method, headers and body; the address has the mutation, too.
ATTACKS = {
    "an image": ("GET", {"Host": HOST}, ""),
    "a link": ("GET", {"Host": HOST, **LINK}, ""),
    "a form": ("POST", PAGE | {"Content-Type": "text/plain"}, ""),
    "a form of an old browser": ("POST", {"Host": HOST, "Content-Type": "text/plain"}, ""),
    "a type that contains JSON's": (
        *("POST", {"Host": HOST, "Content-Type": "text/plain; a=application/json"}),
        _BODY,
    ),
    "JSON of a page": ("POST", PAGE | JSON, _BODY),
    "JSON of a page that names no origin": (
        *("POST", {"Host": HOST, "Sec-Fetch-Site": "cross-site"} | JSON),
        _BODY,
    ),
    "JSON of a sandbox": ("POST", OWN | JSON | {"Origin": "null"}, _BODY),
    "JSON of an origin that is none": ("POST", OWN | JSON | {"Origin": "http://["}, _BODY),
    "another name of this machine": (
        *("POST", {"Host": "evil.example:3000", "Origin": "http://evil.example:3000"} | JSON),
        _BODY,
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_dagster_alone_obeys_pages_of_others_and_the_guard_does_not(attack, app, dagster_app):
    method, headers, body = attack
    request = method, f"/graphql?{urlencode({'query': LIMIT})}", headers, body
    assert send(dagster_app, *request).status == 200
    assert stolen(app)  # else this test shows nothing
    refused = send(app, *request)
    assert refused.status in (400, 403)
    assert len(refused.text.splitlines()) == 1
    assert not stolen(app)


def test_a_page_may_neither_read_nor_frame_what_the_ui_shows(app):
    reading = {"Host": HOST, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    framed = {**reading, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    for headers in (reading, framed):
        assert send(app, "GET", "/runs", headers).status == 403
    followed = send(app, "GET", "/runs", {"Host": HOST, **LINK})
    assert (followed.status, followed.headers["x-frame-options"]) == (200, "SAMEORIGIN")


def test_the_ui_itself_and_programs_are_served(app):
    other_name = OWN | {"Host": "LOCALHOST:3", "Origin": "http://localhost:3"}
    for headers in ({"Host": HOST}, OWN, other_name):
        assert json.loads(ask(app, LIMIT, headers).text)["data"] == {"setConcurrencyLimit": True}
        assert stolen(app)
    read = send(app, "GET", f"/graphql?{urlencode({'query': '{ version }'})}", {"Host": HOST})
    assert "version" in json.loads(read.text)["data"]
    wrong = send(app, "GET", f"/graphql?{urlencode({'query': '{{'})}", {"Host": HOST})
    assert "Syntax Error" in wrong.text


def test_only_the_health_check_is_answered_under_any_name(app):
    assert "dagster_version" in send(app, "GET", "/server_info", {"Host": "10.1.2.3:80"}).text
    assert send(app, "GET", "/prefix/server_info", {"Host": "10.1.2.3:80"}).status != 400
    assert send(app, "GET", "/", {"Host": "10.1.2.3:80"}).status == 400


def test_a_query_that_is_too_deep_to_be_read_is_refused(app, monkeypatch):
    def too_deep(text):
        raise RecursionError

    monkeypatch.setattr("pulse_assets.dagster.guard.parse", too_deep)
    asked = send(app, "GET", f"/graphql?{urlencode({'query': '{ version }'})}", {"Host": HOST})
    assert asked.status == 403


def test_a_subscription_needs_the_origin_of_the_ui(app):
    opened = [message["type"] for message in connect(app, OWN)]
    assert opened[:2] == ["websocket.accept", "websocket.send"]
    (refused,) = connect(app, PAGE)
    assert (refused["type"], refused["code"]) == ("websocket.close", 1008)
    renamed = connect(app, {"Host": "evil.example", "Origin": "http://evil.example"})
    assert not {"websocket.accept"} & {message["type"] for message in renamed}


def test_hosts_are_named_by_the_deployment(dagster_app):
    named = guarded(dagster_app, allowed_hosts({"PULSE_UI_HOSTS": "pulse.example.com,"}))
    proxied = {"Host": "pulse.example.com", "Origin": "https://pulse.example.com"}
    assert ask(named, LIMITS, proxied).status == 200
    for name in ("http://a", "a:80", "a b", "*", "*.", "a.*"):
        with pytest.raises(ConfigurationError, match="is no name of a host: write names without"):
            allowed_hosts({"PULSE_UI_HOSTS": name})


@pytest.mark.parametrize(
    ("arguments", "hosts", "line"),
    [([], "", "unknown command ''"), (["dev"], "http://a", "PULSE_UI_HOSTS = 'http://a' is no")],
)
def test_the_command_says_what_is_wrong(arguments, hosts, line, monkeypatch, capsys):
    monkeypatch.setenv("PULSE_UI_HOSTS", hosts)
    assert ui.main(arguments) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {line}")
