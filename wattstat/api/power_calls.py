"""Calls to core's desk of power in the name of whoever asks; for the public routes and for the pages' callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from wattstat import corecall, keyfile
from wattstat.access import Caller
from wattstat.api.access import caller as present_caller
from wattstat.api.live import CoreUnavailable
from wattstat.api.problems import Problem

STILL_HOLDS = (
    "Caps stay in the devices: what was confirmed last holds without core, breakers stay safe, and agents that hear nothing "
    "lower their GPUs to safe caps after a minute. Nothing can be changed until core is back."
)
TIMEOUT_SECONDS = 60.0


class PowerCalls:
    """Asks one core. Share one instance; close it at the end."""

    def __init__(self, core_url: str, key_path: Path, *, caller: Callable[[], Caller] = present_caller) -> None:
        self._url = core_url.rstrip("/")
        self._key_path = key_path
        self._caller = caller
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What stands at a path below /power. Raises `Problem`, and `CoreUnavailable` saying what holds without core."""
        return await self.ask("GET", path, params=params)

    async def ask(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> dict[str, Any]:
        """Ask in the name of the present caller. Raises `Problem`, and `CoreUnavailable` saying what holds without core."""
        given = {name: str(value) for name, value in (params or {}).items() if value not in (None, "")}
        headers = corecall.headers(self._caller(), self._key())
        try:
            async with self._client().request(
                method, f"{self._url}/power/{path}", params=given, json=body, headers=headers
            ) as answer:
                document = await answer.json(content_type=None)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as err:
            reason = str(err) or type(err).__name__
            raise CoreUnavailable(
                f"core at {self._url} does not answer ({reason}); is `wattstat serve` running? {STILL_HOLDS}"
            ) from err
        if status >= 400 or not isinstance(document, dict):
            raise _problem(status, document)
        return document

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _key(self) -> bytes:
        # Read at each call: it is small, and core may have made it after web began.
        try:
            return keyfile.key(self._key_path)
        except keyfile.KeyFileError as err:
            raise Problem(500, "Core cannot be asked", str(err)) from err

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        return self._session


def _problem(status: int, document: Any) -> Problem:
    """Core's own refusal, with everything that it says."""
    if not isinstance(document, dict) or "detail" not in document:
        return Problem(502, "Core answered oddly", f"status {status}; do web and core have the same version?")
    known = {"type", "title", "status", "detail"}
    more = {name: value for name, value in document.items() if name not in known}
    return Problem(status, str(document.get("title", "Refused")), str(document["detail"]), more=more)
