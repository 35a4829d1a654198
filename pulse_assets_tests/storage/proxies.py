"""Proxies that do not do their duty: silent ones, and ones that refuse."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_HEAD = "Proxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BadProxy(socketserver.ThreadingTCPServer):
    """Gives each request the same answer, or none until it is closed.

    Attributes:
        requests: first line of each request that was read.
    """

    def __init__(self, answer: bytes | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[str] = []
        self.answer, self.closing = answer, threading.Event()

    @property
    def address(self) -> str:
        """Return host:port."""
        return "{}:{}".format(*self.server_address)


class _Handler(socketserver.BaseRequestHandler):
    server: BadProxy

    def handle(self) -> None:
        request = b""
        while b"\r\n\r\n" not in request and (part := self.request.recv(65536)):
            request += part
        self.server.requests.append(request.decode().partition("\r\n")[0])
        if self.server.answer is None:
            self.server.closing.wait()
        else:
            self.request.sendall(self.server.answer)


@contextmanager
def bad_proxy(status: str | None) -> Iterator[BadProxy]:
    """Run a proxy that answers with this status; None: with nothing at all."""
    with BadProxy(f"HTTP/1.1 {status}\r\n{_HEAD}".encode() if status else None) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing.set()
            proxy.shutdown()
            thread.join()
