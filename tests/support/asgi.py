"""Requests put straight to an ASGI application: with any peer, protocol and headers, as no client would send them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookies(self) -> dict[str, str]:
        set_cookies = [value.partition(";")[0] for key, value in self.headers if key == "set-cookie"]
        return dict(each.split("=", 1) for each in set_cookies)


@dataclass(frozen=True)
class Client:
    """A peer that speaks to the application. It is at this machine unless told, and says so in Host."""

    application: Any
    peer: str = "127.0.0.1"
    host: str = "127.0.0.1:8050"

    def __call__(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: dict[str, str] | None = None,
        query: str = "",
        http: str = "1.1",
        scheme: str = "http",
        **headers: str | list[str],
    ) -> Answer:
        """Ask once. Header names have underscores for dashes; a list sends a header several times."""
        sent = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            headers.setdefault("content_type", "application/json")
        if form is not None:
            sent = urlencode(form).encode()
            headers.setdefault("content_type", "application/x-www-form-urlencoded")
        headers.setdefault("host", self.host)
        pairs = [
            (name.replace("_", "-").lower().encode(), each.encode())
            for name, value in headers.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": http, "method": method, "scheme": scheme,
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": pairs, "client": (self.peer, 40000), "server": ("127.0.0.1", 8050), "state": {},
        }  # fmt: skip
        return asyncio.run(_ask(self.application, scope, sent))


async def _ask(application: Any, scope: dict[str, Any], sent: bytes) -> Answer:
    came: list[dict[str, Any]] = []
    requests = [{"type": "http.request", "body": sent, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return requests.pop() if requests else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        came.append(message)

    await application(scope, receive, send)
    start = next(each for each in came if each["type"] == "http.response.start")
    body = b"".join(each.get("body", b"") for each in came if each["type"] == "http.response.body")
    return Answer(start["status"], [(key.decode().lower(), value.decode()) for key, value in start["headers"]], body)
