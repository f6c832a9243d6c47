"""A mail server that takes everything: enough of RFC 5321 for what sends alerts."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass
class MailServer:
    """Where it listens, and what came."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Serve while the body runs."""
    made = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 localhost ESMTP")
            while line := self.rfile.readline():
                match line.upper().split(b":", 1)[0].split()[:1]:
                    case [b"EHLO" | b"HELO"]:
                        self._say("250 localhost")
                    case [b"DATA"]:
                        self._say("354 go on")
                        made.mails.append(email.message_from_bytes(self._data(), policy=email.policy.default))
                        self._say("250 taken")
                    case [b"QUIT"]:
                        self._say("221 bye")
                        return
                    case _:
                        self._say("250 fine")

        def _data(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            return b"".join(lines)

        def _say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

    with Server(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
