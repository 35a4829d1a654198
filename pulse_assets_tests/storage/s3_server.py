"""An S3 server on loopback that counts what is asked of it, and misbehaves on demand."""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import unquote

from moto.server import ThreadedMotoServer

Environ = dict[str, Any]
#: Answers a request in place of the server, or returns None to let it.
Fault = Callable[[Environ, Callable], Iterable[bytes] | None]

_SLOW_DOWN = (
    b"<?xml version='1.0' encoding='UTF-8'?>"
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class S3Server:
    """moto's S3 over HTTP, with what lies between it and a client."""

    KINDS: ClassVar = {"GET": "read", "PUT": "write"}

    def __init__(self) -> None:
        """Start to serve on a free port of loopback."""
        self.fault: Fault | None = None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        server = self._moto._server
        self._app, server.app = server.app, self
        host, port = self._moto.get_host_and_port()
        self.url = f"http://{host}:{port}"

    def __call__(self, environ: Environ, start_response: Callable) -> Iterable[bytes]:
        """Count a request, then answer it, well or badly."""
        with self._lock:
            self._counts[self._kind(environ)] += 1
            fault = self.fault
        answer = fault(environ, start_response) if fault else None
        return self._app(environ, start_response) if answer is None else answer

    @contextmanager
    def counting(self):
        """Count the requests of a `with` block: lists, reads and writes of objects, and others."""
        with self._lock:
            self._counts.clear()
        found: dict[str, int] = {}
        yield found
        found.update(self._counts)

    @contextmanager
    def failing(self, fault: Fault):
        """Misbehave for the length of a `with` block."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._moto.stop()
        self._moto._server.server_close()

    def _kind(self, environ: Environ) -> str:
        is_list = "list-type" in environ["QUERY_STRING"]
        return "list" if is_list else self.KINDS.get(environ["REQUEST_METHOD"], "other")


def overloaded(share: float, seed: int = 0) -> Fault:
    """Answer 503 to this share of the requests."""
    dice = random.Random(seed)

    def fault(environ, start_response):
        if dice.random() >= share:
            return None
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("503 Slow Down", [("Content-Type", "application/xml")])
        return [_SLOW_DOWN]

    return fault


def dropping(server: S3Server, share: float, seed: int = 0) -> Fault:
    """Close the connection of this share of the requests: before the answer or half way in it."""
    dice = random.Random(seed)

    def fault(environ, start_response):
        if dice.random() >= share:
            return None
        connection = environ["werkzeug.socket"]
        if dice.random() < 0.5:
            body = b"".join(server._app(environ, lambda *_: None))
            start_response("200 OK", [("Content-Length", str(len(body) + 100))])
            return _then_close(body[: len(body) // 2], connection)
        return _then_close(b"", connection)

    return fault


def _then_close(body: bytes, connection: socket.socket):
    if body:
        yield body
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionError("dropped")  # which werkzeug takes for the client's doing


def silent(seconds: float) -> Fault:
    """Answer nothing until so many seconds from now have passed, then everything."""
    until = time.monotonic() + seconds

    def fault(_environ, _start_response):
        time.sleep(max(until - time.monotonic(), 0))

    return fault


def answering(status: str, body: bytes) -> Fault:
    """Give every request this answer."""

    def fault(environ, start_response):
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ["REQUEST_METHOD"] == "HEAD":  # how boto3 asks for a bucket's region
            start_response("403 Forbidden", [])
            return []
        start_response(status, [("Content-Length", str(len(body)))])
        return [body]

    return fault


def refusing(code: str, status: str) -> Fault:
    """Answer every request with an error of S3."""
    return answering(status, _SLOW_DOWN.replace(b"SlowDown", code.encode()))


def denying(right: str, path: str = "") -> Fault:
    """Deny the requests below `path` that need this right: ListBucket, GetObject or PutObject."""
    deny = refusing("AccessDenied", "403 Forbidden")

    def needs(environ):
        if "list-type" in environ["QUERY_STRING"]:
            return "ListBucket"
        return {"GET": "GetObject"}.get(environ["REQUEST_METHOD"], "PutObject")

    def fault(environ, start_response):
        place = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        denied = needs(environ) == right and path in unquote(place)
        return deny(environ, start_response) if denied else None

    return fault


def after(writes: int, then: Callable[[], None]) -> Fault:
    """Do something once, when so many objects have been written."""
    seen = iter(range(writes))

    def fault(environ, _start_response):
        if environ["REQUEST_METHOD"] == "PUT" and next(seen, None) is None:
            then()

    return fault


def billing() -> Fault:
    """Deny each request that does not accept the bill, as a bucket does whose readers pay."""
    deny = refusing("AccessDenied", "403 Forbidden")

    def fault(environ, start_response):
        if environ.get("HTTP_X_AMZ_REQUEST_PAYER") == "requester":
            return None
        return deny(environ, start_response)

    return fault
