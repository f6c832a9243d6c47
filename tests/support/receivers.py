"""Services that take messages, on real sockets: a webhook that can refuse and hang, and what came to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """A service that Apprise's `json://` speaks to."""

    port: int = 0
    status: int = 200
    hang: threading.Event = field(default_factory=threading.Event)
    """While it is set, requests are read and not answered."""
    got: list[dict[str, Any]] = field(default_factory=list)
    """What was taken."""
    asked: int = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/"

    @property
    def subjects(self) -> list[str]:
        return [each["title"] for each in self.got]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve while the body runs."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            hook.asked += 1
            if hook.hang.is_set():
                released.wait(60)
                return
            if hook.status < 400:
                hook.got.append(body)
            self.send_response(hook.status)
            self.end_headers()

        def do_GET(self) -> None:
            hook.asked += 1
            hook.got.append({"path": self.path})
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
