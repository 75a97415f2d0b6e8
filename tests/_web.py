"""A server of HTTP on the loopback that holds scans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(SimpleHTTPRequestHandler):
    """Gives files with an ETag, counts what was asked, and fails as told."""

    def send_head(self) -> Any:
        server: Any = self.server
        server.asked.append((self.command, self.path))
        if server.failures.get(self.command, 0):
            server.failures[self.command] -= 1
            self.send_error(server.status)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        server: Any = self.server
        for name, value in server.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def web_server(folder: Path) -> Iterator[Any]:
    """Serve a folder; the server has `address`, `asked`, `failures` by method, and `headers`."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    server.asked, server.failures, server.status, server.headers = [], {}, 503, {}
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
