"""A server of the stored report on 127.0.0.1, so that a link in the UI can open it.

Browsers do not open files from links of web pages, and the store may be a bucket.
"""

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from pulse_assets.errors import StoreError
from pulse_assets.report.policy import content_policy

#: Host names that a browser on this machine uses; a page elsewhere would use another one.
_HOSTS: Final = ("127.0.0.1", "localhost")
#: The page in the store may be of somebody who can write there: no script but ours runs in it.
_HEADERS: Final = {
    "Content-Security-Policy": f"{content_policy()}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def report_server(port: int, read: Callable[[], bytes]) -> ThreadingHTTPServer:
    """Return a server on 127.0.0.1 that answers `/` with the current result of `read`.

    Args:
        port: the port to listen at; 0 takes a free one.
        read: returns the page.

    Raises:
        OSError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the page."""
            if self.headers.get("Host", "").rpartition(":")[0] not in _HOSTS:
                return self.send_error(HTTPStatus.FORBIDDEN)
            if self.path != "/":
                return self.send_error(HTTPStatus.NOT_FOUND)
            try:
                page = read()
            except StoreError:
                return self.send_error(HTTPStatus.NOT_FOUND, "there is no report yet")
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
            return None

        def end_headers(self) -> None:
            """Add to each answer what a browser may do with it."""
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing: the terminal belongs to the UI."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
