"""The supervisor's own voice: it tells somebody when the process that evaluates alert rules is dead, stuck or not heard."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from alerts.delivery import alive
from alerts.delivery.receivers import secret
from wattstat.config import Config
from wattstat.config.alerts import SecretUrl

LOOK_SECONDS = 10.0
PATIENCE_SECONDS = 300.0
"""A restart, an upgrade or a slow start wakes nobody."""
AGAIN_SECONDS = 3600.0
RETRY_SECONDS = 60.0
SEND_SECONDS = 90.0

log = structlog.get_logger(__name__)

Cry = Callable[[str, str, bool], Awaitable[bool]]
"""Sends a subject and a body, and whether it is over; whether somebody took it."""


def evaluates(config: Config) -> bool:
    """Whether alert rules are evaluated in the web process of these settings."""
    return config.store.prometheus is None if config.alerts.evaluate is None else config.alerts.evaluate


@dataclass(slots=True, kw_only=True)
class LastResort:
    """Looks at the file of life and cries when it has shown trouble for too long; once an hour, and once when it is over."""

    path: Path
    """The file of life."""
    cry: Cry
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    _bad_since: float | None = None
    _next_cry: float = float("-inf")
    _has_cried: bool = False

    async def look(self) -> None:
        """Once."""
        problem = alive.problem(self.path, self.clock())
        now = self.monotonic()
        if not problem:
            if self._has_cried and not await self.cry(
                "[OVER] Wattstat's alerts work again", "Rules are evaluated and told.", True
            ):
                return
            self._bad_since, self._has_cried, self._next_cry = None, False, float("-inf")
            return
        if self._bad_since is None:
            self._bad_since = now
        if now - self._bad_since < PATIENCE_SECONDS or now < self._next_cry:
            return
        body = (
            f"Nobody would be told of an alert now: {problem}.\n\n"
            "Look at the log (`journalctl -u wattstat`); `systemctl restart wattstat` starts it anew."
        )
        is_taken = await self.cry("[CRIT] Wattstat's alerts do not work", body, False)
        self._has_cried = self._has_cried or is_taken
        self._next_cry = now + (AGAIN_SECONDS if is_taken else RETRY_SECONDS)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            await self.look()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue


def last_resort(config: Config) -> LastResort | None:
    """By the settings; None where there is none, or another evaluates."""
    url = config.alerts.last_resort
    if url is None or not evaluates(config):
        return None
    return LastResort(path=alive.path_beside(config.data_dir / "alerts.sqlite"), cry=_by_apprise(url))


def _by_apprise(url: SecretUrl) -> Cry:
    async def cry(subject: str, body: str, is_over: bool) -> bool:
        log.error("alerts do not work", told=subject, reason=body.splitlines()[0])
        try:
            asked = {"url": secret(url), "subject": subject, "body": body, "severity": "critical", "is_over": is_over}
        except ValueError as err:
            log.error("the last resort cannot be used", reason=str(err))  # noqa: TRY400 - no trace to show
            return False
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "alerts.delivery.last_resort", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=dict(os.environ),
        )  # fmt: skip
        try:
            async with asyncio.timeout(SEND_SECONDS):
                _, said = await process.communicate(json.dumps(asked).encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            said = f"no answer within {SEND_SECONDS:g} s".encode()
        if process.returncode:
            reason = said.decode(errors="replace").strip().splitlines()
            log.error("the last resort did not take the message", reason=reason[-1] if reason else "it said nothing")
        return process.returncode == 0

    return cry
